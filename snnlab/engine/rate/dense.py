"""Rates that cross full weights, and the changes of these, for rules whose cells are heard by a rate.

A matrix product of a library sums in an order that depends on how many threads and rows there are; these do not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from functools import cache
from typing import NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.blas import one_blas_thread
from snnlab.engine.spiking.run import REAL, Precision, address, compiled
from snnlab.errors import InputError
from snnlab.native import thread_count

_WORTH = 1 << 18  # products of two numbers from which on another thread gains more than it costs to begin


class WeightUpdate(NamedTuple):
    """What a projection is to learn: weights += scale * before.T @ after.

    weights  (pre, post), changed in place
    before   (samples, pre)
    after    (samples, post)
    """

    weights: NDArray[np.floating]
    before: NDArray[np.floating]
    after: NDArray[np.floating]
    scale: float


def outer_products(found: Mapping[str, WeightUpdate]) -> dict[str, NDArray[np.floating]]:
    """What each of the changes adds to its weights, by the same names."""
    with one_blas_thread():
        return {name: one.scale * (one.before.T @ one.after) for name, one in found.items()}


class _Dense(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("weights", "before", "after")),
        ("rate", ctypes.c_double),
        *((name, ctypes.c_int32) for name in ("samples", "pre", "post")),
    ]


def propagate(
    weights: NDArray[np.floating], before: NDArray[np.floating], *, threads: int | None = None
) -> NDArray[np.floating]:
    """before @ weights (samples, post), of rates (samples, pre).

    threads  None for the current setting; the result does not depend on it, and a sample's not on the others

    Raises InputError for arrays that do not fit one another, and as `changed` does.
    """
    after = np.empty((len(before), weights.shape[-1]), dtype=weights.dtype)
    _run("hear", [WeightUpdate(weights, before, after, 1.0)], threads)
    return after


def apply_updates(changes: Sequence[WeightUpdate], *, threads: int | None = None) -> None:
    """Weights changed in place, each number read once and written once; rows that hear nothing are not touched.

    threads  None for the current setting; the result does not depend on it

    Raises InputError for arrays that do not fit one another, or are not all of one of the engine's precisions and row
    by row in memory.
    """
    _run("change", changes, threads)


def _run(what: str, changes: Sequence[WeightUpdate], threads: int | None) -> None:
    for one in changes:
        _check(one, changes[0].weights.dtype)
    orders = (_Dense * len(changes))(*(_Dense(*_order(one)) for one in changes))
    work = sum(one.weights.size * len(one.before) for one in changes)
    many = (threads or thread_count()) if work >= _WORTH else 1
    if changes:
        getattr(_library(cast(Precision, changes[0].weights.dtype.name)), what)(orders, len(changes), many)


def _order(one: WeightUpdate) -> tuple[int | float, ...]:
    return address(one.weights), address(one.before), address(one.after), one.scale, len(one.before), *one.weights.shape


def _check(one: WeightUpdate, dtype: np.dtype[np.floating]) -> None:
    if dtype.name not in get_args(Precision):
        raise InputError("dense: weights", f"found {dtype}", f"needs {' or '.join(get_args(Precision))}")
    if one.weights.ndim != 2:
        raise InputError("dense: weights", f"found shape {one.weights.shape}", "needs (pre, post)")
    (pre, post), samples = one.weights.shape, len(one.before)
    wanted = {"weights": (pre, post), "before": (samples, pre), "after": (samples, post)}
    for (name, shape), array in zip(wanted.items(), (one.weights, one.before, one.after), strict=True):
        if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
            found = f"{array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not row by row'}"
            raise InputError(f"dense: {name}", found, f"needs {dtype} {shape}")


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    real = REAL[precision]
    text = f"""\
#include "dense.hpp"

extern "C" void hear(const Dense* orders, int many, int threads) {{ hear_all<{real}>(orders, many, threads); }}
extern "C" void change(const Dense* orders, int many, int threads) {{ change_all<{real}>(orders, many, threads); }}
"""
    library = compiled(text, "dense", precision)
    for name in ("hear", "change"):
        getattr(library, name).restype = None
        getattr(library, name).argtypes = [ctypes.POINTER(_Dense), ctypes.c_int, ctypes.c_int]
    return library
