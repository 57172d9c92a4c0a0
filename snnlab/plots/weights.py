"""Weights: what each hidden neuron looks for in the image before it, or in the channels."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab.data.spikes import neuron_numbers
from snnlab.errors import InputError
from snnlab.plots.axes import frequency_axis, notice, whole_numbers
from snnlab.plots.style import INK, PALE

_MOST = 64  # neurons shown unless chosen
_NUMBERED = 12  # tiles in a row; more leave no room for a number above each
_SIZE = 6  # points, of a number
_NAMED = 30  # columns of a matrix; more leave no room for a number below each


def weight_images(
    weights: ArrayLike,
    ax: Axes,
    *,
    shape: tuple[int, int] = (28, 28),
    neurons: Sequence[int] | NDArray[np.integer] | None = None,
    columns: int = 8,
    label: str = "weight",
    one: str = "neuron",
) -> Axes:
    """The incoming weights of chosen neurons as images, tiled row by row, with zero at the middle of the colours.

    Each tile has the number of its neuron above it, unless there are more than 12 in a row or tiles are too small. The
    colours span the 99.5th percentile of the absolute weights shown; the colour bar's points say where some lie beyond.

    weights  (inputs, neurons), inputs in the order of a flattened image of `shape`
    neurons  which ones to show; the first 64 if left out
    label    of the colour bar, with the unit if the weights have one
    one      what a column is

    Raises InputError for weights that are not such a matrix or not finite, and for a neuron that does not exist.
    """
    inputs = shape[0] * shape[1]
    matrix = _matrix("weight_images", weights, inputs, f"images of {shape[0]} x {shape[1]} need ({inputs}, neurons)")
    chosen = _chosen("weight_images", matrix, neurons)
    if not chosen.size:
        return _empty(ax)
    shown = matrix[:, chosen]
    columns = max(1, min(columns, chosen.size))
    band = _band(ax, shape, columns, chosen.size) if 1 < columns <= _NUMBERED else 0
    _draw(ax, _tile(shown, shape, columns, band), shown, label)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xlabel(_caption(chosen, matrix.shape[1], one))
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
    one: str = "neuron",
    row: str = "channel",
) -> Axes:
    """The incoming weights of chosen neurons, a column each and a row for each input, the first at the top.

    Zero is at the middle of the colours, which span what those of `weight_images` do.

    weights  (inputs, neurons)
    neurons  which ones to show, from left to right; the first 64 if left out
    centres  of the inputs, in hertz, where these are channels of an ear; if left out, rows carry their numbers
    label    of the colour bar, with the unit if the weights have one
    one      what a column is
    row      what a row is

    Raises InputError for weights that are not such a matrix or not finite, for a neuron that does not exist, and for
    another number of centres.
    """
    matrix = _matrix("weight_matrix", weights, None, "needs (inputs, neurons), with an input at least")
    chosen = _chosen("weight_matrix", matrix, neurons)
    if not chosen.size:
        return _empty(ax)
    shown = matrix[:, chosen]
    _draw(ax, shown, shown, label, aspect="auto")
    if chosen.size <= _NAMED:
        turned = chosen.size * len(str(chosen.max())) > _NAMED
        ax.set_xticks(range(chosen.size), [str(neuron) for neuron in chosen], fontsize=7, rotation=90 if turned else 0)
    else:
        ax.set_xticks([])
    ax.set_xlabel(_caption(chosen, matrix.shape[1], one))
    if centres is None:
        ax.set_ylabel(row)
        ax.yaxis.set_major_locator(whole_numbers())
    else:
        frequency_axis(ax, np.asarray(centres, dtype=float), len(matrix), "weight_matrix")
    return ax


def _draw(ax: Axes, picture: NDArray[np.float64], shown: NDArray[np.float64], label: str, **how: str) -> None:
    """A picture of weights and its colour bar, whose ends are those of the weights shown."""
    limit, beyond = _limit(shown)
    colours = colormaps["RdBu_r"].with_extremes(bad=PALE)
    image = ax.imshow(picture, cmap=colours, vmin=-limit, vmax=limit, **how)  # type: ignore[arg-type]
    bar = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    ax.figure.colorbar(image, cax=bar, label=label, extend="both" if beyond else "neither")


def _empty(ax: Axes) -> Axes:
    notice(ax, "no neurons")
    ax.set_axis_off()
    return ax


def _matrix(where: str, weights: ArrayLike, inputs: int | None, right: str) -> NDArray[np.float64]:
    matrix = np.asarray(weights)
    if matrix.ndim != 2 or not matrix.shape[0] or inputs not in (None, matrix.shape[0]):
        raise InputError(where, f"weights of shape {matrix.shape}", right)
    if not np.isfinite(matrix).all():
        raise InputError(where, "weights that are not finite", "NaN and infinity have no colour")
    return matrix.astype(float)


def _chosen(
    where: str, matrix: NDArray[np.float64], neurons: Sequence[int] | NDArray[np.integer] | None
) -> NDArray[np.int64]:
    size = matrix.shape[1]
    if neurons is None:
        return np.arange(min(size, _MOST))
    return neuron_numbers(neurons, size, where)


def _limit(shown: NDArray[np.float64]) -> tuple[float, bool]:
    """The weight at the end of the colours, and whether some lie beyond it."""
    size = np.abs(shown)
    limit = float(np.percentile(size, 99.5)) or float(size.max()) or 1.0
    return limit, bool(size.max() > limit)


def _band(ax: Axes, shape: tuple[int, int], columns: int, tiles: int) -> int:
    """How many pixels above each tile a number needs; none where tiles are no larger than numbers."""
    box = ax.get_window_extent()
    points = 72 / ax.figure.get_dpi()
    rows = math.ceil(tiles / columns)
    number = _SIZE + 2
    # the whole is fitted into the narrower of the two
    pixel = min(box.width * points / (columns * (shape[1] + 1)), (box.height * points / rows - number) / shape[0])
    return max(1, math.ceil(number / pixel)) if pixel * min(shape) > 2 * number else 0


def _corner(number: int, shape: tuple[int, int], columns: int, band: int) -> tuple[int, int]:
    """First row and column of a tile; between tiles is a pixel, or a band for numbers above each."""
    return number // columns * (shape[0] + max(band, 1)) + band, number % columns * (shape[1] + 1)


def _tile(shown: NDArray[np.float64], shape: tuple[int, int], columns: int, band: int) -> NDArray[np.float64]:
    """One image of all tiles, NaN between neighbours."""
    height, width = shape
    last, _ = _corner(shown.shape[1] - 1, shape, columns, band)
    tiled = np.full((last + height, columns * (width + 1) - 1), np.nan)
    for number, column in enumerate(shown.T):
        top, left = _corner(number, shape, columns, band)
        tiled[top : top + height, left : left + width] = column.reshape(shape)
    return tiled


def _caption(chosen: NDArray[np.int64], size: int, one: str) -> str:
    if chosen.size == 1:
        return f"{one} {chosen[0]} of {size}"
    in_a_row = (np.diff(chosen) == 1).all()
    return f"{one}s {chosen[0]} to {chosen[-1]} of {size}" if in_a_row else f"{chosen.size} of {size} {one}s"


def _number(ax: Axes, chosen: NDArray[np.int64], shape: tuple[int, int], columns: int, band: int) -> None:
    for place, neuron in enumerate(chosen):
        top, left = _corner(place, shape, columns, band)
        ax.text(left, top - band / 2 - 0.5, str(neuron), fontsize=_SIZE, color=INK, ha="left", va="center_baseline")
