"""Run directories: written so that nothing is half there, and read as if a stranger had sent them."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import pickle
import random
import re
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import arrays, begun, die, note, same_bits, train_on, trained

from snnlab.errors import Refused
from snnlab.experiments.study import Study
from snnlab.rules.rule import State
from snnlab.runs import Progress, Run
from snnlab.train import train


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


# Killed ---------------------------------------------------------------------------------------------------------------

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["snnlab.experiments.study", "snnlab.certify", "sklearn.datasets"])


class DieAt:
    """Dies before the n-th time that a file is forced to the disk, renamed or deleted."""

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self) -> None:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            setattr(owner, name, self.counting(getattr(owner, name)))

    def counting(self, does: Any) -> Any:
        def counted(*arguments: Any, **words: Any) -> Any:
            self.left -= 1
            if self.left == 0:
                die()
            return does(*arguments, **words)

        return counted


def die_halfway() -> None:
    """Dies in the middle of writing the fourth checkpoint."""
    whole, calls = np.savez, iter(range(100))

    def half(file: Any, **held: Any) -> None:
        if next(calls) < 3:
            whole(file, **held)
            return
        content = io.BytesIO()
        whole(content, **held)
        file.write(content.getvalue()[: content.tell() // 2])
        file.flush()
        die()

    np.savez = half


def ended(path: Path, *arguments: Any) -> int:
    """Exit code of a child that trains; minus the signal that ended it."""
    child = server.Process(target=train_on, args=(str(path), *arguments))
    child.start()
    child.join()
    return int(child.exitcode or 0)


def test_killed_before_any_file_operation_a_run_goes_on_to_the_same_bits(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    deaths = 0
    # each child lives a little longer than the one before, so that in time every kind of moment is met
    while ended(run, 0.0, DieAt(3 * deaths + 1)) == -signal.SIGKILL:
        deaths += 1
        assert deaths < 60, "never finishes"
    assert deaths >= 5
    assert same_bits(run, finished)
    assert not list(run.rglob(".*.tmp"))


def test_killed_at_random_moments_a_run_goes_on_to_the_same_bits(finished: Path, tmp_path: Path) -> None:
    run, moments = tmp_path / "run", random.Random(7)
    deaths = set()
    for _ in range(8):
        child = server.Process(target=train_on, args=(str(run),))
        child.start()
        time.sleep(moments.uniform(0.0, 1.0))
        child.kill()
        child.join()
        deaths.add(child.exitcode)
    assert -signal.SIGKILL in deaths
    assert ended(run) == 0
    assert same_bits(run, finished)


def test_killed_in_the_middle_of_a_checkpoint_a_run_keeps_the_one_before(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert ended(run, 0.0, die_halfway) == -signal.SIGKILL
    assert list((run / "checkpoints").glob(".*.tmp")), "died elsewhere"
    kept = Run(run).restore()
    assert kept is not None and (kept[1].epoch, kept[1].batch) == (1, 2)
    assert ended(run) == 0
    assert same_bits(run, finished)


def test_another_seed_gives_other_bits(finished: Path, tmp_path: Path) -> None:
    trained(tmp_path / "other", seed=2)
    assert not same_bits(tmp_path / "other", finished)


def test_a_second_process_may_not_train_the_same_run(tmp_path: Path) -> None:
    study = begun(tmp_path / "run")
    learning = train(study.trial, study.run)
    next(learning)
    with pytest.raises(Refused, match="is being trained by another process"):
        next(train(study.trial, Run(tmp_path / "run")))
    learning.close()
    next(train(study.trial, study.run))


# Begun ----------------------------------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_as_it_began_is_begun_again(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "environment.json").write_text("{", encoding="utf-8")
    (run / ".experiment.json.123.tmp").write_text('{"exp', encoding="utf-8")
    with pytest.raises(Refused, match="no experiment.json; this run was cut off as it began"):
        Run.open(run)
    trained(run)
    assert same_bits(run, finished)


@pytest.mark.parametrize("there", ["thesis.tex", "checkpoints/mine.npz", "figures/mine.png"])
def test_a_directory_with_anything_else_in_it_is_left_alone(there: str, tmp_path: Path) -> None:
    precious = tmp_path / "run" / there
    precious.parent.mkdir(parents=True)
    precious.write_text("eight years", encoding="utf-8")
    with pytest.raises(Refused, match="exists and is not a run; choose another --out"):
        begun(tmp_path / "run")
    assert [file.relative_to(tmp_path / "run") for file in (tmp_path / "run").rglob("*") if file.is_file()] == [
        Path(there)
    ]


def test_a_run_is_never_begun_over_another(finished: Path) -> None:
    before = arrays(finished)
    with pytest.raises(Refused, match="already holds a run; go on with --resume"):
        begun(finished)
    assert arrays(finished).keys() == before.keys()


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_in_the_way_is_said_to_be_there(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(Refused, match=re.escape(str(tmp_path / where))):
        begun(tmp_path / where)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not a directory"


# Spoilt ---------------------------------------------------------------------------------------------------------------


def test_a_truncated_checkpoint_is_refused_and_the_one_before_goes_on(spoilt: Path, finished: Path) -> None:
    checkpoint = newest(spoilt)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(
        Refused, match=r"spoilt checkpoint.*delete it: the run then goes on from the one before"
    ) as refused:
        Study.open(spoilt).restored()
    assert checkpoint.name in str(refused.value)
    checkpoint.unlink()
    study = Study.open(spoilt, threads=1)
    for _ in train(study.trial, study.run):
        pass
    assert same_bits(spoilt, finished)


def test_a_pickle_in_a_checkpoint_is_not_loaded(spoilt: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (spoilt / "sprung",)

    np.savez(newest(spoilt), note=np.array([Trap()], dtype=object))
    with pytest.raises(Refused, match="spoilt checkpoint.*allow_pickle=False"):
        Run(spoilt).restore()
    assert not (spoilt / "sprung").exists()
    # the trap is one: who unpickles it springs it
    pickle.loads(pickle.dumps(Trap()))  # noqa: S301
    assert (spoilt / "sprung").exists()


def test_a_bare_pickle_under_the_name_of_a_checkpoint_is_not_loaded(spoilt: Path) -> None:
    newest(spoilt).write_bytes(pickle.dumps({"weights": 1}))
    with pytest.raises(Refused, match="spoilt checkpoint"):
        Run(spoilt).restore()


def test_a_checkpoint_that_unpacks_to_more_than_it_is_is_refused(spoilt: Path) -> None:
    held = arrays(spoilt)
    np.savez_compressed(newest(spoilt), **held, bomb=np.zeros(10_000_000))
    assert newest(spoilt).stat().st_size < 1_000_000
    with pytest.raises(Refused, match="spoilt checkpoint .compressed"):
        Run(spoilt).restore()


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_spoilt_byte_of_a_checkpoint_does_more_than_refuse(data: st.DataObject, finished: Path) -> None:
    content = bytearray(newest(finished).read_bytes())
    place = data.draw(st.integers(0, len(content) - 1))
    content[place] ^= data.draw(st.integers(1, 255))
    run = Run(finished.parent / "flipped")
    (run.path / "checkpoints").mkdir(parents=True, exist_ok=True)
    (run.path / "checkpoints" / newest(finished).name).write_bytes(content)
    # where the flipped byte means nothing, as in a date, the checkpoint is as good as before
    try:
        kept = run.restore()
    except Refused:
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
    with pytest.raises(Refused, match=says) as refused:
        Study.open(spoilt).restored()
    assert newest(spoilt).name in str(refused.value)


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": "3"},
        {"epoch": -1},
        {"epoch": 2.5},
        {"epoch": 9},
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
    with pytest.raises(Refused):
        Study.open(spoilt).restored()
    rewrite(spoilt, note=right)
    Study.open(spoilt).restored()


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
    with pytest.raises(Refused, match=says) as refused:
        Study.open(spoilt)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("option", "value", "says"),
    [
        ("batch", 2.5, "options: batch: found 2.5; needs a whole number"),
        ("batch", "32", None),
        ("batch", True, "options: batch: found True"),
        ("batch", None, "options: batch: found None"),
        ("rule.decay", 1, "options: rule.decay: found 1; needs true or false"),
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
        Study.open(spoilt)
        return
    with pytest.raises(Refused, match=says):
        Study.open(spoilt)


def test_an_experiment_file_without_an_option_is_of_another_version(spoilt: Path) -> None:
    file = spoilt / "experiment.json"
    right = json.loads(file.read_text(encoding="utf-8"))
    del right["options"]["batch"]
    file.write_text(json.dumps(right), encoding="utf-8")
    with pytest.raises(Refused, match="options: no 'batch'; this run is of another version"):
        Study.open(spoilt)


# Kept -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3),
    steps=st.integers(0, 10**6),
    batch=st.integers(0, 10**8),
    loss=st.floats(0, 1e300),
)
def test_what_is_saved_is_restored(
    shapes: list[tuple[int, int]], steps: int, batch: int, loss: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = Run.create(tmp_path_factory.mktemp("run"), {})
    rng = np.random.default_rng(steps)
    weights = {f"a->b{k}.c": rng.normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)}
    progress = Progress(batch=batch, loss=loss, samples=batch, seconds=0.1)
    run.save(State(weights, {"m": np.arange(3.0)}, steps), progress)
    kept = run.restore()
    assert kept is not None
    assert kept[1] == progress
    assert kept[0].steps == steps
    assert {name: values.tobytes() for name, values in kept[0].weights.items()} == {
        name: values.tobytes() for name, values in weights.items()
    }
    assert kept[0].memory["m"].tolist() == [0, 1, 2]


def test_the_newest_checkpoint_is_the_furthest_however_many_digits_it_takes(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", {})
    for batch in (99, 10**7, 10**8 + 5):
        run.save(State({}, {}, batch), Progress(batch=batch, samples=1, seconds=1.0))
    kept = run.restore()
    assert kept is not None and kept[1].batch == 10**8 + 5
    assert len(run.checkpoints()) == 2


def test_the_environment_names_versions_that_the_packages_give_themselves(finished: Path) -> None:
    versions = json.loads((finished / "environment.json").read_text(encoding="utf-8"))["versions"]
    assert versions["numpy"] == np.__version__
    assert {"python", "brian2", "scipy", "scikit-learn"} <= versions.keys()


def test_a_checkpoint_opens_with_nothing_but_numpy(finished: Path) -> None:
    held = arrays(finished)
    assert held["weights/input->hidden1.synapse"].shape == (64, 24)
    assert held["weights/hidden1->output.synapse"].shape == (24, 10)
    with zipfile.ZipFile(newest(finished)) as archive:
        assert archive.testzip() is None
