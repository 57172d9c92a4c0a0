"""Samples into spikes or rates: one file for each way, and what they have in common in encoder.py.

Every draw has its own place in a stream of random numbers, so what is drawn does not depend on the batch, the order or
the number of threads, and a run that is resumed sees the spikes it would have seen.
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
    "current": Current,
    "delta": Delta,
    "ear": Ear,
    "features": Features,
    "intensity": Intensity,
    "latency": Latency,
    "patterns": Patterns,
    "poisson": Poisson,
    "population": Population,
    "regular": Regular,
    "sensor": Sensor,
}
"""The encoders by name, as ``--set encoder=latency`` takes it."""

__all__ = [
    "ENCODERS",
    "TEST",
    "TRAIN",
    "Current",
    "Delta",
    "Ear",
    "Encoder",
    "Features",
    "SimulatedCamera",
    "Intensity",
    "Latency",
    "Patterns",
    "Poisson",
    "Population",
    "Regular",
    "Sensor",
]
