"""Samples into spikes or rates: one file for each way, and what they have in common in encoder.py.

Every draw has its own place in a stream of random numbers, so what is drawn does not depend on the batch, the order or
the number of threads, and a run that is resumed sees the spikes it would have seen.
"""

from typing import Any

from snnlab.encode.current import Current
from snnlab.encode.delta import Delta
from snnlab.encode.ear import Ear
from snnlab.encode.encoder import TEST, TRAIN, Encoder
from snnlab.encode.features import Features
from snnlab.encode.filmed import Filmed
from snnlab.encode.intensity import Intensity
from snnlab.encode.latency import Latency
from snnlab.encode.patterns import Patterns
from snnlab.encode.poisson import Poisson
from snnlab.encode.population import Population
from snnlab.encode.regular import Regular
from snnlab.encode.sensor import Sensor

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
    "Filmed",
    "Intensity",
    "Latency",
    "Patterns",
    "Poisson",
    "Population",
    "Regular",
    "Sensor",
]
