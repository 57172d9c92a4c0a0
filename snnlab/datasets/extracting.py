"""Archives unpacked as if a stranger had packed them: zip, tar and gzipped tar."""

from __future__ import annotations

import fcntl
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from snnlab.errors import InputError

_MOST_MEMBERS = 1_000_000
_LARGEST_RATIO = 200  # of content to archive; recordings and images as published reach 20
_CHUNK = 1 << 20

ProgressCallback = Callable[[int, int], None]
"""Is told how many members are unpacked, and of how many."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    plain: bool  # a file: no folder, link, device or encrypted member
    open: Callable[[], IO[bytes] | None]


def unpack(
    archive: Path,
    folder: Path,
    keep: tuple[str, ...],
    strip: str = "",
    *,
    differs: Callable[[Path], str] | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[Path, ...]:
    """The members whose path matches one of `keep` as files in `folder`, the folder `strip` left away; their paths.

    differs  says what is wrong with the folder that holds them before they are moved; empty where nothing is

    Nothing appears under its name before all of the archive has been read. Raises InputError for what is no archive,
    is damaged, holds none of these, or is not to be trusted: members outside the folder, links, more members or far
    more content than a data set has.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _aside(archive, folder) as aside, _opened(archive) as members:
            chosen = [one for one in members if not one.name.endswith("/") and _matches(one.name, keep)]
            _check(archive, chosen, folder)
            places = [_place(archive, one.name, strip) for one in chosen]
            if len(set(places)) < len(places):
                raise InputError(archive, "two members with one name", "is it the archive as published?")
            for number, (member, place) in enumerate(zip(chosen, places, strict=True)):
                _write(archive, member, aside / place)
                if progress is not None:
                    progress(number + 1, len(chosen))
            if differs is not None and (wrong := differs(aside)):
                raise InputError(
                    archive, wrong, "is it the archive as published? Delete it, and it will be fetched anew"
                )
            return tuple(_move(aside / place, folder / place) for place in places)
    except OSError as error:
        right = "needs an archive that can be read, and a folder that can be written to"
        raise InputError(error.filename or archive, error.strerror or str(error), right) from error


@contextmanager
def _aside(archive: Path, folder: Path) -> Iterator[Path]:
    """A folder to unpack into, on the same disk, gone afterwards; the archive is locked meanwhile."""
    aside = folder / f".{archive.name}.unpacking"
    with archive.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(archive, "another process unpacks it", "wait for it") from error
        shutil.rmtree(aside, ignore_errors=True)  # of a process that was killed
        try:
            aside.mkdir()
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    damaged = (
        zipfile.BadZipFile,
        tarfile.TarError,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        ValueError,
    )
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield list(_few(archive, (_of_zip(file, info) for info in file.infolist())))
        else:
            with tarfile.open(archive) as tar:
                yield list(_few(archive, (_of_tar(tar, info) for info in tar)))
    except InputError:
        raise
    except damaged as error:
        raise InputError(archive, f"not a whole zip or tar archive: {error}", "get the file anew") from error


def _of_zip(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    plain = not info.is_dir() and not info.flag_bits & 1 and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return _Member(info.filename, info.file_size, plain, lambda: file.open(info))


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name + "/" * info.isdir(), info.size, info.isreg(), lambda: tar.extractfile(info))


def _few(archive: Path, members: Iterator[_Member]) -> Iterator[_Member]:
    for number, member in enumerate(members):
        if number >= _MOST_MEMBERS:
            raise InputError(archive, f"more than {_MOST_MEMBERS} members", "is it the archive as published?")
        yield member


def _matches(name: str, keep: tuple[str, ...]) -> bool:
    path = PurePosixPath(name)
    return any(len(path.parts) == len(PurePosixPath(one).parts) and path.match(one) for one in keep)


def _check(archive: Path, chosen: list[_Member], folder: Path) -> None:
    if not chosen:
        raise InputError(archive, "holds none of the files that the card names", "is it the archive as published?")
    for member in chosen:
        if not member.plain:
            raise InputError(
                archive, f"{member.name!r} is no plain file", "links, devices and secrets are not unpacked"
            )
    total, size = sum(member.size for member in chosen), archive.stat().st_size
    if total > _LARGEST_RATIO * size:
        raise InputError(archive, f"{size} bytes say that they hold {total}", "is it the archive as published?")
    if total > (free := shutil.disk_usage(folder).free):
        raise InputError(folder, f"{free} bytes are free", f"{archive.name} needs {total}")


def _place(archive: Path, name: str, strip: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise InputError(archive, f"member {name!r} lies outside", "is it the archive as published?")
    return path.relative_to(strip) if strip else path


def _write(archive: Path, member: _Member, target: Path) -> None:
    """The member as a file; never more of it than its header says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    source = member.open()
    if source is None:
        raise InputError(archive, f"{member.name!r} is no plain file", "links, devices and secrets are not unpacked")
    with source, target.open("xb") as file:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise InputError(archive, f"{member.name!r} has another size than its header says", "get the file anew")


def _move(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return source.replace(target)
