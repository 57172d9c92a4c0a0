"""Courses of learning of several rules beside one another: the mean over seeds, and where all of these lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.plots.frame import notice
from snnlab.plots.style import STYLE

_DASHES = ("-", (0, (6, 1.5)), (0, (2, 1)), (0, (6, 1.5, 1, 1.5)))  # beside colours, for whom these are alike


@dataclass(frozen=True, eq=False)
class Course:
    """What was measured of one rule.

    along   (points,)        where
    values  (seeds, points)  what; NaN where it was not
    """

    along: NDArray[np.floating]
    values: NDArray[np.floating]


def courses(measured: Mapping[str, Course], ax: Axes, *, names: Sequence[str]) -> Axes:
    """A line for each rule, the mean over its seeds, in a band from the lowest seed to the highest.

    names  all rules of the picture, for one to have the same colour and dashes in every panel

    Raises InputError for a rule that is none of `names`, and for values that do not fit where they lie.
    """
    colors = cycle(STYLE["axes.prop_cycle"].by_key()["color"])
    looks = {name: (color, dashes) for name, color, dashes in zip(names, colors, cycle(_DASHES))}  # noqa: B905
    for name, course in measured.items():
        if name not in looks:
            raise InputError("courses", f"{name!r}", f"needs one of {', '.join(names)}")
        if course.values.ndim != 2 or course.along.shape != course.values.shape[1:] or not course.values.size:
            found = f"values {course.values.shape} at {course.along.shape}"
            raise InputError(f"courses of {name}", found, "needs (seeds, points) at (points,)")
        color, dashes = looks[name]
        marker = "o" if len(course.along) == 1 else None  # a line through one point is not seen
        ax.plot(
            course.along,
            course.values.mean(axis=0),
            color=color,
            linestyle=dashes,
            marker=marker,
            markersize=4,
            label=name,
        )
        low, high = course.values.min(axis=0), course.values.max(axis=0)
        ax.fill_between(course.along, low, high, color=color, alpha=0.2, linewidth=0)
    if not measured:
        notice(ax, "no results")
    return ax
