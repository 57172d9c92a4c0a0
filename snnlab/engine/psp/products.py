"""Products of output spikes with traces of the input that are never reset, for HM2-BP and similar rules.

For a cell that is linear between its spikes, let M[j, t] be the potential that the spikes of input j alone, through a
weight of 1, would have left in step t had the cell never been reset. Their contribution to the potential at the output
spikes of neuron i, including resets, is a sum over the spikes f of i,

    e_ij = sum_f  M[j, t_f] - rho^(t_f - c_f) M[j, c_f]

with c_f the last step before t_f in which the membrane was held at its reset, and rho its decay per step: the S-PSP of
Jin, Zhang and Li (NeurIPS 2018) in exact discrete form. No array of shape (samples, pre, post) is stored.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass, replace
from functools import cache, lru_cache

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps, to_seconds
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.build import (
    DOUBLE,
    INT,
    LONG,
    POINTER,
    REAL,
    Precision,
    address,
    as_type,
    check_spikes,
    compile_library,
    fields,
)
from snnlab.engine.spiking.codegen import CellCode, generate
from snnlab.engine.spiking.layer_library import advance
from snnlab.engine.spiking.run import Response
from snnlab.engine.spiking.synapses import kernels_of, synapses_of
from snnlab.errors import InputError
from snnlab.native import thread_count
from snnlab.networks.circuit import Number, Population, Projection
from snnlab.networks.weights import Convolution, Weights, outer, with_parameters

_GROUP = 64  # inputs of one task, as in traces.hpp
# parts of a batch, for any number of threads
_FULL_CHUNKS = 4  # only where few inputs make few tasks
_SHARED_CHUNKS = 8


@dataclass(frozen=True, eq=False)
class PSPProducts:
    """The products of one projection.

    gradient  (pre, post)     sum over samples of scale_i e_ij; for a convolution in the shape of its kernels and
                              summed over all places too; None for pooling
    backward  (samples, pre)  sum over i of send_i w_ij e_ij, or None without `send`
    """

    gradient: NDArray[np.floating] | None
    backward: NDArray[np.floating] | None


@dataclass(frozen=True, eq=False)
class _Task:
    """Arguments of `products` in the precision of the computation, and the matrix of `transition`."""

    projection: Projection
    pre: SpikeTrains
    post: Response
    matrix: NDArray[np.float64]
    scale: NDArray[np.floating]
    send: NDArray[np.floating] | None
    precision: Precision

    @property
    def receptor(self) -> int:
        return self.post.cell.receptors[self.projection.receptor]

    @property
    def delay(self) -> int:
        return delay_steps(self.projection, self.pre.dt)

    def backward(self) -> NDArray[np.floating] | None:
        if self.send is None:
            return None
        return np.zeros((self.pre.samples, self.pre.size), dtype=self.precision)


def transition(population: Population, dt: Number) -> NDArray[np.float64]:
    """The matrix of one step without input or refractoriness: state after = matrix @ state before.

    Raises InputError if the cell is not linear, and if the potential, which a spike resets, drives other variables.
    """
    code = generate(population, to_seconds(dt, "circuit: dt"))
    matrix = _transition(code)
    probe = np.random.default_rng(0).normal(size=(len(code.states), 8))
    if not (np.isfinite(matrix).all() and np.allclose(advance(code, probe), matrix @ probe, rtol=1e-9, atol=1e-12)):
        problem = "not linear about zero between its spikes"
        raise InputError(population.cell.path, problem, "must be a cell such as lif_exp")
    if np.delete(matrix[:, code.membrane], code.membrane).any():
        problem = f"{code.states[code.membrane]} drives other variables, which a reset would change"
        raise InputError(population.cell.path, problem, "must be a cell such as lif_exp")
    return matrix


@lru_cache(maxsize=64)
def _transition(code: CellCode) -> NDArray[np.float64]:
    return advance(code, np.eye(len(code.states)))


def products(
    projection: Projection,
    pre: SpikeTrains,
    post: Response,
    scale: NDArray[np.floating],
    send: NDArray[np.floating] | None = None,
    *,
    weights: Weights | None = None,
    silent: float = 0.0,
    precision: Precision = "float32",
) -> PSPProducts:
    """The products of one projection over a batch; `scale` and `send` are (samples, post), see PSPProducts.

    weights  trained weights of the projection; None for its own
    silent   e_ij in `gradient` of a neuron that never fires in a sample, for each input with a spike that reaches it

    The cells must be linear between spikes, see ``transition``. Raises InputError for arrays of other shapes, for
    spikes before and after the projection that are not of one batch, and for sparse weights.
    """
    if weights is not None:
        projection = replace(projection, weights=with_parameters(projection.weights, weights))
    _check(projection, pre, post, scale, send)
    sends = None if send is None else as_type(send, precision)
    task = _Task(projection, pre, post, _transition(post.cell), as_type(scale, precision), sends, precision)
    if isinstance(projection.weights, np.ndarray):
        return _full(task, silent)
    gradient, backward = _shared(task)
    asleep = np.where(post.counts == 0, silent * scale, 0).astype(precision)
    if gradient is not None and asleep.any():
        gradient = gradient + outer(projection.weights, _active(projection, pre).astype(precision), asleep)
    return PSPProducts(gradient, backward)


def _check(
    projection: Projection,
    pre: SpikeTrains,
    post: Response,
    scale: NDArray[np.floating],
    send: NDArray[np.floating] | None,
) -> None:
    """Raises InputError for arrays that compiled code would read beyond their end."""
    field = f"products of {projection.name!r}"
    if scipy.sparse.issparse(projection.weights):
        raise InputError(field, "sparse weights", "must be a full array, a convolution or pooling")
    for spikes in (pre, post.spikes):
        check_spikes(spikes, field)
    shape = (post.spikes.samples, post.spikes.size)
    for name, array in (("scale", scale), ("send", send)):
        if array is not None and array.shape != shape:
            raise InputError(field, f"got {name} of shape {array.shape}", f"must be {shape}")
    if (pre.samples, pre.steps) != (post.spikes.samples, post.spikes.steps):
        raise InputError(field, "spikes before and after are not of one batch", "must be of equal samples and steps")
    if projection.weights.shape != (pre.size, post.spikes.size):
        problem = f"got weights of shape {projection.weights.shape}"
        raise InputError(field, problem, f"must be {(pre.size, post.spikes.size)}, the sizes of the spike trains")


def _active(projection: Projection, spikes: SpikeTrains) -> NDArray[np.bool_]:
    """Which neurons fire early enough for a spike to arrive (samples, neurons)."""
    last = max(0, spikes.steps - delay_steps(projection, spikes.dt))
    active = np.zeros((spikes.samples, spikes.size), dtype=bool)
    for row, starts in zip(active, spikes.offsets, strict=True):
        row[spikes.ids[starts[0] : starts[last]]] = True
    return active


# Full weights -------------------------------------------------------------------------------------------------------


class _FullProducts(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "ids offsets post_ids post_offsets transition scale weights send gradient backward"),
        *fields(DOUBLE, "silent"),
        *fields(INT, "pre post samples steps reset_steps delay chunks threads"),
    ]


def _full(task: _Task, silent: float) -> PSPProducts:
    """The products of a projection with a weight for each pair of neurons."""
    pre, post, code, precision = task.pre, task.post.spikes, task.post.cell, task.precision
    chunks = min(pre.samples, _FULL_CHUNKS) if pre.size < 8 * _GROUP else 1
    weights = None if task.send is None else as_type(np.asarray(task.projection.weights), precision)
    gradient = np.empty((chunks, pre.size, post.size), dtype=precision)
    backward = task.backward()
    arrays = (pre.ids, pre.offsets, post.ids, post.offsets, task.matrix, task.scale, weights, task.send)
    numbers = (pre.size, post.size, pre.samples, pre.steps, code.reset_steps, task.delay, chunks, thread_count())
    order = _FullProducts(*map(address, (*arrays, gradient, backward)), silent, *numbers)
    _full_library(len(code.states), code.membrane, task.receptor, precision).products(ctypes.byref(order))
    return PSPProducts(gradient.sum(axis=0) if chunks > 1 else gradient[0], backward)


@cache
def _full_library(states: int, membrane: int, receptor: int, precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "traces.hpp"

extern "C" void products(const Products* p) {{
    run_products<{REAL[precision]}, {states}, {membrane}, {receptor}>(*p);
}}
"""
    return compile_library(text, "traces", ["products"], precision)


