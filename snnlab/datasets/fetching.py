"""Download of a dataset: downloads, verifies and unpacks missing files into the first folder that `load` searches."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset
from snnlab.datasets.downloading import ProgressCallback, RemoteFile, download
from snnlab.datasets.extracting import extract
from snnlab.datasets.locating import (
    FileLocation,
    contains,
    data_folders,
    existing_archives,
    is_unpacked,
    locations,
    search_folders,
    subfolders,
)
from snnlab.datasets.verifying import check_archive, check_file, is_complete, listing_difference, verify
from snnlab.errors import InputError

_MAX_BYTES = 64 << 30  # of an archive of unpublished size


def fetch(
    name: str | Path, *, folder: Path | None = None, progress: ProgressCallback | None = None
) -> tuple[Path, ...]:
    """Download the missing files of a dataset, from its mirrors in turn, and return the paths of the new files.

    A file gets its name only when it is complete and verified; an interrupted download is resumed. Existing archives
    are unpacked without using the network. Raises InputError if no mirror has the file, if the folder cannot be
    written, and for data that must be bought.
    """
    card = cards.dataset(name)
    target = data_folders(folder)[0] / subfolders(card)[0]
    if card.obtain:
        invalid = [check.file for check in verify(name, folder=folder) if check.state != "ok"]
        if not invalid:
            return ()
        raise InputError(f"{card.id}: {', '.join(invalid)}", "cannot be downloaded", card.obtain)
    files = _invalid_files(card, folder) if card.mirrors else ()
    new = [download(_gzipped(card, file), target, progress) for file in files]
    for archive in card.archives.values():
        if not _has_contents(card, archive, folder):
            new += _fetch_archive(card, archive, folder, target, progress)
    return tuple(new)


def _invalid_files(card: Dataset, folder: Path | None) -> Iterator[DataFile]:
    for location in locations(card, folder):
        if check_file(card, location, folder).state != "ok":
            yield card.files[location.file]


def _gzipped(card: Dataset, file: DataFile) -> RemoteFile:
    urls = tuple(f"{mirror.rstrip('/')}/{file.name}.gz" for mirror in card.mirrors)
    digests = {name: value for name, value in (("sha256", file.sha256_gz), ("md5", file.md5_gz)) if value}
    # incompressible content grows by less than that
    return RemoteFile(f"{file.name}.gz", urls, digests, max_bytes=file.bytes + file.bytes // 100 + 1024)


def _has_contents(card: Dataset, archive: Archive, folder: Path | None) -> bool:
    """Whether the contents of an archive already exist."""
    if card.files or card.listing is not None:
        return all(is_complete(card, location, folder) for location in locations(card, folder))
    contained = [location for location in locations(card, folder) if contains(archive, location.file)]
    return bool(contained) and all(_is_unpacked(card, archive, location) for location in contained)


def _is_unpacked(card: Dataset, archive: Archive, location: FileLocation) -> bool:
    count = sum(split.samples for split in card.splits.values() if split.path == location.file)
    return location.path is not None and is_unpacked(archive, location.path, location.file, count)


def _fetch_archive(
    card: Dataset, archive: Archive, folder: Path | None, target: Path, progress: ProgressCallback | None
) -> tuple[Path, ...]:
    """Download an archive, unless a valid one exists, and unpack it. The archive stays for later verification."""
    existing = {archive.name: path for archive, path in existing_archives(card, search_folders(card, folder))}
    path = existing.get(archive.name)
    if path is None or check_archive(archive, path).state != "ok":
        digests = {name: value for name, value in (("sha256", archive.sha256), ("md5", archive.md5)) if value}
        file = RemoteFile(archive.name, archive.mirrors, digests, max_bytes=archive.bytes or _MAX_BYTES)
        path = download(file, target, progress)
    if not archive.keep:
        return (path,)
    destination = path.parent if os.access(path.parent, os.W_OK) else target
    count = None if progress is None else lambda done, total: progress(f"unpacking {archive.name}", done, total)
    listing = card.listing
    check = None if listing is None else lambda root: listing_difference(listing, root)
    return extract(path, destination, archive.keep, archive.strip, check=check, progress=count)
