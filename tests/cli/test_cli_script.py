"""What the simulation scripts share: a mistake ends them with one line, before any work, and never with a traceback."""

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


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=120, cwd=ROOT)


def test_a_refusal_is_one_line_and_another_error_is_a_traceback() -> None:
    begin = "from snnlab.cli.script import script_parser as p; from snnlab.errors import InputError; p('', 'a.png'); "
    refused, other = run("-c", begin + "raise InputError('file', 'no cell', 'needs one')"), run("-c", begin + "1 / 0")
    assert (refused.returncode, refused.stdout, refused.stderr) == (1, "", "-c: file: no cell; needs one\n")
    assert other.returncode == 1 and other.stderr.startswith("Traceback") and "ZeroDivisionError" in other.stderr


def test_a_picture_that_could_not_be_written_is_refused_while_words_are_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)  # what it sets does not outlive the test
    parser = script_parser("What it does.\n\nMore of it.", "cells.png")
    for name, says in (("x.gif", "suffix '.gif' for a picture"), (str(tmp_path / "no" / "x.png"), "No such file")):
        with pytest.raises(SystemExit) as stopped:
            parser.parse_args(["--plot", name])
        said = capsys.readouterr().err
        assert stopped.value.code == 2 and says in said and "--plot" in said
    assert parser.parse_args([]).plot == Path("cells.png")
    assert parser.parse_args(["--plot", str(tmp_path / "x.svg")]).plot == tmp_path / "x.svg"
    assert parser.description == "What it does."


@pytest.mark.slow
@pytest.mark.parametrize("script", SHARING)
def test_every_script_refuses_such_a_picture_and_tells_what_it_does(script: str) -> None:
    path = str(ROOT / "scripts" / f"{script}.py")
    refused, helped = run(path, "--plot", "x.gif"), run(path, "--help")
    assert refused.returncode == 2 and "suffix '.gif'" in refused.stderr and "Traceback" not in refused.stderr
    assert helped.returncode == 0 and "--plot FILE" in helped.stdout and len(helped.stdout) > 200


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "words", "code", "says"),
    [
        ("corinfomax", ["--dataset", "nope"], 1, "corinfomax: datasets: no card 'nope'"),
        ("corinfomax", ["--every", "0"], 2, "argument --every: found '0'; needs a whole number, at least 1"),
        ("corinfomax", ["--dataset", "digits", "--seed", "-1"], 1, "corinfomax: "),
        ("self_assembly", ["--seconds", "0"], 2, "argument --seconds: found '0'; needs a whole number, at least 1"),
    ],
)
def test_numbers_and_names_that_mean_nothing_are_one_line(script: str, words: list[str], code: int, says: str) -> None:
    done = run(str(ROOT / "scripts" / f"{script}.py"), *words)
    assert done.returncode == code and says in done.stderr.splitlines()[-1], done.stderr
    assert "Traceback" not in done.stderr
