"""Relaxation of layers of three-compartment rate cells, as on the cards corinfomax_*."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

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

Values = NDArray[np.floating]


class RelaxationLayer(NamedTuple):
    """One layer and its incoming weights (pre, post); None for absent ones.

    drive        (samples, cells) constant basal potentials: of the first layer only
    basal        from the layer below
    lateral      within the layer
    apical       from the layer above
    conductance  of the apical dendrite
    scale        of the part of the apical potential that comes from the cell and its own layer
    gain         of lateral input
    speed        of the multiplier, per step
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
    """State of the cells of every layer.

    u  (samples, cells) somata
    r  (samples, cells) rates
    q  (samples,) multipliers before their rectification; an empty list for cells without them
    """

    u: list[Values]
    r: list[Values]
    q: list[Values]


class Constants(NamedTuple):
    """Parameters of all layers: conductances of the leak and of basal dendrites, and the maximum rate."""

    leak: float
    basal: float
    max_rate: float


class _Layer(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "drive basal lateral apical u r q"),
        *fields(DOUBLE, "conductance scale gain speed"),
        *fields(INT, "size"),
    ]


class _Relax(ctypes.Structure):
    _fields_ = [
        ("layers", ctypes.POINTER(_Layer)),
        *fields(POINTER, "target mu"),
        *fields(DOUBLE, "leak basal nudge max_rate"),
        *fields(INT, "n_layers samples steps"),
    ]


def relax(
    layers: Sequence[RelaxationLayer],
    initial: NetworkState,
    mu: NDArray[np.float64],
    constants: Constants,
    *,
    nudge: float = 0.0,
    target: Values | None = None,
) -> NetworkState:
    """The state after some steps, in each of which all cells receive the rates at the start of the step.

    initial  its somata and multipliers are used; rates follow from somata
    mu       (steps,) the length of each step, over the time constant
    nudge    strength of the force on the output towards the target (samples, outputs)

    A sample's result does not depend on the others. Raises InputError for arrays that are not contiguous, of matching
    shapes and of one of the engine's precisions.
    """
    samples, dtype = len(initial.u[0]), initial.u[0].dtype
    check_precision(dtype.name, "relax: u")
    final = NetworkState(
        [u.copy() for u in initial.u], [np.empty_like(u) for u in initial.u], [q.copy() for q in initial.q]
    )
    output = final.u[-1]
    goal = output if target is None else target
    check_array("relax: target", goal, output.shape, dtype)
    for k, layer in enumerate(layers):
        _check_layer(k, layer, final, samples, dtype)
    table = (_Layer * len(layers))(*(_Layer(*_members(k, layer, final)) for k, layer in enumerate(layers)))
    steps = np.ascontiguousarray(mu, dtype=np.float64)
    strength = 0.0 if target is None else nudge
    order = _Relax(
        *(table, address(goal), address(steps), constants.leak, constants.basal, strength, constants.max_rate),
        *(len(layers), samples, len(steps)),
    )
    _library(cast(Precision, dtype.name)).relax(ctypes.byref(order), thread_count())
    return final


def _members(k: int, layer: RelaxationLayer, state: NetworkState) -> tuple[int | float | None, ...]:
    arrays = (*layer[:4], state.u[k], state.r[k], state.q[k] if state.q else None)
    return *map(address, arrays), *layer[4:], state.u[k].shape[1]


def _check_layer(
    k: int, layer: RelaxationLayer, state: NetworkState, samples: int, dtype: np.dtype[np.floating]
) -> None:
    field, size = f"relax: layer {k + 1}: ", state.u[k].shape[-1]
    if (layer.drive is None) == (k == 0) or (layer.basal is None) == (k > 0):
        problem = "neither drive nor weights" if layer.basal is None else "both drive and weights"
        hint = "the first layer must have a drive, all others weights from below"
        raise InputError(f"{field}basal", problem, hint)
    above = state.u[k + 1].shape[-1] if k + 1 < len(state.u) else 0
    below = state.u[k - 1].shape[-1]
    shapes = {"drive": (samples, size), "basal": (below, size), "lateral": (size, size), "apical": (above, size)}
    for name, shape in shapes.items():
        if (array := getattr(layer, name)) is not None:
            check_array(field + name, array, shape, dtype)
    check_array(f"{field}u", state.u[k], (samples, size), dtype)
    if state.q:
        check_array(f"{field}q", state.q[k], (samples,), dtype)


@cache
def _library(precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "relax.hpp"

extern "C" void relax(const Relax* p, int threads) {{ relax_all<{REAL[precision]}>(*p, threads); }}
"""
    library = compile_library(text, "relax", ["relax"], precision)
    library.relax.argtypes = [ctypes.POINTER(_Relax), ctypes.c_int]
    return library
