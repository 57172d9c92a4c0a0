"""The file format of cached spikes: one file for all samples, mapped into memory when read.

A file has a header of 4,096 bytes and three arrays, each starting at a multiple of 64:

    magic     16 bytes, with the version of the format
    checksum  4 bytes: CRC-32 of the rest of the header
    header    JSON, padded with spaces: key, grid, and for each array its type, shape, start and CRC-32
    ids       neuron numbers, in the smallest type that holds them
    counts    spikes of each sample in each step, in the smallest type that holds them
    starts    int64: where the spikes of each sample start

A file that differs from what was written raises InputError.
"""

from __future__ import annotations

import json
import math
import os
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

VERSION = 1
_MAGIC = b"snnlab spikes %02d" % VERSION
_HEADER_SIZE = 4096
_ALIGNMENT = 64
_CHECKED_AT_ONCE = 1 << 20  # numbers
_TYPES = ("uint8", "uint16", "uint32", "int64")
_AXES = {"ids": 1, "counts": 2, "starts": 1}


@dataclass(frozen=True)
class Grid:
    """Time steps of `dt` seconds, and a population of some shape."""

    steps: int
    dt: float
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        """Number of neurons."""
        return math.prod(self.shape)


def corrupt(path: Path, problem: str) -> InputError:
    """The error of a file that cannot be used."""
    return InputError(path, problem, "delete it; it is created again when needed")


# Writing ---------------------------------------------------------------------------------------------------------


def write_spikes(file: IO[bytes], batches: Iterator[SpikeTrains], grid: Grid, key: str) -> None:
    """Write the spikes of all batches, one after another, to an open file. Raises InputError for another grid."""
    counts: list[NDArray[Any]] = []
    kind = _smallest_type(grid.size)

    def ids() -> Iterator[NDArray[np.int32]]:
        for spikes in batches:
            if (spikes.steps, spikes.size) != (grid.steps, grid.size):
                problem = f"got spikes of {spikes.size} neurons in {spikes.steps} steps"
                raise InputError("cached spikes", problem, f"must be {grid.size} neurons in {grid.steps} steps")
            counts.append(np.diff(spikes.offsets, axis=1).astype(kind))
            yield spikes.ids

    arrays = {"ids": _write_array(file, _smallest_type(grid.size - 1), (), ids())}
    per_step = np.concatenate(counts) if counts else np.zeros((0, grid.steps), dtype=kind)
    starts = np.concatenate([[0], np.cumsum(per_step.sum(axis=1, dtype=np.int64))])
    arrays["ids"]["shape"] = (int(starts[-1]),)
    arrays["counts"] = _write_array(file, _smallest_type(per_step.max(initial=0)), per_step.shape, iter([per_step]))
    arrays["starts"] = _write_array(file, "int64", starts.shape, iter([starts]))
    header = {"key": key, "steps": grid.steps, "dt": grid.dt, "shape": grid.shape, "arrays": arrays}
    _write_header(file, header)


def _smallest_type(largest: int) -> str:
    return next(name for name in _TYPES if largest <= np.iinfo(name).max)


