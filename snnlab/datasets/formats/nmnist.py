"""N-MNIST (Orchard, Jayawant, Cohen, Thakor, Frontiers in Neuroscience 9:437, 2015): a file of events per recording.

Files are <split>/<digit>/<number>.bin, with the number of the image in MNIST, counted from 1. An event is 5 bytes:
column, row, and 24 bits of which the highest is the polarity and the others are microseconds. A row of 240 marks an
overflow of the clock instead of an event: it adds 2^13 microseconds to its own time and to all later times.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import Dataset
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.formats.file_format import FileFormat, card_recordings
from snnlab.datasets.locating import find, visible_names
from snnlab.errors import InputError
from snnlab.native import array, has_compiler, kernel

SIDE = 34
"""Columns and rows of the sensor."""

_NAME = "nmnist-bin"

_RECORD = np.dtype([("x", "u1"), ("rest", ">u4")])
_OVERFLOW_ROW, _OVERFLOW_TIME = 240, 1 << 13
_MAX_BYTES = 5 << 20  # of a recording; published ones have up to 50,000
_TIME_MASK = (1 << 23) - 1
_BATCH = 64  # files per call of the compiled reader


def load(card: Dataset, split: str, folder: Path | None) -> Files:
    """The existing recordings of a split of N-MNIST, in the order of MNIST.

    Raises InputError for no recordings, for a number under two digits, for other files, and for a card with another
    sensor or unit of time.
    """
    if card.sensor != (SIDE, SIDE, 2):
        raise InputError(f"{card.path}: sensor", f"got {list(card.sensor)}", f"must be {[SIDE, SIDE, 2]}")
    if card.time_unit != "us":
        raise InputError(f"{card.path}: time_unit", f"got {card.time_unit!r}", "must be 'us'")
    part = card.splits[split]
    root = find(card, part.path, folder)
    names = dict[int, str]()
    for digit in _digits(root, card.classes):
        for name in visible_names(root / digit):
            number = _number(root / digit / name, part.samples)
            if number in names:
                hint = f"{root / names[number]} has this number too: one of them is in the wrong folder"
                raise InputError(root / digit / name, f"second recording of number {number}", hint)
            names[number] = f"{digit}/{name}"
    if not names:
        raise InputError(root, "no recordings", f"must have files {part.path}/<digit>/<number>.bin")
    numbers = sorted(names)
    files = [names[number] for number in numbers]
    labels = [card.classes.index(name.split("/")[0]) for name in files]
    positions = [number - 1 for number in numbers]
    return card_recordings(card, split, root, files, labels, reader=_NAME, shape=(SIDE, SIDE, 2), numbers=positions)


def read_events(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, see `snnlab.data.samples.EVENT`.

    Raises InputError as `decode` does.
    """
    paths = samples.paths()
    for first in range(0, len(paths), _BATCH):
        yield from decode_all(paths[first : first + _BATCH])


def decode_all(paths: list[Path]) -> Iterator[NDArray[np.void]]:
    """The events of each file, decoded in C++, or in Python without a compiler.

    A file that C++ rejects is decoded in Python, which raises the error.
    """
    if not has_compiler():
        yield from map(decode, paths)
        return
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    sizes, lengths = np.empty(len(paths), dtype=np.int64), np.full(len(paths), -1, dtype=np.int64)
    _compiled().snnlab_nmnist_sizes(names, len(paths), _MAX_BYTES, sizes)
    capacity = np.maximum(sizes, 0) // _RECORD.itemsize
    events = np.empty(capacity.sum(), dtype=EVENT)
    _compiled().snnlab_nmnist_read(names, len(paths), sizes, SIDE, events.ctypes.data, lengths)
    begins = np.cumsum(capacity) - capacity
    for path, begin, length in zip(paths, begins.tolist(), lengths.tolist(), strict=True):
        yield decode(path) if length < 0 else events[begin : begin + length]


def decode(path: Path) -> NDArray[np.void]:
    """The events in one file (events,), see `snnlab.data.samples.EVENT`; nmnist.cpp does the same for many files.

    Raises InputError for a file that is empty or truncated, for events outside the sensor, and for decreasing times.
    """
    records = np.frombuffer(_content(path), dtype=_RECORD)
    rest = records["rest"].astype(np.uint32)
    row = rest >> 24
    time = (rest & _TIME_MASK).astype(np.int64)
    is_overflow = row == _OVERFLOW_ROW
    column = records["x"]
    if is_overflow.any():
        time += _OVERFLOW_TIME * np.cumsum(is_overflow)
        column, row, rest, time = (values[~is_overflow] for values in (column, row, rest, time))
    _check(path, column, row, time)
    events = np.empty(len(time), dtype=EVENT)
    events["x"], events["y"], events["p"], events["t"] = column, row, rest & (1 << 23), time
    return events


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "must be a readable file") from error
    if not content:
        raise InputError(path, "empty file", "download the recording again")
    if len(content) > _MAX_BYTES:
        raise InputError(path, f"more than {_MAX_BYTES} bytes", "must be a recording of N-MNIST")
    if len(content) % _RECORD.itemsize:
        hint = f"must be a multiple of {_RECORD.itemsize}, the bytes of an event: download it again"
        raise InputError(path, f"{len(content)} bytes", hint)
    return content


def _check(path: Path, column: NDArray[np.integer], row: NDArray[np.integer], time: NDArray[np.int64]) -> None:
    if not len(time):
        raise InputError(path, "no events", "download the recording again")
    if column.max() >= SIDE or row.max() >= SIDE:
        first = int(np.flatnonzero((column >= SIDE) | (row >= SIDE))[0])
        problem = f"event {first} at column {column[first]}, row {row[first]}"
        raise InputError(path, problem, f"must be below {SIDE}, the columns and rows of the sensor")
    if (time[1:] < time[:-1]).any():
        first = int(np.flatnonzero(time[1:] < time[:-1])[0]) + 1
        problem = f"event {first} at {time[first]} us, after one at {time[first - 1]} us"
        raise InputError(path, problem, "times must not decrease: download the recording again")


@cache
def _compiled() -> ctypes.CDLL:
    library = kernel("snnlab.datasets.formats", "nmnist.cpp")
    count, longs = ctypes.c_int64, array(np.int64)
    library.snnlab_nmnist_sizes.restype = library.snnlab_nmnist_read.restype = None
    library.snnlab_nmnist_sizes.argtypes = [ctypes.c_char_p, count, count, longs]
    library.snnlab_nmnist_read.argtypes = [ctypes.c_char_p, count, longs, count, ctypes.c_void_p, longs]
    return library


# Folders and names -----------------------------------------------------------------------------------------------


def _digits(root: Path, classes: tuple[str, ...]) -> list[str]:
    """The existing folders of digits."""
    names = visible_names(root)
    for name in names:
        if name not in classes or not (root / name).is_dir():
            hint = f"must be one of {', '.join(classes)}; move it elsewhere"
            raise InputError(root / name, "not the folder of a digit", hint)
    return names


def _number(path: Path, samples: int) -> int:
    stem = path.name.removesuffix(".bin")
    if stem == path.name or not (stem.isascii() and stem.isdigit() and len(stem) <= 9):
        raise InputError(path, "not a recording of N-MNIST", "must be named <number>.bin; move it elsewhere")
    if not 1 <= int(stem) <= samples:
        raise InputError(path, f"number {int(stem)}", f"must be 1 to {samples}")
    return int(stem)


FORMAT = FileFormat(_NAME, load, read_events=read_events, may_be_partial=True)
