"""The one currency: who fired when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Spikes of one population, for a batch of samples on a grid of time steps.

    Compressed by row: the neurons of sample `b` that fire in step `t` are
    ``ids[offsets[b, t] : offsets[b, t + 1]]``, in ascending order.

    ids      int32 (spikes,)            neuron numbers, sample after sample, step after step
    offsets  int64 (samples, steps + 1) where each step begins; a sample ends where the next one begins
    size     neurons in the population
    dt       seconds per step
    """

    ids: NDArray[np.int32]
    offsets: NDArray[np.int64]
    size: int
    dt: float

    @property
    def samples(self) -> int:
        return self.offsets.shape[0]

    @property
    def steps(self) -> int:
        return self.offsets.shape[1] - 1

    @property
    def duration(self) -> float:
        """Seconds of one sample."""
        return self.steps * self.dt

    def __len__(self) -> int:
        return len(self.ids)

    def __eq__(self, other: object) -> bool:
        """Same spikes in the same steps; the unit of time may differ."""
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
        """From booleans (samples, steps, neurons): True where a neuron fires. Raises InputError for any other shape."""
        raster = np.asarray(dense, dtype=bool)
        if raster.ndim != 3:
            raise InputError("SpikeTrains.from_dense", f"{raster.ndim} axes", "expected (samples, steps, neurons)")
        samples, steps, size = raster.shape
        per_step = np.count_nonzero(raster, axis=2)
        return cls(np.nonzero(raster)[2].astype(np.int32), offsets_of(per_step), size, dt)

    @classmethod
    def from_events(
        cls, sample: ArrayLike, step: ArrayLike, neuron: ArrayLike, *, samples: int, steps: int, size: int, dt: float
    ) -> SpikeTrains:
        """From three columns in any order: spike k is `neuron[k]` in `step[k]` of `sample[k]`.

        A neuron named twice in one step fires once. Raises InputError for anything outside the grid, for numbers that
        are not whole, and for columns of different lengths.
        """
        given = {"sample": np.ravel(sample), "step": np.ravel(step), "neuron": np.ravel(neuron)}
        if len({len(column) for column in given.values()}) > 1:
            found = f"columns of {', '.join(str(len(column)) for column in given.values())} entries"
            raise InputError("SpikeTrains.from_events", found, "needs one sample, step and neuron for each spike")
        for (name, column), bound in zip(given.items(), (samples, steps, size), strict=True):
            if not np.array_equal(column, np.floor(column)):
                found = column[column != np.floor(column)][0]
                raise InputError("SpikeTrains.from_events", f"{name} {found}", "needs whole numbers")
            if column.size and (column.min() < 0 or column.max() >= bound):
                raise InputError(
                    "SpikeTrains.from_events", f"{name} {column.min()}..{column.max()}", f"needs 0..{bound - 1}"
                )
        columns = [column.astype(np.int64) for column in given.values()]
        key = np.unique((columns[0] * steps + columns[1]) * size + columns[2])
        per_step = np.bincount(key // size, minlength=samples * steps).reshape(samples, steps)
        return cls((key % size).astype(np.int32), offsets_of(per_step), size, dt)

    def dense(self) -> NDArray[np.bool_]:
        """Booleans (samples, steps, neurons): True where a neuron fires."""
        raster = np.zeros((self.samples * self.steps, self.size), dtype=bool)
        raster[np.repeat(np.arange(len(raster)), self._per_step().ravel()), self.ids] = True
        return raster.reshape(self.samples, self.steps, self.size)

    def counts(self) -> NDArray[np.int64]:
        """Spikes of every neuron over the whole sample (samples, neurons)."""
        sample = np.repeat(np.arange(self.samples), self._per_step().sum(axis=1))
        cells = self.samples * self.size
        return np.bincount(sample * self.size + self.ids, minlength=cells).reshape(self.samples, self.size)

    def events(self) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int32]]:
        """The three columns sample, step and neuron of all spikes, in time order within a sample."""
        row = np.repeat(np.arange(self.samples * self.steps), self._per_step().ravel())
        return row // self.steps, row % self.steps, self.ids

    def keys(self) -> NDArray[np.int64]:
        """A number for each spike that no other spike on the same grid has, in ascending order."""
        sample, step, neuron = self.events()
        return (sample * self.steps + step) * self.size + neuron

    def sample(self, index: int) -> SpikeTrains:
        """The spikes of one sample, as a batch of one. Raises InputError where there is no such sample."""
        if not 0 <= index < self.samples:
            raise InputError("Spikes.sample", f"sample {index} of {self.samples}", f"needs 0..{self.samples - 1}")
        first, last = self.offsets[index, 0], self.offsets[index, -1]
        return SpikeTrains(self.ids[first:last], self.offsets[index : index + 1] - first, self.size, self.dt)

    def train(self, neuron: int, sample: int = 0) -> NDArray[np.float64]:
        """Spike times of one neuron, in seconds. Raises InputError where there is no such neuron or sample."""
        if not 0 <= neuron < self.size:
            raise InputError("Spikes.train", f"neuron {neuron} of {self.size}", f"needs 0..{self.size - 1}")
        _, step, ids = self.sample(sample).events()
        return step[ids == neuron] * self.dt

    def _per_step(self) -> NDArray[np.int64]:
        return np.diff(self.offsets, axis=1)


def neuron_numbers(neurons: ArrayLike, size: int, where: str) -> NDArray[np.int64]:
    """The neurons that were chosen among `size` (neurons,). Raises InputError at `where` for what is none of them."""
    chosen = np.asarray(neurons).ravel()
    if chosen.size and chosen.dtype.kind not in "iu":
        raise InputError(where, f"numbers of type {chosen.dtype}", "needs whole numbers")
    outside = chosen[(chosen < 0) | (chosen >= size)]
    if outside.size:
        raise InputError(where, f"neuron {outside[0]} of {size}", f"needs 0..{size - 1}")
    return chosen.astype(np.int64)


def stack(batch: Sequence[SpikeTrains]) -> SpikeTrains:
    """Samples of one population laid one after another into a single batch.

    Raises InputError for none, and for samples of different populations or durations.
    """
    if not batch:
        raise InputError("stack", "no samples", "needs at least one")
    shapes = {(one.size, one.steps, one.dt) for one in batch}
    if len(shapes) != 1:
        raise InputError("stack", f"samples of {len(shapes)} different (size, steps, dt)", "all must agree")
    starts = np.cumsum([0] + [len(one) for one in batch[:-1]])
    offsets = np.concatenate([one.offsets + start for one, start in zip(batch, starts, strict=True)])
    return SpikeTrains(np.concatenate([one.ids for one in batch]), offsets, batch[0].size, batch[0].dt)


def offsets_of(per_step: NDArray[np.integer]) -> NDArray[np.int64]:
    """Where each step begins (samples, steps + 1), from the number of spikes in each step (samples, steps)."""
    samples, steps = per_step.shape
    ends = np.cumsum(per_step.ravel(), dtype=np.int64).reshape(samples, steps)
    offsets = np.empty((samples, steps + 1), dtype=np.int64)
    offsets[:, 1:] = ends
    offsets[:, 0] = ends[:, 0] - per_step[:, 0] if steps else 0
    return offsets
