"""A training run of a second, for tests that create, kill, corrupt and resume one."""

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
BATCHES = 6  # per epoch: 1,437 digits in batches of 240


ROOT = Path(__file__).resolve().parents[1]
COMMAND = [sys.executable, "-m", "snnlab"]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(ROOT)}
"""Environment of a process that runs this checkout, installed or not."""


def create_run(path: Path, seed: int = 1, experiment: Any = EXPERIMENT) -> Run:
    return Run.create(path, experiment, seed=seed, threads=1)


def train_run(path: Path, seed: int = 1) -> Run:
    """Create and train a run; there is no summary.json."""
    run = create_run(path, seed)
    for _ in train(run.config, run.directory):
        pass
    return run


def arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of the newest checkpoint, without its note."""
    with np.load(max((path / "checkpoints").glob("*.npz")), allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files if name != "note"}


def note(path: Path) -> dict[str, Any]:
    with np.load(max((path / "checkpoints").glob("*.npz")), allow_pickle=False) as archive:
        return json.loads(archive["note"].tobytes())


def same_bits(first: Path, second: Path) -> bool:
    """Whether two runs ended with the same state, bit for bit, after the same number of steps."""
    left, right = arrays(first), arrays(second)
    same = left.keys() == right.keys() and all(left[name].tobytes() == right[name].tobytes() for name in left)
    return same and note(first)["steps"] == note(second)["steps"]


def interrupt_and_resume(path: Path, stop: int, threads: int = 1, **options: Any) -> None:
    """Create a run, stop it after report number `stop`, open it again and train it to the end."""
    run = create_run(path, **options)
    for number, _ in enumerate(train(run.config, run.directory, checkpoint_interval=0.0), start=1):
        if number == stop:
            break
    resumed = Run.open(path, threads=threads)
    for _ in train(resumed.config, resumed.directory):
        pass


def train_or_resume(path: str, interval: float = 0.0, sabotage: Callable[[], None] | None = None) -> None:
    """Create or resume a run in a child process, with a checkpoint of every batch."""
    if sabotage is not None:
        sabotage()
    folder = Path(path)
    run = Run.open(folder, threads=1) if (folder / "experiment.json").exists() else create_run(folder)
    for _ in train(run.config, run.directory, checkpoint_interval=interval):
        pass


def die() -> None:
    """Like kill -9: nothing is flushed, closed or cleaned up."""
    os.kill(os.getpid(), signal.SIGKILL)
