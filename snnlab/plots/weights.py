"""Incoming weights of neurons, as images or as a matrix."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import neuron_numbers
from snnlab.errors import InputError
from snnlab.plots.axes import frequency_axis, integer_ticks, notice
from snnlab.plots.style import INK, PALE

_SHOWN = 64  # neurons shown by default
_MAX_NUMBERED_COLUMNS = 12  # tiles in a row up to which they are numbered
_NUMBER_SIZE = 6  # points
_MAX_NUMBERED_MATRIX = 30  # columns of a matrix up to which they are numbered


def weight_images(
    weights: ArrayLike,
    ax: Axes,
    *,
    shape: tuple[int, int] = (28, 28),
    neurons: Sequence[int] | NDArray[np.integer] | None = None,
    columns: int = 8,
    label: str = "weight",
    column: str = "neuron",
) -> Axes:
    """The incoming weights of neurons as images, tiled row by row, on a diverging colour scale around zero.

    Each tile has the number of its neuron above it, unless there are more than 12 in a row or tiles are too small. The
    scale ends at the 99.5th percentile of the absolute weights; the colour bar has pointed ends if some exceed it.

    weights  (inputs, neurons), inputs in the order of a flattened image of `shape`
    neurons  neurons to show; the first 64 by default
    label    of the colour bar, with the unit of the weights
    column   name of a column of the weights

    Raises InputError for weights of another shape or not finite, and for a neuron that does not exist.
    """
    inputs = shape[0] * shape[1]
    matrix = _matrix(
        "weight_images", weights, inputs, f"must be ({inputs}, neurons) for images of {shape[0]} x {shape[1]}"
    )
    chosen = _chosen("weight_images", matrix, neurons)
    if not chosen.size:
        return _empty(ax)
    shown = matrix[:, chosen]
    columns = max(1, min(columns, chosen.size))
    band = _band(ax, shape, columns, chosen.size) if 1 < columns <= _MAX_NUMBERED_COLUMNS else 0
    _show(ax, _tile(shown, shape, columns, band), shown, label)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xlabel(_caption(chosen, matrix.shape[1], column))
    if band:
        _number(ax, chosen, shape, columns, band)
    return ax


def weight_matrix(
    weights: ArrayLike,
    ax: Axes,
    *,
    neurons: Sequence[int] | NDArray[np.integer] | None = None,
    centres: ArrayLike | None = None,
    label: str = "weight",
    column: str = "neuron",
    row: str = "channel",
) -> Axes:
    """The incoming weights of neurons, one column each, inputs from top to bottom, coloured as in `weight_images`.

    weights  (inputs, neurons)
    neurons  neurons to show, from left to right; the first 64 by default
    centres  centre frequencies of the inputs in hertz; by default rows are labelled by number
    label    of the colour bar, with the unit of the weights
    column   name of a column
    row      name of a row

    Raises InputError for weights that are not a finite matrix, for a neuron that does not exist, and for a wrong
    number of centres.
    """
    matrix = _matrix("weight_matrix", weights, None, "must be (inputs, neurons) with at least one input")
    chosen = _chosen("weight_matrix", matrix, neurons)
    if not chosen.size:
        return _empty(ax)
    shown = matrix[:, chosen]
    _show(ax, shown, shown, label, aspect="auto")
    if chosen.size <= _MAX_NUMBERED_MATRIX:
        rotated = chosen.size * len(str(chosen.max())) > _MAX_NUMBERED_MATRIX
        ax.set_xticks(range(chosen.size), [str(neuron) for neuron in chosen], fontsize=7, rotation=90 if rotated else 0)
    else:
        ax.set_xticks([])
    ax.set_xlabel(_caption(chosen, matrix.shape[1], column))
    if centres is None:
        ax.set_ylabel(row)
        ax.yaxis.set_major_locator(integer_ticks())
    else:
        frequency_axis(ax, np.asarray(centres, dtype=float), len(matrix), "weight_matrix")
    return ax


def _show(ax: Axes, image: NDArray[np.float64], shown: NDArray[np.float64], label: str, **options: str) -> None:
    """An image of weights and its colour bar, scaled to the weights shown."""
    limit, beyond = _limit(shown)
    colours = colormaps["RdBu_r"].with_extremes(bad=PALE)
    shown_image = ax.imshow(image, cmap=colours, vmin=-limit, vmax=limit, **options)  # type: ignore[arg-type]
    bar = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    ax.figure.colorbar(shown_image, cax=bar, label=label, extend="both" if beyond else "neither")


def _empty(ax: Axes) -> Axes:
    notice(ax, "no neurons")
    ax.set_axis_off()
    return ax


def _matrix(where: str, weights: ArrayLike, inputs: int | None, hint: str) -> NDArray[np.float64]:
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or not matrix.shape[0] or inputs not in (None, matrix.shape[0]):
        raise InputError(where, f"got weights of shape {matrix.shape}", hint)
    if not np.isfinite(matrix).all():
        raise InputError(where, "got weights that are not finite", "must be finite")
    return matrix.astype(float)


def _chosen(
    where: str, matrix: NDArray[np.float64], neurons: Sequence[int] | NDArray[np.integer] | None
) -> NDArray[np.int64]:
    size = matrix.shape[1]
    if neurons is None:
        return np.arange(min(size, _SHOWN))
    return neuron_numbers(neurons, size, where)


def _limit(shown: NDArray[np.float64]) -> tuple[float, bool]:
    """The weight at the end of the colour scale, and whether some weights exceed it."""
    size = np.abs(shown)
    limit = float(np.percentile(size, 99.5)) or float(size.max()) or 1.0
    return limit, bool(size.max() > limit)


def _band(ax: Axes, shape: tuple[int, int], columns: int, tiles: int) -> int:
    """Pixels above each tile for its number; 0 if tiles are no larger than numbers."""
    box = ax.get_window_extent()
    points = 72 / ax.figure.get_dpi()
    rows = math.ceil(tiles / columns)
    number = _NUMBER_SIZE + 2
    # the aspect is fixed, so the tighter of both directions decides
    pixel = min(box.width * points / (columns * (shape[1] + 1)), (box.height * points / rows - number) / shape[0])
    return max(1, math.ceil(number / pixel)) if pixel * min(shape) > 2 * number else 0


def _corner(number: int, shape: tuple[int, int], columns: int, band: int) -> tuple[int, int]:
    """First row and column of a tile; tiles are separated by one pixel, or by the band of a number."""
    return number // columns * (shape[0] + max(band, 1)) + band, number % columns * (shape[1] + 1)


def _tile(shown: NDArray[np.float64], shape: tuple[int, int], columns: int, band: int) -> NDArray[np.float64]:
    """One image of all tiles, with NaN between them."""
    height, width = shape
    last, _ = _corner(shown.shape[1] - 1, shape, columns, band)
    tiled = np.full((last + height, columns * (width + 1) - 1), np.nan)
    for number, weights in enumerate(shown.T):
        top, left = _corner(number, shape, columns, band)
        tiled[top : top + height, left : left + width] = weights.reshape(shape)
    return tiled


def _caption(chosen: NDArray[np.int64], size: int, column: str) -> str:
    if chosen.size == 1:
        return f"{column} {chosen[0]} of {size}"
    consecutive = (np.diff(chosen) == 1).all()
    return f"{column}s {chosen[0]} to {chosen[-1]} of {size}" if consecutive else f"{chosen.size} of {size} {column}s"


def _number(ax: Axes, chosen: NDArray[np.int64], shape: tuple[int, int], columns: int, band: int) -> None:
    for place, neuron in enumerate(chosen):
        top, left = _corner(place, shape, columns, band)
        ax.text(
            left, top - band / 2 - 0.5, str(neuron), fontsize=_NUMBER_SIZE, color=INK, ha="left", va="center_baseline"
        )
