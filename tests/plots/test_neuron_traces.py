"""Traces of several neurons, with targets in the same colours."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from snnlab import plots
from snnlab.data.recording import Recording, Trace

STEPS, DT = 40, 1e-4
VALUES = np.random.default_rng(0).normal(size=(STEPS, 3))
WATCHED = np.array([7, 2, 5])


def recording() -> Recording:
    return Recording({}, {"hidden": {"v_A": Trace(VALUES, WATCHED, "", DT)}}, STEPS * DT, DT)


def solid(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if line.get_linestyle() == "-"]


def test_lines_are_the_traces_of_the_neurons_in_order(ax: Axes) -> None:
    assert plots.neuron_traces(recording(), ax, "hidden", "v_A", [2, 7]) is ax
    assert [line.get_label() for line in ax.lines] == ["neuron 2", "neuron 7"]
    for line, column in zip(ax.lines, (1, 0), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), VALUES[:, column])
        np.testing.assert_allclose(np.asarray(line.get_xdata(), float), 0.1 * np.arange(STEPS), atol=1e-12)
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_the_y_label_is_the_variable_by_default(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "v_A")
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2], label="apical dendrite")
    assert ax.get_ylabel() == "apical dendrite"


def test_targets_are_dashed_in_the_colour_of_their_neuron(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [5, 2], targets=[0.5, -1.5])
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [set(np.ravel(line.get_ydata()).tolist()) for line in dashed] == [{0.5}, {-1.5}]
    assert [line.get_color() for line in dashed] == [line.get_color() for line in solid(ax)]
    assert len(solid(ax)) == 2


def test_the_background_can_be_shaded(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2])
    assert not ax.patches
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2], shaded=(1.5e-3, 4e-3))
    (shading,) = ax.patches
    assert isinstance(shading, Rectangle)
    assert (shading.get_x(), shading.get_x() + shading.get_width()) == pytest.approx((1.5, 4.0))
    assert 0 < (shading.get_alpha() or 1) < 0.5  # lines stay visible


@pytest.mark.parametrize(
    ("population", "variable", "neurons", "targets", "field", "values"),
    [
        ("hidden", "v_A", [2, 3], None, "trace 'v_A' of 'hidden'", [3]),
        ("hidden", "v_A", [2, 5], [1.0], "neuron_traces.targets", [1, 2]),
        ("hidden", "v_B", [2], None, "", ["v_B"]),
        ("output", "v_A", [2], None, "", ["output"]),
    ],
)
def test_missing_traces_and_wrong_numbers_of_targets_are_errors(
    ax: Axes, population: str, variable: str, neurons: list[int], targets: list[float] | None, field: str,
    values: list[object],
) -> None:  # fmt: skip
    with raises_input_error(field, *values):
        plots.neuron_traces(recording(), ax, population, variable, neurons, targets=targets)
