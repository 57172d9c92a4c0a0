"""Verification of a dataset: compares every file with the card, as far as digests are published."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset, Listing
from snnlab.data.samples import Files
from snnlab.datasets.checksums import digests_of, read_content, verify_content
from snnlab.datasets.formats import FORMATS
from snnlab.datasets.locating import (
    FileLocation,
    archive_of,
    existing_archives,
    is_hidden,
    locations,
    search_folders,
)
from snnlab.errors import InputError


@dataclass(frozen=True)
class FileCheck:
    """Result of the verification of a file, folder or archive.

    state   "ok", "bad" or "missing"
    reason  why it is not ok; if ok, what could not be verified
    """

    file: str
    path: Path | None
    state: str
    reason: str = ""


def verify(name: str | Path, *, folder: Path | None = None) -> tuple[FileCheck, ...]:
    """Compare every file of a dataset with its card; empty for a dataset that needs no files.

    Recordings are decoded and counted if only some exist, or if no digests are published. Decoding finds neither a
    wrong label nor a missing end of a recording that still has whole events or samples. Existing archives are verified
    too.
    """
    card = cards.dataset(name)
    checks = [check_file(card, location, folder) for location in locations(card, folder)]
    archives = existing_archives(card, search_folders(card, folder))
    return (*checks, *(check_archive(archive, path) for archive, path in archives))


def check_file(card: Dataset, location: FileLocation, folder: Path | None) -> FileCheck:
    """Verify one file of a card, or the file or folder of a split."""
    file, path = location.file, location.path
    if path is None:
        archive = archive_of(card, location)
        hint = f"; {archive} exists: run `snnlab data fetch {card.id}` to unpack it" if archive else ""
        return FileCheck(file, None, "missing", location.not_found + hint)
    if file in card.files:
        return _check_data_file(card.files[file], path)
    if card.listing is None or not card.listing.sha256:
        return _check_recordings(card, file, path, folder, "no digests of them are published")
    root = _root(path, file)
    count = len(_listed_names(card.listing, root))
    if count < card.listing.files:
        return _check_recordings(card, file, path, folder, "the published digest is of the complete release")
    try:
        difference = listing_difference(card.listing, root)
    except InputError as error:
        return FileCheck(file, path, "bad", str(error))
    if not difference:
        return FileCheck(file, path, "ok")
    if count == card.listing.files:
        # the name of a corrupt file is more useful than that any of thousands differs
        decoded = _check_recordings(card, file, path, folder, "")
        if decoded.state == "bad":
            return decoded
    return FileCheck(file, path, "bad", difference)


def is_complete(card: Dataset, location: FileLocation, folder: Path | None) -> bool:
    """Whether a file of a card, or all recordings of a split, exist and are valid."""
    if location.path is None or location.file in card.files or card.listing is None or not card.listing.sha256:
        return check_file(card, location, folder).state == "ok"
    return not listing_difference(card.listing, _root(location.path, location.file))


def listing_difference(listing: Listing, root: Path) -> str:
    """How the files below a folder differ from a listing; empty if they do not. Names may be in upper or lower case.

    Raises InputError for a file that cannot be read.
    """
    names = _listed_names(listing, root)
    if len(names) != listing.files:
        return f"{len(names):,} files; expected {listing.files:,}"
    digests = {name: _sha256(root / name) for name in names}
    for spelling in (str, str.lower):
        lines = sorted((spelling(name), digest) for name, digest in digests.items())
        text = "".join(f"{digest}  {name}\n" for name, digest in lines)
        if hashlib.sha256(text.encode()).hexdigest() == listing.sha256:
            return ""
    return "some files differ from the release on the card"


def _root(path: Path, file: str) -> Path:
    """The folder of which `file`, at `path`, is a relative path."""
    return path.parents[len(Path(file).parts) - 1]


def _listed_names(listing: Listing, root: Path) -> list[str]:
    """The relative paths that match a listing's pattern in upper or lower case, without hidden files."""
    pattern = "".join(f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in listing.pattern)
    paths = (path for path in root.glob(pattern) if not is_hidden(path.name) and path.is_file())
    return sorted(path.relative_to(root).as_posix() for path in paths)


def _sha256(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "must be a readable file") from error


def _check_recordings(card: Dataset, file: str, path: Path, folder: Path | None, unverified: str) -> FileCheck:
    """Decode every recording of the splits at one path; `unverified` is what that does not verify."""
    file_format = FORMATS[card.format]
    expected = count = 0
    try:
        for name, split in card.splits.items():
            if split.path == file:
                samples = file_format.load(card, name, folder)
                expected, count = expected + split.samples, count + len(samples)
                if isinstance(samples, Files):
                    for _ in file_format.decode(card, samples):
                        pass
    except InputError as error:
        return FileCheck(file, path, "bad", str(error))
    counted = f"{count:,}" if count == expected else f"{count:,} of {expected:,}"
    return FileCheck(file, path, "ok", f"{counted} recordings can be read; {unverified}")


def check_archive(archive: Archive, path: Path) -> FileCheck:
    """Verify an archive."""
    expected = {name: value for name, value in (("sha256", archive.sha256), ("md5", archive.md5)) if value}
    try:
        with path.open("rb") as file:
            digests = digests_of(file, expected)
    except OSError as error:
        return FileCheck(archive.name, path, "bad", error.strerror or str(error))
    for name, value in expected.items():
        if digests[name] != value:
            reason = f"{name} {digests[name]}; expected {value}: download it again"
            return FileCheck(archive.name, path, "bad", reason)
    return FileCheck(archive.name, path, "ok", "" if expected else "no digest of it is published")


def _check_data_file(file: DataFile, path: Path) -> FileCheck:
    try:
        unverified = verify_content(path, read_content(path, file.bytes), file)
    except InputError as error:
        return FileCheck(file.name, path, "bad", "; ".join(filter(None, (error.problem, error.hint))))
    return FileCheck(file.name, path, "ok", unverified)
