"""The only loop: batches through a rule, scores out."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.samples import Images, Samples
from snnlab.encoders import TEST, TRAIN, Encoder
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.common import gradient_angle
from snnlab.rules.rule import Batch, BatchMetrics, GradientRule, Inputs, RateRule, Rule, State
from snnlab.training import boosting
from snnlab.training.augmentation import Elastic
from snnlab.training.cost import Cost, Tally
from snnlab.training.run_directory import Progress, RunDirectory

BETWEEN_CHECKPOINTS = 20.0
"""Seconds of work that a kill may cost, unless told otherwise."""

_TESTED = 100  # samples at a time; changes no answer but those of cells that draw their spikes
_PROBED = 500  # samples, the first of those for training, whose update is held against the gradient
_EVERY = 16  # batches from one look at all weights to the next, which may take as long as small batches
_AHEAD = 2  # batches that wait to be learned from
_Made = TypeVar("_Made")


def check_budget(epochs: int, batch: int, boosting: float) -> None:
    """Raises InputError for numbers that nothing can be trained by; they are those of a Trial."""
    for name, number in (("epochs", epochs), ("batch", batch)):
        if number < 1:
            raise InputError(name, f"found {number}", "needs at least 1")
    if not 0 <= boosting < float("inf"):
        raise InputError("boosting", f"found {boosting}", "needs a number, at least 0")


@dataclass(frozen=True, eq=False)
class TrainingConfig:
    """All that determines what is learned.

    train     and test: what the encoder's `prepare` gives
    batch     samples that are learned from at once
    threads   None for all cores; what is learned does not depend on it
    augment   what is done to training images, anew in every epoch
    boosting  strength, see training/boosting.py; 0 for samples that all count alike, 1/20 as published

    Raises InputError for no samples, labels that are no classes, no epochs or samples in a batch, and boosting below 0.
    """

    rule: Rule
    circuit: Circuit
    encoder: Encoder
    train: Samples
    test: Samples
    epochs: int
    batch: int
    seed: int
    threads: int | None = None
    augment: Elastic = Elastic()
    boosting: float = 0.0

    def __post_init__(self) -> None:
        check_budget(self.epochs, self.batch, self.boosting)
        for part, samples in (("train", self.train), ("test", self.test)):
            if not len(samples):
                raise InputError(f"{part}: samples", "none", "needs at least one")
            least, most, known = samples.labels.min(), samples.labels.max(), len(samples.classes)
            if not 0 <= least <= most < known:
                raise InputError(f"{part}: labels", f"found {least}..{most}", f"needs 0..{known - 1}")

    @property
    def batches_per_epoch(self) -> int:
        return -(-len(self.train) // self.batch)

    def encode(self, samples: Samples, epoch: int, stream: int) -> Inputs:
        """The spikes or rates that stand for some samples in this epoch."""
        with engine.threads(self.threads):
            return self.encoder.encode(samples, seed=self.seed, epoch=epoch, stream=stream)

    def augmented(self, samples: Samples, epoch: int) -> Samples:
        """The samples as this epoch shows them. Raises InputError where there is something to be done to no images."""
        if self.augment.idle:
            return samples
        if not isinstance(samples, Images):
            right = "leave them as they are, or with features set encoder.cached=false"
            raise InputError("augment", f"samples of {samples.dataset} are no images", right)
        seen = self.augment.distort(samples.values, samples.pixels, samples.numbers, seed=self.seed, epoch=epoch)
        return replace(samples, values=seen)

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Places of the training samples as this epoch takes them; depends on seed and epoch alone."""
        return np.random.default_rng([self.seed, epoch]).permutation(len(self.train))

    def batches(self, epoch: int, first: int = 0, weights: NDArray[np.floating] | None = None) -> Iterator[Batch]:
        """The batches of one epoch from number `first` on.

        weights  how much each training sample counts (samples,), None for all alike
        """
        order = self.order(epoch)
        for start in range(first * self.batch, len(order), self.batch):
            places = order[start : start + self.batch]
            samples = self.train.take(places)
            inputs = self.encode(self.augmented(samples, epoch), epoch, TRAIN)
            counts = None if weights is None else weights[places]
            yield Batch(inputs, samples.labels, epoch, self.epochs, counts)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A network on the test set.

    confusion  int64 (classes, classes)  rows are the true classes
    cost       what a sample costs, its spikes among it
    """

    accuracy: float
    confusion: NDArray[np.int64]
    samples_per_s: float
    cost: Cost


@dataclass(frozen=True, eq=False)
class Report:
    """One batch done; `row` holds the epoch's metrics after its last batch."""

    progress: Progress
    state: State
    batches: int
    row: dict[str, Any] | None = None


