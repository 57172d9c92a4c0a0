"""Encoders from samples to spikes or rates, one per file; encoder.py has what they share.

Random encoders sample from counter-based random numbers: results do not depend on the batch, the order of samples or
the number of threads, and a resumed run gets the same spikes.
"""

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

ENCODERS: dict[str, type[Any]] = {
    encoder.name: encoder
    for encoder in (
        Current, Delta, Ear, Features, Intensity, Latency, Patterns, Poisson, Population, Regular, Sensor
    )
}  # fmt: skip
"""Encoders by the name that ``--set encoder=NAME`` accepts."""

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
