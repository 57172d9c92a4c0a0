"""Events of a camera into spikes: the picture held still, time in steps, and pixels merged if asked."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import EVENT, CachedSpikes, Files, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes, no_progress
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets import kind_of, read_events
from snnlab.datasets.formats import nmnist
from snnlab.encoders.encoder import TRAIN, packed, unfit
from snnlab.errors import InputError
from snnlab.native import array, kernel

_WAY = np.array([[0, 0, 0], [105_000, 3.5, 7], [210_000, 7, 0], [315_000, 0, 0]])
"""Where the picture of N-MNIST is, as published with it: microseconds, pixels to the right, pixels down. The camera
makes three saccades of 105 ms along a triangle, at constant speed."""

_MIDDLE = (4, 2)
"""Pixels to the right and down that bring a digit of N-MNIST, held where it was at first, to the middle of the sensor:
there its map of events fits the image of MNIST best (tests/test_encode_sensor.py)."""

_MADE_BY = 1  # raised when the same recording gives other spikes


@dataclass(frozen=True)
class Sensor:
    """Spikes of an event camera as HM2-BP used them (Jin, Zhang, Li, NeurIPS 2018): a neuron for each pixel and sign.

    steps       time steps of a sample; the first is silent, and what comes after the last is dropped
    dt          seconds per step, in whole microseconds. An event at `t` is a spike in step ``ceil(t / dt) + 1``
    stabilise   undo the saccades of N-MNIST: the picture is moved back along the published way, by whole pixels, and
                to the middle of the sensor
    centre      then move each recording by whole pixels, until the mean of its events on the sensor is nearest to the
                middle. Not in HM2-BP; but N-MNIST's digits lie 0.8 pixels higher in the test part than in the other
    polarities  ON and OFF are two neurons of each pixel, 2 * pixel + 1 and 2 * pixel; without it they are one
    pool        side of the squares of pixels that are merged, at most that of the sensor; at the far edges they may be
                smaller

    Several events of a neuron in one step are one spike. Events that come to lie off the sensor are dropped.

    Raises InputError for values that make no code.
    """

    steps: int = 540
    dt: float = 600e-6
    stabilise: bool = True
    centre: bool = False
    polarities: bool = True
    pool: int = 1

    def __post_init__(self) -> None:
        for name in ("steps", "pool"):
            number = getattr(self, name)
            if type(number) is not int or not 1 <= number < 1 << 15:
                raise InputError(f"Sensor.{name}", f"found {number!r}", f"needs a whole number, 1 to {(1 << 15) - 1}")
        if not 1e-6 <= self.dt <= 1 or abs(self.dt - 1e-6 * round(self.dt * 1e6)) > 1e-12:
            raise InputError(
                "Sensor.dt", f"found {self.dt!r}", "needs seconds, a whole number of microseconds, up to 1"
            )

    def grid(self, shape: tuple[int, ...]) -> Grid:
        """What the spikes of a sensor of rows, columns and 2 polarities lie on.

        Raises InputError for a pool beyond it.
        """
        if self.pool > max(shape[:2]):
            found = f"found {self.pool}, and the sensor has {shape[0]} rows and {shape[1]} columns"
            raise InputError("Sensor.pool", found, f"needs 1 to {max(shape[:2])}")
        rows, columns = (-(-side // self.pool) for side in shape[:2])
        return Grid(self.steps, self.dt, (rows, columns, 2) if self.polarities else (rows, columns))

    @property
    def recipe(self) -> dict[str, Any]:
        """All that spikes depend on beside the recordings."""
        return {"Sensor": asdict(self), "made_by": _MADE_BY}

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> CachedSpikes:
        """The recordings as spikes, from the cache or into it.

        Raises InputError for what is none, and for spoilt ones.
        """
        if isinstance(samples, CachedSpikes):
            return packed(samples, self.steps, self.dt, self.recipe)
        if not isinstance(samples, Files) or kind_of(samples) != "events" or samples.shape[2:] != (2,):
            raise unfit(samples, "recordings of an event camera")
        if self.stabilise and samples.reader != nmnist.FORMAT.name:
            found = f"{samples.dataset} has not the saccades of N-MNIST"
            raise InputError("Sensor.stabilise", found, "set it to false")

        def encode(chunk: Files) -> SpikeTrains:
            return self.spikes(read_events(chunk), samples.shape)

        return cached_spikes(samples, encode, self.grid(samples.shape), self.recipe, threads=threads, progress=progress)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of recordings that were prepared; nothing about them is random. Raises InputError for others."""
        return packed(samples, self.steps, self.dt, self.recipe).spikes()

    def spikes(self, recordings: Iterable[NDArray[np.void]], shape: tuple[int, ...]) -> SpikeTrains:
        """The spikes of recordings, see `snnlab.data.samples.EVENT`, from a sensor of rows, columns and 2 polarities.

        The events of a recording may be in any order. Raises InputError for events before the beginning.
        """
        given = [np.ascontiguousarray(events, dtype=EVENT) for events in recordings]
        lengths = np.array([len(events) for events in given], dtype=np.int64)
        for events in given:
            if len(events) and events["t"].min() < 0:
                raise InputError("Sensor: events", f"one at {events['t'].min()} us", "needs times from 0 on")
        addresses = np.array([events.ctypes.data for events in given], dtype=np.int64)
        grid = self.grid(shape)
        ids = np.empty(lengths.sum(), dtype=np.int32)
        offsets = np.empty((len(given), self.steps + 1), dtype=np.int64)
        moves = self._moves if self.stabilise else np.zeros((3, 0), dtype=np.int64)
        found = _compiled().snnlab_bin(
            addresses, lengths, len(given), shape[1], shape[0], self.polarities, self.pool, self.centre, self.steps,
            round(self.dt * 1e6), moves.shape[1], *moves, ids, offsets,
        )  # fmt: skip
        if found < 0:
            raise MemoryError(f"spikes of {lengths.sum()} events: take fewer recordings at once")
        return SpikeTrains(ids[:found].copy(), offsets, grid.size, self.dt)

    @cached_property
    def _moves(self) -> NDArray[np.int64]:
        """The time of each move, and the pixels to the right and down that are added from then on (3, moves)."""
        time = np.arange(int(_WAY[-1, 0]) + 1)
        shifts = [
            middle - np.floor(np.interp(time, _WAY[:, 0], way) + 0.5).astype(np.int64)
            for middle, way in zip(_MIDDLE, _WAY[:, 1:].T, strict=True)
        ]
        changes = np.flatnonzero(np.diff(shifts, prepend=np.iinfo(np.int64).max).any(axis=0))
        return np.stack([time[changes], *(shift[changes] for shift in shifts)])


@cache
def _compiled() -> ctypes.CDLL:
    made, i64, longs = kernel("snnlab.encoders", "sensor.cpp"), ctypes.c_int64, array(np.int64)
    made.snnlab_bin.restype = i64
    made.snnlab_bin.argtypes = [longs, longs, *(i64,) * 9, *(longs,) * 3, array(np.int32), longs]
    return made
