"""The original files of a dataset: finding them below the data folders, and holding them against the card."""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snnlab import cards
from snnlab.cards import DataFile, Dataset
from snnlab.errors import Refused
from snnlab.folders import data_folder

_GZIP = b"\x1f\x8b"
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Place:
    """Where a file of a dataset lies, and where it was looked for; `path` is None where it was not found."""

    file: str
    path: Path | None
    searched: tuple[Path, ...]


@dataclass(frozen=True)
class Check:
    """What is known of a file after reading it: `state` is "ok", "bad" or "missing", `reason` says why it is not ok."""

    file: str
    path: Path | None
    state: str
    reason: str = ""


def where(name: str | Path, *, folder: Path | None = None) -> tuple[Place, ...]:
    """Where each file of a dataset lies; empty for a dataset that ships with a package."""
    return tuple(places(cards.dataset(name), folder))


def verify(name: str | Path, *, folder: Path | None = None) -> tuple[Check, ...]:
    """Read every file of a dataset and hold it against its card; empty for a dataset that ships with a package."""
    card = cards.dataset(name)
    return tuple(check(card.files[place.file], place) for place in places(card, folder))


# Finding ---------------------------------------------------------------------------------------------------------


def roots(folder: Path | None) -> tuple[Path, ...]:
    """The folders below which data is looked for. Raises Refused for $SNNLAB_DATA that is no folder."""
    if folder is not None:
        return (Path(folder).expanduser(),)
    asked = os.environ.get("SNNLAB_DATA")
    if not asked:
        return (data_folder(),)
    root = Path(asked).expanduser()
    if not root.is_dir():
        raise Refused("SNNLAB_DATA", f"no folder {asked!r}", "name the folder that holds the data, or unset it")
    return (root, data_folder())


def places(card: Dataset, folder: Path | None) -> Iterator[Place]:
    """Where each file on the card lies."""
    searched = tuple(root / below for root in roots(folder) for below in folders(card))
    for file in card.files:
        # the archive first, because it is what a download mends
        found = (path for below in searched for path in (below / f"{file}.gz", below / file) if path.is_file())
        yield Place(file, next(found, None), searched)


def _nowhere(place: Place) -> str:
    return f"not found in {', '.join(map(str, place.searched))}"


def folders(card: Dataset) -> tuple[str, ...]:
    """Where the files may lie below a data folder, most likely first."""
    return card.folders or (card.id,)


def find(card: Dataset, file: str, folder: Path | None) -> Path:
    """The path of one file. Raises Refused where it is not there."""
    place = next(place for place in places(card, folder) if place.file == file)
    if place.path is None:
        right = f"set SNNLAB_DATA to the folder that holds it, or give --data, or run `snnlab data fetch {card.id}`"
        raise Refused(f"{card.id}: {file}", _nowhere(place), right)
    return place.path


# Checking --------------------------------------------------------------------------------------------------------


def check_sum(path: Path, content: bytearray, file: DataFile) -> None:
    """Raises Refused for content that is not what the card says."""
    # of the plain content, so that an archive that somebody packed again is as good as the published one
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise Refused(path, f"content has sha256 {found}", f"the card says {file.sha256}: get the file anew")


def check(file: DataFile, place: Place) -> Check:
    """What is to be said of one file."""
    if place.path is None:
        return Check(file.name, None, "missing", _nowhere(place))
    try:
        check_sum(place.path, content_of(place.path, file.bytes), file)
    except Refused as refusal:
        return Check(file.name, place.path, "bad", "; ".join(filter(None, (refusal.found, refusal.right))))
    return Check(file.name, place.path, "ok")


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
                        raise Refused(path, f"more than {most} bytes", "is it another file's name?")
    except EOFError as error:
        raise Refused(
            path, f"gzip archive cut short after {len(content)} bytes of content", "get the file anew"
        ) from error
    except (gzip.BadGzipFile, zlib.error) as error:
        raise Refused(path, f"damaged gzip archive: {error}", "get the file anew") from error
    except OSError as error:
        raise Refused(path, error.strerror or str(error), "needs a readable file") from error
    return content
