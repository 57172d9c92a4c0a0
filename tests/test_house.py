"""The house stands wherever it is put: in a checkout, in a wheel, in an editable install; and its walls hold."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SHELVES = ("models", "datasets")
BASH = shutil.which("bash") or "bash"

# what pip builds and installs is kept apart by worker, so one worker takes all of it
pytestmark = pytest.mark.xdist_group("house")


def run(*command: str | Path, cwd: Path, ok: bool = True, **more: str) -> subprocess.CompletedProcess[str]:
    """A program's output, away from this checkout; fails, showing what was said, where `ok` is not met."""
    environment = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(
        [str(word) for word in command], cwd=cwd, env=environment | more, text=True, capture_output=True, timeout=600
    )
    assert (done.returncode == 0) == ok, f"{command}\n{done.stdout}\n{done.stderr}"
    return done


def cards_in(folder: Path) -> dict[str, str]:
    """Each card below `folder`, and the SHA-256 of its bytes."""
    cards = [card for shelf in SHELVES for card in (folder / shelf).glob("*.toml")]
    return {f"{card.parent.name}/{card.name}": hashlib.sha256(card.read_bytes()).hexdigest() for card in cards}


def package_files(folder: Path) -> set[str]:
    """Every source file of the package, as a path from the root."""
    files = (file.relative_to(folder) for file in (folder / "snnlab").rglob("*") if file.is_file())
    return {str(file) for file in files if "__pycache__" not in file.parts}


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it."""
    folder = tmp_path_factory.mktemp("archives")
    run(sys.executable, "-m", "build", "--outdir", folder, ROOT, cwd=folder)
    return next(folder.glob("*.tar.gz")), next(folder.glob("*.whl"))


@pytest.fixture(scope="session")
def elsewhere(archives: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment outside the checkout with the wheel and all it asks for."""
    folder = tmp_path_factory.mktemp("elsewhere") / "environment"
    venv.create(folder, with_pip=True)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", archives[1], cwd=folder)
    return folder


@pytest.fixture(scope="session")
def editable(
    archives: tuple[Path, Path], elsewhere: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Path]:
    """A checkout, its path with spaces, and the interpreter of an environment that has it as an editable install."""
    folder = tmp_path_factory.mktemp("editable")
    with tarfile.open(archives[0]) as sdist:
        sdist.extractall(folder, filter="data")
    checkout = next(folder.iterdir()).rename(folder / "my own checkout")
    # links take no time and no space; pip replaces a file that it changes, so the other environment stays as it is
    shutil.copytree(elsewhere, folder / "environment", copy_function=os.link, symlinks=True)
    python = folder / "environment" / "bin" / "python"
    run(python, "-m", "pip", "install", "--quiet", "--editable", checkout, cwd=folder)
    return checkout, python


# Installed ----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_its_cards_and_nothing_else(archives: tuple[Path, Path]) -> None:
    with zipfile.ZipFile(archives[1]) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}
        told = [name.split(".dist-info/")[1] for name in wheel.namelist() if ".dist-info/" in name]
    assert names == package_files(ROOT) | {f"snnlab/_library/{card}" for card in cards_in(ROOT)}
    assert "licenses/LICENSE" in told


@pytest.mark.slow
def test_an_installed_wheel_has_the_same_cards_as_the_tree(elsewhere: Path, tmp_path: Path) -> None:
    program = (
        "import json, snnlab.cards as c; print(c.__file__); cards = {**c.all_models(), **c.all_datasets()}.values();"
        "print(json.dumps({card.path: card.digest for card in cards}))"
    )
    file, digests = run(elsewhere / "bin" / "python", "-c", program, cwd=tmp_path).stdout.splitlines()
    assert Path(file).is_relative_to(elsewhere)
    assert json.loads(digests) == cards_in(ROOT)


