"""Pictures of learning: curves, weights and confusions, read back from what was drawn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from snnlab import plots
from snnlab.errors import InputError


@pytest.fixture
def ax() -> Iterator[Axes]:
    """An Axes that is drawn once the test is done, so that nothing put on it can fail later."""
    figure, axes = plots.figure()
    yield axes[0, 0]
    figure.draw_without_rendering()


def words(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    return [] if box is None else [text.get_text() for text in box.get_texts()]


# learning curve


def epochs(*accuracies: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    rows = enumerate(accuracies, start=1)
    return [{"epoch": number, "train_accuracy": train, "test_accuracy": test} for number, (train, test) in rows]


def test_a_learning_curve_shows_percent_over_epochs_and_the_papers_number(ax: Axes) -> None:
    rows = epochs((0.9, 0.89), (0.97, 0.96), (0.98, 0.955))
    assert plots.learning_curve(rows, ax, reported=0.9884, source="Jin et al. 2018") is ax
    train, test, paper = ax.lines
    np.testing.assert_allclose(np.column_stack(train.get_data()), [[1, 90], [2, 97], [3, 98]])
    np.testing.assert_allclose(np.column_stack(test.get_data()), [[1, 89], [2, 96], [3, 95.5]])
    np.testing.assert_allclose(paper.get_ydata(), 98.84)
    assert paper.get_linestyle() == "--"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "accuracy (%)")
    assert legend(ax) == ["train (last 98.00 %)", "test (last 95.50 %)", "Jin et al. 2018: 98.84 %"]
    assert ax.get_ylim()[1] > 98.84


def test_a_curve_of_solved_problems_counts_them_by_the_definition(ax: Axes) -> None:
    """At every epoch: the share of problems whose own epoch was not later; those never solved hold it below 100 %."""
    solved = {"NormAD": [3, 12, 12, 40], "ReSuMe": [None, 7, None, 90], "none": [None]}
    plots.solved_curve(solved, ax, most=100)
    for line, found in zip(ax.lines, solved.values(), strict=True):
        for epoch in range(1, 101):
            expected = 100 * sum(one is not None and one <= epoch for one in found) / len(found)
            x, y = line.get_data()
            assert y[np.flatnonzero(x <= epoch)[-1]] == expected
    assert legend(ax) == list(solved) and ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "problems solved (%)")


@pytest.mark.parametrize(
    ("solved", "says"), [([], "solved: a: no problems"), ([5, 11], r"epochs 5\.\.11; needs 1\.\.10")]
)
def test_a_curve_of_what_cannot_have_been_solved_is_refused(ax: Axes, solved: list[int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        plots.solved_curve({"a": solved}, ax, most=10)


def test_a_single_epoch_is_a_visible_point_inside_the_axes(ax: Axes) -> None:
    plots.learning_curve(epochs((1.0, 1.0)), ax)
    assert all(line.get_marker() not in ("None", "", None) for line in ax.lines)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < 1 < right
    assert (bottom, top) == (0, 100)
    assert 1 in ax.get_xticks()


def test_an_accuracy_that_was_not_measured_leaves_a_gap(ax: Axes) -> None:
    plots.learning_curve(epochs((None, 0.5), (None, None), (None, 0.7)), ax)
    assert len(ax.lines) == 1
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [50, np.nan, 70])


def test_no_epochs_are_said_to_be_none(ax: Axes) -> None:
    plots.learning_curve([], ax)
    assert words(ax) == ["no epochs"]


@pytest.mark.parametrize(
    ("rows", "reported", "found"),
    [
        ([{"epoch": 1, "train_accuracy": 0.5, "test_acuracy": 0.5}], None, "row 1: no 'test_accuracy'; did you mean"),
        (epochs((0.5, 0.5), (0.5, 98.0)), None, "row 2: test_accuracy: accuracy 98; needs a fraction"),
        (epochs((0.5, 0.5)), 98.84, "reported: accuracy 98.84"),
    ],
)
def test_rows_that_are_not_accuracies_are_refused(
    ax: Axes, rows: list[dict[str, Any]], reported: float | None, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        plots.learning_curve(rows, ax, reported=reported)


# weight images


def test_each_tile_holds_the_weights_of_its_neuron(ax: Axes) -> None:
    weights = np.random.default_rng(0).normal(size=(12, 7))
    assert plots.weight_images(weights, ax, shape=(3, 4), neurons=[6, 0, 2, 5, 1], columns=2) is ax
    drawn = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    band = drawn.shape[0] // 3 - 3  # above each of three rows of tiles
    assert drawn.shape == (3 * (3 + band), 2 * 4 + 1) and band >= 1
    for place, neuron in enumerate([6, 0, 2, 5, 1]):
        top, left = band + (3 + band) * (place // 2), 5 * (place % 2)
        np.testing.assert_array_equal(drawn[top : top + 3, left : left + 4].ravel(), weights[:, neuron])
    assert np.isfinite(drawn).sum() == 12 * 5  # gaps and the empty tile show nothing
    assert words(ax) == ["6", "0", "2", "5", "1"]


@pytest.mark.parametrize(("shape", "columns"), [((3, 4), 5), ((28, 28), 5), ((34, 68), 4)])
def test_the_number_of_a_neuron_covers_no_weight_and_no_other_number(
    shape: tuple[int, int], columns: int, tmp_path: Path
) -> None:
    figure, axes = plots.figure(1, 2, size=(8, 4))
    ax = plots.weight_images(np.ones((shape[0] * shape[1], 25)), axes[0, 0], shape=shape, columns=columns)
    plots.save(figure, tmp_path / "x.png", dpi=150)
    drawn = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    boxes = [text.get_tightbbox() for text in ax.texts]
    assert len(boxes) == 25
    assert not any(one.overlaps(other) for k, one in enumerate(boxes) for other in boxes[:k])  # type: ignore[union-attr, arg-type]
    for box in boxes:
        left, bottom, right, top = ax.transData.inverted().transform(box).ravel()  # type: ignore[arg-type]
        covered = drawn[round(top) : max(round(bottom), round(top) + 1), max(round(left), 0) : round(right) + 1]
        assert not np.isfinite(covered).any()


def test_tiles_that_are_too_small_have_no_numbers() -> None:
    _, axes = plots.figure(1, 2, size=(8, 4))
    assert words(plots.weight_images(np.ones((784, 25)), axes[0, 0], columns=2)) == []


def test_many_tiles_in_a_row_have_no_numbers_and_a_pixel_between_them(ax: Axes) -> None:
    plots.weight_images(np.ones((6, 26)), ax, shape=(2, 3), columns=13)
    drawn = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    assert (drawn.shape, words(ax)) == ((2 * 2 + 1, 13 * 3 + 12), [])


def test_a_matrix_of_weights_has_a_column_for_each_neuron_and_a_row_for_each_channel(ax: Axes) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 7))
    assert plots.weight_matrix(weights, ax, neurons=[6, 0, 2], label="weight (nS)") is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), weights[:, [6, 0, 2]])  # type: ignore[arg-type]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["6", "0", "2"]
    assert (ax.get_ylabel(), ax.child_axes[0].get_ylabel()) == ("channel", "weight (nS)")
    assert ax.yaxis_inverted()  # the first channel is at the top
    low, high = ax.images[0].get_clim()
    assert low == -high  # type: ignore[operator]


def test_a_matrix_of_an_ears_weights_has_frequencies_at_the_channels_that_have_them(ax: Axes) -> None:
    centres = np.geomspace(4000, 100, 40)
    plots.weight_matrix(np.zeros((40, 50)), ax, centres=centres)
    told = {float(text.get_text()): row for row, text in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)}
    assert set(told) == {0.2, 0.5, 1.0, 2.0}
    for kilohertz, row in told.items():
        assert abs(np.log(centres[int(row)] / (1000 * kilohertz))) == np.abs(np.log(centres / (1000 * kilohertz))).min()
    assert (ax.get_ylabel(), list(ax.get_xticks())) == ("frequency (kHz)", [])


@pytest.mark.parametrize(
    ("weights", "options", "found"),
    [
        (np.zeros(4), {}, r"weight_matrix: weights of shape \(4,\)"),
        (np.zeros((0, 4)), {}, "weights of shape"),
        (np.full((2, 2), np.inf), {}, "not finite"),
        (np.zeros((4, 2)), {"neurons": [2]}, "neuron 2; must be 0..1"),
        (np.zeros((4, 2)), {"centres": [100.0]}, "1 centres for 4 channels"),
    ],
)
def test_weights_that_are_no_matrix_are_refused(
    ax: Axes, weights: np.ndarray, options: dict[str, Any], found: str
) -> None:
    with pytest.raises(InputError, match=found):
        plots.weight_matrix(weights, ax, **options)


def test_zero_has_the_middle_colour_and_the_bar_says_what_it_shows(ax: Axes) -> None:
    plots.weight_images(np.array([[-1.0], [5.0], [0.0], [2.0]]), ax, shape=(2, 2), label="weight (nS)")
    low, high = ax.images[0].get_clim()
    assert low == -high  # type: ignore[operator]
    red, green, blue = ax.images[0].to_rgba(0.0)[:3]  # type: ignore[misc]
    assert min(red, green, blue) > 0.95  # neither red nor blue
    assert ax.child_axes[0].get_ylabel() == "weight (nS)"


@pytest.mark.parametrize(
    ("size", "options", "caption"),
    [(100, {}, "neurons 0 to 63 of 100"), (9, {"neurons": [3]}, "neuron 3 of 9"), (9, {"neurons": [3, 1]}, "2 of 9")],
)
def test_the_caption_says_which_neurons_are_shown(ax: Axes, size: int, options: dict[str, Any], caption: str) -> None:
    plots.weight_images(np.zeros((784, size)), ax, **options)
    assert ax.get_xlabel().startswith(caption)


def test_weights_of_no_neurons_say_so(ax: Axes) -> None:
    plots.weight_images(np.zeros((784, 0)), ax)
    assert words(ax) == ["no neurons"]


@pytest.mark.parametrize(
    ("weights", "neurons", "found"),
    [
        (np.zeros((10, 784)), None, r"shape \(10, 784\); images of 28 x 28 need \(784, neurons\)"),
        (np.zeros(784), None, "shape"),
        (np.full((784, 2), np.nan), None, "not finite"),
        (np.zeros((784, 2)), [2], "neuron 2; must be 0..1"),
        (np.zeros((784, 2)), [0.5], "numbers of type float64"),
    ],
)
def test_weights_that_are_no_images_are_refused(
    ax: Axes, weights: np.ndarray, neurons: list[int] | None, found: str
) -> None:
    with pytest.raises(InputError, match=found):
        plots.weight_images(weights, ax, neurons=neurons)


# confusion

CONFUSED = np.array([[90, 10, 0], [1, 4, 0], [0, 0, 0]])


def test_counts_stand_in_the_row_of_the_true_class(ax: Axes) -> None:
    assert plots.confusion(CONFUSED, ax, classes=["cat", "dog", "owl"]) is ax
    assert {text.get_position() + (text.get_text(),) for text in ax.texts} == {
        (0, 0, "90"), (1, 0, "10"), (0, 1, "1"), (1, 1, "4"),
    }  # fmt: skip
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog", "owl"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_right_and_wrong_answers_are_shares_of_the_true_class_on_scales_of_their_own(ax: Axes) -> None:
    plots.confusion(CONFUSED, ax, classes=range(3))
    wrong, right = (np.ma.filled(image.get_array().astype(float), np.nan) for image in ax.images)  # type: ignore[union-attr]
    nan = np.nan
    np.testing.assert_allclose(right, [[90, nan, nan], [nan, 80, nan], [nan, nan, nan]])
    np.testing.assert_allclose(wrong, [[nan, 10, 0], [20, nan, 0], [nan, nan, nan]])
    assert [image.get_clim() for image in ax.images] == [(0, 20), (0, 100)]
    assert [bar.get_ylabel() for bar in ax.child_axes] == ["correct (% of class)", "errors (% of class)"]


def test_counts_that_would_not_fit_their_cells_are_left_out(ax: Axes) -> None:
    plots.confusion(np.full((80, 80), 1000), ax, classes=range(80))
    assert words(ax) == []


@pytest.mark.parametrize("classes", [1, 3])
def test_a_confusion_without_samples_says_so(ax: Axes, classes: int) -> None:
    plots.confusion(np.zeros((classes, classes), dtype=int), ax, classes=range(classes))
    assert words(ax) == ["no samples"]


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        (np.zeros((3, 2)), r"needs? \(3, 3\)"),
        (np.zeros((2, 2)), r"needs? \(3, 3\)"),
        (np.full((3, 3), -1), "not counts"),
        (np.full((3, 3), 0.5), "not counts"),
        (np.full((3, 3), np.nan), "not counts"),
    ],
)
def test_what_is_no_confusion_matrix_is_refused(ax: Axes, matrix: np.ndarray, found: str) -> None:
    with pytest.raises(InputError, match=found):
        plots.confusion(matrix, ax, classes=range(3))
