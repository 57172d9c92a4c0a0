"""Errors in spike times, and errors propagated back to spikes, as a list of events."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

_DTYPES = {"sample": np.int64, "step": np.int64, "neuron": np.int32, "value": np.float64}


@dataclass(frozen=True, eq=False)
class Events:
    """Errors of neurons of a layer, each in one time step.

    Four columns, sorted by sample, then by step, then by neuron; see ``from_columns``.

    sample  int64 (events,)    of the batch
    step    int64 (events,)
    neuron  int32 (events,)    of the layer
    value   float64 (events,)  +1 for a missing spike, -1 for a wrong one; or any other number
    """

    sample: NDArray[np.int64]
    step: NDArray[np.int64]
    neuron: NDArray[np.int32]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.value)

    @classmethod
    def from_columns(cls, sample: ArrayLike, step: ArrayLike, neuron: ArrayLike, value: ArrayLike) -> Events:
        """Events from four columns in any order.

        Raises InputError for columns of different lengths, and for samples, steps and neurons that are not integers.
        """
        field = "Events.from_columns"
        columns = dict(zip(_DTYPES, map(np.ravel, (sample, step, neuron, value)), strict=True))
        if len({len(column) for column in columns.values()}) > 1:
            lengths = ", ".join(str(len(column)) for column in columns.values())
            raise InputError(field, f"got columns of {lengths} entries", "must be of equal length")
        for name in ("sample", "step", "neuron"):
            fractions = columns[name][columns[name] != np.floor(columns[name])]
            if fractions.size:
                raise InputError(field, f"got {name} {fractions[0]}", "must be whole numbers")
        order = np.lexsort((columns["neuron"], columns["step"], columns["sample"]))
        return cls(**{name: np.ascontiguousarray(columns[name][order], dtype) for name, dtype in _DTYPES.items()})

    @classmethod
    def at_spikes(cls, spikes: SpikeTrains, value: ArrayLike) -> Events:
        """One event at each spike of a layer, in the order of ``SpikeTrains.ids``.

        Raises InputError for another number of values.
        """
        values = np.ascontiguousarray(value, dtype=np.float64)
        if values.shape != (len(spikes),):
            raise InputError("Events.at_spikes", f"got values of shape {values.shape}", f"must be ({len(spikes)},)")
        sample, step, neuron = spikes.events()
        return cls(sample.astype(np.int64), step.astype(np.int64), neuron, values)

    def normalised(self, norms: NDArray[np.float64], floor: float = 0.0) -> Events:
        """The same events divided by their norms (events,); 0 for those below the floor, see ``error_products``."""
        check_floor(floor, "Events.normalised")
        if norms.shape != (len(self),):
            raise InputError("Events.normalised", f"got norms of shape {norms.shape}", f"must be ({len(self)},)")
        sample = np.unique(self.sample, return_inverse=True)[1]
        mean = np.bincount(sample, norms) / np.maximum(np.bincount(sample), 1)
        above = norms > floor * mean[sample]
        return replace(self, value=np.divide(self.value, norms, out=np.zeros(len(self)), where=above))


def check_floor(floor: float, field: str) -> None:
    """Raises InputError for a floor that is not between 0 and 1."""
    if not 0 <= floor <= 1:
        raise InputError(f"{field}: floor", f"got {floor}", "must be from 0 to 1")


def check_events(events: Events, batch: SpikeTrains, neurons: int, field: str) -> None:
    """Raises InputError for events that are not in the batch, or not in the form of ``Events.from_columns``."""
    hint = "expected Events as from_columns returns them"
    for name, dtype in _DTYPES.items():
        column = getattr(events, name)
        if column.dtype != dtype or column.shape != (len(events),) or not column.flags.c_contiguous:
            raise InputError(field, f"got {name}s of events as {column.dtype} of shape {column.shape}", hint)
    for name, bound in {"sample": batch.samples, "step": batch.steps, "neuron": neurons}.items():
        column = getattr(events, name)
        if len(events) and not 0 <= column.min() <= column.max() < bound:
            problem = f"got {name} {column.min()}..{column.max()} of events"
            raise InputError(field, problem, f"must be in 0..{bound - 1}")
    if not np.isfinite(events.value).all():
        raise InputError(field, "values of events that are not finite", "must be finite numbers")
    rises = np.diff(events.sample * batch.steps + events.step)
    if (rises < 0).any() or (np.diff(events.neuron)[rises == 0] < 0).any():
        raise InputError(field, "events that are not sorted by sample, step and neuron", hint)
