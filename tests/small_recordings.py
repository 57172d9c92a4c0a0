"""Recordings in the format of N-MNIST, with slow reference implementations of reading and binning."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import datasets
from snnlab.data.samples import Files

Event = tuple[int, int, int, int]  # column, row, polarity, microseconds


def as_bytes(events: Sequence[Event]) -> bytes:
    """The 40 bits of each event by the dataset's description, concatenated as text."""
    bits = "".join(f"{x:08b}{y:08b}{p:01b}{t:023b}" for x, y, p, t in events)
    return int("1" + bits, 2).to_bytes(1 + 5 * len(events), "big")[1:]


def from_bytes(content: bytes) -> list[Event]:
    """The events; a row of 240 adds 8192 us to all later times."""
    events, offset = [], 0
    for start in range(0, len(content), 5):
        x, y, rest = struct.unpack(">BBI", content[start : start + 2] + b"\0" + content[start + 2 : start + 5])
        if y == 240:
            offset += 8192
        else:
            events.append((x, y, rest >> 23, (rest & 0x7FFFFF) + offset))
    return events


def events_of(recording: NDArray[Any]) -> list[Event]:
    return [tuple(map(int, event)) for event in recording[["x", "y", "p", "t"]].tolist()]  # type: ignore[misc]


def some_events(seed: int, number: int = 60) -> list[Event]:
    rng = np.random.default_rng(seed)
    times = np.sort(rng.integers(0, 330_000, number))
    return [(*map(int, rng.integers(0, 34, 2)), int(rng.integers(2)), int(t)) for t in times]  # type: ignore[misc]


def image_position(t: int) -> tuple[float, float]:
    """Pixels right and down: (0, 0) to (3.5, 7) to (7, 0) to (0, 0) on straight lines of 105 ms each."""
    corners = [(0.0, 0.0), (3.5, 7.0), (7.0, 0.0), (0.0, 0.0)]
    leg = min(t // 105_000, 2)
    fraction = min((t - 105_000 * leg) / 105_000, 1.0)
    start, end = corners[leg], corners[leg + 1]
    return start[0] + fraction * (end[0] - start[0]), start[1] + fraction * (end[1] - start[1])


def spikes_by_definition(
    events: Sequence[Event],
    *,
    steps: int,
    dt_us: int,
    stabilise: bool,
    centre: bool,
    polarities: bool,
    pool: int,
    side: int = 34,
) -> set[tuple[int, int]]:
    """The pairs (step, neuron) of all spikes, event by event."""
    spikes, stabilised = set(), []
    for x, y, p, t in events:
        right, down = image_position(t) if stabilise else (4, 2)
        stabilised.append((x + 4 - math.floor(right + 0.5), y + 2 - math.floor(down + 0.5), p, t))
    shift = [0, 0]
    inside = [event for event in stabilised if 0 <= event[0] < side and 0 <= event[1] < side]
    if centre and inside:
        means = [Fraction(sum(event[axis] for event in inside), len(inside)) for axis in (0, 1)]
        shift = [math.floor(Fraction(side - 1, 2) - mean + Fraction(1, 2)) for mean in means]
    for x, y, p, t in stabilised:
        x, y = x + shift[0], y + shift[1]
        step = math.ceil(t / dt_us) + 1
        if 0 <= x < side and 0 <= y < side and step < steps:
            columns = math.ceil(side / pool)
            pixel = y // pool * columns + x // pool
            spikes.add((step, 2 * pixel + p if polarities else pixel))
    return spikes


class Recordings:
    """A data folder with recordings, which a test may change."""

    def __init__(self, data: Path) -> None:
        self.data = data

    def put(self, digit: int | str, name: str, content: bytes | Sequence[Event], split: str = "Train") -> Path:
        path = self.data / "nmnist" / split / str(digit) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else as_bytes(content))
        return path

    def some(self, number: int, split: str = "Train") -> list[list[Event]]:
        """Write `number` recordings, of the digits in turn."""
        written = [some_events(seed, 5 + 20 * seed % 90) for seed in range(number)]
        for k, events in enumerate(written):
            self.put(k % 10, f"{3 * k + 1:05}.bin", events, split)
        return written

    def load(self, split: str = "train") -> Files:
        files = datasets.load("nmnist", split, folder=self.data)
        assert isinstance(files, Files)
        return files
