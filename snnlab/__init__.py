"""snnlab: a laboratory for learning in spiking networks, from equations with units on cards.

The public names, each fetched from its room when it is first asked for: ``snnlab models`` need not wait for Brian2.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that editors and type checkers know what the names are
    from snnlab.analysis.statistics import irregularity
    from snnlab.cards import all_datasets, all_models, cell, dataset, plasticity, synapse
    from snnlab.data.recording import Recording
    from snnlab.data.spikes import SpikeTrains
    from snnlab.datasets import load
    from snnlab.encoders import Poisson
    from snnlab.errors import InputError
    from snnlab.estimator import SpikingClassifier
    from snnlab.experiments import EXPERIMENTS
    from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected
    from snnlab.networks.feedforward import feedforward
    from snnlab.networks.weights import random_connections

_ROOMS = {
    "cell": "cards",
    "dataset": "cards",
    "all_datasets": "cards",
    "all_models": "cards",
    "plasticity": "cards",
    "synapse": "cards",
    "Circuit": "networks.circuit",
    "Plastic": "networks.circuit",
    "Population": "networks.circuit",
    "Projection": "networks.circuit",
    "Receptor": "networks.circuit",
    "Source": "networks.circuit",
    "unconnected": "networks.circuit",
    "feedforward": "networks.feedforward",
    "random_connections": "networks.weights",
    "Poisson": "encoders",
    "InputError": "errors",
    "EXPERIMENTS": "experiments",
    "SpikingClassifier": "estimator",
    "load": "datasets",
    "CorInfoMaxNetwork": "networks.corinfomax",
    "Microcircuit": "networks.microcircuit",
    "MLP": "networks.mlp",
    "RateInput": "data.rates",
    "Recording": "data.recording",
    "SpikeTrains": "data.spikes",
    "TwoStream": "networks.two_stream",
    "irregularity": "analysis.statistics",
}

__all__ = [  # as in _ROOMS; a list that type checkers can read
    "EXPERIMENTS",
    "Circuit",
    "CorInfoMaxNetwork",
    "Microcircuit",
    "Plastic",
    "Poisson",
    "Population",
    "Projection",
    "MLP",
    "RateInput",
    "Receptor",
    "Recording",
    "InputError",
    "Source",
    "SpikingClassifier",
    "SpikeTrains",
    "TwoStream",
    "all_datasets",
    "all_models",
    "unconnected",
    "cell",
    "dataset",
    "irregularity",
    "feedforward",
    "load",
    "plasticity",
    "random_connections",
    "synapse",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'snnlab' has no attribute {name!r}")
    return getattr(import_module(f"snnlab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
