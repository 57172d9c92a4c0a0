"""Result rows in a file: complete lines are read back, and other contents are errors."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from errors_in_tests import raises_input_error
from result_rows import ROW, write_rows

from snnlab.benchmark.records import appending, key_of, read
from snnlab.errors import InputError


def line_with(**changes: Any) -> str:
    return json.dumps(asdict(ROW) | changes) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bench.jsonl"


def test_rows_are_read_as_written(file: Path) -> None:
    rows = [replace(ROW, seed=seed) for seed in range(3)]
    assert read(write_rows(file, *rows)) == rows
    assert [json.loads(line)["seed"] for line in file.read_text(encoding="utf-8").splitlines()] == [0, 1, 2]
    with appending(file) as (present, _):
        assert present == rows


def test_a_row_without_angles_is_read(file: Path) -> None:
    old = {name: value for name, value in asdict(ROW).items() if name != "angles"}
    file.write_text(json.dumps(old) + "\n" + replace(ROW, seed=1, angles={"a": [90.0, 45.0]}).line(), encoding="utf-8")
    assert [row.angles for row in read(file)] == [{}, {"a": [90.0, 45.0]}]


def test_an_incomplete_last_line_is_ignored_and_replaced(file: Path) -> None:
    whole = write_rows(file, ROW, replace(ROW, seed=1)).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (*range(first, first + 40), len(whole) - 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        assert read(file) == [ROW]
        assert file.read_bytes() == whole[:cut], "reading changed the file"
        write_rows(file, replace(ROW, seed=1))
        assert file.read_bytes() == whole


@pytest.mark.parametrize("text", ["My thesis", "My thesis\n", "{}\n", "[]\n", "3\n", '{"experiment": "x"}\n', "\n"])
def test_a_file_with_other_contents_is_an_error_and_stays_unchanged(text: str, file: Path) -> None:
    for given in (text, ROW.line() + text):
        file.write_text(given, encoding="utf-8")
        with pytest.raises(InputError, match="bench.jsonl: line [12]"):
            read(file)
        with pytest.raises(InputError, match="bench.jsonl: line [12]"), appending(file):
            pass
        assert file.read_text(encoding="utf-8") == given


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": -1}, {"seed": "0"}, {"seed": True}, {"epochs": 0}, {"test_accuracy": 1.5}, {"test_accuracy": None},
        {"wall_s": float("nan")}, {"wall_s": -1.0}, {"reported": 98.8}, {"cost": {}}, {"options": []},
        {"samples": {}}, {"samples": {"train": 1}}, {"samples": {"train": 1, "test": 0}},
        {"angles": {"a": 3.0}}, {"angles": {"a": [200.0]}}, {"angles": []},
        {"test_curve": [0.5, "0.75"]}, {"cost": ROW.cost | {"spikes": {"output": float("inf")}}},
    ],
    ids=str,
)  # fmt: skip
def test_an_invalid_value_is_an_error_that_names_line_and_field(changes: dict[str, Any], file: Path) -> None:
    file.write_text(line_with(**changes), encoding="utf-8")
    with raises_input_error(f"line 1: {next(iter(changes))}"):
        read(file)


def test_the_accuracy_must_be_that_of_the_last_epoch(file: Path) -> None:
    file.write_text(line_with(test_accuracy=max(ROW.test_curve)), encoding="utf-8")
    with raises_input_error("line 1: test_accuracy", 0.9):
        read(file)


def test_angles_must_have_one_value_for_each_epoch(file: Path) -> None:
    file.write_text(line_with(angles={"a": [1.0]}), encoding="utf-8")
    with raises_input_error("line 1: angles", 1, 2):
        read(file)


def test_duplicate_rows_are_read_once(file: Path) -> None:
    file.write_text(ROW.line() + replace(ROW, wall_s=1.0).line(), encoding="utf-8")
    assert read(file) == [ROW]
    fewer_samples = replace(ROW, samples={"train": 800, "test": 80})
    file.write_text(ROW.line() + fewer_samples.line(), encoding="utf-8")
    assert read(file) == [ROW, fewer_samples]


def test_rows_of_one_training_with_different_accuracies_are_an_error(file: Path) -> None:
    file.write_text(ROW.line() + replace(ROW, test_curve=[0.8, 0.75]).line(), encoding="utf-8")
    with raises_input_error("line 2", "hm2bp-digits seed 0"):
        read(file)


def test_the_key_depends_on_experiment_options_cards_and_seed_only() -> None:
    keys = {
        key_of(name, options, cards, seed)
        for name in ("a", "b")
        for options in ({"x": 1}, {"x": 2})
        for cards in ({"card": "0"}, {"card": "1"})
        for seed in (0, 1)
    }
    assert len(keys) == 16
    assert replace(ROW, wall_s=1.0, versions={}, threads=7).key == ROW.key


def test_only_one_process_can_append(file: Path) -> None:
    with appending(file), raises_input_error(file, "another process"), appending(file):
        pass
    with appending(file):
        pass


def test_an_error_of_the_caller_passes_through(file: Path) -> None:
    with pytest.raises(TimeoutError, match="elsewhere"), appending(file):
        raise TimeoutError("elsewhere")


def test_a_missing_or_unwritable_file_is_an_error(tmp_path: Path) -> None:
    with raises_input_error("nothing.jsonl"):
        read(tmp_path / "nothing.jsonl")
    (tmp_path / "thesis").write_text("eight years", encoding="utf-8")
    with raises_input_error("bench.jsonl"), appending(tmp_path / "thesis" / "bench.jsonl"):
        pass
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with raises_input_error(place, "not a file"), appending(place):
            pass
        with raises_input_error(place, "not a file"):
            read(place)
