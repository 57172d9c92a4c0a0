"""The benchmark runner: each training runs once, also if the benchmark is interrupted or killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from errors_in_tests import raises_input_error
from small_run import ENVIRONMENT, OPTIONS, arrays, train_run

from snnlab.benchmark.records import Row, read
from snnlab.benchmark.runner import Failure, Plan, bench, plans
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.training.evaluation import evaluate

WORDS = ["--experiments", "hm2bp-digits", *(f"--set={key}={value}" for key, value in OPTIONS.items())]
COMMAND = [sys.executable, "-m", "snnlab", "bench", *WORDS]
LONG = {**OPTIONS, "epochs": "12"}
CHILD: dict[str, Any] = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_run(tmp_path_factory.mktemp("bench") / "run", seed=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bench.jsonl"


def run(file: Path, seeds: int, options: dict[str, str] = OPTIONS, **more: Any) -> list[Row | Failure]:
    return list(bench(file, plans(["hm2bp-digits"], seeds, options), threads=1, **more))


def learned(row: Row) -> tuple[Any, ...]:
    """The fields of a row that do not depend on time and machine."""
    return row.key, row.test_curve, row.train_curve, row.cost, row.network, row.epochs


def accuracies(finished: Run) -> list[float]:
    lines = (finished.directory.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["test_accuracy"] for line in lines]


def test_a_row_agrees_with_the_run_and_its_evaluation(file: Path, finished: Run) -> None:
    (_, row) = run(file, 2)
    assert isinstance(row, Row)
    assert row.seed == 1 and row.epochs == 2 and row.network == "64-24-10"
    assert row.test_curve == accuracies(finished)
    assert row.test_accuracy == row.test_curve[-1]
    evaluation = evaluate(finished.config, finished.restore()[0])
    assert row.test_accuracy == evaluation.accuracy
    assert row.cost["effective_acs"] == evaluation.cost.effective_acs and row.cost["spikes"] == evaluation.cost.spikes
    assert row.changes.keys() == OPTIONS.keys()
    assert row.cards == EXPERIMENTS["hm2bp-digits"].digests()
    assert row.wall_s > 0 and row.versions["numpy"] and row.machine["cores"] == os.cpu_count()
    assert read(file)[1] == row


def test_the_network_of_a_row_ends_with_the_number_of_output_neurons(file: Path) -> None:
    """XOR has two classes and one output neuron."""
    changes = {"epochs": "1", "network.hidden": "12"}
    (row,) = bench(file, [Plan("normad-xor", changes, 0)], threads=1)
    assert isinstance(row, Row) and row.network == "90-12-1"
    (row,) = bench(file, [Plan("normad-xor", changes | {"network.outputs": "3"}, 0)], threads=1)
    assert isinstance(row, Row) and row.network == "90-12-3"


def test_finished_trainings_are_skipped(file: Path) -> None:
    assert [row.seed for row in run(file, 1) if isinstance(row, Row)] == [0]
    before = file.read_bytes()
    assert run(file, 1) == []
    assert file.read_bytes() == before
    assert [row.seed for row in run(file, 2) if isinstance(row, Row)] == [1]
    # another option is another training
    assert len(run(file, 2, OPTIONS | {"rule.self_term": "false"})) == 2
    assert len(read(file)) == len({row.key for row in read(file)}) == 4


def test_the_changes_of_a_row_reproduce_its_experiment(file: Path) -> None:
    options = OPTIONS | {"encoder": "latency", "encoder.form": "log", "encoder.steps": "50"}
    (row,) = run(file, 1, options)
    assert isinstance(row, Row)
    again = EXPERIMENTS["hm2bp-digits"].with_options(row.changes)
    assert again == EXPERIMENTS["hm2bp-digits"].with_options(options)
    assert run(file, 1, options) == []


def test_an_incomplete_row_is_written_again_from_the_finished_run(file: Path) -> None:
    run(file, 2)
    first, second = read(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    log: list[str] = []
    (again,) = run(file, 2, log=log.append)
    assert isinstance(again, Row) and learned(again) == learned(second)
    assert [learned(row) for row in read(file)] == [learned(first), learned(second)]
    assert any("2 of 2 epochs done" in line for line in log), "it was trained again"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_benchmark_continues_to_the_same_rows(jobs: int, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(whole, 2, LONG)
    command = [*COMMAND, "--set=epochs=12", "--seeds=2", f"--out={cut}", f"--jobs={jobs}", "--threads=1"]
    # of seed 0: with two jobs, seed 1 may be ahead
    for stop in ("seed 0: epoch 3/12", "seed 0: epoch 7/12"):
        with subprocess.Popen(command, **CHILD, cwd=tmp_path) as child:
            assert child.stderr is not None
            for line in child.stderr:
                if stop in line:
                    break
            child.send_signal(signal.SIGKILL)
            child.communicate(timeout=60)
    done = subprocess.run(command, **CHILD, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "seed 0: 0 of 12 epochs done" not in done.stderr, "the training started again"
    assert sorted(map(learned, read(cut))) == sorted(map(learned, read(whole)))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_signal_ends_a_benchmark_with_one_line(jobs: int, number: int, code: int, tmp_path: Path) -> None:
    command = [*COMMAND, "--set=epochs=5000", "--seeds=2", "--out=b.jsonl", f"--jobs={jobs}", "--threads=1"]
    with subprocess.Popen(command, **CHILD, cwd=tmp_path, start_new_session=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "epoch 2/" in line:
                break
        os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
        out, err = child.communicate(timeout=60)
    assert (child.returncode, out) == (code, "")
    last = err.splitlines()[-1]
    assert last.startswith("stopped; resume with: snnlab bench --experiments hm2bp-digits")
    assert all("epoch" in line for line in err.splitlines()[:-1])
    for _ in range(50):
        if not _processes(child.pid):
            break
        time.sleep(0.1)
    assert not _processes(child.pid), "a training is still running"


def _processes(session: int) -> list[int]:
    """Process ids of a session."""

    def running() -> Iterator[int]:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(of) == session and state != "Z":
                yield int(entry.name)

    return list(running()) if Path("/proc/self/stat").exists() else []


def test_a_failed_training_does_not_stop_the_others(file: Path) -> None:
    planned = [Plan("hm2bp-digits", OPTIONS | {"rule.learning_rate": "1e38"}, 0), Plan("hm2bp-digits", OPTIONS, 0)]
    failure, row = list(bench(file, planned, threads=1))
    assert isinstance(failure, Failure) and "epoch 1" in str(failure.error)
    assert isinstance(row, Row) and read(file) == [row]


def test_plans_are_ordered_by_seed() -> None:
    planned = plans(["hm2bp-digits", "hm2bp-mnist"], 2, {"epochs": "1"})
    assert [(plan.experiment, plan.seed) for plan in planned] == [
        ("hm2bp-digits", 0), ("hm2bp-mnist", 0), ("hm2bp-digits", 1), ("hm2bp-mnist", 1),
    ]  # fmt: skip
    with raises_input_error("--set rule.magic"):
        plans(["hm2bp-digits"], 1, {"rule.magic": "1"})


def test_each_training_has_its_own_run_directory(file: Path) -> None:
    plan, changed = Plan("hm2bp-digits", OPTIONS, 0), Plan("hm2bp-digits", OPTIONS | {"batch": "120"}, 0)
    assert plan.run_in(file) != changed.run_in(file)
    assert plan.run_in(file) == Plan("hm2bp-digits", dict(reversed(OPTIONS.items())), 0).run_in(file)
    run(file, 1)
    directory = plan.run_in(file.with_name("bench.jsonl.runs"))
    assert json.loads((directory / "summary.json").read_text(encoding="utf-8"))["seed"] == 0
    assert arrays(directory)
