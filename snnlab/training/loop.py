"""The training loop: batches through a rule, with checkpoints and metrics in a run directory."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import Batch, BatchMetrics, Rule, State
from snnlab.training import boosting
from snnlab.training.checkpoints import Progress
from snnlab.training.config import TrainingConfig
from snnlab.training.evaluation import angles, evaluate
from snnlab.training.prefetching import prefetch
from snnlab.training.run_directory import RunDirectory

CHECKPOINT_INTERVAL = 20.0
"""Default seconds between checkpoints: the work that a kill may cost."""

_CHECK_EVERY = 16  # batches between two checks of all weights, which may take as long as a small batch


@dataclass(frozen=True, eq=False)
class Report:
    """A finished batch; after the last batch of an epoch, `row` holds the epoch's metrics."""

    progress: Progress
    state: State
    batches: int
    row: dict[str, Any] | None = None


def learn(rule: Rule, circuit: Circuit, state: State, batches: Iterable[Batch]) -> Iterator[tuple[State, BatchMetrics]]:
    """Apply the rule to one batch after another; yields the state after each batch and its metrics."""
    for batch in batches:
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # the weights are checked instead
            state, metrics = rule.step(circuit, state, batch)
        yield state, metrics


def initial_state(config: TrainingConfig) -> State:
    """The state before learning.

    Raises InputError for a circuit or number of classes that the rule cannot train, and for augmentation of samples
    that are not images.
    """
    config.augmented(config.train.take(slice(0)), 0)
    with np.errstate(over="ignore", invalid="ignore"):
        rng = np.random.default_rng([config.seed, 0])
        state = config.rule.init(config.circuit, rng, len(config.test.classes))
    if config.boosting:
        boosting.start(state, len(config.train))
    for name in _not_finite(state.weights):
        raise InputError(f"initial weights of {name}", "not finite", "change the options of the rule")
    return state


def restore(config: TrainingConfig, run: RunDirectory) -> tuple[State, Progress]:
    """The run's newest checkpoint, or the initial state without one.

    Raises InputError for a checkpoint that is corrupt or of another network.
    """
    initial = initial_state(config)
    checkpoint = run.restore()
    if checkpoint is None:
        return initial, Progress()
    state, progress = checkpoint
    _check_checkpoint(config, initial, state, progress, run.checkpoints()[-1])
    return state, progress


def train(
    config: TrainingConfig, run: RunDirectory, *, checkpoint_interval: float = CHECKPOINT_INTERVAL
) -> Iterator[Report]:
    """Train from the newest checkpoint, or from the start, and update the run directory.

    checkpoint_interval  seconds between checkpoints; there is one more after every epoch

    Raises InputError if weights or the optimizer state become not finite (older checkpoints remain), if the run
    cannot be written or was started with other samples, and as `restore` does.
    """
    with run.locked(), engine.threads(config.threads):
        yield from _train(config, run, checkpoint_interval)


def _train(config: TrainingConfig, run: RunDirectory, interval: float) -> Iterator[Report]:
    _check_samples(config, run)
    state, progress = restore(config, run)
    run.write_metrics(progress.rows)
    if not run.checkpoints():
        run.save(state, progress)
    batches = config.batches_per_epoch
    saved = time.monotonic()
    while progress.epoch <= config.epochs:
        with closing(_epoch(config, state, progress, run)) as steps:
            for state in steps:
                if time.monotonic() - saved >= interval and progress.batch < batches:
                    _check_state(state, progress, run)
                    run.save(state, progress)
                    saved = time.monotonic()
                yield Report(progress, state, batches)
        if config.boosting:
            boosting.boost(state, config.train.labels, config.boosting)
        _check_state(state, progress, run)
        progress = Progress(epoch=progress.epoch + 1, rows=[*progress.rows, _row(config, state, progress)])
        run.save(state, progress)
        saved = time.monotonic()
        yield Report(progress, state, batches, progress.rows[-1])


