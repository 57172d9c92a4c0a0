"""The loop: the same bits however it is interrupted, and nothing lost when it must stop."""

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
from small_run import (
    BATCHES,
    COMMAND,
    ENVIRONMENT,
    EXPERIMENT,
    WORDS,
    arrays,
    begun,
    leave_and_go_on,
    note,
    same_bits,
    trained,
)

from snnlab import engine
from snnlab.encoders import TEST, TRAIN
from snnlab.errors import InputError
from snnlab.experiments.core.run import Run
from snnlab.rules.rule import Batch, BatchMetrics, Prediction, State
from snnlab.training.augmentation import Elastic
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn, train

SILENT = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("train") / "finished")


def learned(path: Path) -> list[dict[str, float]]:
    """The metrics of a run, those that are times aside."""
    rows = note(path)["progress"]["rows"]
    return [{key: row[key] for key in row if "_per_s" not in key and key != "seconds"} for row in rows]


# The same bits --------------------------------------------------------------------------------------------------------


def test_the_loop_is_the_rule_over_the_batches(finished: Run) -> None:
    """Written out without the loop: the same weights."""
    config = finished.config
    state = initial_state(config)
    for epoch in (1, 2):
        order = np.random.default_rng([config.seed, epoch]).permutation(len(config.train))
        for first in range(0, len(order), 240):
            samples = config.train.take(order[first : first + 240])
            spikes = config.encode(samples, epoch, TRAIN)
            state, _ = config.rule.step(config.circuit, state, Batch(spikes, samples.labels, epoch))
    for name, weights in arrays(finished.directory.path).items():
        if name.startswith("weights/"):
            assert weights.tobytes() == state.weights[name.removeprefix("weights/")].tobytes()


def test_every_sample_is_learned_from_once_in_an_epoch_and_in_another_order_in_the_next(finished: Run) -> None:
    config = finished.config
    orders = []
    for epoch in (1, 2):
        batches = list(config.batches(epoch))
        assert [len(batch.labels) for batch in batches] == [240] * 5 + [237]
        orders.append(np.concatenate([batch.labels for batch in batches]))
        assert np.array_equal(np.bincount(orders[-1]), np.bincount(config.train.labels))
    assert not np.array_equal(*orders)


def test_batches_begin_anywhere_in_an_epoch(finished: Run) -> None:
    whole, rest = list(finished.config.batches(3)), list(finished.config.batches(3, first=4))
    assert [batch.inputs for batch in rest] == [batch.inputs for batch in whole[4:]]


@pytest.mark.parametrize("stop", [1, BATCHES - 1, BATCHES, BATCHES + 2])
def test_left_after_any_batch_the_run_goes_on_to_the_same_bits(stop: int, finished: Run, tmp_path: Path) -> None:
    leave_and_go_on(tmp_path / "run", stop)
    assert same_bits(tmp_path / "run", finished.directory.path)
    assert learned(tmp_path / "run") == learned(finished.directory.path)


def test_threads_do_not_change_a_bit(finished: Run, tmp_path: Path) -> None:
    study = Run.create(tmp_path / "run", EXPERIMENT, seed=1, threads=3)
    assert study.config.threads == 3
    for _ in train(study.config, study.directory):
        pass
    assert same_bits(tmp_path / "run", finished.directory.path)


def test_a_run_that_was_finished_goes_on_as_if_more_epochs_had_been_asked_for_at_once(tmp_path: Path) -> None:
    trained(tmp_path / "short")
    longer = Run.open(tmp_path / "short", epochs=3, threads=1)
    for _ in train(longer.config, longer.directory):
        pass
    at_once = begun(tmp_path / "long", experiment=EXPERIMENT.with_options({"epochs": 3}))
    for _ in train(at_once.config, at_once.directory):
        pass
    assert same_bits(tmp_path / "short", tmp_path / "long")
    short, long = (tmp_path / name / "experiment.json" for name in ("short", "long"))
    assert json.loads(short.read_text(encoding="utf-8")) == json.loads(long.read_text(encoding="utf-8"))


