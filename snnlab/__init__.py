"""snnlab: a laboratory for learning in spiking networks, from equations with units on cards.

The public names, each fetched from its room when it is first asked for: ``snnlab models`` need not wait for Brian2.
"""

from importlib import import_module
from typing import Any

_ROOMS = {
    "cell": "cards",
    "dataset": "cards",
    "datasets": "cards",
    "models": "cards",
    "synapse": "cards",
    "Circuit": "circuit",
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
    "load": "loaders",
    "Recording": "recording",
    "Spikes": "spikes",
    "irregularity": "statistics",
}

__all__ = list(_ROOMS)


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'snnlab' has no attribute {name!r}")
    return getattr(import_module(f"snnlab.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
