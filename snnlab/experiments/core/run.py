"""A run of an experiment: created in a run directory, opened again from it, and summarised."""

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
from snnlab.experiments.core.options import to_text
from snnlab.rules.rule import State
from snnlab.training.checkpoints import Progress
from snnlab.training.config import TrainingConfig
from snnlab.training.environment import versions
from snnlab.training.loop import initial_state, learn, restore
from snnlab.training.run_directory import RunDirectory

_TYPES = {"experiment": str, "seed": int, "options": dict, "cards": dict, "data": str}
_TYPE_NAMES = {str: "text", int: "an integer", dict: "an object"}


@dataclass(frozen=True, eq=False)
class Run:
    """A run directory, its experiment, and the training config with data and seed."""

    directory: RunDirectory
    experiment: Experiment
    config: TrainingConfig

    @classmethod
    def create(
        cls,
        path: Path,
        experiment: Experiment,
        *,
        seed: int = 0,
        folder: Path | None = None,
        threads: int | None = None,
        progress: ProgressCallback = no_progress,
    ) -> Run:
        """A new run at `path`. Raises InputError, and writes nothing, if it cannot be trained or written.

        folder    data folder, recorded in the run
        threads   None for all cores
        progress  called while samples are encoded into the cache
        """
        config = experiment.config(seed=seed, folder=folder, threads=threads, progress=progress)
        # learn one batch before anything is written: raises an error if it cannot be trained or exceeds memory
        with engine.threads(threads):
            next(iter(learn(config.rule, config.circuit, initial_state(config), config.batches(1))))
        note = _note(experiment, seed, folder) | {"samples": config.summary()}
        return cls(RunDirectory.create(path, note), experiment, config)

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
        """The run at `path`, from its experiment.json.

        epochs    new total number of epochs; None for the recorded one
        progress  as in `create`

        Raises InputError for a directory that is not a run, for invalid content, and for changed cards.
        """
        directory = RunDirectory.open(path)
        note = _read_note(directory)
        experiment = _experiment(directory, note)
        recorded = Path(note["data"]) if note["data"] else None
        # files are identified by checksum, so they may have moved
        folder = folder or (recorded if recorded and recorded.is_dir() else None)
        config = experiment.config(seed=note["seed"], folder=folder, threads=threads, progress=progress)
        run = cls(directory, experiment, config)
        return run if epochs is None or epochs == experiment.epochs else run._with_epochs(epochs)

    def restore(self) -> tuple[State, Progress]:
        """The state and progress of the newest checkpoint. Raises InputError as `training.loop.restore` does."""
        return restore(self.config, self.directory)

    def summarise(self, progress: Progress) -> dict[str, Any]:
        """Write summary.json: options, versions and the metrics of the last epoch (not of the best one)."""
        last = progress.rows[-1]
        summary = {
            "experiment": self.experiment.name,
            "seed": self.config.seed,
            "epochs": last["epoch"],
            **{name: value for name, value in last.items() if name not in ("epoch", "seconds")},
            "reported": self.experiment.reported,
            "reference": self.experiment.reference,
            "options": self.experiment.options(),
            "cards": self.experiment.digests(),
            "wall_s": sum(row["seconds"] for row in progress.rows),
            "versions": versions(),
        }
        self.directory.write("summary.json", summary)
        return summary

    def _with_epochs(self, epochs: int) -> Run:
        """The run with another number of epochs, also in its experiment.json."""
        experiment = self.experiment.with_options({"epochs": epochs}, "--epochs")
        _, progress = self.restore()
        current = progress.epoch - (0 if progress.batch else 1)
        if experiment.epochs < current:
            raise InputError("--epochs", f"got {epochs}", f"{self.directory.path} has already reached epoch {current}")
        with self.directory.locked():
            self.directory.write("experiment.json", {**self.directory.experiment, "options": experiment.options()})
        return Run(self.directory, experiment, replace(self.config, epochs=experiment.epochs))


def load_run(path: str | Path) -> Run:
    """Open a run directory, with its experiment, data and checkpoints. Raises InputError if it is not a valid run."""
    return Run.open(Path(path))


def check_same(path: Path, experiment: str, changes: Mapping[str, Any], seed: int | None) -> None:
    """Raises InputError if the run at `path` has another experiment, other options or another seed."""
    directory = RunDirectory.open(path)
    note = _read_note(directory)
    if experiment != note["experiment"]:
        raise InputError(path, f"a run of {note['experiment']!r}", f"not of {experiment!r}: choose another --out")
    recorded = _experiment(directory, note)
    changed = recorded.with_options(changes)
    if changed.encoding != recorded.encoding:
        raise _differs(path, "--set encoder", changed.encoding, recorded.encoding)
    options = changed.options()
    for name, value in recorded.options().items():
        if options[name] != value:
            raise _differs(path, f"--set {name}", options[name], value)
    if seed is not None and seed != note["seed"]:
        raise _differs(path, "--seed", seed, note["seed"])


def _differs(path: Path, field: str, value: Any, recorded: Any) -> InputError:
    hint = f"{path} has {to_text(recorded)}: leave it out, or choose another --out"
    return InputError(field, f"got {to_text(value)}", hint)


def _note(experiment: Experiment, seed: int, folder: Path | None) -> dict[str, Any]:
    return {
        "experiment": experiment.name,
        "seed": seed,
        "options": experiment.options(),
        "cards": experiment.digests(),
        "data": str(folder.resolve()) if folder else "",
    }


def _read_note(directory: RunDirectory) -> dict[str, Any]:
    """The content of experiment.json, checked for the type of each entry."""
    note = directory.experiment
    where = directory.path / "experiment.json"
    for key, kind in _TYPES.items():
        if key not in note:
            raise InputError(where, f"no {key!r}", f"must have {', '.join(_TYPES)}")
        if type(note[key]) is not kind:
            raise InputError(f"{where}: {key}", f"got {note[key]!r}", f"must be {_TYPE_NAMES[kind]}")
    if not 0 <= note["seed"] < 2**32:
        raise InputError(f"{where}: seed", f"got {note['seed']}", "must be 0 to 2**32 - 1")
    return note


def _experiment(directory: RunDirectory, note: Mapping[str, Any]) -> Experiment:
    """The experiment with its recorded options. Raises InputError if a card has changed since."""
    where = directory.path / "experiment.json"
    name = note["experiment"]
    if name not in EXPERIMENTS:
        raise InputError(f"{where}: experiment", f"got {name!r}", one_of(name, EXPERIMENTS))
    experiment = EXPERIMENTS[name].with_options(note["options"], f"{where}: options:")
    for option in experiment.options():
        if option not in note["options"]:
            raise InputError(f"{where}: options", f"no {option!r}", "the run is of another version of snnlab")
    digests = experiment.digests()
    for card in sorted(digests.keys() | note["cards"].keys()):
        now, recorded = digests.get(card, "none"), note["cards"].get(card, "none")
        if now != recorded:
            problem = f"sha256 {now[:12]}, but {str(recorded)[:12]} at the start of {directory.path}"
            raise InputError(card, problem, "restore the card, or train into another --out")
    return experiment
