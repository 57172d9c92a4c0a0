"""What several test files need."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from toy_dataset import Toy

from snnlab import loaders


@pytest.fixture(scope="session")
def mnist_folder() -> Path:
    """The data folder that holds MNIST."""
    root = os.environ.get("SNNLAB_DATA")
    if not root:
        pytest.skip("SNNLAB_DATA is not set: no MNIST")
    if any(place.path is None for place in loaders.where("mnist", folder=Path(root))):
        pytest.skip(f"SNNLAB_DATA: no MNIST below {root}")
    return Path(root)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """A small dataset in idx files, and no other data in reach."""
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    monkeypatch.setattr("snnlab.loaders.files.data_folder", lambda: tmp_path / "own data")
    return Toy(tmp_path)
