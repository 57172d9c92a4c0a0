"""The cache of encoded spikes: encode a whole dataset once, then read it from a file.

The key of a file is a digest of everything its spikes depend on: samples, grid, and the encoder's recipe, which holds
a version number to increase whenever its code produces other spikes.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import IO, Any

import numpy as np

from snnlab import native
from snnlab.data.samples import CachedSpikes, Files, Images
from snnlab.data.spike_file import VERSION, Grid, read_spikes, write_spikes
from snnlab.data.spikes import SpikeTrains
from snnlab.paths import cache_error, cache_folder

ProgressCallback = Callable[[int, int], object]
"""Called with the number of finished samples and the number of all samples."""

_CHUNK = 64  # samples that are encoded together
_TEMPORARY = ".spikes.part"


def no_progress(done: int, total: int) -> None:
    """A `ProgressCallback` that does nothing."""


def cached_spikes(
    samples: Files | Images,
    encode: Callable[[Any], SpikeTrains],
    grid: Grid,
    recipe: Mapping[str, Any],
    *,
    threads: int | None = None,
    progress: ProgressCallback = no_progress,
) -> CachedSpikes:
    """The spikes of all samples, read from the cache, or encoded and stored there.

    encode   some of the samples -> their spikes on `grid`; called from several threads
    recipe   everything beside the samples that `encode` depends on, including the version of its code, as JSON values
    threads  None for all cores

    Raises InputError for a corrupt file and for a cache folder that cannot be written, and whatever `encode` raises.
    """
    key = _digest(
        [VERSION, samples.dataset, samples.split, samples.fingerprint(), grid.steps, grid.dt, grid.shape, dict(recipe)]
    )
    folder = cache_folder() / "spikes"
    path = folder / f"{samples.dataset}-{samples.split}-{key[:32]}.spikes"
    if not os.path.lexists(path):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _remove_leftovers(folder)
            _write(path, _encoded(samples, encode, threads or native.thread_count(), progress), grid, key)
        except OSError as error:
            raise cache_error(folder, error) from error
    return read_cached(path, samples, grid, key, recipe_digest=recipe_digest(recipe))


def read_cached(path: Path, samples: Files | Images, grid: Grid, key: str, *, recipe_digest: str = "") -> CachedSpikes:
    """The spikes in one file, fully verified. Raises InputError for a file that is corrupt, or of other samples."""
    return CachedSpikes(
        **read_spikes(path, len(samples), grid, key),
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


def recipe_digest(recipe: Mapping[str, Any]) -> str:
    """The digest of a recipe, which identifies the encoder of cached spikes."""
    return _digest(dict(recipe))


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _encoded(
    samples: Files | Images, encode: Callable[[Any], SpikeTrains], threads: int, progress: ProgressCallback
) -> Generator[SpikeTrains, None, None]:
    """The spikes of successive chunks, some encoded ahead; no thread remains once the generator is closed."""
    progress(0, len(samples))

    def encode_chunk(chunk: Files | Images) -> SpikeTrains:
        with native.threads(1):  # chunks are encoded in parallel
            return encode(chunk)

    pool = ThreadPoolExecutor(threads, thread_name_prefix="encode")
    try:
        chunks = (samples.take(slice(first, first + _CHUNK)) for first in range(0, len(samples), _CHUNK))
        pending = deque(pool.submit(encode_chunk, chunk) for chunk in islice(chunks, 2 * threads))
        done = 0
        while pending:
            spikes = pending.popleft().result()
            pending.extend(pool.submit(encode_chunk, chunk) for chunk in islice(chunks, 1))
            done += spikes.samples
            yield spikes
            progress(done, len(samples))
    finally:
        pool.shutdown(cancel_futures=True)


def _write(path: Path, batches: Generator[SpikeTrains, None, None], grid: Grid, key: str) -> None:
    """Write a file under a temporary name, then rename it: several processes may write it at once."""
    file, temporary = _open_temporary(path)
    with file, contextlib.closing(batches):  # the lock is held until the file is renamed
        try:
            write_spikes(file, batches, grid, key)
            temporary.replace(path)
        except BaseException:
            with contextlib.suppress(OSError):  # report the first error
                temporary.unlink()
            raise


def _open_temporary(path: Path) -> tuple[IO[bytes], Path]:
    """A new file in the folder of `path`, locked while it is open."""
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.stem}-", suffix=_TEMPORARY)
        file = os.fdopen(handle, "wb")
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
        except BaseException:
            file.close()
            Path(name).unlink()
            raise
        if os.fstat(file.fileno()).st_nlink:
            return file, Path(name)
        file.close()  # another process removed it before it was locked


def _remove_leftovers(folder: Path) -> None:
    """Remove temporary files of killed processes: those that nobody has locked."""
    for temporary in folder.glob(f"*{_TEMPORARY}"):
        # it is being written, was renamed meanwhile, or belongs to another user
        with contextlib.suppress(BlockingIOError, FileNotFoundError, PermissionError), temporary.open("r+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            temporary.unlink()
