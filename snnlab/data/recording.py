"""The result of a simulation: spikes, traces and weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of


@dataclass(frozen=True, eq=False, repr=False)
class Trace:
    """A variable over time in SI units, recorded at the start of each step.

    values  float64 (steps, neurons)
    neurons int64 (neurons,)  numbers of the recorded neurons
    unit    SI unit, "V", "A", ...; "" for a plain number
    dt      seconds per step
    """

    values: NDArray[np.float64]
    neurons: NDArray[np.int64]
    unit: str
    dt: float

    @property
    def times(self) -> NDArray[np.float64]:
        """Seconds (steps,)."""
        return np.arange(len(self.values), dtype=np.float64) * self.dt

    def __repr__(self) -> str:
        steps, neurons = self.values.shape
        return f"Trace({steps} steps of {self.dt * 1e3:g} ms, {neurons} neurons, unit {self.unit or '1'})"


@dataclass(frozen=True, eq=False, repr=False)
class Recording:
    """The recording of one simulation of a circuit.

    spikes    population -> SpikeTrains, a batch of one
    traces    population or plastic projection -> variable -> Trace; for a projection, "neurons" are synapses, numbered
              pre * (postsynaptic neurons) + post
    duration  seconds
    dt        seconds per step
    weights   plastic projection -> final weights, float64 (pre, post), in SI units
    """

    spikes: Mapping[str, SpikeTrains]
    traces: Mapping[str, Mapping[str, Trace]]
    duration: float
    dt: float
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __repr__(self) -> str:
        spikes = ", ".join(f"{name}: {len(trains)} spikes" for name, trains in self.spikes.items())
        traces = ", ".join(f"{name}.{variable}" for name, found in self.traces.items() for variable in found)
        parts = [f"{self.duration * 1e3:g} ms in steps of {self.dt * 1e3:g} ms", spikes, traces and f"traces {traces}"]
        return f"Recording({', '.join(filter(None, parts))})"

    def trace(self, population: str, variable: str) -> Trace:
        """The trace of a variable. Raises InputError if it was not recorded."""
        if population not in self.traces:
            raise InputError("recording", f"no traces of {population!r}", one_of(population, self.traces))
        known = self.traces[population]
        if variable not in known:
            raise InputError(f"recording of {population!r}", f"no trace {variable!r}", one_of(variable, known))
        return known[variable]

    def rates(self, population: str) -> NDArray[np.float64]:
        """Mean firing rate of each neuron in hertz (neurons,). Raises InputError if no spikes were recorded."""
        if population not in self.spikes:
            raise InputError("recording", f"no spikes of {population!r}", one_of(population, self.spikes))
        return np.asarray(self.spikes[population].counts()[0] / self.duration, dtype=np.float64)
