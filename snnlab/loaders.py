"""A dataset card into samples: finding the files, checking them, reading them; downloading only when asked."""

from __future__ import annotations

import gzip
import hashlib
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab import cards
from snnlab.cards import DataFile, Dataset
from snnlab.errors import Refused, one_of
from snnlab.folders import data_folder

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08
_MOST_AXES = 8
_CHUNK = 1 << 20
_SECONDS = 30  # that a mirror may keep silent


@dataclass(frozen=True, eq=False)
class Samples:
    """Samples of one part of a dataset, as they are in its files.

    values   uint8 (samples, features), read-only
    labels   int64 (samples,), read-only; numbers into `classes`
    numbers  int64 (samples,): where each sample stands in its part of the dataset, whatever was taken of it since
    shape    of one sample, as in (28, 28)
    peak     the value of full intensity
    """

    values: NDArray[np.uint8]
    labels: NDArray[np.int64]
    numbers: NDArray[np.int64]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    peak: int
    dataset: str
    split: str

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, which: ArrayLike | slice) -> Samples:
        """Some of the samples, in the order given: a slice, numbers, or booleans. Each keeps its place in `numbers`."""
        chosen = which if isinstance(which, slice) else np.asarray(which)
        return replace(self, values=self.values[chosen], labels=self.labels[chosen], numbers=self.numbers[chosen])


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


def load(name: str | Path, split: str, *, folder: Path | None = None) -> Samples:
    """One part of a dataset, by the id of its card (or the path of a card), with every checksum verified.

    Files are looked for below `folder`; without one, below $SNNLAB_DATA and then below the user's data folder.
    Raises Refused for files that are missing, truncated, altered or not what the card says.
    """
    card = cards.dataset(name)
    if split not in card.splits:
        raise Refused(f"{card.path}: splits", f"no part {split!r}", one_of(split, card.splits))
    samples = _shipped(card, split) if card.format == "scikit-learn" else _original(card, split, folder)
    expected = card.splits[split].samples
    if len(samples) != expected:
        raise Refused(
            f"{card.path}: splits.{split}.samples", f"{len(samples)} in the files", f"the card says {expected}"
        )
    for array in (samples.values, samples.labels, samples.numbers):
        array.flags.writeable = False
    return samples


def where(name: str | Path, *, folder: Path | None = None) -> tuple[Place, ...]:
    """Where each file of a dataset lies; empty for a dataset that ships with a package."""
    return tuple(_places(cards.dataset(name), folder))


def verify(name: str | Path, *, folder: Path | None = None) -> tuple[Check, ...]:
    """Read every file of a dataset and hold it against its card; empty for a dataset that ships with a package."""
    card = cards.dataset(name)
    return tuple(_check(card.files[place.file], place) for place in _places(card, folder))


def fetch(name: str | Path, *, folder: Path | None = None) -> tuple[Path, ...]:
    """Download the files of a dataset that are not there already, from its mirrors in turn; the paths of the new ones.

    They go where `load` looks first. A file appears under its name only once it is complete and its checksum is right.
    Raises Refused where no mirror has the file, and where the folder cannot be written.
    """
    card = cards.dataset(name)
    target = _roots(folder)[0] / _folders(card)[0]
    checks = [_check(card.files[place.file], place) for place in _places(card, folder)]
    wanted = [check.file for check in checks if check.state != "ok"]
    return tuple(_download(card, card.files[file], target) for file in wanted)


