"""The package works from a wheel, from an sdist and as an editable install."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CARD_FOLDERS = ("models", "datasets")

pytestmark = pytest.mark.thorough


def run(*command: str | Path, cwd: Path, **variables: str) -> str:
    """The output of a program that succeeds, run without this checkout on its path."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env=environment | variables,
        text=True,
        capture_output=True,
        timeout=600,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def card_digests(folder: Path) -> dict[str, str]:
    """The SHA-256 digest of each card below `folder`, by its path."""
    cards = [card for name in CARD_FOLDERS for card in (folder / name).glob("*.toml")]
    return {f"{card.parent.name}/{card.name}": hashlib.sha256(card.read_bytes()).hexdigest() for card in cards}


def package_files(folder: Path) -> set[str]:
    """The source files of the package, as paths from `folder`."""
    files = (file.relative_to(folder) for file in (folder / "snnlab").rglob("*") if file.is_file())
    return {str(file) for file in files if "__pycache__" not in file.parts}


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("archives")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def wheel_environment(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with the wheel and its dependencies."""
    folder = tmp_path_factory.mktemp("wheel") / "environment"
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", archives[1], cwd=folder)
    return folder


@pytest.fixture(scope="module")
def editable(
    archives: tuple[Path, Path], wheel_environment: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A checkout whose path contains spaces, and the Python of an environment that has it as an editable install."""
    folder = tmp_path_factory.mktemp("editable")
    with tarfile.open(archives[0]) as sdist:
        sdist.extractall(folder, filter="data")
    checkout = next(folder.iterdir()).rename(folder / "my own checkout")
    # hard links are quick; pip replaces files instead of changing them, so the other environment stays intact
    shutil.copytree(wheel_environment, folder / "environment", copy_function=os.link, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--editable", checkout, cwd=folder)
    return checkout, python


def test_the_wheel_holds_the_package_and_the_cards_only(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        metadata = [name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name]
    assert names == package_files(ROOT) | {f"snnlab/_library/{card}" for card in card_digests(ROOT)}
    assert "licenses/LICENSE" in metadata


def test_the_wheel_has_the_same_cards_as_the_checkout(wheel_environment: Path, tmp_path: Path) -> None:
    program = (
        "import json, snnlab.cards as c; print(c.__file__); cards = {**c.all_models(), **c.all_datasets()}.values();"
        "print(json.dumps({card.path: card.digest for card in cards}))"
    )
    file, digests = run(wheel_environment / "bin" / "python", "-c", program, cwd=tmp_path).splitlines()
    assert Path(file).is_relative_to(wheel_environment)
    assert json.loads(digests) == card_digests(ROOT)


def test_the_dependencies_of_the_wheel_are_consistent(wheel_environment: Path, tmp_path: Path) -> None:
    run(wheel_environment / "bin" / "python", "-m", "pip", "check", cwd=tmp_path)


@pytest.mark.parametrize("command", [["bin/snnlab"], ["bin/python", "-m", "snnlab"]], ids=["script", "module"])
def test_the_installed_command_lists_the_models(command: list[str], wheel_environment: Path, tmp_path: Path) -> None:
    listed = json.loads(run(wheel_environment / command[0], *command[1:], "models", "--json", cwd=tmp_path))
    names = listed if isinstance(listed, dict) else [card["id"] for card in listed]
    assert sorted(names) == sorted(card.stem for card in (ROOT / "models").glob("*.toml"))


def test_the_installed_command_simulates_and_plots_a_cell(wheel_environment: Path, tmp_path: Path) -> None:
    arguments = ["simulate", "lif", "--inject", "soma=0.15*nA", "--for", "200*ms", "--plot", "lif.png"]
    run(wheel_environment / "bin" / "snnlab", *arguments, cwd=tmp_path, SNNLAB_CACHE=str(tmp_path / "cache"))
    assert (tmp_path / "lif.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def test_the_installed_engine_compiles_and_spikes(wheel_environment: Path, tmp_path: Path) -> None:
    program = """
import numpy as np
from snnlab import Population, Source, SpikeTrains, cell, engine, feedforward
spike = SpikeTrains.from_dense(np.arange(50).reshape(1, 50, 1) == 1, 1e-3)
circuit = feedforward(Source("input", 1), [Population("cell", cell("lif_exp"), 1)], "synapse", "1 ms")
for weight in (1e-3, 1e3):
    weights = {"input->cell.synapse": np.full((1, 1), weight)}
    print(len(engine.run(circuit, {"input": spike}, weights=weights)["cell"].spikes) > 0)
"""
    python = wheel_environment / "bin" / "python"
    output = run(python, "-c", program, cwd=tmp_path, SNNLAB_CACHE=str(tmp_path / "cache"))
    assert output.split() == ["False", "True"]


def test_an_editable_install_finds_a_new_card(editable: tuple[Path, Path], tmp_path: Path) -> None:
    checkout, python = editable
    program = "import snnlab.cards as c; print(c.__file__); print(*c.all_models())"
    shutil.copy(checkout / "models" / "lif.toml", checkout / "models" / "my_cell.toml")
    file, names = run(python, "-c", program, cwd=tmp_path).splitlines()
    assert Path(file) == checkout / "snnlab" / "cards" / "__init__.py"
    assert sorted(names.split()) == sorted(card.stem for card in (checkout / "models").glob("*.toml"))
    assert "my_cell" in names.split()


def test_an_editable_install_exposes_the_package_only(editable: tuple[Path, Path], tmp_path: Path) -> None:
    checkout, python = editable
    folders = sorted(entry.name for entry in checkout.iterdir() if entry.is_dir())
    program = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    assert {"snnlab", "models", "datasets", "tests", "scripts"} <= set(folders)
    assert run(python, "-c", program, *folders, cwd=tmp_path).split() == ["snnlab"]
