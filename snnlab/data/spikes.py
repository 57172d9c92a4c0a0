"""Spike trains: which neuron fires when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError


@dataclass(frozen=True, eq=False, repr=False)
class SpikeTrains:
    """The spikes of one population for a batch of samples, in time steps.

    Stored as compressed rows: the neurons of sample `b` that fire in step `t` are
    ``ids[offsets[b, t] : offsets[b, t + 1]]``, in ascending order.

    ids      int32 (spikes,)            neuron numbers, by sample and step
    offsets  int64 (samples, steps + 1) start of each step in `ids`; a sample ends where the next one starts
    size     number of neurons
    dt       seconds per step
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    size: int
    dt: float

    def __repr__(self) -> str:
        grid = f"{self.steps} steps of {self.dt * 1e3:g} ms"
        return f"SpikeTrains({self.samples} samples, {grid}, {self.size} neurons, {len(self)} spikes)"

    @property
    def samples(self) -> int:
        """Number of samples."""
        return self.offsets.shape[0]

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return self.offsets.shape[1] - 1

    @property
    def duration(self) -> float:
        """Duration of a sample in seconds."""
        return self.steps * self.dt

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same spikes in the same steps; `dt` may differ."""
        if not isinstance(other, SpikeTrains):
            return NotImplemented
        return (
            self.size == other.size
            and np.array_equal(self.offsets, other.offsets)
            and np.array_equal(self.ids, other.ids)
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_dense(cls, dense: ArrayLike, dt: float) -> SpikeTrains:
        """From booleans (samples, steps, neurons), True where a neuron fires. Raises InputError for another shape."""
        raster = np.asarray(dense, dtype=bool)
        if raster.ndim != 3:
            raise InputError("SpikeTrains.from_dense", f"got {raster.ndim} axes", "expected (samples, steps, neurons)")
        samples, steps, size = raster.shape
        per_step = np.count_nonzero(raster, axis=2)
        return cls(np.nonzero(raster)[2].astype(np.int32), offsets_of(per_step), size, dt)

    @classmethod
    def from_events(
        cls, sample: ArrayLike, step: ArrayLike, neuron: ArrayLike, *, samples: int, steps: int, size: int, dt: float
    ) -> SpikeTrains:
        """From three columns in any order: spike k is of `neuron[k]` in `step[k]` of `sample[k]`.

        Duplicate spikes count once. Raises InputError for numbers out of range, for numbers that are not integers, and
        for columns of different lengths.
        """
        given = {"sample": np.ravel(sample), "step": np.ravel(step), "neuron": np.ravel(neuron)}
        if len({len(column) for column in given.values()}) > 1:
            lengths = ", ".join(str(len(column)) for column in given.values())
            raise InputError("SpikeTrains.from_events", f"got columns of {lengths} entries", "must be equally long")
        for (name, column), bound in zip(given.items(), (samples, steps, size), strict=True):
            if not np.array_equal(column, np.floor(column)):
                invalid = column[column != np.floor(column)][0]
                raise InputError("SpikeTrains.from_events", f"got {name} {invalid}", "must be integers")
            if column.size and (column.min() < 0 or column.max() >= bound):
                problem = f"got {name} {column.min()}..{column.max()}"
                raise InputError("SpikeTrains.from_events", problem, f"must be 0..{bound - 1}")
        columns = [column.astype(np.int64) for column in given.values()]
        key = np.unique((columns[0] * steps + columns[1]) * size + columns[2])
        per_step = np.bincount(key // size, minlength=samples * steps).reshape(samples, steps)
        return cls((key % size).astype(np.int32), offsets_of(per_step), size, dt)

    def dense(self) -> NDArray[np.bool_]:
        """Booleans (samples, steps, neurons), True where a neuron fires."""
        raster = np.zeros((self.samples * self.steps, self.size), dtype=bool)
        raster[np.repeat(np.arange(len(raster)), self._per_step().ravel()), self.ids] = True
        return raster.reshape(self.samples, self.steps, self.size)

    def counts(self) -> NDArray[np.int64]:
        """Spike counts of each neuron (samples, neurons)."""
        sample = np.repeat(np.arange(self.samples), self._per_step().sum(axis=1))
        cells = self.samples * self.size
        return np.bincount(sample * self.size + self.ids, minlength=cells).reshape(self.samples, self.size)

    def events(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """The columns sample, step and neuron of all spikes, in order of sample and time."""
        row = np.repeat(np.arange(self.samples * self.steps), self._per_step().ravel())
        return row // self.steps, row % self.steps, self.ids

    def keys(self) -> NDArray[np.int64]:
        """A unique number for each spike on this grid, in ascending order."""
        sample, step, neuron = self.events()
        return (sample * self.steps + step) * self.size + neuron

    def sample(self, index: int) -> SpikeTrains:
        """The spikes of one sample, as a batch of one. Raises InputError for a number out of range."""
        if not 0 <= index < self.samples:
            raise InputError("SpikeTrains.sample", f"got {index}", f"must be 0..{self.samples - 1}")
        first, last = self.offsets[index, 0], self.offsets[index, -1]
        return SpikeTrains(self.ids[first:last], self.offsets[index : index + 1] - first, self.size, self.dt)

    def train(self, neuron: int, sample: int = 0) -> NDArray[np.float64]:
        """Spike times of one neuron in seconds. Raises InputError for a number out of range."""
        if not 0 <= neuron < self.size:
            raise InputError("SpikeTrains.train", f"got neuron {neuron}", f"must be 0..{self.size - 1}")
        _, step, ids = self.sample(sample).events()
        return step[ids == neuron] * self.dt

    def _per_step(self) -> NDArray[np.int64]:
        return np.diff(self.offsets, axis=1)


def neuron_numbers(neurons: ArrayLike, size: int, field: str) -> NDArray[np.int64]:
    """The numbers of selected neurons, int64 (neurons,). Raises InputError(field) if one is not 0..size - 1."""
    chosen = np.asarray(neurons).ravel()
    if chosen.size and chosen.dtype.kind not in "iu":
        raise InputError(field, f"got numbers of type {chosen.dtype}", "must be integers")
    outside = chosen[(chosen < 0) | (chosen >= size)]
    if outside.size:
        raise InputError(field, f"got neuron {outside[0]}", f"must be 0..{size - 1}")
    return chosen.astype(np.int64)


def stack(batches: Sequence[SpikeTrains]) -> SpikeTrains:
    """Concatenate batches of one population into one batch.

    Raises InputError for no batches, and for batches of different sizes or durations.
    """
    if not batches:
        raise InputError("stack", "got no batches", "expected at least one")
    shapes = {(trains.size, trains.steps, trains.dt) for trains in batches}
    if len(shapes) != 1:
        raise InputError("stack", f"got {len(shapes)} different (size, steps, dt)", "must all be equal")
    starts = np.cumsum([0] + [len(trains) for trains in batches[:-1]])
    offsets = np.concatenate([trains.offsets + start for trains, start in zip(batches, starts, strict=True)])
    return SpikeTrains(np.concatenate([trains.ids for trains in batches]), offsets, batches[0].size, batches[0].dt)


def offsets_of(per_step: NDArray[np.integer]) -> NDArray[np.int64]:
    """The start of each step (samples, steps + 1), from the number of spikes in each step (samples, steps)."""
    samples, steps = per_step.shape
    ends = np.cumsum(per_step.ravel(), dtype=np.int64).reshape(samples, steps)
    offsets = np.empty((samples, steps + 1), dtype=np.int64)
    offsets[:, 1:] = ends
    offsets[:, 0] = ends[:, 0] - per_step[:, 0] if steps else 0
    return offsets
