"""One file from the net: from its mirrors in turn, resumed where it stopped, under its name only when it is right."""

from __future__ import annotations

import fcntl
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from snnlab.errors import InputError

ProgressCallback = Callable[[str, int, int], None]
"""Is told a file's name, the bytes of it that are there, and how many it has (0 where nobody knows)."""

_CHUNK = 1 << 16
_SECONDS = 30  # that a mirror may keep silent
_AGENT = "snnlab"


@dataclass(frozen=True)
class Wanted:
    """A file to be downloaded: its addresses, the digests it must have by their names in hashlib, and a size limit."""

    name: str
    urls: tuple[str, ...]
    digests: Mapping[str, str]
    most: int  # bytes


class _Failed(Exception):
    """What went wrong with one mirror; the next one may do better."""


def download(wanted: Wanted, folder: Path, progress: ProgressCallback | None = None) -> Path:
    """The file, complete and with the right digests, in `folder`.

    What has come before a stop in the middle lies beside it as <name>.part, and is gone on with where the mirror can.
    Raises InputError where no mirror has the right file, where the folder cannot be written, and where another process
    downloads the same file.
    """
    target, failures = folder / wanted.name, list[str]()
    with _part(target) as part:
        for url in wanted.urls:
            try:
                _complete(wanted, url, part, progress)
            except _Failed as failure:
                failures.append(f"{url}: {failure}")
            else:
                Path(part.name).replace(target)
                return target
    reasons = " / ".join(failures) or "no mirrors"
    raise InputError(f"{folder / wanted.name}", reasons, "run it again to go on, or put the file there by hand")


@contextmanager
def _part(target: Path) -> Iterator[IO[bytes]]:
    """The file that the download grows in, locked; a part without content leaves nothing behind."""
    path = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InputError(path, "another process downloads it", "wait for it") from error
            if not path.exists() or path.stat().st_ino != os.fstat(part.fileno()).st_ino:
                raise InputError(path, "another process has just downloaded it", "look whether it is there")
            try:
                yield part
            finally:
                if path.exists() and part.seek(0, 2) == 0:
                    path.unlink()
    except OSError as error:
        right = "name a folder that can be written to"
        raise InputError(error.filename or target.parent, error.strerror or str(error), right) from error


def _complete(wanted: Wanted, url: str, part: IO[bytes], progress: ProgressCallback | None) -> None:
    """The whole file in `part`; where what was there before spoils it, once more from the beginning."""
    resumed = _append(wanted, url, part, progress)
    wrong = _wrong(wanted, part)
    if wrong and resumed:
        part.truncate(0)
        _append(wanted, url, part, progress)
        wrong = _wrong(wanted, part)
    if wrong:
        part.truncate(0)
        raise _Failed(wrong)


def _append(wanted: Wanted, url: str, part: IO[bytes], progress: ProgressCallback | None) -> bool:
    """Ask for what is missing, and write it behind what is there; says whether there was something."""
    # imported here, because most runs download nothing
    import requests
    from urllib3.exceptions import HTTPError

    had = part.seek(0, 2)
    headers = {"User-Agent": _AGENT, "Accept-Encoding": "identity"} | ({"Range": f"bytes={had}-"} if had else {})
    try:
        with requests.get(url, headers=headers, stream=True, timeout=_SECONDS) as answer:
            if had and answer.status_code == 416:  # there is nothing behind what is there
                return True
            if answer.status_code not in (200, 206):
                raise _Failed(f"{answer.status_code} {answer.reason}")
            if had and not _goes_on(answer.status_code, answer.headers.get("Content-Range", ""), had):
                part.truncate(0)
                had = 0
            length = answer.headers.get("Content-Length", "")
            total = had + int(length) if length.isdecimal() else 0
            _write(wanted, answer.raw.stream(_CHUNK, decode_content=False), part, had, total, progress)
    except HTTPError as error:
        part.flush()
        raise _Failed(f"stopped after {part.seek(0, 2)} bytes: {error}") from error
    except (requests.RequestException, UnicodeError) as error:
        raise _Failed(str(error)) from error
    return had > 0


def _goes_on(status: int, said: str, had: int) -> bool:
    return status == 206 and said.startswith(f"bytes {had}-")


def _write(
    wanted: Wanted, chunks: Iterable[bytes], part: IO[bytes], had: int, total: int, progress: ProgressCallback | None
) -> None:
    if total > wanted.most:
        raise _Failed(f"{total} bytes are offered, at most {wanted.most} can be right")
    for chunk in chunks:
        had += len(chunk)
        if had > wanted.most:
            part.truncate(0)
            raise _Failed(f"more than {wanted.most} bytes")
        part.write(chunk)
        if progress is not None:
            progress(wanted.name, had, total)
    part.flush()
    if total and had < total:
        raise _Failed(f"stopped after {had} of {total} bytes")


def _wrong(wanted: Wanted, part: IO[bytes]) -> str:
    """What is wrong with the content of a complete file; empty where nothing is."""
    part.flush()
    part.seek(0)
    found = digests_of(part, wanted.digests)
    for name, digest in wanted.digests.items():
        if found[name] != digest:
            return f"content has {name} {found[name]}, the card says {digest}"
    return "" if part.tell() else "empty"


def digests_of(file: IO[bytes], names: Iterable[str]) -> dict[str, str]:
    """The digests of what is left of a file, by their names in hashlib, read once."""
    # a digest that a card names is a checksum here: MD5 is what many datasets publish
    running = {name: hashlib.new(name, usedforsecurity=False) for name in names}
    while chunk := file.read(1 << 20):
        for one in running.values():
            one.update(chunk)
    return {name: one.hexdigest() for name, one in running.items()}