def _epoch(config: TrainingConfig, state: State, progress: Progress, run: RunDirectory) -> Generator[State, None, None]:
    """The state after each remaining batch of an epoch; updates `progress`."""
    order = config.order(progress.epoch)
    before = time.monotonic()
    with closing(prefetch(config.batches(progress.epoch, progress.batch, boosting.weights(state)))) as batches:
        steps = learn(config.rule, config.circuit, state, batches)
        for state, metrics in steps:
            _check_batch(state, metrics, progress, run)
            if config.boosting:
                samples = order[progress.samples : progress.samples + metrics.samples]
                boosting.note(state, samples, metrics.correct)
            now = time.monotonic()
            progress.add(metrics, now - before)
            before = now
            yield state


def _row(config: TrainingConfig, state: State, progress: Progress) -> dict[str, Any]:
    """The metrics of a finished epoch, with an evaluation on the test set."""
    tested = evaluate(config, state)
    row: dict[str, Any] = {
        "epoch": progress.epoch,
        "train_loss": progress.loss / progress.samples,
        "train_accuracy": progress.correct / progress.samples,
        "test_accuracy": tested.accuracy,
        "train_samples_per_s": progress.samples / progress.seconds,
        "test_samples_per_s": tested.samples_per_s,
        "spikes_per_sample": sum(tested.cost.spikes.values()),
        "seconds": progress.seconds + len(config.test) / tested.samples_per_s,
    }
    degrees = angles(config, state, progress.epoch)
    return row if degrees is None else row | {"angles": degrees}


def _check_samples(config: TrainingConfig, run: RunDirectory) -> None:
    """Raises InputError for other samples than those recorded at the run's start, if any."""
    recorded, summary = run.experiment.get("samples"), config.summary()
    if recorded is None or recorded == summary:
        return
    problem = ", ".join(f"{part}: {samples['number']}" for part, samples in summary.items())
    raise InputError("samples", problem, f"{run.path} was started with others: restore them, or train into another run")


def _check_checkpoint(config: TrainingConfig, initial: State, state: State, progress: Progress, path: object) -> None:
    """Raises InputError for a checkpoint that this training cannot have written."""
    never = "no training writes such a checkpoint"
    for part, arrays in state.parts.items():
        expected = _layout(initial.parts[part])
        if _layout(arrays) != expected:
            raise InputError(f"{path}: {part}", f"got {_layout(arrays)}", f"expected {expected}")
        for name in _not_finite(arrays):
            raise InputError(f"{path}: {part} of {name}", "not finite", never)
    for name, values in initial.constants.items():
        if not np.array_equal(state.constants[name], values):
            raise InputError(f"{path}: constants of {name}", "not the values of this seed", never)
    samples = min(progress.batch * config.batch, len(config.train))
    if progress.batch > config.batches_per_epoch or progress.samples != samples:
        problem = f"{progress.samples} samples in {progress.batch} batches"
        raise InputError(path, problem, f"expected {len(config.train)} samples in batches of {config.batch}")


def _layout(arrays: Mapping[str, NDArray[np.generic]]) -> dict[str, str]:
    return {name: f"{values.dtype} {values.shape}" for name, values in sorted(arrays.items())}


def _not_finite(arrays: Mapping[str, NDArray[np.floating]]) -> list[str]:
    return [name for name, values in arrays.items() if not np.isfinite(values).all()]


def _check_batch(state: State, metrics: BatchMetrics, progress: Progress, run: RunDirectory) -> None:
    check = progress.batch < _CHECK_EVERY or progress.batch % _CHECK_EVERY == 0
    bad = [f"weights of {name}" for name in _not_finite(state.weights)] if check else []
    if not np.isfinite(metrics.loss):
        bad.append("loss")
    if bad:
        raise _diverged(f"batch {progress.batch + 1}: {bad[0]}", progress, run)


def _check_state(state: State, progress: Progress, run: RunDirectory) -> None:
    """Check before a checkpoint, which could not be restored: moments may overflow while weights stay finite."""
    for part, arrays in state.parts.items():
        for name in _not_finite(arrays):
            raise _diverged(f"batch {progress.batch}: {part} of {name}", progress, run)


def _diverged(where: str, progress: Progress, run: RunDirectory) -> InputError:
    hint = f"stopped; {run.checkpoints()[-1].name} is valid; reduce the learning rate"
    return InputError(f"{run.path}: epoch {progress.epoch}, {where}", "not finite", hint)
