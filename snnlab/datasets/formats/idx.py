"""Images and labels in idx files, the format of MNIST (LeCun)."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import DataFile, Dataset
from snnlab.data.samples import Images
from snnlab.datasets.checksums import read_content, verify_content
from snnlab.datasets.formats.file_format import FileFormat, card_images
from snnlab.datasets.locating import find
from snnlab.errors import InputError

_UNSIGNED_BYTES = 0x08
_MAX_AXES = 8


def read_idx(path: Path, *, max_bytes: int = 1 << 30) -> NDArray[np.uint8]:
    """The array in an idx file of unsigned bytes, gzipped or plain.

    Raises InputError for another type, for a file that is truncated or too long, and for more than `max_bytes`.
    """
    return _parse(path, read_content(path, max_bytes))


def load(card: Dataset, split: str, folder: Path | None) -> Images:
    """A split of a dataset from its idx files of images and labels."""
    files = card.splits[split]
    images_path, labels_path = (find(card, file, folder) for file in (files.images, files.labels))
    values = _read(card.files[files.images], images_path, len(card.shape) + 1, "images")
    labels = _read(card.files[files.labels], labels_path, 1, "labels")
    if values.shape[1:] != card.shape:
        raise InputError(images_path, f"images of shape {values.shape[1:]}", f"expected {list(card.shape)}")
    if len(values) != len(labels):
        raise InputError(labels_path, f"{len(labels)} labels", f"expected {len(values)}, as {images_path} has images")
    first, last = card.first_label, card.first_label + len(card.classes) - 1
    if labels.size and not first <= labels.min() <= labels.max() <= last:
        invalid = labels.max() if labels.max() > last else labels.min()
        hint = f"must be {first} to {last}, the {len(card.classes)} classes of {card.path}"
        raise InputError(labels_path, f"label {invalid}", hint)
    if card.transposed:
        values = values.swapaxes(1, 2)
    values = values.reshape(len(values), -1)
    return card_images(card, split, values, labels.astype(np.int64) - card.first_label, peak=255)


def _read(file: DataFile, path: Path, axes: int, what: str) -> NDArray[np.uint8]:
    content = read_content(path, file.bytes)
    array = _parse(path, content)
    if array.ndim != axes:
        raise InputError(
            path, f"array of {array.ndim} axes", f"{what} must have {axes}: is it another file with this name?"
        )
    verify_content(path, content, file)
    return array


def _parse(path: Path, content: bytearray) -> NDArray[np.uint8]:
    """The array after an idx header: two zero bytes, the type, the number of axes, and four bytes per axis."""
    if len(content) < 4 or content[:2] != b"\0\0":
        raise InputError(path, f"starts with {bytes(content[:4])!r}", "an idx file starts with two zero bytes")
    kind, axes = content[2], content[3]
    if kind != _UNSIGNED_BYTES or not 1 <= axes <= _MAX_AXES:
        hint = f"must be of type 0x08 with 1 to {_MAX_AXES} axes"
        raise InputError(path, f"idx of type 0x{kind:02x} with {axes} axes", hint)
    begin = 4 + 4 * axes
    if len(content) < begin:
        raise InputError(path, f"idx header truncated: {len(content)} bytes", f"{axes} axes need {begin}")
    shape = tuple(int(side) for side in np.frombuffer(content, ">u4", axes, 4))
    if len(content) - begin != math.prod(shape) or 0 in shape:
        hint = f"expected {math.prod(shape)} by its header, shape {list(shape)}"
        raise InputError(path, f"{len(content) - begin} bytes of idx data", hint)
    return np.frombuffer(content, np.uint8, offset=begin).reshape(shape)


FORMAT = FileFormat("idx", load)
