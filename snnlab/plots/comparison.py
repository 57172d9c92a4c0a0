"""Two kinds of recordings held beside each other."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.axes import legend_above
from snnlab.plots.style import STYLE

_LINES = ("-", "--", ":", "-.")


def overlay(at: ArrayLike, heights: Mapping[str, ArrayLike], ax: Axes) -> Axes:
    """Lines over the same places, one for each name, told apart by colour and by dashes.

    at       (places,), or the edges of bins (places + 1,)
    heights  name -> (places,), up to four

    Raises InputError for heights of another length, for none, and for more than four.
    """
    places = np.asarray(at)
    if not 1 <= len(heights) <= len(_LINES):
        raise InputError("beside", f"{len(heights)} lines", f"needs 1 to {len(_LINES)}")
    for (name, given), dash in zip(heights.items(), _LINES, strict=False):
        height = np.asarray(given)
        if height.shape == places.shape:
            ax.plot(places, height, dash, label=name)
        elif height.ndim == 1 and len(height) + 1 == len(places):
            ax.stairs(height, places, label=name, linestyle=dash, linewidth=STYLE["lines.linewidth"])
        else:
            found = f"{name} of shape {height.shape} over places of shape {places.shape}"
            raise InputError("beside", found, "needs a height for each place, or for each bin between two edges")
    ax.set_ylim(bottom=0)
    legend_above(ax)
    return ax


def agreement(one: ArrayLike, other: ArrayLike, ax: Axes) -> Axes:
    """A dot for each pair of numbers, and the line where the two are equal.

    Raises InputError for another number of the ones than of the others, and for none.
    """
    x, y = np.asarray(one, dtype=float), np.asarray(other, dtype=float)
    if x.shape != y.shape or x.ndim != 1 or not x.size:
        raise InputError(
            "agreement", f"numbers of shapes {x.shape} and {y.shape}", "needs as many of the one as of the other"
        )
    ax.plot(x, y, ".", alpha=0.6, markeredgewidth=0)
    most = 1.05 * max(x.max(), y.max(), 1e-9)
    ax.plot([0, most], [0, most], color="black", linewidth=0.8)
    ax.set_xlim(0, most)
    ax.set_ylim(0, most)
    return ax
