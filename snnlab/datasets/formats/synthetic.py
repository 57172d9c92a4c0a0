"""Synthetic samples, generated from a seed: the same on every machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.random import PCG64
from numpy.typing import ArrayLike, NDArray

from snnlab.cards import Dataset
from snnlab.cards.dataset_formats import YIN_YANG
from snnlab.data.samples import Images
from snnlab.datasets.formats.file_format import FileFormat, card_images

PEAK = 255
_CHUNK = 1 << 16  # random bytes per chunk
_YIN, _YANG, _DOT = map(YIN_YANG.index, ("yin", "yang", "dot"))

Generated = tuple[NDArray[np.uint8], NDArray[np.int64]]  # values (samples, features) and labels (samples,)


def load(card: Dataset, split: str, folder: Path | None) -> Images:
    """The samples of one split, made by the card's generator from the seed of the split."""
    part = card.splits[split]
    values, labels = _GENERATORS[card.generator](part.samples, math.prod(card.shape), _bytes(part.seed))
    return card_images(card, split, values, labels, PEAK)


def _bytes(seed: int) -> Iterator[NDArray[np.uint8]]:
    """An endless stream of uniform random bytes, in chunks.

    They are the raw words of PCG64, lowest byte first, which NumPy guarantees to be the same in every version, unlike
    the methods of a Generator (NEP 19).
    """
    source = PCG64(seed)
    while True:
        yield source.random_raw(_CHUNK // 8).astype("<u8").view(np.uint8)


# Generators -----------------------------------------------------------------------------------------------------------


def yin_yang_class(x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
    """The class of points x / 255, y / 255 in `YIN_YANG`, or -1 outside the disc (Kriener, Göltz, Petrovici 2022).

    The disc has radius 0.5 around (0.5, 0.5); the dots have radius 0.1 around (0.25, 0.5) and (0.75, 0.5). Outside the
    dots, yin is the upper half plus the disc of radius 0.25 around the left dot and minus the one around the right dot;
    yang is the rest.

    Computed in integers, in units of 1 / 1020, without rounding. No boundary passes through a grid point, so it does
    not matter which class it belongs to.
    """
    across, up = 4 * np.asarray(x, dtype=np.int64) - 510, 4 * np.asarray(y, dtype=np.int64) - 510
    left, right = (across + 255) ** 2 + up**2, (across - 255) ** 2 + up**2  # squared distances to the dots
    yin = (left <= 255**2) | ((up > 0) & (right > 255**2))
    dot = np.minimum(left, right) <= 102**2
    inside = across**2 + up**2 <= 510**2
    return np.where(inside, np.where(dot, _DOT, np.where(yin, _YIN, _YANG)), -1)


def _yin_yang(samples: int, width: int, stream: Iterator[NDArray[np.uint8]]) -> Generated:
    """Uniform points, as many of each class as needed for the order yin, yang, dot, yin, ..."""
    labels = np.arange(samples, dtype=np.int64) % len(YIN_YANG)
    unfilled = [np.flatnonzero(labels == kind) for kind in range(len(YIN_YANG))]
    chosen = np.zeros((samples, 2), dtype=np.uint8)
    while any(map(len, unfilled)):
        points = next(stream).reshape(-1, 2)
        classes = yin_yang_class(*points.T)
        for kind, rows in enumerate(unfilled):
            new = points[classes == kind][: len(rows)]
            chosen[rows[: len(new)]] = new
            unfilled[kind] = rows[len(new) :]
    return np.concatenate([chosen, PEAK - chosen], axis=1), labels


def _uniform(samples: int, width: int, stream: Iterator[NDArray[np.uint8]]) -> Generated:
    """Independent uniform numbers from 0 to 255."""
    chunks = [next(stream) for _ in range(-(-samples * width // _CHUNK))]
    values = np.concatenate([np.zeros(0, dtype=np.uint8), *chunks])[: samples * width]
    return values.reshape(samples, width), np.zeros(samples, dtype=np.int64)


_GENERATORS: Mapping[str, Callable[[int, int, Iterator[NDArray[np.uint8]]], Generated]] = {
    "yin-yang": _yin_yang,
    "uniform": _uniform,
}

FORMAT = FileFormat("synthetic", load)
