"""Confusion matrix."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import notice

_LABELLED = 30  # largest number of class labels on an axis
_SMALLEST = 5.0  # points; smallest legible type


def confusion(matrix: ArrayLike, ax: Axes, *, classes: Sequence[object]) -> Axes:
    """Counts of true class (rows) by predicted class (columns), coloured by their share of the true class.

    Correct predictions are blue. Errors are orange, on a scale up to the largest error, so that a few errors among
    thousands of samples are visible. Counts are printed if they fit.

    matrix   (classes, classes) counts
    classes  names

    Raises InputError unless the matrix is square, holds counts, and has a name for each class.
    """
    counts = _counts(matrix, len(classes))
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(100.0 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    diagonal = np.eye(len(counts), dtype=bool)
    worst = np.nanmax(share[~diagonal], initial=0.0) or 1.0
    errors = ax.imshow(np.where(diagonal, np.nan, share), cmap="Oranges", vmin=0, vmax=worst)
    correct = ax.imshow(np.where(diagonal, share, np.nan), cmap="Blues", vmin=0, vmax=100)
    _add_colour_bars(ax, correct, errors)
    _print_counts(ax, counts, share, (correct, errors))
    _label_classes(ax, [str(name) for name in classes])
    if not counts.any():
        notice(ax, "no samples")
    return ax


def _counts(matrix: ArrayLike, classes: int) -> NDArray[np.int64]:
    counts = np.asarray(matrix)
    if counts.shape != (classes, classes) or not classes:
        raise InputError("confusion", f"got a matrix of shape {counts.shape}", f"must be {(classes, classes)}")
    if (counts < 0).any() or (counts != np.floor(counts)).any():
        raise InputError("confusion", "got entries that are not counts", "must be integers of at least 0")
    return counts.astype(np.int64)


def _add_colour_bars(ax: Axes, correct: AxesImage, errors: AxesImage) -> None:
    for bottom, image, label in ((0.54, correct, "correct (% of class)"), (0.0, errors, "errors (% of class)")):
        bar = ax.inset_axes((1.03, bottom, 0.035, 0.46))
        ax.figure.colorbar(image, cax=bar, label=label)


def _print_counts(
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
    """Type size in points at which the longest count fits its cell, at most 9."""
    box = ax.get_window_extent()
    side = 0.8 * min(box.width, box.height) * 72 / ax.figure.dpi
    longest = len(str(counts.max()))
    return min(9.0, 0.85 * side / len(counts) / (0.6 * longest))


def _luminance(colour: ArrayLike) -> float:
    red, green, blue, _ = np.asarray(colour, dtype=float)
    return float(0.299 * red + 0.587 * green + 0.114 * blue)


def _label_classes(ax: Axes, names: list[str]) -> None:
    labelled = range(0, len(names), -(-len(names) // _LABELLED))
    shown = [names[number] for number in labelled]
    ax.set_xticks(labelled, shown, rotation=90 if max(map(len, shown)) * len(shown) > 40 else 0)
    ax.set_yticks(labelled, shown)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