# Convolutions and pooling -------------------------------------------------------------------------------------------


class _SharedProducts(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "ids offsets raster transition scale weights shape send gradient backward"),
        *fields(LONG, "stored"),
        *fields(INT, "kind pre post samples steps membrane receptor reset_steps delay chunks threads"),
    ]


def _shared(task: _Task) -> tuple[NDArray[np.floating] | None, NDArray[np.floating] | None]:
    """(gradient, backward) of a projection whose weights are shared between places or pooled."""
    pre, post, code = task.pre, task.post.spikes, task.post.cell
    kind, weights, shape = synapses_of(task.projection, task.precision)
    chunks = min(pre.samples, _SHARED_CHUNKS)
    convolution = task.projection.weights
    trainable = isinstance(convolution, Convolution)
    gradient = np.zeros((chunks, *weights.shape), dtype=task.precision) if trainable else None
    backward = task.backward()
    arrays = (pre.ids, pre.offsets, task.post.raster, task.matrix, task.scale, weights, shape, task.send)
    numbers = (
        *(weights.size, kind, pre.size, post.size, pre.samples, pre.steps),
        *(code.membrane, task.receptor, code.reset_steps, task.delay, chunks, thread_count()),
    )
    order = _SharedProducts(*map(address, (*arrays, gradient, backward)), *numbers)
    _shared_library(len(code.states), task.precision).products(ctypes.byref(order))
    if gradient is None or not isinstance(convolution, Convolution):
        return None, backward
    return kernels_of(gradient.sum(axis=0), convolution.kernels.shape), backward


@cache
def _shared_library(states: int, precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "shared.hpp"

extern "C" void products(const SharedProducts* p) {{ run_shared<{REAL[precision]}, {states}>(*p); }}
"""
    return compile_library(text, "shared", ["products"], precision)
