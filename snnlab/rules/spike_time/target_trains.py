"""Target spike trains of the output neurons, for each class of samples."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.errors import InputError

_MIN_SPIKES, _MAX_SPIKES = 0.01, 1e6  # mean number in a train
_ROUNDING = 1e-9  # of an interval


class TargetTrains(Protocol):
    """Target spike trains by class."""

    def classes(self, outputs: int) -> int:
        """Number of classes that have target trains, for so many output neurons."""

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Class, neuron and time in seconds of every target spike (spikes, 3)."""


@dataclass(frozen=True)
class RegularTrains:
    """Regular spikes of the neuron of the class; all others are silent, as in NormAD's classifier of MNIST.

    (Kulkarni, Rajendran, Neural Networks 103:118, 2018, arXiv:1711.03637.)

    Raises InputError if first >= last, and for more than a million spikes.
    """

    first: float = option(10e-3, "time of the first spike, in seconds")
    interval: float = option(3.5e-3, "seconds between spikes")
    last: float = option(99.9e-3, "seconds after which there is no spike")

    def __post_init__(self) -> None:
        _check_window("RegularTrains", self.first, self.last)
        if not 0 < self.interval < math.inf:
            raise InputError("RegularTrains.interval", f"got {self.interval}", "must be above 0 seconds")
        if self.last - self.first > _MAX_SPIKES * self.interval:
            problem = f"got {self.interval} in a window of {self.last - self.first:g} s"
            raise InputError("RegularTrains.interval", problem, f"must give at most {_MAX_SPIKES:,.0f} spikes")

    def classes(self, outputs: int) -> int:
        """One class per output neuron."""
        return outputs

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The trains, which are independent of `rng`."""
        intervals = math.floor((self.last - self.first) / self.interval + _ROUNDING)
        train = self.first + self.interval * np.arange(intervals + 1)
        label = np.repeat(np.arange(outputs), len(train))
        return np.column_stack([label, label, np.tile(train, outputs)])


@dataclass(frozen=True)
class SingleSpikes:
    """A single spike of every output neuron for class 1, and none for class 0.

    Raises InputError if the time is not above 0.
    """

    time: float = option(80e-3, "time of the spike, in seconds")

    def __post_init__(self) -> None:
        if not 0 < self.time < math.inf:
            raise InputError("SingleSpikes.time", f"got {self.time}", "must be above 0 seconds")

    def classes(self, outputs: int) -> int:
        """Two classes."""
        return 2

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The trains, which are independent of `rng`."""
        return np.array([[1, neuron, self.time] for neuron in range(outputs)], dtype=float)


@dataclass(frozen=True)
class PoissonTrains:
    """A Poisson train with dead time for every class and output neuron, sampled once per run.

    An interval is the dead time plus an exponential time, such that the mean rate is `firing_rate`; the first interval
    starts at `first`. An empty train is sampled again.

    Raises InputError if first >= last, if the dead time is not below the mean interval, and for a firing rate that
    gives less than 0.01 or more than a million spikes per train.
    """

    patterns: int = option(1, "classes 0, 1, ... that have target trains")
    firing_rate: float = option(10.0, "spikes per second")
    dead_time: float = option(10e-3, "minimum seconds between two spikes")
    first: float = option(20e-3, "seconds before which there is no spike")
    last: float = option(0.495, "seconds after which there is no spike")

    def __post_init__(self) -> None:
        _check_window("PoissonTrains", self.first, self.last)
        if type(self.patterns) is not int or self.patterns < 1:
            raise InputError("PoissonTrains.patterns", f"got {self.patterns!r}", "must be an integer of at least 1")
        window = self.last - self.first
        if not _MIN_SPIKES <= self.firing_rate * window <= _MAX_SPIKES:
            hint = f"must be {_MIN_SPIKES / window:g} to {_MAX_SPIKES / window:g} spikes per second"
            problem = f"got {self.firing_rate} in a window of {window:g} s"
            raise InputError("PoissonTrains.firing_rate", problem, hint)
        if not 0 <= self.dead_time < 1 / self.firing_rate:
            hint = f"must be at least 0 and below the mean interval, {1 / self.firing_rate:g}"
            raise InputError("PoissonTrains.dead_time", f"got {self.dead_time}", hint)

    def classes(self, outputs: int) -> int:
        """The number of patterns."""
        return self.patterns

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The trains, sampled from `rng`."""
        rows = [
            (label, neuron, time)
            for label in range(self.patterns)
            for neuron in range(outputs)
            for time in self._train(rng)
        ]
        return np.array(rows, dtype=float)

    def _train(self, rng: np.random.Generator) -> list[float]:
        while True:
            train, time = [], self.first + rng.exponential(1 / self.firing_rate - self.dead_time)
            while time < self.last:
                train.append(time)
                time += self.dead_time + rng.exponential(1 / self.firing_rate - self.dead_time)
            if train:
                return train


def _check_window(kind: str, first: float, last: float) -> None:
    if not 0 < first < math.inf:
        raise InputError(f"{kind}.first", f"got {first}", "must be above 0 seconds")
    if not first < last < math.inf:
        raise InputError(f"{kind}.last", f"got {last}", f"must be above {kind}.first, {first}")
