"""Rate inputs: continuous inputs of a circuit, as numbers without a unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class RateInput:
    """The rates of a source for a batch of samples, constant within each of equally long segments of a run.

    values  float (samples, segments, neurons); one segment for constant rates

    Raises InputError for another shape, for no samples or segments, and for numbers that are not finite.
    """

    values: NDArray[np.floating]

    def __post_init__(self) -> None:
        values = self.values
        if values.ndim != 3 or 0 in values.shape or values.dtype.kind != "f":
            hint = "must be floats of shape (samples, segments, neurons), at least one of each"
            raise InputError("rates", f"got {values.dtype} {values.shape}", hint)
        if not np.isfinite(values).all():
            raise InputError("rates", "got NaN or infinity", "must be finite")

    def __repr__(self) -> str:
        return f"RateInput({self.samples} samples, {self.segments} segments, {self.size} neurons)"

    @classmethod
    def constant(cls, values: NDArray[np.floating]) -> RateInput:
        """Constant rates, from (samples, neurons)."""
        return cls(values[..., None, :])

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.values.shape[0]

    @property
    def segments(self) -> int:
        """Number of segments."""
        return self.values.shape[1]

    @property
    def size(self) -> int:
        """Number of neurons."""
        return self.values.shape[2]

    def steps_per_segment(self, steps: int, field: str = "rates") -> int:
        """Time steps of each segment in a run of `steps`. Raises InputError unless that is a positive integer."""
        length, rest = divmod(steps, self.segments)
        if rest or not length:
            problem = f"got {self.segments} segments in {steps} steps"
            raise InputError(field, problem, f"the number of steps must be a multiple of {self.segments}")
        return length

    def sample(self, number: int) -> RateInput:
        """The rates of one sample, as a batch of one."""
        return RateInput(self.values[number : number + 1])
