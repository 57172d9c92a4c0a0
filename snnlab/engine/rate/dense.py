"""Products of rates with full weights, and updates of these weights, for rules with rate neurons.

A BLAS product sums in an order that depends on the number of threads and rows; these functions do not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.build import (
    DOUBLE,
    INT,
    POINTER,
    REAL,
    Precision,
    address,
    check_array,
    check_precision,
    compile_library,
    fields,
)
from snnlab.errors import InputError
from snnlab.native import thread_count

_MIN_WORK = 1 << 18  # products of two numbers; with less work, another thread costs more than it gains


class WeightUpdate(NamedTuple):
    """An update of a projection: weights += scale * before.T @ after.

    weights  (pre, post), changed in place
    before   (samples, pre)
    after    (samples, post)
    """

    weights: NDArray[np.floating]
    before: NDArray[np.floating]
    after: NDArray[np.floating]
    scale: float


class _Dense(ctypes.Structure):
    _fields_ = [*fields(POINTER, "weights before after"), *fields(DOUBLE, "scale"), *fields(INT, "samples pre post")]


def propagate(weights: NDArray[np.floating], before: NDArray[np.floating]) -> NDArray[np.floating]:
    """before @ weights (samples, post), of rates (samples, pre); a sample's result does not depend on the others.

    Raises InputError as `apply_updates` does.
    """
    after = np.empty((len(before), weights.shape[-1]), dtype=weights.dtype)
    _run("propagate", [WeightUpdate(weights, before, after, 1.0)])
    return after


def apply_updates(updates: Sequence[WeightUpdate]) -> None:
    """Change weights in place, in a single pass over memory; rows without presynaptic activity are not touched.

    Raises InputError for arrays that are not contiguous, of matching shapes and of one of the engine's precisions.
    """
    _run("update", updates)


def outer_products(updates: Mapping[str, WeightUpdate]) -> dict[str, NDArray[np.floating]]:
    """What each update would add to its weights."""
    with one_blas_thread():
        return {name: update.scale * (update.before.T @ update.after) for name, update in updates.items()}


def _run(function: str, updates: Sequence[WeightUpdate]) -> None:
    if not updates:
        return
    dtype = updates[0].weights.dtype
    for update in updates:
        _check(update, dtype)
    orders = (_Dense * len(updates))(*(_Dense(*_members(update)) for update in updates))
    work = sum(update.weights.size * len(update.before) for update in updates)
    library = _library(cast(Precision, dtype.name))
    getattr(library, function)(orders, len(updates), thread_count() if work >= _MIN_WORK else 1)


def _members(update: WeightUpdate) -> tuple[int | float | None, ...]:
    return *map(address, update[:3]), update.scale, len(update.before), *update.weights.shape


def _check(update: WeightUpdate, dtype: np.dtype[np.floating]) -> None:
    check_precision(dtype.name, "dense: weights")
    if update.weights.ndim != 2:
        raise InputError("dense: weights", f"got shape {update.weights.shape}", "expected (pre, post)")
    (pre, post), samples = update.weights.shape, len(update.before)
    shapes = {"weights": (pre, post), "before": (samples, pre), "after": (samples, post)}
    for name, shape in shapes.items():
        check_array(f"dense: {name}", getattr(update, name), shape, dtype)


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    real = REAL[precision]
    text = f"""\
#include "dense.hpp"

extern "C" void propagate(const Dense* orders, int count, int threads) {{
    propagate_all<{real}>(orders, count, threads);
}}
extern "C" void update(const Dense* orders, int count, int threads) {{ update_all<{real}>(orders, count, threads); }}
"""
    functions = ("propagate", "update")
    library = compile_library(text, "dense", functions, precision)
    for function in functions:
        getattr(library, function).argtypes = [ctypes.POINTER(_Dense), ctypes.c_int, ctypes.c_int]
    return library
