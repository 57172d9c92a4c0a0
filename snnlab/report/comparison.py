"""The figure of a suite: accuracy over epochs and over time, and how far from the gradient each rule learns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from snnlab import plots
from snnlab.benchmark.records import Row, plain
from snnlab.benchmark.suites import Suite
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.plots import Curve

_FIRST = "input->"  # begins the name of the projection whose angle is drawn


def rows_of(suite: Suite, rows: Sequence[Row], changes: Mapping[str, str]) -> dict[str, list[Row]]:
    """Label -> the rows of this entry with its options, and `changes` beside; an entry without rows is left out.

    Raises InputError for rows of one entry that have other epochs than its others.
    """
    found = {}
    for entry in suite.entries:
        options = plain(EXPERIMENTS[entry.experiment].with_options({**entry.changes, **changes}).options())
        mine = [row for row in rows if row.experiment == entry.experiment and row.options == options]
        if len(epochs := {row.epochs for row in mine}) > 1:
            said = f"{entry.label} with the same options after {' and '.join(map(str, sorted(epochs)))} epochs"
            raise InputError("rows", said, "one of the two is not what a bench wrote: delete it")
        if mine:
            found[entry.label] = mine
    return found


def plot_suite(suite: Suite, found: Mapping[str, Sequence[Row]], path: Path) -> Path:
    """Three panels with a line for each entry that has rows. Raises InputError where it cannot be written.

    found  as `rows_of` gives it
    """
    names = [entry.label for entry in suite.entries]
    figure, axes = plots.figure(1, 3, size=(11, 4))
    epochs = {name: np.arange(1.0, mine[0].epochs + 1) for name, mine in found.items()}
    accuracy = {name: 100 * np.array([row.test_curve for row in mine]) for name, mine in found.items()}
    seconds = {name: np.mean([row.wall_s / row.epochs for row in mine]) for name, mine in found.items()}
    angles = {name: course for name, mine in found.items() if (course := _angles(mine)) is not None}
    over_epochs, over_time, away = axes[0]
    with plots.style():
        plots.curves({name: Curve(epochs[name], accuracy[name]) for name in found}, over_epochs, names=names)
        timed = {name: Curve(seconds[name] * epochs[name], accuracy[name]) for name in found}
        plots.curves(timed, over_time, names=names)
        plots.curves({name: Curve(epochs[name], angles[name]) for name in angles}, away, names=names)
    lowest = min((one.min() for one in accuracy.values()), default=0.0)
    for ax, label in ((over_epochs, "epoch"), (over_time, "time of training and testing (s)")):
        ax.set(xlabel=label, ylabel="test accuracy (%)", ylim=(max(0.0, lowest - 1), 100))
    over_time.set_xscale("log")
    widest = max((one.max() for one in angles.values()), default=90.0)
    top = max(93, widest + 3)
    away.set(xlabel="epoch", ylabel="angle of the first layer's update\nto the gradient (degrees)")
    away.set(yticks=range(0, int(top), 15 if top < 100 else 30), ylim=(-3, top))
    figure.legend(*over_epochs.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return plots.save(figure, path)


def _angles(rows: Sequence[Row]) -> np.ndarray | None:
    """Degrees (seeds, epochs) of the first layer, None where the rule has no gradient."""
    courses = [[course for name, course in row.angles.items() if name.startswith(_FIRST)] for row in rows]
    return np.array([one[0] for one in courses]) if all(courses) else None
