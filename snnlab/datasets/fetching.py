"""Getting a dataset, when asked: what is missing is downloaded, checked and unpacked where `load` looks first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from snnlab import cards
from snnlab.cards import Archive, DataFile, Dataset
from snnlab.datasets import verifying
from snnlab.datasets.downloading import ProgressCallback, Wanted, download
from snnlab.datasets.extracting import unpack
from snnlab.datasets.files import Place, archives, folders, holds, places, roots, searched, whole
from snnlab.errors import InputError

_MOST = 64 << 30  # bytes of an archive whose size nobody has published


def fetch(
    name: str | Path, *, folder: Path | None = None, progress: ProgressCallback | None = None
) -> tuple[Path, ...]:
    """Download the files of a dataset that are not there already, from its mirrors in turn; the paths of the new ones.

    They go where `load` looks first. A file appears under its name only once it is complete and its checksum is right;
    a download that was stopped is gone on with. An archive that lies there already is unpacked without the net.
    Raises InputError where no mirror has the file, where the folder cannot be written, and for data that is not free.
    """
    card = cards.dataset(name)
    target = roots(folder)[0] / folders(card)[0]
    if card.obtain:
        wrong = [check for check in verifying.verify(name, folder=folder) if check.state != "ok"]
        if not wrong:
            return ()
        raise InputError(f"{card.id}: {', '.join(check.file for check in wrong)}", "cannot be downloaded", card.obtain)
    new = [download(_gzipped(card, file), target, progress) for file in _lacking(card, folder)] if card.mirrors else []
    for archive in card.archives.values():
        if not _there(card, archive, folder):
            new += _unpacked(card, archive, folder, target, progress)
    return tuple(new)


def _lacking(card: Dataset, folder: Path | None) -> Iterator[DataFile]:
    for place in places(card, folder):
        if verifying.check(card, place, folder).state != "ok":
            yield card.files[place.file]


def _gzipped(card: Dataset, file: DataFile) -> Wanted:
    urls = tuple(f"{mirror.rstrip('/')}/{file.name}.gz" for mirror in card.mirrors)
    digests = {name: value for name, value in (("sha256", file.sha256_gz), ("md5", file.md5_gz)) if value}
    # what cannot be packed grows by less than that
    return Wanted(f"{file.name}.gz", urls, digests, most=file.bytes + file.bytes // 100 + 1024)


def _there(card: Dataset, archive: Archive, folder: Path | None) -> bool:
    """Whether what an archive holds lies where it is looked for already."""
    if card.files or card.listing is not None:
        return all(verifying.complete(card, place, folder) for place in places(card, folder))
    held = [place for place in places(card, folder) if holds(archive, place.file)]
    return bool(held) and all(_whole(card, archive, place) for place in held)


def _whole(card: Dataset, archive: Archive, place: Place) -> bool:
    wanted = sum(split.samples for split in card.splits.values() if split.path == place.file)
    return place.path is not None and whole(archive, place.path, place.file, wanted)


def _unpacked(
    card: Dataset, archive: Archive, folder: Path | None, target: Path, progress: ProgressCallback | None
) -> tuple[Path, ...]:
    """What an archive holds, downloaded unless a right one lies there; the archive stays, to be checked later."""
    path = {one.name: path for one, path in archives(card, searched(card, folder))}.get(archive.name)
    if path is None or verifying.check_archive(archive, path).state != "ok":
        digests = {name: value for name, value in (("sha256", archive.sha256), ("md5", archive.md5)) if value}
        wanted = Wanted(archive.name, archive.mirrors, digests, most=archive.bytes or _MOST)
        path = download(wanted, target, progress)
    if not archive.keep:
        return (path,)
    into = path.parent if os.access(path.parent, os.W_OK) else target
    count = None if progress is None else lambda done, total: progress(f"unpacking {archive.name}", done, total)
    listing = card.listing
    differs = None if listing is None else lambda root: verifying.differs(listing, root)
    return unpack(path, into, archive.keep, archive.strip, differs=differs, progress=count)
