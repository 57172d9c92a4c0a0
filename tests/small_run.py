"""A training run of a second, for tests that begin, kill, spoil and resume one."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.training.loop import train

OPTIONS = {
    "network.hidden": "24",
    "network.v_th": "3,3",
    "encoder.steps": "60",
    "rule.learning_rate": "0.1",
    "rule.target": "12",
    "rule.non_target": "2",
    "rule.margin": "1",
    "batch": "240",
    "epochs": "2",
}
WORDS = ["hm2bp-digits", "--threads", "1", *(f"--set={key}={value}" for key, value in OPTIONS.items())]
EXPERIMENT = EXPERIMENTS["hm2bp-digits"].with_options(OPTIONS)
BATCHES = 6  # of 240 in an epoch of 1,437 digits


ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "snnlab"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
"""Of a process elsewhere that runs this checkout, installed or not."""


def begun(path: Path, seed: int = 1, experiment: Any = EXPERIMENT) -> Run:
    return Run.create(path, experiment, seed=seed, threads=1)


def trained(path: Path, seed: int = 1) -> Run:
    """A finished run, without its summary."""
    study = begun(path, seed)
    for _ in train(study.config, study.directory):
        pass
    return study


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The newest checkpoint as NumPy reads it, the note of the loop aside."""
    with np.load(max((path / "checkpoints").glob("*.npz")), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name != "note"}


def note(path: Path) -> dict[str, Any]:
    with np.load(max((path / "checkpoints").glob("*.npz")), allow_pickle=False) as archive:
        return json.loads(archive["note"].tobytes())


def same_bits(one: Path, other: Path) -> bool:
    """Whether two runs ended with the same weights and the same memory, bit for bit, in the same epoch."""
    left, right = arrays(one), arrays(other)
    same = left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)
    return same and note(one)["steps"] == note(other)["steps"]


def leave_and_go_on(path: Path, stop: int, threads: int = 1, **how: Any) -> None:
    """Begin a run, leave it after the report of number `stop`, open it from what it wrote, and train to the end."""
    study = begun(path, **how)
    for number, _ in enumerate(train(study.config, study.directory, checkpoint_interval=0.0), start=1):
        if number == stop:
            break
    again = Run.open(path, threads=threads)
    for _ in train(again.config, again.directory):
        pass


def train_on(path: str, between: float = 0.0, sabotage: Callable[[], None] | None = None) -> None:
    """What a child process does: begin the run or go on with it, keeping a checkpoint of every batch."""
    if sabotage is not None:
        sabotage()
    place = Path(path)
    study = Run.open(place, threads=1) if (place / "experiment.json").exists() else begun(place)
    for _ in train(study.config, study.directory, checkpoint_interval=between):
        pass


def die() -> None:
    """As after kill -9: nothing is flushed, closed or cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
