"""The only loop: batches through a rule, scores out."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.circuit import Circuit
from snnlab.encode import TEST, TRAIN
from snnlab.engine import cores
from snnlab.errors import Refused
from snnlab.loaders import Samples
from snnlab.rules.rule import Batch, Rule, Score, State
from snnlab.runs import Progress, Run
from snnlab.spikes import Spikes

_BETWEEN_CHECKPOINTS = 20.0  # seconds of work that a kill may cost


class Encoder(Protocol):
    """Turns samples into spikes, the same for the same numbers whatever the batch."""

    def encode(
        self, values: NDArray[np.uint8], peak: int, indices: NDArray[np.int64], *, seed: int, epoch: int, stream: int, threads: int
    ) -> Spikes: ...


@dataclass(frozen=True, eq=False)
class Trial:
    """All that determines what is learned."""

    rule: Rule
    circuit: Circuit
    encoder: Encoder
    train: Samples
    test: Samples
    epochs: int
    batch: int
    seed: int
    threads: int | None = None

    def encode(self, samples: Samples, epoch: int, stream: int) -> Spikes:
        """The spikes that stand for some samples in this epoch."""
        return self.encoder.encode(
            samples.values,
            samples.peak,
            samples.numbers,
            seed=self.seed,
            epoch=epoch,
            stream=stream,
            threads=self.threads or cores(),
        )

    def batches(self, epoch: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from number `first` on, in an order that depends on seed and epoch alone."""
        order = np.random.default_rng([self.seed, epoch]).permutation(len(self.train))
        for start in range(first * self.batch, len(order), self.batch):
            samples = self.train.take(order[start : start + self.batch])
            yield Batch(self.encode(samples, epoch, TRAIN), samples.labels, epoch)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network on the test set.

    confusion  int64 (classes, classes)  rows are the true classes
    spikes     population -> spikes per sample
    """

    accuracy: float
    confusion: NDArray[np.int64]
    spikes: dict[str, float]
    samples_per_s: float


@dataclass(frozen=True, eq=False)
class Report:
    """One batch done; `row` holds the epoch's metrics after its last batch."""

    progress: Progress
    state: State
    batches: int
    row: dict[str, float | int] | None = None


def learn(rule: Rule, circuit: Circuit, state: State, batches: Iterable[Batch]) -> Iterator[tuple[State, Score]]:
    """The whole idea."""
    for batch in batches:
        state, score = rule.step(circuit, state, batch)
        yield state, score


def train(trial: Trial, run: Run) -> Iterator[Report]:
    """Learn from where the run's newest checkpoint stands, or from the beginning, and keep the run directory.

    Raises Refused when weights stop being finite; the checkpoints written before stay.
    """
    state, progress = run.restore() or (_start(trial), Progress())
    run.write_metrics(progress.rows)
    if not run.checkpoints():
        run.save(state, progress)
    batches = -(-len(trial.train) // trial.batch)
    saved = before = time.monotonic()
    while progress.epoch <= trial.epochs:
        for state, score in learn(trial.rule, trial.circuit, state, trial.batches(progress.epoch, progress.batch)):
            _check_finite(state, progress, run)
            now = time.monotonic()
            _add(progress, score, now - before)
            before = now
            if now - saved > _BETWEEN_CHECKPOINTS and progress.batch < batches:
                run.save(state, progress)
                saved = now
            yield Report(progress, state, batches)
        row = _close_epoch(trial, state, progress)
        run.save(state, progress)
        saved = before = time.monotonic()
        yield Report(progress, state, batches, row)


def evaluate(trial: Trial, state: State) -> Evaluation:
    """The test set, its spikes drawn once and for all by the trial's seed."""
    began = time.monotonic()
    classes = len(trial.test.classes)
    confusion = np.zeros((classes, classes), dtype=np.int64)
    spikes: dict[str, float] = {}
    for start in range(0, len(trial.test), 100):
        samples = trial.test.take(slice(start, start + 100))
        answer = trial.rule.respond(trial.circuit, state, trial.encode(samples, 0, TEST))
        np.add.at(confusion, (samples.labels, answer.labels), 1)
        for name, count in answer.spikes.items():
            spikes[name] = spikes.get(name, 0.0) + count / len(trial.test)
    seconds = time.monotonic() - began
    return Evaluation(float(np.trace(confusion) / confusion.sum()), confusion, spikes, len(trial.test) / seconds)


def _start(trial: Trial) -> State:
    return trial.rule.init(trial.circuit, np.random.default_rng([trial.seed, 0]))


def _add(progress: Progress, score: Score, seconds: float) -> None:
    progress.batch += 1
    progress.loss += score.loss * score.samples
    progress.correct += score.correct
    progress.samples += score.samples
    progress.spikes += score.spikes
    progress.seconds += seconds


def _close_epoch(trial: Trial, state: State, progress: Progress) -> dict[str, float | int]:
    """Test, write the epoch's row, and turn to the next epoch."""
    tested = evaluate(trial, state)
    row: dict[str, float | int] = {
        "epoch": progress.epoch,
        "train_loss": progress.loss / progress.samples,
        "train_accuracy": progress.correct / progress.samples,
        "test_accuracy": tested.accuracy,
        "train_samples_per_s": progress.samples / progress.seconds,
        "test_samples_per_s": tested.samples_per_s,
        "spikes_per_sample": sum(tested.spikes.values()),
    }
    progress.rows.append(row)
    fresh = asdict(Progress(epoch=progress.epoch + 1))
    for name in fresh.keys() - {"rows"}:
        setattr(progress, name, fresh[name])
    return row


def _check_finite(state: State, progress: Progress, run: Run) -> None:
    for name, weights in state.weights.items():
        if not np.isfinite(weights).all():
            where = f"{run.path}: epoch {progress.epoch}, batch {progress.batch + 1}: weights of {name}"
            last = run.checkpoints()[-1].name
            raise Refused(where, "not finite any more", f"stopped; {last} is good; train with a smaller rule.learning_rate")