def learn(rule: Rule, circuit: Circuit, state: State, batches: Iterable[Batch]) -> Iterator[tuple[State, BatchMetrics]]:
    """The whole idea: a rule takes one batch after another; the state after each, and how it went."""
    for batch in batches:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # seen in the weights they leave
            state, score = rule.step(circuit, state, batch)
        yield state, score


def train(trial: TrainingConfig, run: RunDirectory, *, between: float = BETWEEN_CHECKPOINTS) -> Iterator[Report]:
    """Learn from where the run's newest checkpoint stands, or from the beginning, and keep the run directory.

    between  seconds from one checkpoint to the next; there is one at the end of every epoch besides

    Raises InputError when weights or moments stop being finite, and leaves the checkpoints written before; where the
    run cannot be written; for a run that was begun with other samples; and as `restored` does.
    """
    with run.locked(), engine.threads(trial.threads):
        yield from _train(trial, run, between)


def _train(trial: TrainingConfig, run: RunDirectory, between: float) -> Iterator[Report]:
    _check_samples(trial, run)
    state, progress = restored(trial, run)
    run.write_metrics(progress.rows)
    if not run.checkpoints():
        run.save(state, progress)
    batches = trial.batches_per_epoch
    saved = time.monotonic()
    while progress.epoch <= trial.epochs:
        with closing(_epoch(trial, state, progress, run)) as steps:
            for state in steps:
                if time.monotonic() - saved >= between and progress.batch < batches:
                    _check_memory(state, progress, run)
                    run.save(state, progress)
                    saved = time.monotonic()
                yield Report(progress, state, batches)
        if trial.boosting:
            boosting.boost(state, trial.train.labels, trial.boosting)
        _check_memory(state, progress, run)
        progress = _next_epoch(trial, state, progress)
        run.save(state, progress)
        saved = time.monotonic()
        yield Report(progress, state, batches, progress.rows[-1])


def census(trial: TrainingConfig) -> dict[str, Any]:
    """Which samples are learned from and tested on; a run's experiment.json may keep it as `samples`."""
    return {"train": trial.train.summary(), "test": trial.test.summary()}


def _check_samples(trial: TrainingConfig, run: RunDirectory) -> None:
    """Refuse to go on with other samples than the run was begun with, where it says which."""
    begun, now = run.experiment.get("samples"), census(trial)
    if begun is None or begun == now:
        return
    found = ", ".join(f"{part}: {told['number']}" for part, told in now.items())
    right = f"{run.path} was begun with others: put them back as they were, or train into another run"
    raise InputError("samples", found, right)


def _epoch(trial: TrainingConfig, state: State, progress: Progress, run: RunDirectory) -> Generator[State, None, None]:
    """The state after each batch that is left of an epoch, with the progress kept up to date."""
    order = trial.order(progress.epoch)
    before = time.monotonic()
    with closing(ahead(trial.batches(progress.epoch, progress.batch, boosting.weights(state)))) as batches:
        steps = learn(trial.rule, trial.circuit, state, batches)
        for state, score in steps:
            _check_finite(state, score, progress, run)
            if trial.boosting:
                boosting.note(state, order[progress.samples : progress.samples + score.samples], score.correct)
            now = time.monotonic()
            _add(progress, score, now - before)
            before = now
            yield state


def ahead(made: Iterator[_Made], many: int = _AHEAD) -> Generator[_Made, None, None]:
    """The same things in the same order, made in a thread of their own while the caller works; at most `many` wait.

    What their making raises is raised here. Closed, it waits for no more than the one that is being made.
    """
    pool = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    context = copy_context()  # for the number of threads

    def make() -> _Made | None:
        return context.run(next, made, None)

    try:
        waiting = deque(pool.submit(make) for _ in range(many))
        while (one := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(make))
            yield one
    finally:
        pool.shutdown(cancel_futures=True)


def evaluate(trial: TrainingConfig, state: State) -> Evaluation:
    """The test set, what stands for it drawn once and for all by the trial's seed."""
    began = time.monotonic()
    classes, number, source = len(trial.test.classes), len(trial.test), trial.circuit.sources[0].name
    confusion = np.zeros((classes, classes), dtype=np.int64)
    tally = Tally(trial.circuit)
    parts = (trial.test.take(slice(first, first + _TESTED)) for first in range(0, number, _TESTED))
    with engine.threads(trial.threads):
        for samples, inputs in ahead((part, trial.encode(part, 0, TEST)) for part in parts):
            answer = trial.rule.predict(trial.circuit, state, inputs)
            np.add.at(confusion, (samples.labels, answer.labels), 1)
            tally.add(source, inputs, answer.activity)
    speed = number / (time.monotonic() - began)
    circuit, steps = trial.circuit.with_weights(state.weights), 1
    if isinstance(trial.rule, RateRule):
        used = trial.rule.inference(circuit)
        circuit, steps = circuit.subcircuit(used.projections), used.steps
    paid = tally.cost(circuit, samples=number, trained=state.weights, settling=steps)
    return Evaluation(float(np.trace(confusion) / confusion.sum()), confusion, speed, paid)


