"""Accuracies of several networks: one dot for each seed, the mean, and the accuracy reported in the paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import legend_above, notice
from snnlab.plots.style import BLUE, GREY, INK, PALE, VERMILLION


def accuracies(
    measured: Mapping[str, Sequence[float]], ax: Axes, *, reported: Mapping[str, float | None] | None = None
) -> Axes:
    """One row for each network, the first at the top: test accuracy of each seed in percent, and their mean.

    measured  network -> accuracy of each seed, 0 to 1
    reported  network -> accuracy in the paper, None if it has none

    Raises InputError for an accuracy outside 0..1, and for a network without accuracies.
    """
    papers = reported or {}
    for name, values in measured.items():
        if not len(values):
            raise InputError(name, "no accuracies", "must have at least one")
        for value in (*values, papers.get(name)):
            if value is not None and not 0 <= value <= 1:
                raise InputError(name, f"got accuracy {value:g}", "must be 0 to 1")
    for place, values in enumerate(measured.values()):
        _seeds(ax, place, 100 * np.asarray(values, dtype=float))
    shown = [(place, 100 * paper) for place, name in enumerate(measured) if (paper := papers.get(name)) is not None]
    if shown:
        places, numbers = zip(*shown, strict=True)
        ax.plot(numbers, places, "D", color=VERMILLION, fillstyle="none", markersize=8, label="paper", zorder=3)
    _axes(ax, list(measured))
    return ax


def _seeds(ax: Axes, place: int, values: NDArray[np.float64]) -> None:
    first = place == 0  # one legend entry is enough
    ax.axhline(place, color=PALE, linewidth=0.5, zorder=0)
    # seeds are spread out vertically, so that equal accuracies can be counted
    rows = place + (np.linspace(-0.15, 0.15, len(values)) if len(values) > 1 else np.zeros(1))
    ax.plot(values, rows, "o", color=BLUE, markersize=5, markeredgewidth=0, label="a seed" if first else "", zorder=4)
    middle = [values.mean()] * 2
    ax.plot(middle, [place - 0.3, place + 0.3], color=INK, linewidth=1.8, label="mean" if first else "", zorder=2)


def _axes(ax: Axes, names: Sequence[str]) -> None:
    ax.set_xlabel("test accuracy after the last epoch (%)")
    ax.set_yticks(range(len(names)), names)
    ax.tick_params(axis="y", length=0)
    ax.set_ylim(max(len(names), 1) - 0.5, -0.5)
    if not names:
        ax.set(xticks=[])
        notice(ax, "no results")
        return
    ax.margins(x=0.08)
    low, high = ax.get_xlim()
    if high - low < 1:  # at least one percent, or noise looks like a difference
        middle = (low + high) / 2
        low, high = middle - 0.5, middle + 0.5
    ax.set_xlim(max(low, -1), min(high, 100 + 0.02 * (high - low)))
    if ax.get_xlim()[1] > 100:
        ax.axvline(100, color=GREY, linewidth=0.5)
    legend_above(ax)
