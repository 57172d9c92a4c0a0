"""Corrupt and manipulated run directories are refused."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import arrays, note, same_bits

from snnlab.errors import InputError
from snnlab.experiments.core.run import Run
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory


@pytest.fixture
def copied_run(finished_path: Path, tmp_path: Path) -> Path:
    """A copy of the finished run that a test may corrupt."""
    path = tmp_path / "copy"
    for file in finished_path.rglob("*"):
        if file.is_file():
            (path / file.relative_to(finished_path)).parent.mkdir(parents=True, exist_ok=True)
            (path / file.relative_to(finished_path)).write_bytes(file.read_bytes())
    return path


def newest(path: Path) -> Path:
    return max((path / "checkpoints").glob("*.npz"))


def rewrite(path: Path, **changes: Any) -> None:
    """Change arrays of the newest checkpoint; None removes one, `note` replaces the note."""
    held = arrays(path) | {"note": note(path)}
    for name, value in changes.items():
        name = name.replace("__", "/", 1)
        if value is None:
            del held[name]
        elif name == "note":
            held["note"] = value
        else:
            held[name] = value
    held["note"] = np.frombuffer(json.dumps(held["note"]).encode(), dtype=np.uint8)
    np.savez(newest(path), **held)


def test_a_truncated_checkpoint_is_refused_and_the_previous_one_resumes(copied_run: Path, finished_path: Path) -> None:
    checkpoint = newest(copied_run)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with raises_input_error(checkpoint.name, "corrupt", "delete it"):
        Run.open(copied_run).restore()
    checkpoint.unlink()
    run = Run.open(copied_run, threads=1)
    for _ in train(run.config, run.directory):
        pass
    assert same_bits(copied_run, finished_path)


def test_a_pickle_in_a_checkpoint_is_not_loaded(copied_run: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (copied_run / "sprung",)

    np.savez(newest(copied_run), note=np.array([Trap()], dtype=object))
    with raises_input_error(newest(copied_run).name, "allow_pickle=False"):
        RunDirectory(copied_run).restore()
    assert not (copied_run / "sprung").exists()
    # the trap works: unpickling springs it
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301
    assert (copied_run / "sprung").exists()


def test_a_pickle_with_the_name_of_a_checkpoint_is_not_loaded(copied_run: Path) -> None:
    newest(copied_run).write_bytes(pickle.dumps({"weights": 1}))
    with raises_input_error(newest(copied_run).name, "corrupt"):
        RunDirectory(copied_run).restore()


def test_a_compressed_checkpoint_is_refused(copied_run: Path) -> None:
    held = arrays(copied_run)
    np.savez_compressed(newest(copied_run), **held, bomb=np.zeros(10_000_000))
    assert newest(copied_run).stat().st_size < 1_000_000
    with raises_input_error(newest(copied_run).name, "compressed"):
        RunDirectory(copied_run).restore()


@settings(max_examples=examples(60))
@given(data=st.data())
def test_a_flipped_byte_is_refused_or_changes_no_weight(data: st.DataObject, finished_path: Path) -> None:
    content = bytearray(newest(finished_path).read_bytes())
    position = data.draw(st.integers(0, len(content) - 1))
    content[position] ^= data.draw(st.integers(1, 255))
    run = RunDirectory(finished_path.parent / "flipped")
    (run.path / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run.path / "checkpoints" / newest(finished_path).name).write_bytes(content)
    # a byte without effect, as in a date, leaves the checkpoint valid
    try:
        restored = run.restore()
    except InputError:
        return
    assert restored is not None
    for name, values in restored[0].weights.items():
        assert np.array_equal(values, arrays(finished_path)[f"weights/{name}"])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"weights__input->hidden1.synapse": np.zeros((64, 25), np.float32)}, ("(64, 25)", "(64, 24)")),
        ({"weights__input->hidden1.synapse": np.zeros((64, 24))}, ("float64", "float32")),
        ({"weights__hidden1->output.synapse": None}, ("hidden1->output.synapse",)),
        ({"weights__extra": np.zeros(3, np.float32)}, ("extra",)),
        ({"optimizer_state__m:hidden1->output.synapse": np.zeros(3, np.float32)}, ("(3,)",)),
        ({"constants__extra": np.zeros(3)}, ("extra",)),
        ({"weights__hidden1->output.synapse": np.full((24, 10), np.nan, np.float32)}, ("not finite",)),
        ({"note": {"steps": 1}}, ("'progress'",)),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(
    changes: dict[str, Any], values: tuple[str, ...], copied_run: Path
) -> None:
    rewrite(copied_run, **changes)
    with raises_input_error(newest(copied_run).name, *values):
        Run.open(copied_run).restore()


@pytest.mark.parametrize("part", ["weights", "optimizer_state"])
def test_a_checkpoint_with_a_nan_is_refused(part: str, copied_run: Path) -> None:
    name, values = next((name, values) for name, values in arrays(copied_run).items() if name.startswith(part))
    values[0, 0] = np.nan
    rewrite(copied_run, **{name.replace("/", "__", 1): values})
    with raises_input_error(f"{newest(copied_run).name}: {part} of ", "not finite"):
        Run.open(copied_run).restore()


def test_a_pipe_with_the_name_of_a_checkpoint_does_not_block(copied_run: Path) -> None:
    path = newest(copied_run)
    path.unlink()
    os.mkfifo(path)
    with raises_input_error(path.name, "not a file"):
        Run.open(copied_run).restore()


def test_a_run_without_its_checkpoints_does_not_overwrite_its_metrics(copied_run: Path) -> None:
    for file in (copied_run / "checkpoints").iterdir():
        file.unlink()
    before = (copied_run / "metrics.jsonl").read_bytes()
    run = Run.open(copied_run)
    with raises_input_error("checkpoints", "metrics.jsonl"):
        next(train(run.config, run.directory))
    assert before and (copied_run / "metrics.jsonl").read_bytes() == before


@pytest.mark.thorough
@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "3"},
        {"epoch": -1},
        {"epoch": 2.5},
        {"epoch": 9},
        {"epoch": 10**15},
        {"batch": True},
        {"batch": 1000, "samples": 1437, "seconds": 1.0},
        {"batch": 1, "samples": 17, "seconds": 1.0},
        {"loss": float("nan")},
        {"rows": []},
        {"rows": [{"epoch": 1}, {"epoch": 2}]},
        {"rows": "none"},
        {"surprise": 1},
    ],
    ids=str,
)
def test_an_invalid_progress_is_refused(change: dict[str, Any], copied_run: Path) -> None:
    valid = note(copied_run)
    rewrite(copied_run, note=valid | {"progress": valid["progress"] | change})
    with pytest.raises(InputError):
        Run.open(copied_run).restore()
    rewrite(copied_run, note=valid)
    Run.open(copied_run).restore()


@pytest.mark.parametrize(
    ("content", "field", "value"),
    [
        ("", "experiment.json", "JSON"),
        ("[" * 100_000, "experiment.json", "JSON"),
        ("[1, 2]", "experiment.json", "JSON object"),
        ("{}", "experiment.json", "'experiment'"),
        ({"experiment": 3}, "experiment.json: experiment", "3"),
        ({"experiment": "hm2bp-digit"}, "experiment.json: experiment", "'hm2bp-digits'"),
        ({"seed": "1"}, "experiment.json: seed", "'1'"),
        ({"seed": True}, "experiment.json: seed", "True"),
        ({"seed": -1}, "experiment.json: seed", "-1"),
        ({"data": None}, "experiment.json: data", "None"),
        ({"options": []}, "experiment.json: options", "[]"),
        ({"cards": {}}, "digits.toml", "none"),
        ({"cards": {"datasets/digits.toml": 1, "models/lif_exp_euler.toml": 2}}, "digits.toml", "sha256"),
    ],
    ids=str,
)
def test_an_invalid_experiment_file_is_refused(content: Any, field: str, value: str, copied_run: Path) -> None:
    file = copied_run / "experiment.json"
    valid = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(valid | content) if isinstance(content, dict) else content, encoding="utf-8")
    with raises_input_error(field, value) as error:
        Run.open(copied_run)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("option", "value", "hint"),
    [
        ("batch", 2.5, "integer"),
        ("batch", "32", None),
        ("batch", True, "integer"),
        ("batch", None, "integer"),
        ("rule.schedule.decay", 1, "cosine"),
        ("rule.learning_rate", 1, None),
        ("rule.learning_rate", 10**400, "number"),
        ("rule.precision", "float16", "float32"),
        ("network.hidden", 12, "commas"),
        ("network.cell", ["lif"], "text"),
        ("surprise", 1, "no such option"),
    ],
    ids=str,
)
def test_an_option_in_an_experiment_file_is_checked_by_its_type(
    option: str, value: Any, hint: str | None, copied_run: Path
) -> None:
    file = copied_run / "experiment.json"
    valid = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(valid | {"options": valid["options"] | {option: value}}), encoding="utf-8")
    if hint is None:
        Run.open(copied_run)
        return
    with raises_input_error(f"options: {option}", hint):
        Run.open(copied_run)


def test_an_experiment_file_without_an_option_is_of_another_version(copied_run: Path) -> None:
    file = copied_run / "experiment.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    del content["options"]["batch"]
    file.write_text(json.dumps(content), encoding="utf-8")
    with raises_input_error("experiment.json: options", "'batch'", "version"):
        Run.open(copied_run)


def test_a_cell_in_an_experiment_file_cannot_name_a_file_outside_the_library(copied_run: Path) -> None:
    file = copied_run / "experiment.json"
    valid = json.loads(file.read_text(encoding="utf-8"))
    valid["options"]["network.cell"] = "../../etc/passwd"
    file.write_text(json.dumps(valid), encoding="utf-8")
    with raises_input_error("models", "../../etc/passwd"):
        Run.open(copied_run)
