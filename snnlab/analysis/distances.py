"""How alike two spike trains are: correlation, the distances of van Rossum and of Victor and Purpura, matches.

Each measure takes two trains as spike times in seconds and gives one number, or two `SpikeTrains` of one shape and
gives an array (samples, neurons). Times are those of a set: they may come in any order and lie anywhere, before 0 too;
two spikes of a train may share a time. There is no grid but that of the spikes.

All raise InputError for times that are not finite numbers along one axis, for `SpikeTrains` of different shapes or time
steps, and for a parameter that is not positive and finite.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.native import library, thread_count

TAU = 5e-3
"""Seconds after which the trace of a spike has fallen to 1/e, where nothing else is said."""


@overload
def correlation(first: SpikeTrains, second: SpikeTrains, *, tau: float = ...) -> NDArray[np.float64]: ...
@overload
def correlation(first: ArrayLike, second: ArrayLike, *, tau: float = ...) -> float: ...
def correlation(first: Any, second: Any, *, tau: float = TAU) -> Any:
    """Cosine of the angle between two trains whose spikes leave exponential traces: 1 where they are the same.

    With f the sum of exp(-(t - t_k) / tau) over the spikes t_k of one train before t, and g that of the other,
    it is <f, g> / (||f|| ||g||), the integrals taken over all time: from 0, where they share no trace, to 1.
    <f, g> is tau/2 times the sum of exp(-|t_k - u_l| / tau) over all pairs of spikes, found in one walk along both
    trains (the Markov property of the exponential; Houghton and Kreuz 2012).

    Two empty trains are the same, 1; an empty train and another share nothing, 0. `tau` is in seconds.
    """
    pairs = _pairs("correlation", first, second)
    ff, fg, gg, _ = _overlaps(pairs, _positive("correlation: tau", tau, "seconds")).T
    norms = np.sqrt(ff * gg)  # of equal trains exactly ff, so that they have exactly 1
    found = ((ff == 0) & (gg == 0)).astype(np.float64)
    np.divide(fg, norms, out=found, where=norms > 0)
    return _shaped(np.minimum(found, 1), pairs)


@overload
def van_rossum(first: SpikeTrains, second: SpikeTrains, *, tau: float = ...) -> NDArray[np.float64]: ...
@overload
def van_rossum(first: ArrayLike, second: ArrayLike, *, tau: float = ...) -> float: ...
def van_rossum(first: Any, second: Any, *, tau: float = TAU) -> Any:
    """Distance of van Rossum (2001) between two trains whose spikes leave exponential traces.

    D = sqrt(1/tau integral (f - g)^2 dt) over all time, with f and g as in `correlation`: his normalisation, in which
    one spike more adds a distance of sqrt(1/2) to equal trains, wherever it lies. Some have 1 there, with 2/tau before
    the integral: theirs is sqrt(2) times this. As `tau` vanishes D^2 becomes half the number of spikes that do
    not coincide, as it grows half the square of the difference of the counts. `tau` is in seconds.
    """
    pairs = _pairs("van_rossum", first, second)
    moments = _overlaps(pairs, _positive("van_rossum: tau", tau, "seconds"))
    return _shaped(np.sqrt(moments[:, 3]), pairs)


@overload
def victor_purpura(first: SpikeTrains, second: SpikeTrains, *, cost: float) -> NDArray[np.float64]: ...
@overload
def victor_purpura(first: ArrayLike, second: ArrayLike, *, cost: float) -> float: ...
def victor_purpura(first: Any, second: Any, *, cost: float) -> Any:
    """Distance of Victor and Purpura (1996), D^spike: the least price of making one train into the other.

    To put in or take out a spike costs 1, to move one by t seconds costs `cost` t, with `cost` in 1/s (their q): spikes
    further apart than 2 / cost are never moved. As `cost` vanishes the distance becomes the difference of the counts,
    as it grows the number of spikes that do not coincide. Time goes with the product of the counts.
    """
    pairs = _pairs("victor_purpura", first, second)
    price = _positive("victor_purpura: cost", cost, "1/s")
    found = np.empty(len(pairs))
    scratch = np.empty(len(pairs.second.times) + len(pairs))
    _kernel().snnlab_edits(*pairs.arguments(), price, scratch, found, thread_count())
    return _shaped(found, pairs)


@overload
def matched(first: SpikeTrains, second: SpikeTrains, *, tolerance: float) -> NDArray[np.bool_]: ...
@overload
def matched(first: ArrayLike, second: ArrayLike, *, tolerance: float) -> bool: ...
def matched(first: Any, second: Any, *, tolerance: float) -> Any:
    """Whether two trains have equally many spikes, the k-th of both at most `tolerance` seconds apart.

    True or False; of two empty trains True. Differences within the rounding of the times do not count, so that with a
    tolerance of whole time steps spikes match which are just so many steps apart. The tolerance may be 0.
    """
    pairs = _pairs("matched", first, second)
    _positive("matched: tolerance", tolerance, "seconds", or_zero=True)
    counts = np.diff(pairs.first.starts)
    even = counts == np.diff(pairs.second.starts)
    a, b = pairs.first.of(even), pairs.second.of(even)
    rounding = 4 * np.finfo(float).eps * np.maximum(np.maximum(abs(a), abs(b)), tolerance)
    apart = abs(a - b) > tolerance + rounding
    pair = np.repeat(np.flatnonzero(even), counts[even])
    even[pair[apart]] = False
    return _shaped(even, pairs)


@dataclass(frozen=True)
class _Trains:
    """Trains laid one after another: `times` (spikes,), ascending within a train; train k begins at `starts[k]`."""

    times: NDArray[np.float64]
    starts: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Times of the chosen trains alone."""
        return self.times[np.repeat(chosen, np.diff(self.starts))]


