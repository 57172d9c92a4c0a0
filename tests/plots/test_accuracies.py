"""Accuracies of networks: one dot for each seed, the mean, and the reported accuracy."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab import plots

MEASURED = {"ours": [0.97, 0.98, 0.99], "theirs": [0.95]}


def test_seeds_mean_and_reported_accuracy_are_plotted() -> None:
    figure, axes = plots.figure()
    ax = plots.accuracies(MEASURED, axes[0, 0], reported={"ours": 0.985, "theirs": None})
    figure.draw_without_rendering()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ours", "theirs"]
    plotted = [line.get_xdata() for line in ax.get_lines()]
    for values in ([97.0, 98.0, 99.0], [95.0], [98.0, 98.0], [98.5]):
        assert any(np.shape(x) == np.shape(values) and np.allclose(x, values) for x in plotted), values
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"a seed", "mean", "paper"}
    low, high = ax.get_xlim()
    assert low < 95 and high > 99, "a seed is outside the Axes"
    assert ax.get_xlabel().endswith("(%)")


def test_equal_accuracies_do_not_overlap() -> None:
    ax = plots.accuracies({"ours": [0.9, 0.9, 0.9]}, plots.figure()[1][0, 0])
    (dots,) = (line for line in ax.get_lines() if line.get_label() == "a seed")
    assert len(set(dots.get_ydata())) == 3
    assert np.ptp(ax.get_xlim()) >= 1
    assert "paper" not in {text.get_text() for text in ax.get_legend().get_texts()}


def test_a_plot_without_results_has_a_notice() -> None:
    ax = plots.accuracies({}, plots.figure()[1][0, 0])
    assert [text.get_text() for text in ax.texts] == ["no results"]


@pytest.mark.parametrize(("values", "paper"), [([], None), ([97.0], None), ([-0.1], None), ([0.9], 98.8)])
def test_invalid_accuracies_are_errors(values: list[float], paper: float | None) -> None:
    with raises_input_error("ours"):
        plots.accuracies({"ours": values}, plots.figure()[1][0, 0], reported={"ours": paper})
