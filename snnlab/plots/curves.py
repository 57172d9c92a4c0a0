"""Courses of learning of several rules beside one another: the mean over seeds, and where all of these lie."""

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

_DASHES = ("-", (0, (6, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))  # beside colours, for whom these are alike


@dataclass(frozen=True, eq=False)
class Curve:
    """What was measured of one rule.

    along   (points,)        where
    values  (seeds, points)  what; NaN where it was not
    """

    along: NDArray[np.floating]
    values: NDArray[np.floating]


def curves(measured: Mapping[str, Curve], ax: Axes, *, names: Sequence[str]) -> Axes:
    """A line for each rule, the mean over its seeds, in a band from the lowest seed to the highest.

    names  all rules of the picture, for one to have the same colour and dashes in every panel

    Raises InputError for a rule that is none of `names`, and for values that do not fit where they lie.
    """
    colors = cycle(STYLE["axes.prop_cycle"].by_key()["color"])
    looks = {name: (color, dashes) for name, color, dashes in zip(names, colors, cycle(_DASHES))}  # noqa: B905
    for name, curve in measured.items():
        if name not in looks:
            raise InputError("curves", f"{name!r}", f"needs one of {', '.join(names)}")
        if curve.values.ndim != 2 or curve.along.shape != curve.values.shape[1:] or not curve.values.size:
            found = f"values {curve.values.shape} at {curve.along.shape}"
            raise InputError(f"curves of {name}", found, "needs (seeds, points) at (points,)")
        color, dashes = looks[name]
        marker = "o" if len(curve.along) == 1 else None  # a line through one point is not seen
        ax.plot(
            curve.along,
            curve.values.mean(axis=0),
            color=color,
            linestyle=dashes,
            marker=marker,
            markersize=4,
            label=name,
        )
        low, high = curve.values.min(axis=0), curve.values.max(axis=0)
        ax.fill_between(curve.along, low, high, color=color, alpha=0.2, linewidth=0)
    if not measured:
        notice(ax, "no results")
    return ax
