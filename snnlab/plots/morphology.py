"""The shape of a neuron, seen from where it is widest."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from snnlab.errors import InputError
from snnlab.networks.morphology import Morphology
from snnlab.plots.style import GREY, INK

_MARGIN = 0.08  # of the shape, around it
_WIDTHS = (0.6, 5.0)  # points of the thinnest and the thickest line


def morphology(morphology: Morphology, ax: Axes, marked: Mapping[int, str] | None = None) -> Axes:
    """The cones of a morphology as lines, thicker where they are, with a bar of length below.

    It is projected on the two axes of its file along which it is the longest, the file's y or z upwards.

    marked  number of a point -> colour of a dot there

    Raises InputError for a point that it has not.
    """
    for point in marked or {}:
        if not 0 <= point < len(morphology):
            raise InputError("shape", f"no point {point}", f"there are {len(morphology)}")
    extent = np.ptp(morphology.points, axis=0)
    across, up = sorted(np.argsort(-extent, kind="stable")[:2])
    flat = 1e6 * morphology.points[:, [across, up]]
    size = max(float(np.ptp(flat, axis=0).max()), 2e6 * float(morphology.radii.max()))
    hanging = np.flatnonzero(morphology.parents >= 0)
    cones = np.stack([flat[morphology.parents[hanging]], flat[hanging]], axis=1)
    widths = np.clip(2e6 * morphology.radii[hanging] / size * 200, *_WIDTHS)
    ax.add_collection(LineCollection(list(cones), linewidths=widths, colors=GREY, capstyle="round"))
    root = 2e6 * float(morphology.radii[0]) / size * 200
    ax.plot(*flat[0], "o", color=GREY, markersize=min(max(root, 2.0), 14.0))
    for point, colour in (marked or {}).items():
        ax.plot(
            *flat[point], marker="o", linestyle="none", markersize=6, color=colour, markeredgecolor="white", zorder=3
        )
    _frame(ax, flat.min(axis=0), flat.max(axis=0), size)
    return ax


def _frame(ax: Axes, lowest: np.ndarray, highest: np.ndarray, size: float) -> None:
    """Room around the shape, and a bar of a round length below it."""
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
