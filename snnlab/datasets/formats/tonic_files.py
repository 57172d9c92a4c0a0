"""The tonic door: datasets that tonic reads come as our samples, and all our recordings as a dataset of tonic's.

Nothing is downloaded from here; `snnlab data fetch` does that.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import tonic
from numpy.typing import NDArray

from snnlab.cards import Dataset
from snnlab.data.samples import EVENT, Files
from snnlab.datasets.files import find
from snnlab.errors import InputError

READER = "tonic-"
"""What the names of these readers begin with; the name of tonic's class follows."""

# what tonic, h5py and NumPy raise for a file that is not what they take it for
_SPOILT = (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, OverflowError)

Read = Callable[[Files], Iterator[NDArray[np.void]]]


class Recordings(tonic.Dataset):
    """Recordings as a dataset of tonic's (tonic.Dataset), so that its transforms, slicers and loaders apply.

    samples      any `snnlab.data.samples.Files`
    read         turns some of them into events, one recording after another, see `snnlab.data.samples.EVENT`
    sensor_size  width, height, polarities
    transform    of the events; target_transform of the class's number; transforms of both

    An item is its events and its class's number. Reading raises InputError for a file that is spoilt.
    """

    dtype = EVENT
    ordering = EVENT.names

    def __init__(
        self,
        samples: Files,
        read: Read,
        sensor_size: tuple[int, int, int],
        transform: Callable[[Any], Any] | None = None,
        target_transform: Callable[[Any], Any] | None = None,
        transforms: Callable[[Any, Any], Any] | None = None,
    ) -> None:
        super().__init__(str(samples.folder), transform, target_transform, transforms)
        self.location_on_system = str(samples.folder)
        self.samples, self.read, self.sensor_size = samples, read, sensor_size
        self.classes, self.targets = list(samples.classes), samples.labels.tolist()

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        events: Any = next(self.read(self.samples.take([index])))
        target: Any = self.targets[index]
        if self.transform is not None:
            events = self.transform(events)
        if self.target_transform is not None:
            target = self.target_transform(target)
        if self.transforms is not None:
            events, target = self.transforms(events, target)
        return events, target

    def _check_exists(self) -> bool:
        return True

    def download(self) -> None:
        raise InputError(self.samples.dataset, "is never downloaded from here", "run `snnlab data fetch`")


# Datasets that tonic reads ---------------------------------------------------------------------------------------


def recordings(card: Dataset, split: str, folder: Path | None) -> Files:
    """One part of SHD, SSC, N-TIDIGITS18 (its single digits) or DVS-Gesture.

    Raises InputError, saying what to put where, for files that are not there, and for others under their names.
    """
    path = find(card, card.splits[split].path, folder)
    theirs = _theirs(card.tonic, split, path)
    names, labels = _listed(card, path, theirs)
    classes = _classes(card, path, theirs)
    if not len(labels) or labels.min() < 0 or labels.max() >= len(classes):
        found = f"labels {labels.min()} to {labels.max()}" if len(labels) else "no recordings"
        raise InputError(path, found, f"{card.path} has {len(classes)} classes: get the file anew")
    width, height, polarities = card.sensor
    return Files(
        names=np.array(names),
        folder=path.parent,
        reader=READER + card.tonic,
        card=card.digest,
        labels=labels,
        numbers=np.arange(len(labels), dtype=np.int64),
        shape=(height, width, polarities),
        classes=classes,
        dataset=card.id,
        split=split,
    )


def read(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, in order of time, see `snnlab.data.samples.EVENT`.

    Events at a time that is no number or before the beginning are dropped; some files of the Heidelberg datasets have
    them. Raises InputError for a spoilt file, and for events off the sensor.
    """
    kind = samples.reader.removeprefix(READER)
    if not (paths := samples.paths()):
        return
    single = kind == "DVSGesture"
    theirs = _theirs(kind, samples.split, _part(paths[0]) if single else paths[0])
    places = {str(path): place for place, path in enumerate(theirs.data)} if single else {}
    for path, number in zip(paths, samples.numbers.tolist(), strict=True):
        try:
            with np.errstate(invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                events, _ = theirs[places[str(path)] if single else number]
        except _SPOILT as error:
            raise InputError(path, f"recording {number}: {error}", "get the file anew") from error
        yield _checked(path, number, events, samples.shape)


def _part(path: Path) -> Path:
    """The folder of a part of DVS-Gesture that a file lies in: <part>/<person and light>/<gesture>.npy."""
    return path.parent.parent


def _theirs(kind: str, split: str, path: Path) -> Any:
    """tonic's dataset on the files at `path`, without its search for archives and its downloads."""
    if not hasattr(tonic.datasets, kind):
        raise InputError(f"tonic.datasets.{kind}", "no such class", "is the card's field `tonic` right?")
    base = getattr(tonic.datasets, kind)
    here = property(lambda self: str(path.parent), lambda self, value: None)
    found = {"location_on_system": here, "_check_exists": lambda self: True}
    single = {"NTIDIGITS18": {"single_digits": True}}.get(kind, {})
    part = {"split": split} if kind == "SSC" else {"train": split == "train"}
    try:
        return type(kind, (base,), found)(str(path.parent), **part, **single)
    except _SPOILT as error:
        raise InputError(path, f"not a file of {kind}: {error}", "get the file anew") from error


def _listed(card: Dataset, path: Path, theirs: Any) -> tuple[list[str], NDArray[np.int64]]:
    """The file of each recording, below the folder that `path` lies in, and its label."""
    if card.tonic == "DVSGesture":
        pairs = sorted(zip(map(str, theirs.data), theirs.targets, strict=True))
        names = [Path(name).relative_to(path.parent).as_posix() for name, _ in pairs]
        return names, np.array([label for _, label in pairs], dtype=np.int64)
    try:
        if card.tonic == "NTIDIGITS18":
            labels = [theirs.class_map[name.split("-")[-1]] for name in theirs._samples]
        else:
            with h5py.File(path, "r") as file:
                labels = file["labels"][()].astype(np.int64).reshape(len(file["spikes/times"])).tolist()
    except _SPOILT as error:
        raise InputError(path, f"no labels: {error}", "get the file anew") from error
    return [path.name] * len(labels), np.array(labels, dtype=np.int64)


def _classes(card: Dataset, path: Path, theirs: Any) -> tuple[str, ...]:
    """The names of the classes, as the files have them where they do."""
    if card.tonic not in ("SHD", "SSC"):
        return card.classes
    given = np.ravel(theirs.classes).tolist()
    names = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in given)
    if len(names) != len(card.classes):
        raise InputError(path, f"{len(names)} names of classes", f"{card.path} has {len(card.classes)}")
    return names


def _checked(path: Path, number: int, given: NDArray[np.void], shape: tuple[int, ...]) -> NDArray[np.void]:
    height, width, _ = shape
    given = given[given["t"] >= 0]
    events = np.empty(len(given), dtype=EVENT)
    column, row = given["x"], given["y"] if "y" in (given.dtype.names or ()) else np.zeros(len(given), dtype=np.int64)
    if len(given) and (min(column.min(), row.min()) < 0 or column.max() >= width or row.max() >= height):
        found = f"recording {number} has events at columns to {column.max()} and rows to {row.max()}"
        raise InputError(path, found, f"the sensor has {width} columns and {height} rows")
    events["x"], events["y"], events["p"], events["t"] = column, row, given["p"], given["t"]
    return events[np.argsort(events["t"], kind="stable")]
