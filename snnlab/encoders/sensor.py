"""Events of an event camera as spikes."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.samples import EVENT, Files, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets import kind_of, read_events
from snnlab.datasets.formats import nmnist
from snnlab.encoders.encoder import CachedEncoder, unsuitable
from snnlab.errors import InputError
from snnlab.native import array, kernel

_PATH = np.array([[0, 0, 0], [105_000, 3.5, 7], [210_000, 7, 0], [315_000, 0, 0]])
"""Published position of the image of N-MNIST: microseconds, pixels to the right, pixels down. The camera makes three
saccades of 105 ms along a triangle at constant speed."""

_CENTRING = (4, 2)
"""Pixels to the right and down that centre a stabilised digit of N-MNIST: with them, its events best match the image of
MNIST (tests/encoders/test_sensor.py)."""

_MAX = (1 << 15) - 1


@dataclass(frozen=True)
class Sensor(CachedEncoder):
    """Spikes of an event camera as in HM2-BP (Jin, Zhang, Li, NeurIPS 2018): a neuron per pixel and polarity.

    Several events of a neuron in one step are one spike. Events that are moved outside the sensor are dropped.

    Raises InputError for values out of range.
    """

    name = "sensor"

    steps: int = option(540, "time steps of a sample; none fires in the first, and events after the last are dropped")
    dt: float = option(
        600e-6,
        "seconds per step, in whole microseconds. An event at `t` is a spike in step `ceil(t / dt) + 1`",
    )
    stabilise: bool = option(
        True,
        "whether to undo the saccades of N-MNIST: events move back along the published path, in whole pixels, and "
        "towards the centre of the sensor",
    )
    centre: bool = option(
        False,
        "whether to then shift each recording, in whole pixels, so that the mean position of its events is nearest "
        "to the centre. Not in HM2-BP, but digits of N-MNIST are 0.8 pixels higher in the test split",
    )
    polarities: bool = option(
        True,
        "whether ON and OFF are two neurons of each pixel, 2 * pixel + 1 and 2 * pixel, or one",
    )
    pool: int = option(
        1,
        "side of the squares of pixels that are merged, at most that of the sensor; squares at the right and lower "
        "edges may be smaller",
    )

    def __post_init__(self) -> None:
        for name in ("steps", "pool"):
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number <= _MAX:
                raise InputError(f"Sensor.{name}", f"got {number!r}", f"must be an integer, 1 to {_MAX}")
        if not 1e-6 <= self.dt <= 1 or abs(self.dt - 1e-6 * round(self.dt * 1e6)) > 1e-12:
            raise InputError("Sensor.dt", f"got {self.dt!r}", "must be a whole number of microseconds, up to 1 second")

    @property
    def channel_names(self) -> tuple[str, ...]:
        return ("OFF", "ON") if self.polarities else ()

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """The grid of the spikes of a sensor of rows, columns and 2 polarities.

        Raises InputError for a pool larger than the sensor.
        """
        if self.pool > max(shape[:2]):
            hint = f"must be at most {max(shape[:2])}, as the sensor has {shape[0]} rows and {shape[1]} columns"
            raise InputError("Sensor.pool", f"got {self.pool}", hint)
        rows, columns = (-(-side // self.pool) for side in shape[:2])
        return Grid(self.steps, self.dt, (rows, columns, 2) if self.polarities else (rows, columns))

    @property
    def _timing(self) -> tuple[int, float]:
        return self.steps, self.dt

    def _cache(self, samples: Samples, progress: ProgressCallback) -> Samples:
        if not isinstance(samples, Files) or kind_of(samples) != "events" or samples.shape[2:] != (2,):
            raise unsuitable(samples, "recordings of an event camera")
        if self.stabilise and samples.reader != nmnist.FORMAT.name:
            raise InputError("Sensor.stabilise", f"{samples.dataset} has no saccades of N-MNIST", "must be false")

        def encode(chunk: Files) -> SpikeTrains:
            return self.spikes(read_events(chunk), samples.shape)

        return cached_spikes(samples, encode, self.grid(samples.shape), self.recipe, progress=progress)

    def spikes(self, recordings: Iterable[NDArray[np.void]], shape: tuple[int, ...]) -> SpikeTrains:
        """The spikes of recordings, see `snnlab.data.samples.EVENT`, of a sensor of rows, columns and 2 polarities.

        Events may be in any order. Raises InputError for negative times.
        """
        batch = [np.ascontiguousarray(events, dtype=EVENT) for events in recordings]
        lengths = np.array([len(events) for events in batch], dtype=np.int64)
        for events in batch:
            if len(events) and events["t"].min() < 0:
                raise InputError("Sensor: events", f"time {events['t'].min()} us", "must not be negative")
        addresses = np.array([events.ctypes.data for events in batch], dtype=np.int64)
        grid = self.grid(shape)
        ids = np.empty(lengths.sum(), dtype=np.int32)
        offsets = np.empty((len(batch), self.steps + 1), dtype=np.int64)
        shifts = self._shifts if self.stabilise else np.zeros((3, 0), dtype=np.int64)
        count = _compiled().snnlab_bin(
            addresses, lengths, len(batch), shape[1], shape[0], self.polarities, self.pool, self.centre, self.steps,
            round(self.dt * 1e6), shifts.shape[1], *shifts, ids, offsets,
        )  # fmt: skip
        if count < 0:
            raise MemoryError(f"spikes of {lengths.sum()} events: use fewer recordings at once")
        return SpikeTrains(ids[:count].copy(), offsets, grid.size, self.dt)

    @cached_property
    def _shifts(self) -> NDArray[np.int64]:
        """Start times of shifts, and pixels to the right and down that are added from then on (3, shifts)."""
        time = np.arange(int(_PATH[-1, 0]) + 1)
        shifts = [
            centring - np.floor(np.interp(time, _PATH[:, 0], position) + 0.5).astype(np.int64)
            for centring, position in zip(_CENTRING, _PATH[:, 1:].T, strict=True)
        ]
        changes = np.flatnonzero(np.diff(shifts, prepend=np.iinfo(np.int64).max).any(axis=0))
        return np.stack([time[changes], *(shift[changes] for shift in shifts)])


@cache
def _compiled() -> ctypes.CDLL:
    library, i64, longs = kernel("snnlab.encoders", "sensor.cpp"), ctypes.c_int64, array(np.int64)
    library.snnlab_bin.restype = i64
    library.snnlab_bin.argtypes = [longs, longs, *(i64,) * 9, *(longs,) * 3, array(np.int32), longs]
    return library
