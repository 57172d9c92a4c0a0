"""Run directories: killed at any moment, and nothing in them is ever half there."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
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
from small_run import arrays, begun, die, same_bits, train_on, trained

from snnlab.errors import InputError
from snnlab.rules.rule import State
from snnlab.training.checkpoints import Progress
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody interrupted."""
    path = tmp_path_factory.mktemp("runs") / "finished"
    trained(path)
    return path


def newest(path: Path) -> Path:
    return max((path / "checkpoints").glob("*.npz"))


# Killed ---------------------------------------------------------------------------------------------------------------

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["snnlab.experiments.core.run", "snnlab.certify", "sklearn.datasets"])


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
    kept = RunDirectory(run).restore()
    assert kept is not None and (kept[1].epoch, kept[1].batch) == (1, 2)
    assert ended(run) == 0
    assert same_bits(run, finished)


def test_another_seed_gives_other_bits(finished: Path, tmp_path: Path) -> None:
    trained(tmp_path / "other", seed=2)
    assert not same_bits(tmp_path / "other", finished)


def test_a_second_process_may_not_train_the_same_run(tmp_path: Path) -> None:
    study = begun(tmp_path / "run")
    learning = train(study.config, study.directory)
    next(learning)
    with pytest.raises(InputError, match="is being trained by another process"):
        next(train(study.config, RunDirectory(tmp_path / "run")))
    learning.close()
    next(train(study.config, study.directory))


# Begun ----------------------------------------------------------------------------------------------------------------


def test_a_run_that_was_cut_off_as_it_began_is_begun_again(finished: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "environment.json").write_text("{", encoding="utf-8")
    (run / ".experiment.json.123.tmp").write_text('{"exp', encoding="utf-8")
    with pytest.raises(InputError, match="no experiment.json; this run was cut off as it began"):
        RunDirectory.open(run)
    trained(run)
    assert same_bits(run, finished)


@pytest.mark.parametrize("there", ["thesis.tex", "checkpoints/mine.npz", "figures/mine.png"])
def test_a_directory_with_anything_else_in_it_is_left_alone(there: str, tmp_path: Path) -> None:
    precious = tmp_path / "run" / there
    precious.parent.mkdir(parents=True)
    precious.write_text("eight years", encoding="utf-8")
    with pytest.raises(InputError, match="exists and is not a run; choose another --out"):
        begun(tmp_path / "run")
    assert [file.relative_to(tmp_path / "run") for file in (tmp_path / "run").rglob("*") if file.is_file()] == [
        Path(there)
    ]


def test_a_run_is_never_begun_over_another(finished: Path) -> None:
    before = arrays(finished)
    with pytest.raises(InputError, match="already holds a run; go on with --resume"):
        begun(finished)
    assert arrays(finished).keys() == before.keys()


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_in_the_way_is_said_to_be_there(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with pytest.raises(InputError, match=re.escape(str(tmp_path / where))):
        begun(tmp_path / where)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not a directory"


# Kept -----------------------------------------------------------------------------------------------------------------


@settings(max_examples=30)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3),
    steps=st.integers(0, 10**6),
    batch=st.integers(0, 10**8),
    loss=st.floats(0, 1e300),
)
def test_what_is_saved_is_restored(
    shapes: list[tuple[int, int]], steps: int, batch: int, loss: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("run"), {})
    rng = np.random.default_rng(steps)
    weights = {f"a->b{k}.c": rng.normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)}
    progress = Progress(batch=batch, loss=loss, samples=batch, seconds=0.1)
    run.save(State(weights, {"m": np.arange(3.0)}, steps=steps), progress)
    kept = run.restore()
    assert kept is not None
    assert kept[1] == progress
    assert kept[0].steps == steps
    assert {name: values.tobytes() for name, values in kept[0].weights.items()} == {
        name: values.tobytes() for name, values in weights.items()
    }
    assert kept[0].optimizer_state["m"].tolist() == [0, 1, 2]


def test_the_newest_checkpoint_is_the_furthest_however_many_digits_it_takes(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    for batch in (99, 10**7, 10**8 + 5):
        run.save(State({}, steps=batch), Progress(batch=batch, samples=1, seconds=1.0))
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
