"""Train experiments with several seeds and append a result row for each; skips finished trainings, resumes others."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import joblib

from snnlab.benchmark.records import Row, appending, key_of, plain
from snnlab.benchmark.suites import Suite
from snnlab.engine import cores
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS, Experiment
from snnlab.experiments.core.run import Run
from snnlab.training.checkpoints import Progress
from snnlab.training.config import TrainingConfig
from snnlab.training.environment import environment, versions
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import Report, train
from snnlab.training.run_directory import RunDirectory

Log: TypeAlias = Callable[[str], None]
"""Receives one line of progress."""

ProgressBar: TypeAlias = Callable[[TrainingConfig], AbstractContextManager[Callable[[Report], None]]]
"""Opens a progress bar for a training; the function it gives receives the report of each batch."""


@dataclass(frozen=True, eq=False)
class Plan:
    """A training: an experiment, changes of its options, and a seed."""

    experiment: str
    changes: Mapping[str, Any]
    seed: int

    @property
    def configured(self) -> Experiment:
        """The experiment with its changes. Raises InputError for unknown options and invalid values."""
        return EXPERIMENTS[self.experiment].with_options(self.changes)

    @property
    def key(self) -> str:
        """The key of the row that this training yields."""
        experiment = self.configured
        return key_of(self.experiment, plain(experiment.options()), experiment.digests(), self.seed)

    @property
    def name(self) -> str:
        return f"{self.experiment} seed {self.seed}"

    def run_in(self, folder: Path) -> Path:
        """The run directory of this training below `folder`."""
        return folder / f"{self.experiment}-seed{self.seed}-{self.key[:8]}"


@dataclass(frozen=True)
class Failure:
    """A training that ended with an error."""

    plan: Plan
    error: InputError


def plans(experiments: Sequence[str], seeds: int, changes: Mapping[str, Any]) -> list[Plan]:
    """Plans of all experiments with seeds 0 to `seeds` - 1, ordered by seed.

    Raises InputError if an experiment lacks one of the options.
    """
    return _with_seeds([(name, changes) for name in experiments], seeds)


def suite_plans(suite: Suite, seeds: int, changes: Mapping[str, Any]) -> list[Plan]:
    """As `plans`, for the entries of a suite; `changes` override those of the entries."""
    return _with_seeds([(entry.experiment, {**entry.changes, **changes}) for entry in suite.entries], seeds)


def _with_seeds(experiments: Sequence[tuple[str, Mapping[str, Any]]], seeds: int) -> list[Plan]:
    for name, changes in experiments:
        EXPERIMENTS[name].with_options(changes)  # raises InputError before any training starts
    return [Plan(name, changes, seed) for seed in range(seeds) for name, changes in experiments]


def bench(
    file: Path,
    plans: Sequence[Plan],
    *,
    folder: Path | None = None,
    jobs: int = 1,
    threads: int | None = None,
    log: Log = lambda line: None,
    progress_bar: ProgressBar | None = None,
) -> Iterator[Row | Failure]:
    """Run the trainings that are not in the file yet, appending a row after each; yields the row or the failure.

    Run directories are in FILE.runs beside the file; an interrupted training resumes from its run directory.

    folder        data folder
    jobs          number of processes that train at a time
    threads       threads of each training; by default all cores, shared by the jobs
    log           called after each epoch, in the process of the training; must be a module-level function
    progress_bar  used if jobs is 1

    Raises InputError for a file with other contents, and if another process is appending to it.
    """
    with appending(file) as (rows, append):
        done = {row.key for row in rows}
        todo = [plan for plan in plans if plan.key not in done]
        log(f"{file}: {len(plans) - len(todo)} of {len(plans)} trainings done, {len(todo)} to do")
        jobs = max(1, min(jobs, len(todo)))
        share = threads or max(1, cores() // jobs)
        runs = file.with_name(file.name + ".runs")
        parent, progress_bar = (os.getpid(), None) if jobs > 1 else (None, progress_bar)
        calls = (
            joblib.delayed(_try)(plan, plan.run_in(runs), folder, share, log, parent, progress_bar) for plan in todo
        )
        parallel = joblib.Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered")
        with closing(parallel(calls)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Row):
                    append(outcome)
                yield outcome


def _try(
    plan: Plan,
    run: Path,
    folder: Path | None,
    threads: int,
    log: Log,
    parent: int | None,
    progress_bar: ProgressBar | None,
) -> Row | Failure:
    """The row of a training, or its failure, which must not stop the others.

    parent  process id of the main process, if this is a worker process
    """
    if parent is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process stops this one
        _exit_with(parent)
    try:
        return measure(plan, run, folder=folder, threads=threads, log=log, progress_bar=progress_bar or _no_bar)
    except InputError as error:
        return Failure(plan, error)


def _no_bar(config: TrainingConfig) -> AbstractContextManager[Callable[[Report], None]]:
    return nullcontext(lambda report: None)


@cache
def _exit_with(parent: int) -> None:
    """Exit this process as soon as its parent is gone, because nobody would receive its rows."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def measure(
    plan: Plan, path: Path, *, folder: Path | None, threads: int, log: Log, progress_bar: ProgressBar = _no_bar
) -> Row:
    """Train in the run directory `path`, new or resumed, to the last epoch, and test. Raises InputError."""
    if path.exists() and not RunDirectory.vacant(path):
        run = Run.open(path, folder=folder, threads=threads)
    else:
        run = Run.create(path, plan.configured, seed=plan.seed, folder=folder, threads=threads)
    _, progress = run.restore()
    epochs = run.config.epochs
    log(f"{plan.name}: {len(progress.rows)} of {epochs} epochs done, threads: {threads}")
    with progress_bar(run.config) as update:
        for report in train(run.config, run.directory):
            update(report)
            if (row := report.row) is not None:
                log(f"{plan.name}: epoch {row['epoch']}/{epochs}  test {100 * row['test_accuracy']:.2f} %")
    state, progress = run.restore()
    run.summarise(progress)
    return _row(plan, run, progress, asdict(evaluate(run.config, state).cost), threads)


