"""Experiments over seeds, to result rows: what is done is not done again, what was cut off is taken up again."""

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
from typing import Any

import joblib

from snnlab.benchmark.records import Row, appending, key_of, plain
from snnlab.benchmark.suites import Suite
from snnlab.engine import cores
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS, Experiment
from snnlab.experiments.core.run import Run
from snnlab.training.loop import Report, TrainingConfig, evaluate, train
from snnlab.training.run_directory import Progress, RunDirectory, environment, versions

Tell = Callable[[str], None]
Watch = Callable[[TrainingConfig], AbstractContextManager[Callable[[Report], None]]]


@dataclass(frozen=True, eq=False)
class Plan:
    """A network to be trained: an experiment, options that differ from its own, and a seed."""

    experiment: str
    changes: Mapping[str, Any]
    seed: int

    @property
    def changed(self) -> Experiment:
        """The experiment with its options. Raises InputError for options that it has not."""
        return EXPERIMENTS[self.experiment].with_options(self.changes)

    @property
    def key(self) -> str:
        """As the row has it that will come of this."""
        experiment = self.changed
        return key_of(self.experiment, plain(experiment.options()), experiment.digests(), self.seed)

    @property
    def name(self) -> str:
        return f"{self.experiment} seed {self.seed}"

    def run_in(self, folder: Path) -> Path:
        """Its run directory below `folder`, the same whenever it is asked for."""
        return folder / f"{self.experiment}-seed{self.seed}-{self.key[:8]}"


@dataclass(frozen=True)
class Failure:
    """A plan that was refused."""

    plan: Plan
    refusal: InputError


def plans(experiments: Sequence[str], seeds: int, changes: Mapping[str, Any]) -> list[Plan]:
    """Every experiment with seeds 0 to `seeds` - 1, one seed of all of them after another.

    Raises InputError where an experiment has no such option.
    """
    return _seeded([(name, changes) for name in experiments], seeds)


def plans_of(suite: Suite, seeds: int, changes: Mapping[str, Any]) -> list[Plan]:
    """The same of a suite's entries, each with its own changes and, over these, `changes`."""
    return _seeded([(entry.experiment, {**entry.changes, **changes}) for entry in suite.entries], seeds)


def _seeded(wanted: Sequence[tuple[str, Mapping[str, Any]]], seeds: int) -> list[Plan]:
    made = [Plan(name, changes, seed) for seed in range(seeds) for name, changes in wanted]
    for plan in made[: len(wanted)]:
        plan.changed  # noqa: B018 - asked for its refusal
    return made


def bench(
    file: Path,
    wanted: Sequence[Plan],
    *,
    folder: Path | None = None,
    jobs: int = 1,
    threads: int | None = None,
    tell: Tell = lambda line: None,
    watch: Watch | None = None,
) -> Iterator[Row | Failure]:
    """Train what is not in the file yet, and append a row as each is done; gives the row, or why there is none.

    Runs are kept beside the file, in FILE.runs, and taken up again where they stand.

    folder   where the data is looked for
    jobs     trainings at a time, each in a process of its own
    threads  of each training; an equal share of all cores if left out
    tell     called with a line for each epoch, in whichever process it is; must be a function of a module
    watch    entered for each training; what it gives is called after every batch. Only where there is one at a time

    Raises InputError for a file of other things, and one that another process adds to.
    """
    with appending(file) as (rows, append):
        done = {row.key for row in rows}
        todo = [plan for plan in wanted if plan.key not in done]
        tell(f"{file}: {len(wanted) - len(todo)} of {len(wanted)} trainings done, {len(todo)} to do")
        jobs = max(1, min(jobs, len(todo)))
        share = threads or max(1, cores() // jobs)
        runs = file.with_name(file.name + ".runs")
        above, watch = (os.getpid(), None) if jobs > 1 else (None, watch)
        calls = (joblib.delayed(_attempt)(plan, plan.run_in(runs), folder, share, tell, above, watch) for plan in todo)
        parallel = joblib.Parallel(n_jobs=jobs, backend="loky", return_as="generator_unordered")
        with closing(parallel(calls)) as outcomes:
            for outcome in outcomes:
                if isinstance(outcome, Row):
                    append(outcome)
                yield outcome


def _attempt(
    plan: Plan, place: Path, folder: Path | None, threads: int, tell: Tell, above: int | None, watch: Watch | None
) -> Row | Failure:
    """A row, or the refusal instead of it, which must not end the others; in a process below `above`, if given."""
    if above is not None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the process above ends this one
        _end_with(above)
    try:
        watching = watch or (lambda _: nullcontext(lambda _: None))
        return measure(plan, place, folder=folder, threads=threads, tell=tell, watch=watching)
    except InputError as refusal:
        return Failure(plan, refusal)


@cache
def _end_with(above: int) -> None:
    """End this process, at work or without any, once the one above was killed: nobody waits for its rows."""

    def look() -> None:
        while os.getppid() == above:
            time.sleep(0.2)
        os._exit(1)

    threading.Thread(target=look, daemon=True).start()


def measure(plan: Plan, place: Path, *, folder: Path | None, threads: int, tell: Tell, watch: Watch) -> Row:
    """Train to the end in the run directory `place`, from where that stands, and test. Raises InputError.

    watch  as of `bench`
    """
    if place.exists() and not RunDirectory.vacant(place):
        study = Run.open(place, folder=folder, threads=threads)
    else:
        study = Run.begin(place, plan.changed, seed=plan.seed, folder=folder, threads=threads)
    _, progress = study.restored()
    epochs = study.trial.epochs
    tell(f"{plan.name}: {len(progress.rows)} of {epochs} epochs done, threads: {threads}")
    with watch(study.trial) as show:
        for report in train(study.trial, study.run):
            show(report)
            if (row := report.row) is not None:
                tell(f"{plan.name}: epoch {row['epoch']}/{epochs}  test {100 * row['test_accuracy']:.2f} %")
    state, progress = study.restored()
    study.summarise(progress)
    return _row(plan, study, progress, asdict(evaluate(study.trial, state).cost), threads)


def _row(plan: Plan, study: Run, progress: Progress, cost: dict[str, Any], threads: int) -> Row:
    experiment, trial, rows = study.experiment, study.trial, progress.rows
    options, usual = plain(experiment.options()), plain(EXPERIMENTS[experiment.name].options())
    layers = [trial.circuit.sources[0].size, *experiment.network.hidden, trial.circuit.nodes[-1].size]
    machine = environment()
    return Row(
        experiment=experiment.name,
        seed=plan.seed,
        changes={name: value for name, value in options.items() if name not in usual or value != usual[name]},
        options=options,
        cards=experiment.digests(),
        network="-".join(map(str, layers)),
        samples={"train": len(trial.train), "test": len(trial.test)},
        epochs=rows[-1]["epoch"],
        test_accuracy=rows[-1]["test_accuracy"],
        train_accuracy=rows[-1]["train_accuracy"],
        test_curve=[row["test_accuracy"] for row in rows],
        train_curve=[row["train_accuracy"] for row in rows],
        cost=cost,
        wall_s=sum(row["seconds"] for row in rows),
        # epochs are of one length, so the rate over all of them is the harmonic mean
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
    """Those that every epoch has; a run may have begun before they were measured."""
    every = [row.get("angles", {}) for row in rows]
    return {name: [found[name] for found in every] for name in every[-1] if all(name in found for found in every)}
