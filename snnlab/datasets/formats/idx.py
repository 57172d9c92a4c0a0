"""Images and labels in idx files, the format of LeCun's page on MNIST."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import DataFile, Dataset
from snnlab.data.samples import Images
from snnlab.datasets.files import check_sum, content_of, find
from snnlab.errors import InputError

_UNSIGNED_BYTES = 0x08
_MOST_AXES = 8


def read_idx(path: Path, *, most: int = 1 << 30) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes (LeCun's format), gzipped or plain, whatever it is called.

    Raises InputError for anything else, for a file that is cut short or too long, and for more than `most` bytes.
    """
    return _parse(path, content_of(path, most))


def images(card: Dataset, split: str, folder: Path | None) -> Images:
    """A part of a dataset from the idx files of images and labels that its card names."""
    part = card.splits[split]
    images_at, labels_at = (find(card, file, folder) for file in (part.images, part.labels))
    values = _read(card.files[part.images], images_at, len(card.shape) + 1, "images")
    labels = _read(card.files[part.labels], labels_at, 1, "labels")
    if values.shape[1:] != card.shape:
        raise InputError(images_at, f"images of {values.shape[1:]}", f"{card.path} says shape {list(card.shape)}")
    if len(values) != len(labels):
        raise InputError(labels_at, f"{len(labels)} labels", f"{images_at} has {len(values)} images")
    first, after = card.first_label, card.first_label + len(card.classes)
    if labels.size and not first <= labels.min() <= labels.max() < after:
        wrong = labels.max() if labels.max() >= after else labels.min()
        right = f"{card.path} has {len(card.classes)} classes" + f" from {first} on" * (first > 0)
        raise InputError(labels_at, f"label {wrong}", right)
    if card.transposed:
        values = values.swapaxes(1, 2)
    return Images(
        values=values.reshape(len(values), -1),
        peak=255,
        labels=labels.astype(np.int64) - card.first_label,
        numbers=np.arange(len(values), dtype=np.int64),
        shape=card.shape,
        classes=card.classes,
        dataset=card.id,
        split=split,
    )


def _read(file: DataFile, path: Path, axes: int, what: str) -> NDArray[np.uint8]:
    content = content_of(path, file.bytes)
    array = _parse(path, content)
    if array.ndim != axes:
        raise InputError(path, f"an array of {array.ndim} axes", f"{what} have {axes}: is it another file's name?")
    check_sum(path, content, file)
    return array


def _parse(path: Path, content: bytearray) -> NDArray[np.uint8]:
    """The array behind an idx header: two zeros, the type, the number of axes, and each axis as four bytes."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise InputError(path, f"begins with {bytes(content[:4])!r}", "an idx file begins with two zero bytes")
    kind, axes = content[2], content[3]
    if kind != _UNSIGNED_BYTES or not 1 <= axes <= _MOST_AXES:
        raise InputError(
            path, f"idx of type 0x{kind:02x} with {axes} axes", f"needs type 0x08 and 1 to {_MOST_AXES} axes"
        )
    begin = 4 + 4 * axes
    if len(content) < begin:
        raise InputError(path, f"idx header cut short: {len(content)} bytes", f"{axes} axes need {begin}")
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", axes, 4))
    if len(content) - begin != math.prod(shape) or 0 in shape:
        right = f"its header says {math.prod(shape)}, shape {list(shape)}"
        raise InputError(path, f"{len(content) - begin} bytes of idx data", right)
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)
