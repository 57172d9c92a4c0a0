"""Encoders from samples to spikes or rates, one per file; encoder.py has what they share.

Random encoders sample from counter-based random numbers: results do not depend on the batch, the order of samples or
the number of threads, and a resumed run gets the same spikes.
"""

from importlib import import_module
from inspect import isabstract, isclass
from pkgutil import iter_modules
from typing import Any

from snnlab.encoders.current import Current
from snnlab.encoders.delta import Delta
from snnlab.encoders.ear import Ear
from snnlab.encoders.encoder import TEST, TRAIN, Encoder
from snnlab.encoders.features import Features
from snnlab.encoders.intensity import Intensity
from snnlab.encoders.latency import Latency
from snnlab.encoders.patterns import Patterns
from snnlab.encoders.poisson import Poisson
from snnlab.encoders.population import Population
from snnlab.encoders.regular import Regular
from snnlab.encoders.sensor import Sensor
from snnlab.encoders.simulated_camera import SimulatedCamera


def _defined_encoders() -> dict[str, type[Any]]:
    modules = [import_module(f"{__name__}.{module.name}") for module in iter_modules(__path__)]
    values = [value for module in modules for value in vars(module).values() if isclass(value)]
    encoders = [value for value in values if issubclass(value, Encoder) and not isabstract(value) and value.selectable]
    return {encoder.name: encoder for encoder in sorted(encoders, key=lambda encoder: encoder.name)}


ENCODERS: dict[str, type[Any]] = _defined_encoders()
"""Encoders by the name that ``--set encoder=NAME`` accepts. A new module of this folder is found by itself."""

__all__ = [
    "ENCODERS",
    "TEST",
    "TRAIN",
    "Current",
    "Delta",
    "Ear",
    "Encoder",
    "Features",
    "Intensity",
    "Latency",
    "Patterns",
    "Poisson",
    "Population",
    "Regular",
    "Sensor",
    "SimulatedCamera",
]
