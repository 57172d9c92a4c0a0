"""The original files of a dataset: finding them below the data folders, and holding them against the card."""

from __future__ import annotations

import gzip
import hashlib
import itertools
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset
from snnlab.errors import InputError
from snnlab.paths import data_folder

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a file of a dataset lies, and where it was looked for; `path` is None where it was not found."""

    file: str
    path: Path | None
    searched: tuple[Path, ...]


def where(name: str | Path, *, folder: Path | None = None) -> tuple[Place, ...]:
    """Where each file of a dataset lies, or each of its folders; empty for a dataset that ships with a package."""
    return tuple(places(cards.dataset(name), folder))


# Finding ---------------------------------------------------------------------------------------------------------


def roots(folder: Path | None) -> tuple[Path, ...]:
    """The folders below which data is looked for. Raises InputError for $SNNLAB_DATA that is no folder."""
    if folder is not None:
        return (Path(folder).expanduser(),)
    asked = os.environ.get("SNNLAB_DATA")
    if not asked:
        return (data_folder(),)
    root = Path(asked).expanduser()
    if not root.is_dir():
        raise InputError("SNNLAB_DATA", f"no folder {asked!r}", "name the folder that holds the data, or unset it")
    return (root, data_folder())


def places(card: Dataset, folder: Path | None) -> Iterator[Place]:
    """Where each file on the card lies; of recordings, where the file or folder of each part does."""
    everywhere = searched(card, folder)
    for part in dict.fromkeys(split.path for split in card.splits.values() if split.path):
        yield Place(part, next((path for place in everywhere if (path := below(place, part))), None), everywhere)
    for file in card.files:
        # the archive first, because it is what a download mends
        found = (path for place in everywhere for path in (place / f"{file}.gz", place / file) if path.is_file())
        yield Place(file, next(found, None), everywhere)


def searched(card: Dataset, folder: Path | None) -> tuple[Path, ...]:
    """The folders in which the files of a card are looked for."""
    return tuple(root / folder_of_card for root in roots(folder) for folder_of_card in folders(card))


def nowhere(place: Place) -> str:
    """That a file was not found, and where it was looked for."""
    return f"not found in {', '.join(map(str, place.searched))}"


def folders(card: Dataset) -> tuple[str, ...]:
    """Where the files may lie below a data folder, most likely first."""
    return card.folders or (card.id,)


def below(folder: Path, path: str) -> Path | None:
    """What lies at `path` below a folder, upper and lower case being the same; None where nothing does.

    Raises InputError for a folder that cannot be read.
    """
    for name in PurePosixPath(path).parts:
        if not folder.is_dir():
            return None
        names = listed(folder)
        if name in names:
            folder = folder / name
            continue
        alike = sorted(folder / entry for entry in names if entry.lower() == name.lower())
        if not alike:
            return None
        folder = alike[0]
    return folder


def find(card: Dataset, file: str, folder: Path | None) -> Path:
    """The path of one file, or of a part. Raises InputError, saying what to put where, if it is not there."""
    place = next(place for place in places(card, folder) if place.file == file)
    if place.path is None:
        right = f"set SNNLAB_DATA to the folder that holds it, or give --data, or run `snnlab data fetch {card.id}`"
        if packed := packed_at(card, place):
            right = f"{packed} is there: `snnlab data fetch {card.id}` unpacks it"
        missing = folder is not None and not Path(folder).expanduser().is_dir()
        found = nowhere(place) + (f"; there is no folder {folder}" if missing else "")
        raise InputError(f"{card.id}: {file}", found, card.obtain or right)
    return place.path


def listed(folder: Path) -> list[str]:
    """What is in a folder, sorted, apart from what systems hide in all of them.

    Raises InputError for a folder that cannot be read.
    """
    try:
        return sorted(entry.name for entry in folder.iterdir() if not hidden(entry.name))
    except OSError as error:
        raise InputError(folder, error.strerror or str(error), "needs a readable folder") from error


def hidden(name: str) -> bool:
    """Whether it is the name of what systems put into folders of their own accord, as in ".DS_Store"."""
    return name.startswith(".")


# Archives --------------------------------------------------------------------------------------------------------


def archives(card: Dataset, folders: Iterable[Path]) -> Iterator[tuple[Archive, Path]]:
    """The archives of a card that lie in any of these folders."""
    for archive in card.archives.values():
        path = next((path for place in folders if (path := place / archive.name).is_file()), None)
        if path is not None:
            yield archive, path


def packed_at(card: Dataset, place: Place) -> Path | None:
    """The archive that holds a file, or the files of a part, that were not found themselves."""
    for archive, path in archives(card, place.searched):
        if archive.keep and holds(archive, place.file):
            return path
    return None


def inside(archive: Archive) -> list[PurePosixPath]:
    """Patterns of what an archive holds, as it lies below the folder once unpacked; of a plain file, its name."""
    return [PurePosixPath(one).relative_to(archive.strip) for one in archive.keep] or [PurePosixPath(archive.name)]


def holds(archive: Archive, file: str) -> bool:
    """Whether an archive holds a file of a card, plain or gzipped, or files of the part at this path."""
    return bool(_rests(archive, file) or _rests(archive, f"{file}.gz"))


def whole(archive: Archive, path: Path, file: str, wanted: int) -> bool:
    """Whether what an archive holds of `file` is at `path`: the file, or below the folder so many files."""
    found = itertools.chain.from_iterable(path.glob(str(rest)) for rest in _rests(archive, file) if rest.parts)
    return path.is_file() or sum(1 for _ in itertools.islice(found, wanted)) == wanted


def _rests(archive: Archive, file: str) -> list[PurePosixPath]:
    """Of the patterns of an archive that begin with the path of a file or folder, what follows behind it."""
    path = PurePosixPath(file)
    depth = len(path.parts)
    patterns = [one.parts for one in inside(archive) if len(one.parts) >= depth]
    return [PurePosixPath(*one[depth:]) for one in patterns if path.match("/".join(one[:depth]))]


# Checking --------------------------------------------------------------------------------------------------------


def check_sum(path: Path, content: bytearray, file: DataFile) -> str:
    """What could not be checked, for want of a published digest; empty where all was.

    Raises InputError for content that is not what the card says.
    """
    if len(content) != file.bytes:
        raise InputError(path, f"{len(content)} bytes of content", f"the card says {file.bytes}: get the file anew")
    if file.sha256:
        # of the plain content, so that an archive that somebody packed again is as good as the published one
        found = hashlib.sha256(content).hexdigest()
        if found != file.sha256:
            raise InputError(path, f"content has sha256 {found}", f"the card says {file.sha256}: get the file anew")
        return ""
    if path.suffix == ".gz" and file.sha256_gz:
        found = hashlib.sha256(path.read_bytes()).hexdigest()
        if found != file.sha256_gz:
            raise InputError(path, f"sha256 {found}", f"the card says {file.sha256_gz}: get the file anew")
        return ""
    return "its size is right; nobody has published a digest of it"


def content_of(path: Path, most: int) -> bytearray:
    """The bytes of a file, unpacked if it is a gzip archive; never more than `most`, whatever the file says."""
    content = bytearray()
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            with gzip.open(raw) if packed else raw as file:
                while chunk := file.read(_CHUNK):
                    content += chunk
                    if len(content) > most:
                        raise InputError(path, f"more than {most} bytes", "is it another file's name?")
    except EOFError as error:
        raise InputError(
            path, f"gzip archive cut short after {len(content)} bytes of content", "get the file anew"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise InputError(path, f"damaged gzip archive: {error}", "get the file anew") from error
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "needs a readable file") from error
    return content
