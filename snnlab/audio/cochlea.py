"""What cochlea models share: their protocol, checks, and the low-pass filter before decimation."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError
from snnlab.native import array, kernel

_SMOOTHING = 3.0  # frames, as in the Auditory Toolbox


class Cochlea(Protocol):
    """A cochlea model: the envelope of each of its channels, once per frame.

    sample_rate  samples per second of its input
    decimation   samples per frame
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
        """The envelopes for a sound (samples,), not negative (frames, channels)."""


def check_rates(name: str, sample_rate: int, decimation: int) -> None:
    """Raises InputError, naming the model's field, for a sample rate or decimation out of range."""
    if type(sample_rate) is not int or not 1000 <= sample_rate <= 1_000_000:
        raise InputError(f"{name}.sample_rate", f"got {sample_rate!r}", "must be an integer, 1000 to 1000000")
    if type(decimation) is not int or not 1 <= decimation <= sample_rate:
        raise InputError(f"{name}.decimation", f"got {decimation!r}", f"must be an integer, 1 to {sample_rate}")


def check_sound(sound: ArrayLike, decimation: int) -> NDArray[np.float64]:
    """A sound as float64 (samples,). Raises InputError for an invalid one, and one shorter than a frame."""
    values = np.ascontiguousarray(sound, dtype=np.float64)
    if values.ndim != 1:
        raise InputError("cochleagram", f"a sound of shape {values.shape}", "must have one channel: (samples,)")
    if len(values) < decimation:
        raise InputError(
            "cochleagram", f"a sound of {len(values)} samples", f"must have at least {decimation}, a frame"
        )
    if not np.isfinite(values).all():
        raise InputError("cochleagram", "samples that are not finite", "must be finite")
    return values


def smoothing(decimation: int) -> NDArray[np.float64]:
    """The low-pass filter before decimation: two equal poles of three frames, gain 1 at frequency 0 (gain, b1, b2).

    The output is ``gain * x[n - 2] - b1 * y[n - 1] - b2 * y[n - 2]``, with the delay of the Auditory Toolbox.
    """
    pole = np.exp(-1 / (_SMOOTHING * decimation))
    return np.array([(1 - pole) ** 2, -2 * pole, pole**2])


@cache
def compiled() -> ctypes.CDLL:
    """The models in C++, with every operation rounded separately, so that the compiler does not matter."""
    library = kernel("snnlab.audio", "cochlea.cpp", flags=["-ffp-contract=off"])
    f64, i64 = array(np.float64), ctypes.c_int64
    library.snnlab_lyon.restype = library.snnlab_gammatone.restype = ctypes.c_int
    library.snnlab_lyon.argtypes = [f64, i64, i64, f64, i64, f64, i64, i64, f64, f64]
    library.snnlab_gammatone.argtypes = [f64, i64, i64, f64, i64, f64, f64]
    return library
