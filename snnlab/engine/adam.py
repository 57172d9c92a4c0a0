"""The arithmetic of Adam in one pass over memory; what it is for stands in snnlab/rules/common/adam.py."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import cast, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.spiking.run import REAL, Precision, address, compiled
from snnlab.errors import InputError
from snnlab.native import thread_count

_ARRAYS = ("weights", "first", "second", "gradient")


class _Step(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in _ARRAYS),
        *((name, ctypes.c_double) for name in "beta1 beta2 learning_rate epsilon".split()),
        ("size", ctypes.c_int64),
        ("threads", ctypes.c_int32),
    ]


def adam_step(
    weights: NDArray[np.floating],
    first: NDArray[np.floating],
    second: NDArray[np.floating],
    gradient: NDArray[np.floating],
    *,
    betas: tuple[float, float],
    learning_rate: float,
    epsilon: float,
    threads: int | None = None,
) -> None:
    """Moments and weights moved in place: weights -= learning_rate * first / (sqrt(second) + epsilon).

    threads  None for the current setting; the result does not depend on it

    Raises InputError for arrays that are not of one shape and one of the engine's precisions, row by row in memory.
    """
    arrays = (weights, first, second, gradient)
    for name, array in zip(_ARRAYS, arrays, strict=True):
        if array.shape != weights.shape or array.dtype != weights.dtype or not array.flags.c_contiguous:
            found = f"{array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not row by row'}"
            raise InputError(f"Adam: {name}", found, f"needs {weights.dtype} {weights.shape}")
    if weights.dtype.name not in get_args(Precision):
        raise InputError("Adam: weights", f"found {weights.dtype}", f"needs {' or '.join(get_args(Precision))}")
    step = _Step(*map(address, arrays), *betas, learning_rate, epsilon, weights.size, threads or thread_count())
    _library(cast(Precision, weights.dtype.name)).step(ctypes.byref(step))


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "adam.hpp"

extern "C" void step(const Step* order) {{ run_step<{REAL[precision]}>(*order); }}
"""
    library = compiled(text, "adam", precision)
    library.step.restype = None
    return library
