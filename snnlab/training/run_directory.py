"""The directory of a training run. If the process is killed, the last checkpoint remains valid.

    runs/<name>/  experiment.json  environment.json  metrics.jsonl  checkpoints/  figures/  summary.json

Every file is written under a temporary name, synced to disk and renamed.
"""

from __future__ import annotations

import fcntl
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from snnlab.errors import InputError
from snnlab.rules.rule import State
from snnlab.training.checkpoints import CORRUPT, Progress, read_checkpoint, write_checkpoint
from snnlab.training.environment import environment

_KEPT = 2  # checkpoints: the newest, and the previous in case the newest becomes corrupt
_CHECKPOINT = re.compile(r"(\d{5,})-(\d{7,})\.npz")
_DRAFT = re.compile(r"\..+\.\d+\.tmp")
_CREATED_FIRST = {"checkpoints", "figures", "environment.json"}  # before experiment.json makes it a run
_CORRUPT_HINT = "the file is corrupt; train again into another --out"


@dataclass(frozen=True)
class RunDirectory:
    """A run directory."""

    path: Path

    @classmethod
    def create(cls, path: Path, experiment: Mapping[str, Any]) -> RunDirectory:
        """A new run directory. Raises InputError if the path exists with other content, or cannot be created."""
        if (path / "experiment.json").exists():
            raise InputError(path, "already holds a run", "resume it with --resume, or choose another --out")
        directory = cls(path)
        try:
            if path.exists() and not cls.vacant(path):
                raise InputError(path, "exists and is not a run", "choose another --out")
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            (path / "figures").mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(path, f"cannot be created: {error.strerror}", "choose another --out") from error
        directory.write("environment.json", environment())
        directory.write("experiment.json", experiment)  # last: it makes the directory a run
        return directory

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """The directory of an existing run. Raises InputError for anything else."""
        if not path.is_dir():
            raise InputError(path, "no such run", "must be a directory that `snnlab train` created")
        if not (path / "experiment.json").is_file():
            interrupted = "the run was interrupted at its start: train into it again"
            hint = interrupted if cls.vacant(path) else "this directory is not a run"
            raise InputError(path, "no experiment.json", hint)
        return cls(path)

    @staticmethod
    def vacant(path: Path) -> bool:
        """Whether a directory is empty, except for what an interrupted `create` leaves."""
        if not path.is_dir():
            return False
        entries = {entry.name for entry in path.iterdir() if not _DRAFT.fullmatch(entry.name)}
        folders = (path / "checkpoints", path / "figures")
        return entries <= _CREATED_FIRST and not any(any(each.iterdir()) for each in folders if each.is_dir())

    @property
    def experiment(self) -> dict[str, Any]:
        """The content of experiment.json."""
        return self.read("experiment.json")

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    # JSON files

    def read(self, name: str) -> dict[str, Any]:
        """Read one of the run's JSON files. Raises InputError if it is missing or corrupt."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(self.path / name, error.strerror or str(error), "must be a finished run") from error
        except (ValueError, RecursionError) as error:
            raise InputError(self.path / name, f"not JSON: {error}", _CORRUPT_HINT) from error
        if not isinstance(content, dict):
            raise InputError(self.path / name, "not a JSON object", _CORRUPT_HINT)
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Write one of the run's JSON files. If that fails, raises InputError and keeps the old file."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._replace(name, lambda file: file.write(text.encode()))

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write one line of JSON per finished epoch. Raises InputError as `write` does."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self._replace("metrics.jsonl", lambda file: file.write(lines.encode()))

    # Checkpoints

    def save(self, state: State, progress: Progress) -> Path:
        """Write a checkpoint and the metrics. If the disk is full, raises InputError and keeps the old checkpoints."""
        name = f"checkpoints/{progress.epoch:05d}-{progress.batch:07d}.npz"
        self._replace(name, lambda file: write_checkpoint(file, state, progress))
        self.write_metrics(progress.rows)
        for old in self.checkpoints()[:-_KEPT]:
            old.unlink(missing_ok=True)
        return self.path / name

    def checkpoints(self) -> list[Path]:
        """The complete checkpoints, oldest first."""
        matches = {path: _CHECKPOINT.fullmatch(path.name) for path in (self.path / "checkpoints").glob("*.npz")}
        numbers = {path: (int(match[1]), int(match[2])) for path, match in matches.items() if match}
        return sorted(numbers, key=numbers.__getitem__)

    def restore(self) -> tuple[State, Progress] | None:
        """Read the newest checkpoint; None without checkpoints. Raises InputError if it is corrupt."""
        checkpoints = self.checkpoints()
        metrics = self.path / "metrics.jsonl"
        if not checkpoints and metrics.is_file() and metrics.stat().st_size:
            problem = f"empty, although {metrics.name} has epochs"
            raise InputError(self.path / "checkpoints", problem, "restore its files")
        if not checkpoints:
            return None
        try:
            return read_checkpoint(checkpoints[-1])
        except CORRUPT as error:
            several = len(checkpoints) > 1
            hint = "delete it to resume from the previous one" if several else "train into another --out"
            raise InputError(checkpoints[-1], f"a corrupt checkpoint ({error})", hint) from error

    # Files

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Exclusive access for writing. Raises InputError if another process has it."""
        with self._lock():
            for draft in self.path.rglob(".*.tmp"):  # of a killed process
                draft.unlink()
            yield

    def _lock(self) -> IO[bytes]:
        """A file that the system unlocks when it is closed, however the process ends."""
        try:
            file = (self.path / ".lock").open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise
        except BlockingIOError as error:
            hint = "wait for it, or choose another --out"
            raise InputError(self.path, "is being trained by another process", hint) from error
        except OSError as error:
            raise self._cannot_write(self.path, error) from error
        return file

    def _replace(self, name: str, fill: Callable[[IO[bytes]], Any]) -> None:
        path = self.path / name
        draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with draft.open("wb") as file:
                fill(file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise self._cannot_write(path, error) from error

    def _cannot_write(self, path: Path, error: OSError) -> InputError:
        saved = self.checkpoints()
        hint = f"{saved[-1].name} is complete: free space, then --resume" if saved else "nothing was saved"
        return InputError(path, f"cannot be written: {error.strerror or error}", hint)
