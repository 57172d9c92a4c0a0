"""Credit for errors in spike times: what NormAD and its multilayer form learn from, at the cost of the spikes.

Let d_j(t) be the potential that the spikes of input j alone, through a weight of 1, would have left in step t on a
membrane that is never reset: a sum of kernels over its earlier spikes. An error is an event, in a step and at a neuron.
Two sums are all that the rules of Anwani and Rajendran (IJCNN 2015; arXiv:1811.10678) need:

    error_products   over events, of d(t) times the event's value, and for a single layer divided by the norm ||d(t)||
    backpropagate    for each spike, over later events of the neurons it reaches, of weight times value times kernel

A hidden layer learns from events at its own spikes, with the values that were sent back to them; and so on downwards.
"""

from __future__ import annotations

import ctypes
import math
from dataclasses import dataclass, replace
from functools import cache, cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab import native
from snnlab.brian.quantities import to_seconds
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.spiking.run import HEADERS, address, check_layout
from snnlab.errors import InputError
from snnlab.native import thread_count

_CHUNKS = 8  # parts of a batch, whatever the number of threads
_MOST = 2**24  # numbers in the sums of all parts together, beyond the first
_NEAREST = 1e-3  # of two time constants; the terms of a kernel cancel to as many digits
_TERMS = 3  # as in credit.hpp
_DTYPES = {"sample": np.int64, "step": np.int64, "neuron": np.int32, "value": np.float64}


@dataclass(frozen=True)
class Kernel:
    """The potential that one spike leaves through a weight of 1: NormAD's filter of a synaptic current.

    The current exp(-t/tau_1) - exp(-t/tau_2) through the leak exp(-t/tau_L)/C: a sum of three exponentials, 0 at t = 0.

    tau_1, tau_2  decay and rise of the current, in seconds
    tau_L         of the leak, in seconds; shorter than that of the membrane, it accounts for what resets take away
    C             capacitance, in farad; the potential is in volt for a weight of 1 A

    Raises InputError for values of 0 or below, for a rise slower than the decay, and for time constants that are equal.
    """

    tau_1: float
    tau_2: float
    tau_L: float
    C: float

    def __post_init__(self) -> None:
        taus = {"tau_1": self.tau_1, "tau_2": self.tau_2, "tau_L": self.tau_L}
        for name, value in (taus | {"C": self.C}).items():
            if not 0 < value < math.inf:
                raise InputError(f"Kernel: {name}", f"found {value}", "needs a number above 0")
        for one, other in (("tau_1", "tau_2"), ("tau_1", "tau_L"), ("tau_2", "tau_L")):
            if abs(taus[one] - taus[other]) < _NEAREST * taus[one]:
                found = f"{taus[one]:g} s, and {other} is {taus[other]:g} s"
                raise InputError(f"Kernel: {one}", found, f"they must differ, by {_NEAREST:.1%} at least")
        if self.tau_1 < self.tau_2:
            found = f"{self.tau_1:g} s, and tau_2 is {self.tau_2:g} s"
            raise InputError("Kernel: tau_1", found, "tau_1, of the decay, is the longer one")

    @cached_property
    def rates(self) -> NDArray[np.float64]:
        """Of the three exponentials, per second (3,)."""
        return 1 / np.array([self.tau_1, self.tau_2, self.tau_L])

    @cached_property
    def parts(self) -> NDArray[np.float64]:
        """What each of the exponentials is multiplied by (3,)."""
        decay, rise, leak = self.rates
        first, second = 1 / (self.C * (leak - decay)), 1 / (self.C * (leak - rise))
        return np.array([first, -second, second - first])

    def at(self, t: ArrayLike) -> NDArray[np.float64]:
        """The potential `t` seconds after the spike, of the shape of `t`; 0 before it."""
        age = np.asarray(t, dtype=float)
        return np.where(age > 0, np.exp(-np.maximum(age, 0)[..., None] * self.rates) @ self.parts, 0.0)


@dataclass(frozen=True)
class Window:
    """A single exponential, exp(-t/tau): the learning window of rules that look at spikes and not at potentials.

    tau  in seconds

    Raises InputError for 0 or below.
    """

    tau: float

    def __post_init__(self) -> None:
        if not 0 < self.tau < math.inf:
            raise InputError("Window: tau", f"found {self.tau}", "needs seconds, above 0")

    @property
    def rates(self) -> NDArray[np.float64]:
        """As of a Kernel, two of whose exponentials are not there (3,)."""
        return np.full(_TERMS, 1 / self.tau)

    @property
    def parts(self) -> NDArray[np.float64]:
        """As of a Kernel (3,)."""
        return np.eye(_TERMS)[0]


