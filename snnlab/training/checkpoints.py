"""Checkpoints: the rule's State and the Progress of the training, in one .npz without pickles.

People exchange runs, so everything that is read is checked.
"""

from __future__ import annotations

import json
import math
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from snnlab.rules.rule import BatchMetrics, State

ROW = (
    "epoch train_loss train_accuracy test_accuracy train_samples_per_s test_samples_per_s spikes_per_sample seconds"
).split()
"""The metrics of an epoch: accuracies 0 to 1, spikes of all populations per test sample, seconds of training and test.

For a rule with a gradient also "angles": projection -> degrees, see gradient_angle.py.
"""

# raised by zipfile, NumPy's header reader and json for invalid bytes
CORRUPT = (
    OSError, ValueError, KeyError, TypeError, EOFError, RecursionError, OverflowError, NotImplementedError, SyntaxError,
    struct.error, tokenize.TokenError, zipfile.BadZipFile, zlib.error,
)  # fmt: skip


@dataclass
class Progress:
    """How far a training has come.

    epoch, batch  the next batch; epochs count from 1, batches from 0
    loss, correct, samples, spikes, seconds   sums over the batches of this epoch so far
    rows          metrics of each finished epoch, with the keys of ROW
    """

    epoch: int = 1
    batch: int = 0
    loss: float = 0.0
    correct: int = 0
    samples: int = 0
    spikes: int = 0
    seconds: float = 0.0
    rows: list[dict[str, Any]] = field(default_factory=list)

    def add(self, metrics: BatchMetrics, seconds: float) -> None:
        """Count a finished batch."""
        self.batch += 1
        self.loss += metrics.loss * metrics.samples
        self.correct += metrics.n_correct
        self.samples += metrics.samples
        self.spikes += metrics.spikes
        self.seconds += seconds


def write_checkpoint(file: IO[bytes], state: State, progress: Progress) -> None:
    """Write a checkpoint to an open file."""
    arrays: dict[str, Any] = {
        f"{part}/{name}": values for part, group in state.parts.items() for name, values in group.items()
    }
    note = json.dumps({"steps": state.steps, "progress": asdict(progress)})
    np.savez(file, allow_pickle=False, **arrays, note=np.frombuffer(note.encode(), dtype=np.uint8))


def read_checkpoint(path: Path) -> tuple[State, Progress]:
    """Read a checkpoint. Raises one of CORRUPT if it is not a valid checkpoint."""
    arrays = _arrays(path)
    note = json.loads(arrays.pop("note").tobytes())
    progress = _progress(note["progress"])
    state = State({}, steps=_count(note["steps"], "steps"))
    for name, values in arrays.items():
        part, _, key = name.partition("/")
        state.parts[part][key] = values
    return state, progress


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file; ValueError for pickled objects and compressed archives, which may be bombs."""
    if not path.is_file():  # a pipe would block
        raise ValueError("not a file")
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise ValueError("compressed; checkpoints are not")
    with np.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def _progress(note: Mapping[str, Any]) -> Progress:
    """Progress from JSON. Raises ValueError, KeyError or TypeError for values that a training never writes."""
    progress = Progress(**note)
    for each in fields(Progress):
        value = getattr(progress, each.name)
        if each.name != "rows" and (type(value) not in (int, float) or not (math.isfinite(value) and value >= 0)):
            raise ValueError(f"{each.name} is {value!r}")
    for name in ("epoch", "batch", "correct", "samples", "spikes"):
        _count(getattr(progress, name), name)
    if progress.samples and not progress.seconds:
        raise ValueError("samples in 0 seconds")
    # the number first: a list of as many epochs as the note claims may not fit into memory
    done = progress.epoch - 1
    if len(progress.rows) != done or [row["epoch"] for row in progress.rows] != list(range(1, done + 1)):
        raise ValueError(f"{len(progress.rows)} rows of metrics before epoch {progress.epoch}")
    for row in progress.rows:
        if any(type(row[key]) not in (int, float) or not math.isfinite(row[key]) for key in ROW):
            raise ValueError(f"metrics of epoch {row['epoch']} that are not numbers")
    return progress


def _count(value: Any, name: str) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"{name} is {value!r}")
    return value
