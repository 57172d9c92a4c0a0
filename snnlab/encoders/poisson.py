"""Images into spikes at random: the rate code of HM2-BP."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images, rates
from snnlab.errors import InputError
from snnlab.native import array, kernel


@dataclass(frozen=True)
class Poisson:
    """Rate code of HM2-BP (Jin, Zhang, Li, NeurIPS 2018): a pixel fires in each step with a probability in proportion.

    steps      time steps of a sample; the first is silent, as in the authors' code
    dt         seconds per step
    max_rate  the probability, per step, of a pixel of full intensity
    resample_each_epoch  sample new spikes in every epoch, or the same spikes in all of them

    The draw: pixel `i` of sample `n` fires in step `t` > 0 where a random number below 2^32 is less than its
    threshold, ``round(2^32 * max_rate * value / peak)``; a probability is thus met to within 2^-33. The random
    number's upper 16 bits are half-word ``t % 8`` of the Philox4x32-10 block (Salmon et al., SC 2011) with counter
    ``(t // 8, i, n, epoch)`` and key ``(seed, stream)``; its lower 16 bits are the same half-word of the block with
    ``t // 8 + 2^31``. Half-words count from the low half of the first word; no two draws share one.

    Raises InputError for values that make no code.
    """

    steps: int = 400
    dt: float = 1e-3
    max_rate: float = 1 / 5.5
    resample_each_epoch: bool = True

    def __post_init__(self) -> None:
        check_grid("Poisson", self.steps, self.dt)
        if not 0 <= self.max_rate <= 1:
            raise InputError("Poisson.max_rate", f"found {self.max_rate!r}", "needs a probability, 0 to 1")

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images as they are. Raises InputError for what is none."""
        return images(samples)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images, on `threads` threads. Raises InputError for anything else."""
        epoch = epoch if self.resample_each_epoch else 0
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        values, numbers = np.ascontiguousarray(batch.values), np.ascontiguousarray(batch.numbers)
        count, features = values.shape
        offsets = np.empty((count, self.steps + 1), dtype=np.int64)
        compiled = _compiled()
        drawn = compiled.snnlab_draw(
            values, numbers, count, features, rates(self.max_rate, batch.peak), seed, stream, epoch, self.steps,
            offsets, threads,
        )  # fmt: skip
        if not drawn:
            raise MemoryError(f"spikes of {count} samples in {self.steps} steps: take smaller batches")
        try:
            ids = np.empty(int(offsets[-1, -1]) if count else 0, dtype=np.int32)
            compiled.snnlab_collect(drawn, ids)
        finally:
            compiled.snnlab_release(drawn)
        return SpikeTrains(ids, offsets, features, self.dt)


@cache
def _compiled() -> ctypes.CDLL:
    made = kernel("snnlab.encoders", "poisson.cpp")
    i64, u32 = ctypes.c_int64, ctypes.c_uint32
    made.snnlab_draw.restype = ctypes.c_void_p
    made.snnlab_draw.argtypes = [
        array(np.uint8), array(np.int64), i64, i64, array(np.uint64), u32, u32, u32, i64, array(np.int64), i64,
    ]  # fmt: skip
    made.snnlab_collect.restype = None
    made.snnlab_collect.argtypes = [ctypes.c_void_p, array(np.int32)]
    made.snnlab_release.restype = None
    made.snnlab_release.argtypes = [ctypes.c_void_p]
    made.snnlab_philox.restype = None
    made.snnlab_philox.argtypes = [array(np.uint32), u32, u32]
    return made
