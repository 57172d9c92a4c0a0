"""The table: means and deviations as the standard library has them, and the paper's number beside them."""

from __future__ import annotations

import statistics
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_results import ROW

from snnlab.benchmark.records import Row, plain
from snnlab.benchmark.tables import HEAD, duration, lines, markdown, table
from snnlab.experiments import EXPERIMENTS


def row_of(experiment: str, accuracy: float = 0.5, seed: int = 0, **changes: Any) -> Row:
    one = EXPERIMENTS[experiment].with_options(changes)
    return replace(
        ROW, experiment=experiment, seed=seed, changes=plain(changes), options=plain(one.options()),
        cards=one.digests(), reported=one.reported, reference=one.reference, test_accuracy=accuracy,
        test_curve=[1.0, accuracy],
    )  # fmt: skip


def cells(rows: list[Row]) -> list[dict[str, str]]:
    return [dict(zip(HEAD, one, strict=True)) for one in table(lines(rows))]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_mean_and_deviation_are_those_of_the_standard_library(accuracies: list[float]) -> None:
    rows = [row_of("hm2bp-mnist", accuracy, seed) for seed, accuracy in enumerate(accuracies)]
    (line,) = lines(rows)
    assert line.mean(lambda row: row.test_accuracy) == pytest.approx(statistics.mean(accuracies), abs=1e-12)
    assert line.deviation == pytest.approx(statistics.stdev(accuracies), abs=1e-9)


def test_the_papers_number_stands_beside_ours_with_what_it_is() -> None:
    rows = [row_of("hm2bp-mnist", 0.98, 0), row_of("hm2bp-mnist", 0.99, 1), row_of("hm2bp-digits", 0.97)]
    digits, mnist = cells(rows)
    assert (mnist["test accuracy"], mnist["paper"]) == ("98.50 +- 0.71 %", "98.84 %")
    assert "best of 200 epochs on test" in mnist["what the paper's number is"]
    assert (digits["test accuracy"], digits["paper"]) == ("97.00 %", "none")
    assert (digits["spikes"], digits["operations"]) == ("450", "20,000")


def test_options_that_differ_have_a_line_of_their_own_named_by_them() -> None:
    rows = [row_of("hm2bp-digits", 0.9, seed, **{"rule.self_term": False, "epochs": 3}) for seed in (0, 1)]
    rows += [row_of("hm2bp-digits", 0.95, seed) for seed in (0, 1, 2)]
    plain_, changed = cells(rows)
    assert (plain_["experiment"], plain_["seeds"]) == ("hm2bp-digits", "3")
    assert (changed["experiment"], changed["seeds"]) == ("hm2bp-digits, rule.self_term=false, epochs=3", "2")


def test_another_encoder_is_named_by_its_name_and_by_what_is_not_its_own_custom() -> None:
    options = {"encoder": "latency", "encoder.form": "log", "epochs": 3}
    (line,) = cells([row_of("hm2bp-digits", 0.9, 0, **options)])
    assert line["experiment"] == "hm2bp-digits, encoder=latency, encoder.form=log, epochs=3"


def test_rows_of_other_cards_or_versions_are_not_averaged_with_those_of_today() -> None:
    now = row_of("hm2bp-digits", 0.9)
    other = replace(now, cards={name: "0" * 64 for name in now.cards})
    older = replace(now, options={name: value for name, value in now.options.items() if name != "batch"})
    newer = replace(now, options=now.options | {"rule.magic": 1})
    gone = replace(now, experiment="forgotten")
    names = [one["experiment"] for one in cells([newer, older, other, now, gone])]
    assert len(names) == len(set(names)) == 5 and "hm2bp-digits" in names
    assert any("without batch" in name for name in names) and any("with rule.magic" in name for name in names)
    assert any("other cards" in name for name in names) and any("another version" in name for name in names)
    both = [replace(now, cards={name: digit * 64 for name in now.cards}) for digit in "12"]
    assert len({one["experiment"] for one in cells(both)}) == 2


def test_rows_of_a_part_of_the_data_are_not_averaged_with_those_of_all() -> None:
    part = replace(row_of("hm2bp-nmnist", 0.5), samples={"train": 800, "test": 80})
    whole = replace(row_of("hm2bp-nmnist", 0.9, 1), samples={"train": 60_000, "test": 10_000})
    alone, both = cells([part]), cells([part, whole])
    assert (alone[0]["experiment"], alone[0]["samples"]) == ("hm2bp-nmnist", "800 / 80")
    assert [one["samples"] for one in both] == ["800 / 80", "60,000 / 10,000"]
    assert [one["test accuracy"] for one in both] == ["50.00 %", "90.00 %"]
    assert len({one["experiment"] for one in both}) == 2


def test_the_page_has_the_table_and_the_figure() -> None:
    page = markdown(lines([row_of("hm2bp-mnist", 0.98, 0), row_of("hm2bp-mnist", 0.99, 1)]), "figures/results.png")
    assert "| 98.50 ± 0.71 % | 98.84 % |" in page
    assert "](figures/results.png)" in page and "python 3.11" in page
    assert "| 400,000 | 20,000 | 98.00 % | 0.00 % | 7,400 | 30,480 | 100 | 200 |" in page
    heads = [line for line in page.splitlines() if line.startswith("| experiment")]
    for head in heads:
        below = page[page.index(head) :].split("\n\n")[0].splitlines()
        assert {line.count("|") for line in below} == {head.count("|")} and len(below) == 3
    assert "](" not in markdown(lines([row_of("hm2bp-mnist")]))


@pytest.mark.parametrize(
    ("figure", "written"),
    [("figures/r.png", "\n![{}](figures/r.png)\n"), ("r.svg", "\n![{}](r.svg)\n"), ("../r.pdf", "\n[{}](../r.pdf)\n"),
     ("R.PDF", "\n[{}](R.PDF)\n"), ("my figures/r.png", "\n![{}](my%20figures/r.png)\n")],
)  # fmt: skip
def test_a_figure_is_shown_by_the_page_and_a_pdf_which_cannot_be_is_linked(figure: str, written: str) -> None:
    page = markdown(lines([row_of("hm2bp-mnist")]), figure)
    assert written.format("Test accuracy of each seed, their mean, and the paper's number") in page


@pytest.mark.parametrize(
    ("seconds", "read"), [(0.4, "0 s"), (59.6, "60 s"), (300, "5 min"), (7200, "2.0 h"), (5400, "90 min")]
)
def test_durations_are_read_by_people(seconds: float, read: str) -> None:
    assert duration(seconds) == read