def _row(plan: Plan, run: Run, progress: Progress, cost: dict[str, Any], threads: int) -> Row:
    experiment, config, rows = run.experiment, run.config, progress.rows
    options, defaults = plain(experiment.options()), plain(EXPERIMENTS[experiment.name].options())
    layers = [config.circuit.input.size, *experiment.network.hidden, config.circuit.output.size]
    machine = environment()
    return Row(
        experiment=experiment.name,
        seed=plan.seed,
        changes={name: value for name, value in options.items() if name not in defaults or value != defaults[name]},
        options=options,
        cards=experiment.digests(),
        network="-".join(map(str, layers)),
        samples={"train": len(config.train), "test": len(config.test)},
        epochs=rows[-1]["epoch"],
        test_accuracy=rows[-1]["test_accuracy"],
        train_accuracy=rows[-1]["train_accuracy"],
        test_curve=[row["test_accuracy"] for row in rows],
        train_curve=[row["train_accuracy"] for row in rows],
        cost=cost,
        wall_s=sum(row["seconds"] for row in rows),
        # all epochs have the same number of samples, so the mean speed is the harmonic mean
        train_samples_per_s=len(rows) / sum(1 / row["train_samples_per_s"] for row in rows),
        test_samples_per_s=len(rows) / sum(1 / row["test_samples_per_s"] for row in rows),
        reported=experiment.reported,
        reference=experiment.reference,
        threads=threads,
        versions=versions(),
        machine={name: machine[name] for name in ("platform", "processor", "cores")},
        angles=_angles(rows),
    )


def _angles(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """Projection -> angles, if every epoch has them: older versions did not measure any."""
    angles = [row.get("angles", {}) for row in rows]
    return {name: [of_epoch[name] for of_epoch in angles] for name in angles[-1] if all(name in one for one in angles)}
