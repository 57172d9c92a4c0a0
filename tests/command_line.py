"""Run commands in the process of the test, and assert on their errors."""

from __future__ import annotations

import re
import sys

import pytest

from snnlab import cli


def snnlab(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command."""
    capsys.readouterr()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["snnlab", *map(str, arguments)])
        code = cli.main()
    return code, *capsys.readouterr()


def error_line(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The line on stderr of a command that must fail with exit code 2 and print nothing else."""
    code, out, err = snnlab(capsys, *arguments)
    assert (code, out) == (2, ""), f"exit code {code}, {out!r}, {err!r}"
    assert err.endswith("\n") and err.count("\n") == 1, f"not one line: {err!r}"
    assert "Traceback" not in err
    return err.strip()


def assert_error(line: str, field: str, *values: object) -> None:
    """Check an error line, "field: problem; hint", by the start of its field and by values that the rest names."""
    assert line.startswith(field), f"{line!r} is not about {field!r}"
    for value in values:
        assert str(value) in line[len(field) :], f"{str(value)!r} is not in {line!r}"


def printed_fields(out: str) -> dict[str, str]:
    """Name -> value, of output with one field on each line."""
    return dict(re.split(r"\s{2,}", line, maxsplit=1) for line in out.splitlines() if re.match(r"\S.*?\s{2}", line))
