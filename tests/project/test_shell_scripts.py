"""scripts/quickstart and scripts/test on machines that lack something, and their help."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
BASH = shutil.which("bash") or "bash"


def run(script: Path, *arguments: str, cwd: Path, ok: bool, **variables: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [BASH, str(script), *arguments], cwd=cwd, env=os.environ | variables, text=True, capture_output=True, timeout=60
    )
    assert (done.returncode == 0) == ok, f"{script}\n{done.stdout}\n{done.stderr}"
    return done


def bare_machine(folder: Path, **programs: str) -> dict[str, str]:
    """A PATH with the commands that a shell script needs and `programs`, name -> body of a shell script."""
    bin_ = folder / "bin"
    bin_.mkdir()
    for name in ("bash", "dirname", "cat", "tail"):
        (bin_ / name).symlink_to(shutil.which(name) or name)
    for name, body in programs.items():
        (bin_ / name).write_text(f"#!{bin_ / 'bash'}\n{body}\n", encoding="utf-8")
        (bin_ / name).chmod(0o755)
    return {"PATH": str(bin_), "CXX": "", "PYTHON": ""}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The scripts alone, in a checkout whose path contains spaces."""
    folder = tmp_path / "a fresh checkout"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    return folder


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_without_a_compiler_the_scripts_name_the_package_to_install(
    script: str, checkout: Path, tmp_path: Path
) -> None:
    done = run(checkout / "scripts" / script, cwd=tmp_path, ok=False, **bare_machine(tmp_path))
    assert "C++ compiler" in done.stderr
    assert "apt install g++" in done.stderr


@pytest.mark.parametrize("script", ["quickstart", "test"])
def test_without_a_suitable_python_the_scripts_name_the_versions(script: str, checkout: Path, tmp_path: Path) -> None:
    old = '[ "$1" = --version ] && echo "Python 3.8.10" || exit 1'
    machine = bare_machine(tmp_path, **{"g++": "exit 0", "python3": old})
    done = run(checkout / "scripts" / script, cwd=tmp_path, ok=False, **machine)
    assert "3.11, 3.12 or 3.13" in done.stderr and "Python 3.8.10" in done.stderr
    assert "compiler" not in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_folder_in_place_of_the_environment_is_not_touched(checkout: Path, tmp_path: Path) -> None:
    file = checkout / ".venv" / "thesis.txt"
    file.parent.mkdir()
    file.write_text("eight years", encoding="utf-8")
    done = run(checkout / "scripts" / "quickstart", cwd=tmp_path, ok=False)
    assert str(file.parent) in done.stderr
    assert file.read_text(encoding="utf-8") == "eight years"


@pytest.mark.parametrize("script", ["quickstart", "test"])
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_prints_the_comment_at_the_top_and_starts_nothing(
    script: str, option: str, checkout: Path, tmp_path: Path
) -> None:
    before = sorted(checkout.rglob("*"))
    machine = bare_machine(tmp_path, **{"g++": "exit 0", "python3": "echo started >&2; exit 1"})
    done = run(checkout / "scripts" / script, option, cwd=tmp_path, ok=True, **machine)
    comment = (checkout / "scripts" / script).read_text(encoding="utf-8").split("\nset -euo")[0].splitlines()[1:]
    assert done.stdout.splitlines() == [line[2:] for line in comment]
    assert re.search(rf"^  \./scripts/{script}\b", done.stdout, re.MULTILINE) and done.stderr == ""
    assert sorted(checkout.rglob("*")) == before


def test_the_quickstart_rejects_unknown_arguments(checkout: Path, tmp_path: Path) -> None:
    done = run(checkout / "scripts" / "quickstart", "--epochs=3", cwd=tmp_path, ok=False)
    assert "--epochs=3" in done.stderr and done.stderr.count("\n") == 1
    assert not (checkout / ".venv").exists()
