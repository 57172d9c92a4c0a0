"""Options of the simulation scripts: invalid ones end the script with one line, before any computation."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from snnlab.cli.script import script_parser

ROOT = Path(__file__).resolve().parents[2]
SHARING = sorted(
    path.stem for path in (ROOT / "scripts").glob("*.py") if "script_parser" in path.read_text(encoding="utf-8")
)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_an_input_error_is_one_line_and_other_errors_have_a_traceback() -> None:
    start = "from snnlab.cli.script import script_parser as p; from snnlab.errors import InputError; p('', 'a.png'); "
    failed = run("-c", start + "raise InputError('file', 'no cell', 'must have one')")
    other = run("-c", start + "1 / 0")
    assert (failed.returncode, failed.stdout, failed.stderr) == (1, "", "-c: file: no cell; must have one\n")
    assert other.returncode == 1 and other.stderr.startswith("Traceback") and "ZeroDivisionError" in other.stderr


def test_an_unwritable_figure_is_an_error_of_usage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # restored after the test
    parser = script_parser("First paragraph.\n\nSecond.", "cells.png")
    for name in ("x.gif", str(tmp_path / "no" / "x.png")):
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args(["--plot", name])
        assert stopped.value.code == 2 and f"--plot: {name}" in capsys.readouterr().err
    assert parser.parse_args([]).plot == Path("cells.png")
    assert parser.parse_args(["--plot", str(tmp_path / "x.svg")]).plot == tmp_path / "x.svg"
    assert parser.description == "First paragraph."


@pytest.mark.slow
@pytest.mark.parametrize("script", SHARING)
def test_every_script_checks_the_figure_and_has_help(script: str) -> None:
    path = str(ROOT / "scripts" / f"{script}.py")
    failed, helped = run(path, "--plot", "x.gif"), run(path, "--help")
    assert failed.returncode == 2 and "x.gif" in failed.stderr and "Traceback" not in failed.stderr
    assert helped.returncode == 0 and "--plot FILE" in helped.stdout and len(helped.stdout) > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "arguments", "code", "start"),
    [
        ("corinfomax", ["--dataset", "nope"], 1, "corinfomax: datasets: "),
        ("corinfomax", ["--every", "0"], 2, "corinfomax.py: error: argument --every: "),
        ("corinfomax", ["--dataset", "digits", "--seed", "-1"], 1, "corinfomax: "),
        ("self_assembly", ["--seconds", "0"], 2, "self_assembly.py: error: argument --seconds: "),
    ],
)
def test_invalid_values_are_one_line(script: str, arguments: list[str], code: int, start: str) -> None:
    done = run(str(ROOT / "scripts" / f"{script}.py"), *arguments)
    assert done.returncode == code and done.stderr.splitlines()[-1].startswith(start), done.stderr
    assert "Traceback" not in done.stderr
