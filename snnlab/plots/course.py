"""The course of something over training, counted in updates of the weights: one line for each way of learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes

from snnlab.errors import Refused

_DASHES = ("-", (0, (5, 1)), (0, (1, 1)), (0, (5, 1, 1, 1)))  # so that lines of one colour for another eye differ too


def course(lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], ax: Axes, *, label: str) -> Axes:
    """Values over updates.

    lines  name -> (updates, values), as many of one as of the other
    label  what the values are, with their unit

    Raises Refused for a line whose updates and values are not as many, and for updates that do not rise.
    """
    for (name, (updates, values)), dashes in zip(lines.items(), cycle(_DASHES)):  # noqa: B905 - dashes never end
        if len(updates) != len(values):
            raise Refused(
                f"course: {name}", f"{len(updates)} updates and {len(values)} values", "needs as many of both"
            )
        if any(np.diff(updates) <= 0):
            raise Refused(f"course: {name}", "updates that do not rise", "needs each once, in their order")
        ax.plot(updates, values, linestyle=dashes, label=name)
    ax.set(xlabel="updates", ylabel=label)
    ax.margins(x=0.02)
    return ax


def angle_course(lines: Mapping[str, tuple[Sequence[int], Sequence[float]]], ax: Axes) -> Axes:
    """Degrees between forward and backward weights over updates, beside the 90 of weights that are strangers.

    lines  name -> (updates, degrees); what `course` refuses is refused
    """
    ax.axhline(90.0, color="0.5", linestyle=":", linewidth=1.0)
    return course(lines, ax, label="angle of forward and\nbackward weights (degrees)")
