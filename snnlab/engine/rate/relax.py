"""Layers of three-compartment rate cells that come to rest together, as the cards corinfomax_* have them."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.spiking.run import REAL, Precision, address, compiled
from snnlab.errors import InputError
from snnlab.native import thread_count

Values = NDArray[np.floating]


class RelaxationLayer(NamedTuple):
    """One layer, and the weights (pre, post) through which it hears; None where there are none.

    drive        (samples, cells) basal potentials that stay as they are: of the first layer, and of no other
    basal        from the layer below
    lateral      within the layer
    apical       from the layer above
    conductance  of the apical dendrite
    scale        of all in the apical potential that the cell and its own layer lead to
    gain         of what lateral weights lead to
    speed        of the multiplier, in a step
    """

    drive: Values | None
    basal: Values | None
    lateral: Values | None
    apical: Values | None
    conductance: float
    scale: float
    gain: float
    speed: float = 0.0


@dataclass(frozen=True, eq=False)
class NetworkState:
    """Where the cells of every layer are.

    u  (samples, cells) somata
    r  (samples, cells) rates
    q  (samples,) multipliers before their rectification; no layer where cells have none
    """

    u: list[Values]
    r: list[Values]
    q: list[Values]


class Constants(NamedTuple):
    """What all layers have in common: conductances of somata and of basal dendrites, and the highest rate."""

    leak: float
    basal: float
    highest: float


class _Layer(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in ("drive", "basal", "lateral", "apical", "u", "r", "q")),
        *((name, ctypes.c_double) for name in ("conductance", "scale", "gain", "speed")),
        ("size", ctypes.c_int32),
    ]


class _Relax(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.POINTER(_Layer)),
        ("target", ctypes.c_void_p),
        ("mu", ctypes.c_void_p),
        *((name, ctypes.c_double) for name in ("leak", "basal", "nudge", "highest")),
        *((name, ctypes.c_int32) for name in ("many", "samples", "steps")),
    ]


def relax(
    tiers: Sequence[RelaxationLayer],
    begun: NetworkState,
    mu: NDArray[np.float64],
    constants: Constants,
    *,
    nudge: float = 0.0,
    target: Values | None = None,
    threads: int | None = None,
) -> NetworkState:
    """Where the cells are after some steps, in each of which all hear what the others said at its beginning.

    begun    its somata and multipliers; rates follow from somata
    mu       (steps,) the length of each step, over the time constant
    nudge    how strongly the output is pulled towards the target (samples, outputs)
    threads  None for the current setting; the result does not depend on it, and a sample's not on the others

    Raises InputError for arrays that do not fit one another, or are not all of one of the engine's precisions and row
    by row in memory.
    """
    samples, dtype = len(begun.u[0]), begun.u[0].dtype
    if dtype.name not in get_args(Precision):
        raise InputError("relax: u", f"found {dtype}", f"needs {' or '.join(get_args(Precision))}")
    ends = NetworkState(
        [one.copy() for one in begun.u], [np.empty_like(one) for one in begun.u], [q.copy() for q in begun.q]
    )
    wanted = ends.u[-1] if target is None else target
    _check("target", wanted, ends.u[-1].shape, dtype)
    for k, tier in enumerate(tiers):
        _check_tier(k, tier, ends, samples, dtype)
    layers = (_Layer * len(tiers))(*(_Layer(*_order(k, tier, ends)) for k, tier in enumerate(tiers)))
    steps = np.ascontiguousarray(mu, dtype=np.float64)
    order = _Relax(layers, address(wanted), address(steps), constants.leak, constants.basal,
                   0.0 if target is None else nudge, constants.highest, len(tiers), samples, len(steps))  # fmt: skip
    _library(cast(Precision, dtype.name)).relax(ctypes.byref(order), threads or thread_count())
    return ends


def _order(k: int, tier: RelaxationLayer, ends: NetworkState) -> tuple[int | float | None, ...]:
    arrays = (*tier[:4], ends.u[k], ends.r[k], ends.q[k] if ends.q else None)
    return *(None if one is None else address(one) for one in arrays), *tier[4:], ends.u[k].shape[1]


def _check_tier(k: int, tier: RelaxationLayer, ends: NetworkState, samples: int, dtype: np.dtype[np.floating]) -> None:
    where, size = f"layer {k + 1}: ", ends.u[k].shape[-1]
    if (tier.drive is None) == (k == 0) or (tier.basal is None) == (k > 0):
        right = "the first needs a drive, and all others weights from below"
        raise InputError(f"relax: {where}basal", "no potential" if tier.basal is None else "two of them", right)
    above = ends.u[k + 1].shape[-1] if k + 1 < len(ends.u) else 0
    shapes = {"drive": (samples, size), "basal": (ends.u[k - 1].shape[-1], size), "lateral": (size, size),
              "apical": (above, size)}  # fmt: skip
    for name, shape in shapes.items():
        if (array := getattr(tier, name)) is not None:
            _check(where + name, array, shape, dtype)
    _check(f"{where}u", ends.u[k], (samples, size), dtype)
    if ends.q:
        _check(f"{where}q", ends.q[k], (samples,), dtype)


def _check(name: str, array: Values, shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> None:
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        found = f"{array.dtype} {array.shape}{'' if array.flags.c_contiguous else ', not row by row'}"
        raise InputError(f"relax: {name}", found, f"needs {dtype} {shape}")


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "relax.hpp"

extern "C" void relax(const Relax* order, int threads) {{ relax_all<{REAL[precision]}>(*order, threads); }}
"""
    library = compiled(text, "relax", precision)
    library.relax.restype = None
    library.relax.argtypes = [ctypes.POINTER(_Relax), ctypes.c_int]
    return library
