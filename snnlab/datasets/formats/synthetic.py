"""Samples that are drawn from a seed: the same ones on every machine."""

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

PEAK = 255
_CHUNK = 1 << 16  # bytes of the stream that are looked at together
_YIN, _YANG, _DOT = map(YIN_YANG.index, ("yin", "yang", "dot"))

Drawn = tuple[NDArray[np.uint8], NDArray[np.int64]]  # values (samples, numbers) and labels (samples,)


def images(card: Dataset, split: str, folder: Path | None) -> Images:
    """The samples of one part, drawn by the rule of the card from the seed of the part."""
    part = card.splits[split]
    values, labels = _RULES[card.generator](part.samples, math.prod(card.shape), _bytes(part.seed))
    return Images(
        values=values,
        peak=PEAK,
        labels=labels,
        numbers=np.arange(part.samples, dtype=np.int64),
        shape=card.shape,
        classes=card.classes,
        dataset=card.id,
        split=split,
    )


def _bytes(seed: int) -> Iterator[NDArray[np.uint8]]:
    """Uniform random bytes without end, in chunks.

    They are the raw words of PCG64, lowest byte first: NumPy promises that these remain the same in every version, and
    makes no such promise for what a Generator turns them into (NEP 19).
    """
    source = PCG64(seed)
    while True:
        yield source.random_raw(_CHUNK // 8).astype("<u8").view(np.uint8)


# Rules -----------------------------------------------------------------------------------------------------------


def yin_yang_class(x: ArrayLike, y: ArrayLike) -> NDArray[np.int64]:
    """The class of points x / 255, y / 255 in `YIN_YANG`, or -1 outside the disc (Kriener, Göltz, Petrovici 2022).

    The disc has radius 0.5 about (0.5, 0.5); the dots have radius 0.1 about (0.25, 0.5) and (0.75, 0.5). Without them
    yin is the upper half, with the half-disc of radius 0.25 about the left dot below it, and without the one about the
    right dot; yang is the rest.

    All is counted in whole numbers, in units of 1 / 1020, so no rounding decides. No boundary goes through a point of
    the grid either, so the definition need not say whom it belongs to.
    """
    across, up = 4 * np.asarray(x, dtype=np.int64) - 510, 4 * np.asarray(y, dtype=np.int64) - 510
    left, right = (across + 255) ** 2 + up**2, (across - 255) ** 2 + up**2  # squared distances to the dots
    yin = (left <= 255**2) | ((up > 0) & (right > 255**2))
    dot = np.minimum(left, right) <= 102**2
    inside = across**2 + up**2 <= 510**2
    return np.where(inside, np.where(dot, _DOT, np.where(yin, _YIN, _YANG)), -1)


def _yin_yang(samples: int, width: int, stream: Iterator[NDArray[np.uint8]]) -> Drawn:
    """Points drawn until each class has enough of them, in the order yin, yang, dot, yin, ..."""
    labels = np.arange(samples, dtype=np.int64) % len(YIN_YANG)
    places = [np.flatnonzero(labels == kind) for kind in range(len(YIN_YANG))]
    chosen = np.zeros((samples, 2), dtype=np.uint8)
    while any(len(left) for left in places):
        points = next(stream).reshape(-1, 2)
        classes = yin_yang_class(*points.T)
        for kind, left in enumerate(places):
            new = points[classes == kind][: len(left)]
            chosen[left[: len(new)]] = new
            places[kind] = left[len(new) :]
    return np.concatenate([chosen, PEAK - chosen], axis=1), labels


def _uniform(samples: int, width: int, stream: Iterator[NDArray[np.uint8]]) -> Drawn:
    """Every number from 0 to 255, equally often."""
    chunks = [next(stream) for _ in range(-(-samples * width // _CHUNK))]
    values = np.concatenate([np.zeros(0, dtype=np.uint8), *chunks])[: samples * width]
    return values.reshape(samples, width), np.zeros(samples, dtype=np.int64)


_RULES: Mapping[str, Callable[[int, int, Iterator[NDArray[np.uint8]]], Drawn]] = {
    "yin-yang": _yin_yang,
    "uniform": _uniform,
}
