"""Files that tonic reads, as samples, and recordings as a `tonic.Dataset`. The only module that imports tonic.

Never downloads; use `snnlab data fetch`.
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
from snnlab.datasets.formats.file_format import card_recordings
from snnlab.datasets.locating import find
from snnlab.errors import InputError

# raised by tonic, h5py and NumPy for an invalid file
_INVALID = (OSError, LookupError, ValueError, TypeError, AttributeError, RuntimeError, OverflowError)

Read = Callable[[Files], Iterator[NDArray[np.void]]]


class Recordings(tonic.Dataset):
    """Recordings as a `tonic.Dataset` of (events, class number), for tonic's transforms, slicers and loaders.

    samples      `snnlab.data.samples.Files`
    read         yields the events of each of some recordings, see `snnlab.data.samples.EVENT`
    sensor_size  width, height, polarities
    transform    of the events; target_transform of the class number; transforms of both

    Reading raises InputError for a corrupt file.
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
        raise InputError(self.samples.dataset, "not downloaded by this class", "run `snnlab data fetch`")


# Files that tonic reads ------------------------------------------------------------------------------------------


def load(card: Dataset, split: str, folder: Path | None) -> Files:
    """One split of SHD, SSC, N-TIDIGITS18 (its single digits) or DVS-Gesture.

    Raises InputError for missing files, naming ways to get them, and for other files under their names.
    """
    path = find(card, card.splits[split].path, folder)
    dataset = _tonic_dataset(card.tonic, split, path)
    names, labels = _names_and_labels(card, path, dataset)
    classes = _classes(card, path, dataset)
    if not len(labels) or labels.min() < 0 or labels.max() >= len(classes):
        problem = f"labels {labels.min()} to {labels.max()}" if len(labels) else "no recordings"
        raise InputError(path, problem, f"must have labels 0 to {len(classes) - 1}: download it again")
    width, height, polarities = card.sensor
    reader, shape = f"tonic:{card.tonic}", (height, width, polarities)
    return card_recordings(card, split, path.parent, names, labels, reader=reader, shape=shape, classes=classes)


def read_events(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, in order of time, see `snnlab.data.samples.EVENT`.

    Drops events whose time is negative or not a number; some files of the Heidelberg datasets have them. Raises
    InputError for a corrupt file, and for events outside the sensor.
    """
    kind = samples.reader.partition(":")[2]
    if not (paths := samples.paths()):
        return
    has_own_file = kind == "DVSGesture"
    # a file of DVS-Gesture is <split>/<person and light>/<gesture>.npy
    dataset = _tonic_dataset(kind, samples.split, paths[0].parent.parent if has_own_file else paths[0])
    index = {str(path): number for number, path in enumerate(dataset.data)} if has_own_file else {}
    for path, number in zip(paths, samples.numbers.tolist(), strict=True):
        try:
            with np.errstate(invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)
                events, _ = dataset[index[str(path)] if has_own_file else number]
        except _INVALID as error:
            raise InputError(path, f"recording {number}: {error}", "download the file again") from error
        yield _checked(path, number, events, samples.shape)


def _tonic_dataset(kind: str, split: str, path: Path) -> Any:
    """tonic's dataset on the files at `path`, without its search for archives and its downloads."""
    if not hasattr(tonic.datasets, kind):
        raise InputError(f"tonic.datasets.{kind}", "no such class", "correct the field `tonic` of the card")
    base = getattr(tonic.datasets, kind)
    location = property(lambda self: str(path.parent), lambda self, value: None)
    overrides = {"location_on_system": location, "_check_exists": lambda self: True}
    options = {"single_digits": True} if kind == "NTIDIGITS18" else {}
    arguments = {"split": split} if kind == "SSC" else {"train": split == "train"}
    try:
        return type(kind, (base,), overrides)(str(path.parent), **arguments, **options)
    except _INVALID as error:
        raise InputError(path, f"not a file of {kind}: {error}", "download it again") from error


def _names_and_labels(card: Dataset, path: Path, dataset: Any) -> tuple[list[str], NDArray[np.int64]]:
    """The file of each recording, relative to the folder of `path`, and its label."""
    if card.tonic == "DVSGesture":
        pairs = sorted(zip(map(str, dataset.data), dataset.targets, strict=True))
        names = [Path(name).relative_to(path.parent).as_posix() for name, _ in pairs]
        return names, np.array([label for _, label in pairs], dtype=np.int64)
    try:
        if card.tonic == "NTIDIGITS18":
            labels = [dataset.class_map[name.split("-")[-1]] for name in dataset._samples]
        else:
            with h5py.File(path, "r") as file:
                labels = file["labels"][()].astype(np.int64).reshape(len(file["spikes/times"])).tolist()
    except _INVALID as error:
        raise InputError(path, f"no labels: {error}", "download it again") from error
    return [path.name] * len(labels), np.array(labels, dtype=np.int64)


def _classes(card: Dataset, path: Path, dataset: Any) -> tuple[str, ...]:
    """The names of the classes: the files' own if they have them, otherwise the card's."""
    if card.tonic not in ("SHD", "SSC"):
        return card.classes
    raw_names = np.ravel(dataset.classes).tolist()
    names = tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else str(name) for name in raw_names)
    if len(names) != len(card.classes):
        raise InputError(path, f"{len(names)} class names", f"expected {len(card.classes)}, as on {card.path}")
    return names


def _checked(path: Path, number: int, raw: NDArray[np.void], shape: tuple[int, ...]) -> NDArray[np.void]:
    height, width, _ = shape
    raw = raw[raw["t"] >= 0]
    events = np.empty(len(raw), dtype=EVENT)
    column, row = raw["x"], raw["y"] if "y" in (raw.dtype.names or ()) else np.zeros(len(raw), dtype=np.int64)
    if len(raw) and (min(column.min(), row.min()) < 0 or column.max() >= width or row.max() >= height):
        problem = f"recording {number} has events up to column {column.max()} and row {row.max()}"
        raise InputError(path, problem, f"must be below {width} columns and {height} rows, the size of the sensor")
    events["x"], events["y"], events["p"], events["t"] = column, row, raw["p"], raw["t"]
    return events[np.argsort(events["t"], kind="stable")]