@pytest.mark.slow
def test_the_command_killed_at_random_moments_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    """The real thing: kill -9 from outside, at moments that have nothing to do with what the process is doing."""
    words = [*COMMAND, "train", *WORDS[:-1], "--set=epochs=40", "--seed", "1", "--save-every", "0"]
    whole = subprocess.run([*words, "--out", "whole"], cwd=tmp_path, env=ENVIRONMENT, **SILENT, timeout=300)
    assert whole.returncode == 0
    moments, killed, seen = random.Random(3), 0, set()
    resume: list[str] = []
    while killed < 2:
        before = set((tmp_path / "killed").glob("checkpoints/*.npz"))
        with subprocess.Popen([*words, "--out", "killed", *resume], cwd=tmp_path, env=ENVIRONMENT, **SILENT) as child:
            # the seconds in which it starts are left to the other tests; from there on, any moment
            while child.poll() is None and set((tmp_path / "killed").glob("checkpoints/*.npz")) <= before:
                time.sleep(0.01)
            time.sleep(moments.uniform(0.0, 1.0))
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


def test_a_run_does_not_go_on_with_other_samples(tmp_path: Path) -> None:
    """Recordings come and go; the same number of others, and others to be tested on, are seen as well."""
    study = begun(tmp_path / "run")
    config = study.config
    next(train(config, study.directory))
    others = [
        replace(config, train=config.train.take(slice(1, None))),
        replace(config, train=config.train.take(slice(None, None, -1))),
        replace(config, test=config.test.take(slice(1, None))),
    ]
    for other in others:
        with pytest.raises(InputError, match=r"^samples: train: \d+, test: \d+; .*run was begun with others"):
            next(train(other, study.directory))
    assert next(train(config, Run.open(study.directory.path, threads=1).directory)).progress.batch == 1


# Augmented ------------------------------------------------------------------------------------------------------------


def test_training_images_are_distorted_anew_in_every_epoch_and_those_of_the_test_never(finished: Run) -> None:
    elastic = Elastic(scale=0.1, rotation=12.0, displacement=1.0)
    config = replace(finished.config, augment=elastic)
    for epoch in (1, 2):
        order = config.order(epoch)[:240]
        samples = config.train.take(order)
        seen = elastic.distort(samples.values, (8, 8), order, seed=config.seed, epoch=epoch)
        assert not np.array_equal(seen, samples.values)
        spikes = config.encode(replace(samples, values=seen), epoch, TRAIN)
        assert next(config.batches(epoch)).inputs == spikes
    state, _ = finished.restore()
    assert evaluate(config, state).accuracy == evaluate(finished.config, state).accuracy


EVERYTHING = {
    "network.inhibition": 1,
    "rule.fake_spikes": True,
    "rule.regularisation.strength": 10,
    "rule.averaging": 0.9,
    "rule.schedule.decay": "cosine",
    "boosting": 0.05,
}


@pytest.mark.parametrize("options", [{"augment.rotation": 10, "augment.displacement": 1}, EVERYTHING])
def test_with_more_options_too_a_run_that_is_left_goes_on_to_the_same_bits(
    options: dict[str, object], tmp_path: Path
) -> None:
    experiment = EXPERIMENT.with_options(options)
    whole = begun(tmp_path / "whole", experiment=experiment)
    for _ in train(whole.config, whole.directory):
        pass
    leave_and_go_on(tmp_path / "left", 3, threads=2, experiment=experiment)
    assert same_bits(tmp_path / "left", tmp_path / "whole")


def test_samples_that_are_no_images_cannot_be_augmented(finished: Run) -> None:
    flat = replace(finished.config.train, shape=(64,))
    with pytest.raises(InputError, match=r"augment: samples of shape \(64,\); needs images"):
        initial_state(replace(finished.config, train=flat, augment=Elastic(rotation=5.0)))
    initial_state(replace(finished.config, train=flat))


# Stopping -------------------------------------------------------------------------------------------------------------


