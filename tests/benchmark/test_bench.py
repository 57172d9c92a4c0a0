"""Experiments over seeds: each network once, however often and however brutally the bench is stopped."""

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
from small_run import ENVIRONMENT, OPTIONS, arrays, trained

from snnlab.benchmark.records import Row, read
from snnlab.benchmark.runner import Failure, Plan, bench, plans
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.training.loop import evaluate

WORDS = ["--experiments", "hm2bp-digits", *(f"--set={key}={value}" for key, value in OPTIONS.items())]
COMMAND = [sys.executable, "-m", "snnlab", "bench", *WORDS]
LONG = {**OPTIONS, "epochs": "12"}
CHILD: dict[str, Any] = {"env": ENVIRONMENT, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("bench") / "run", seed=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "bench.jsonl"


def run(file: Path, seeds: int, options: dict[str, str] = OPTIONS, **more: Any) -> list[Row | Failure]:
    return list(bench(file, plans(["hm2bp-digits"], seeds, options), threads=1, **more))


def learned(row: Row) -> tuple[Any, ...]:
    """All of a row that must be the same whenever it is measured."""
    return row.key, row.test_curve, row.train_curve, row.cost, row.network, row.epochs


def accuracies(study: Run) -> list[float]:
    lines = (study.run.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line)["test_accuracy"] for line in lines]


def test_a_row_is_what_the_training_and_its_evaluation_say(file: Path, finished: Run) -> None:
    (_, row) = run(file, 2)
    assert isinstance(row, Row)
    assert row.seed == 1 and row.epochs == 2 and row.network == "64-24-10"
    assert row.test_curve == accuracies(finished)
    assert row.test_accuracy == row.test_curve[-1]
    found = evaluate(finished.trial, finished.restored()[0])
    assert row.test_accuracy == found.accuracy
    assert row.cost["effective_acs"] == found.cost.effective_acs and row.cost["spikes"] == found.cost.spikes
    assert row.changes.keys() == OPTIONS.keys()
    assert row.cards == EXPERIMENTS["hm2bp-digits"].digests()
    assert row.wall_s > 0 and row.versions["numpy"] and row.machine["cores"] == os.cpu_count()
    assert read(file)[1] == row


def test_the_network_of_a_row_ends_with_its_output_neurons_and_not_its_classes(file: Path) -> None:
    """Exclusive or has two classes, and one neuron that fires or does not."""
    changes = {"epochs": "1", "network.hidden": "12"}
    (row,) = bench(file, [Plan("normad-xor", changes, 0)], threads=1)
    assert isinstance(row, Row) and row.network == "90-12-1"
    (row,) = bench(file, [Plan("normad-xor", changes | {"network.outputs": "3"}, 0)], threads=1)
    assert isinstance(row, Row) and row.network == "90-12-3"


def test_what_is_done_is_not_done_again(file: Path) -> None:
    assert [row.seed for row in run(file, 1) if isinstance(row, Row)] == [0]
    before = file.read_bytes()
    assert run(file, 1) == []
    assert file.read_bytes() == before
    assert [row.seed for row in run(file, 2) if isinstance(row, Row)] == [1]
    # with another option it is another network
    assert len(run(file, 2, OPTIONS | {"rule.self_term": "false"})) == 2
    assert len(read(file)) == len({row.key for row in read(file)}) == 4


def test_the_changes_of_a_row_make_its_experiment_again_with_its_encoder(file: Path) -> None:
    options = OPTIONS | {"encoder": "latency", "encoder.form": "log", "encoder.steps": "50"}
    (row,) = run(file, 1, options)
    assert isinstance(row, Row)
    again = EXPERIMENTS["hm2bp-digits"].with_options(row.changes)
    assert again == EXPERIMENTS["hm2bp-digits"].with_options(options)
    assert run(file, 1, options) == []


