"""Safe extraction of untrusted archives: zip, tar and gzipped tar."""

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

_MAX_MEMBERS = 1_000_000
_MAX_RATIO = 200  # of content to archive size; published recordings and images reach 20
_CHUNK = 1 << 20
_PUBLISHED = "must be the archive as published"
_CORRUPT = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError
)  # fmt: skip

ProgressCallback = Callable[[int, int], None]
"""Called with the number of extracted members and their total."""


@dataclass(frozen=True)
class _Member:
    name: str
    size: int
    is_plain: bool  # not a folder, link, device or encrypted member
    open: Callable[[], IO[bytes] | None]


def extract(
    archive: Path,
    folder: Path,
    keep: tuple[str, ...],
    strip: str = "",
    *,
    check: Callable[[Path], str] | None = None,
    progress: ProgressCallback | None = None,
) -> tuple[Path, ...]:
    """Extract the members that match one of the patterns `keep` into `folder`, without the prefix `strip`.

    check  given the folder of the extracted members before they are moved, returns what is wrong; empty if valid

    Returns the paths. Files get their names only after the whole archive has been read. Raises InputError for a corrupt
    archive, one without matching members, and an unsafe one: members outside the folder, links, too many members or
    too much content.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _temporary_folder(archive, folder) as temporary, _opened(archive) as members:
            chosen = [member for member in members if not member.name.endswith("/") and _matches(member.name, keep)]
            _check(archive, chosen, folder)
            targets = [_target(archive, member.name, strip) for member in chosen]
            if len(set(targets)) < len(targets):
                raise InputError(archive, "two members with the same name", _PUBLISHED)
            for number, (member, target) in enumerate(zip(chosen, targets, strict=True)):
                _write(archive, member, temporary / target)
                if progress is not None:
                    progress(number + 1, len(chosen))
            if check is not None and (problem := check(temporary)):
                raise InputError(archive, problem, "must be the archive as published: delete it to download it again")
            return tuple(_move(temporary / target, folder / target) for target in targets)
    except OSError as error:
        hint = "must be a readable archive and a writable folder"
        raise InputError(error.filename or archive, error.strerror or str(error), hint) from error


@contextmanager
def _temporary_folder(archive: Path, folder: Path) -> Iterator[Path]:
    """A folder on the same disk that is removed afterwards; locks the archive meanwhile."""
    temporary = folder / f".{archive.name}.unpacking"
    with archive.open("rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(archive, "another process is extracting it", "wait until it has finished") from error
        shutil.rmtree(temporary, ignore_errors=True)  # of a killed process
        try:
            temporary.mkdir()
            yield temporary
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _opened(archive: Path) -> Iterator[list[_Member]]:
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                yield list(_limited(archive, (_of_zip(file, info) for info in file.infolist())))
        else:
            with tarfile.open(archive) as tar:
                yield list(_limited(archive, (_of_tar(tar, info) for info in tar)))
    except InputError:
        raise
    except _CORRUPT as error:
        raise InputError(archive, f"not a complete zip or tar archive: {error}", "download it again") from error


def _of_zip(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    is_plain = not info.is_dir() and not info.flag_bits & 1 and stat.S_IFMT(mode) in (0, stat.S_IFREG)
    return _Member(info.filename, info.file_size, is_plain, lambda: file.open(info))


def _of_tar(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    return _Member(info.name + "/" * info.isdir(), info.size, info.isreg(), lambda: tar.extractfile(info))


def _limited(archive: Path, members: Iterator[_Member]) -> Iterator[_Member]:
    for number, member in enumerate(members):
        if number >= _MAX_MEMBERS:
            raise InputError(archive, f"more than {_MAX_MEMBERS} members", _PUBLISHED)
        yield member


def _matches(name: str, keep: tuple[str, ...]) -> bool:
    path = PurePosixPath(name)
    return any(len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern) for pattern in keep)


def _check(archive: Path, chosen: list[_Member], folder: Path) -> None:
    if not chosen:
        raise InputError(archive, "contains none of the files on the card", _PUBLISHED)
    for member in chosen:
        if not member.is_plain:
            raise _not_plain(archive, member)
    total, size = sum(member.size for member in chosen), archive.stat().st_size
    if total > _MAX_RATIO * size:
        raise InputError(archive, f"{size} bytes claim to contain {total}", _PUBLISHED)
    if total > (free := shutil.disk_usage(folder).free):
        raise InputError(folder, f"{free} bytes are free", f"{archive.name} needs {total}")


def _not_plain(archive: Path, member: _Member) -> InputError:
    return InputError(
        archive, f"{member.name!r} is not a plain file", "links, devices and encrypted members are not extracted"
    )


def _target(archive: Path, name: str, strip: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or set(name) & set("\\:\0"):
        raise InputError(archive, f"member {name!r} is outside the folder", _PUBLISHED)
    return path.relative_to(strip) if strip else path


def _write(archive: Path, member: _Member, target: Path) -> None:
    """Write a member to a file, at most as many bytes as its header says."""
    target.parent.mkdir(parents=True, exist_ok=True)
    left = member.size
    source = member.open()
    if source is None:
        raise _not_plain(archive, member)
    with source, target.open("xb") as file:
        while chunk := source.read(min(_CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                break
            file.write(chunk)
    if left:
        raise InputError(archive, f"the size of {member.name!r} differs from its header", "download it again")


def _move(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    return source.replace(target)
