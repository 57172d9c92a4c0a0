"""Run directories read as if a stranger had sent them."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import arrays, note, same_bits, trained

from snnlab.errors import InputError
from snnlab.experiments.core.run import Run
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    trained(path)
    return path


@pytest.fixture
def spoilt(finished: Path, tmp_path: Path) -> Path:
    """A copy of the finished run, to be damaged."""
    path = tmp_path / "copy"
    for file in finished.rglob("*"):
        if file.is_file():
            (path / file.relative_to(finished)).parent.mkdir(parents=True, exist_ok=True)
            (path / file.relative_to(finished)).write_bytes(file.read_bytes())
    return path


def newest(path: Path) -> Path:
    return max((path / "checkpoints").glob("*.npz"))


def rewrite(path: Path, **changes: Any) -> None:
    """The newest checkpoint with some arrays changed; None takes one out, and a dict changes the note."""
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


def test_a_truncated_checkpoint_is_refused_and_the_one_before_goes_on(spoilt: Path, finished: Path) -> None:
    checkpoint = newest(spoilt)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(
        InputError, match=r"spoilt checkpoint.*delete it: the run then goes on from the one before"
    ) as refused:
        Run.open(spoilt).restore()
    assert checkpoint.name in str(refused.value)
    checkpoint.unlink()
    study = Run.open(spoilt, threads=1)
    for _ in train(study.config, study.directory):
        pass
    assert same_bits(spoilt, finished)


def test_a_pickle_in_a_checkpoint_is_not_loaded(spoilt: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (spoilt / "sprung",)

    np.savez(newest(spoilt), note=np.array([Trap()], dtype=object))
    with pytest.raises(InputError, match="spoilt checkpoint.*allow_pickle=False"):
        RunDirectory(spoilt).restore()
    assert not (spoilt / "sprung").exists()
    # the trap is one: who unpickles it springs it
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301
    assert (spoilt / "sprung").exists()


def test_a_bare_pickle_under_the_name_of_a_checkpoint_is_not_loaded(spoilt: Path) -> None:
    newest(spoilt).write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(InputError, match="spoilt checkpoint"):
        RunDirectory(spoilt).restore()


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_refused(spoilt: Path) -> None:
    held = arrays(spoilt)
    np.savez_compressed(newest(spoilt), **held, bomb=np.zeros(10_000_000))
    assert newest(spoilt).stat().st_size < 1_000_000
    with pytest.raises(InputError, match="spoilt checkpoint .compressed"):
        RunDirectory(spoilt).restore()


@settings(max_examples=60)
@given(data=st.data())
def test_no_spoilt_byte_of_a_checkpoint_does_more_than_refuse(data: st.DataObject, finished: Path) -> None:
    content = bytearray(newest(finished).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    run = RunDirectory(finished.parent / "flipped")
    (run.path / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run.path / "checkpoints" / newest(finished).name).write_bytes(content)
    # where the flipped byte means nothing, as in a date, the checkpoint is as good as before
    try:
        kept = run.restore()
    except InputError:
        return
    assert kept is not None
    for name, values in kept[0].weights.items():
        assert np.array_equal(values, arrays(finished)[f"weights/{name}"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        (
            {"weights__input->hidden1.synapse": np.zeros((64, 25), np.float32)},
            r"float32 \(64, 25\).*this experiment has",
        ),
        ({"weights__input->hidden1.synapse": np.zeros((64, 24))}, r"float64 \(64, 24\).*this experiment has"),
        ({"weights__hidden1->output.synapse": None}, "weights: found.*this experiment has"),
        ({"weights__extra": np.zeros(3, np.float32)}, "extra"),
        ({"memory__m:hidden1->output.synapse": np.zeros(3, np.float32)}, "memory: found"),
        ({"weights__hidden1->output.synapse": np.full((24, 10), np.nan, np.float32)}, "not finite"),
        ({"note": {"steps": 1}}, "spoilt checkpoint .'progress'"),
    ],
)
def test_a_checkpoint_of_another_network_is_refused(changes: dict[str, Any], says: str, spoilt: Path) -> None:
    rewrite(spoilt, **changes)
    with pytest.raises(InputError, match=says) as refused:
        Run.open(spoilt).restore()
    assert newest(spoilt).name in str(refused.value)


@pytest.mark.parametrize("part", ["weights", "optimizer_state"])
def test_a_checkpoint_with_a_number_that_is_none_is_refused_before_it_is_trained_on(part: str, spoilt: Path) -> None:
    name, values = next((name, values) for name, values in arrays(spoilt).items() if name.startswith(part))
    values[0, 0] = np.nan
    rewrite(spoilt, **{name.replace("/", "__", 1): values})
    with pytest.raises(InputError, match=f"{newest(spoilt).name}: {part} of .*not finite"):
        Run.open(spoilt).restore()


def test_a_pipe_under_the_name_of_a_checkpoint_is_not_waited_for(spoilt: Path) -> None:
    place = newest(spoilt)
    place.unlink()
    os.mkfifo(place)
    with pytest.raises(InputError, match="a spoilt checkpoint .not a file"):
        Run.open(spoilt).restore()


def test_a_run_whose_checkpoints_are_gone_does_not_begin_again_over_its_metrics(spoilt: Path) -> None:
    for file in (spoilt / "checkpoints").iterdir():
        file.unlink()
    before = (spoilt / "metrics.jsonl").read_bytes()
    study = Run.open(spoilt)
    with pytest.raises(InputError, match="checkpoints: empty, and there are epochs in metrics.jsonl"):
        next(train(study.config, study.directory))
    assert before and (spoilt / "metrics.jsonl").read_bytes() == before


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
def test_a_note_that_no_loop_writes_is_refused(change: dict[str, Any], spoilt: Path) -> None:
    right = note(spoilt)
    rewrite(spoilt, note=right | {"progress": right["progress"] | change})
    with pytest.raises(InputError):
        Run.open(spoilt).restore()
    rewrite(spoilt, note=right)
    Run.open(spoilt).restore()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "not a JSON object"),
        ("{}", "no 'experiment'"),
        ({"experiment": 3}, "experiment: found 3; needs text"),
        ({"experiment": "hm2bp-digit"}, "did you mean 'hm2bp-digits'"),
        ({"seed": "1"}, "seed: found '1'; needs a whole number"),
        ({"seed": True}, "seed: found True"),
        ({"seed": -1}, "seed: found -1"),
        ({"data": None}, "data: found None; needs text"),
        ({"options": []}, "options: found \\[\\]"),
        ({"cards": {}}, "digits.toml: sha256 .*, and none when"),
        ({"cards": {"datasets/digits.toml": 1, "models/lif_exp_euler.toml": 2}}, "digits.toml: sha256"),
    ],
    ids=str,
)
def test_an_experiment_file_that_no_run_writes_is_refused(content: Any, says: str, spoilt: Path) -> None:
    file = spoilt / "experiment.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(right | content) if isinstance(content, dict) else content, encoding="utf-8")
    with pytest.raises(InputError, match=says) as refused:
        Run.open(spoilt)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("batch", 2.5, "options: batch: found 2.5; needs a whole number"),
        ("batch", "32", None),
        ("batch", True, "options: batch: found True"),
        ("batch", None, "options: batch: found None"),
        (
            "rule.schedule.decay",
            1,
            "options: rule.schedule.decay: found 1; known: cosine, exponential, inverse, late, none",
        ),
        ("rule.learning_rate", 1, None),
        ("rule.learning_rate", 10**400, "rule.learning_rate: found 1000000"),
        ("rule.precision", "float16", "rule.precision: found 'float16'"),
        ("network.hidden", 12, "network.hidden: found 12; needs values with commas"),
        ("network.cell", "../../etc/passwd", "no card"),
        ("network.cell", ["lif"], "network.cell: found"),
        ("surprise", 1, "options: surprise: no such option"),
    ],
    ids=str,
)
def test_an_option_in_an_experiment_file_has_its_own_type(
    option: str, value: Any, says: str | None, spoilt: Path
) -> None:
    file = spoilt / "experiment.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(right | {"options": right["options"] | {option: value}}), encoding="utf-8")
    if says is None:
        Run.open(spoilt)
        return
    with pytest.raises(InputError, match=says):
        Run.open(spoilt)


def test_an_experiment_file_without_an_option_is_of_another_version(spoilt: Path) -> None:
    file = spoilt / "experiment.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    del right["options"]["batch"]
    file.write_text(json.dumps(right), encoding="utf-8")
    with pytest.raises(InputError, match="options: no 'batch'; this run is of another version"):
        Run.open(spoilt)
