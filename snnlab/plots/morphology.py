"""Morphology of a neuron."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.morphology import Morphology
from snnlab.plots.style import GREY, INK

_MARGIN = 0.08  # around the morphology, relative to its size
_WIDTHS = (0.6, 5.0)  # points; thinnest and thickest line


def morphology(cell: Morphology, ax: Axes, marked: Mapping[int, str] | None = None) -> Axes:
    """The segments of a morphology as lines, wider for larger diameters, with a scale bar.

    The view is along the axis of the SWC file in which the morphology is shortest.

    marked  number of a point -> colour of a dot there

    Raises InputError for a point that does not exist.
    """
    for point in marked or {}:
        if not 0 <= point < len(cell):
            raise InputError("morphology", f"got point {point}", f"must be 0 to {len(cell) - 1}")
    extent = np.ptp(cell.points, axis=0)
    across, up = sorted(np.argsort(-extent, kind="stable")[:2])
    flat = 1e6 * cell.points[:, [across, up]]
    size = max(float(np.ptp(flat, axis=0).max()), 2e6 * float(cell.radii.max()))
    children = np.flatnonzero(cell.parents >= 0)
    segments = np.stack([flat[cell.parents[children]], flat[children]], axis=1)
    widths = np.clip(2e6 * cell.radii[children] / size * 200, *_WIDTHS)
    ax.add_collection(LineCollection(list(segments), linewidths=widths, colors=GREY, capstyle="round"))
    root = 2e6 * float(cell.radii[0]) / size * 200
    ax.plot(*flat[0], "o", color=GREY, markersize=min(max(root, 2.0), 14.0))
    for point, colour in (marked or {}).items():
        ax.plot(*flat[point], "o", markersize=6, color=colour, markeredgecolor="white", zorder=3)
    _add_scale_bar(ax, flat.min(axis=0), flat.max(axis=0), size)
    return ax


def _add_scale_bar(ax: Axes, lowest: NDArray[np.float64], highest: NDArray[np.float64], size: float) -> None:
    """Put a bar of a round length below the morphology, and set the limits of the Axes."""
    bar = size / 3
    power = 10 ** math.floor(math.log10(bar))
    bar = max(step for step in (1, 2, 5) if step * power <= bar) * power
    below = lowest[1] - 2 * _MARGIN * size
    ax.plot([lowest[0], lowest[0] + bar], [below, below], color=INK, linewidth=1.5, solid_capstyle="butt")
    ax.text(lowest[0], below - 0.02 * size, f"{bar:g} µm", va="top")
    ax.set_xlim(lowest[0] - _MARGIN * size, max(highest[0], lowest[0] + bar) + _MARGIN * size)
    ax.set_ylim(below - _MARGIN * size, highest[1] + _MARGIN * size)
    ax.set_aspect("equal")
    ax.set_axis_off()
