"""Learning curves over epochs: accuracy, correlation with target spike trains, and share of problems solved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from snnlab.errors import InputError, one_of
from snnlab.plots.axes import integer_ticks, legend_above, notice
from snnlab.plots.style import BLUE, INK, ORANGE

_DASHES = ("-", (0, (5, 1)), (0, (1, 1)))  # for readers who cannot distinguish the colours


def learning_curve(
    metrics: Sequence[Mapping[str, Any]],
    ax: Axes,
    *,
    reported: float | None = None,
    source: str = "reported",
) -> Axes:
    """Train and test accuracy in percent over epochs; the legend gives those of the last epoch.

    metrics   rows with `epoch` (from 1), `train_accuracy` and `test_accuracy` (0..1, or None)
    reported  accuracy in the paper (0..1); a dashed line
    source    name of the dashed line

    Raises InputError for a row without these keys, and for an accuracy outside 0..1.
    """
    epochs = _column(metrics, "epoch")
    curves = {
        "train": (_accuracy(metrics, "train_accuracy"), ORANGE, "s"),
        "test": (_accuracy(metrics, "test_accuracy"), BLUE, "o"),
    }
    for name, (values, color, marker) in curves.items():
        measured = values[np.isfinite(values)]
        if measured.size:
            ax.plot(epochs, values, color=color, marker=marker, markersize=4, clip_on=False, zorder=3,
                    label=f"{name} (last {measured[-1]:.2f} %)")  # fmt: skip
    levels = np.concatenate([values for values, _, _ in curves.values()])
    if reported is not None:
        level = 100 * _checked("reported", reported)
        ax.axhline(level, color=INK, linestyle="--", linewidth=1.0, label=f"{source}: {level:.4g} %")
        levels = np.append(levels, level)
    _axes(ax, epochs, levels[np.isfinite(levels)])
    return ax


def correlation_curve(metrics: Sequence[Mapping[str, Any]], ax: Axes) -> Axes:
    """Correlation of the output with the target spike trains during training; y starts at 0 unless all are high.

    metrics  rows with `epoch` (from 1) and `train_loss`, which is 1 - correlation for rules with target spike trains

    Raises InputError for a row without these keys.
    """
    epochs, values = _column(metrics, "epoch"), 1 - _column(metrics, "train_loss")
    ax.plot(epochs, values, color=ORANGE, marker="s", markersize=4, clip_on=False, zorder=3)
    distance = 1.5 * (1 - values.min(initial=1.0))
    ax.set(
        xlabel="epoch", ylabel="correlation\nwith target trains", ylim=(1 - distance if 0 < distance < 0.3 else 0, 1)
    )
    _epoch_axis(ax, epochs)
    if not epochs.size:
        notice(ax, "no epochs")
    return ax


def solved_curve(solved: Mapping[str, Sequence[int | None]], ax: Axes, *, epochs: int) -> Axes:
    """Percentage of problems that each rule has solved by each epoch, from 1 to `epochs`.

    solved  rule -> the epoch in which each problem was solved, None for unsolved problems

    Raises InputError for a rule without problems, and for an epoch after the last.
    """
    for (name, epochs_of), dashes in zip(solved.items(), cycle(_DASHES)):  # noqa: B905 - cycle is endless
        if not epochs_of:
            raise InputError(f"solved: {name}", "no problems", "must have an epoch or None for each problem")
        known = sorted(epoch for epoch in epochs_of if epoch is not None)
        if known and not 1 <= known[0] <= known[-1] <= epochs:
            raise InputError(f"solved: {name}", f"got epochs {known[0]}..{known[-1]}", f"must be 1..{epochs}")
        shares = 100 * np.arange(len(known) + 1) / len(epochs_of)
        ax.step([1, *known, epochs], [*shares, shares[-1]], where="post", linestyle=dashes, label=name, clip_on=False)
    ax.set(xlabel="epoch", ylabel="problems solved (%)", xscale="log", xlim=(1, max(2, epochs)), ylim=(0, 100))
    ax.xaxis.set_major_formatter("{x:.0f}")
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return ax


def _column(metrics: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    for number, row in enumerate(metrics, start=1):
        if key not in row:
            raise InputError(f"metrics row {number}", f"no {key!r}", one_of(key, row))
    return np.array([np.nan if row[key] is None else row[key] for row in metrics], dtype=float)


def _accuracy(metrics: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    values = _column(metrics, key)
    for number, value in enumerate(values, start=1):
        _checked(f"metrics row {number}: {key}", value)
    return 100 * values


def _checked(where: str, value: float) -> float:
    if value < 0 or value > 1:
        raise InputError(where, f"got accuracy {value:g}", "must be 0 to 1")
    return value


def _axes(ax: Axes, epochs: NDArray[np.float64], levels: NDArray[np.float64]) -> None:
    ax.set_xlabel("epoch")
    ax.set_ylabel("accuracy (%)")
    _epoch_axis(ax, epochs)
    if levels.size and epochs.size == 1:
        ax.set_ylim(0.0, 100.0)  # no progress to zoom in on yet
        legend_above(ax)
    elif levels.size:
        high = levels.max()
        low = min(levels.min(), high - 1.0)  # at least one percent, or noise looks like learning
        margin = 0.08 * (high - low)
        ax.set_ylim(max(0.0, low - margin), min(100.0, high + margin))
        legend_above(ax)
    if not epochs.size:
        ax.set(ylim=(0, 100))
        notice(ax, "no epochs")


def _epoch_axis(ax: Axes, epochs: NDArray[np.float64]) -> None:
    """The same limits for all curves of a run, so that stacked Axes align."""
    ax.xaxis.set_major_locator(integer_ticks())
    if epochs.size:
        margin = max(0.5 if epochs.size == 1 else 0.0, 0.03 * np.ptp(epochs))
        ax.set_xlim(epochs.min() - margin, epochs.max() + margin)
    else:
        ax.set(xticks=[])
