"""Images into spikes.

Every draw has its own place in one stream of random numbers, so what is drawn does not depend on the batch, the order
or the number of threads, and a run that is resumed sees the spikes it would have seen.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import Refused
from snnlab.native import library
from snnlab.spikes import Spikes

TRAIN, TEST = 0, 1
"""Streams for the two parts of a dataset: sample 7 of one is not drawn with the numbers of sample 7 of the other."""

_WORD = 1 << 32


@dataclass(frozen=True)
class Poisson:
    """Rate code of HM2-BP (Jin, Zhang, Li, NeurIPS 2018): a pixel fires in each step with a probability in proportion.

    steps      time steps of a sample; the first is silent, as in the authors' code
    dt         seconds per step
    brightest  the probability, per step, of a pixel of full intensity
    fresh      draw anew in every epoch, or the same spikes in all of them

    The draw: pixel `i` of sample `n` fires in step `t` > 0 where a random number below 2^32 is less than its
    threshold, ``round(2^32 * brightest * value / peak)``; a probability is thus met to within 2^-33. The random
    number's upper 16 bits are half-word ``t % 8`` of the Philox4x32-10 block (Salmon et al., SC 2011) with counter
    ``(t // 8, i, n, epoch)`` and key ``(seed, stream)``; its lower 16 bits are the same half-word of the block with
    ``t // 8 + 2^31``. Half-words count from the low half of the first word; no two draws share one.

    Raises Refused for values that make no code.
    """

    steps: int = 400
    dt: float = 1e-3
    brightest: float = 1 / 5.5
    fresh: bool = True

    def __post_init__(self) -> None:
        if type(self.steps) is not int or not 1 <= self.steps < 1 << 31:
            raise Refused("Poisson.steps", f"found {self.steps!r}", "needs a whole number, at least 1")
        if not (math.isfinite(self.dt) and self.dt > 0):
            raise Refused("Poisson.dt", f"found {self.dt!r}", "needs seconds above 0")
        if not 0 <= self.brightest <= 1:
            raise Refused("Poisson.brightest", f"found {self.brightest!r}", "needs a probability, 0 to 1")

    def encode(
        self,
        values: NDArray[np.uint8],
        peak: int,
        indices: NDArray[np.int64],
        *,
        seed: int,
        epoch: int = 0,
        stream: int = TRAIN,
        threads: int = 1,
    ) -> Spikes:
        """The spikes of a batch: `values` (samples, features) with full intensity `peak`, on `threads` threads.

        `indices` (samples,) are the samples' numbers within their dataset. Raises Refused for anything else.
        """
        epoch = epoch if self.fresh else 0
        _check_batch(values, peak, indices)
        for name, number in (("seed", seed), ("epoch", epoch), ("stream", stream)):
            if not 0 <= number < _WORD:
                raise Refused(f"encode: {name}", f"found {number}", f"needs 0 to {_WORD - 1}")
        if threads < 1:
            raise Refused("encode: threads", f"found {threads}", "needs at least 1")
        samples, features = values.shape
        offsets = np.empty((samples, self.steps + 1), dtype=np.int64)
        kernel = _kernel()
        drawn = kernel.snnlab_draw(
            np.ascontiguousarray(values), np.ascontiguousarray(indices), samples, features,
            _thresholds(self.brightest, peak), seed, stream, epoch, self.steps, offsets, threads,
        )  # fmt: skip
        if not drawn:
            raise MemoryError(f"spikes of {samples} samples in {self.steps} steps: take smaller batches")
        try:
            ids = np.empty(int(offsets[-1, -1]) if samples else 0, dtype=np.int32)
            kernel.snnlab_collect(drawn, ids)
        finally:
            kernel.snnlab_release(drawn)
        return Spikes(ids, offsets, features, self.dt)


def _check_batch(values: NDArray[np.uint8], peak: int, indices: NDArray[np.int64]) -> None:
    if values.dtype != np.uint8 or values.ndim != 2:
        raise Refused("encode: values", f"{values.dtype} {values.shape}", "needs uint8 (samples, features)")
    if not 1 <= peak <= 255:
        raise Refused("encode: peak", f"found {peak}", "needs the value of full intensity, 1 to 255")
    if values.size and values.max() > peak:
        raise Refused("encode: values", f"found {values.max()}", f"needs values up to the peak, {peak}")
    if indices.dtype != np.int64 or indices.shape != values.shape[:1]:
        right = f"needs int64 ({len(values)},), one number for each sample"
        raise Refused("encode: indices", f"{indices.dtype} {indices.shape}", right)
    if indices.size and not 0 <= indices.min() <= indices.max() < _WORD:
        raise Refused("encode: indices", f"found {indices.min()}..{indices.max()}", f"needs 0..{_WORD - 1}")


@cache
def _thresholds(brightest: float, peak: int) -> NDArray[np.uint64]:
    """What a random number must be below for a pixel of each value to fire; worked out exactly, then rounded once."""
    exact = [_WORD * Fraction(brightest) * min(value, peak) / peak for value in range(256)]
    return np.array([round(threshold) for threshold in exact], dtype=np.uint64)


@cache
def _kernel() -> ctypes.CDLL:
    kernel = library((files("snnlab") / "encode.cpp").read_text(encoding="utf-8"), name="encode")

    def array(dtype: type[np.generic]) -> type:
        return np.ctypeslib.ndpointer(dtype, flags="C")

    i64, u32 = ctypes.c_int64, ctypes.c_uint32
    kernel.snnlab_draw.restype = ctypes.c_void_p
    kernel.snnlab_draw.argtypes = [
        array(np.uint8), array(np.int64), i64, i64, array(np.uint64), u32, u32, u32, i64, array(np.int64), i64,
    ]  # fmt: skip
    kernel.snnlab_collect.restype = None
    kernel.snnlab_collect.argtypes = [ctypes.c_void_p, array(np.int32)]
    kernel.snnlab_release.restype = None
    kernel.snnlab_release.argtypes = [ctypes.c_void_p]
    kernel.snnlab_philox.restype = None
    kernel.snnlab_philox.argtypes = [array(np.uint32), u32, u32]
    return kernel
