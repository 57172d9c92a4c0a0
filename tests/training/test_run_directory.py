"""Run directories: no kill leaves an incomplete file."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import random
import signal
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from small_run import arrays, create_run, die, same_bits, train_or_resume, train_run

from snnlab.rules.rule import State
from snnlab.training.checkpoints import Progress
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory


def newest(path: Path) -> Path:
    return max((path / "checkpoints").glob("*.npz"))


# Killed ---------------------------------------------------------------------------------------------------------------

server = multiprocessing.get_context("forkserver")
server.set_forkserver_preload(["snnlab.experiments.core.run", "snnlab.certify", "sklearn.datasets"])


class DieAt:
    """Dies before the n-th sync, rename or deletion of a file."""

    def __init__(self, number: int) -> None:
        self.remaining = number

    def __call__(self) -> None:
        for owner, name in ((os, "fsync"), (Path, "replace"), (Path, "unlink")):
            setattr(owner, name, self.counting(getattr(owner, name)))

    def counting(self, does: Any) -> Any:
        def counted(*arguments: Any, **words: Any) -> Any:
            self.remaining -= 1
            if self.remaining == 0:
                die()
            return does(*arguments, **words)

        return counted


def die_halfway() -> None:
    """Die in the middle of writing the fourth checkpoint."""
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
    """Exit code of a training child process; minus the signal that killed it."""
    child = server.Process(target=train_or_resume, args=(str(path), *arguments))
    child.start()
    child.join()
    return int(child.exitcode or 0)


def test_a_run_killed_before_any_file_operation_resumes_to_the_same_bits(finished_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    deaths = 0
    # each child performs three more operations than the previous one
    while ended(run, 0.0, DieAt(3 * deaths + 1)) == -signal.SIGKILL:
        deaths += 1
        assert deaths < 60, "never finishes"
    assert deaths >= 5
    assert same_bits(run, finished_path)
    assert not list(run.rglob(".*.tmp"))


def test_a_run_killed_at_random_times_resumes_to_the_same_bits(finished_path: Path, tmp_path: Path) -> None:
    run, times = tmp_path / "run", random.Random(7)
    deaths = set()
    for _ in range(8):
        child = server.Process(target=train_or_resume, args=(str(run),))
        child.start()
        time.sleep(times.uniform(0.0, 1.0))
        child.kill()
        child.join()
        deaths.add(child.exitcode)
    assert -signal.SIGKILL in deaths
    assert ended(run) == 0
    assert same_bits(run, finished_path)


def test_a_run_killed_while_writing_a_checkpoint_keeps_the_previous_one(finished_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert ended(run, 0.0, die_halfway) == -signal.SIGKILL
    assert list((run / "checkpoints").glob(".*.tmp")), "died elsewhere"
    restored = RunDirectory(run).restore()
    assert restored is not None and (restored[1].epoch, restored[1].batch) == (1, 2)
    assert ended(run) == 0
    assert same_bits(run, finished_path)


def test_another_seed_gives_other_bits(finished_path: Path, tmp_path: Path) -> None:
    train_run(tmp_path / "other", seed=2)
    assert not same_bits(tmp_path / "other", finished_path)


def test_two_processes_cannot_train_the_same_run(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run")
    learning = train(run.config, run.directory)
    next(learning)
    with raises_input_error(tmp_path / "run", "another process"):
        next(train(run.config, RunDirectory(tmp_path / "run")))
    learning.close()
    next(train(run.config, run.directory))


# Creation -------------------------------------------------------------------------------------------------------------


def test_a_run_interrupted_at_its_start_can_be_created_again(finished_path: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / "environment.json").write_text("{", encoding="utf-8")
    (run / ".experiment.json.123.tmp").write_text('{"exp', encoding="utf-8")
    with raises_input_error(run, "experiment.json", "interrupted"):
        RunDirectory.open(run)
    train_run(run)
    assert same_bits(run, finished_path)


@pytest.mark.parametrize("there", ["thesis.tex", "checkpoints/mine.npz", "figures/mine.png"])
def test_a_directory_with_other_files_is_not_changed(there: str, tmp_path: Path) -> None:
    precious = tmp_path / "run" / there
    precious.parent.mkdir(parents=True)
    precious.write_text("eight years", encoding="utf-8")
    with raises_input_error(tmp_path / "run", "not a run", "--out"):
        create_run(tmp_path / "run")
    assert [file.relative_to(tmp_path / "run") for file in (tmp_path / "run").rglob("*") if file.is_file()] == [
        Path(there)
    ]


def test_a_run_does_not_overwrite_another(finished_path: Path) -> None:
    before = arrays(finished_path)
    with raises_input_error(finished_path, "--resume"):
        create_run(finished_path)
    assert arrays(finished_path).keys() == before.keys()


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_at_the_path_is_refused_and_not_changed(where: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory", encoding="utf-8")
    with raises_input_error(tmp_path / where):
        create_run(tmp_path / where)
    assert (tmp_path / "file").read_text(encoding="utf-8") == "not a directory"


# Checkpoints ----------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(30))
@given(
    shapes=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=3),
    steps=st.integers(0, 10**6),
    batch=st.integers(0, 10**8),
    loss=st.floats(0, 1e300),
)
def test_a_saved_state_is_restored(
    shapes: list[tuple[int, int]], steps: int, batch: int, loss: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    run = RunDirectory.create(tmp_path_factory.mktemp("run"), {})
    rng = np.random.default_rng(steps)
    weights = {f"a->b{k}.c": rng.normal(size=shape).astype(np.float32) for k, shape in enumerate(shapes)}
    progress = Progress(batch=batch, loss=loss, samples=batch, seconds=0.1)
    run.save(State(weights, {"m": np.arange(3.0)}, steps=steps), progress)
    restored = run.restore()
    assert restored is not None
    assert restored[1] == progress
    assert restored[0].steps == steps
    assert {name: values.tobytes() for name, values in restored[0].weights.items()} == {
        name: values.tobytes() for name, values in weights.items()
    }
    assert restored[0].optimizer_state["m"].tolist() == [0, 1, 2]


def test_checkpoints_are_ordered_by_number_not_by_name(tmp_path: Path) -> None:
    run = RunDirectory.create(tmp_path / "run", {})
    for batch in (99, 10**7, 10**8 + 5):
        run.save(State({}, steps=batch), Progress(batch=batch, samples=1, seconds=1.0))
    restored = run.restore()
    assert restored is not None and restored[1].batch == 10**8 + 5
    assert len(run.checkpoints()) == 2


def test_the_environment_has_the_versions_of_the_packages(finished_path: Path) -> None:
    versions = json.loads((finished_path / "environment.json").read_text(encoding="utf-8"))["versions"]
    assert versions["numpy"] == np.__version__
    assert {"python", "brian2", "scipy", "scikit-learn"} <= versions.keys()


def test_a_checkpoint_can_be_read_with_numpy(finished_path: Path) -> None:
    saved = arrays(finished_path)
    assert saved["weights/input->hidden1.synapse"].shape == (64, 24)
    assert saved["weights/hidden1->output.synapse"].shape == (24, 10)
    with zipfile.ZipFile(newest(finished_path)) as archive:
        assert archive.testzip() is None
