"""Weight changes from errors in spike times, for NormAD and its multilayer form, at the cost of the spikes.

Let d_j(t) be the potential that the spikes of input j alone, through a weight of 1, would have left in step t on a
membrane that is never reset: a sum of kernels over its earlier spikes. An error is an event in a step, at a neuron.
The rules of Anwani and Rajendran (IJCNN 2015; arXiv:1811.10678) need two sums:

    error_products   over events, of d(t) times the event's value, and for a single layer divided by the norm ||d(t)||
    backpropagate    for each spike, over later events of its target neurons, of weight times value times kernel

A hidden layer learns from events at its own spikes, with the values that were propagated back to them, and so on down
to the first layer.
"""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.build import DOUBLE, INT, POINTER, address, check_spikes, compile_library, fields
from snnlab.engine.psp.events import Events, check_events, check_floor
from snnlab.engine.psp.kernels import TERMS, Kernel, Window
from snnlab.errors import InputError
from snnlab.native import thread_count

_CHUNKS = 8  # parts of a batch, for any number of threads
_MAX_NUMBERS = 2**24  # in the sums of all parts together


class _Events(ctypes.Structure):
    _fields_ = fields(POINTER, "begin step neuron value")
    starts: NDArray[np.int64]  # the array of `begin`


class _Spikes(ctypes.Structure):
    _fields_ = fields(POINTER, "ids offsets")


class _Kernel(ctypes.Structure):
    _fields_ = fields(DOUBLE * TERMS, "amplitude rate")


_COMMON = [("pre", _Spikes), ("events", _Events), ("kernel", _Kernel)]


class _ErrorProducts(ctypes.Structure):
    _fields_ = [
        *_COMMON,
        *fields(POINTER, "totals norms"),
        *fields(DOUBLE, "floor"),
        *fields(INT, "pre_size post_size samples steps normalised chunks threads"),
    ]


class _Backpropagation(ctypes.Structure):
    _fields_ = [*_COMMON, *fields(POINTER, "weights result"), *fields(INT, "pre_size post_size samples steps threads")]


def error_products(
    pre: SpikeTrains,
    events: Events,
    post_size: int,
    kernel: Kernel | Window,
    *,
    normalised: bool = True,
    floor: float = 0.0,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sum over events of value * d(t)/||d(t)|| (pre, post), and the norms ||d(t)||_2 (events,).

    pre         spikes of the inputs; a spike in step s has no effect in step s itself
    events      at neurons of a layer of `post_size`
    normalised  False for the sum of value * d(t)
    floor       from 0 to 1: an event counts only if its norm is above 0 and above this share of the mean norm of the
                events in its sample; after very few input spikes, the direction of d is of little meaning

    Raises InputError for invalid spike trains, and for events that are not sorted or not of this batch.
    """
    check_floor(floor, "error_products")
    common = _common(pre, events, post_size, kernel, "error_products")
    chunks = max(1, min(pre.samples, _CHUNKS, _MAX_NUMBERS // max(pre.size * post_size, 1)))
    totals = np.zeros((chunks, pre.size, post_size))
    norms = np.zeros(len(events))
    numbers = (pre.size, post_size, pre.samples, pre.steps, normalised, chunks, thread_count())
    _library().products(ctypes.byref(_ErrorProducts(*common, address(totals), address(norms), floor, *numbers)))
    return (totals.sum(axis=0) if chunks > 1 else totals[0]), norms


def backpropagate(
    events: Events,
    weights: NDArray[np.floating],
    pre: SpikeTrains,
    kernel: Kernel | Window,
) -> NDArray[np.float64]:
    """Errors propagated back to the spikes of the layer below (spikes,), in the order of ``SpikeTrains.ids``.

    To a spike of neuron i in step s: the sum over events at neurons k in later steps t of weights[i, k] * value *
    kernel((t - s) dt).

    weights  (pre, post)

    Raises InputError for weights of another shape, and for spikes and events as ``error_products`` does.
    """
    if weights.ndim != 2 or weights.shape[0] != pre.size:
        hint = f"must be ({pre.size}, neurons of the events' layer)"
        raise InputError("backpropagate", f"got weights of shape {weights.shape}", hint)
    common = _common(pre, events, weights.shape[1], kernel, "backpropagate")
    values = np.ascontiguousarray(weights, dtype=np.float64)
    result = np.zeros(len(pre))
    numbers = (*weights.shape, pre.samples, pre.steps, thread_count())
    _library().backpropagate(ctypes.byref(_Backpropagation(*common, address(values), address(result), *numbers)))
    return result


def _common(
    pre: SpikeTrains, events: Events, post_size: int, kernel: Kernel | Window, field: str
) -> tuple[_Spikes, _Events, _Kernel]:
    """Spikes, events and kernel, checked, as compiled code takes them."""
    check_spikes(pre, field)
    check_events(events, pre, post_size, field)
    dt = to_seconds(pre.dt, f"{field}: dt")
    starts = np.searchsorted(events.sample, np.arange(pre.samples + 1))
    columns = _Events(address(starts), address(events.step), address(events.neuron), address(events.value))
    columns.starts = starts
    decays = _Kernel(tuple(kernel.amplitudes), tuple(kernel.decay_rates * dt))
    return _Spikes(address(pre.ids), address(pre.offsets)), columns, decays


@cache
def _library() -> ctypes.CDLL:
    text = """\
#include "credit.hpp"

extern "C" {
void products(const ErrorProducts* p) { run_products(*p); }
void backpropagate(const Backpropagation* p) { run_backpropagation(*p); }
}
"""
    return compile_library(text, "credit", ("products", "backpropagate"), "float64", fused=True)
