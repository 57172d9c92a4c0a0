"""The command bench: table, figure, Markdown, and errors."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from command_line import assert_error, error_line, snnlab
from result_rows import row_of, write_rows
from rich.console import Console
from small_run import OPTIONS

from snnlab.benchmark import suites
from snnlab.benchmark.records import read
from snnlab.cli import progress_bars
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.mlp import MLP

WORDS = ["--experiments", "hm2bp-digits", "--threads", 1, *(f"--set={key}={value}" for key, value in OPTIONS.items())]
PNG = b"\x89PNG\r\n\x1a\n"
Caught = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SNNLAB_DATA", raising=False)


@pytest.mark.slow
def test_bench_trains_prints_and_plots(tmp_path: Path, capsys: Caught) -> None:
    code, out, err = snnlab(capsys, "bench", *WORDS, "--seeds", 2)
    assert code == 0
    assert [row.seed for row in read(tmp_path / "runs" / "bench.jsonl")] == [0, 1]
    assert len(re.findall(r"^hm2bp-digits seed \d: epoch \d/2  test ", err, re.MULTILINE)) == 4
    head, line, figure = out.splitlines()
    assert head.startswith("experiment ") and "64-24-10" in line and "+-" in line
    assert figure == "figure: runs/bench.png"
    assert (tmp_path / "runs" / "bench.png").read_bytes().startswith(PNG)
    # repeating the command trains nothing and prints the same table
    code, again, err = snnlab(capsys, "bench", *WORDS, "--seeds", 2)
    assert (code, again) == (0, out)
    assert err == "runs/bench.jsonl: 2 of 2 trainings done, 0 to do\n"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_in_a_terminal_a_bar_shows_the_epoch_if_there_is_one_job(
    jobs: int, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    screen = io.StringIO()
    monkeypatch.setattr(progress_bars, "Console", lambda **_: Console(file=screen, force_terminal=True, width=80))
    code, out, err = snnlab(capsys, "bench", *WORDS, "--set", "epochs=12", "--seeds", 2, "--jobs", jobs)
    assert code == 0 and out.startswith("experiment ") and "figure: " in out
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    if jobs == 2:
        assert shown == ""
        return
    assert re.search(r"epoch \d+/12 \S+ +\d+/1437 \d+ samples/s, train \d+\.\d\d %", shown)
    assert "…" not in shown, "the bar was truncated"
    # and one line for each epoch above the bar
    assert len(re.findall(r"hm2bp-digits seed \d: epoch \d+/12  test ", shown)) == 24


def test_without_a_terminal_there_is_no_bar(capsys: Caught) -> None:
    _, _, err = snnlab(capsys, "bench", *WORDS, "--seeds", 1)
    assert "samples/s" not in err and "\x1b" not in err and "\r" not in err
    assert [line.split(":")[0] for line in err.splitlines()[1:]] == ["hm2bp-digits seed 0"] * 4


def test_a_table_is_printed_and_written_without_training(tmp_path: Path, capsys: Caught) -> None:
    write_rows(
        tmp_path / "b.jsonl", row_of("hm2bp-mnist", 0.98, 0), row_of("hm2bp-mnist", 0.99, 1), row_of("hm2bp-digits")
    )
    before = (tmp_path / "b.jsonl").read_bytes()
    (tmp_path / "docs" / "figures").mkdir(parents=True)
    arguments = ["bench", "--table", "--out", "b.jsonl"]
    code, out, err = snnlab(capsys, *arguments, "--markdown", "docs/results.md", "--plot", "docs/figures/results.png")
    assert (code, err) == (0, "")
    assert "98.50 +- 0.71 %" in out and "98.84 %" in out and "each the best of 200 epochs on test" in out
    page = (tmp_path / "docs" / "results.md").read_text(encoding="utf-8")
    assert "98.50 ± 0.71 %" in page and "](figures/results.png)" in page
    assert (tmp_path / "docs" / "figures" / "results.png").read_bytes().startswith(PNG)
    _, out, _ = snnlab(capsys, *arguments, "--experiments", "hm2bp-digits")
    assert "hm2bp-digits" in out and "hm2bp-mnist" not in out
    assert {path.name for path in tmp_path.iterdir()} == {"b.jsonl", "docs"}
    assert (tmp_path / "b.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["hm2bp-digits"],
        ["hm2bp-digits", "hm2bp-digits"],
        ["--experiments", "hm2bp-digits"],
        ["hm2bp-digits", "--experiments", "hm2bp-digits"],
    ],
)
def test_an_experiment_can_be_an_argument_or_an_option(arguments: list[str], tmp_path: Path, capsys: Caught) -> None:
    rows = [row_of(name) for name in ("hm2bp-digits", "hm2bp-mnist", "hm2bp-mnist-conv")]
    write_rows(tmp_path / "b.jsonl", *rows)
    code, out, err = snnlab(capsys, "bench", *arguments, "--table", "--out", "b.jsonl")
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()] == ["experiment", "hm2bp-digits"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["hm2bp-digits", "hm2bp-mnist"],
        ["hm2bp-mnist,hm2bp-digits"],
        ["--experiments", "hm2bp-digits, hm2bp-mnist"],
        ["hm2bp-mnist", "--experiments", "hm2bp-digits"],
    ],
)
def test_several_experiments_can_be_arguments_and_options(arguments: list[str], tmp_path: Path, capsys: Caught) -> None:
    rows = [row_of(name) for name in ("hm2bp-digits", "hm2bp-mnist", "hm2bp-mnist-conv")]
    write_rows(tmp_path / "b.jsonl", *rows)
    _, out, _ = snnlab(capsys, "bench", *arguments, "--table", "--out", "b.jsonl")
    assert [line.split()[0] for line in out.splitlines()[1:3]] == ["hm2bp-digits", "hm2bp-mnist"]
    assert "hm2bp-mnist-conv" not in out


def test_markdown_links_a_pdf_figure(tmp_path: Path, capsys: Caught) -> None:
    write_rows(tmp_path / "b.jsonl", row_of("hm2bp-mnist", 0.98, 0))
    arguments = ["bench", "--table", "--out", "b.jsonl", "--markdown", "results.md"]
    for figure, link in (("results.pdf", "\n["), ("results.png", "\n![")):
        assert snnlab(capsys, *arguments, "--plot", figure)[0] == 0
        page = (tmp_path / "results.md").read_text(encoding="utf-8")
        assert f"{link}Test accuracy of each seed, their mean, and the paper's accuracy]({figure})\n" in page
    assert (tmp_path / "results.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow
def test_missing_data_does_not_stop_the_other_experiments(tmp_path: Path, capsys: Caught) -> None:
    arguments = ["--experiments", "hm2bp-mnist,hm2bp-digits", "--set", "epochs=1", "--seeds", 1, "--data", tmp_path]
    code, out, err = snnlab(capsys, "bench", *arguments)
    assert code == 2
    assert re.search(r"^hm2bp-mnist seed 0: mnist", err, re.MULTILINE)
    assert "hm2bp-digits, epochs=1" in out


@pytest.mark.parametrize(
    ("arguments", "field", "values"),
    [
        (["--seeds", "0"], "--seeds", [0, 1]),
        (["--seeds", "-3"], "--seeds", [-3, 1]),
        (["--jobs", "0"], "--jobs", [0, 1]),
        (["--threads", "0"], "--threads", [0, 1]),
        (["--experiments", "hm2bp-digit"], "EXPERIMENT", ["'hm2bp-digit'", "'hm2bp-digits'"]),
        (["--experiments", ","], "--experiments", []),
        (["hm2bp-digit"], "EXPERIMENT", ["'hm2bp-digit'", "'hm2bp-digits'"]),
        (["hm2bp-mnist", "hm2bp-digit"], "EXPERIMENT", ["'hm2bp-digit'", "'hm2bp-digits'"]),
        ([""], "EXPERIMENT", []),
        (["--set", "rule.magic=1"], "--set rule.magic", ["backprop-layers-mnist"]),
        (["--set", "epochs"], "--set epochs", ["KEY=VALUE"]),
        (["--set", "epochs=0"], "--set epochs", [0, 1]),
        (["--table", "--seeds", "2"], "--seeds", ["--table"]),
        (["--table", "--seeds", "0"], "--seeds", ["--table"]),
        (["--table", "--set", "epochs=2"], "--set", ["--table"]),
        (["--table"], "runs/bench.jsonl", ["No such file"]),
        (["--plot", "here.txt"], "here.txt", [".txt", ".png"]),
        (["--markdown", "nowhere/results.md"], "nowhere/results.md", ["nowhere"]),
        (["--suite", "credits"], "--suite", ["'credits'", "'credit'"]),
        (["hm2bp-digits", "--suite", "credit"], "--suite", ["experiments"]),
    ],
)
def test_invalid_options_are_one_error_line_before_anything_is_written(
    arguments: list[str], field: str, values: list[object], tmp_path: Path, capsys: Caught
) -> None:
    assert_error(error_line(capsys, "bench", *arguments), field, *values)
    assert not list(tmp_path.iterdir())


def test_a_file_with_other_contents_is_an_error(tmp_path: Path, capsys: Caught) -> None:
    (tmp_path / "thesis.txt").write_text("eight years\n", encoding="utf-8")
    for arguments in (["--table"], WORDS):
        assert_error(error_line(capsys, "bench", *arguments, "--out", "thesis.txt"), "thesis.txt: line 1")


@pytest.fixture
def small_suite(monkeypatch: pytest.MonkeyPatch) -> suites.Suite:
    """A rule with a gradient and one without, on the digits of scikit-learn."""
    aligned = replace(
        EXPERIMENTS["feedback-alignment-mnist"],
        name="fa-digits",
        dataset="digits",
        network=MLP((20,)),
        batch=100,
    )
    monkeypatch.setitem(EXPERIMENTS, aligned.name, aligned)
    entries = (
        suites.Entry("HM2-BP", "hm2bp-digits", OPTIONS),
        suites.Entry("feedback alignment", "fa-digits", {"epochs": "3"}),
    )
    suite = suites.Suite("small", "two rules on digits", entries)
    monkeypatch.setattr(suites, "SUITES", {"small": suite})
    return suite


@pytest.mark.slow
@pytest.mark.usefixtures("small_suite")
def test_a_suite_trains_and_plots_its_entries(tmp_path: Path, capsys: Caught) -> None:
    arguments = ["--suite", "small", "--seeds", 2, "--threads", 1, "--out", "s.jsonl"]
    code, out, _ = snnlab(capsys, "bench", *arguments)
    assert code == 0 and "figure: s.png" in out and (tmp_path / "s.png").read_bytes().startswith(PNG)
    rows = read(tmp_path / "s.jsonl")
    assert sorted((row.experiment, row.epochs, row.seed) for row in rows) == [
        ("fa-digits", 3, 0), ("fa-digits", 3, 1), ("hm2bp-digits", 2, 0), ("hm2bp-digits", 2, 1),
    ]  # fmt: skip
    for row in rows:
        lengths = {len(curve) for curve in row.angles.values()}
        assert lengths == ({3} if row.experiment == "fa-digits" else set()), row.experiment
    # other rows of the file are excluded
    assert (
        snnlab(capsys, "bench", "hm2bp-digits", *WORDS[2:], "--set=epochs=1", "--seeds", 1, "--out", "s.jsonl")[0] == 0
    )
    code, out, _ = snnlab(capsys, "bench", "--suite", "small", "--table", "--out", "s.jsonl")
    assert "no results with these options" not in out
    assert code == 0 and len([line for line in out.splitlines() if line.startswith(("hm2bp", "fa-"))]) == 2
    assert "no results of suite small" in snnlab(
        capsys, "bench", "--suite", "small", "--table", "--set=epochs=9", "--out", "s.jsonl"
    )[1]  # fmt: skip


@pytest.mark.usefixtures("small_suite")
def test_a_suite_lists_missing_entries(tmp_path: Path, capsys: Caught) -> None:
    row = row_of("fa-digits", epochs="3")
    write_rows(tmp_path / "s.jsonl", row)
    code, out, _ = snnlab(capsys, "bench", "--suite", "small", "--table", "--out", "s.jsonl")
    assert code == 0 and "no results with these options: HM2-BP" in out
