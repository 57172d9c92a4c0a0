"""The training loop: the same bits after any interruption, and safe stops."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from subprocess import PIPE

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from small_run import (
    BATCHES,
    COMMAND,
    ENVIRONMENT,
    EXPERIMENT,
    WORDS,
    arrays,
    create_run,
    interrupt_and_resume,
    note,
    same_bits,
    train_run,
)

from snnlab import engine
from snnlab.encoders import TEST, TRAIN
from snnlab.experiments.core.run import Run
from snnlab.rules.rule import Batch, BatchMetrics, Prediction, State
from snnlab.training.augmentation import Elastic
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn, train

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def learned(path: Path) -> list[dict[str, float]]:
    """The metrics of a run without times."""
    rows = note(path)["progress"]["rows"]
    return [{key: row[key] for key in row if "_per_s" not in key and key != "seconds"} for row in rows]


# The same bits --------------------------------------------------------------------------------------------------------


def test_the_loop_applies_the_rule_to_every_batch(finished_run: Run) -> None:
    """A plain loop gives the same weights."""
    config = finished_run.config
    state = initial_state(config)
    for epoch in (1, 2):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(config.train))
        for first in range(0, len(order), 240):
            samples = config.train.take(order[first : first + 240])
            spikes = config.encode(samples, epoch, TRAIN)
            state, _ = config.rule.step(config.circuit, state, Batch(spikes, samples.labels, epoch))
    for name, weights in arrays(finished_run.directory.path).items():
        if name.startswith("weights/"):
            assert weights.tobytes() == state.weights[name.removeprefix("weights/")].tobytes()


def test_every_epoch_uses_every_sample_once_in_a_new_order(finished_run: Run) -> None:
    config = finished_run.config
    orders = []
    for epoch in (1, 2):
        batches = list(config.batches(epoch))
        assert [len(batch.labels) for batch in batches] == [240] * 5 + [237]
        orders.append(np.concatenate([batch.labels for batch in batches]))
        assert np.array_equal(np.bincount(orders[-1]), np.bincount(config.train.labels))
    assert not np.array_equal(*orders)


def test_batches_can_start_anywhere_in_an_epoch(finished_run: Run) -> None:
    whole, rest = list(finished_run.config.batches(3)), list(finished_run.config.batches(3, first=4))
    assert [batch.inputs for batch in rest] == [batch.inputs for batch in whole[4:]]


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, BATCHES - 1, BATCHES, BATCHES + 2])
def test_a_run_interrupted_after_any_batch_resumes_to_the_same_bits(
    stop: int, finished_run: Run, tmp_path: Path
) -> None:
    interrupt_and_resume(tmp_path / "run", stop)
    assert same_bits(tmp_path / "run", finished_run.directory.path)
    assert learned(tmp_path / "run") == learned(finished_run.directory.path)


def test_the_number_of_threads_does_not_change_a_bit(finished_run: Run, tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", EXPERIMENT, seed=1, threads=3)
    assert run.config.threads == 3
    for _ in train(run.config, run.directory):
        pass
    assert same_bits(tmp_path / "run", finished_run.directory.path)


@pytest.mark.slow
def test_a_finished_run_with_more_epochs_equals_one_long_run(tmp_path: Path) -> None:
    train_run(tmp_path / "short")
    longer = Run.open(tmp_path / "short", epochs=3, threads=1)
    for _ in train(longer.config, longer.directory):
        pass
    at_once = create_run(tmp_path / "long", experiment=EXPERIMENT.with_options({"epochs": 3}))
    for _ in train(at_once.config, at_once.directory):
        pass
    assert same_bits(tmp_path / "short", tmp_path / "long")
    short, long = (tmp_path / name / "experiment.json" for name in ("short", "long"))
    assert json.loads(short.read_text(encoding="utf-8")) == json.loads(long.read_text(encoding="utf-8"))


@pytest.mark.thorough
def test_the_command_killed_at_random_times_resumes_to_the_same_bits(tmp_path: Path) -> None:
    """kill -9 from outside, at arbitrary times."""
    words = [*COMMAND, "train", *WORDS[:-1], "--set=epochs=40", "--seed", "1", "--save-every", "0"]
    whole = subprocess.run([*words, "--out", "whole"], cwd=tmp_path, env=ENVIRONMENT, **SILENT, timeout=300)
    assert whole.returncode == 0
    times, killed, seen = random.Random(3), 0, set()
    resume: list[str] = []
    while killed < 2:
        before = set((tmp_path / "killed").glob("checkpoints/*.npz"))
        with subprocess.Popen([*words, "--out", "killed", *resume], cwd=tmp_path, env=ENVIRONMENT, **SILENT) as child:
            # other tests cover the seconds of its start
            while child.poll() is None and set((tmp_path / "killed").glob("checkpoints/*.npz")) <= before:
                time.sleep(0.01)
            time.sleep(times.uniform(0.0, 1.0))
            child.kill()
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        killed, resume = killed + 1, ["--resume"]
        seen.add(note(tmp_path / "killed")["steps"])
    last = subprocess.run([*words, "--out", "killed", "--resume"], cwd=tmp_path, env=ENVIRONMENT, **SILENT, timeout=300)
    assert last.returncode == 0
    assert len(seen) >= 2, f"killed {killed} times, at batches {seen}"
    assert same_bits(tmp_path / "killed", tmp_path / "whole")


def test_a_run_does_not_resume_with_other_samples(tmp_path: Path) -> None:
    """Fewer samples, another order, and other test samples are detected."""
    run = create_run(tmp_path / "run")
    config = run.config
    next(train(config, run.directory))
    others = [
        replace(config, train=config.train.take(slice(1, None))),
        replace(config, train=config.train.take(slice(None, None, -1))),
        replace(config, test=config.test.take(slice(1, None))),
    ]
    for other in others:
        with raises_input_error("samples", f"train: {len(other.train)}", f"test: {len(other.test)}"):
            next(train(other, run.directory))
    assert next(train(config, Run.open(run.directory.path, threads=1).directory)).progress.batch == 1


# Augmentation ---------------------------------------------------------------------------------------------------------


def test_training_images_are_augmented_in_every_epoch_and_test_images_never(finished_run: Run) -> None:
    elastic = Elastic(scale=0.1, rotation=12.0, displacement=1.0)
    config = replace(finished_run.config, augment=elastic)
    for epoch in (1, 2):
        order = config.order(epoch)[:240]
        samples = config.train.take(order)
        distorted = elastic.distort(samples.values, (8, 8), order, seed=config.seed, epoch=epoch)
        assert not np.array_equal(distorted, samples.values)
        spikes = config.encode(replace(samples, values=distorted), epoch, TRAIN)
        assert next(config.batches(epoch)).inputs == spikes
    state, _ = finished_run.restore()
    assert evaluate(config, state).accuracy == evaluate(finished_run.config, state).accuracy


EVERYTHING = {
    "network.inhibition": 1,
    "rule.fake_spikes": True,
    "rule.regularisation.strength": 10,
    "rule.averaging": 0.9,
    "rule.schedule.decay": "cosine",
    "boosting": 0.05,
}


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"augment.rotation": 10, "augment.displacement": 1}, EVERYTHING])
def test_an_interrupted_run_with_further_options_resumes_to_the_same_bits(
    options: dict[str, object], tmp_path: Path
) -> None:
    experiment = EXPERIMENT.with_options(options)
    whole = create_run(tmp_path / "whole", experiment=experiment)
    for _ in train(whole.config, whole.directory):
        pass
    interrupt_and_resume(tmp_path / "left", 3, threads=2, experiment=experiment)
    assert same_bits(tmp_path / "left", tmp_path / "whole")


def test_augmentation_requires_images(finished_run: Run) -> None:
    flat = replace(finished_run.config.train, shape=(64,))
    with raises_input_error("augment", "(64,)"):
        initial_state(replace(finished_run.config, train=flat, augment=Elastic(rotation=5.0)))
    initial_state(replace(finished_run.config, train=flat))


# Stopping -------------------------------------------------------------------------------------------------------------


class Poisoned:
    """A rule that after some batches sets a weight to a value that is not finite."""

    def __init__(self, rule: object, after: int, value: float) -> None:
        self.rule, self.after, self.value = rule, after, value

    def init(self, circuit: object, rng: np.random.Generator, classes: int | None = None) -> State:
        return self.rule.init(circuit, rng, classes)  # type: ignore[attr-defined]

    def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        state, metrics = self.rule.step(circuit, state, batch)  # type: ignore[attr-defined]
        if state.steps > self.after:
            state.weights["hidden1->output.synapse"][3, 4] = self.value
        return state, metrics

    def predict(self, circuit: object, state: State, inputs: object) -> Prediction:
        return self.rule.predict(circuit, state, inputs)  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite_stop_the_run_at_the_last_valid_checkpoint(
    value: float, finished_run: Run, tmp_path: Path
) -> None:
    run = create_run(tmp_path / "run")
    poisoned = replace(run.config, rule=Poisoned(run.config.rule, BATCHES + 2, value))
    with raises_input_error("epoch 2, batch 3: weights of hidden1->output.synapse", "00002-0000000.npz"):
        for _ in train(poisoned, run.directory):
            pass
    assert note(tmp_path / "run")["steps"] == BATCHES
    assert all(np.isfinite(values).all() for values in arrays(tmp_path / "run").values())
    for _ in train(run.config, run.directory):
        pass
    assert same_bits(tmp_path / "run", finished_run.directory.path)


def test_a_loss_that_is_not_finite_stops_the_run(tmp_path: Path) -> None:
    run = create_run(tmp_path / "run")

    class Lost(Poisoned):
        def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
            state, metrics = super().step(circuit, state, batch)
            return state, replace(metrics, loss=float("nan"))

    with raises_input_error("batch 1: loss"):
        next(train(replace(run.config, rule=Lost(run.config.rule, 99, 0.0)), run.directory))


@pytest.mark.slow
@pytest.mark.parametrize("interval", [0.0, 1e9])
def test_moments_that_are_not_finite_stop_the_run_before_they_are_saved(interval: float, tmp_path: Path) -> None:
    run = create_run(tmp_path / "run")

    class Overflown(Poisoned):
        """The weights stay finite, and no longer change."""

        def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
            state, metrics = self.rule.step(circuit, state, batch)  # type: ignore[attr-defined]
            if state.steps > self.after:
                state.optimizer_state["v:hidden1->output.synapse"][3, 4] = self.value
            return state, metrics

    overflown = replace(run.config, rule=Overflown(run.config.rule, 2, np.inf))
    with raises_input_error("optimizer_state of v:hidden1->output.synapse", "not finite"):
        for _ in train(overflown, run.directory, checkpoint_interval=interval):
            pass
    state, progress = run.restore()
    assert state.steps == progress.batch == (2 if interval == 0 else 0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit of file sizes on this system")
def test_a_full_disk_keeps_the_last_checkpoint(finished_run: Run, tmp_path: Path) -> None:
    """The file size is limited to 16 kB: less than a checkpoint, more than the metrics."""
    path = tmp_path / "run"
    short = create_run(path, experiment=EXPERIMENT.with_options({"epochs": 1}))
    for _ in train(short.config, short.directory):
        pass
    before = {file.name: file.read_bytes() for file in (path / "checkpoints").glob("*.npz")}
    assert min(map(len, before.values())) > 16_000
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, resource.RLIM_INFINITY));"
        "from snnlab.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", program, "train", "hm2bp-digits", "--out", str(path), "--resume", "--epochs", "2"]
    full = subprocess.run([*words, "--save-every", "0"], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert full.returncode == 2, full
    assert full.stderr.count("\n") == 1 and "Traceback" not in full.stderr, full.stderr
    assert "00002-0000001.npz: cannot be written: File too large; 00002-0000000.npz" in full.stderr
    assert {file.name: file.read_bytes() for file in (path / "checkpoints").glob("*")} == before
    room = [*COMMAND, "train", "hm2bp-digits", "--out", str(path), "--resume", "--threads", "1"]
    again = subprocess.run(room, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert same_bits(path, finished_run.directory.path)


@pytest.mark.slow
def test_the_interrupted_command_prints_how_to_resume(tmp_path: Path) -> None:
    words = [*COMMAND, "train", *WORDS[:-1], "--set=epochs=5000", "--out", "my runs"]
    with subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT, stdout=PIPE, stderr=PIPE, text=True) as child:
        assert child.stdout and child.stdout.readline().startswith("hm2bp-digits, seed 0: ")
        assert child.stdout.readline().startswith("epoch    1/5000")
        child.send_signal(signal.SIGINT)
        _, message = child.communicate(timeout=60)
    assert child.returncode == 130
    assert message.startswith("stopped") and message.count("\n") == 1
    assert message.endswith(" snnlab train hm2bp-digits --out 'my runs' --resume\n")


# Metrics -------------------------------------------------------------------------------------------------------------


def test_evaluation_agrees_with_a_single_run_of_the_engine(finished_run: Run) -> None:
    """All samples in one batch, weights read with NumPy, the most active output as the prediction."""
    config = finished_run.config
    state, _ = finished_run.restore()
    found = evaluate(config, state)
    saved = arrays(finished_run.directory.path)
    circuit = config.circuit.with_weights(
        {one.name: saved[f"weights/{one.name}"] for one in config.circuit.projections}
    )
    counts = {
        name: one.counts for name, one in engine.run(circuit, {"input": config.encode(config.test, 0, TEST)}).items()
    }
    predictions = [int(np.flatnonzero(row == row.max())[0]) for row in counts["output"]]
    correct = sum(prediction == label for prediction, label in zip(predictions, config.test.labels, strict=True))
    assert found.accuracy == pytest.approx(correct / 360)
    confusion = np.zeros((10, 10), dtype=int)
    for label, prediction in zip(config.test.labels, predictions, strict=True):
        confusion[label, prediction] += 1
    assert np.array_equal(found.confusion, confusion)
    assert found.cost.spikes == pytest.approx({name: one.sum() / 360 for name, one in counts.items()})


def test_the_last_row_is_the_evaluation_of_the_last_weights(finished_run: Run) -> None:
    state, progress = finished_run.restore()
    found = evaluate(finished_run.config, state)
    assert progress.rows[-1]["test_accuracy"] == found.accuracy
    assert progress.rows[-1]["spikes_per_sample"] == pytest.approx(sum(found.cost.spikes.values()))


def test_metrics_have_a_row_per_epoch(finished_run: Run) -> None:
    lines = (finished_run.directory.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_metrics_are_means_over_samples_not_over_batches(tmp_path: Path) -> None:
    """The last batch of an epoch is smaller."""
    run = create_run(tmp_path / "run")
    steps = learn(run.config.rule, run.config.circuit, initial_state(run.config), run.config.batches(1))
    batches = [metrics for _, metrics in steps]
    rows = [report.row for report in train(run.config, run.directory) if report.row]
    assert len({metrics.samples for metrics in batches}) == 2
    assert rows[0]["train_loss"] == pytest.approx(sum(metrics.loss * metrics.samples for metrics in batches) / 1437)
    assert rows[0]["train_accuracy"] == pytest.approx(sum(metrics.n_correct for metrics in batches) / 1437)


def test_learning_is_better_than_chance_and_than_no_learning(finished_run: Run) -> None:
    after = evaluate(finished_run.config, finished_run.restore()[0]).accuracy
    before = evaluate(finished_run.config, initial_state(finished_run.config)).accuracy
    assert before < 0.25 < after
