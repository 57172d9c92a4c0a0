"""What spike codes of cochleagrams share: their protocol, checks, and compiled functions."""

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
"""Maximum time steps of a sample."""

LANES = 8
"""Channels that BSA encodes in parallel; rows are padded to a multiple of it."""


class Coder(Protocol):
    """A spike code of slow signals.

    steps_per_frame  time steps for which each frame is held
    """

    @property
    def steps_per_frame(self) -> int: ...

    def neurons(self, channels: int) -> int:
        """The number of neurons for a number of channels."""

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        steps  length of the result: shorter cuts spikes off, longer adds silence; default as long as the code needs
        """

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """The cochleagrams, with held frames, as reconstructed from spikes (samples, steps, channels)."""


def check_steps_per_frame(name: str, steps_per_frame: int) -> None:
    """Raises InputError, naming the coder, for a number of steps out of range."""
    if type(steps_per_frame) is not int or not 1 <= steps_per_frame <= 1000:
        raise InputError(f"{name}.steps_per_frame", f"got {steps_per_frame!r}", "must be an integer, 1 to 1000")


def check_frames(frames: ArrayLike, frame: float, steps_per_frame: int, steps: int | None) -> NDArray[np.float64]:
    """A cochleagram as float64 (frames, channels). Raises InputError for an invalid one, and for invalid times."""
    values = np.ascontiguousarray(frames, dtype=np.float64)
    if values.ndim != 2 or not values.size:
        problem = f"a cochleagram of shape {values.shape}"
        raise InputError("encode", problem, "must be (frames, channels), with at least one of each")
    if not np.isfinite(values).all():
        raise InputError("encode", "values that are not finite", "must be finite")
    if not (np.isfinite(frame) and frame > 0):
        raise InputError("encode", f"a frame of {frame!r} s", "must be above 0")
    if steps is not None and (type(steps) is not int or not 1 <= steps <= MAX_STEPS):
        raise InputError("encode", f"steps {steps!r}", f"must be an integer, 1 to {MAX_STEPS}")
    if len(values) * steps_per_frame > MAX_STEPS:
        problem = f"{len(values)} frames of {steps_per_frame} steps"
        raise InputError("encode", problem, f"must be at most {MAX_STEPS} steps")
    return values


def as_spikes(raster: NDArray[np.uint8], steps: int, dt: float) -> SpikeTrains:
    """The spikes of a raster (steps, neurons), cut off or followed by silence, as a batch of one sample."""
    size = raster.shape[1]
    positions = np.flatnonzero(raster[:steps])
    per_step = np.bincount(positions // size, minlength=steps)
    return SpikeTrains((positions % size).astype(np.int32), offsets_of(per_step[None]), size, dt)


@cache
def compiled() -> ctypes.CDLL:
    """The coders in C++; every operation is rounded separately, so results do not depend on the compiler."""
    library = kernel("snnlab.audio", "coder.cpp", flags=["-ffp-contract=off", f"-DSNNLAB_LANES={LANES}"])
    i64, f64, values, raster = ctypes.c_int64, ctypes.c_double, array(np.float64), array(np.uint8)
    library.snnlab_bsa.restype = library.snnlab_levels.restype = None
    library.snnlab_bsa.argtypes = [values, i64, i64, values, i64, f64, raster]
    library.snnlab_levels.argtypes = [values, i64, i64, i64, f64, values, raster]
    return library