def read_idx(path: Path, *, most: int = 1 << 30) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes (LeCun's format), gzipped or plain, whatever it is called.

    Raises Refused for anything else, for a file that is cut short or too long, and for more than `most` bytes.
    """
    return _parse(path, _content(path, most))


# Finding ---------------------------------------------------------------------------------------------------------


def _roots(folder: Path | None) -> tuple[Path, ...]:
    if folder is not None:
        return (Path(folder).expanduser(),)
    asked = os.environ.get("SNNLAB_DATA")
    if not asked:
        return (data_folder(),)
    root = Path(asked).expanduser()
    if not root.is_dir():
        raise Refused("SNNLAB_DATA", f"no folder {asked!r}", "name the folder that holds the data, or unset it")
    return (root, data_folder())


def _places(card: Dataset, folder: Path | None) -> Iterator[Place]:
    searched = tuple(root / below for root in _roots(folder) for below in _folders(card))
    for file in card.files:
        # the archive first, because it is what a download mends
        found = (path for below in searched for path in (below / f"{file}.gz", below / file) if path.is_file())
        yield Place(file, next(found, None), searched)


def _nowhere(place: Place) -> str:
    return f"not found in {', '.join(map(str, place.searched))}"


def _folders(card: Dataset) -> tuple[str, ...]:
    return card.folders or (card.id,)


def _found(card: Dataset, file: str, folder: Path | None) -> Path:
    place = next(place for place in _places(card, folder) if place.file == file)
    if place.path is None:
        right = f"set SNNLAB_DATA to the folder that holds it, or give --data, or run `snnlab data fetch {card.id}`"
        raise Refused(f"{card.id}: {file}", _nowhere(place), right)
    return place.path


# Reading and checking --------------------------------------------------------------------------------------------


def _original(card: Dataset, split: str, folder: Path | None) -> Samples:
    """A part of a dataset from the idx files of images and labels that its card names."""
    part = card.splits[split]
    images_at, labels_at = (_found(card, file, folder) for file in (part.images, part.labels))
    images = _read(card.files[part.images], images_at, len(card.shape) + 1, "images")
    labels = _read(card.files[part.labels], labels_at, 1, "labels")
    if images.shape[1:] != card.shape:
        raise Refused(images_at, f"images of {images.shape[1:]}", f"{card.path} says shape {list(card.shape)}")
    if len(images) != len(labels):
        raise Refused(labels_at, f"{len(labels)} labels", f"{images_at} has {len(images)} images")
    if labels.size and labels.max() >= len(card.classes):
        raise Refused(labels_at, f"label {labels.max()}", f"{card.path} has {len(card.classes)} classes")
    return _samples(card, split, images.reshape(len(images), -1), labels.astype(np.int64), peak=255)


def _samples(card: Dataset, split: str, values: NDArray[np.uint8], labels: NDArray[np.int64], *, peak: int) -> Samples:
    numbers = np.arange(len(values), dtype=np.int64)
    return Samples(values, labels, numbers, card.shape, card.classes, peak, card.id, split)


def _read(file: DataFile, path: Path, axes: int, what: str) -> NDArray[np.uint8]:
    content = _content(path, file.bytes)
    array = _parse(path, content)
    if array.ndim != axes:
        raise Refused(path, f"an array of {array.ndim} axes", f"{what} have {axes}: is it another file's name?")
    _check_sum(path, content, file)
    return array


def _check_sum(path: Path, content: bytearray, file: DataFile) -> None:
    # of the plain content, so that an archive that somebody packed again is as good as the published one
    found = hashlib.sha256(content).hexdigest()
    if found != file.sha256:
        raise Refused(path, f"content has sha256 {found}", f"the card says {file.sha256}: get the file anew")


def _check(file: DataFile, place: Place) -> Check:
    if place.path is None:
        return Check(file.name, None, "missing", _nowhere(place))
    try:
        _check_sum(place.path, _content(place.path, file.bytes), file)
    except Refused as refusal:
        return Check(file.name, place.path, "bad", "; ".join(filter(None, (refusal.found, refusal.right))))
    return Check(file.name, place.path, "ok")


def _content(path: Path, most: int) -> bytearray:
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


def _parse(path: Path, content: bytearray) -> NDArray[np.uint8]:
    """The array behind an idx header: two zeros, the type, the number of axes, and each axis as four bytes."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise Refused(path, f"begins with {bytes(content[:4])!r}", "an idx file begins with two zero bytes")
    kind, axes = content[2], content[3]
    if kind != _UNSIGNED_BYTES or not 1 <= axes <= _MOST_AXES:
        raise Refused(path, f"idx of type 0x{kind:02x} with {axes} axes", f"needs type 0x08 and 1 to {_MOST_AXES} axes")
    begin = 4 + 4 * axes
    if len(content) < begin:
        raise Refused(path, f"idx header cut short: {len(content)} bytes", f"{axes} axes need {begin}")
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", axes, 4))
    if len(content) - begin != math.prod(shape) or 0 in shape:
        right = f"its header says {math.prod(shape)}, shape {list(shape)}"
        raise Refused(path, f"{len(content) - begin} bytes of idx data", right)
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


# Data that ships with a package ----------------------------------------------------------------------------------


def _shipped(card: Dataset, split: str) -> Samples:
    """The digits inside scikit-learn: sorted by class, every fifth is in "test" and the others are in "train"."""
    # imported here, because it takes a second
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    by_class = np.argsort(labels, kind="stable")
    held_out = np.arange(len(labels)) % 5 == 0
    chosen = by_class[held_out if split == "test" else ~held_out]
    return _samples(card, split, values[chosen].astype(np.uint8), labels[chosen].astype(np.int64), peak=16)


# Downloading -----------------------------------------------------------------------------------------------------


def _download(card: Dataset, file: DataFile, target: Path) -> Path:
    # imported here, because most runs download nothing
    import pooch

    try:
        target.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(target, error.strerror or str(error), "name a folder that can be written to") from error
    failures = []
    for mirror in card.mirrors:
        url = f"{mirror.rstrip('/')}/{file.name}.gz"
        downloader = pooch.HTTPDownloader(timeout=_SECONDS)
        try:
            found = pooch.retrieve(
                url, f"sha256:{file.sha256_gz}", fname=f"{file.name}.gz", path=target, downloader=downloader
            )
        # pooch raises ValueError for a wrong checksum; the errors of requests are OSErrors
        except (OSError, ValueError) as error:
            failures.append(f"{url}: {error}")
        else:
            return Path(found)
    raise Refused(
        f"{card.id}: {file.name}.gz", " / ".join(failures) or "no mirrors", f"or put it into {target} by hand"
    )
