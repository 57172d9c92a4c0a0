"""Plots of learning curves, weights and confusion matrices, read back from the artists of the Axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from axes_texts import legend, texts
from errors_in_tests import raises_input_error
from matplotlib.axes import Axes

from snnlab import plots

# learning curve


def epochs(*accuracies: tuple[float | None, float | None]) -> list[dict[str, Any]]:
    rows = enumerate(accuracies, start=1)
    return [{"epoch": number, "train_accuracy": train, "test_accuracy": test} for number, (train, test) in rows]


def test_a_learning_curve_shows_percent_over_epochs_and_the_reported_accuracy(ax: Axes) -> None:
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


def test_the_solved_curve_is_the_share_of_problems_solved_by_each_epoch(ax: Axes) -> None:
    """A problem counts from its epoch on; unsolved problems never count."""
    solved = {"NormAD": [3, 12, 12, 40], "ReSuMe": [None, 7, None, 90], "none": [None]}
    plots.solved_curve(solved, ax, epochs=100)
    for line, problems in zip(ax.lines, solved.values(), strict=True):
        for epoch in range(1, 101):
            expected = 100 * sum(at is not None and at <= epoch for at in problems) / len(problems)
            x, y = line.get_data()
            assert y[np.flatnonzero(x <= epoch)[-1]] == expected
    assert legend(ax) == list(solved) and ax.get_xscale() == "log"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("epoch", "problems solved (%)")


@pytest.mark.parametrize(("solved", "values"), [([], []), ([5, 11], ["5..11", "1..10"])])
def test_invalid_epochs_of_solved_problems_are_errors(ax: Axes, solved: list[int], values: list[str]) -> None:
    with raises_input_error("solved: a", *values):
        plots.solved_curve({"a": solved}, ax, epochs=10)


def test_a_single_epoch_is_a_visible_point(ax: Axes) -> None:
    plots.learning_curve(epochs((1.0, 1.0)), ax)
    assert all(line.get_marker() not in ("None", "", None) for line in ax.lines)
    (left, right), (bottom, top) = ax.get_xlim(), ax.get_ylim()
    assert left < 1 < right
    assert (bottom, top) == (0, 100)
    assert 1 in ax.get_xticks()


def test_a_missing_accuracy_leaves_a_gap(ax: Axes) -> None:
    plots.learning_curve(epochs((None, 0.5), (None, None), (None, 0.7)), ax)
    assert len(ax.lines) == 1
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), [50, np.nan, 70])


def test_a_learning_curve_without_epochs_has_a_notice(ax: Axes) -> None:
    plots.learning_curve([], ax)
    assert texts(ax) == ["no epochs"]


@pytest.mark.parametrize(
    ("rows", "reported", "field", "values"),
    [
        (
            [{"epoch": 1, "train_accuracy": 0.5, "test_acuracy": 0.5}],
            None,
            "row 1",
            ["'test_accuracy'", "test_acuracy"],
        ),
        (epochs((0.5, 0.5), (0.5, 98.0)), None, "row 2: test_accuracy", [98]),
        (epochs((0.5, 0.5)), 98.84, "reported", [98.84]),
    ],
)
def test_invalid_accuracies_are_errors(
    ax: Axes, rows: list[dict[str, Any]], reported: float | None, field: str, values: list[object]
) -> None:
    with raises_input_error(field, *values):
        plots.learning_curve(rows, ax, reported=reported)


# weight images


def test_each_tile_holds_the_weights_of_its_neuron(ax: Axes) -> None:
    weights = np.random.default_rng(0).normal(size=(12, 7))
    assert plots.weight_images(weights, ax, shape=(3, 4), neurons=[6, 0, 2, 5, 1], columns=2) is ax
    image = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    band = image.shape[0] // 3 - 3  # above each of three rows
    assert image.shape == (3 * (3 + band), 2 * 4 + 1) and band >= 1
    for place, neuron in enumerate([6, 0, 2, 5, 1]):
        top, left = band + (3 + band) * (place // 2), 5 * (place % 2)
        np.testing.assert_array_equal(image[top : top + 3, left : left + 4].ravel(), weights[:, neuron])
    assert np.isfinite(image).sum() == 12 * 5  # gaps and the empty tile are NaN
    assert texts(ax) == ["6", "0", "2", "5", "1"]


@pytest.mark.parametrize(("shape", "columns"), [((3, 4), 5), ((28, 28), 5), ((34, 68), 4)])
def test_numbers_overlap_neither_weights_nor_one_another(shape: tuple[int, int], columns: int, tmp_path: Path) -> None:
    figure, axes = plots.figure(1, 2, size=(8, 4))
    ax = plots.weight_images(np.ones((shape[0] * shape[1], 25)), axes[0, 0], shape=shape, columns=columns)
    plots.save(figure, tmp_path / "x.png", dpi=150)
    image = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    boxes = [text.get_tightbbox() for text in ax.texts]
    assert len(boxes) == 25
    assert not any(box.overlaps(other) for k, box in enumerate(boxes) for other in boxes[:k])  # type: ignore[union-attr, arg-type]
    for box in boxes:
        left, bottom, right, top = ax.transData.inverted().transform(box).ravel()  # type: ignore[arg-type]
        covered = image[round(top) : max(round(bottom), round(top) + 1), max(round(left), 0) : round(right) + 1]
        assert not np.isfinite(covered).any()


def test_small_tiles_have_no_numbers() -> None:
    _, axes = plots.figure(1, 2, size=(8, 4))
    assert texts(plots.weight_images(np.ones((784, 25)), axes[0, 0], columns=2)) == []


def test_many_tiles_in_a_row_have_no_numbers(ax: Axes) -> None:
    plots.weight_images(np.ones((6, 26)), ax, shape=(2, 3), columns=13)
    image = np.ma.filled(ax.images[0].get_array().astype(float), np.nan)  # type: ignore[union-attr]
    assert (image.shape, texts(ax)) == ((2 * 2 + 1, 13 * 3 + 12), [])


def test_a_weight_matrix_has_neurons_as_columns_and_channels_as_rows(ax: Axes) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 7))
    assert plots.weight_matrix(weights, ax, neurons=[6, 0, 2], label="weight (nS)") is ax
    np.testing.assert_array_equal(ax.images[0].get_array(), weights[:, [6, 0, 2]])  # type: ignore[arg-type]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["6", "0", "2"]
    assert (ax.get_ylabel(), ax.child_axes[0].get_ylabel()) == ("channel", "weight (nS)")
    assert ax.yaxis_inverted()  # the first channel is at the top
    low, high = ax.images[0].get_clim()
    assert low == -high  # type: ignore[operator]


def test_a_weight_matrix_can_have_frequencies(ax: Axes) -> None:
    centres = np.geomspace(4000, 100, 40)
    plots.weight_matrix(np.zeros((40, 50)), ax, centres=centres)
    ticks = {float(text.get_text()): row for row, text in zip(ax.get_yticks(), ax.get_yticklabels(), strict=True)}
    assert set(ticks) == {0.2, 0.5, 1.0, 2.0}
    for kilohertz, row in ticks.items():
        assert abs(np.log(centres[int(row)] / (1000 * kilohertz))) == np.abs(np.log(centres / (1000 * kilohertz))).min()
    assert (ax.get_ylabel(), list(ax.get_xticks())) == ("frequency (kHz)", [])


@pytest.mark.parametrize(
    ("weights", "options", "values"),
    [
        (np.zeros(4), {}, ["(4,)"]),
        (np.zeros((0, 4)), {}, ["(0, 4)"]),
        (np.full((2, 2), np.inf), {}, ["finite"]),
        (np.zeros((4, 2)), {"neurons": [2]}, [2]),
        (np.zeros((4, 2)), {"centres": [100.0]}, ["1 centres", "4 channels"]),
    ],
)
def test_invalid_weight_matrices_are_errors(
    ax: Axes, weights: np.ndarray, options: dict[str, Any], values: list[object]
) -> None:
    with raises_input_error("weight_matrix", *values):
        plots.weight_matrix(weights, ax, **options)


def test_zero_is_white_and_the_colour_bar_has_a_label(ax: Axes) -> None:
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
def test_the_caption_names_the_neurons(ax: Axes, size: int, options: dict[str, Any], caption: str) -> None:
    plots.weight_images(np.zeros((784, size)), ax, **options)
    assert ax.get_xlabel().startswith(caption)


def test_weights_without_neurons_have_a_notice(ax: Axes) -> None:
    plots.weight_images(np.zeros((784, 0)), ax)
    assert texts(ax) == ["no neurons"]


@pytest.mark.parametrize(
    ("weights", "neurons", "values"),
    [
        (np.zeros((10, 784)), None, ["(10, 784)", "(784, neurons)"]),
        (np.zeros(784), None, ["(784,)"]),
        (np.full((784, 2), np.nan), None, ["finite"]),
        (np.zeros((784, 2)), [2], [2]),
        (np.zeros((784, 2)), [0.5], ["float64"]),
    ],
)
def test_invalid_weight_images_are_errors(
    ax: Axes, weights: np.ndarray, neurons: list[int] | None, values: list[object]
) -> None:
    with raises_input_error("weight_images", *values):
        plots.weight_images(weights, ax, neurons=neurons)


# confusion

CONFUSED = np.array([[90, 10, 0], [1, 4, 0], [0, 0, 0]])


def test_counts_are_in_the_row_of_the_true_class(ax: Axes) -> None:
    assert plots.confusion(CONFUSED, ax, classes=["cat", "dog", "owl"]) is ax
    assert {text.get_position() + (text.get_text(),) for text in ax.texts} == {
        (0, 0, "90"), (1, 0, "10"), (0, 1, "1"), (1, 1, "4"),
    }  # fmt: skip
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["cat", "dog", "owl"]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_correct_predictions_and_errors_have_their_own_scales(ax: Axes) -> None:
    plots.confusion(CONFUSED, ax, classes=range(3))
    errors, correct = (np.ma.filled(image.get_array().astype(float), np.nan) for image in ax.images)  # type: ignore[union-attr]
    nan = np.nan
    np.testing.assert_allclose(correct, [[90, nan, nan], [nan, 80, nan], [nan, nan, nan]])
    np.testing.assert_allclose(errors, [[nan, 10, 0], [20, nan, 0], [nan, nan, nan]])
    assert [image.get_clim() for image in ax.images] == [(0, 20), (0, 100)]
    assert [bar.get_ylabel() for bar in ax.child_axes] == ["correct (% of class)", "errors (% of class)"]


def test_counts_that_do_not_fit_are_omitted(ax: Axes) -> None:
    plots.confusion(np.full((80, 80), 1000), ax, classes=range(80))
    assert texts(ax) == []


@pytest.mark.parametrize("classes", [1, 3])
def test_a_confusion_matrix_without_samples_has_a_notice(ax: Axes, classes: int) -> None:
    plots.confusion(np.zeros((classes, classes), dtype=int), ax, classes=range(classes))
    assert texts(ax) == ["no samples"]


@pytest.mark.parametrize(
    ("matrix", "value"),
    [
        (np.zeros((3, 2)), "(3, 3)"),
        (np.zeros((2, 2)), "(3, 3)"),
        (np.full((3, 3), -1), "not counts"),
        (np.full((3, 3), 0.5), "not counts"),
        (np.full((3, 3), np.nan), "not counts"),
    ],
)
def test_invalid_confusion_matrices_are_errors(ax: Axes, matrix: np.ndarray, value: str) -> None:
    with raises_input_error("confusion", value):
        plots.confusion(matrix, ax, classes=range(3))
