"""Suites compare experiments on the same data, layer sizes and epochs, and have a figure."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from result_rows import ROW

from snnlab import plots
from snnlab.benchmark.records import Row, plain
from snnlab.benchmark.suites import CREDIT, SUITES, Entry, Suite
from snnlab.experiments import EXPERIMENTS
from snnlab.report.result_figures import plot_suite


def assert_comparable(suite: Suite) -> None:
    configured = [EXPERIMENTS[entry.experiment].with_options(entry.changes) for entry in suite.entries]
    assert len({(each.dataset, str(each.network.hidden).replace("'", ""), each.epochs) for each in configured}) == 1


def test_an_entry_with_other_epochs_is_not_comparable() -> None:
    first, *others = CREDIT.entries
    with pytest.raises(AssertionError):
        assert_comparable(replace(CREDIT, entries=(replace(first, changes={**first.changes, "epochs": "6"}), *others)))


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_the_experiments_of_a_suite_are_comparable(suite: Suite) -> None:
    configured = [EXPERIMENTS[entry.experiment].with_options(entry.changes) for entry in suite.entries]
    assert (
        len({entry.label for entry in suite.entries})
        == len(configured)
        == len({type(each.rule) for each in configured})
    )
    assert_comparable(suite)
    for each in configured:
        each.rule.init(each.network.circuit((28, 28), 10, each.encoder.dt), np.random.default_rng(0), 10)


def row(experiment: str, changes: dict[str, str], seed: int, curve: list[float], angles: list[float]) -> Row:
    options = plain(EXPERIMENTS[experiment].with_options(changes).options())
    by_projection = {"input->hidden1.basal": angles, "hidden1->output.basal": [1.0] * len(angles)} if angles else {}
    return replace(ROW, experiment=experiment, seed=seed, options=options, test_curve=curve, test_accuracy=curve[-1],
                   epochs=len(curve), wall_s=10.0 * len(curve), angles=by_projection)  # fmt: skip


TWO = Suite("two", "", (Entry("BP", "backprop-layers-mnist", {"epochs": "2"}), Entry("HM2-BP", "hm2bp-digits", {})))
ROWS = [
    row("backprop-layers-mnist", {"epochs": "2"}, 0, [0.90, 0.94], [0.0, 0.0]),
    row("backprop-layers-mnist", {"epochs": "2"}, 1, [0.92, 0.96], [0.0, 2.0]),
    row("backprop-layers-mnist", {"epochs": "3"}, 0, [0.1, 0.1, 0.1], [0.0] * 3),
    row("hm2bp-digits", {}, 0, [0.85, 0.97, 0.98], []),
]


def test_rows_with_other_options_are_excluded() -> None:
    assert TWO.rows_of(ROWS, {}) == {"BP": ROWS[:2], "HM2-BP": ROWS[3:]}
    assert TWO.rows_of(ROWS, {"epochs": "3"}) == {"BP": [ROWS[2]]}


def test_rows_of_different_length_with_the_same_options_are_an_error() -> None:
    longer = row("backprop-layers-mnist", {"epochs": "2"}, 2, [0.1, 0.2, 0.3], [0.0] * 3)
    with raises_input_error("rows", "BP", "2 and 3 epochs"):
        TWO.rows_of([*ROWS, longer], {})


def test_accuracy_over_epochs_and_time_and_angles_are_plotted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    plot_suite(TWO, TWO.rows_of(ROWS, {}), tmp_path / "a.png")
    over_epochs, over_time, of_angles = figures[0].axes
    lines = [{line.get_label(): line.get_xydata() for line in ax.get_lines()} for ax in figures[0].axes]
    np.testing.assert_allclose(lines[0]["BP"], [[1, 91], [2, 95]])
    np.testing.assert_allclose(lines[1]["BP"], [[10, 91], [20, 95]])
    np.testing.assert_allclose(lines[2]["BP"], [[1, 0], [2, 1]])
    np.testing.assert_allclose(lines[0]["HM2-BP"], [[1, 85], [2, 97], [3, 98]])
    assert "HM2-BP" not in lines[2], "it has no gradient"
    assert "(%)" in over_epochs.get_ylabel() and "(s)" in over_time.get_xlabel() and "degrees" in of_angles.get_ylabel()
    assert over_epochs.get_ylim()[0] <= 84
    colors = [{line.get_label(): line.get_color() for line in ax.get_lines()} for ax in figures[0].axes]
    assert colors[0]["BP"] == colors[1]["BP"] == colors[2]["BP"] != colors[0]["HM2-BP"]


def test_a_figure_without_rows_has_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    plot_suite(CREDIT, {}, tmp_path / "a.png")
    assert [[text.get_text() for text in ax.texts] for ax in figures[0].axes] == [["no results"]] * 3


def test_angles_above_90_degrees_are_inside_the_axes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    figures = []
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.append(figure) or path)
    row_beyond_90 = row("backprop-layers-mnist", {"epochs": "2"}, 0, [0.90, 0.94], [100.0, 120.0])
    plot_suite(TWO, TWO.rows_of([row_beyond_90], {}), tmp_path / "a.png")
    assert figures[0].axes[2].get_ylim()[1] > 120
