"""The picture of several neurons of a layer shows their traces, and what they are to come to, in one colour each."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from snnlab import plots
from snnlab.data.recording import Recording, Trace
from snnlab.errors import InputError

STEPS, DT = 40, 1e-4
VALUES = np.random.default_rng(0).normal(size=(STEPS, 3))
WATCHED = np.array([7, 2, 5])


@pytest.fixture
def ax() -> Iterator[Axes]:
    """An Axes that is drawn once the test is done, so that nothing put on it can fail later."""
    figure, axes = plots.figure()
    yield axes[0, 0]
    figure.draw_without_rendering()


def recording() -> Recording:
    return Recording({}, {"hidden": {"v_A": Trace(VALUES, WATCHED, "", DT)}}, STEPS * DT, DT)


def solid(ax: Axes) -> list[Line2D]:
    return [line for line in ax.lines if line.get_linestyle() == "-"]


def test_each_line_holds_the_trace_of_its_neuron_in_the_order_asked_for(ax: Axes) -> None:
    assert plots.neuron_traces(recording(), ax, "hidden", "v_A", [2, 7]) is ax
    assert [line.get_label() for line in ax.lines] == ["neuron 2", "neuron 7"]
    for line, column in zip(ax.lines, (1, 0), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), VALUES[:, column])
        np.testing.assert_allclose(np.asarray(line.get_xdata(), float), 0.1 * np.arange(STEPS), atol=1e-12)
    assert ax.lines[0].get_color() != ax.lines[1].get_color()


def test_time_has_its_unit_and_the_axis_the_label_that_is_given_or_the_variables_name(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "v_A")
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2], label="apical dendrite")
    assert ax.get_ylabel() == "apical dendrite"


def test_wanted_values_are_dashed_in_the_colour_of_their_neuron(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [5, 2], targets=[0.5, -1.5])
    dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
    assert [set(np.ravel(line.get_ydata()).tolist()) for line in dashed] == [{0.5}, {-1.5}]
    assert [line.get_color() for line in dashed] == [line.get_color() for line in solid(ax)]
    assert len(solid(ax)) == 2


def test_the_ground_is_shaded_from_the_moment_given_to_the_end_and_else_nowhere(ax: Axes) -> None:
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2])
    assert not ax.patches
    plots.neuron_traces(recording(), ax, "hidden", "v_A", [2], shaded=(1.5e-3, 4e-3))
    (ground,) = ax.patches
    assert isinstance(ground, Rectangle)
    assert (ground.get_x(), ground.get_x() + ground.get_width()) == pytest.approx((1.5, 4.0))
    assert 0 < (ground.get_alpha() or 1) < 0.5  # lines stay to be seen


@pytest.mark.parametrize(
    ("population", "variable", "which", "wanted", "said"),
    [
        ("hidden", "v_A", [2, 3], None, r"trace 'v_A' of 'hidden': neuron 3 was not recorded"),
        ("hidden", "v_A", [2, 5], [1.0], "neuron_traces.targets: got 1 for 2 neurons"),
        ("hidden", "v_B", [2], None, "v_B"),
        ("output", "v_A", [2], None, "output"),
    ],
)
def test_what_was_not_recorded_and_wanted_values_of_nobody_are_refused(
    ax: Axes, population: str, variable: str, which: list[int], wanted: list[float] | None, said: str
) -> None:
    with pytest.raises(InputError, match=said):
        plots.neuron_traces(recording(), ax, population, variable, which, targets=wanted)
