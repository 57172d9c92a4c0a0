"""When the output of a network is to fire: for each class a spike train of every output neuron."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError

_FEWEST, _MOST = 0.01, 1e6  # spikes in a train, on average
_ROUNDED = 1e-9  # of an interval


class Desired(Protocol):
    """What output neurons are to do for samples of each class."""

    def classes(self, outputs: int) -> int:
        """For how many classes of samples something is wanted of so many output neurons."""

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Class, neuron and time in seconds of every desired spike (spikes, 3)."""


@dataclass(frozen=True)
class Paced:
    """The neuron of the class fires at an even pace, the others never: NormAD's classifier of MNIST.

    (Kulkarni, Rajendran, Neural Networks 103:118, 2018, arXiv:1711.03637.)

    first  seconds to the first spike
    every  seconds from one to the next
    last   seconds after which there is none

    Raises InputError for times that are not in this order, and for more than a million spikes.
    """

    first: float = 10e-3
    every: float = 3.5e-3
    last: float = 99.9e-3

    def __post_init__(self) -> None:
        _check_span("Paced", self.first, self.last)
        if not 0 < self.every < math.inf:
            raise InputError("Paced.every", f"found {self.every}", "needs seconds, above 0")
        if self.last - self.first > _MOST * self.every:
            found = f"found {self.every}, and {self.last - self.first:g} s to fire in"
            raise InputError("Paced.every", found, f"needs at most {_MOST:,.0f} spikes")

    def classes(self, outputs: int) -> int:
        """One for each output neuron."""
        return outputs

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The same for every seed."""
        further = math.floor((self.last - self.first) / self.every + _ROUNDED)
        paced = self.first + self.every * np.arange(further + 1)
        label = np.repeat(np.arange(outputs), len(paced))
        return np.column_stack([label, label, np.tile(paced, outputs)])


@dataclass(frozen=True)
class Marked:
    """All output neurons fire once for samples of class 1, and never for those of class 0: yes or no.

    at  seconds, when they fire

    Raises InputError for a time that is not above 0.
    """

    at: float = 80e-3

    def __post_init__(self) -> None:
        if not 0 < self.at < math.inf:
            raise InputError("Marked.at", f"found {self.at}", "needs seconds, above 0")

    def classes(self, outputs: int) -> int:
        """Two."""
        return 2

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """The same for every seed."""
        return np.array([[1, neuron, self.at] for neuron in range(outputs)], dtype=float)


@dataclass(frozen=True)
class Drawn:
    """Every output neuron has a train of its own for each pattern, drawn by the seed: a Poisson train with a dead time.

    patterns  classes 0, 1, ... for which something is wanted
    rate      spikes per second
    gap       seconds between two spikes, at least
    first     seconds before which there is no spike
    last      and after which there is none

    Intervals are `gap` and an exponential time beside it, which keeps the rate; the first begins at `first`. Every
    train has one spike at least: one that was drawn without is drawn again.

    Raises InputError for times that are not in this order, for a gap that leaves no room at this rate, and for a rate
    by which hardly any train would have a spike, or one of them more than a million.
    """

    patterns: int = 1
    rate: float = 10.0
    gap: float = 10e-3
    first: float = 20e-3
    last: float = 0.495

    def __post_init__(self) -> None:
        _check_span("Drawn", self.first, self.last)
        if type(self.patterns) is not int or self.patterns < 1:
            raise InputError("Drawn.patterns", f"found {self.patterns!r}", "needs a whole number, at least 1")
        span = self.last - self.first
        if not _FEWEST <= self.rate * span <= _MOST:
            right = f"needs {_FEWEST / span:g} to {_MOST / span:g} spikes per second"
            raise InputError("Drawn.rate", f"found {self.rate}, and {span:g} s to fire in", right)
        if not 0 <= self.gap < 1 / self.rate:
            raise InputError("Drawn.gap", f"found {self.gap}", f"needs 0 to below {1 / self.rate:g}, the mean interval")

    def classes(self, outputs: int) -> int:
        """As many as there are patterns."""
        return self.patterns

    def times(self, outputs: int, rng: np.random.Generator) -> NDArray[np.float64]:
        """Others for every draw of `rng`."""
        rows = [
            (label, neuron, time)
            for label in range(self.patterns)
            for neuron in range(outputs)
            for time in self._train(rng)
        ]
        return np.array(rows, dtype=float)

    def _train(self, rng: np.random.Generator) -> list[float]:
        while True:
            found, time = [], self.first + rng.exponential(1 / self.rate - self.gap)
            while time < self.last:
                found.append(time)
                time += self.gap + rng.exponential(1 / self.rate - self.gap)
            if found:
                return found


def _check_span(kind: str, first: float, last: float) -> None:
    if not 0 < first < math.inf:
        raise InputError(f"{kind}.first", f"found {first}", "needs seconds, above 0")
    if not first < last < math.inf:
        raise InputError(f"{kind}.last", f"found {last}", f"needs seconds, above {kind}.first, {first}")
