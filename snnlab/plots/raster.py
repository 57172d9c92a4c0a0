"""Spike raster."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains, neuron_numbers
from snnlab.errors import InputError
from snnlab.plots.axes import integer_ticks, notice, time_axis
from snnlab.plots.style import INK, RASTERISED

_MAX_TICK_ROWS = 50  # with more rows, spikes are dots instead of vertical ticks
_MAX_LABELLED_ROWS = 12  # up to this number every row is labelled


def raster(
    spikes: SpikeTrains,
    ax: Axes,
    *,
    sample: int = 0,
    neurons: Sequence[int] | NDArray[np.integer] | None = None,
    color: str = INK,
    marker: str | None = None,
) -> Axes:
    """The spike raster of one sample: a mark at (time, neuron) for each spike.

    neurons  neurons to show, the first at the bottom; all by default
    marker   a matplotlib marker; by default vertical ticks for few neurons and dots for many

    Raises InputError for a sample or a neuron that does not exist.
    """
    shown = _chosen(spikes, neurons)
    row_of = np.full(spikes.size, -1)
    row_of[shown] = np.arange(len(shown))
    _, step, ids = spikes.sample(sample).events()
    row = row_of[ids]
    time = step[row >= 0] * spikes.dt * time_axis(ax, spikes.duration)
    row = row[row >= 0]
    if marker is None and len(shown) <= _MAX_TICK_ROWS:
        ax.vlines(time, row - 0.4, row + 0.4, color=color, linewidth=1.0)
    else:
        size = _dot(ax, len(row)) if marker is None else None
        ax.plot(time, row, linestyle="none", marker=marker or "o", markersize=size, color=color,
                markeredgewidth=0 if marker is None else None, rasterized=len(row) > RASTERISED)  # fmt: skip
    _neuron_axis(ax, shown)
    if not len(row):
        notice(ax, "no spikes" if len(shown) else "no neurons")
    return ax


def _chosen(spikes: SpikeTrains, neurons: Sequence[int] | NDArray[np.integer] | None) -> NDArray[np.int64]:
    if neurons is None:
        return np.arange(spikes.size)
    chosen = neuron_numbers(neurons, spikes.size, "raster")
    number, times = np.unique(chosen, return_counts=True)
    if (times > 1).any():
        raise InputError("raster.neurons", f"got neuron {number[times > 1][0]} twice", "must be unique")
    return chosen


def _dot(ax: Axes, spikes: int) -> float:
    """Diameter of the dots in points, larger for fewer spikes and never invisible."""
    box = ax.get_window_extent()
    side = math.sqrt(box.width * box.height / max(spikes, 1)) * 72 / ax.figure.dpi
    return float(np.clip(0.25 * side, 0.8, 3.0))


def _neuron_axis(ax: Axes, shown: NDArray[np.int64]) -> None:
    ax.set_ylim(-0.5, max(len(shown), 1) - 0.5)
    ax.set_ylabel("neuron")
    if len(shown) <= _MAX_LABELLED_ROWS:
        ax.set_yticks(range(len(shown)), [str(number) for number in shown])
    else:
        ax.yaxis.set_major_locator(integer_ticks())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda row, _: _number(shown, row)))


def _number(shown: NDArray[np.int64], row: float) -> str:
    inside = 0 <= row < len(shown) and float(row).is_integer()
    return str(shown[int(row)]) if inside else ""