@pytest.mark.slow
def test_the_versions_that_are_resolved_agree_with_one_another(elsewhere: Path, tmp_path: Path) -> None:
    run(elsewhere / "bin" / "python", "-m", "pip", "check", cwd=tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("command", [["bin/snnlab"], ["bin/python", "-m", "snnlab"]], ids=["script", "module"])
def test_the_installed_command_lists_the_models(command: list[str], elsewhere: Path, tmp_path: Path) -> None:
    listed = json.loads(run(elsewhere / command[0], *command[1:], "models", "--json", cwd=tmp_path).stdout)
    names = listed if isinstance(listed, dict) else [card["id"] for card in listed]
    assert sorted(names) == sorted(card.stem for card in (ROOT / "models").glob("*.toml"))


@pytest.mark.slow
def test_the_installed_command_simulates_a_cell_and_draws_it(elsewhere: Path, tmp_path: Path) -> None:
    words = ["simulate", "lif", "--inject", "soma=0.15*nA", "--for", "200*ms", "--plot", "lif.png"]
    run(elsewhere / "bin" / "snnlab", *words, cwd=tmp_path, SNNLAB_CACHE=str(tmp_path / "cache"))
    assert (tmp_path / "lif.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.slow
def test_the_installed_engine_compiles_and_spikes(elsewhere: Path, tmp_path: Path) -> None:
    program = """
import numpy as np
from snnlab import cards
from snnlab.networks import circuit
from snnlab import engine
from snnlab.data import spikes
once = spikes.SpikeTrains.from_dense(np.arange(50).reshape(1, 50, 1) == 1, 1e-3)
cell = circuit.Population("cell", cards.cell("lif_exp"), 1)
net = circuit.feedforward(circuit.Source("eye", 1), [cell], "synapse", "1 ms")
for weight in (1e-3, 1e3):
    given = net.with_weights({"eye->cell.synapse": np.full((1, 1), weight)})
    print(len(engine.run(given, {"eye": once})["cell"].spikes) > 0)
"""
    said = run(elsewhere / "bin" / "python", "-c", program, cwd=tmp_path, SNNLAB_CACHE=str(tmp_path / "cache"))
    assert said.stdout.split() == ["False", "True"]


@pytest.mark.slow
def test_an_editable_install_sees_a_new_card_at_once(editable: tuple[Path, Path], tmp_path: Path) -> None:
    checkout, python = editable
    program = "import snnlab.cards as c; print(c.__file__); print(*c.all_models())"
    shutil.copy(checkout / "models" / "lif.toml", checkout / "models" / "my_cell.toml")
    file, names = run(python, "-c", program, cwd=tmp_path).stdout.splitlines()
    assert Path(file) == checkout / "snnlab" / "cards.py"
    assert sorted(names.split()) == sorted(card.stem for card in (checkout / "models").glob("*.toml"))
    assert "my_cell" in names.split()


@pytest.mark.slow
def test_an_editable_install_lets_nothing_else_of_the_checkout_in(editable: tuple[Path, Path], tmp_path: Path) -> None:
    checkout, python = editable
    folders = sorted(entry.name for entry in checkout.iterdir() if entry.is_dir())
    program = "import importlib.util as u, sys; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    assert {"snnlab", "models", "datasets", "tests", "scripts"} <= set(folders)
    assert run(python, "-c", program, *folders, cwd=tmp_path).stdout.split() == ["snnlab"]


# The scripts --------------------------------------------------------------------------------------------------------


def bare_machine(folder: Path, **programs: str) -> dict[str, str]:
    """A PATH with a shell's bare needs and `programs`, name -> what the shell does for it."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name in ("bash", "dirname", "cat", "tail"):
        (bin_ / name).symlink_to(shutil.which(name) or name)
    for name, does in programs.items():
        (bin_ / name).write_text(f"#!{bin_ / 'bash'}\n{does}\n", encoding="utf-8")
        (bin_ / name).chmod(0o755)
    return {"PATH": str(bin_), "CXX": "", "PYTHON": ""}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts alone, in a checkout whose path has spaces."""
    folder = tmp_path / "a fresh checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_without_a_compiler_the_scripts_say_which_to_install(script: str, checkout: Path, tmp_path: Path) -> None:
    done = run(BASH, checkout / "scripts" / script, cwd=tmp_path, ok=False, **bare_machine(tmp_path))
    assert "needs a C++ compiler" in done.stderr
    assert "apt install g++" in done.stderr


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_without_a_fitting_python_the_scripts_say_which_to_install(script: str, checkout: Path, tmp_path: Path) -> None:
    old = '[ "$1" = --version ] && echo "Python 3.8.10" || exit 1'
    machine = bare_machine(tmp_path, **{"g++": "exit 0", "python3": old})
    done = run(BASH, checkout / "scripts" / script, cwd=tmp_path, ok=False, **machine)
    assert "needs Python 3.11, 3.12 or 3.13; found: Python 3.8.10" in done.stderr
    assert "compiler" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_folder_in_the_place_of_the_environment_is_left_alone(checkout: Path, tmp_path: Path) -> None:
    precious = checkout / ".venv" / "thesis.txt"
    precious.parent.mkdir()
    precious.write_text("eight years", encoding="utf-8")
    done = run(BASH, checkout / "scripts" / "quickstart", cwd=tmp_path, ok=False)
    assert "is not a Python environment" in done.stderr
    assert precious.read_text(encoding="utf-8") == "eight years"


@pytest.mark.parametrize("script", ["quickstart", "test"])
@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_of_a_script_is_printed_and_nothing_is_begun(
    script: str, word: str, checkout: Path, tmp_path: Path
) -> None:
    before = sorted(checkout.rglob("*"))
    machine = bare_machine(tmp_path, **{"g++": "exit 0", "python3": "echo begun >&2; exit 1"})
    done = run(BASH, checkout / "scripts" / script, word, cwd=tmp_path, **machine)
    comment = (checkout / "scripts" / script).read_text(encoding="utf-8").split("\nset -euo")[0].splitlines()[1:]
    assert done.stdout.splitlines() == [line[2:] for line in comment]
    assert re.search(rf"^  \./scripts/{script}\b", done.stdout, re.MULTILINE) and done.stderr == ""
    assert sorted(checkout.rglob("*")) == before


def test_a_word_that_the_quickstart_does_not_know_is_refused(checkout: Path, tmp_path: Path) -> None:
    done = run(BASH, checkout / "scripts" / "quickstart", "--epochs=3", cwd=tmp_path, ok=False)
    assert done.stderr == "quickstart: found --epochs=3; it takes no words but --help\n"
    assert not (checkout / ".venv").exists()


# The walls ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its configuration, to plant faults in."""
    shutil.copytree(ROOT / "snnlab", tmp_path / "snnlab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path, ok: bool) -> str:
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    done = run(sys.executable, "-c", program, "--no-logo", "--no-cache", cwd=folder, ok=ok)
    return done.stdout


def test_imports_run_downstairs(copy: Path) -> None:
    assert "0 broken" in lint_imports(copy, ok=True)


@pytest.mark.parametrize(
    ("room", "line", "complaint"),
    [
        ("cards.py", "import snnlab.brian.equations", "snnlab.cards -> snnlab.brian.equations"),
        ("rules/planted.py", "from brian2 import ms", "snnlab.rules.planted -> brian2"),
        ("plots/planted.py", "import brian2", "snnlab.plots.planted -> brian2"),
        ("equations.py", "import matplotlib.pyplot", "snnlab.brian.equations -> matplotlib"),
        ("encode/planted.py", "import tonic", "snnlab.encoders.planted -> tonic"),
        ("rules/planted.py", "import snnlab.brian", "snnlab.rules.planted -> snnlab.brian"),
        ("helpers.py", "", "snnlab.helpers"),
    ],
)
def test_a_planted_import_is_caught(room: str, line: str, complaint: str, copy: Path) -> None:
    with (copy / "snnlab" / room).open("a", encoding="utf-8") as file:
        file.write(f"\n{line}\n")
    assert complaint in lint_imports(copy, ok=False)


@pytest.mark.parametrize("package", ["brian2", "matplotlib", "tonic"])
def test_the_editor_is_told_about_doors(package: str, copy: Path) -> None:
    (copy / "snnlab" / "rules" / "planted.py").write_text(f"import {package}\n\n{package}.x\n", encoding="utf-8")
    done = run(sys.executable, "-m", "ruff", "check", "--no-cache", "snnlab/rules/planted.py", cwd=copy, ok=False)
    assert "TID251" in done.stdout


def test_every_room_can_be_read() -> None:
    for file in sorted((ROOT / "snnlab").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{file.name} is longer than 400 lines"
        assert "util" not in file.stem and "helper" not in file.stem, f"{file.name} says nothing about what it holds"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert _length(node) <= 60, f"{file.name}: {node.name} is {_length(node)} lines long"


def _length(function: ast.FunctionDef) -> int:
    """Lines of a function, its docstring aside."""
    said = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = said.end_lineno - said.lineno + 1 if said and said.end_lineno else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_the_version_is_the_same_everywhere() -> None:
    version = re.escape(PROJECT["version"])
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(rf"^## {version}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_licence_is_the_whole_gpl() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986"
    assert PROJECT["license"] == "GPL-3.0-or-later"


def test_the_shelves_hold_cards_and_nothing_else() -> None:
    for shelf in SHELVES:
        assert {entry.suffix for entry in (ROOT / shelf).iterdir()} == {".toml"}
