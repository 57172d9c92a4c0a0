"""What a training run leaves on disk, written so that a kill at any instant loses no more than the work since.

    runs/<name>/  experiment.json  environment.json  metrics.jsonl  checkpoints/  figures/  summary.json

Every file is written under another name, forced to the disk and renamed. A checkpoint is one .npz without pickled objects:
the rule's State and, as JSON, where the loop stood.
"""

from __future__ import annotations

import json
import os
import platform
import re
import sys
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np

from snnlab.errors import Refused
from snnlab.rules.rule import State

_KEPT = 2  # checkpoints: the newest, and the one before in case a disk spoils it
_CHECKPOINT = re.compile(r"(\d{5})-(\d{7})\.npz")


@dataclass
class Progress:
    """Where the loop stands.

    epoch, batch            the next batch to learn from; epochs count from 1, batches from 0
    loss, correct, samples, spikes, seconds   sums over the batches of this epoch so far
    rows                    one row of metrics for every epoch done
    """

    epoch: int = 1
    batch: int = 0
    loss: float = 0.0
    correct: int = 0
    samples: int = 0
    spikes: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A run directory."""

    path: Path

    @classmethod
    def create(cls, path: Path, experiment: Mapping[str, Any]) -> Run:
        """A new directory for this experiment. Raises Refused where something else is in the way."""
        if (path / "experiment.json").exists():
            raise Refused(path, "already holds a run", "go on with --resume, or choose another --out")
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise Refused(path, "exists and is not a run", "choose another --out")
        run = cls(path)
        try:
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            (path / "figures").mkdir(exist_ok=True)
        except OSError as error:
            raise Refused(path, f"cannot be made: {error.strerror}", "choose another --out") from error
        run.write("environment.json", environment())
        # last, since it is what makes the directory a run
        run.write("experiment.json", dict(experiment))
        return run

    @classmethod
    def open(cls, path: Path) -> Run:
        """A directory that holds a run. Raises Refused for anything else."""
        if not path.is_dir():
            raise Refused(path, "no such run", "needs a directory made by `snnlab train`")
        if not (path / "experiment.json").is_file():
            raise Refused(path, "no experiment.json", "this run was cut off as it began, or is none; train into another --out")
        return cls(path)

    @property
    def experiment(self) -> dict[str, Any]:
        """What was asked for, as `create` was given it."""
        return self.read("experiment.json")

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def read(self, name: str) -> dict[str, Any]:
        """One of the run's JSON files. Raises Refused for one that is missing or spoilt."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except OSError as error:
            raise Refused(self.path / name, error.strerror or str(error), "needs a finished run") from error
        except ValueError as error:
            raise Refused(self.path / name, f"not JSON: {error}", "the file is spoilt; train again into another --out") from error
        if not isinstance(content, dict):
            raise Refused(self.path / name, "not a JSON object", "the file is spoilt; train again into another --out")
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """One of the run's JSON files."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._replace(name, lambda file: file.write(text.encode()))

    def save(self, state: State, progress: Progress) -> Path:
        """A checkpoint, and the metrics so far. Raises Refused, with the last good checkpoint untouched, if the disk is full."""
        arrays = {f"weights/{name}": values for name, values in state.weights.items()}
        arrays |= {f"memory/{name}": values for name, values in state.memory.items()}
        note = json.dumps({"steps": state.steps, "progress": asdict(progress)})
        arrays["note"] = np.frombuffer(note.encode(), dtype=np.uint8)
        name = f"checkpoints/{progress.epoch:05d}-{progress.batch:07d}.npz"
        self._replace(name, lambda file: np.savez(file, **arrays))
        self.write_metrics(progress.rows)
        for old in self.checkpoints()[:-_KEPT]:
            old.unlink()
        return self.path / name

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self._replace("metrics.jsonl", lambda file: file.write(lines.encode()))

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints, oldest first."""
        folder = self.path / "checkpoints"
        return sorted(path for path in folder.glob("*.npz") if _CHECKPOINT.fullmatch(path.name))

    def restore(self) -> tuple[State, Progress] | None:
        """The newest checkpoint, or None where there is none yet. Raises Refused for one that is spoilt."""
        found = self.checkpoints()
        if not found:
            return None
        try:
            with np.load(found[-1], allow_pickle=False) as archive:
                arrays = {name: archive[name] for name in archive.files}
            note = json.loads(arrays.pop("note").tobytes())
            progress = Progress(**note["progress"])
            state = State({}, {}, int(note["steps"]))
        except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
            right = "delete it: the run then goes on from the one before"
            raise Refused(found[-1], f"a spoilt checkpoint ({error})", right) from error
        for name, values in arrays.items():
            part, _, key = name.partition("/")
            (state.weights if part == "weights" else state.memory)[key] = values
        return state, progress

    def _replace(self, name: str, fill: Callable[[IO[bytes]], Any]) -> None:
        path = self.path / name
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with draft.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise Refused(path, f"cannot be written: {error.strerror or error}", self._what_is_left()) from error

    def _what_is_left(self) -> str:
        found = self.checkpoints()
        return f"{found[-1].name} is whole: free some space, then --resume" if found else "nothing was saved"


def environment() -> dict[str, Any]:
    """Versions and machine, as far as they may matter to a result."""
    wanted = ("snnlab-brian", "brian2", "numpy", "scipy", "matplotlib", "scikit-learn")
    return {
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in wanted},
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": sys.argv,
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # a bare checkout has no version of its own
