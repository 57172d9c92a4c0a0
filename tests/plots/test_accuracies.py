"""The figure of a bench: a dot for each seed, their mean, and the paper's number."""

from __future__ import annotations

import numpy as np
import pytest

from snnlab import plots
from snnlab.errors import InputError

MEASURED = {"ours": [0.97, 0.98, 0.99], "theirs": [0.95]}


def test_each_seed_their_mean_and_the_papers_number_are_drawn() -> None:
    figure, axes = plots.figure()
    ax = plots.accuracies(MEASURED, axes[0, 0], reported={"ours": 0.985, "theirs": None})
    figure.draw_without_rendering()
    assert [text.get_text() for text in ax.get_yticklabels()] == ["ours", "theirs"]
    drawn = [line.get_xdata() for line in ax.get_lines()]
    for values in ([97.0, 98.0, 99.0], [95.0], [98.0, 98.0], [98.5]):
        assert any(np.shape(one) == np.shape(values) and np.allclose(one, values) for one in drawn), values
    assert {text.get_text() for text in ax.get_legend().get_texts()} == {"a seed", "mean", "paper"}
    low, high = ax.get_xlim()
    assert low < 95 and high > 99, "a seed lies outside"
    assert ax.get_xlabel().endswith("(%)")


def test_seeds_of_the_same_accuracy_can_be_counted() -> None:
    ax = plots.accuracies({"ours": [0.9, 0.9, 0.9]}, plots.figure()[1][0, 0])
    (dots,) = (line for line in ax.get_lines() if line.get_label() == "a seed")
    assert len(set(dots.get_ydata())) == 3
    assert np.ptp(ax.get_xlim()) >= 1
    assert "paper" not in {text.get_text() for text in ax.get_legend().get_texts()}


def test_no_results_are_an_empty_figure_that_says_so() -> None:
    ax = plots.accuracies({}, plots.figure()[1][0, 0])
    assert [text.get_text() for text in ax.texts] == ["no results"]


@pytest.mark.parametrize(("values", "paper"), [([], None), ([97.0], None), ([-0.1], None), ([0.9], 98.8)])
def test_what_is_no_accuracy_is_refused(values: list[float], paper: float | None) -> None:
    with pytest.raises(InputError, match="ours"):
        plots.accuracies({"ours": values}, plots.figure()[1][0, 0], reported={"ours": paper})