class Poisoned:
    """A rule that is right for some batches, and then leaves weights that are no numbers."""

    def __init__(self, rule: object, after: int, value: float) -> None:
        self.rule, self.after, self.value = rule, after, value

    def init(self, circuit: object, rng: np.random.Generator, classes: int | None = None) -> State:
        return self.rule.init(circuit, rng, classes)  # type: ignore[attr-defined]

    def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        state, score = self.rule.step(circuit, state, batch)  # type: ignore[attr-defined]
        if state.steps > self.after:
            state.weights["hidden1->output.synapse"][3, 4] = self.value
        return state, score

    def predict(self, circuit: object, state: State, inputs: object) -> Prediction:
        return self.rule.predict(circuit, state, inputs)  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_no_numbers_stop_the_run_at_the_last_good_checkpoint(
    value: float, finished: Run, tmp_path: Path
) -> None:
    study = begun(tmp_path / "run")
    poisoned = replace(study.config, rule=Poisoned(study.config.rule, BATCHES + 2, value))
    with pytest.raises(
        InputError, match="epoch 2, batch 3: weights of hidden1->output.synapse: not finite any more"
    ) as no:
        for _ in train(poisoned, study.directory):
            pass
    assert "00002-0000000.npz is good" in str(no.value)
    assert note(tmp_path / "run")["steps"] == BATCHES
    assert all(np.isfinite(values).all() for values in arrays(tmp_path / "run").values())
    for _ in train(study.config, study.directory):
        pass
    assert same_bits(tmp_path / "run", finished.directory.path)


def test_a_loss_that_is_no_number_stops_the_run_too(tmp_path: Path) -> None:
    study = begun(tmp_path / "run")

    class Lost(Poisoned):
        def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
            state, score = super().step(circuit, state, batch)
            return state, replace(score, loss=float("nan"))

    with pytest.raises(InputError, match="batch 1: loss: not finite"):
        next(train(replace(study.config, rule=Lost(study.config.rule, 99, 0.0)), study.directory))


@pytest.mark.parametrize("between", [0.0, 1e9])
def test_moments_that_are_no_numbers_stop_the_run_before_they_are_kept(between: float, tmp_path: Path) -> None:
    study = begun(tmp_path / "run")

    class Overflown(Poisoned):
        """Such a moment leaves weights that stand still, and are finite."""

        def step(self, circuit: object, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
            state, score = self.rule.step(circuit, state, batch)  # type: ignore[attr-defined]
            if state.steps > self.after:
                state.optimizer_state["v:hidden1->output.synapse"][3, 4] = self.value
            return state, score

    spoilt = replace(study.config, rule=Overflown(study.config.rule, 2, np.inf))
    with pytest.raises(InputError, match="epoch 1, batch .*: memory of v:hidden1->output.synapse: not finite any more"):
        for _ in train(spoilt, study.directory, checkpoint_interval=between):
            pass
    state, progress = study.restore()
    assert state.steps == progress.batch == (2 if between == 0 else 0)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGXFSZ"), reason="no limit on the size of files here")
def test_a_full_disk_costs_no_more_than_the_work_since_the_last_checkpoint(finished: Run, tmp_path: Path) -> None:
    """The disk is full for files of more than 16 kB: a checkpoint, but no metrics."""
    run = tmp_path / "run"
    short = begun(run, experiment=EXPERIMENT.with_options({"epochs": 1}))
    for _ in train(short.config, short.directory):
        pass
    before = {path.name: path.read_bytes() for path in (run / "checkpoints").glob("*.npz")}
    assert min(map(len, before.values())) > 16_000
    program = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (16_000, resource.RLIM_INFINITY));"
        "from snnlab.cli import main; sys.exit(main())"
    )
    words = [sys.executable, "-c", program, "train", "hm2bp-digits", "--out", str(run), "--resume", "--epochs", "2"]
    full = subprocess.run([*words, "--save-every", "0"], env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert full.returncode == 2, full
    assert full.stderr.count("\n") == 1 and "Traceback" not in full.stderr, full.stderr
    assert "00002-0000001.npz: cannot be written: File too large; 00002-0000000.npz is whole" in full.stderr
    assert {path.name: path.read_bytes() for path in (run / "checkpoints").glob("*")} == before
    room = [*COMMAND, "train", "hm2bp-digits", "--out", str(run), "--resume", "--threads", "1"]
    again = subprocess.run(room, env=ENVIRONMENT, capture_output=True, text=True, timeout=120)
    assert again.returncode == 0, again.stderr
    assert same_bits(run, finished.directory.path)


@pytest.mark.slow
def test_interrupted_the_command_says_how_to_go_on(tmp_path: Path) -> None:
    words = [*COMMAND, "train", *WORDS[:-1], "--set=epochs=5000", "--out", "my runs"]
    with subprocess.Popen(words, cwd=tmp_path, env=ENVIRONMENT, stdout=PIPE, stderr=PIPE, text=True) as child:
        assert child.stdout and child.stdout.readline().startswith("hm2bp-digits, seed 0: ")
        assert child.stdout.readline().startswith("epoch    1/5000")
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=60)
    assert child.returncode == 130
    assert said.startswith("stopped, with at most the last ") and said.count("\n") == 1
    assert said.endswith("; go on with: snnlab train hm2bp-digits --out 'my runs' --resume\n")


