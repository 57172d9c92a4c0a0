"""Rows in a file: written whole, read whole, and nothing else taken for them."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from snnlab.benchmark.records import Row, appending, key_of, plain, read
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS

DIGITS = EXPERIMENTS["hm2bp-digits"]
ROW = Row(
    experiment="hm2bp-digits", seed=0, changes={}, options=plain(DIGITS.options()), cards=DIGITS.digests(),
    network="64-100-10", samples={"train": 1437, "test": 360}, epochs=2,
    test_accuracy=0.75, train_accuracy=0.5, test_curve=[0.9, 0.75],
    train_curve=[0.25, 0.5], wall_s=12.0, train_samples_per_s=100.0, test_samples_per_s=200.0, reported=None,
    reference="a paper", threads=1, versions={"python": "3.11"}, machine={"cores": 2},
    cost={"spikes": {"hidden1": 400.0, "output": 50.0}, "input_spikes": 700.0, "dense": 4e5, "effective_acs": 2e4,
          "effective_macs": 0.0, "activation_sparsity": 0.98, "connection_sparsity": 0.0, "parameters": 7400,
          "footprint_bytes": 30480},
)  # fmt: skip


def written(path: Path, *rows: Row) -> Path:
    with appending(path) as (_, append):
        for row in rows:
            append(row)
    return path


def spoilt(**changes: Any) -> str:
    return json.dumps(asdict(ROW) | changes) + "\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bench.jsonl"


def test_rows_are_read_as_they_were_written(file: Path) -> None:
    rows = [replace(ROW, seed=seed) for seed in range(3)]
    assert read(written(file, *rows)) == rows
    assert [json.loads(line)["seed"] for line in file.read_text(encoding="utf-8").splitlines()] == [0, 1, 2]
    with appending(file) as (found, _):
        assert found == rows


def test_a_row_of_before_there_were_angles_is_read_as_one_without(file: Path) -> None:
    old = {name: value for name, value in asdict(ROW).items() if name != "angles"}
    file.write_text(json.dumps(old) + "\n" + replace(ROW, seed=1, angles={"a": [90.0, 45.0]}).line(), encoding="utf-8")
    assert [row.angles for row in read(file)] == [{}, {"a": [90.0, 45.0]}]


def test_wherever_a_write_was_cut_off_the_rows_before_it_are_kept(file: Path) -> None:
    whole = written(file, ROW, replace(ROW, seed=1)).read_bytes()
    first = whole.index(b"\n") + 1
    for cut in (*range(first, first + 40), len(whole) - 2, len(whole) - 1):
        file.write_bytes(whole[:cut])
        assert read(file) == [ROW]
        assert file.read_bytes() == whole[:cut], "reading changes nothing"
        written(file, replace(ROW, seed=1))
        assert file.read_bytes() == whole


@pytest.mark.parametrize("text", ["My thesis", "My thesis\n", "{}\n", "[]\n", "3\n", '{"experiment": "x"}\n', "\n"])
def test_a_file_of_something_else_is_refused_and_left_alone(text: str, file: Path) -> None:
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
def test_a_row_that_no_bench_writes_is_refused_by_field(changes: dict[str, Any], file: Path) -> None:
    file.write_text(spoilt(**changes), encoding="utf-8")
    with pytest.raises(InputError, match=f"line 1: {next(iter(changes))}: found"):
        read(file)


def test_an_accuracy_that_is_not_that_of_the_last_epoch_is_refused(file: Path) -> None:
    file.write_text(spoilt(test_accuracy=max(ROW.test_curve)), encoding="utf-8")
    with pytest.raises(InputError, match="test_accuracy: found 0.9; needs that of the last epoch"):
        read(file)


def test_angles_of_other_epochs_than_the_row_has_are_refused(file: Path) -> None:
    file.write_text(spoilt(angles={"a": [1.0]}), encoding="utf-8")
    with pytest.raises(InputError, match="line 1: angles: found of other epochs; needs one for each of 2"):
        read(file)


def test_a_row_counts_once_however_often_it_stands_there(file: Path) -> None:
    file.write_text(ROW.line() + replace(ROW, wall_s=1.0).line(), encoding="utf-8")
    assert read(file) == [ROW]
    other = replace(ROW, samples={"train": 800, "test": 80})
    file.write_text(ROW.line() + other.line(), encoding="utf-8")
    assert read(file) == [ROW, other]


def test_two_rows_of_one_training_that_contradict_each_other_are_refused(file: Path) -> None:
    """No seed has two accuracies; one of them was changed by hand."""
    file.write_text(ROW.line() + replace(ROW, test_curve=[0.8, 0.75]).line(), encoding="utf-8")
    with pytest.raises(InputError, match="line 2: hm2bp-digits, seed 0, is there already with other accuracies"):
        read(file)


def test_rows_are_told_apart_by_experiment_options_cards_and_seed() -> None:
    keys = {
        key_of(name, options, cards, seed)
        for name in ("a", "b")
        for options in ({"x": 1}, {"x": 2})
        for cards in ({"card": "0"}, {"card": "1"})
        for seed in (0, 1)
    }
    assert len(keys) == 16
    assert replace(ROW, wall_s=1.0, versions={}, threads=7).key == ROW.key


def test_one_process_at_a_time_adds_rows(file: Path) -> None:
    with appending(file), pytest.raises(InputError, match="another process adds rows"), appending(file):
        pass
    with appending(file):
        pass


def test_what_fails_beside_the_file_is_not_blamed_on_it(file: Path) -> None:
    with pytest.raises(TimeoutError, match="elsewhere"), appending(file):
        raise TimeoutError("elsewhere")


def test_a_file_that_is_missing_or_cannot_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        read(tmp_path / "nothing.jsonl")
    (tmp_path / "thesis").write_text("eight years", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be written"), appending(tmp_path / "thesis" / "bench.jsonl"):
        pass
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path, tmp_path / "pipe", Path("/dev/null")):
        with pytest.raises(InputError, match="not a file"), appending(place):
            pass
        with pytest.raises(InputError, match="not a file"):
            read(place)
