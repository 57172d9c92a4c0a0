"""Images into evenly spaced spikes: the rate code without its noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images, rates
from snnlab.encoders.trains import regular
from snnlab.errors import InputError, one_of

Phase = Literal["random", "same"]


@dataclass(frozen=True)
class Regular:
    """Rate code with evenly spaced spikes: a pixel fires at a rate in proportion, each interval as long as the others.

    steps      time steps of a sample; the first is silent, as in Poisson
    dt         seconds per step
    max_rate  spikes per step of a pixel of full intensity, up to 1
    phase      "random": every pixel begins somewhere in its interval, uniformly; "same": all begin a whole one
    resample_each_epoch  sample new phases in every epoch

    Intervals are 1 / rate steps, to within 2^-32 of a spike per step; on the grid they are the whole number of steps
    below that or above. The phase of pixel `i` of sample `n` is the upper half of word `i` that Philox4x64-10 (Salmon
    et al., SC 2011; as NumPy counts) gives after counter ``(0, stream, n, epoch)`` with key ``(seed, _STREAM)``.

    Raises InputError for values that make no code.
    """

    steps: int = 400
    dt: float = 1e-3
    max_rate: float = 1 / 5.5
    phase: Phase = "random"
    resample_each_epoch: bool = True

    def __post_init__(self) -> None:
        check_grid("Regular", self.steps, self.dt)
        if not 0 <= self.max_rate <= 1:
            raise InputError("Regular.max_rate", f"found {self.max_rate!r}", "needs spikes per step, 0 to 1")
        if self.phase not in get_args(Phase):
            raise InputError("Regular.phase", f"found {self.phase!r}", one_of(str(self.phase), get_args(Phase)))

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images as they are. Raises InputError for what is none."""
        return images(samples)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images, on `threads` threads. Raises InputError for anything else."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        if self.phase == "random":
            phases = _phases(batch, seed, epoch if self.resample_each_epoch else 0, stream)
        else:
            phases = np.zeros(batch.values.shape, dtype=np.uint32)
        intervals = rates(self.max_rate, batch.peak)
        return regular(batch, intervals, phases, steps=self.steps, dt=self.dt, threads=threads)


_STREAM = 0x726567  # of random numbers, so that none is shared with what else is drawn by the same seed


def _phases(batch: Images, seed: int, epoch: int, stream: int) -> NDArray[np.uint32]:
    """Where in its interval each pixel begins, in 2^-32 of it (samples, features)."""
    phases = np.empty(batch.values.shape, dtype=np.uint32)
    for row, number in zip(phases, batch.numbers.tolist(), strict=True):
        words = np.random.Philox(key=[seed, _STREAM], counter=[0, stream, number, epoch]).random_raw(len(row))
        row[:] = words >> np.uint64(32)
    return phases
