"""What every coder of cochleagrams does: frames in, spikes out, and back again."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import SpikeTrains, offsets_of
from snnlab.errors import InputError
from snnlab.native import array, kernel

MAX_STEPS = 100_000
"""Time steps of a sample, at most."""

LANES = 8
"""Channels that BSA codes side by side: its rows are filled up to a multiple of them."""


class Coder(Protocol):
    """A code of slow signals by spikes.

    steps_per_frame  time steps for which each frame is held
    """

    @property
    def steps_per_frame(self) -> int: ...

    def neurons(self, channels: int) -> int:
        """How many neurons speak for so many channels."""

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        `steps` cuts the spikes off, or adds silence; if left out, it is as many as the code needs.
        """

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """What the spikes say of the cochleagrams that were held (samples, steps, channels)."""


def check_hold(name: str, steps_per_frame: int) -> None:
    """Raises InputError, naming the coder, for a number of steps that no frame can be held for."""
    if type(steps_per_frame) is not int or not 1 <= steps_per_frame <= 1000:
        raise InputError(
            f"{name}.steps_per_frame", f"found {steps_per_frame!r}", "needs time steps per frame, 1 to 1000"
        )


def coded(frames: ArrayLike, frame: float, steps_per_frame: int, steps: int | None) -> NDArray[np.float64]:
    """A cochleagram as float64 (frames, channels). Raises InputError for what is none and for times that are none."""
    values = np.ascontiguousarray(frames, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        raise InputError(
            "encode", f"a cochleagram of shape {values.shape}", "needs (frames, channels), at least one each"
        )
    if not np.isfinite(values).all():
        raise InputError("encode", "a cochleagram with values that are not finite", "needs numbers")
    if not (np.isfinite(frame) and frame > 0):
        raise InputError("encode", f"a frame of {frame!r} s", "needs seconds above 0")
    if steps is not None and (type(steps) is not int or not 1 <= steps <= MAX_STEPS):
        raise InputError("encode", f"steps {steps!r}", f"needs a whole number, 1 to {MAX_STEPS}")
    if len(values) * steps_per_frame > MAX_STEPS:
        raise InputError(
            "encode", f"{len(values)} frames of {steps_per_frame} steps", f"needs at most {MAX_STEPS} steps"
        )
    return values


def as_spikes(raster: NDArray[np.uint8], steps: int, dt: float) -> SpikeTrains:
    """One sample's raster (steps it has, neurons), cut off or followed by silence to be of `steps` steps."""
    size = raster.shape[1]
    fired = np.flatnonzero(raster[:steps])
    per_step = np.bincount(fired // size, minlength=steps)
    return SpikeTrains((fired % size).astype(np.int32), offsets_of(per_step[None]), size, dt)


@cache
def compiled() -> ctypes.CDLL:
    """The coders in C++; each operation is rounded by itself, so that compilers make no difference."""
    made = kernel("snnlab.audio", "coder.cpp", flags=["-ffp-contract=off", f"-DSNNLAB_LANES={LANES}"])
    i64, f64, values, raster = ctypes.c_int64, ctypes.c_double, array(np.float64), array(np.uint8)
    made.snnlab_bsa.restype = made.snnlab_levels.restype = None
    made.snnlab_bsa.argtypes = [values, i64, i64, values, i64, f64, raster]
    made.snnlab_levels.argtypes = [values, i64, i64, i64, f64, values, raster]
    return made
