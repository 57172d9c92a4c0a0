"""Confusion matrix: which class is taken for which."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import notice

_NAMED = 30  # classes named on each axis before some are left out
_SMALLEST = 5.0  # points of type that can still be read


def confusion(matrix: ArrayLike, ax: Axes, *, classes: Sequence[object]) -> Axes:
    """Counts of true class (rows) against predicted class (columns), right and wrong answers on scales of their own.

    Both are shares of the true class: right ones in blue, errors in orange up to the largest of them, so that a handful
    of errors among thousands shows. Counts are written where they fit.

    matrix   (classes, classes) counts
    classes  their names

    Raises InputError for anything but a square matrix of counts with a name for each class.
    """
    counts = _counts(matrix, len(classes))
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    right = np.eye(len(counts), dtype=bool)
    worst = np.nanmax(share[~right], initial=0.0) or 1.0
    errors = ax.imshow(np.where(right, np.nan, share), cmap="Oranges", vmin=0, vmax=worst)
    correct = ax.imshow(np.where(right, share, np.nan), cmap="Blues", vmin=0, vmax=100)
    _bars(ax, correct, errors)
    _write(ax, counts, share, (correct, errors))
    _name(ax, [str(one) for one in classes])
    if not counts.any():
        notice(ax, "no samples")
    return ax


def _counts(matrix: ArrayLike, classes: int) -> NDArray[np.int64]:
    counts = np.asarray(matrix)
    if counts.shape != (classes, classes) or not classes:
        raise InputError(
            "confusion", f"a matrix of shape {counts.shape}", f"{classes} classes need {(classes, classes)}"
        )
    if (counts < 0).any() or (counts != np.floor(counts)).any():
        raise InputError("confusion", "entries that are not counts", "needs whole numbers from 0")
    return counts.astype(np.int64)


def _bars(ax: Axes, correct: AxesImage, errors: AxesImage) -> None:
    for bottom, image, label in ((0.54, correct, "correct (% of class)"), (0.0, errors, "errors (% of class)")):
        bar = ax.inset_axes((1.03, bottom, 0.035, 0.46))
        ax.figure.colorbar(image, cax=bar, label=label)


def _write(
    ax: Axes, counts: NDArray[np.int64], share: NDArray[np.float64], images: tuple[AxesImage, AxesImage]
) -> None:
    size = _type_size(ax, counts)
    if size < _SMALLEST:
        return
    for row, column in np.argwhere(counts):
        image = images[0] if row == column else images[1]
        dark = _luminance(image.to_rgba(share[row, column])) < 0.5
        ax.text(column, row, str(counts[row, column]), fontsize=size, ha="center", va="center",
                color="white" if dark else "black")  # fmt: skip


def _type_size(ax: Axes, counts: NDArray[np.int64]) -> float:
    """Points of type in which the longest count fits its cell, at most 9."""
    box = ax.get_window_extent()
    side = 0.8 * min(box.width, box.height) * 72 / ax.figure.dpi
    longest = len(str(counts.max()))
    return min(9.0, 0.85 * side / len(counts) / (0.6 * longest))


def _luminance(colour: ArrayLike) -> float:
    red, green, blue, _ = np.asarray(colour, dtype=float)
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


def _name(ax: Axes, names: list[str]) -> None:
    every = range(0, len(names), -(-len(names) // _NAMED))
    shown = [names[number] for number in every]
    ax.set_xticks(every, shown, rotation=90 if max(map(len, shown)) * len(shown) > 40 else 0)
    ax.set_yticks(every, shown)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
