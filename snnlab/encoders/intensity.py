"""Images as rates: the brighter a pixel, the higher the rate that a circuit hears of it, without any spikes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images
from snnlab.errors import InputError


@dataclass(frozen=True)
class Intensity:
    """Steady rates, in proportion to intensity, for circuits of cells that are heard by a rate.

    low   rate of a black pixel
    high  and of one of full intensity
    dt    seconds per step of a circuit that has steps

    Raises InputError for values that make no code.
    """

    low: float = 0.0
    high: float = 1.0
    dt: float = 1e-4

    def __post_init__(self) -> None:
        check_grid("Intensity", 1, self.dt)
        for name, value in (("low", self.low), ("high", self.high)):
            if not abs(value) <= 1e6:
                raise InputError(f"Intensity.{name}", f"found {value!r}", "needs a rate, -1e6 to 1e6")
        if self.low == self.high:
            right = f"needs another rate than that of a black pixel, {self.low:g}"
            raise InputError("Intensity.high", f"found {self.high:g}", right)

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images as they are. Raises InputError for what is none."""
        return images(samples)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> RateInput:
        """The rates of a batch of images, float32; nothing about them is random.

        Raises InputError for anything else.
        """
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        return RateInput.constant(_table(self, batch.peak)[batch.values])


@cache
def _table(intensity: Intensity, peak: int) -> NDArray[np.float32]:
    """The rate of each value, 0 to the peak, worked out in float64."""
    share = np.arange(peak + 1) / peak
    return ((1 - share) * intensity.low + share * intensity.high).astype(np.float32)
