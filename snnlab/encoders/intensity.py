"""Constant rates in proportion to intensity, without spikes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.rates import RateInput
from snnlab.data.samples import Images
from snnlab.encoders.encoder import ImageEncoder, check_grid
from snnlab.errors import InputError


@dataclass(frozen=True)
class Intensity(ImageEncoder):
    """Constant rates in proportion to intensity, for circuits with continuous (rate-based) input.

    Raises InputError for values out of range.
    """

    name = "intensity"

    low: float = option(0.0, "rate of a black pixel")
    high: float = option(1.0, "rate of a pixel of full intensity")
    dt: float = option(1e-4, "seconds per step of the circuit")

    def __post_init__(self) -> None:
        check_grid("Intensity", 1, self.dt)
        for name, value in (("low", self.low), ("high", self.high)):
            if not abs(value) <= 1e6:
                raise InputError(f"Intensity.{name}", f"got {value!r}", "must be -1e6 to 1e6")
        if self.low == self.high:
            raise InputError("Intensity.high", f"got {self.high:g}", f"must differ from low, {self.low:g}")

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> RateInput:
        return RateInput.constant(_table(self, images.peak)[images.values])


@cache
def _table(intensity: Intensity, peak: int) -> NDArray[np.float32]:
    """The rate of each value, 0 to the peak, computed in float64."""
    share = np.arange(peak + 1) / peak
    return ((1 - share) * intensity.low + share * intensity.high).astype(np.float32)