def start(trial: TrainingConfig) -> State:
    """The network before learning.

    Raises InputError for a circuit and classes that the rule cannot train, and where there are no images to be
    augmented.
    """
    trial.augmented(trial.train.take(slice(0)), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        state = trial.rule.init(trial.circuit, np.random.default_rng([trial.seed, 0]), len(trial.test.classes))
    if trial.boosting:
        boosting.start(state, len(trial.train))
    for name in _not_finite(state.weights):
        raise InputError(f"weights of {name} before learning", "not finite", "the rule's options are impossible")
    return state


def restored(trial: TrainingConfig, run: RunDirectory) -> tuple[State, Progress]:
    """The run's newest checkpoint, or the start where there is none yet.

    Raises InputError for a checkpoint that is spoilt or of another network than the trial's.
    """
    fresh = start(trial)
    found = run.restore()
    if found is None:
        return fresh, Progress()
    state, progress = found
    where = run.checkpoints()[-1]
    for part, arrays in state.parts.items():
        like = fresh.parts[part]
        if _layout(arrays) != _layout(like):
            raise InputError(f"{where}: {part}", f"found {_layout(arrays)}", f"this experiment has {_layout(like)}")
    for part, arrays in state.parts.items():
        for name in _not_finite(arrays):
            raise InputError(f"{where}: {part} of {name}", "not finite", "no run leaves such a checkpoint")
    for name, values in fresh.constants.items():
        if not np.array_equal(state.constants[name], values):
            problem = "not the values that this seed draws"
            raise InputError(f"{where}: constants of {name}", problem, "no run leaves such a checkpoint")
    done = min(progress.batch * trial.batch, len(trial.train))
    if progress.batch > trial.batches_per_epoch or progress.samples != done:
        seen = f"{progress.samples} samples in {progress.batch} batches"
        raise InputError(where, seen, f"this experiment has {len(trial.train)}, {trial.batch} in a batch")
    return state, progress


def _layout(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, str]:
    return {name: f"{values.dtype} {values.shape}" for name, values in sorted(arrays.items())}


def _not_finite(arrays: Mapping[str, NDArray[np.floating]]) -> list[str]:
    return [name for name, values in arrays.items() if not np.isfinite(values).all()]


def _add(progress: Progress, score: BatchMetrics, seconds: float) -> None:
    progress.batch += 1
    progress.loss += score.loss * score.samples
    progress.correct += score.n_correct
    progress.samples += score.samples
    progress.spikes += score.spikes
    progress.seconds += seconds


def _next_epoch(trial: TrainingConfig, state: State, progress: Progress) -> Progress:
    """The beginning of the next epoch, with a row of metrics for the one that is done, and now tested."""
    tested = evaluate(trial, state)
    row: dict[str, Any] = {
        "epoch": progress.epoch,
        "train_loss": progress.loss / progress.samples,
        "train_accuracy": progress.correct / progress.samples,
        "test_accuracy": tested.accuracy,
        "train_samples_per_s": progress.samples / progress.seconds,
        "test_samples_per_s": tested.samples_per_s,
        "spikes_per_sample": sum(tested.cost.spikes.values()),
        "seconds": progress.seconds + len(trial.test) / tested.samples_per_s,
    }
    if isinstance(trial.rule, GradientRule):
        probe = trial.train.take(slice(_PROBED))
        batch = Batch(trial.encode(probe, 0, TRAIN), probe.labels, progress.epoch, trial.epochs)
        row["angles"] = gradient_angle.angles(trial.rule, trial.circuit, state, batch)
    return Progress(epoch=progress.epoch + 1, rows=[*progress.rows, row])


def _check_finite(state: State, score: BatchMetrics, progress: Progress, run: RunDirectory) -> None:
    looked = progress.batch < _EVERY or progress.batch % _EVERY == 0
    bad = [f"weights of {name}" for name in _not_finite(state.weights)] if looked else []
    if not np.isfinite(score.loss):
        bad.append("loss")
    if bad:
        raise _stopped(f"batch {progress.batch + 1}: {bad[0]}", progress, run)


def _check_memory(state: State, progress: Progress, run: RunDirectory) -> None:
    """Before a checkpoint, which could not be restored: moments may overflow and leave weights that stand still."""
    for part, arrays in state.parts.items():
        for name in _not_finite(arrays):
            raise _stopped(f"batch {progress.batch}: {part} of {name}", progress, run)


def _stopped(where: str, progress: Progress, run: RunDirectory) -> InputError:
    right = f"stopped; {run.checkpoints()[-1].name} is good; a smaller rate of learning may help"
    return InputError(f"{run.path}: epoch {progress.epoch}, {where}", "not finite any more", right)
