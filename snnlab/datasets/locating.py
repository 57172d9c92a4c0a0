"""The files and archives of a dataset below the data folders."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from snnlab import cards
from snnlab.cards import Archive, Dataset
from snnlab.errors import InputError
from snnlab.paths import data_folder


@dataclass(frozen=True)
class FileLocation:
    """The path of a file or folder of a dataset, None if missing, and the folders that were searched."""

    file: str
    path: Path | None
    searched: tuple[Path, ...]

    @property
    def not_found(self) -> str:
        """Where a missing file was searched."""
        return f"not found in {', '.join(map(str, self.searched))}"


def locate(name: str | Path, *, folder: Path | None = None) -> tuple[FileLocation, ...]:
    """Where each file or folder of a dataset is; empty for a dataset that needs no files."""
    return tuple(locations(cards.dataset(name), folder))


def data_folders(folder: Path | None) -> tuple[Path, ...]:
    """The folders below which data is searched. Raises InputError if $SNNLAB_DATA is not a folder."""
    if folder is not None:
        return (Path(folder).expanduser(),)
    variable = os.environ.get("SNNLAB_DATA")
    if not variable:
        return (data_folder(),)
    root = Path(variable).expanduser()
    if not root.is_dir():
        raise InputError("SNNLAB_DATA", f"no folder {variable!r}", "must be the folder that holds the data, or unset")
    return (root, data_folder())


def locations(card: Dataset, folder: Path | None) -> Iterator[FileLocation]:
    """The location of each split's path, then of each file on the card."""
    searched = search_folders(card, folder)
    for path in dict.fromkeys(split.path for split in card.splits.values() if split.path):
        yield FileLocation(
            path, next((found for root in searched if (found := find_below(root, path))), None), searched
        )
    for file in card.files:
        # the archive first, because a download replaces it
        paths = (path for root in searched for path in (root / f"{file}.gz", root / file) if path.is_file())
        yield FileLocation(file, next(paths, None), searched)


def search_folders(card: Dataset, folder: Path | None) -> tuple[Path, ...]:
    """The folders in which the files of a card are searched."""
    return tuple(root / subfolder for root in data_folders(folder) for subfolder in subfolders(card))


def subfolders(card: Dataset) -> tuple[str, ...]:
    """Where the files may be below a data folder, preferred first."""
    return card.folders or (card.id,)


def find_below(folder: Path, path: str) -> Path | None:
    """The file or folder at `path` below a folder, ignoring case; None if missing.

    Raises InputError for a folder that cannot be read.
    """
    for name in PurePosixPath(path).parts:
        if not folder.is_dir():
            return None
        names = visible_names(folder)
        if name in names:
            folder = folder / name
            continue
        matches = sorted(folder / entry for entry in names if entry.lower() == name.lower())
        if not matches:
            return None
        folder = matches[0]
    return folder


def find(card: Dataset, file: str, folder: Path | None) -> Path:
    """The path of one file, or of a split. Raises InputError, naming ways to get it, if it is missing."""
    location = next(location for location in locations(card, folder) if location.file == file)
    if location.path is None:
        hint = f"set SNNLAB_DATA or --data to the folder that holds it, or run `snnlab data fetch {card.id}`"
        if archive := archive_of(card, location):
            hint = f"{archive} exists: run `snnlab data fetch {card.id}` to unpack it"
        problem = location.not_found
        if folder is not None and not Path(folder).expanduser().is_dir():
            problem += f"; there is no folder {folder}"
        raise InputError(f"{card.id}: {file}", problem, card.obtain or hint)
    return location.path


def visible_names(folder: Path) -> list[str]:
    """The names in a folder, sorted, without hidden ones. Raises InputError for a folder that cannot be read."""
    try:
        return sorted(entry.name for entry in folder.iterdir() if not is_hidden(entry.name))
    except OSError as error:
        raise InputError(folder, error.strerror or str(error), "must be a readable folder") from error


def is_hidden(name: str) -> bool:
    """Whether operating systems hide files of this name, such as ".DS_Store"."""
    return name.startswith(".")


# Archives --------------------------------------------------------------------------------------------------------


def existing_archives(card: Dataset, folders: Iterable[Path]) -> Iterator[tuple[Archive, Path]]:
    """The archives of a card that exist in any of these folders."""
    folders = tuple(folders)
    for archive in card.archives.values():
        path = next((path for root in folders if (path := root / archive.name).is_file()), None)
        if path is not None:
            yield archive, path


def archive_of(card: Dataset, location: FileLocation) -> Path | None:
    """The existing archive that contains a missing file or split."""
    for archive, path in existing_archives(card, location.searched):
        if archive.keep and contains(archive, location.file):
            return path
    return None


def unpacked_patterns(archive: Archive) -> list[PurePosixPath]:
    """Patterns of an archive's files relative to the folder that they are unpacked into; of a plain file, its name."""
    return [PurePosixPath(pattern).relative_to(archive.strip) for pattern in archive.keep] or [
        PurePosixPath(archive.name)
    ]


def contains(archive: Archive, file: str) -> bool:
    """Whether an archive contains a file of a card, plain or gzipped, or files of the split at this path."""
    return bool(_patterns_below(archive, file) or _patterns_below(archive, f"{file}.gz"))


def is_unpacked(archive: Archive, path: Path, file: str, count: int) -> bool:
    """Whether `path` is the file `file` of an archive, or a folder with at least `count` of the archive's files."""
    patterns = (pattern for pattern in _patterns_below(archive, file) if pattern.parts)
    found = itertools.chain.from_iterable(path.glob(str(pattern)) for pattern in patterns)
    return path.is_file() or sum(1 for _ in itertools.islice(found, count)) == count


def _patterns_below(archive: Archive, file: str) -> list[PurePosixPath]:
    """The patterns of an archive that start with the path of a file or folder, relative to it."""
    path = PurePosixPath(file)
    depth = len(path.parts)
    patterns = [pattern.parts for pattern in unpacked_patterns(archive) if len(pattern.parts) >= depth]
    return [PurePosixPath(*parts[depth:]) for parts in patterns if path.match("/".join(parts[:depth]))]
