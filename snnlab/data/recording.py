"""What a simulation leaves behind: spikes and traces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of


@dataclass(frozen=True, eq=False)
class Trace:
    """A variable over time, in SI units, sampled at the start of each step.

    values  float64 (steps, neurons)
    neurons int64 (neurons,)  which neurons of the population were watched
    unit    SI unit as text, "V", "A", ..., "" for a plain number
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


@dataclass(frozen=True, eq=False)
class Recording:
    """One run of a circuit.

    spikes    population -> Spikes, a batch of one
    traces    population -> variable -> Trace; of a plastic projection by its name, its neurons being synapses, counted
              pre*(neurons after) + post
    duration  seconds
    dt        seconds per step
    weights   plastic projection -> float64 (pre, post) at the end of the run, in SI units
    """

    spikes: Mapping[str, SpikeTrains]
    traces: Mapping[str, Mapping[str, Trace]]
    duration: float
    dt: float
    weights: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def trace(self, population: str, variable: str) -> Trace:
        """One trace by name. Raises InputError, naming what was recorded."""
        if population not in self.traces:
            raise InputError("recording", f"no traces of {population!r}", one_of(population, self.traces))
        known = self.traces[population]
        if variable not in known:
            raise InputError(f"recording of {population!r}", f"no trace {variable!r}", one_of(variable, known))
        return known[variable]

    def rates(self, population: str) -> NDArray[np.float64]:
        """Mean firing rate of every neuron, in hertz (neurons,). Raises InputError where no spikes were recorded."""
        if population not in self.spikes:
            raise InputError("recording", f"no spikes of {population!r}", one_of(population, self.spikes))
        return np.asarray(self.spikes[population].counts()[0] / self.duration, dtype=np.float64)
