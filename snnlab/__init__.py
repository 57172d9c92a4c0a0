"""snnlab: a laboratory for learning in spiking networks, from equations with units on cards.

The public names, each fetched from its room when it is first asked for: ``snnlab models`` need not wait for Brian2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that editors and type checkers know what the names are
    from snnlab.cards import cell, dataset, datasets, models, synapse
    from snnlab.circuit import Circuit, Population, Projection, Receptor, Source, alone, layered, random_wiring
    from snnlab.encode import Poisson
    from snnlab.errors import Refused
    from snnlab.estimator import SpikingClassifier
    from snnlab.experiments import EXPERIMENTS
    from snnlab.loaders import load
    from snnlab.recording import Recording
    from snnlab.spikes import Spikes
    from snnlab.statistics import irregularity

_ROOMS = {
    "cell": "cards",
    "dataset": "cards",
    "datasets": "cards",
    "models": "cards",
    "plasticity": "cards",
    "synapse": "cards",
    "Circuit": "circuit",
    "Plastic": "circuit",
    "Population": "circuit",
    "Projection": "circuit",
    "Receptor": "circuit",
    "Source": "circuit",
    "alone": "circuit",
    "layered": "circuit",
    "random_wiring": "circuit",
    "Poisson": "encode",
    "Refused": "errors",
    "EXPERIMENTS": "experiments",
    "SpikingClassifier": "estimator",
    "load": "loaders",
    "InfoMax": "infomax",
    "Microcircuit": "microcircuit",
    "RateLayers": "rate_layers",
    "Rates": "rates",
    "Recording": "recording",
    "Spikes": "spikes",
    "TwoStreams": "two_streams",
    "irregularity": "statistics",
}

__all__ = [  # as in _ROOMS; a list that type checkers can read
    "EXPERIMENTS",
    "Circuit",
    "InfoMax",
    "Microcircuit",
    "Plastic",
    "Poisson",
    "Population",
    "Projection",
    "RateLayers",
    "Rates",
    "Receptor",
    "Recording",
    "Refused",
    "Source",
    "SpikingClassifier",
    "Spikes",
    "TwoStreams",
    "alone",
    "cell",
    "dataset",
    "datasets",
    "irregularity",
    "layered",
    "load",
    "models",
    "plasticity",
    "random_wiring",
    "synapse",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'snnlab' has no attribute {name!r}")
    return getattr(import_module(f"snnlab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
