"""Products of output spikes with un-reset input traces: what HM2-BP and its kin learn from.

For a cell that is linear between its spikes, let M[j, t] be the potential that the spikes of input j alone, through a
weight of 1, would have left in step t had the cell never been reset. What they contributed to the potential at the
output spikes of neuron i, resets counted, is a sum over the spikes f of i,

    e_ij = sum_f  M[j, t_f] - rho^(t_f - c_f) M[j, c_f]

with c_f the last step in which the membrane was held at its reset before t_f, and rho its decay per step: the S-PSP of
Jin, Zhang and Li (NeurIPS 2018) in exact discrete form. Nothing of size (samples, pre, post) is ever stored.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps, to_seconds
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.psp import shared
from snnlab.engine.spiking import run
from snnlab.engine.spiking.codegen import CellCode, generate
from snnlab.engine.spiking.run import REAL, Precision, Response, address, as_type
from snnlab.errors import InputError
from snnlab.native import thread_count
from snnlab.networks.circuit import Number, Population, Projection
from snnlab.networks.weights import Weights, outer

_GROUP = 64  # inputs to a task, as in traces.hpp
_CHUNKS = 4  # parts of a batch, where there are too few inputs for many tasks; whatever the number of threads


class _Products(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in "ids offsets post_ids post_offsets transition".split()),
        *((name, ctypes.c_void_p) for name in "scale weights send summed sent".split()),
        ("silent", ctypes.c_double),
        *((name, ctypes.c_int32) for name in "pre post samples steps held delay chunks threads".split()),
    ]


@dataclass(frozen=True, eq=False)
class PSPProducts:
    """What flows back through a projection.

    gradient  (pre, post)     sum over samples of scale_i e_ij; for a convolution in the shape of its kernels and
                              summed over all places too; None for pooling
    backward  (samples, pre)  sum over i of send_i w_ij e_ij, or None without `send`
    """

    gradient: NDArray[np.floating] | None
    backward: NDArray[np.floating] | None


def transition(population: Population, dt: Number) -> NDArray[np.float64]:
    """The matrix of one free step, state after = matrix @ state before.

    Raises InputError where there is none, and where the potential, which a spike resets, drives the other variables.
    """
    code = generate(population, to_seconds(dt, "circuit: dt"))
    matrix = _transition(code)
    probe = np.random.default_rng(0).normal(size=(len(code.states), 8))
    if not (np.isfinite(matrix).all() and np.allclose(run.advance(code, probe), matrix @ probe, rtol=1e-9, atol=1e-12)):
        raise InputError(
            population.cell.path, "not linear about zero between its spikes", "needs a cell such as lif_exp"
        )
    if np.delete(matrix[:, code.watched], code.watched).any():
        found = f"{code.states[code.watched]} drives other variables, which a reset would reach"
        raise InputError(population.cell.path, found, "needs a cell such as lif_exp")
    return matrix


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
    threads: int | None = None,
) -> PSPProducts:
    """The products of one projection over a batch; `scale` and `send` are (samples, post), see PSPProducts.

    weights  trained weights of the projection; None for its own
    silent   e_ij in `gradient` of a neuron that never fires in a sample, for each input whose spikes reach it
    threads  None for the current setting; the result does not depend on it

    The cells must be linear between spikes, see ``transition``. Raises InputError for arrays of other shapes, for
    spikes before and after the projection that are not of one batch, and for sparse weights.
    """
    if weights is not None:
        projection = run.trained(projection, weights)
    _check(projection, pre, post, scale, send)
    matrix = _transition(post.cell)
    if isinstance(projection.weights, np.ndarray):
        return _full(projection, pre, post, matrix, scale, send, silent, precision, threads)
    summed, sent = shared.products(projection, pre, post, matrix, scale, send, precision, threads)
    asleep = np.where(post.counts == 0, silent * scale, 0).astype(precision)
    if summed is not None and asleep.any():
        summed = summed + outer(projection.weights, _active(projection, pre).astype(precision), asleep)
    return PSPProducts(summed, sent)


def _full(
    projection: Projection,
    pre: SpikeTrains,
    post: Response,
    matrix: NDArray[np.float64],
    scale: NDArray[np.floating],
    send: NDArray[np.floating] | None,
    silent: float,
    precision: Precision,
    threads: int | None,
) -> PSPProducts:
    """The products of a projection with a weight for each pair of neurons."""
    code = post.cell
    samples, size = scale.shape
    chunks = min(samples, _CHUNKS) if pre.size < 8 * _GROUP else 1
    receptor = code.receptors[projection.receptor]
    scaled = as_type(scale, precision)
    weights = as_type(np.asarray(projection.weights), precision) if send is not None else None
    sends = as_type(send, precision) if send is not None else None
    totals = np.empty((chunks, pre.size, size), dtype=precision)
    sent = np.zeros((samples, pre.size), dtype=precision) if send is not None else None
    trains = (pre.ids, pre.offsets, post.spikes.ids, post.spikes.offsets)
    arrays = (*trains, matrix, scaled, weights, sends, totals, sent)
    delay = delay_steps(projection, pre.dt)
    numbers = (pre.size, size, samples, pre.steps, code.reset_steps, delay, chunks, threads or thread_count())
    order = _Products(*(None if array is None else address(array) for array in arrays), silent, *numbers)
    _library(len(code.states), code.watched, receptor, precision).products(ctypes.byref(order))
    return PSPProducts(totals.sum(axis=0) if chunks > 1 else totals[0], sent)


def _check(
    projection: Projection,
    pre: SpikeTrains,
    post: Response,
    scale: NDArray[np.floating],
    send: NDArray[np.floating] | None,
) -> None:
    """Refuse arrays that compiled code would read beyond their end."""
    where = f"products of {projection.name!r}"
    if scipy.sparse.issparse(projection.weights):
        raise InputError(where, "sparse weights", "needs a full array, a convolution or pooling")
    for spikes in (pre, post.spikes):
        run.check_layout(spikes, where)
    shape = (post.spikes.samples, post.spikes.size)
    for name, array in (("scale", scale), ("send", send)):
        if array is not None and array.shape != shape:
            raise InputError(where, f"{name} of shape {array.shape}", f"needs {shape}")
    if (pre.samples, pre.steps, pre.size) != (post.spikes.samples, post.spikes.steps, projection.weights.shape[0]):
        raise InputError(where, "spikes before and after that do not belong together", "needs one batch of one circuit")


def _active(projection: Projection, spikes: SpikeTrains) -> NDArray[np.bool_]:
    """Which neurons fire early enough for a spike to reach the others (samples, neurons)."""
    last = max(0, spikes.steps - delay_steps(projection, spikes.dt))
    active = np.zeros((spikes.samples, spikes.size), dtype=bool)
    for row, begins in zip(active, spikes.offsets, strict=True):
        row[spikes.ids[begins[0] : begins[last]]] = True
    return active


@lru_cache(maxsize=64)
def _transition(code: CellCode) -> NDArray[np.float64]:
    return run.advance(code, np.eye(len(code.states)))


@cache
def _library(states: int, watched: int, receptor: int, precision: Precision) -> ctypes.CDLL:
    numbers = f"{REAL[precision]}, {states}, {watched}, {receptor}"
    text = f"""\
#include "traces.hpp"

extern "C" void products(const Products* order) {{ run_products<{numbers}>(*order); }}
"""
    library = run.compiled(text, "traces", precision)
    library.products.restype = None
    return library
