"""The table of results."""

from __future__ import annotations

import statistics
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from result_rows import row_of

from snnlab.benchmark.records import Row, read
from snnlab.benchmark.tables import HEAD, duration, lines, markdown, table


def cells(rows: list[Row]) -> list[dict[str, str]]:
    return [dict(zip(HEAD, line, strict=True)) for line in table(lines(rows))]


@given(st.lists(st.floats(0, 1), min_size=2, max_size=6))
def test_mean_and_deviation_agree_with_the_standard_library(accuracies: list[float]) -> None:
    rows = [row_of("hm2bp-mnist", accuracy, seed) for seed, accuracy in enumerate(accuracies)]
    (line,) = lines(rows)
    assert line.mean(lambda row: row.test_accuracy) == pytest.approx(statistics.mean(accuracies), abs=1e-12)
    assert line.deviation == pytest.approx(statistics.stdev(accuracies), abs=1e-9)


def test_a_line_has_the_accuracy_of_the_paper_and_its_reference() -> None:
    rows = [row_of("hm2bp-mnist", 0.98, 0), row_of("hm2bp-mnist", 0.99, 1), row_of("hm2bp-digits", 0.97)]
    digits, mnist = cells(rows)
    assert (mnist["test accuracy"], mnist["paper"]) == ("98.50 +- 0.71 %", "98.84 %")
    assert "best of 200 epochs on test" in mnist["reference"]
    assert (digits["test accuracy"], digits["paper"]) == ("97.00 %", "none")
    assert (digits["spikes"], digits["operations"]) == ("450", "20,000")


def test_rows_with_changed_options_have_their_own_line() -> None:
    rows = [row_of("hm2bp-digits", 0.9, seed, **{"rule.self_term": False, "epochs": 3}) for seed in (0, 1)]
    rows += [row_of("hm2bp-digits", 0.95, seed) for seed in (0, 1, 2)]
    default, changed = cells(rows)
    assert (default["experiment"], default["seeds"]) == ("hm2bp-digits", "3")
    assert (changed["experiment"], changed["seeds"]) == ("hm2bp-digits, rule.self_term=false, epochs=3", "2")


def test_another_encoder_is_named_with_its_changed_options() -> None:
    options = {"encoder": "latency", "encoder.form": "log", "epochs": 3}
    (line,) = cells([row_of("hm2bp-digits", 0.9, 0, **options)])
    assert line["experiment"] == "hm2bp-digits, encoder=latency, encoder.form=log, epochs=3"


def test_rows_of_other_cards_or_versions_have_their_own_lines() -> None:
    now = row_of("hm2bp-digits", 0.9)
    other = replace(now, cards={name: "0" * 64 for name in now.cards})
    older = replace(now, options={name: value for name, value in now.options.items() if name != "batch"})
    newer = replace(now, options=now.options | {"rule.magic": 1})
    gone = replace(now, experiment="forgotten")
    names = [line["experiment"] for line in cells([newer, older, other, now, gone])]
    assert len(names) == len(set(names)) == 5 and "hm2bp-digits" in names
    assert any("without batch" in name for name in names) and any("with rule.magic" in name for name in names)
    assert any("other cards" in name for name in names) and any("another version" in name for name in names)
    both = [replace(now, cards={name: digit * 64 for name in now.cards}) for digit in "12"]
    assert len({line["experiment"] for line in cells(both)}) == 2


def test_rows_with_other_numbers_of_samples_have_their_own_lines() -> None:
    part = replace(row_of("hm2bp-nmnist", 0.5), samples={"train": 800, "test": 80})
    whole = replace(row_of("hm2bp-nmnist", 0.9, 1), samples={"train": 60_000, "test": 10_000})
    single, both = cells([part]), cells([part, whole])
    assert (single[0]["experiment"], single[0]["samples"]) == ("hm2bp-nmnist", "800 / 80")
    assert [line["samples"] for line in both] == ["800 / 80", "60,000 / 10,000"]
    assert [line["test accuracy"] for line in both] == ["50.00 %", "90.00 %"]
    assert len({line["experiment"] for line in both}) == 2


def test_markdown_has_the_tables_and_the_figure() -> None:
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
    ("figure", "link"),
    [("figures/r.png", "\n![{}](figures/r.png)\n"), ("r.svg", "\n![{}](r.svg)\n"), ("../r.pdf", "\n[{}](../r.pdf)\n"),
     ("R.PDF", "\n[{}](R.PDF)\n"), ("my figures/r.png", "\n![{}](my%20figures/r.png)\n")],
)  # fmt: skip
def test_markdown_shows_images_and_links_pdf_files(figure: str, link: str) -> None:
    page = markdown(lines([row_of("hm2bp-mnist")]), figure)
    assert link.format("Test accuracy of each seed, their mean, and the paper's accuracy") in page


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (59.6, "60 s"), (300, "5 min"), (7200, "2.0 h"), (5400, "90 min")]
)
def test_durations_have_suitable_units(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize("name", ["results.jsonl", "credit.jsonl"])
def test_published_rows_have_the_current_options(name: str) -> None:
    for line in lines(read(Path(__file__).resolve().parents[2] / "docs" / name)):
        assert "with " not in line.differences and "without " not in line.differences
