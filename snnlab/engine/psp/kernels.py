"""Time courses of the effect of one spike, as sums of exponentials."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError

TERMS = 3
"""Exponentials of each kernel, as in credit.hpp."""

_MIN_DIFFERENCE = 1e-3  # of two time constants, relative; the terms of a kernel cancel to as many digits


@dataclass(frozen=True)
class Kernel:
    """The potential that one spike leaves through a weight of 1: NormAD's filter of a synaptic current.

    The current exp(-t/tau_1) - exp(-t/tau_2) through the leak exp(-t/tau_L)/C: a sum of three exponentials, 0 at t = 0.

    tau_1, tau_2  decay and rise of the current, in seconds
    tau_L         of the leak, in seconds; shorter than that of the membrane, it accounts for resets
    C             capacitance, in farad; the potential is in volt for a weight of 1 A

    Raises InputError for values of 0 or below, for a rise slower than the decay, and for time constants that are equal.
    """

    tau_1: float
    tau_2: float
    tau_L: float
    C: float

    def __post_init__(self) -> None:
        taus = {"tau_1": self.tau_1, "tau_2": self.tau_2, "tau_L": self.tau_L}
        for name, value in (taus | {"C": self.C}).items():
            if not 0 < value < math.inf:
                raise InputError(f"Kernel: {name}", f"got {value}", "must be above 0 and finite")
        for first, second in combinations(taus, 2):
            if abs(taus[first] - taus[second]) < _MIN_DIFFERENCE * taus[first]:
                problem = f"got {taus[first]:g} s, and {second} is {taus[second]:g} s"
                raise InputError(f"Kernel: {first}", problem, f"must differ by at least {_MIN_DIFFERENCE:.1%}")
        if self.tau_1 < self.tau_2:
            problem = f"got {self.tau_1:g} s, and tau_2 is {self.tau_2:g} s"
            raise InputError("Kernel: tau_1", problem, "must be longer than tau_2: the decay is slower than the rise")

    @cached_property
    def decay_rates(self) -> NDArray[np.float64]:
        """Of the three exponentials, per second (3,)."""
        return 1 / np.array([self.tau_1, self.tau_2, self.tau_L])

    @cached_property
    def amplitudes(self) -> NDArray[np.float64]:
        """Of the three exponentials (3,)."""
        decay, rise, leak = self.decay_rates
        first, second = 1 / (self.C * (leak - decay)), 1 / (self.C * (leak - rise))
        return np.array([first, -second, second - first])

    def at(self, t: ArrayLike) -> NDArray[np.float64]:
        """The potential `t` seconds after the spike, of the shape of `t`; 0 before it."""
        age = np.asarray(t, dtype=float)
        decays = np.exp(-np.maximum(age, 0)[..., None] * self.decay_rates)
        return np.where(age > 0, decays @ self.amplitudes, 0.0)


@dataclass(frozen=True)
class Window:
    """A single exponential, exp(-t/tau): the learning window of rules that use spike times and no potentials.

    tau  in seconds

    Raises InputError for 0 or below.
    """

    tau: float

    def __post_init__(self) -> None:
        if not 0 < self.tau < math.inf:
            raise InputError("Window: tau", f"got {self.tau}", "must be above 0 and finite, in seconds")

    @property
    def decay_rates(self) -> NDArray[np.float64]:
        """As of a Kernel (3,)."""
        return np.full(TERMS, 1 / self.tau)

    @property
    def amplitudes(self) -> NDArray[np.float64]:
        """As of a Kernel, two of them 0 (3,)."""
        return np.eye(TERMS)[0]
