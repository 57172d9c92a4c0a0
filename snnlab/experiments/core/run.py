"""An experiment kept in a run directory: begun, opened again from what it wrote, and summed up."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from snnlab import engine
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.errors import InputError, one_of
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.experiment import Experiment
from snnlab.experiments.core.options import shown
from snnlab.rules.rule import State
from snnlab.training.loop import TrainingConfig, census, learn, restored, start
from snnlab.training.run_directory import Progress, RunDirectory, versions

_KEYS = {"experiment": str, "seed": int, "options": dict, "cards": dict, "data": str}


@dataclass(frozen=True, eq=False)
class Run:
    """A run, the experiment that it is a run of, and the trial with its data and seed."""

    run: RunDirectory
    experiment: Experiment
    trial: TrainingConfig

    @classmethod
    def begin(
        cls,
        path: Path,
        experiment: Experiment,
        *,
        seed: int = 0,
        folder: Path | None = None,
        threads: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Run:
        """A new run at `path`. Raises InputError, with nothing written, for what cannot be trained or kept there.

        folder   where the data is looked for; remembered by the run
        threads  None for all cores
        progress    is told how far samples are that are made into spikes once and for all, if any are
        """
        trial = experiment.trial(seed=seed, folder=folder, threads=threads, progress=progress)
        # what cannot be trained, or has no room in memory, is refused here, before anything is written
        with engine.threads(threads):
            next(iter(learn(trial.rule, trial.circuit, start(trial), trial.batches(1))))
        return cls(
            RunDirectory.create(path, _note(experiment, seed, folder) | {"samples": census(trial)}), experiment, trial
        )

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        epochs: int | None = None,
        folder: Path | None = None,
        threads: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Run:
        """The run at `path`, from its experiment.json alone.

        epochs  train for so many in all, instead of what was asked for when the run began
        progress   as in `begin`

        Raises InputError for a directory that is not a run, for what no run writes, and for changed cards.
        """
        run = RunDirectory.open(path)
        note = _read_note(run)
        experiment = _experiment(run, note)
        kept = Path(note["data"]) if note["data"] else None
        # the files are known by their checksums, so they may have moved
        folder = folder or (kept if kept and kept.is_dir() else None)
        trial = experiment.trial(seed=note["seed"], folder=folder, threads=threads, progress=progress)
        study = cls(run, experiment, trial)
        return study if epochs is None or epochs == experiment.epochs else study._until(epochs)

    def restored(self) -> tuple[State, Progress]:
        """The network as the newest checkpoint has it, and how far it was trained. Raises InputError."""
        return restored(self.trial, self.run)

    def summarise(self, progress: Progress) -> dict[str, Any]:
        """The run in numbers, those of the last epoch and not of the best; kept as summary.json."""
        last = progress.rows[-1]
        summary = {
            "experiment": self.experiment.name,
            "seed": self.trial.seed,
            "epochs": last["epoch"],
            **{name: value for name, value in last.items() if name not in ("epoch", "seconds")},
            "reported": self.experiment.reported,
            "reference": self.experiment.reference,
            "options": self.experiment.options(),
            "cards": self.experiment.digests(),
            "wall_s": sum(row["seconds"] for row in progress.rows),
            "versions": versions(),
        }
        self.run.write("summary.json", summary)
        return summary

    def _until(self, epochs: int) -> Run:
        """The same study with another number of epochs, in its experiment.json too."""
        experiment = self.experiment.with_options({"epochs": epochs}, "--epochs")
        _, progress = self.restored()
        done = progress.epoch - (0 if progress.batch else 1)
        if experiment.epochs < done:
            raise InputError("--epochs", f"found {epochs}", f"{self.run.path} has come to epoch {done}")
        with self.run.locked():
            self.run.write("experiment.json", {**self.run.experiment, "options": experiment.options()})
        return Run(self.run, experiment, replace(self.trial, epochs=experiment.epochs))


def check_same(path: Path, experiment: str, changes: Mapping[str, Any], seed: int | None) -> None:
    """Refuse to take up the run at `path` as another experiment, with other options or with another seed."""
    run = RunDirectory.open(path)
    note = _read_note(run)
    if experiment != note["experiment"]:
        raise InputError(path, f"a run of {note['experiment']!r}", f"not of {experiment!r}: choose another --out")
    kept = _experiment(run, note)
    changed = kept.with_options(changes)
    if changed.encoding != kept.encoding:
        raise _differs(path, "--set encoder", changed.encoding, kept.encoding)
    asked = changed.options()
    for name, value in kept.options().items():
        if asked[name] != value:
            raise _differs(path, f"--set {name}", asked[name], value)
    if seed is not None and seed != note["seed"]:
        raise _differs(path, "--seed", seed, note["seed"])


def _differs(path: Path, where: str, asked: Any, kept: Any) -> InputError:
    return InputError(
        where, f"found {shown(asked)}", f"{path} has {shown(kept)}: leave it out, or choose another --out"
    )


def _note(experiment: Experiment, seed: int, folder: Path | None) -> dict[str, Any]:
    return {
        "experiment": experiment.name,
        "seed": seed,
        "options": experiment.options(),
        "cards": experiment.digests(),
        "data": str(folder.resolve()) if folder else "",
    }


def _read_note(run: RunDirectory) -> dict[str, Any]:
    """What `_note` wrote, each entry of its type."""
    note = run.experiment
    where = run.path / "experiment.json"
    for key, kind in _KEYS.items():
        if key not in note:
            raise InputError(where, f"no {key!r}", f"needs {', '.join(_KEYS)}")
        if type(note[key]) is not kind:
            raise InputError(f"{where}: {key}", f"found {note[key]!r}", f"needs {_WORDS[kind]}")
    if not 0 <= note["seed"] < 2**32:
        raise InputError(f"{where}: seed", f"found {note['seed']}", "needs 0 to 2**32 - 1")
    return note


_WORDS = {str: "text", int: "a whole number", dict: "an object"}


def _experiment(run: RunDirectory, note: Mapping[str, Any]) -> Experiment:
    """The experiment with the options it was run with, on the cards it was run with."""
    where = run.path / "experiment.json"
    name = note["experiment"]
    if name not in EXPERIMENTS:
        raise InputError(f"{where}: experiment", f"found {name!r}", one_of(name, EXPERIMENTS))
    experiment = EXPERIMENTS[name].with_options(note["options"], f"{where}: options:")
    for option in experiment.options():
        if option not in note["options"]:
            raise InputError(f"{where}: options", f"no {option!r}", "this run is of another version of snnlab")
    digests = experiment.digests()
    for card in sorted(digests.keys() | note["cards"].keys()):
        now, then = digests.get(card, "none"), note["cards"].get(card, "none")
        if now != then:
            found = f"sha256 {now[:12]}, and {str(then)[:12]} when {run.path} was begun"
            raise InputError(card, found, "put the card back as it was, or train into another --out")
    return experiment
