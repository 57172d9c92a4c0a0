"""Download of one file: tries its mirrors in turn, resumes, and names the file only when its digests are verified."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from snnlab.datasets.checksums import digests_of
from snnlab.errors import InputError

ProgressCallback = Callable[[str, int, int], None]
"""Called with a file's name, the bytes downloaded so far, and its total bytes (0 if unknown)."""

_CHUNK = 1 << 16
_TIMEOUT = 30  # seconds without data from a mirror
_AGENT = "snnlab"


@dataclass(frozen=True)
class RemoteFile:
    """A file to download.

    urls       addresses, in the order in which they are tried
    digests    expected digests, by their names in hashlib
    max_bytes  maximum size
    """

    name: str
    urls: tuple[str, ...]
    digests: Mapping[str, str]
    max_bytes: int


class _MirrorError(Exception):
    """One mirror failed; the next is tried."""


def download(file: RemoteFile, folder: Path, progress: ProgressCallback | None = None) -> Path:
    """Download a file into `folder` and return its path.

    An incomplete download stays as <name>.part and is resumed if the mirror supports it. Raises InputError if no mirror
    has a valid file, if the folder cannot be written, and if another process downloads the same file.
    """
    target, failures = folder / file.name, list[str]()
    with _part(target) as part:
        for url in file.urls:
            try:
                _complete(file, url, part, progress)
            except _MirrorError as failure:
                failures.append(f"{url}: {failure}")
            else:
                Path(part.name).replace(target)
                return target
    reasons = " / ".join(failures) or "no mirrors"
    raise InputError(f"{folder / file.name}", reasons, "run it again to resume, or put the file there yourself")


@contextmanager
def _part(target: Path) -> Iterator[IO[bytes]]:
    """The locked file that receives the download; removed if it stays empty."""
    path = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(path, "another process is downloading it", "wait until it has finished") from error
            if not path.exists() or path.stat().st_ino != os.fstat(part.fileno()).st_ino:
                raise InputError(path, "another process has just downloaded it", "check whether it exists")
            try:
                yield part
            finally:
                if path.exists() and part.seek(0, 2) == 0:
                    path.unlink()
    except OSError as error:
        name = error.filename or target.parent
        raise InputError(name, error.strerror or str(error), "must be a writable folder") from error


def _complete(file: RemoteFile, url: str, part: IO[bytes], progress: ProgressCallback | None) -> None:
    """Download the complete file into `part`; if a resumed download is invalid, start again once."""
    resumed = _append(file, url, part, progress)
    problem = _digest_problem(file, part)
    if problem and resumed:
        part.truncate(0)
        _append(file, url, part, progress)
        problem = _digest_problem(file, part)
    if problem:
        part.truncate(0)
        raise _MirrorError(problem)


def _append(file: RemoteFile, url: str, part: IO[bytes], progress: ProgressCallback | None) -> bool:
    """Append the missing bytes to `part`; returns whether it had content that was kept."""
    import requests  # most runs download nothing
    from urllib3.exceptions import HTTPError

    done = part.seek(0, 2)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"} | ({"Range": f"bytes={done}-"} if done else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT) as response:
            if done and response.status_code == 416:  # nothing is missing
                return True
            if response.status_code not in (200, 206):
                raise _MirrorError(f"{response.status_code} {response.reason}")
            content_range = response.headers.get("Content-Range", "")
            if done and not (response.status_code == 206 and content_range.startswith(f"bytes {done}-")):
                part.truncate(0)
                done = 0
            length = response.headers.get("Content-Length", "")
            total = done + int(length) if length.isdecimal() else 0
            _write(file, response.raw.stream(_CHUNK, decode_content=False), part, done, total, progress)
    except HTTPError as error:
        part.flush()
        raise _MirrorError(f"stopped after {part.seek(0, 2)} bytes: {error}") from error
    except (requests.RequestException, UnicodeError) as error:
        raise _MirrorError(str(error)) from error
    return done > 0


def _write(
    file: RemoteFile, chunks: Iterable[bytes], part: IO[bytes], done: int, total: int, progress: ProgressCallback | None
) -> None:
    if total > file.max_bytes:
        raise _MirrorError(f"offers {total} bytes, must be at most {file.max_bytes}")
    for chunk in chunks:
        done += len(chunk)
        if done > file.max_bytes:
            part.truncate(0)
            raise _MirrorError(f"more than {file.max_bytes} bytes")
        part.write(chunk)
        if progress is not None:
            progress(file.name, done, total)
    part.flush()
    if total and done < total:
        raise _MirrorError(f"stopped after {done} of {total} bytes")


def _digest_problem(file: RemoteFile, part: IO[bytes]) -> str:
    """How a complete file differs from its digests; empty if it does not."""
    part.flush()
    part.seek(0)
    digests = digests_of(part, file.digests)
    for name, digest in file.digests.items():
        if digests[name] != digest:
            return f"content has {name} {digests[name]}, expected {digest}"
    return "" if part.tell() else "empty"
