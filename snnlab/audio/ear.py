"""What every ear does: a sound in, a cochleagram out, one frame for so many samples."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError
from snnlab.native import array, kernel

_SMOOTHED = 3.0  # frames, as in the Auditory Toolbox


class Cochlea(Protocol):
    """A model of the ear: the envelope of each of its channels, kept once in `decimation` samples.

    sample_rate samples per second of the sounds it hears
    decimation  samples per frame
    """

    @property
    def sample_rate(self) -> int: ...

    @property
    def decimation(self) -> int: ...

    @property
    def frame(self) -> float:
        """Seconds per frame."""

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centre frequencies in hertz (channels,), the highest first."""

    def cochleagram(self, sound: ArrayLike) -> NDArray[np.float64]:
        """What is heard of a sound (samples,): at least 0 everywhere (frames, channels)."""


def check_ear(name: str, rate: int, decimation: int) -> None:
    """Raises InputError, naming the ear's field, for a rate or a decimation that no ear has."""
    if type(rate) is not int or not 1000 <= rate <= 1_000_000:
        raise InputError(f"{name}.sample_rate", f"found {rate!r}", "needs samples per second, 1000 to 1000000")
    if type(decimation) is not int or not 1 <= decimation <= rate:
        raise InputError(f"{name}.decimation", f"found {decimation!r}", f"needs samples per frame, 1 to {rate}")


def heard(sound: ArrayLike, decimation: int) -> NDArray[np.float64]:
    """A sound as float64 (samples,). Raises InputError for what is none, or is shorter than a frame."""
    values = np.ascontiguousarray(sound, dtype=np.float64)
    if values.ndim != 1:
        raise InputError("cochleagram", f"a sound of shape {values.shape}", "needs one channel: (samples,)")
    if len(values) < decimation:
        raise InputError("cochleagram", f"a sound of {len(values)} samples", f"a frame needs {decimation}")
    if not np.isfinite(values).all():
        raise InputError("cochleagram", "a sound with samples that are not finite", "needs numbers")
    return values


def smoothing(decimation: int) -> NDArray[np.float64]:
    """The low-pass before decimation: two equal poles of three frames, gain 1 at rest (gain, b1, b2).

    The output is ``gain * x[n - 2] - b1 * y[n - 1] - b2 * y[n - 2]``, late by two samples as in the Auditory Toolbox.
    """
    pole = np.exp(-1 / (_SMOOTHED * decimation))
    return np.array([(1 - pole) ** 2, -2 * pole, pole**2])


@cache
def compiled() -> ctypes.CDLL:
    """The ears in C++; each operation is rounded by itself, so that compilers make no difference."""
    made = kernel("snnlab.audio", "ear.cpp", flags=["-ffp-contract=off"])
    f64, i64 = array(np.float64), ctypes.c_int64
    made.snnlab_lyon.restype = made.snnlab_gammatone.restype = ctypes.c_int
    made.snnlab_lyon.argtypes = [f64, i64, i64, f64, i64, f64, i64, i64, f64, f64]
    made.snnlab_gammatone.argtypes = [f64, i64, i64, f64, i64, f64, f64]
    return made
