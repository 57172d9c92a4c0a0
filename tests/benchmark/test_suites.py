"""What is compared with what: the same data, sizes and budget; and the figure of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_results import ROW

from snnlab import plots
from snnlab.benchmark.records import Row, plain
from snnlab.benchmark.suites import CREDIT, SUITES, Entry, Suite
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.plots import Curve
from snnlab.report import comparison


def assert_alike(suite: Suite) -> None:
    made = [EXPERIMENTS[entry.experiment].with_options(entry.changes) for entry in suite.entries]
    assert len({(one.dataset, str(one.network.hidden).replace("'", ""), one.epochs) for one in made}) == 1


def test_one_that_has_more_epochs_is_not_alike() -> None:
    first, *others = CREDIT.entries
    with pytest.raises(AssertionError):
        assert_alike(replace(CREDIT, entries=(replace(first, changes={**first.changes, "epochs": "6"}), *others)))


@pytest.mark.parametrize("suite", SUITES.values(), ids=SUITES)
def test_a_suite_compares_like_with_like(suite: Suite) -> None:
    made = [EXPERIMENTS[entry.experiment].with_options(entry.changes) for entry in suite.entries]
    assert len({entry.label for entry in suite.entries}) == len(made) == len({type(one.rule) for one in made})
    assert_alike(suite)
    for one in made:
        one.rule.init(one.network.circuit((28, 28), 10, one.encoder.dt), np.random.default_rng(0), 10)


def row(experiment: str, changes: dict[str, str], seed: int, curve: list[float], angles: list[float]) -> Row:
    options = plain(EXPERIMENTS[experiment].with_options(changes).options())
    kept = {"input->hidden1.basal": angles, "hidden1->output.basal": [1.0] * len(angles)} if angles else {}
    return replace(ROW, experiment=experiment, seed=seed, options=options, test_curve=curve, test_accuracy=curve[-1],
                   epochs=len(curve), wall_s=10.0 * len(curve), angles=kept)  # fmt: skip


TWO = Suite("two", "", (Entry("BP", "backprop-layers-mnist", {"epochs": "2"}), Entry("HM2-BP", "hm2bp-digits", {})))
ROWS = [
    row("backprop-layers-mnist", {"epochs": "2"}, 0, [0.90, 0.94], [0.0, 0.0]),
    row("backprop-layers-mnist", {"epochs": "2"}, 1, [0.92, 0.96], [0.0, 2.0]),
    row("backprop-layers-mnist", {"epochs": "3"}, 0, [0.1, 0.1, 0.1], [0.0] * 3),
    row("hm2bp-digits", {}, 0, [0.85, 0.97, 0.98], []),
]


def test_rows_of_other_options_are_no_part_of_a_suite() -> None:
    found = comparison.rows_of(TWO, ROWS, {})
    assert {label: [ROWS.index(one) for one in mine] for label, mine in found.items()} == {"BP": [0, 1], "HM2-BP": [3]}
    found = comparison.rows_of(TWO, ROWS, {"epochs": "3"})
    assert {label: [ROWS.index(one) for one in mine] for label, mine in found.items()} == {"BP": [2]}


def test_rows_that_contradict_their_options_are_refused() -> None:
    longer = row("backprop-layers-mnist", {"epochs": "2"}, 2, [0.1, 0.2, 0.3], [0.0] * 3)
    with pytest.raises(InputError, match=r"^rows: BP with the same options after 2 and 3 epochs; one of the two"):
        comparison.rows_of(TWO, [*ROWS, longer], {})


def test_accuracy_over_epochs_and_time_and_angles_are_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(plots, "save", lambda figure, path: kept.append(figure) or path)
    comparison.plot_suite(TWO, comparison.rows_of(TWO, ROWS, {}), tmp_path / "a.png")
    over_epochs, over_time, away = kept[0].axes
    lines = [{line.get_label(): line.get_xydata() for line in ax.get_lines()} for ax in kept[0].axes]
    np.testing.assert_allclose(lines[0]["BP"], [[1, 91], [2, 95]])
    np.testing.assert_allclose(lines[1]["BP"], [[10, 91], [20, 95]])
    np.testing.assert_allclose(lines[2]["BP"], [[1, 0], [2, 1]])
    np.testing.assert_allclose(lines[0]["HM2-BP"], [[1, 85], [2, 97], [3, 98]])
    assert "HM2-BP" not in lines[2], "it has no gradient"
    assert "(%)" in over_epochs.get_ylabel() and "(s)" in over_time.get_xlabel() and "degrees" in away.get_ylabel()
    assert over_epochs.get_ylim()[0] <= 84
    colors = [{line.get_label(): line.get_color() for line in ax.get_lines()} for ax in kept[0].axes]
    assert colors[0]["BP"] == colors[1]["BP"] == colors[2]["BP"] != colors[0]["HM2-BP"]


def test_the_figure_of_no_rows_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(plots, "save", lambda figure, path: kept.append(figure) or path)
    comparison.plot_suite(CREDIT, {}, tmp_path / "a.png")
    assert [[text.get_text() for text in ax.texts] for ax in kept[0].axes] == [["no results"]] * 3


def test_angles_beyond_the_right_one_are_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    monkeypatch.setattr(plots, "save", lambda figure, path: kept.append(figure) or path)
    astray = row("backprop-layers-mnist", {"epochs": "2"}, 0, [0.90, 0.94], [100.0, 120.0])
    comparison.plot_suite(TWO, comparison.rows_of(TWO, [astray], {}), tmp_path / "a.png")
    assert kept[0].axes[2].get_ylim()[1] > 120


def test_courses_that_do_not_fit_are_refused() -> None:
    ax = plots.figure()[1][0, 0]
    with pytest.raises(InputError, match=r"curves: .c.; needs one of a, b"):
        plots.curves({"c": Curve(np.ones(2), np.ones((1, 2)))}, ax, names=["a", "b"])
    with pytest.raises(InputError, match=r"curves of a: values \(1, 2\) at \(3,\); needs \(seeds, points\)"):
        plots.curves({"a": Curve(np.ones(3), np.ones((1, 2)))}, ax, names=["a", "b"])
