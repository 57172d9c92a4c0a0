"""Tables and texts in terminals of any width."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from command_line import snnlab
from hypothesis import given
from hypothesis import strategies as st
from result_rows import row_of, write_rows

from snnlab.cli import output

HEAD = ["name", "seeds", "accuracy", "reference"]
ROWS = [
    ["one", "3", "98.57 %", "mean of 5 runs, each the best of 200 epochs on test, and of the last epoch here"],
    ["another, with a longer name", "12", "9.1 %", ""],
]
WORDS = st.text("abcdefgh-.,", min_size=1, max_size=12)
CELL = st.lists(WORDS, max_size=12).map(" ".join)
Caught = pytest.CaptureFixture[str]


def table(columns: int | None, head: list[str], rows: list[list[str]]) -> list[str]:
    """The lines of a table, in a terminal with so many columns, or without a terminal."""
    with pytest.MonkeyPatch.context() as patch:
        lines: list[str] = []
        patch.setattr(output, "terminal_width", lambda: columns)
        patch.setattr(output, "print", lines.append, raising=False)
        output.table(head, rows)
    return lines


def test_without_a_terminal_each_row_is_one_line() -> None:
    head, first, second = table(None, HEAD, ROWS)
    assert first.index("98.57 %") == second.index("9.1 %") == head.index("accuracy")
    assert first.endswith(ROWS[0][-1]) and len(first) > 120


@pytest.mark.parametrize("columns", [max(map(len, table(None, HEAD, ROWS))), 1000])
def test_a_wide_terminal_shows_the_same(columns: int) -> None:
    assert table(columns, HEAD, ROWS) == table(None, HEAD, ROWS)


def test_the_last_column_is_wrapped() -> None:
    head, *lines = table(80, HEAD, ROWS)
    assert max(map(len, lines)) <= 80
    at = head.index("reference")
    assert " ".join(line[at:].strip() for line in lines[:-1]) == ROWS[0][-1]
    assert lines[-1].startswith(ROWS[1][0])


def test_columns_that_do_not_fit_are_indented_below() -> None:
    lines = table(40, HEAD, ROWS)
    assert lines[:5] == [
        "name                         seeds",
        "    accuracy",
        "    reference",
        "one                          3",
        "    98.57 %",
    ]
    assert [line[:4] for line in lines[5:-2]] == ["    "] * 3
    assert " ".join(line.strip() for line in lines[5:-2]) == ROWS[0][-1]
    assert lines[-2:] == ["another, with a longer name  12", "    9.1 %"]


@given(st.integers(12, 100), st.integers(1, 5).flatmap(lambda n: st.lists(st.lists(CELL, min_size=n, max_size=n))))
def test_nothing_is_truncated_or_wider_than_the_terminal(columns: int, rows: list[list[str]]) -> None:
    lines = table(columns, ["head"] * len(rows[0]) if rows else ["head"], rows)
    assert all(len(line) <= columns for line in lines)
    assert sorted("".join(lines).replace(" ", "")) == sorted(
        "head" * (len(rows[0]) if rows else 1) + "".join("".join(row) for row in rows).replace(" ", "")
    )


@pytest.mark.parametrize("columns", [80, 120])
def test_a_table_of_results_fits_the_terminal(
    columns: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Caught
) -> None:
    monkeypatch.chdir(tmp_path)
    write_rows(
        tmp_path / "b.jsonl",
        row_of("hm2bp-mnist", 0.98, 0),
        row_of("hm2bp-mnist", 0.99, 1),
        row_of("hm2bp-mnist", 0.97, 0, **{"rule.regularisation.strength": 10.0, "epochs": 3}),
    )
    _, whole, _ = snnlab(capsys, "bench", "--table", "--out", "b.jsonl")
    assert len(whole.splitlines()) == 4 and max(map(len, whole.splitlines())) > 120
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    _, shown, _ = snnlab(capsys, "bench", "--table", "--out", "b.jsonl")
    assert max(map(len, shown.splitlines())) <= columns
    for text in ("98.50 +- 0.71 %", "rule.regularisation.strength=10.0, epochs=3", "98.84 %", "20,000"):
        assert text in shown and text in whole
    # the reference is printed once for the experiment
    assert " ".join(shown.split()).count("each the best of 200 epochs on test") == 1
