"""Figures of benchmark results: accuracies of a table, and the learning curves of a suite."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab import plots
from snnlab.benchmark.records import Row
from snnlab.benchmark.suites import Suite
from snnlab.benchmark.tables import Line
from snnlab.plots import Curve

_FIRST_LAYER = "input->"  # prefix of the projections whose gradient angle is plotted


def plot_results(lines: Sequence[Line], path: Path) -> Path:
    """Plot test accuracies, one row for each line of the table. Raises InputError if the figure cannot be written."""
    # changed options go below the name of the experiment
    names = ["\n".join([line.experiment, *textwrap.wrap(line.differences, 40)]) for line in lines]
    figure, axes = plots.figure(size=(8, 1.1 + sum(0.3 + 0.16 * name.count("\n") for name in names)))
    with plots.style():
        plots.accuracies(
            dict(zip(names, (line.accuracies for line in lines), strict=True)),
            axes[0, 0],
            reported=dict(zip(names, (line.rows[-1].reported for line in lines), strict=True)),
        )
    return plots.save(figure, path)


def plot_suite(suite: Suite, rows: Mapping[str, Sequence[Row]], path: Path) -> Path:
    """Plot accuracy over epochs and over time, and the angle to the gradient, a curve for each entry with rows.

    rows  label of the entry -> its rows, see `Suite.rows_of`

    Raises InputError if the figure cannot be written.
    """
    names = [entry.label for entry in suite.entries]
    epochs = {name: np.arange(1.0, of[0].epochs + 1) for name, of in rows.items()}
    accuracy = {name: 100 * np.array([row.test_curve for row in of]) for name, of in rows.items()}
    seconds = {name: np.mean([row.wall_s / row.epochs for row in of]) for name, of in rows.items()}
    angles = {name: values for name, of in rows.items() if (values := _angles(of)) is not None}
    figure, axes = plots.figure(1, 3, size=(11, 4))
    over_epochs, over_time, of_angles = axes[0]
    with plots.style():
        plots.curves({name: Curve(epochs[name], accuracy[name]) for name in rows}, over_epochs, names=names)
        timed = {name: Curve(seconds[name] * epochs[name], accuracy[name]) for name in rows}
        plots.curves(timed, over_time, names=names)
        plots.curves({name: Curve(epochs[name], angles[name]) for name in angles}, of_angles, names=names)
    lowest = min((values.min() for values in accuracy.values()), default=0.0)
    for ax, label in ((over_epochs, "epoch"), (over_time, "time of training and testing (s)")):
        ax.set(xlabel=label, ylabel="test accuracy (%)", ylim=(max(0.0, lowest - 1), 100))
    over_time.set_xscale("log")
    largest = max((values.max() for values in angles.values()), default=90.0)
    top = max(93, largest + 3)
    of_angles.set(xlabel="epoch", ylabel="angle of the first layer's update\nto the gradient (degrees)")
    of_angles.set(yticks=range(0, int(top), 15 if top < 100 else 30), ylim=(-3, top))
    figure.legend(*over_epochs.get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return plots.save(figure, path)


def _angles(rows: Sequence[Row]) -> NDArray[np.float64] | None:
    """Degrees (seeds, epochs) of the first layer; None for rules without a gradient."""
    curves = [[curve for name, curve in row.angles.items() if name.startswith(_FIRST_LAYER)] for row in rows]
    return np.array([of_row[0] for of_row in curves]) if all(curves) else None
