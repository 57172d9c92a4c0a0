"""The layout of the package: floors of imports, single entry points, sizes, and files that must agree."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def check(*command: str, cwd: Path, ok: bool) -> str:
    done = subprocess.run([sys.executable, *command], cwd=cwd, text=True, capture_output=True, timeout=120)
    assert (done.returncode == 0) == ok, f"{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and its configuration, in which a test plants a fault."""
    shutil.copytree(ROOT / "snnlab", tmp_path / "snnlab", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint_imports(folder: Path, ok: bool) -> str:
    program = "import sys; sys.path.insert(0, '.'); from importlinter.cli import lint_imports_command as c; c()"
    return check("-c", program, "--no-logo", "--no-cache", cwd=folder, ok=ok)


def test_no_import_goes_up_and_no_packages_import_in_a_circle(copy: Path) -> None:
    assert "0 broken" in lint_imports(copy, ok=True)


@pytest.mark.parametrize(
    ("file", "line", "import_"),
    [
        ("cards/planted.py", "import snnlab.brian.run", "snnlab.cards.planted -> snnlab.brian.run"),
        ("analysis/planted.py", "import snnlab.plots.style", ".plots -> .analysis"),
        ("rules/planted.py", "from brian2 import ms", "snnlab.rules.planted -> brian2"),
        ("engine/planted.py", "import brian2", "snnlab.engine.planted -> brian2"),
        ("brian/planted.py", "import matplotlib.pyplot", "snnlab.brian.planted -> matplotlib"),
        ("encoders/planted.py", "import tonic", "snnlab.encoders.planted -> tonic"),
        ("rules/planted.py", "import snnlab.brian.run", "snnlab.rules.planted -> snnlab.brian.run"),
        ("planted.py", "", "snnlab.planted"),
    ],
)
def test_a_forbidden_import_is_reported(file: str, line: str, import_: str, copy: Path) -> None:
    with (copy / "snnlab" / file).open("a", encoding="utf-8") as module:
        module.write(f"\n{line}\n")
    assert import_ in lint_imports(copy, ok=False)


@pytest.mark.parametrize("package", ["brian2", "matplotlib", "tonic"])
def test_ruff_reports_an_import_past_its_entry_point(package: str, copy: Path) -> None:
    (copy / "snnlab" / "rules" / "planted.py").write_text(f"import {package}\n\n{package}.x\n", encoding="utf-8")
    output = check("-m", "ruff", "check", "--no-cache", "snnlab/rules/planted.py", cwd=copy, ok=False)
    assert "TID251" in output


def test_files_functions_and_the_root_stay_small() -> None:
    assert len(list((ROOT / "snnlab").glob("*.py"))) <= 6
    for file in sorted((ROOT / "snnlab").rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 400, f"{file.name} is longer than 400 lines"
        assert not re.search("util|helper|misc", file.stem), f"{file.name} does not name its subject"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                assert code_lines(node) <= 60, f"{file.name}: {node.name} has {code_lines(node)} lines"


def test_no_folder_of_the_package_has_one_file_only() -> None:
    for folder in {file.parent for file in (ROOT / "snnlab").rglob("*.py")}:
        entries = [entry for entry in folder.iterdir() if entry.suffix in (".py", ".hpp", ".cpp") or entry.is_dir()]
        assert len([entry for entry in entries if entry.name not in ("__init__.py", "__pycache__")]) > 1, folder


def code_lines(function: ast.FunctionDef) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    docstring = first.end_lineno - first.lineno + 1 if first and first.end_lineno else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def test_version_is_the_same_everywhere() -> None:
    version = re.escape(PROJECT["version"])
    assert re.search(rf"^version: {version}$", (ROOT / "CITATION.cff").read_text(encoding="utf-8"), re.MULTILINE)
    assert re.search(rf"^## {version}\b", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)


def test_the_licence_is_the_complete_gpl() -> None:
    text = (ROOT / "LICENSE").read_bytes()
    assert hashlib.sha256(text).hexdigest() == "3972dc9744f6499f0f9b2dbf76696f2ae7ad8af9b23dde66d6af86c9dfb36986"
    assert PROJECT["license"] == "GPL-3.0-or-later"


def test_the_card_folders_hold_cards_only() -> None:
    for folder in ("models", "datasets"):
        assert {entry.suffix for entry in (ROOT / folder).iterdir()} == {".toml"}
