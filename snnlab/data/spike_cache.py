"""Spikes of a whole dataset in one file: made once, then mapped into memory.

A file has a head of 4,096 bytes and three arrays, each beginning at a multiple of 64:

    magic    16 bytes, with the format's version
    check    4 bytes: CRC-32 of the rest of the head
    note     JSON, filled up with spaces: the key, the grid, and of each array its type, shape, place and CRC-32
    ids      neuron numbers, in the smallest type that holds them
    counts   spikes of each sample in each step, likewise
    starts   int64: where each sample's spikes begin

It is kept under a key of all that it was made from, and of a number that is raised with the code that makes other
spikes of it. A file that is not exactly what was written is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import math
import os
import struct
import tempfile
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import CachedSpikes, Files, Images
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.native import thread_count
from snnlab.paths import cache_error, cache_folder

ProgressCallback = Callable[[int, int], object]
"""Is told how many samples are done, and of how many."""

_VERSION = 1
_MAGIC = b"snnlab packed %02d" % _VERSION
_HEAD = 4096
_ALIGNED = 64
_CHUNK = 64  # recordings that are read at once
_CHECKED = 1 << 20  # entries that are looked at at once
_TYPES = ("uint8", "uint16", "uint32", "int64")
_DRAFT = ".spikes.part"


def no_progress(done: int, total: int) -> None:
    """A `ProgressCallback` that keeps it to itself."""


@dataclass(frozen=True)
class Grid:
    """What the spikes of a sample lie on: steps of `dt` seconds, and neurons in some shape."""

    steps: int
    dt: float
    shape: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def cached_spikes(
    samples: Files | Images,
    encode: Callable[[Any], SpikeTrains],
    grid: Grid,
    recipe: Mapping[str, Any],
    *,
    threads: int | None = None,
    progress: ProgressCallback = no_progress,
) -> CachedSpikes:
    """The spikes of all samples, from the cache folder where they are, and otherwise made and kept there.

    encode   some of the samples into their spikes on `grid`; called from several threads
    recipe   all that `encode` depends on beside the samples, as JSON has it; a number for its code among it
    threads  None for all cores

    Raises InputError for a kept file that is damaged, and where none can be written; and whatever `encode` raises.
    """
    key = _key(samples, grid, recipe)
    folder = cache_folder() / "packed"
    path = folder / f"{samples.dataset}-{samples.split}-{key[:32]}.spikes"
    if not os.path.lexists(path):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _sweep(folder)
            _write(path, _encoded(samples, encode, threads or thread_count(), progress), grid, key)
        except OSError as error:
            raise cache_error(folder, error) from error
    return read_cached(path, samples, grid, key, recipe_digest=recipe_digest(recipe))


def read_cached(path: Path, samples: Files | Images, grid: Grid, key: str, *, recipe_digest: str = "") -> CachedSpikes:
    """The spikes in one file, once everything in it has been looked at; `recipe_digest` is the digest of their recipe.

    Raises InputError for a file that is damaged, or not of these samples on this grid.
    """
    note, arrays = _mapped(path)
    told = (note["key"], note["steps"], note["dt"], tuple(note["shape"]), len(arrays["counts"]))
    if told != (key, grid.steps, grid.dt, grid.shape, len(samples)):
        raise _unfit(path, "holds other spikes than its name says, of another part, dataset or code")
    _check_spikes(path, **arrays, grid=grid)
    return CachedSpikes(
        **arrays,
        rows=np.arange(len(samples), dtype=np.int64),
        dt=grid.dt,
        path=path,
        recipe_digest=recipe_digest,
        labels=samples.labels,
        numbers=samples.numbers,
        shape=grid.shape,
        classes=samples.classes,
        dataset=samples.dataset,
        split=samples.split,
    ).read_only()


def _key(samples: Files | Images, grid: Grid, recipe: Mapping[str, Any]) -> str:
    return _digest(
        [_VERSION, samples.dataset, samples.split, samples.fingerprint(), grid.steps, grid.dt, grid.shape, dict(recipe)]
    )


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """The digest of a recipe, by which packed spikes are known."""
    return _digest(dict(recipe))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


# Making ----------------------------------------------------------------------------------------------------------


def _encoded(
    samples: Files | Images, encode: Callable[[Any], SpikeTrains], threads: int, progress: ProgressCallback
) -> Generator[SpikeTrains, None, None]:
    """The spikes of one chunk after another, in order; a few are made ahead. Closed, it leaves no thread behind."""
    progress(0, len(samples))
    pool = ThreadPoolExecutor(threads, thread_name_prefix="pack")
    try:
        chunks = (samples.take(slice(first, first + _CHUNK)) for first in range(0, len(samples), _CHUNK))
        waiting = deque(pool.submit(encode, chunk) for chunk in islice(chunks, 2 * threads))
        done = 0
        while waiting:
            spikes = waiting.popleft().result()
            waiting.extend(pool.submit(encode, chunk) for chunk in islice(chunks, 1))
            done += spikes.samples
            yield spikes
            progress(done, len(samples))
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass
class _Draft:
    """A file that is being written: arrays one after another, and what the head will say of them."""

    file: IO[bytes]
    arrays: dict[str, dict[str, Any]] = field(default_factory=dict)

    def write(self, name: str, dtype: str, shape: tuple[int, ...], parts: Iterator[NDArray[Any]]) -> None:
        begin = -(-max(self.file.tell(), _HEAD) // _ALIGNED) * _ALIGNED
        self.file.seek(begin)
        crc = 0
        for part in parts:
            content = (
                np.ascontiguousarray(part, dtype=np.dtype(dtype).newbyteorder("<")).reshape(-1).view(np.uint8).data
            )
            crc = zlib.crc32(content, crc)
            self.file.write(content)
        self.arrays[name] = {"dtype": dtype, "shape": shape, "begin": begin, "crc32": crc}

    def close(self, note: Mapping[str, Any]) -> None:
        """The head, now that all is known, and everything on the disk."""
        text = json.dumps({**note, "arrays": self.arrays}).encode().ljust(_HEAD - len(_MAGIC) - 4)
        self.file.seek(0)
        self.file.write(_MAGIC + struct.pack("<I", zlib.crc32(text)) + text)
        self.file.flush()
        os.fsync(self.file.fileno())


def _write(path: Path, batches: Generator[SpikeTrains, None, None], grid: Grid, key: str) -> None:
    """The file at `path`, under another name until it is whole: several processes may write it at once."""
    file, draft = _begun(path)
    with file, contextlib.closing(batches):  # and with the file its lock, until it has its name
        try:
            _fill(_Draft(file), batches, grid, key)
            draft.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # what went wrong before is what is to be told
                draft.unlink()
            raise


def _begun(path: Path) -> tuple[IO[bytes], Path]:
    """A new file beside `path`, locked for as long as it is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}-", suffix=_DRAFT)
        file = os.fdopen(handle, "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            Path(name).unlink()
            raise
        if os.fstat(file.fileno()).st_nlink:
            return file, Path(name)
        file.close()  # another process swept it away before it was locked


def _sweep(folder: Path) -> None:
    """Removes what was left by processes that were killed while they wrote: what nobody has locked."""
    for draft in folder.glob(f"*{_DRAFT}"):
        # it is being written, has its name by now, or is another user's
        with contextlib.suppress(BlockingIOError, FileNotFoundError, PermissionError), draft.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            draft.unlink()


def _fill(draft: _Draft, batches: Iterator[SpikeTrains], grid: Grid, key: str) -> None:
    counts: list[NDArray[Any]] = []
    kind = _smallest(grid.size)

    def ids() -> Iterator[NDArray[np.int32]]:
        for spikes in batches:
            if (spikes.steps, spikes.size) != (grid.steps, grid.size):
                found = f"spikes of {spikes.size} neurons in {spikes.steps} steps"
                raise InputError("pack", found, f"needs {grid.size} in {grid.steps}")
            counts.append(np.diff(spikes.offsets, axis=1).astype(kind))
            yield spikes.ids

    draft.write("ids", _smallest(grid.size - 1), (), ids())
    per_step = np.concatenate(counts) if counts else np.zeros((0, grid.steps), dtype=kind)
    starts = np.concatenate([[0], np.cumsum(per_step.sum(axis=1, dtype=np.int64))])
    draft.arrays["ids"]["shape"] = (int(starts[-1]),)
    draft.write("counts", _smallest(per_step.max(initial=0)), per_step.shape, iter([per_step]))
    draft.write("starts", "int64", starts.shape, iter([starts]))
    draft.close({"key": key, "steps": grid.steps, "dt": grid.dt, "shape": grid.shape})


def _smallest(most: int) -> str:
    return next(name for name in _TYPES if most <= np.iinfo(name).max)


# Opening ---------------------------------------------------------------------------------------------------------


def _unfit(path: Path, found: str) -> InputError:
    return InputError(path, found, "delete it, and it will be made anew")


def _content(path: Path) -> NDArray[np.uint8]:
    """The bytes of a file, mapped."""
    if not path.is_file():
        raise _unfit(path, "is a folder and no file" if path.is_dir() else "is no file")
    try:
        if not path.stat().st_size:
            raise _unfit(path, "is empty")
        return np.memmap(path, dtype=np.uint8, mode="r")
    except OSError as error:
        raise _unfit(path, f"cannot be read: {error.strerror or error}") from error


def _mapped(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The note and the arrays of a file, each as long as the note says and with the right check sum."""
    content = _content(path)
    note = _note(path, bytes(content[:_HEAD]))
    arrays = {}
    for name, told in note["arrays"].items():
        dtype = np.dtype(told["dtype"]).newbyteorder("<")
        begin, length = told["begin"], math.prod(told["shape"]) * dtype.itemsize
        part = np.asarray(content[begin : begin + length])
        if len(part) < length:
            raise _unfit(
                path, f"is cut short: it has {len(content):,} bytes and lacks {begin + length - len(content):,}"
            )
        if zlib.crc32(part.data) != told["crc32"]:
            raise _unfit(path, "is damaged: its spikes are not those that were written")
        arrays[name] = part.view(dtype).reshape(told["shape"])
    return note, arrays


def _note(path: Path, head: bytes) -> dict[str, Any]:
    """What the head says, being a head that this version writes."""
    if head[: len(_MAGIC)] != _MAGIC:
        raise _unfit(path, "does not begin as packed spikes do: it is damaged, or something else")
    if len(head) < _HEAD:
        raise _unfit(path, f"is cut short: it has {len(head):,} bytes, and its head alone {_HEAD:,}")
    text = head[len(_MAGIC) + 4 :]
    if zlib.crc32(text) != struct.unpack_from("<I", head, len(_MAGIC))[0]:
        raise _unfit(path, "is damaged: its head is not what was written")
    try:
        note = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unfit(path, f"has a head that is no JSON: {error}") from error
    if not _sound(note):
        raise _unfit(path, "has a head that lacks what belongs there")
    return dict(note)


def _sound(note: Any) -> bool:
    """Whether a note has everything that is read of it, each of its type."""
    kinds = {"key": str, "steps": int, "dt": float, "shape": list, "arrays": dict}
    if not isinstance(note, dict) or any(type(note.get(name)) is not kind for name, kind in kinds.items()):
        return False
    axes = {"ids": 1, "counts": 2, "starts": 1}
    arrays = note["arrays"]
    if arrays.keys() != axes.keys() or not all(isinstance(told, dict) for told in arrays.values()):
        return False
    for name, told in arrays.items():
        numbers = [told.get("begin"), told.get("crc32"), *_sides(told.get("shape"))]
        if told.get("dtype") not in _TYPES or len(numbers) != 2 + axes[name]:
            return False
        if not all(type(number) is int and 0 <= number < 1 << 48 for number in numbers) or numbers[0] % _ALIGNED:
            return False
    return True


def _sides(shape: Any) -> list[Any]:
    return shape if isinstance(shape, list) else []


def _check_spikes(path: Path, ids: NDArray[Any], counts: NDArray[Any], starts: NDArray[np.int64], grid: Grid) -> None:
    """That the arrays are spikes on the grid: in range, in ascending order within a step, and as many as counted."""
    samples = len(counts)
    right = counts.shape[1] == grid.steps and starts.shape == (samples + 1,) and starts.dtype == np.int64
    right = right and ids.dtype.kind == counts.dtype.kind == "u"
    if not right or starts[0] != 0 or starts[-1] != len(ids) or (np.diff(starts) < 0).any():
        raise _unfit(path, "has arrays that do not belong together")
    at_once = max(1, _CHECKED // max(1, grid.steps))
    for first in range(0, samples, at_once):
        per_step = counts[first : first + at_once].astype(np.int64)
        begins = starts[first : first + len(per_step) + 1]
        if not np.array_equal(per_step.sum(axis=1), np.diff(begins)):
            raise _unfit(path, "has samples that begin elsewhere than their counts say")
        _check_ids(path, ids[begins[0] : begins[-1]], per_step.ravel(), grid.size)


def _check_ids(path: Path, ids: NDArray[Any], per_step: NDArray[np.int64], size: int) -> None:
    if not len(ids):
        return
    if ids.max() >= size:
        raise _unfit(path, f"has a spike of neuron {ids.max()}, where neurons are 0 to {size - 1}")
    rises = np.ones(len(ids), dtype=bool)
    np.greater(ids[1:], ids[:-1], out=rises[1:])
    begins = np.cumsum(per_step) - per_step
    rises[begins[per_step > 0]] = True
    if not rises.all():
        raise _unfit(path, "has neurons of a step that are not in order")
