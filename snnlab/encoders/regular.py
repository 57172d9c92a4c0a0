"""Rate code with evenly spaced spikes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid, scaled_rates
from snnlab.encoders.spike_table import regular_spikes
from snnlab.errors import InputError, one_of

Phase = Literal["random", "same"]
_STREAM = 0x726567  # separates these random numbers from those of others with the same seed


@dataclass(frozen=True)
class Regular(ImageEncoder):
    """Rate code with evenly spaced spikes, at a rate in proportion to intensity.

    Intervals are 1 / rate steps, to within 2^-32 spikes per step, rounded on the grid to the integer below or above.
    The phase of pixel `i` of sample `n` is the upper half of word `i` that Philox4x64-10 (Salmon et al., SC 2011; as
    implemented in NumPy) returns after counter ``(0, stream, n, epoch)`` with key ``(seed, _STREAM)``.

    Raises InputError for values out of range.
    """

    name = "regular"

    steps: int = option(400, "time steps of a sample; none fires in the first, as in Poisson")
    dt: float = option(1e-3, "seconds per step")
    max_rate: float = option(1 / 5.5, "spikes per step of a pixel of full intensity, up to 1")
    phase: Phase = option(
        "random",
        '"random": the first spike of a pixel is uniformly distributed within its interval; "same": it is after one '
        "interval",
    )
    resample_each_epoch: bool = option(
        True,
        "whether random phases are sampled again in every epoch, or are the same in all",
    )

    def __post_init__(self) -> None:
        check_grid("Regular", self.steps, self.dt)
        if not 0 <= self.max_rate <= 1:
            raise InputError("Regular.max_rate", f"got {self.max_rate!r}", "must be 0 to 1 spikes per step")
        if self.phase not in get_args(Phase):
            raise InputError("Regular.phase", f"got {self.phase!r}", one_of(str(self.phase), get_args(Phase)))

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        if self.phase == "random":
            phases = _random_phases(images, seed, epoch if self.resample_each_epoch else 0, stream)
        else:
            phases = np.zeros(images.values.shape, dtype=np.uint32)
        return regular_spikes(images, scaled_rates(self.max_rate, images.peak), phases, steps=self.steps, dt=self.dt)


def _random_phases(images: Images, seed: int, epoch: int, stream: int) -> NDArray[np.uint32]:
    """The phase of each pixel, in 2^-32 of its interval (samples, features)."""
    phases = np.empty(images.values.shape, dtype=np.uint32)
    for row, number in zip(phases, images.numbers.tolist(), strict=True):
        words = np.random.Philox(key=[seed, _STREAM], counter=[0, stream, number, epoch]).random_raw(len(row))
        row[:] = words >> np.uint64(32)
    return phases
