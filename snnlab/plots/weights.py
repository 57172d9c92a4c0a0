"""Weight images: what each hidden neuron looks for in the image before it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab.errors import Refused
from snnlab.plots.frame import notice
from snnlab.plots.style import INK, PALE
from snnlab.spikes import neuron_numbers

_MOST = 64  # neurons shown unless chosen
_NUMBERED_COLUMNS = 12  # more columns leave no room for a number in each tile


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

    The colours span the 99.5th percentile of the absolute weights shown; the colour bar's points say where some lie
    beyond.

    weights  (inputs, neurons), inputs in the order of a flattened image of `shape`
    neurons  which ones to show; the first 64 if left out
    label    of the colour bar, with the unit if the weights have one
    one      what a column is

    Raises Refused for weights that are not such a matrix or not finite, and for a neuron that does not exist.
    """
    matrix = _matrix(weights, shape)
    chosen = _chosen(matrix, neurons)
    if not chosen.size:
        notice(ax, "no neurons")
        ax.set_axis_off()
        return ax
    shown = matrix[:, chosen]
    limit, beyond = _limit(shown)
    columns = max(1, min(columns, chosen.size))
    image = ax.imshow(
        _tile(shown, shape, columns), cmap=colormaps["RdBu_r"].with_extremes(bad=PALE), vmin=-limit, vmax=limit
    )
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_xlabel(_caption(chosen, matrix.shape[1], one))
    if 1 < columns <= _NUMBERED_COLUMNS:
        _number(ax, chosen, shape, columns)
    bar = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    ax.figure.colorbar(image, cax=bar, label=label, extend="both" if beyond else "neither")
    return ax


def _matrix(weights: ArrayLike, shape: tuple[int, int]) -> NDArray[np.float64]:
    matrix = np.asarray(weights)
    inputs = shape[0] * shape[1]
    if matrix.ndim != 2 or matrix.shape[0] != inputs:
        found = f"weights of shape {matrix.shape}"
        raise Refused("weight_images", found, f"images of {shape[0]} x {shape[1]} need ({inputs}, neurons)")
    if not np.isfinite(matrix).all():
        raise Refused("weight_images", "weights that are not finite", "NaN and infinity have no colour")
    return matrix.astype(float)


def _chosen(matrix: NDArray[np.float64], neurons: Sequence[int] | NDArray[np.integer] | None) -> NDArray[np.int64]:
    size = matrix.shape[1]
    if neurons is None:
        return np.arange(min(size, _MOST))
    return neuron_numbers(neurons, size, "weight_images")


def _limit(shown: NDArray[np.float64]) -> tuple[float, bool]:
    """The weight at the end of the colours, and whether some lie beyond it."""
    size = np.abs(shown)
    limit = float(np.percentile(size, 99.5)) or float(size.max()) or 1.0
    return limit, bool(size.max() > limit)


def _tile(shown: NDArray[np.float64], shape: tuple[int, int], columns: int) -> NDArray[np.float64]:
    """One image of all tiles, a pixel of NaN between neighbours."""
    height, width = shape
    rows = math.ceil(shown.shape[1] / columns)
    tiled = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for number, column in enumerate(shown.T):
        top, left = number // columns * (height + 1), number % columns * (width + 1)
        tiled[top : top + height, left : left + width] = column.reshape(shape)
    return tiled


def _caption(chosen: NDArray[np.int64], size: int, one: str) -> str:
    if chosen.size == 1:
        return f"{one} {chosen[0]} of {size}"
    in_a_row = (np.diff(chosen) == 1).all()
    return f"{one}s {chosen[0]} to {chosen[-1]} of {size}" if in_a_row else f"{chosen.size} of {size} {one}s"


def _number(ax: Axes, chosen: NDArray[np.int64], shape: tuple[int, int], columns: int) -> None:
    height, width = shape
    for place, neuron in enumerate(chosen):
        top, left = place // columns * (height + 1), place % columns * (width + 1)
        ax.text(left, top, str(neuron), fontsize=6, color=INK, ha="left", va="top")
