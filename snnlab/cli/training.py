"""The command that trains a network."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from snnlab.cli import output, progress_bars
from snnlab.cli.options import DataFolder, ExperimentName, Threads, check_at_least, experiment_named, key_values
from snnlab.cli.signals import interruptible
from snnlab.errors import InputError

if TYPE_CHECKING:
    from snnlab.data.spike_cache import ProgressCallback
    from snnlab.experiments import Experiment
    from snnlab.experiments.core.run import Run


def train(
    experiment: ExperimentName,
    sets: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change an option, see `snnlab experiments EXPERIMENT`; may be repeated. "
            "encoder=NAME selects another encoder.",
        ),
    ] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", metavar="N", help="Number of epochs.  [default: the experiment's]")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", metavar="N", help="Random seed.  [default: 0]")] = None,
    data: DataFolder = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Run directory.  [default: runs/EXPERIMENT-seedN]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the run in --out, with the same options.")] = False,
    threads: Threads = None,
    save_every: Annotated[
        float,
        typer.Option("--save-every", metavar="SECONDS", help="Time between checkpoints; each epoch is saved too."),
    ] = 20.0,
) -> None:
    """Train a network and store it in a run directory.

    An interrupted run continues with --resume to bit-identical weights. --epochs may then be larger; the weights equal
    those of one long run, unless the learning-rate schedule depends on the number of epochs.

    \b
    snnlab train hm2bp-digits
    snnlab train hm2bp-digits --set network.hidden=50 --epochs 5 --seed 1 --out runs/small
    snnlab train hm2bp-digits --out runs/small --resume
    """
    check_at_least(1, threads=threads)
    check_at_least(0, seed=seed, save_every=save_every)
    changes = _changes(sets, epochs)
    out = out or Path("runs") / f"{experiment}-seed{seed or 0}"
    with progress_bars.loading() as progress:
        run = _open(experiment_named(experiment), changes, seed, data, out, resume, threads, progress)
    from snnlab.training.loop import train as train_network

    resume_command = f"snnlab train {experiment} --out {shlex.quote(str(out))} --resume"
    message = f"stopped; at most the last {save_every:g} s of training are lost; resume with: {resume_command}"
    with interruptible(message), progress_bars.training(run.config) as show:
        description = _description(run, out)
        reports = train_network(run.config, run.directory, checkpoint_interval=save_every)
        first = next(reports, None)  # errors in the first batch come before any output
        print(description, flush=True)
        for report in chain(filter(None, [first]), reports):
            show(report)
    _summarise(run, out)


def _changes(sets: list[str] | None, epochs: int | None) -> dict[str, Any]:
    """Option -> value, of --set and --epochs."""
    changes = key_values(sets)
    if epochs is not None:
        check_at_least(1, epochs=epochs)
        if "epochs" in changes:
            raise InputError("--epochs", f"got {epochs}, and --set epochs={changes['epochs']}", "give one of the two")
        changes["epochs"] = epochs
    return changes


def _open(
    experiment: Experiment,
    changes: Mapping[str, Any],
    seed: int | None,
    data: Path | None,
    out: Path,
    resume: bool,
    threads: int | None,
    progress: ProgressCallback,
) -> Run:
    """The run to train, new or resumed."""
    from snnlab.experiments.core.run import Run, check_same
    from snnlab.training.run_directory import RunDirectory

    if resume and not out.exists():
        raise InputError(out, "does not exist", "omit --resume to start a new run there, or name the run by --out")
    if resume and not RunDirectory.vacant(out):
        check_same(out, experiment.name, {key: value for key, value in changes.items() if key != "epochs"}, seed)
        epochs = experiment.with_options(changes).epochs if "epochs" in changes else None
        return Run.open(out, epochs=epochs, folder=data, threads=threads, progress=progress)
    if resume:
        print(f"{out} was interrupted before it started; starting a new run", file=sys.stderr)
    changed = experiment.with_options(changes)
    return Run.create(out, changed, seed=seed or 0, folder=data, threads=threads, progress=progress)


def _description(run: Run, out: Path) -> str:
    """What is trained, and from which epoch."""
    config, (_, progress) = run.config, run.restore()
    if progress.epoch > config.epochs:
        return f"{out}: already trained for {output.epochs(config.epochs)}; increase --epochs to continue"
    text = f"{run.experiment.name}, seed {config.seed}: {_samples(run)}, {output.epochs(config.epochs)}"
    return text + (f", resuming after {output.trained(progress)}" if progress.rows or progress.batch else "")


def _samples(run: Run) -> str:
    """Number of training samples; of an incomplete dataset, how many of how many for both splits."""
    from snnlab import cards

    config, source = run.config, run.experiment.source  # cached spikes may have another dataset name
    splits = (config.train, config.test)
    sizes = [cards.dataset(source(split.split)).splits[split.split].samples for split in splits]
    if all(len(split) == size for split, size in zip(splits, sizes, strict=True)):
        return f"{len(config.train)} training samples"
    train, test = (f"{len(split)} of {size}" for split, size in zip(splits, sizes, strict=True))
    return f"{train} training samples, {test} test samples"


def _summarise(run: Run, out: Path) -> None:
    """Print the summary of a finished run, and write it to summary.json."""
    from snnlab.rules.rule import SpikingRule

    _, progress = run.restore()
    summary, spiking = run.summarise(progress), isinstance(run.config.rule, SpikingRule)
    if not summary["spikes_per_sample"] and spiking:
        print("no neuron spikes for any test sample: try a lower network.v_th", file=sys.stderr)
    train_speed, test_speed = summary["train_samples_per_s"], summary["test_samples_per_s"]
    commands = [f"snnlab {name} {shlex.quote(str(out))}" for name in ("evaluate", "certify", "plot")]
    if not spiking:
        del commands[1]
    output.fields(
        [
            ("test accuracy", f"{output.percent(summary['test_accuracy'])} after {output.epochs(summary['epochs'])}"),
            ("reported", output.reported(run.experiment)),
            ("speed", f"{train_speed:.0f} samples/s in training, {test_speed:.0f} in testing"),
            ("run directory", str(out)),
            *zip(("next", "", ""), commands, strict=False),
        ]
    )
