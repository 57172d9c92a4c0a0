"""Poisson rate code: random spikes with a probability in proportion to intensity."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache

import numpy as np

from snnlab.data.fields import option
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid, scaled_rates
from snnlab.errors import InputError
from snnlab.native import array, kernel, thread_count


@dataclass(frozen=True)
class Poisson(ImageEncoder):
    """Rate code of HM2-BP (Jin, Zhang, Li, NeurIPS 2018): in each step, a pixel fires with a probability.

    Pixel `i` of sample `n` fires in step `t` > 0 if a random 32-bit number is below ``round(2^32 * max_rate * value /
    peak)``, so a probability is exact to within 2^-33. The upper 16 bits of the number are half-word ``t % 8`` of the
    Philox4x32-10 block (Salmon et al., SC 2011) with counter ``(t // 8, i, n, epoch)`` and key ``(seed, stream)``; the
    lower 16 bits are the same half-word of the block with ``t // 8 + 2^31``. Half-words count from the low half of the
    first word. No two samples share a half-word.

    Raises InputError for values out of range.
    """

    name = "poisson"

    steps: int = option(400, "time steps of a sample; none fires in the first, as in the authors' code")
    dt: float = option(1e-3, "seconds per step")
    max_rate: float = option(1 / 5.5, "probability per step of a pixel of full intensity; others are in proportion")
    resample_each_epoch: bool = option(True, "whether spikes are sampled again in every epoch, or are the same in all")

    def __post_init__(self) -> None:
        check_grid("Poisson", self.steps, self.dt)
        if not 0 <= self.max_rate <= 1:
            raise InputError("Poisson.max_rate", f"got {self.max_rate!r}", "must be a probability, 0 to 1")

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        epoch = epoch if self.resample_each_epoch else 0
        values, numbers = np.ascontiguousarray(images.values), np.ascontiguousarray(images.numbers)
        count, features = values.shape
        offsets = np.empty((count, self.steps + 1), dtype=np.int64)
        library = _compiled()
        batch = library.snnlab_draw(
            values, numbers, count, features, scaled_rates(self.max_rate, images.peak), seed, stream, epoch,
            self.steps, offsets, thread_count(),
        )  # fmt: skip
        if not batch:
            raise MemoryError(f"spikes of {count} samples in {self.steps} steps: use smaller batches")
        try:
            ids = np.empty(int(offsets[-1, -1]) if count else 0, dtype=np.int32)
            library.snnlab_collect(batch, ids)
        finally:
            library.snnlab_release(batch)
        return SpikeTrains(ids, offsets, features, self.dt)


@cache
def _compiled() -> ctypes.CDLL:
    library = kernel("snnlab.encoders", "poisson.cpp")
    i64, u32 = ctypes.c_int64, ctypes.c_uint32
    library.snnlab_draw.restype = ctypes.c_void_p
    library.snnlab_draw.argtypes = [
        array(np.uint8), array(np.int64), i64, i64, array(np.uint64), u32, u32, u32, i64, array(np.int64), i64,
    ]  # fmt: skip
    library.snnlab_collect.restype = None
    library.snnlab_collect.argtypes = [ctypes.c_void_p, array(np.int32)]
    library.snnlab_release.restype = None
    library.snnlab_release.argtypes = [ctypes.c_void_p]
    library.snnlab_philox.restype = None
    library.snnlab_philox.argtypes = [array(np.uint32), u32, u32]
    return library
