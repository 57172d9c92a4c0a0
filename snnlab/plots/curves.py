"""Curves of several rules in one Axes: the mean over seeds, in a band from the lowest seed to the highest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import notice
from snnlab.plots.style import STYLE

_DASHES = ("-", (0, (6, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))  # for readers who cannot distinguish the colours


@dataclass(frozen=True, eq=False)
class Curve:
    """Measurements of one rule.

    x       (points,)
    values  (seeds, points), NaN for missing values
    """

    x: NDArray[np.floating]
    values: NDArray[np.floating]


def curves(measured: Mapping[str, Curve], ax: Axes, *, names: Sequence[str]) -> Axes:
    """One line for each rule, with its band.

    names  all rules of the figure, so that a rule has the same colour and dashes in every panel

    Raises InputError for a rule that is not in `names`, and for values of the wrong shape.
    """
    colors = cycle(STYLE["axes.prop_cycle"].by_key()["color"])
    styles = {name: (color, dashes) for name, color, dashes in zip(names, colors, cycle(_DASHES))}  # noqa: B905
    for name, curve in measured.items():
        if name not in styles:
            raise InputError("curves", f"got {name!r}", f"must be one of {', '.join(names)}")
        if curve.values.ndim != 2 or curve.x.shape != curve.values.shape[1:] or not curve.values.size:
            problem = f"got values {curve.values.shape} at x {curve.x.shape}"
            raise InputError(f"curves of {name}", problem, "must be (seeds, points) at (points,)")
        color, dashes = styles[name]
        marker = "o" if len(curve.x) == 1 else None  # a line of one point is invisible
        mean = curve.values.mean(axis=0)
        ax.plot(curve.x, mean, color=color, linestyle=dashes, marker=marker, markersize=4, label=name)
        low, high = curve.values.min(axis=0), curve.values.max(axis=0)
        ax.fill_between(curve.x, low, high, color=color, alpha=0.2, linewidth=0)
    if not measured:
        notice(ax, "no results")
    return ax
