"""Rates of sources: what a circuit hears in every step, as numbers without a unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError


@dataclass(frozen=True, eq=False)
class RateInput:
    """The rates of a source for a batch of samples, each held for one of equally long stretches of the run.

    values  float (samples, stretches, neurons); one stretch for rates that stay as they are

    Raises InputError for another shape, no samples or stretches, and numbers that are not finite.
    """

    values: NDArray[np.floating]

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 3 or 0 in values.shape or values.dtype.kind != "f":
            found = f"{values.dtype} {values.shape}"
            raise InputError("rates", found, "needs numbers (samples, stretches, neurons), at least one of each")
        if not np.isfinite(values).all():
            raise InputError("rates", "numbers that are not finite", "NaN and infinity cannot be heard")

    @classmethod
    def constant(cls, values: NDArray[np.floating]) -> RateInput:
        """Rates (samples, neurons) that stay as they are."""
        return cls(values[..., None, :])

    @property
    def samples(self) -> int:
        return self.values.shape[0]

    @property
    def segments(self) -> int:
        return self.values.shape[1]

    @property
    def size(self) -> int:
        return self.values.shape[2]

    def steps_per_segment(self, steps: int, where: str = "rates") -> int:
        """Steps of a run of `steps` that each stretch lasts. Raises InputError unless that is a whole number."""
        each, left = divmod(steps, self.segments)
        if left or not each:
            right = f"needs a number of steps that {self.segments} divides"
            raise InputError(where, f"{self.segments} stretches in {steps} steps", right)
        return each

    def sample(self, number: int) -> RateInput:
        """One of the samples, a batch of one."""
        return RateInput(self.values[number : number + 1])