def test_a_row_cut_off_while_it_was_written_is_made_again_from_its_run(file: Path) -> None:
    run(file, 2)
    first, second = read(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-100])
    told: list[str] = []
    (again,) = run(file, 2, tell=told.append)
    assert isinstance(again, Row) and learned(again) == learned(second)
    assert [learned(row) for row in read(file)] == [learned(first), learned(second)]
    assert any("2 of 2 epochs done" in line for line in told), "it was trained again"


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, 2])
def test_killed_at_any_moment_it_goes_on_to_the_same_rows(jobs: int, tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole.jsonl", tmp_path / "cut.jsonl"
    run(whole, 2, LONG)
    words = [*COMMAND, "--set=epochs=12", "--seeds=2", f"--out={cut}", f"--jobs={jobs}", "--threads=1"]
    # of seed 0: another may be far ahead of it
    for stop in ("seed 0: epoch 3/12", "seed 0: epoch 7/12"):
        with subprocess.Popen(words, **CHILD, cwd=tmp_path) as child:
            assert child.stderr is not None
            for line in child.stderr:
                if stop in line:
                    break
            child.send_signal(signal.SIGKILL)
            child.communicate(timeout=60)
    done = subprocess.run(words, **CHILD, cwd=tmp_path, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "seed 0: 0 of 12 epochs done" not in done.stderr, "begun again"
    assert sorted(map(learned, read(cut))) == sorted(map(learned, read(whole)))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_signal_ends_a_bench_in_one_line(jobs: int, number: int, code: int, tmp_path: Path) -> None:
    words = [*COMMAND, "--set=epochs=5000", "--seeds=2", "--out=b.jsonl", f"--jobs={jobs}", "--threads=1"]
    with subprocess.Popen(words, **CHILD, cwd=tmp_path, start_new_session=True) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if "epoch 2/" in line:
                break
        os.killpg(child.pid, number) if number == signal.SIGINT else child.send_signal(number)
        out, said = child.communicate(timeout=60)
    assert (child.returncode, out) == (code, "")
    last = said.splitlines()[-1]
    assert last.startswith("stopped; go on with: snnlab bench --experiments hm2bp-digits")
    assert all("epoch" in line for line in said.splitlines()[:-1])
    for _ in range(50):
        if not _below(child.pid):
            break
        time.sleep(0.1)
    assert not _below(child.pid), "a training goes on"


def _below(session: int) -> list[int]:
    """Processes of a session that are still there, as the system lists them."""

    def running() -> Iterator[int]:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                state, _, _, of = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
            except OSError:
                continue
            if int(of) == session and state != "Z":
                yield int(entry.name)

    return list(running()) if Path("/proc/self/stat").exists() else []


def test_a_training_that_is_refused_does_not_end_the_others(file: Path) -> None:
    wanted = [Plan("hm2bp-digits", OPTIONS | {"rule.learning_rate": "1e38"}, 0), Plan("hm2bp-digits", OPTIONS, 0)]
    refused, row = list(bench(file, wanted, threads=1))
    assert isinstance(refused, Failure) and "not finite" in str(refused.refusal)
    assert isinstance(row, Row) and read(file) == [row]


def test_seeds_come_one_after_another_for_all_experiments() -> None:
    made = plans(["hm2bp-digits", "hm2bp-mnist"], 2, {"epochs": "1"})
    assert [(plan.experiment, plan.seed) for plan in made] == [
        ("hm2bp-digits", 0), ("hm2bp-mnist", 0), ("hm2bp-digits", 1), ("hm2bp-mnist", 1),
    ]  # fmt: skip
    with pytest.raises(InputError, match="--set rule.magic: no such option"):
        plans(["hm2bp-digits"], 1, {"rule.magic": "1"})


def test_each_network_has_a_run_of_its_own_beside_the_file(file: Path) -> None:
    one, other = Plan("hm2bp-digits", OPTIONS, 0), Plan("hm2bp-digits", OPTIONS | {"batch": "120"}, 0)
    assert one.run_in(file) != other.run_in(file)
    assert one.run_in(file) == Plan("hm2bp-digits", dict(reversed(OPTIONS.items())), 0).run_in(file)
    run(file, 1)
    kept = one.run_in(file.with_name("bench.jsonl.runs"))
    assert json.loads((kept / "summary.json").read_text(encoding="utf-8"))["seed"] == 0
    assert arrays(kept)
