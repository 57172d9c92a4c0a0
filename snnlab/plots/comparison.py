"""Plots that compare two sets of measurements."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.axes import legend_above
from snnlab.plots.style import STYLE

_DASHES = ("-", "--", ":", "-.")


def overlay(x: ArrayLike, heights: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """One line for each name, distinguished by colour and dashes.

    x        (points,), or the edges of bins (points + 1,)
    heights  name -> (points,), up to four

    Raises InputError for heights of the wrong shape, for none, and for more than four.
    """
    x = np.asarray(x)
    if not 1 <= len(heights) <= len(_DASHES):
        raise InputError("overlay", f"got {len(heights)} lines", f"must be 1 to {len(_DASHES)}")
    for (name, given), dashes in zip(heights.items(), _DASHES, strict=False):
        height = np.asarray(given)
        if height.shape == x.shape:
            ax.plot(x, height, dashes, label=name)
        elif height.ndim == 1 and len(height) + 1 == len(x):
            ax.stairs(height, x, label=name, linestyle=dashes, linewidth=STYLE["lines.linewidth"])
        else:
            problem = f"got {name} of shape {height.shape} at x of shape {x.shape}"
            raise InputError("overlay", problem, "must be one height for each point, or for each bin")
    ax.set_ylim(bottom=0)
    legend_above(ax)
    return ax


def agreement(x: ArrayLike, y: ArrayLike, ax: Axes) -> Axes:
    """One dot for each pair of numbers, and the line of equality.

    Raises InputError for arrays of different shapes, and for empty ones.
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise InputError("agreement", f"got shapes {x.shape} and {y.shape}", "must be two vectors of one length")
    ax.plot(x, y, ".", alpha=0.6, markeredgewidth=0)
    largest = 1.05 * max(x.max(), y.max(), 1e-9)
    ax.plot([0, largest], [0, largest], color="black", linewidth=0.8)
    ax.set_xlim(0, largest)
    ax.set_ylim(0, largest)
    return ax
