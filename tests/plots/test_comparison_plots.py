"""Recordings held beside each other: the lines and dots are the numbers that were given."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import StepPatch

from snnlab.errors import InputError
from snnlab.plots import figure
from snnlab.plots.comparison import agreement, overlay


def test_lines_have_the_heights_they_were_given_and_differ_by_colour_and_by_dashes() -> None:
    _, axes = figure()
    ax = overlay([1, 2, 4], {"recordings": [3.0, 1.0, 2.0], "model": [1.0, 1.0, 5.0]}, axes[0, 0])
    one, other = ax.get_lines()
    np.testing.assert_array_equal(one.get_xydata(), [[1, 3], [2, 1], [4, 2]])
    np.testing.assert_array_equal(other.get_ydata(), [1, 1, 5])
    assert one.get_color() != other.get_color() and one.get_linestyle() != other.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["recordings", "model"]
    assert ax.get_ylim()[0] == 0


def test_heights_of_bins_are_drawn_as_steps_between_their_edges() -> None:
    _, axes = figure()
    ax = overlay([0, 10, 20], {"model": [4.0, 2.0]}, axes[0, 0])
    (patch,) = (patch for patch in ax.patches if isinstance(patch, StepPatch))
    np.testing.assert_array_equal(patch.get_data().values, [4, 2])
    np.testing.assert_array_equal(patch.get_data().edges, [0, 10, 20])


def test_equal_numbers_lie_on_the_line() -> None:
    _, axes = figure()
    ax = agreement([1.0, 5.0], [1.0, 4.0], axes[0, 0])
    dots, line = ax.get_lines()
    np.testing.assert_array_equal(dots.get_xydata(), [[1, 1], [5, 4]])
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert ax.get_xlim() == ax.get_ylim() and ax.get_xlim()[1] > 5


def test_numbers_that_cannot_be_held_beside_each_other_are_refused() -> None:
    _, axes = figure()
    with pytest.raises(InputError, match="model of shape"):
        overlay([1, 2, 3], {"model": [1.0]}, axes[0, 0])
    with pytest.raises(InputError, match="0 lines"):
        overlay([1, 2, 3], {}, axes[0, 0])
    for one, other in (([1.0], [1.0, 2.0]), ([], [])):
        with pytest.raises(InputError, match="numbers of shapes"):
            agreement(one, other, axes[0, 0])
