"""Whether a dataset is whole: every file held against the card, as far as anybody has published digests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset, Listing
from snnlab.errors import Refused
from snnlab.loaders.download import digests_of
from snnlab.loaders.files import Place, check_sum, content_of, nowhere, places


@dataclass(frozen=True)
class Check:
    """What is known of a file, folder or archive after reading it.

    state   "ok", "bad" or "missing"
    reason  why it is not ok; or, where it is, what could not be checked
    """

    file: str
    path: Path | None
    state: str
    reason: str = ""


def verify(name: str | Path, *, folder: Path | None = None) -> tuple[Check, ...]:
    """Read every file of a dataset and hold it against its card; empty for a dataset that ships with a package.

    Recordings are counted, and compared with the card's listing where it has one; archives that still lie there are
    checked as well.
    """
    card = cards.dataset(name)
    checks = [check(card, place) for place in places(card, folder)]
    checks += [check_archive(archive, path) for archive, path in archives(card, folder)]
    return tuple(checks)


def check(card: Dataset, place: Place) -> Check:
    """What is to be said of one file of a card, or of the file or folder of one of its parts."""
    if place.path is None:
        return Check(place.file, None, "missing", nowhere(place))
    if place.file in card.files:
        return _check_file(card.files[place.file], place.path)
    if card.listing is not None and card.listing.sha256:
        return _check_listing(card.listing, place, place.path)
    wanted = sum(split.samples for split in card.splits.values() if split.path == place.file)
    if place.path.is_file():
        return Check(
            place.file, place.path, "ok", "nobody has published a digest of it" * (not _is_archive(card, place))
        )
    found = sum(path.suffix.lower() in SUFFIXES[card.format] for path in place.path.rglob("*"))
    if not found:
        right = f"no {' or '.join(sorted(SUFFIXES[card.format]))} files below it"
        return Check(place.file, place.path, "bad", right)
    many = f"{found:,}" if found == wanted else f"{found:,} of {wanted:,}"
    return Check(place.file, place.path, "ok", f"{many} recordings; nobody has published digests of them")


SUFFIXES = {"nmnist-bin": {".bin"}, "audio": {".wav", ".sph"}, "tonic": {".npy"}}
"""How the names of recordings end, by format."""


def archives(card: Dataset, folder: Path | None) -> Iterator[tuple[Archive, Path]]:
    """The archives of a card that lie where its files are looked for."""
    place = next(places(card, folder), None)
    for archive in card.archives.values():
        found = (below / archive.name for below in (place.searched if place else ()))
        path = next((path for path in found if path.is_file()), None)
        if path is not None:
            yield archive, path


def check_archive(archive: Archive, path: Path) -> Check:
    """What is to be said of an archive."""
    digests = {name: value for name, value in (("sha256", archive.sha256), ("md5", archive.md5)) if value}
    try:
        with path.open("rb") as file:
            found = digests_of(file, digests)
    except OSError as error:
        return Check(archive.name, path, "bad", error.strerror or str(error))
    for name, value in digests.items():
        if found[name] != value:
            return Check(archive.name, path, "bad", f"{name} {found[name]}; the card says {value}: get the file anew")
    return Check(archive.name, path, "ok", "" if digests else "nobody has published a digest of it")


def _is_archive(card: Dataset, place: Place) -> bool:
    return place.path is not None and place.path.name in card.archives


def _check_file(file: DataFile, path: Path) -> Check:
    try:
        unknown = check_sum(path, content_of(path, file.bytes), file)
    except Refused as refusal:
        return Check(file.name, path, "bad", "; ".join(filter(None, (refusal.found, refusal.right))))
    return Check(file.name, path, "ok", unknown)


def _check_listing(listing: Listing, place: Place, path: Path) -> Check:
    """Every file that the pattern finds, listed as sha256sum would, against the card's digest of that list."""
    root = path.parents[len(Path(place.file).parts) - 1]
    names = sorted(path.relative_to(root).as_posix() for path in root.glob(listing.pattern))
    if len(names) != listing.files:
        return Check(place.file, path, "bad", f"{len(names):,} files; the card says {listing.files:,}")
    lines = "".join(f"{hashlib.sha256((root / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    if hashlib.sha256(lines.encode()).hexdigest() != listing.sha256:
        return Check(place.file, path, "bad", "some of the files are not those of the release that the card names")
    return Check(place.file, path, "ok")
