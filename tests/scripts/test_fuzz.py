"""Spoilt files do the readers no harm, and a reader that is broken on purpose is found out."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snnlab.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FORMATS = ["bin", "idx", "sphere", "cache"]

Read = Callable[[Path], Any]


@pytest.fixture(scope="module")
def fuzz() -> Iterator[Any]:
    """The script as a module."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "scripts"))
        yield importlib.import_module("fuzz")


@pytest.mark.slow
@pytest.mark.parametrize("name", FORMATS)
def test_five_hundred_spoilt_files_are_refused_or_read_as_they_are(name: str, fuzz: Any, tmp_path: Path) -> None:
    tally = fuzz.by_seed(fuzz.FORMATS[name], 500, 1, tmp_path / "file")
    assert tally.right + tally.refused == tally.files == 500
    assert min(tally.right, tally.refused) >= 10, "both answers come up"


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_seed_spoils_the_same_files(name: str, fuzz: Any) -> None:
    form = fuzz.FORMATS[name]

    def some(seed: int) -> list[bytes]:
        rng = fuzz.random.Random(seed)
        return [fuzz.spoilt(rng, form.starts()[0], form) for _ in range(20)]

    assert some(1) == some(1) != some(2)
    assert all(len(content) <= fuzz.LONGEST_FILE for content in some(1))


# Broken on purpose ---------------------------------------------------------------------------------------------------


def changed(read: Read, change: Callable[[bytes], bytes]) -> Read:
    """A reader that sees other bytes than the file has."""

    def broken(path: Path) -> Any:
        path.write_bytes(change(path.read_bytes()))
        return read(path)

    return broken


def swapped(read: Read) -> Read:
    return lambda path: [(y, x, p, t) for x, y, p, t in read(path)]


def in_any_order(read: Read) -> Read:
    """Of events whose time runs backwards, it makes some that it does not."""

    def rising(content: bytes) -> bytes:
        events = [content[at : at + 5] for at in range(0, len(content), 5)]
        return b"".join(sorted(events, key=lambda event: (event[2:3] < b"\x80", event[2:])))

    return changed(read, rising)


def of_any_length(read: Read) -> Read:
    """What is missing is zero, what is too much is left out."""

    def fitted(content: bytes) -> bytes:
        sides = [int.from_bytes(content[at : at + 4], "big") for at in range(4, 4 + 4 * content[3], 4)]
        size = 1
        for side in sides:
            size = min(size * side, 10_000)
        return content[: 4 + 4 * len(sides) + size].ljust(4 + 4 * len(sides) + size, b"\0")

    return changed(read, lambda content: fitted(content) if content[:3] == b"\0\0\x08" else content)


def unsummed(read: Read) -> Read:
    return changed(read, lambda content: content.replace(b"sample_checksum", b"sample_unchecked"))


def guessing(read: Read) -> Read:
    """An order of bytes that is not told is taken to be the little end first."""
    told = b"sample_byte_format"
    little = told + b" -s2 01\nend_head"
    return changed(read, lambda content: content if told in content else content.replace(b"end_head", little, 1))


BROKEN: dict[str, tuple[str, Callable[[Read], Read]]] = {
    "columns for rows": ("bin", swapped),
    "time that runs backwards": ("bin", in_any_order),
    "an array of any length": ("idx", of_any_length),
    "sound with a wrong check sum": ("sphere", unsummed),
    "sound in a guessed order of bytes": ("sphere", guessing),
}


@pytest.mark.parametrize("what", BROKEN)
def test_a_reader_that_takes_what_is_wrong_is_found_out(what: str, fuzz: Any, tmp_path: Path) -> None:
    name, broken = BROKEN[what]
    form = fuzz.FORMATS[name]
    with pytest.raises(fuzz.Wrong, match="read as .*, and by hand it is"):
        fuzz.by_seed(replace(form, read=broken(form.read)), 3000, 1, tmp_path / "file")


def test_a_cache_that_ignores_its_check_sums_is_found_out(fuzz: Any, tmp_path: Path) -> None:
    form = fuzz.FORMATS["cache"]
    with pytest.raises(fuzz.Wrong, match="read as .*, and by hand it is nothing"):
        fuzz.by_seed(replace(form, read=changed(form.read, form.repair)), 3000, 1, tmp_path / "file")


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_that_refuses_everything_is_found_out(name: str, fuzz: Any, tmp_path: Path) -> None:
    def never(path: Path) -> Any:
        raise InputError(path, "no")

    with pytest.raises(fuzz.Wrong, match="read as nothing, and by hand it is"):
        fuzz.by_seed(replace(fuzz.FORMATS[name], read=never), 1, 1, tmp_path / "file")


def hangs(path: Path) -> Any:
    while True:
        try:
            len(str(path))
        except OSError:
            continue


def grows(path: Path) -> Any:
    return bytes(4 << 30)


def fails(path: Path) -> Any:
    return path.read_bytes()[1 << 40]


def talks(path: Path) -> Any:
    raise InputError(path, "so it is " * 100)


def says_not_where(path: Path) -> Any:
    raise InputError("a file", "damaged")


def clears_the_screen(path: Path) -> Any:
    raise InputError(path, "\x1b[2J")


FAILURES = {
    hangs: "Hangs: not done after 1 s",
    grows: "MemoryError",
    fails: "IndexError",
    talks: "a refusal that is no line",
    says_not_where: "a refusal that is no line",
    clears_the_screen: "a refusal that is no line",
}


@pytest.mark.parametrize("fails", FAILURES)
def test_a_reader_that_fails_in_another_way_is_found_out(
    fails: Read, fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "SECONDS", 1)
    path = tmp_path / "file"
    before = fuzz.resource.getrlimit(fuzz.resource.RLIMIT_AS)
    with pytest.raises(fuzz.Wrong, match=FAILURES[fails]):
        fuzz.by_seed(replace(fuzz.FORMATS["bin"], read=fails), 1, 1, path)
    assert path.read_bytes() == fuzz.FORMATS["bin"].starts()[0], "it is kept"
    assert fuzz.resource.getrlimit(fuzz.resource.RLIMIT_AS) == before, "the limit is gone"


# The command ---------------------------------------------------------------------------------------------------------


def said(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), *words]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.mark.slow
def test_the_command_tells_what_became_of_the_files(tmp_path: Path) -> None:
    done = said("--files", "20", "--by", "seed", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == FORMATS
    for line in lines:
        files, refused, right = [int(word) for word in line.split() if word.isdigit()][:3]
        assert files == refused + right == 20
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_reader_ends_with_1_and_its_file_is_kept(
    fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    form = fuzz.FORMATS["bin"]
    monkeypatch.setitem(fuzz.FORMATS, "bin", replace(form, read=swapped(form.read)))
    words = ["fuzz.py", "--format", "bin", "--files", "9", "--by", "seed", "--keep", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", words)
    assert fuzz.main() == 1
    line = capsys.readouterr().out
    assert line.startswith("bin     read as ")
    assert line.endswith(f"; kept as {tmp_path / 'fuzz-bin'}\n")
    assert (tmp_path / "fuzz-bin").read_bytes() == form.starts()[0]


def test_without_atheris_it_says_how_to_get_it(
    fuzz: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--by", "atheris"])
    with pytest.raises(SystemExit) as end:
        fuzz.main()
    assert end.value.code == 2
    assert 'atheris is not installed: pip install "snnlab-brian[fuzz]", or --by seed' in capsys.readouterr().err
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(need.startswith("atheris") for need in extras["fuzz"])
