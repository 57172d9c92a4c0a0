"""Experiments: what there is to reproduce, training, and what a trained network is good for."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from dataclasses import asdict
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.cli import output, progress_bars
from snnlab.cli.signals import interruptible
from snnlab.errors import InputError, one_of

if TYPE_CHECKING:
    from snnlab.data.spike_cache import ProgressCallback
    from snnlab.experiments import Experiment
    from snnlab.experiments.core.run import Run
    from snnlab.training.cost import Cost
    from snnlab.training.run_directory import Progress

RunAt = Annotated[Path, typer.Argument(metavar="RUN", help="The directory of a run.")]
Data = Annotated[Path | None, typer.Option("--data", metavar="DIR", help="Folder of the data, if not $SNNLAB_DATA.")]
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", help="All cores if left out.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def experiments(
    name: Annotated[str | None, typer.Argument(metavar="[EXPERIMENT]", help="Say all about this one.")] = None,
    as_json: AsJson = False,
) -> None:
    """List the results that can be reproduced. Of one, everything that --set can change.

    \b
    snnlab experiments
    snnlab experiments hm2bp-mnist
    """
    from snnlab.experiments import EXPERIMENTS

    chosen = [named(name)] if name is not None else list(EXPERIMENTS.values())
    if as_json:
        told = [_told(one) for one in chosen]
        print(json.dumps(told if name is None else told[0], indent=2, ensure_ascii=False))
    elif name is not None:
        _show(chosen[0])
    else:
        rows = [[one.name, one.dataset, str(one.epochs), _percent(one.reported), one.summary] for one in chosen]
        output.table(["id", "data", "epochs", "reported", "summary"], rows)


def train(
    experiment: Annotated[str, typer.Argument(metavar="EXPERIMENT", help="One of `snnlab experiments`.")],
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change an option; repeatable. `snnlab experiments EXPERIMENT` lists them. "
            "encoder=NAME takes another encoder, as in encoder=latency.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Passes over the training set; else the experiment's.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="0 if left out.")] = None,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Keep the run there; else in runs/EXPERIMENT-seedN.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run in --out, on the same options.")] = False,
    threads: Threads = None,
    save_every: Annotated[
        float,
        typer.Option("--save-every", metavar="SECONDS", help="Work that a kill may cost; each epoch is kept besides."),
    ] = 20.0,
) -> None:
    """Train a network. All of it is kept in a run directory.

    Killed at any moment, it goes on with --resume to the same weights, bit for bit. --epochs may then be larger; with
    rule.schedule.decay=cosine or late, which depend on their number, the weights are not those of one long run.

    \b
    snnlab train hm2bp-digits
    snnlab train hm2bp-digits --set network.hidden=50 --epochs 5 --seed 1 --out runs/small
    snnlab train hm2bp-digits --out runs/small --resume
    """
    at_least("--threads", threads, 1)
    at_least("--seed", seed, 0)
    at_least("--save-every", save_every, 0)
    changes = changes_of(sets or [], epochs)
    out = out or Path("runs") / f"{experiment}-seed{seed or 0}"
    with progress_bars.beginning() as progress:
        study = _study(named(experiment), changes, seed, data, out, resume, threads, progress)
    from snnlab.training.loop import train as learn

    again = f"snnlab train {experiment} --out {shlex.quote(str(out))} --resume"
    said = f"stopped, with at most the last {save_every:g} s of work lost; go on with: {again}"
    with interruptible(said), progress_bars.training(study.trial) as show:
        told = _beginning(study, out)
        reports = learn(study.trial, study.run, between=save_every)
        first = next(reports, None)  # refused here, nothing has begun
        print(told, flush=True)
        for report in chain(filter(None, [first]), reports):
            show(report)
    _close(study, out)


def evaluate(run: RunAt, as_json: AsJson = False, data: Data = None, threads: Threads = None) -> None:
    """Test a trained network. Says accuracy, speed, and what a sample costs; as JSON, the confusion too.

    Operations are spikes, or rates, that cross a weight other than zero, for a test sample; "if dense" is every synapse
    in every time step. The confusion has a row for each true class.

    \b
    snnlab evaluate runs/hm2bp-digits-seed0
    """
    at_least("--threads", threads, 1)
    from snnlab.experiments.core.run import Run
    from snnlab.training.loop import evaluate as test

    study = Run.open(run, folder=data, threads=threads)
    state, progress = study.restored()
    found = test(study.trial, state)
    told = {
        "run": str(run),
        "experiment": study.experiment.name,
        "seed": study.trial.seed,
        "epochs": len(progress.rows),
        "samples": len(study.trial.test),
        "accuracy": found.accuracy,
        "reported": study.experiment.reported,
        "spikes_per_sample": sum(found.cost.spikes.values()),
        "cost": asdict(found.cost),
        "samples_per_s": found.samples_per_s,
        "classes": list(study.trial.test.classes),
        "confusion": found.confusion.tolist(),
    }
    if as_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return
    tested = f"{_percent(found.accuracy)} of {len(study.trial.test)} test samples, after {_trained(progress)}"
    rows = [("accuracy", tested), ("reported", _paper(study.experiment))]
    output.fields([*rows, ("speed", f"{found.samples_per_s:.0f} samples/s"), *_paid(found.cost, _fires(study))])


def certify(
    run: RunAt,
    samples: Annotated[
        int | None, typer.Option("--samples", metavar="N", help="The first N of the test set; 20 if left out, or all.")
    ] = None,
    data: Data = None,
    threads: Threads = None,
) -> None:
    """Compare a trained network with Brian2. It is run in both; the exit code is 1 if any spike differs.

    \b
    snnlab certify runs/hm2bp-digits-seed0 --samples 50
    """
    at_least("--threads", threads, 1)
    from snnlab.certify import certify as compare
    from snnlab.experiments.core.run import Run

    study = Run.open(run, folder=data, threads=threads)
    state, progress = study.restored()
    samples = min(20, len(study.trial.test)) if samples is None else samples
    with progress_bars.counter("samples in Brian2", samples) as done:
        certificate = compare(study.trial, state, samples, progress=done)
    print(f"{run} after {_trained(progress)}, on {samples} test samples")
    print("\n".join(certificate.summary()))
    if not certificate.passed:
        raise typer.Exit(1)


def plot(
    run: RunAt,
    sample: Annotated[
        int, typer.Option("--sample", metavar="N", help="Test sample to draw in spikes and potentials.")
    ] = 0,
    data: Data = None,
) -> None:
    """Draw a run. Into its figures: learning, confusion, weights, and one test sample, run in Brian2 if cells fire.

    \b
    snnlab plot runs/hm2bp-digits-seed0 --sample 7
    """
    from snnlab.experiments.core.run import Run
    from snnlab.report.run_figures import plot_run

    for path in plot_run(Run.open(run, folder=data), sample=sample):
        print(path)


# What a command asks for ----------------------------------------------------------------------------------------------


def _study(
    experiment: Experiment,
    changes: Mapping[str, Any],
    seed: int | None,
    data: Path | None,
    out: Path,
    resume: bool,
    threads: int | None,
    progress: ProgressCallback,
) -> Run:
    """The run to be trained, new or taken up again."""
    from snnlab.experiments.core.run import Run, check_same
    from snnlab.training.run_directory import RunDirectory

    if resume and not out.exists():
        raise InputError(out, "nothing to resume", "leave out --resume to begin there, or name the run with --out")
    if resume and not RunDirectory.vacant(out):
        kept = {key: value for key, value in changes.items() if key != "epochs"}
        check_same(out, experiment.name, kept, seed)
        epochs = experiment.with_options(changes).epochs if "epochs" in changes else None
        return Run.open(out, epochs=epochs, folder=data, threads=threads, progress=progress)
    if resume:
        print(f"{out} was cut off before it began; beginning", file=sys.stderr)
    changed = experiment.with_options(changes)
    return Run.begin(out, changed, seed=seed or 0, folder=data, threads=threads, progress=progress)


def named(name: str) -> Experiment:
    """Raises InputError where there is no such experiment."""
    from snnlab.experiments import EXPERIMENTS

    if name not in EXPERIMENTS:
        raise InputError("experiments", f"no experiment {name!r}", one_of(name, EXPERIMENTS))
    return EXPERIMENTS[name]


def changes_of(sets: list[str], epochs: int | None) -> dict[str, Any]:
    """What --set and --epochs ask for. Raises InputError for texts that say nothing."""
    changes: dict[str, Any] = {}
    for text in sets:
        key, equals, value = text.partition("=")
        if not equals:
            raise InputError(f"--set {text}", "no value", "needs KEY=VALUE, such as epochs=5")
        changes[key.strip()] = value.strip()
    if epochs is not None:
        at_least("--epochs", epochs, 1)
        if "epochs" in changes:
            raise InputError(
                "--epochs", f"found {epochs}, and --set epochs={changes['epochs']}", "needs one of the two"
            )
        changes["epochs"] = epochs
    return changes


def at_least(where: str, value: float | None, least: int) -> None:
    """Raises InputError for a number that is too small, or none."""
    if value is not None and not value >= least:
        raise InputError(where, f"found {value}", f"needs at least {least}")


# What a command shows -------------------------------------------------------------------------------------------------


def _show(experiment: Experiment) -> None:
    """What an experiment is, and its options with what they mean."""
    from snnlab.experiments.core.options import shown

    explanations = experiment.explanations()
    widest = 2 + max(map(len, explanations))
    head = {"summary": experiment.summary, "reference": experiment.reference}
    head |= {"reported": _percent(experiment.reported), "data": experiment.dataset}
    for name, text in head.items():
        output.prose(name, text, widest)
    print("\nOptions, each changed by --set NAME=VALUE:\n")
    for name, value in experiment.options().items():
        output.prose(name, shown(value), widest)
        if explanations[name]:
            output.prose("", explanations[name], 4)


def _close(study: Run, out: Path) -> None:
    """Sum the run up, for the reader and in its summary.json."""
    _, progress = study.restored()
    summary = study.summarise(progress)
    accuracy = f"{_percent(summary['test_accuracy'])} after {_epochs(summary['epochs'])}: the last, not the best"
    if not summary["spikes_per_sample"] and _fires(study):
        print("no neuron fires for any test sample: a lower network.v_th may wake them", file=sys.stderr)
    next_ = [
        f"snnlab {word} {shlex.quote(str(out))}"
        for word in ("evaluate", *(["certify"] if _fires(study) else []), "plot")
    ]
    output.fields(
        [
            ("test accuracy", accuracy),
            ("reported", _paper(study.experiment)),
            (
                "speed",
                f"{summary['train_samples_per_s']:.0f} samples/s trained, {summary['test_samples_per_s']:.0f} tested",
            ),
            ("kept in", str(out)),
            *zip(("next", "", ""), next_, strict=False),
        ]
    )


def _beginning(study: Run, out: Path) -> str:
    """What is about to be trained, and from where on."""
    trial, (_, progress) = study.trial, study.restored()
    if progress.epoch > trial.epochs:
        return f"{out} has had its {_epochs(trial.epochs)}: nothing to do; a larger --epochs would go on"
    what = f"{study.experiment.name}, seed {trial.seed}: {_samples(study)}, {_epochs(trial.epochs)}"
    return what + (f", going on after {_trained(progress)}" if progress.rows or progress.batch else "")


def _samples(study: Run) -> str:
    """How many samples are learned from; and of how many, and how many are tested on, where some are missing."""
    from snnlab import cards

    trial, source = study.trial, study.experiment.source  # parts that were made into spikes may have another name
    parts = (trial.train, trial.test)
    told = [cards.dataset(source(part.split)).splits[part.split].samples for part in parts]
    if all(len(part) == whole for part, whole in zip(parts, told, strict=True)):
        return f"{len(trial.train)} samples"
    train, test = (f"{len(part)} of {whole}" for part, whole in zip(parts, told, strict=True))
    return f"{train} samples, tested on {test}"


def _fires(study: Run) -> bool:
    """Whether its cells fire, and are not heard by a rate."""
    from snnlab.rules.rule import SpikingRule

    return isinstance(study.trial.rule, SpikingRule)


def _paid(cost: Cost, fires: bool) -> list[tuple[str, str]]:
    """What a sample costs, line by line."""
    spikes = {"input": cost.input_spikes, **cost.spikes} if fires else {}
    kinds = f"{cost.effective_acs:,.0f} per sample, accumulates only"
    if not fires:
        macs = f"{cost.effective_macs:,.0f} multiply-accumulates per sample"
        kinds = f"{macs} and {cost.effective_acs:,.0f} accumulates, of rates of 1"
    return [
        *((f"spikes of {name}", f"{count:.1f} per sample") for name, count in spikes.items()),
        ("operations", f"{kinds}; {cost.dense:,.0f} if dense"),
        ("sparsity", f"{_percent(cost.activation_sparsity)} of activations, {_percent(cost.connection_sparsity)} "
                     "of weights are zero"),
        ("size", f"{cost.parameters:,} parameters; {cost.footprint_bytes:,} bytes of weights and neuron states"),
    ]  # fmt: skip


def _told(experiment: Experiment) -> dict[str, Any]:
    told = {key: getattr(experiment, key) for key in ("name", "summary", "reference", "reported", "dataset")}
    return {"id": experiment.name} | told | {"options": experiment.options(), "explanations": experiment.explanations()}


def _paper(experiment: Experiment) -> str:
    return f"{_percent(experiment.reported)}; {experiment.reference}"


def _percent(share: float | None) -> str:
    return "none" if share is None else f"{100 * share:.2f} %"


def _trained(progress: Progress) -> str:
    return _epochs(len(progress.rows)) + (f" and {progress.batch} batches" if progress.batch else "")


def _epochs(number: int) -> str:
    return output.counted(number, "epoch")
