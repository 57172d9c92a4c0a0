"""Bars of the rates of a few cells, such as the outputs of a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.style import BLUE, VERMILLION


def rate_bars(values: ArrayLike, ax: Axes, *, names: Sequence[str], highlighted: int | None = None) -> Axes:
    """One bar for each named cell; the bar with number `highlighted` is red.

    Raises InputError for a wrong number of names.
    """
    array = np.asarray(values, dtype=float)
    if array.shape != (len(names),):
        raise InputError("rate_bars", f"got values of shape {array.shape} for {len(names)} names", "must be one each")
    bars = ax.bar(range(len(names)), array, color=BLUE, width=0.7)
    if highlighted is not None:
        bars[highlighted].set_color(VERMILLION)
    ax.set_xticks(range(len(names)), names)
    ax.set_ylabel("rate")
    ax.set_xlim(-0.6, len(names) - 0.4)
    return ax