def _write_array(file: IO[bytes], dtype: str, shape: tuple[int, ...], parts: Iterator[NDArray[Any]]) -> dict[str, Any]:
    """Write an array, given in parts, and return its entry in the header."""
    begin = -(-max(file.tell(), _HEADER_SIZE) // _ALIGNMENT) * _ALIGNMENT
    file.seek(begin)
    checksum = 0
    little_endian = np.dtype(dtype).newbyteorder("<")
    for part in parts:
        content = np.ascontiguousarray(part, dtype=little_endian).reshape(-1).view(np.uint8).data
        checksum = zlib.crc32(content, checksum)
        file.write(content)
    return {"dtype": dtype, "shape": shape, "begin": begin, "crc32": checksum}


def _write_header(file: IO[bytes], header: dict[str, Any]) -> None:
    text = json.dumps(header).encode().ljust(_HEADER_SIZE - len(_MAGIC) - 4)
    file.seek(0)
    file.write(_MAGIC + struct.pack("<I", zlib.crc32(text)) + text)
    file.flush()
    os.fsync(file.fileno())


# Reading ---------------------------------------------------------------------------------------------------------


def read_spikes(path: Path, samples: int, grid: Grid, key: str) -> dict[str, NDArray[Any]]:
    """The arrays ids, counts and starts of a file, mapped into memory.

    Raises InputError for a corrupt file, and for one of other samples or another grid or key.
    """
    header, arrays = _mapped(path)
    content = (header["key"], header["steps"], header["dt"], tuple(header["shape"]), len(arrays["counts"]))
    if content != (key, grid.steps, grid.dt, grid.shape, samples):
        raise corrupt(path, "contains spikes of another split, dataset or version than its name says")
    _check_spikes(path, arrays["ids"], arrays["counts"], arrays["starts"], grid)
    return arrays


def _mapped(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The header of a file, and its arrays with their lengths and checksums verified."""
    content = _content(path)
    header = _header(path, bytes(content[:_HEADER_SIZE]))
    arrays = {}
    for name, entry in header["arrays"].items():
        dtype = np.dtype(entry["dtype"]).newbyteorder("<")
        begin, length = entry["begin"], math.prod(entry["shape"]) * dtype.itemsize
        part = np.asarray(content[begin : begin + length])
        if len(part) < length:
            missing = begin + length - len(content)
            raise corrupt(path, f"is truncated: it has {len(content):,} bytes and lacks {missing:,}")
        if zlib.crc32(part.data) != entry["crc32"]:
            raise corrupt(path, "is corrupt: the checksum of its spikes does not match")
        arrays[name] = part.view(dtype).reshape(entry["shape"])
    return header, arrays


def _content(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file, mapped into memory."""
    if not path.is_file():
        raise corrupt(path, "is a folder, not a file" if path.is_dir() else "is not a file")
    try:
        if not path.stat().st_size:
            raise corrupt(path, "is empty")
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise corrupt(path, f"cannot be read: {error.strerror or error}") from error


def _header(path: Path, head: bytes) -> dict[str, Any]:
    """The header in the first bytes of a file."""
    if head[: len(_MAGIC)] != _MAGIC:
        raise corrupt(path, "does not start as a file of cached spikes does")
    if len(head) < _HEADER_SIZE:
        raise corrupt(path, f"is truncated: it has {len(head):,} bytes, its header alone needs {_HEADER_SIZE:,}")
    text = head[len(_MAGIC) + 4 :]
    if zlib.crc32(text) != struct.unpack_from("<I", head, len(_MAGIC))[0]:
        raise corrupt(path, "is corrupt: the checksum of its header does not match")
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise corrupt(path, f"has a header that is not JSON: {error}") from error
    if not _is_header(header):
        raise corrupt(path, "has an incomplete header")
    return dict(header)


def _is_header(header: Any) -> bool:
    """Whether a header has all its fields, each of its type."""
    types = {"key": str, "steps": int, "dt": float, "shape": list, "arrays": dict}
    if not isinstance(header, dict) or any(type(header.get(name)) is not kind for name, kind in types.items()):
        return False
    arrays = header["arrays"]
    return arrays.keys() == _AXES.keys() and all(_is_entry(arrays[name], axes) for name, axes in _AXES.items())


def _is_entry(entry: Any, axes: int) -> bool:
    """Whether a header's entry describes an array with this number of axes."""
    if not isinstance(entry, dict) or entry.get("dtype") not in _TYPES or not isinstance(entry.get("shape"), list):
        return False
    numbers = [entry.get("begin"), entry.get("crc32"), *entry["shape"]]
    if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers):
        return False
    return len(entry["shape"]) == axes and entry["begin"] % _ALIGNMENT == 0


def _check_spikes(path: Path, ids: NDArray[Any], counts: NDArray[Any], starts: NDArray[np.int64], grid: Grid) -> None:
    """Check that the arrays are spikes on the grid: in range, in ascending order in a step, and as many as counted."""
    samples = len(counts)
    fits = counts.shape[1] == grid.steps and starts.shape == (samples + 1,) and starts.dtype == np.int64
    fits = fits and ids.dtype.kind == counts.dtype.kind == "u"
    if not fits or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
        raise corrupt(path, "has arrays that do not fit together")
    rows = max(1, _CHECKED_AT_ONCE // max(1, grid.steps))
    for first in range(0, samples, rows):
        per_step = counts[first : first + rows].astype(np.int64)
        begins = starts[first : first + len(per_step) + 1]
        if not np.array_equal(per_step.sum(axis=1), np.diff(begins)):
            raise corrupt(path, "has samples that start elsewhere than their counts say")
        _check_ids(path, ids[begins[0] : begins[-1]], per_step.ravel(), grid.size)


def _check_ids(path: Path, ids: NDArray[Any], per_step: NDArray[np.int64], size: int) -> None:
    if not len(ids):
        return
    if ids.max() >= size:
        raise corrupt(path, f"has a spike of neuron {ids.max()}, but neurons are 0 to {size - 1}")
    ascending = np.ones(len(ids), dtype=bool)
    np.greater(ids[1:], ids[:-1], out=ascending[1:])
    begins = np.cumsum(per_step) - per_step
    ascending[begins[per_step > 0]] = True
    if not ascending.all():
        raise corrupt(path, "has neurons of a step that are not in ascending order")
