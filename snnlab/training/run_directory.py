"""What a training run leaves on disk, written so that a kill at any instant loses no more than the work since.

    runs/<name>/  experiment.json  environment.json  metrics.jsonl  checkpoints/  figures/  summary.json

Every file is written under another name, forced to the disk and renamed. A checkpoint is one .npz without pickles: the
rule's State and, as JSON, where the loop stood. Runs travel between people: what is read back is checked.
"""

from __future__ import annotations

import fcntl
import json
import math
import os
import platform
import re
import struct
import sys
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from importlib import metadata
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.rules.rule import State

ROW = (
    "epoch train_loss train_accuracy test_accuracy train_samples_per_s test_samples_per_s spikes_per_sample seconds"
).split()
"""What is known of an epoch: accuracies 0 to 1, spikes of a test sample in all populations, seconds of both.

Of a rule that can be held against the gradient also "angles": projection -> degrees, see gradient_angle.py.
"""

# what zipfile, NumPy's reader of headers and json raise for bytes that are not theirs
_SPOILT = (
    OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, OverflowError, NotImplementedError, SyntaxError,
    struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
_KEPT = 2  # checkpoints: the newest, and the one before in case a disk spoils it
_CHECKPOINT = re.compile(r"(\d{5,})-(\d{7,})\.npz")
_DRAFT = re.compile(r"\..+\.\d+\.tmp")
_MADE_FIRST = {"checkpoints", "figures", "environment.json"}  # by `create`, before the run is one
_ANEW = "the file is spoilt; train again into another --out"


@dataclass
class Progress:
    """Where the loop stands.

    epoch, batch            the next batch to learn from; epochs count from 1, batches from 0
    loss, correct, samples, spikes, seconds   sums over the batches of this epoch so far
    rows                    one row of metrics, with the keys of ROW, for every epoch done
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
class RunDirectory:
    """A run directory."""

    path: Path

    @classmethod
    def create(cls, path: Path, experiment: Mapping[str, Any]) -> RunDirectory:
        """A new directory for this experiment. Raises InputError where something else is in the way."""
        if (path / "experiment.json").exists():
            raise InputError(path, "already holds a run", "go on with --resume, or choose another --out")
        run = cls(path)
        try:
            if path.exists() and not cls.vacant(path):
                raise InputError(path, "exists and is not a run", "choose another --out")
            (path / "checkpoints").mkdir(parents=True, exist_ok=True)
            (path / "figures").mkdir(exist_ok=True)
        except OSError as error:
            raise InputError(path, f"cannot be made: {error.strerror}", "choose another --out") from error
        run.write("environment.json", environment())
        # last, since it is what makes the directory a run
        run.write("experiment.json", experiment)
        return run

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """A directory that holds a run. Raises InputError for anything else."""
        if not path.is_dir():
            raise InputError(path, "no such run", "needs a directory made by `snnlab train`")
        if not (path / "experiment.json").is_file():
            right = "this run was cut off as it began: train into it again"
            raise InputError(path, "no experiment.json", right if cls.vacant(path) else "this directory is not a run")
        return cls(path)

    @staticmethod
    def vacant(path: Path) -> bool:
        """Whether a directory is empty, or holds no more than a run that was cut off as it was created."""
        if not path.is_dir():
            return False
        entries = {entry.name for entry in path.iterdir() if not _DRAFT.fullmatch(entry.name)}
        folders = (path / "checkpoints", path / "figures")
        return entries <= _MADE_FIRST and not any(any(one.iterdir()) for one in folders if one.is_dir())

    @property
    def experiment(self) -> dict[str, Any]:
        """What was asked for, as `create` was given it."""
        return self.read("experiment.json")

    @property
    def figures(self) -> Path:
        return self.path / "figures"

    def read(self, name: str) -> dict[str, Any]:
        """What is in one of the run's JSON files. Raises InputError for one that is missing or spoilt."""
        try:
            content = json.loads((self.path / name).read_text(encoding="utf-8"))
        except OSError as error:
            raise InputError(self.path / name, error.strerror or str(error), "needs a finished run") from error
        except (ValueError, RecursionError) as error:
            raise InputError(self.path / name, f"not JSON: {error}", _ANEW) from error
        if not isinstance(content, dict):
            raise InputError(self.path / name, "not a JSON object", _ANEW)
        return content

    def write(self, name: str, content: Mapping[str, Any]) -> None:
        """Fill one of the run's JSON files. Raises InputError where it cannot be written; the old one then stays."""
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        self._replace(name, lambda file: file.write(text.encode()))

    def save(self, state: State, progress: Progress) -> Path:
        """A checkpoint, and the metrics so far. Raises InputError if the disk is full; the checkpoints before stay."""
        arrays: dict[str, Any] = {
            f"{part}/{name}": values for part, group in state.parts.items() for name, values in group.items()
        }
        note = json.dumps({"steps": state.steps, "progress": asdict(progress)})
        arrays["note"] = np.frombuffer(note.encode(), dtype=np.uint8)
        name = f"checkpoints/{progress.epoch:05d}-{progress.batch:07d}.npz"
        self._replace(name, lambda file: np.savez(file, allow_pickle=False, **arrays))
        self.write_metrics(progress.rows)
        for old in self.checkpoints()[:-_KEPT]:
            old.unlink(missing_ok=True)
        return self.path / name

    def write_metrics(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """One line of JSON for every epoch done. Raises InputError as `write` does."""
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        self._replace("metrics.jsonl", lambda file: file.write(lines.encode()))

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints, oldest first."""
        found = {path: _CHECKPOINT.fullmatch(path.name) for path in (self.path / "checkpoints").glob("*.npz")}
        numbers = {path: (int(match[1]), int(match[2])) for path, match in found.items() if match}
        return sorted(numbers, key=numbers.__getitem__)

    def restore(self) -> tuple[State, Progress] | None:
        """The newest checkpoint, or None where there is none yet. Raises InputError for one that is spoilt."""
        found = self.checkpoints()
        metrics = self.path / "metrics.jsonl"
        if not found and metrics.is_file() and metrics.stat().st_size:
            where = self.path / "checkpoints"
            raise InputError(where, f"empty, and there are epochs in {metrics.name}", "put back what was in it")
        if not found:
            return None
        try:
            arrays = _arrays(found[-1])
            note = json.loads(arrays.pop("note").tobytes())
            progress, steps = _progress(note["progress"]), _count(note["steps"], "steps")
        except _SPOILT as error:
            right = (
                "delete it: the run then goes on from the one before" if len(found) > 1 else "train into another --out"
            )
            raise InputError(found[-1], f"a spoilt checkpoint ({error})", right) from error
        state = State({}, steps=steps)
        for name, values in arrays.items():
            part, _, key = name.partition("/")
            state.parts[part][key] = values
        return state, progress

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes to this run meanwhile. Raises InputError where somebody does."""
        with self._lock():
            for draft in self.path.rglob(".*.tmp"):  # of a process that was killed
                draft.unlink()
            yield

    def _lock(self) -> IO[bytes]:
        """A file that the system unlocks as it is closed, however this process ends."""
        try:
            file = (self.path / ".lock").open("wb")
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                file.close()
                raise
        except BlockingIOError as error:
            raise InputError(
                self.path, "is being trained by another process", "wait for it, or choose another --out"
            ) from error
        except OSError as error:
            raise InputError(
                self.path, f"cannot be written: {error.strerror or error}", self._what_is_left()
            ) from error
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
            raise InputError(path, f"cannot be written: {error.strerror or error}", self._what_is_left()) from error

    def _what_is_left(self) -> str:
        found = self.checkpoints()
        return f"{found[-1].name} is whole: make room, then --resume" if found else "nothing was saved"


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays in an .npz file; ValueError for pickled objects and for an archive that unpacks to more than it is."""
    if not path.is_file():  # a pipe would be waited for
        raise ValueError("not a file")
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("compressed; no checkpoint is")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _progress(note: Mapping[str, Any]) -> Progress:
    """Where the loop stood, from JSON. Raises ValueError, KeyError or TypeError for what no loop writes."""
    progress = Progress(**note)
    for one in fields(Progress):
        value = getattr(progress, one.name)
        if one.name != "rows" and (type(value) not in (int, float) or not (math.isfinite(value) and value >= 0)):
            raise ValueError(f"{one.name} is {value!r}")
    for name in ("epoch", "batch", "correct", "samples", "spikes"):
        _count(getattr(progress, name), name)
    if progress.samples and not progress.seconds:
        raise ValueError("samples in no time")
    # the number first: a list of as many epochs as a note says need not fit into memory
    done = progress.epoch - 1
    if len(progress.rows) != done or [row["epoch"] for row in progress.rows] != list(range(1, done + 1)):
        raise ValueError(f"{len(progress.rows)} rows of metrics before epoch {progress.epoch}")
    for row in progress.rows:
        if any(type(row[key]) not in (int, float) or not math.isfinite(row[key]) for key in ROW):
            raise ValueError(f"metrics of epoch {row['epoch']} that are no numbers")
    return progress


def _count(value: Any, name: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value


def environment() -> dict[str, Any]:
    """Versions and machine, as far as they may matter to a result."""
    return {
        "versions": versions(),
        "platform": platform.platform(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "command": sys.argv,
    }


def versions() -> dict[str, str | None]:
    """Of Python and of what computes."""
    wanted = ("snnlab-brian", "brian2", "numpy", "scipy", "matplotlib", "scikit-learn")
    return {"python": platform.python_version()} | {name: _version(name) for name in wanted}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None  # a bare checkout has no version of its own