@dataclass(frozen=True, eq=False)
class Events:
    """Errors, or what is sent back in their place: at an instant, on a neuron of a layer, so much.

    Four columns, sorted by sample, then by step, then by neuron; see ``from_columns``.

    sample  int64 (events,)    of the batch
    step    int64 (events,)
    neuron  int32 (events,)    of the layer
    value   float64 (events,)  +1 where a spike is missing, -1 where one is too many; or any other number
    """

    sample: NDArray[np.int64]
    step: NDArray[np.int64]
    neuron: NDArray[np.int32]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)

    @classmethod
    def from_columns(cls, sample: ArrayLike, step: ArrayLike, neuron: ArrayLike, value: ArrayLike) -> Events:
        """From four columns in any order.

        Raises InputError for different lengths, and for numbers that are not whole.
        """
        given = dict(zip(_DTYPES, map(np.ravel, (sample, step, neuron, value)), strict=True))
        if len({len(column) for column in given.values()}) > 1:
            found = f"columns of {', '.join(str(len(column)) for column in given.values())} entries"
            raise InputError("Events.from_columns", found, "needs a sample, step, neuron and value for each event")
        for name in ("sample", "step", "neuron"):
            if not np.array_equal(given[name], np.floor(given[name])):
                found = given[name][given[name] != np.floor(given[name])][0]
                raise InputError("Events.from_columns", f"{name} {found}", "needs whole numbers")
        order = np.lexsort((given["neuron"], given["step"], given["sample"]))
        return cls(**{name: np.ascontiguousarray(given[name][order], dtype) for name, dtype in _DTYPES.items()})

    @classmethod
    def at_spikes(cls, spikes: SpikeTrains, value: ArrayLike) -> Events:
        """One event at each spike of a layer, in the order of ``SpikeTrains.ids``.

        Raises InputError for another number.
        """
        values = np.ascontiguousarray(value, dtype=np.float64)
        if values.shape != (len(spikes),):
            raise InputError("Events.at_spikes", f"values of shape {values.shape}", f"needs ({len(spikes)},)")
        sample, step, neuron = spikes.events()
        return cls(sample.astype(np.int64), step.astype(np.int64), neuron, values)

    def normalised(self, norms: NDArray[np.float64], floor: float = 0.0) -> Events:
        """The same events divided by their norms (events,); 0 for those that count nothing, see ``error_products``."""
        _check_floor(floor, "Events.normalised")
        if norms.shape != (len(self),):
            raise InputError("Events.normalised", f"norms of shape {norms.shape}", f"needs ({len(self)},)")
        place = np.unique(self.sample, return_inverse=True)[1]
        mean = np.bincount(place, norms) / np.maximum(np.bincount(place), 1)
        counts = norms > floor * mean[place]
        return replace(self, value=np.divide(self.value, norms, out=np.zeros(len(self)), where=counts))


class _Columns(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in "begin step neuron value".split()]
    kept: NDArray[np.int64]  # what `begin` points to


class _Spikes(ctypes.Structure):
    _fields_ = [("ids", ctypes.c_void_p), ("offsets", ctypes.c_void_p)]


class _Course(ctypes.Structure):
    _fields_ = [("part", ctypes.c_double * _TERMS), ("rate", ctypes.c_double * _TERMS)]


class _Asked(ctypes.Structure):
    _fields_ = [
        *(("pre", _Spikes), ("events", _Columns), ("course", _Course)),
        *(("totals", ctypes.c_void_p), ("norms", ctypes.c_void_p), ("floor", ctypes.c_double)),
        *((name, ctypes.c_int32) for name in "pre_size post_size samples steps normalised chunks threads".split()),
    ]


class _Sent(ctypes.Structure):
    _fields_ = [
        *(("pre", _Spikes), ("events", _Columns), ("course", _Course)),
        *(("weights", ctypes.c_void_p), ("sent", ctypes.c_void_p)),
        *((name, ctypes.c_int32) for name in "pre_size post_size samples steps threads".split()),
    ]


