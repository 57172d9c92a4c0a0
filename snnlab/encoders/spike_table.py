"""Spike trains known in advance as the spikes of a batch, in C++."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.native import array, kernel, thread_count


@dataclass(frozen=True, eq=False)
class SpikeTable:
    """Spike trains, one per row: row r spikes in the steps ``steps[starts[r] : starts[r + 1]]``.

    starts  int64 (rows + 1,)
    steps   int32 (spikes,), ascending in each row
    """

    starts: NDArray[np.int64]
    steps: NDArray[np.int32]

    @classmethod
    def from_first_spikes(cls, step: ArrayLike) -> Self:
        """Rows with one spike each, in this step, or none if negative (rows,)."""
        first = np.asarray(step).ravel()
        starts = np.concatenate([[0], np.cumsum(first >= 0)])
        return cls(starts.astype(np.int64), first[first >= 0].astype(np.int32))

    @classmethod
    def from_neurons(cls, spikes: SpikeTrains) -> Self:
        """A row per neuron of a batch of one sample."""
        _, step, neuron = spikes.events()
        starts = np.concatenate([[0], np.cumsum(np.bincount(neuron, minlength=spikes.size))])
        return cls(starts.astype(np.int64), step[np.argsort(neuron, kind="stable")].astype(np.int32))

    def spikes(self, images: Images, *, fields: int = 1, steps: int, dt: float) -> SpikeTrains:
        """Each feature as `fields` adjacent neurons; neuron k of a feature spikes as row value * fields + k."""
        values = np.ascontiguousarray(images.values)
        count, features = values.shape

        def run(offsets: NDArray[np.int64], ids: ctypes.c_void_p | None) -> None:
            _compiled().snnlab_table(
                values, count, features, fields, self.starts, self.steps, steps, offsets, ids, thread_count()
            )

        return _two_passes(run, (count, steps, features * fields), dt)


def regular_spikes(
    images: Images, rates: NDArray[np.uint64], phases: NDArray[np.uint32], *, steps: int, dt: float
) -> SpikeTrains:
    """Evenly spaced spikes: spike k is in the first step t > 0 with phase + t * rate >= k * 2^32.

    rates   (256,) of each value, up to 2^32
    phases  (samples, features)
    """
    values = np.ascontiguousarray(images.values)
    count, features = values.shape

    def run(offsets: NDArray[np.int64], ids: ctypes.c_void_p | None) -> None:
        _compiled().snnlab_regular(values, count, features, rates, phases, steps, offsets, ids, thread_count())

    return _two_passes(run, (count, steps, features), dt)


def _two_passes(
    run: Callable[[NDArray[np.int64], ctypes.c_void_p | None], None], grid: tuple[int, int, int], dt: float
) -> SpikeTrains:
    """The spikes that `run` first counts and then writes, on a grid of (samples, steps, neurons)."""
    count, steps, size = grid
    offsets = np.empty((count, steps + 1), dtype=np.int64)
    ids = np.empty(0, dtype=np.int32)
    if count:
        run(offsets, None)
        ids = np.empty(int(offsets[-1, -1]), dtype=np.int32)
        run(offsets, ctypes.c_void_p(ids.ctypes.data))
    return SpikeTrains(ids, offsets, size, dt)


@cache
def _compiled() -> ctypes.CDLL:
    library = kernel("snnlab.encoders", "spike_table.cpp")
    i64, longs, address = ctypes.c_int64, array(np.int64), ctypes.c_void_p
    library.snnlab_table.restype = library.snnlab_regular.restype = None
    library.snnlab_table.argtypes = [
        array(np.uint8), i64, i64, i64, longs, array(np.int32), i64, longs, address, i64,
    ]  # fmt: skip
    library.snnlab_regular.argtypes = [
        array(np.uint8), i64, i64, array(np.uint64), array(np.uint32), i64, longs, address, i64,
    ]  # fmt: skip
    return library
