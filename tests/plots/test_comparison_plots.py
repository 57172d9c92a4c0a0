"""Plots that compare two sets of measurements."""

from __future__ import annotations

import numpy as np
from errors_in_tests import raises_input_error
from matplotlib.patches import StepPatch

from snnlab.plots import figure
from snnlab.plots.comparison import agreement, overlay


def test_lines_have_the_given_heights_and_differ_in_colour_and_dashes() -> None:
    _, axes = figure()
    ax = overlay([1, 2, 4], {"recordings": [3.0, 1.0, 2.0], "model": [1.0, 1.0, 5.0]}, axes[0, 0])
    first, second = ax.get_lines()
    np.testing.assert_array_equal(first.get_xydata(), [[1, 3], [2, 1], [4, 2]])
    np.testing.assert_array_equal(second.get_ydata(), [1, 1, 5])
    assert first.get_color() != second.get_color() and first.get_linestyle() != second.get_linestyle()
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["recordings", "model"]
    assert ax.get_ylim()[0] == 0


def test_heights_of_bins_are_steps() -> None:
    _, axes = figure()
    ax = overlay([0, 10, 20], {"model": [4.0, 2.0]}, axes[0, 0])
    (patch,) = (patch for patch in ax.patches if isinstance(patch, StepPatch))
    np.testing.assert_array_equal(patch.get_data().values, [4, 2])
    np.testing.assert_array_equal(patch.get_data().edges, [0, 10, 20])


def test_agreement_has_dots_and_the_line_of_equality() -> None:
    _, axes = figure()
    ax = agreement([1.0, 5.0], [1.0, 4.0], axes[0, 0])
    dots, line = ax.get_lines()
    np.testing.assert_array_equal(dots.get_xydata(), [[1, 1], [5, 4]])
    np.testing.assert_array_equal(line.get_xdata(), line.get_ydata())
    assert ax.get_xlim() == ax.get_ylim() and ax.get_xlim()[1] > 5


def test_arrays_of_different_shapes_are_errors() -> None:
    _, axes = figure()
    with raises_input_error("overlay", "model", (1,), (3,)):
        overlay([1, 2, 3], {"model": [1.0]}, axes[0, 0])
    with raises_input_error("overlay", 0, 4):
        overlay([1, 2, 3], {}, axes[0, 0])
    for x, y in (([1.0], [1.0, 2.0]), ([], [])):
        with raises_input_error("agreement", np.shape(x), np.shape(y)):
            agreement(x, y, axes[0, 0])
