"""N-MNIST (Orchard, Jayawant, Cohen, Thakor, Frontiers in Neuroscience 9:437, 2015): a file of events per recording.

The files lie as published, <part>/<digit>/<number>.bin, with the number of the image in MNIST, counted from 1. An event
is 5 bytes: column, row, and 24 bits of which the highest is the polarity and the others are the microseconds. A row of
240 is no event: its clock has overflown, and it moves the time of itself and of all that follow by 2^13 microseconds.
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
from snnlab.datasets.files import find, listed
from snnlab.errors import InputError
from snnlab.native import array, has_compiler, kernel

SIDE = 34
"""Columns and rows of the sensor."""

READER = "nmnist-bin"

_RECORD = np.dtype([("x", "u1"), ("rest", ">u4")])
_OVERFLOW, _LATER = 240, 1 << 13
_MOST = 5 << 20  # bytes; published recordings have up to 50,000
_TIME_MASK = (1 << 23) - 1
_TOGETHER = 64  # files that are read by one call


def recordings(card: Dataset, split: str, folder: Path | None) -> Files:
    """One part of N-MNIST, or what there is of it, in the order of MNIST.

    Raises InputError for no recordings, for one that is there under two digits, for files that are none, and for a card
    of another sensor or unit of time.
    """
    if card.sensor != (SIDE, SIDE, 2):
        raise InputError(f"{card.path}: sensor", f"found {list(card.sensor)}", f"this format has {[SIDE, SIDE, 2]}")
    if card.time_unit != "us":
        raise InputError(f"{card.path}: time_unit", f"found {card.time_unit!r}", "this format has 'us'")
    part = card.splits[split]
    place = find(card, part.path, folder)
    found = dict[int, str]()
    for digit in _digits(place, card.classes):
        for name in listed(place / digit):
            number = _number(place / digit / name, part.samples)
            if number in found:
                right = f"{place / found[number]} has this number too: one of the two lies in the wrong folder"
                raise InputError(place / digit / name, "a second recording of this number", right)
            found[number] = f"{digit}/{name}"
    if not found:
        raise InputError(place, "no recordings", f"needs files {part.path}/<digit>/<number>.bin")
    names = [found[number] for number in sorted(found)]
    return Files(
        names=np.array(names),
        folder=place,
        reader=READER,
        card=card.digest,
        labels=np.array([card.classes.index(name.split("/")[0]) for name in names], dtype=np.int64),
        numbers=np.array(sorted(found), dtype=np.int64) - 1,
        shape=(SIDE, SIDE, 2),
        classes=card.classes,
        dataset=card.id,
        split=split,
    )


def read(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, see `snnlab.data.samples.EVENT`.

    Raises InputError as `decode` does.
    """
    paths = samples.paths()
    for first in range(0, len(paths), _TOGETHER):
        yield from decoded(paths[first : first + _TOGETHER])


def decoded(paths: list[Path]) -> Iterator[NDArray[np.void]]:
    """The events of each of some files, read in C++; one that is refused there is decoded here, for the reason.

    Without a compiler, each is decoded here.
    """
    if not has_compiler():
        yield from map(decode, paths)
        return
    names = b"".join(os.fsencode(path) + b"\0" for path in paths)
    sizes, lengths = np.empty(len(paths), dtype=np.int64), np.full(len(paths), -1, dtype=np.int64)
    _compiled().snnlab_nmnist_sizes(names, len(paths), _MOST, sizes)
    room = np.maximum(sizes, 0) // _RECORD.itemsize
    events = np.empty(room.sum(), dtype=EVENT)
    _compiled().snnlab_nmnist_read(names, len(paths), sizes, SIDE, events.ctypes.data, lengths)
    begins = np.cumsum(room) - room
    for path, begin, length in zip(paths, begins.tolist(), lengths.tolist(), strict=True):
        yield decode(path) if length < 0 else events[begin : begin + length]


def decode(path: Path) -> NDArray[np.void]:
    """The events in one file (events,), see `snnlab.data.samples.EVENT`; what nmnist.cpp does for many.

    Raises InputError for a file that is empty or cut short, for events off the sensor, and for time that runs
    backwards.
    """
    records = np.frombuffer(_content(path), dtype=_RECORD)
    rest = records["rest"].astype(np.uint32)
    row = rest >> 24
    time = (rest & _TIME_MASK).astype(np.int64)
    overflown = row == _OVERFLOW
    column = records["x"]
    if overflown.any():
        time += _LATER * np.cumsum(overflown)
        kept = ~overflown
        column, row, rest, time = column[kept], row[kept], rest[kept], time[kept]
    _check(path, column, row, time)
    events = np.empty(len(time), dtype=EVENT)
    events["x"], events["y"], events["p"], events["t"] = column, row, rest & (1 << 23), time
    return events


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST + 1)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "needs a readable file") from error
    if not content:
        raise InputError(path, "an empty file", "get the recording anew")
    if len(content) > _MOST:
        raise InputError(path, f"more than {_MOST} bytes", "is it a recording?")
    if len(content) % _RECORD.itemsize:
        found = f"{len(content)} bytes, and an event has {_RECORD.itemsize}"
        raise InputError(path, found, "cut short, or no recording: get it anew")
    return content


def _check(path: Path, column: NDArray[np.integer], row: NDArray[np.integer], time: NDArray[np.int64]) -> None:
    if not len(time):
        raise InputError(path, "no events", "get the recording anew")
    if column.max() >= SIDE or row.max() >= SIDE:
        first = int(np.flatnonzero((column >= SIDE) | (row >= SIDE))[0])
        found = f"event {first} at column {column[first]}, row {row[first]}"
        raise InputError(path, found, f"the sensor has {SIDE} columns and rows: is it a recording of N-MNIST?")
    if (time[1:] < time[:-1]).any():
        first = int(np.flatnonzero(time[1:] < time[:-1])[0]) + 1
        found = f"event {first} at {time[first]} us, and the one before at {time[first - 1]} us"
        raise InputError(path, found, "time never runs backwards: get the recording anew")


@cache
def _compiled() -> ctypes.CDLL:
    made = kernel("snnlab.datasets.formats", "nmnist.cpp")
    count, longs = ctypes.c_int64, array(np.int64)
    made.snnlab_nmnist_sizes.restype = made.snnlab_nmnist_read.restype = None
    made.snnlab_nmnist_sizes.argtypes = [ctypes.c_char_p, count, count, longs]
    made.snnlab_nmnist_read.argtypes = [ctypes.c_char_p, count, longs, count, ctypes.c_void_p, longs]
    return made


# Finding ---------------------------------------------------------------------------------------------------------


def _digits(place: Path, classes: tuple[str, ...]) -> list[str]:
    """The folders of digits that there are."""
    names = listed(place)
    for name in names:
        if name not in classes or not (place / name).is_dir():
            found = "no folder of a digit among the card's classes"
            raise InputError(place / name, found, f"they are {', '.join(classes)}; anything else belongs elsewhere")
    return names


def _number(path: Path, most: int) -> int:
    stem = path.name.removesuffix(".bin")
    if stem == path.name or not (stem.isascii() and stem.isdigit() and len(stem) <= 9):
        raise InputError(path, "no recording of N-MNIST", "they are named <number>.bin; move it away")
    if not 1 <= int(stem) <= most:
        raise InputError(path, f"number {int(stem)}", f"this part has 1 to {most}")
    return int(stem)
