"""What several test files need."""

from __future__ import annotations

import os

for _library in ("OMP", "OPENBLAS", "MKL"):  # read when NumPy is imported; the workers of the suite share the cores
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from toy_dataset import Toy

from snnlab import datasets, native

if TYPE_CHECKING:
    from snnlab.experiments.core.run import Run

for _profile in ("fast", "full", "all"):  # tests/examples.py scales the number of examples by profile
    # no deadline: the duration of an example means nothing on a busy machine
    hypothesis.settings.register_profile(_profile, deadline=None)
hypothesis.settings.load_profile("full")


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compiled code on one thread, unless a test asks for more: the workers of the suite share the cores."""
    with native.threads(1):
        yield


def _data_with(dataset: str) -> Path:
    """$SNNLAB_DATA, if it is set and has some of a dataset for each of its parts; else the test is skipped."""
    root = os.environ.get("SNNLAB_DATA")
    if not root:
        pytest.skip(f"SNNLAB_DATA is not set: no {dataset}")
    if any(place.path is None for place in datasets.locate(dataset, folder=Path(root))):
        pytest.skip(f"SNNLAB_DATA: no {dataset} below {root}")
    return Path(root)


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The data folder that holds MNIST."""
    return _data_with("mnist")


@pytest.fixture(scope="session")
def nmnist_folder() -> Path:
    """The data folder that holds recordings of N-MNIST."""
    return _data_with("nmnist")


@pytest.fixture(scope="session")
def fsdd_folder() -> Path:
    """The data folder that holds Free Spoken Digits."""
    return _data_with("fsdd")


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A small dataset in idx files, and no other data in reach."""
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: tmp_path / "own data")
    return Toy(tmp_path)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run of `small_run`, trained once for all tests; not to be changed."""
    from small_run import train_run

    with native.threads(1):
        return train_run(tmp_path_factory.mktemp("finished") / "run")


@pytest.fixture(scope="session")
def finished_path(finished_run: Run) -> Path:
    """The folder of the finished run."""
    return finished_run.directory.path
