"""One step of Adam in a single pass over memory; the optimiser is in snnlab/rules/common/adam.py."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import cast

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.build import (
    DOUBLE,
    INT,
    LONG,
    POINTER,
    REAL,
    Precision,
    address,
    check_array,
    check_precision,
    compile_library,
    fields,
)
from snnlab.native import thread_count


class _Step(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "weights first second gradient"),
        *fields(DOUBLE, "beta1 beta2 learning_rate epsilon"),
        *fields(LONG, "size"),
        *fields(INT, "threads"),
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
) -> None:
    """Update moments and weights in place: weights -= learning_rate * first / (sqrt(second) + epsilon).


    Raises InputError for arrays that are not contiguous, of one shape and of one of the engine's precisions.
    """
    check_precision(weights.dtype.name, "Adam: weights")
    arrays = {"weights": weights, "first": first, "second": second, "gradient": gradient}
    for name, array in arrays.items():
        check_array(f"Adam: {name}", array, weights.shape, weights.dtype)
    step = _Step(*map(address, arrays.values()), *betas, learning_rate, epsilon, weights.size, thread_count())
    _library(cast(Precision, weights.dtype.name)).step(ctypes.byref(step))


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "adam.hpp"

extern "C" void step(const Step* p) {{ run_step<{REAL[precision]}>(*p); }}
"""
    return compile_library(text, "adam", ["step"], precision)