@dataclass(frozen=True)
class _Pairs:
    """Equally many trains, each compared with its counterpart, and the shape that the results have: () for one."""

    first: _Trains
    second: _Trains
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.first.starts) - 1

    def arguments(self) -> tuple[NDArray[Any] | int, ...]:
        """As the C++ takes them."""
        return self.first.times, self.first.starts, self.second.times, self.second.starts, len(self)


def _pairs(where: str, first: object, second: object) -> _Pairs:
    if isinstance(first, SpikeTrains) and isinstance(second, SpikeTrains):
        for name in ("samples", "steps", "size", "dt"):
            one, other = getattr(first, name), getattr(second, name)
            if one != other:
                raise InputError(f"{where}: {name}", f"found {one!r} and {other!r}", "both spikes must agree")
        return _Pairs(_of_spikes(first), _of_spikes(second), (first.samples, first.size))
    return _Pairs(_of_times(f"{where}: first", first), _of_times(f"{where}: second", second), ())


def _of_spikes(spikes: SpikeTrains) -> _Trains:
    sample, step, ids = spikes.events()
    # events come in order of sample and step, so a stable sort by train keeps each in order
    order = np.argsort(sample * spikes.size + ids, kind="stable")
    return _Trains(step[order].astype(np.float64) * spikes.dt, np.append(0, np.cumsum(spikes.counts())))


def _of_times(where: str, given: Any) -> _Trains:
    right = "needs spike times in seconds along one axis, or Spikes on both sides"
    if isinstance(given, SpikeTrains):
        raise InputError(where, "found Spikes beside an array", right)
    try:
        times = np.asarray(given)
    except ValueError as error:
        raise InputError(where, f"found what is no array: {error}", right) from error
    if times.ndim != 1:
        raise InputError(where, f"found an array of {times.ndim} axes", right)
    if times.dtype.kind not in "iuf":
        raise InputError(where, f"found values of type {times.dtype}", right)
    seconds = np.sort(times.astype(np.float64))
    if not np.isfinite(seconds).all():
        found = seconds[~np.isfinite(seconds)][0]
        raise InputError(where, f"found a time of {found}", "needs finite spike times in seconds")
    return _Trains(seconds, np.array([0, len(seconds)], dtype=np.int64))


def _positive(where: str, found: Any, unit: str, *, or_zero: bool = False) -> float:
    number = isinstance(found, int | float | np.integer | np.floating)
    if not (number and 0 <= found < np.inf and (found > 0 or or_zero)):
        least = "0 or a positive number" if or_zero else "a positive number"
        raise InputError(where, f"found {found!r}", f"needs {least}, finite, in {unit}")
    return float(found)


def _overlaps(pairs: _Pairs, tau: float) -> NDArray[np.float64]:
    """Integrals of f f, f g, g g and (f - g)^2 of each pair, in units of tau (pairs, 4)."""
    found = np.empty((len(pairs), 4))
    _kernel().snnlab_overlaps(*pairs.arguments(), tau, found, thread_count())
    return found


def _shaped(found: NDArray[Any], pairs: _Pairs) -> Any:
    return found.reshape(pairs.shape) if pairs.shape else found.item()


@cache
def _kernel() -> ctypes.CDLL:
    text = (files("snnlab.analysis") / "distances.cpp").read_text(encoding="utf-8")
    # each operation rounded by itself: f and g of equal trains are then equal to the last bit
    kernel = library(text, name="distances", flags=["-ffp-contract=off"])
    times, starts = np.ctypeslib.ndpointer(np.float64, flags="C"), np.ctypeslib.ndpointer(np.int64, flags="C")
    trains: list[Any] = [times, starts, times, starts, ctypes.c_int64, ctypes.c_double]
    kernel.snnlab_overlaps.restype = kernel.snnlab_edits.restype = None
    kernel.snnlab_overlaps.argtypes = [*trains, times, ctypes.c_int64]
    kernel.snnlab_edits.argtypes = [*trains, times, times, ctypes.c_int64]
    return kernel
