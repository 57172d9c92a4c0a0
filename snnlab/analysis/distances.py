"""Distances between spike trains: correlation, van Rossum, Victor and Purpura, and matching spikes.

Each measure takes two arrays of spike times in seconds and returns one number, or two `SpikeTrains` of one shape and
returns an array (samples, neurons). Times may be in any order, negative, and repeated; they are not binned.

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
"""Default time constant of the exponential traces, in seconds."""


@overload
def correlation(first: SpikeTrains, second: SpikeTrains, *, tau: float = ...) -> NDArray[np.float64]: ...
@overload
def correlation(first: ArrayLike, second: ArrayLike, *, tau: float = ...) -> float: ...
def correlation(first: Any, second: Any, *, tau: float = TAU) -> Any:
    """Cosine of the angle between two trains as exponential traces, from 0 to 1 for equal trains.

    With f the sum of exp(-(t - t_k) / tau) over the spikes t_k of the first train before t, and g that of the second,
    it is <f, g> / (||f|| ||g||), with integrals over all time. <f, g> is tau/2 times the sum of
    exp(-|t_k - u_l| / tau) over all pairs of spikes, computed in one pass over both trains (the Markov property of the
    exponential; Houghton and Kreuz 2012).

    1 for two empty trains, 0 for one empty train. `tau` is in seconds.
    """
    pairs = _pairs("correlation", first, second)
    ff, fg, gg, _ = _overlaps(pairs, _positive("correlation: tau", tau, "seconds")).T
    norms = np.sqrt(ff * gg)  # exactly ff for equal trains, so that their correlation is exactly 1
    cosine = ((ff == 0) & (gg == 0)).astype(np.float64)
    np.divide(fg, norms, out=cosine, where=norms > 0)
    return _shaped(np.minimum(cosine, 1), pairs)


@overload
def van_rossum(first: SpikeTrains, second: SpikeTrains, *, tau: float = ...) -> NDArray[np.float64]: ...
@overload
def van_rossum(first: ArrayLike, second: ArrayLike, *, tau: float = ...) -> float: ...
def van_rossum(first: Any, second: Any, *, tau: float = TAU) -> Any:
    """Distance of van Rossum (2001) between two trains as exponential traces.

    D = sqrt(1/tau integral (f - g)^2 dt) over all time, with f and g as in `correlation`. In this normalisation, the
    original one, an additional spike in one of two equal trains gives sqrt(1/2); with 2/tau before the integral, as in
    some libraries, it gives 1. For small `tau`, D^2 is half the number of spikes that do not coincide; for large `tau`,
    half the squared difference of the counts. `tau` is in seconds.
    """
    pairs = _pairs("van_rossum", first, second)
    moments = _overlaps(pairs, _positive("van_rossum: tau", tau, "seconds"))
    return _shaped(np.sqrt(moments[:, 3]), pairs)


@overload
def victor_purpura(first: SpikeTrains, second: SpikeTrains, *, cost: float) -> NDArray[np.float64]: ...
@overload
def victor_purpura(first: ArrayLike, second: ArrayLike, *, cost: float) -> float: ...
def victor_purpura(first: Any, second: Any, *, cost: float) -> Any:
    """Distance D^spike of Victor and Purpura (1996): the least cost of transforming one train into the other.

    Inserting or deleting a spike costs 1, moving it by t seconds costs `cost` t, with `cost` in 1/s (q in the paper).
    For small `cost` the distance is the difference of the counts, for large `cost` the number of spikes that do not
    coincide. The computing time is proportional to the product of the counts.
    """
    pairs = _pairs("victor_purpura", first, second)
    cost = _positive("victor_purpura: cost", cost, "1/s")
    distances = np.empty(len(pairs))
    scratch = np.empty(len(pairs.second.times) + len(pairs))
    _kernel().snnlab_edits(*pairs.arguments(), cost, scratch, distances, thread_count())
    return _shaped(distances, pairs)


@overload
def matched(first: SpikeTrains, second: SpikeTrains, *, tolerance: float) -> NDArray[np.bool_]: ...
@overload
def matched(first: ArrayLike, second: ArrayLike, *, tolerance: float) -> bool: ...
def matched(first: Any, second: Any, *, tolerance: float) -> Any:
    """Whether two trains have equal numbers of spikes, the k-th spikes of both at most `tolerance` seconds apart.

    True for two empty trains. The comparison allows for the rounding of the times, so that spikes exactly `tolerance`
    apart match. The tolerance may be 0.
    """
    pairs = _pairs("matched", first, second)
    _positive("matched: tolerance", tolerance, "seconds", or_zero=True)
    counts = np.diff(pairs.first.starts)
    equal = counts == np.diff(pairs.second.starts)
    a, b = pairs.first.of(equal), pairs.second.of(equal)
    rounding = 4 * np.finfo(float).eps * np.maximum(np.maximum(abs(a), abs(b)), tolerance)
    apart = abs(a - b) > tolerance + rounding
    pair = np.repeat(np.flatnonzero(equal), counts[equal])
    equal[pair[apart]] = False
    return _shaped(equal, pairs)


@dataclass(frozen=True)
class _Trains:
    """Concatenated trains: `times` (spikes,), ascending within a train; train k starts at `starts[k]`."""

    times: NDArray[np.float64]
    starts: NDArray[np.int64]

    def of(self, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Times of the chosen trains."""
        return self.times[np.repeat(chosen, np.diff(self.starts))]