def error_products(
    pre: SpikeTrains,
    events: Events,
    post_size: int,
    kernel: Kernel | Window,
    *,
    normalised: bool = True,
    floor: float = 0.0,
    threads: int | None = None,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The sum over events of value * d(t)/||d(t)|| (pre, post), and the norms ||d(t)||_2 (events,).

    pre         whose spikes before an event are its inputs; a spike in step s has no part in step s itself
    events      at neurons of a layer of `post_size`
    normalised  False for the sum of value * d(t)
    floor       an event counts nothing, normalised or not, unless its norm is above 0 and above this part (0 to 1) of
                the mean norm of the events in its sample: with hardly any input yet, d says little about its direction
    threads     None for the current setting; the result does not depend on it

    Raises InputError for spikes that do not fit their offsets, and for events that are not sorted or not of this batch.
    """
    where = "error_products"
    _check_floor(floor, where)
    common = _common(pre, events, post_size, kernel, where)
    numbers = pre.size * post_size
    chunks = max(1, min(pre.samples, _CHUNKS, _MOST // max(numbers, 1)))
    totals = np.zeros((chunks, pre.size, post_size))
    norms = np.zeros(len(events))
    shape = (pre.size, post_size, pre.samples, pre.steps)
    order = _Asked(
        *common, address(totals), address(norms), floor, *shape, normalised, chunks, threads or thread_count()
    )
    _library().products(ctypes.byref(order))
    return (totals.sum(axis=0) if chunks > 1 else totals[0]), norms


def backpropagate(
    events: Events,
    weights: NDArray[np.floating],
    pre: SpikeTrains,
    kernel: Kernel | Window,
    *,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """What errors send back to the spikes of the layer before (spikes,), in the order of ``SpikeTrains.ids``.

    To a spike of neuron i in step s: the sum over events at neurons k in later steps t of weights[i, k] * value *
    kernel((t - s) dt).

    weights  (pre, post)
    threads  None for the current setting; the result does not depend on it

    Raises InputError for weights of another shape, and for spikes and events as ``error_products`` does.
    """
    where = "backpropagate"
    if weights.ndim != 2 or weights.shape[0] != pre.size:
        raise InputError(
            where, f"weights of shape {weights.shape}", f"needs ({pre.size}, neurons of the events' layer)"
        )
    common = _common(pre, events, weights.shape[1], kernel, where)
    values = np.ascontiguousarray(weights, dtype=np.float64)
    sent = np.zeros(len(pre))
    numbers = (*weights.shape, pre.samples, pre.steps, threads or thread_count())
    order = _Sent(*common, address(values), address(sent), *numbers)
    _library().sent(ctypes.byref(order))
    return sent


def _common(
    pre: SpikeTrains, events: Events, post_size: int, kernel: Kernel | Window, where: str
) -> tuple[_Spikes, _Columns, _Course]:
    """What both sums are made of, checked, as compiled code takes it."""
    check_layout(pre, where)
    _check(events, pre, post_size, where)
    dt = to_seconds(pre.dt, f"{where}: dt")
    begin = np.searchsorted(events.sample, np.arange(pre.samples + 1))
    columns = _Columns(address(begin), address(events.step), address(events.neuron), address(events.value))
    columns.kept = begin
    course = _Course(tuple(kernel.parts), tuple(kernel.rates * dt))
    return _Spikes(address(pre.ids), address(pre.offsets)), columns, course


def _check(events: Events, pre: SpikeTrains, post_size: int, where: str) -> None:
    """Refuse events that compiled code would read or write beyond the end of arrays for."""
    right = "needs Events as from_columns makes them"
    for name, dtype in _DTYPES.items():
        column = getattr(events, name)
        if column.dtype != dtype or column.shape != (len(events),) or not column.flags.c_contiguous:
            raise InputError(where, f"{name}s of events as {column.dtype} of shape {column.shape}", right)
    bounds = {"sample": pre.samples, "step": pre.steps, "neuron": post_size}
    for name, bound in bounds.items():
        column = getattr(events, name)
        if len(events) and not 0 <= column.min() <= column.max() < bound:
            raise InputError(where, f"{name} {column.min()}..{column.max()} of events", f"needs 0..{bound - 1}")
    if not np.isfinite(events.value).all():
        raise InputError(where, "values of events that are not finite", "needs numbers")
    instant = events.sample * pre.steps + events.step
    rises = np.diff(instant)
    if (rises < 0).any() or (np.diff(events.neuron)[rises == 0] < 0).any():
        raise InputError(where, "events that are not sorted by sample, step and neuron", right)


def _check_floor(floor: float, where: str) -> None:
    if not 0 <= floor <= 1:
        raise InputError(f"{where}: floor", f"found {floor}", "needs 0 to 1")


@cache
def _library() -> ctypes.CDLL:
    text = """\
#include "credit.hpp"

extern "C" {
void products(const Asked* order) { run_products(*order); }
void sent(const Sent* order) { run_sent(*order); }
}
"""
    library = native.library(text, name="credit", include=HEADERS, flags=["-ffp-contract=fast"])
    library.products.restype = library.sent.restype = None
    return library