# What is measured -----------------------------------------------------------------------------------------------------


def test_evaluation_counts_what_the_engine_answers(finished: Run) -> None:
    """All samples at once instead of batch by batch, weights as NumPy reads them, the answer the busiest output."""
    config = finished.config
    state, _ = finished.restore()
    found = evaluate(config, state)
    held = arrays(finished.directory.path)
    circuit = config.circuit.with_weights({one.name: held[f"weights/{one.name}"] for one in config.circuit.projections})
    counts = {
        name: one.counts for name, one in engine.run(circuit, {"input": config.encode(config.test, 0, TEST)}).items()
    }
    answers = [int(np.flatnonzero(row == row.max())[0]) for row in counts["output"]]
    right = sum(answer == label for answer, label in zip(answers, config.test.labels, strict=True))
    assert found.accuracy == pytest.approx(right / 360)
    confusion = np.zeros((10, 10), dtype=int)
    for label, answer in zip(config.test.labels, answers, strict=True):
        confusion[label, answer] += 1
    assert np.array_equal(found.confusion, confusion)
    assert found.cost.spikes == pytest.approx({name: one.sum() / 360 for name, one in counts.items()})


def test_the_last_row_is_the_evaluation_of_the_last_weights(finished: Run) -> None:
    state, progress = finished.restore()
    found = evaluate(finished.config, state)
    assert progress.rows[-1]["test_accuracy"] == found.accuracy
    assert progress.rows[-1]["spikes_per_sample"] == pytest.approx(sum(found.cost.spikes.values()))


def test_the_metrics_are_a_row_for_each_epoch(finished: Run) -> None:
    lines = (finished.directory.path / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == [1, 2]


def test_scores_are_averages_over_samples_not_over_batches(tmp_path: Path) -> None:
    """The last batch of an epoch is smaller, and must count for less."""
    study = begun(tmp_path / "run")
    scores = [
        score
        for _, score in learn(
            study.config.rule, study.config.circuit, initial_state(study.config), study.config.batches(1)
        )
    ]
    rows = [report.row for report in train(study.config, study.directory) if report.row]
    assert len({score.samples for score in scores}) == 2
    assert rows[0]["train_loss"] == pytest.approx(sum(one.loss * one.samples for one in scores) / 1437)
    assert rows[0]["train_accuracy"] == pytest.approx(sum(one.n_correct for one in scores) / 1437)


def test_learning_is_better_than_chance_and_than_no_learning(finished: Run) -> None:
    after = evaluate(finished.config, finished.restore()[0]).accuracy
    before = evaluate(finished.config, initial_state(finished.config)).accuracy
    assert before < 0.25 < after