@dataclass(frozen=True)
class _Pairs:
    """Two equal numbers of trains, compared pairwise, and the shape of the result, () for one pair."""

    first: _Trains
    second: _Trains
    shape: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.first.starts) - 1

    def arguments(self) -> tuple[NDArray[Any] | int, ...]:
        """Arguments of the C++ functions."""
        return self.first.times, self.first.starts, self.second.times, self.second.starts, len(self)


def _pairs(where: str, first: object, second: object) -> _Pairs:
    if isinstance(first, SpikeTrains) and isinstance(second, SpikeTrains):
        for name in ("samples", "steps", "size", "dt"):
            values = getattr(first, name), getattr(second, name)
            if values[0] != values[1]:
                raise InputError(f"{where}: {name}", f"got {values[0]!r} and {values[1]!r}", "must be equal")
        return _Pairs(_from_spikes(first), _from_spikes(second), (first.samples, first.size))
    return _Pairs(_from_times(f"{where}: first", first), _from_times(f"{where}: second", second), ())


def _from_spikes(spikes: SpikeTrains) -> _Trains:
    sample, step, ids = spikes.events()
    # events are sorted by sample and step, so a stable sort by train keeps each train sorted
    order = np.argsort(sample * spikes.size + ids, kind="stable")
    return _Trains(step[order].astype(np.float64) * spikes.dt, np.append(0, np.cumsum(spikes.counts())))


def _from_times(where: str, values: Any) -> _Trains:
    hint = "must be spike times in seconds along one axis, or both must be SpikeTrains"
    if isinstance(values, SpikeTrains):
        raise InputError(where, "got SpikeTrains and an array", hint)
    try:
        times = np.asarray(values)
    except ValueError as error:
        raise InputError(where, f"not an array: {error}", hint) from error
    if times.ndim != 1:
        raise InputError(where, f"got an array of {times.ndim} axes", hint)
    if times.dtype.kind not in "iuf":
        raise InputError(where, f"got values of type {times.dtype}", hint)
    seconds = np.sort(times.astype(np.float64))
    if not np.isfinite(seconds).all():
        problem = f"got a time of {seconds[~np.isfinite(seconds)][0]}"
        raise InputError(where, problem, "must be finite spike times in seconds")
    return _Trains(seconds, np.array([0, len(seconds)], dtype=np.int64))


def _positive(where: str, value: Any, unit: str, *, or_zero: bool = False) -> float:
    number = isinstance(value, int | float | np.integer | np.floating)
    if not (number and 0 <= value < np.inf and (value > 0 or or_zero)):
        bound = "of at least 0" if or_zero else "above 0"
        raise InputError(where, f"got {value!r}", f"must be a finite number {bound}, in {unit}")
    return float(value)


def _overlaps(pairs: _Pairs, tau: float) -> NDArray[np.float64]:
    """Integrals of f f, f g, g g and (f - g)^2 of each pair, in units of tau (pairs, 4)."""
    integrals = np.empty((len(pairs), 4))
    _kernel().snnlab_overlaps(*pairs.arguments(), tau, integrals, thread_count())
    return integrals


def _shaped(values: NDArray[Any], pairs: _Pairs) -> Any:
    return values.reshape(pairs.shape) if pairs.shape else values.item()


@cache
def _kernel() -> ctypes.CDLL:
    text = (files("snnlab.analysis") / "distances.cpp").read_text(encoding="utf-8")
    # without fused multiply-add, f and g of equal trains are equal to the last bit
    kernel = library(text, name="distances", flags=["-ffp-contract=off"])
    times, starts = np.ctypeslib.ndpointer(np.float64, flags="C"), np.ctypeslib.ndpointer(np.int64, flags="C")
    trains: list[Any] = [times, starts, times, starts, ctypes.c_int64, ctypes.c_double]
    kernel.snnlab_overlaps.restype = kernel.snnlab_edits.restype = None
    kernel.snnlab_overlaps.argtypes = [*trains, times, ctypes.c_int64]
    kernel.snnlab_edits.argtypes = [*trains, times, times, ctypes.c_int64]
    return kernel
