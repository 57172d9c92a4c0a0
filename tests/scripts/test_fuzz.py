"""Corrupt files do not break the readers, and the fuzzer detects a reader that is broken on purpose."""

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
def test_mutated_files_are_read_correctly_or_rejected(name: str, fuzz: Any, tmp_path: Path) -> None:
    tally = fuzz.fuzz_randomly(fuzz.FORMATS[name], 500, 1, tmp_path / "file")
    assert tally.accepted + tally.rejected == tally.files == 500
    assert min(tally.accepted, tally.rejected) >= 10, "both must occur"


@pytest.mark.parametrize("name", FORMATS)
def test_the_same_seed_gives_the_same_mutations(name: str, fuzz: Any) -> None:
    form = fuzz.FORMATS[name]

    def mutations(seed: int) -> list[bytes]:
        rng = fuzz.random.Random(seed)
        return [fuzz.mutated(rng, form.starts()[0], form) for _ in range(20)]

    assert mutations(1) == mutations(1) != mutations(2)
    assert all(len(content) <= fuzz.MAX_FILE for content in mutations(1))


# Broken readers ------------------------------------------------------------------------------------------------------


def changed(read: Read, change: Callable[[bytes], bytes]) -> Read:
    """A reader of changed bytes."""

    def broken(path: Path) -> Any:
        path.write_bytes(change(path.read_bytes()))
        return read(path)

    return broken


def swapped(read: Read) -> Read:
    return lambda path: [(y, x, p, t) for x, y, p, t in read(path)]


def in_any_order(read: Read) -> Read:
    """A reader that sorts events by time instead of rejecting decreasing times."""

    def sorted_events(content: bytes) -> bytes:
        events = [content[start : start + 5] for start in range(0, len(content), 5)]
        return b"".join(sorted(events, key=lambda event: (event[2:3] < b"\x80", event[2:])))

    return changed(read, sorted_events)


def of_any_length(read: Read) -> Read:
    """A reader that pads with zeros, and ignores surplus bytes."""

    def resized(content: bytes) -> bytes:
        sides = [int.from_bytes(content[k : k + 4], "big") for k in range(4, 4 + 4 * content[3], 4)]
        size = 1
        for side in sides:
            size = min(size * side, 10_000)
        return content[: 4 + 4 * len(sides) + size].ljust(4 + 4 * len(sides) + size, b"\0")

    return changed(read, lambda content: resized(content) if content[:3] == b"\0\0\x08" else content)


def without_checksum(read: Read) -> Read:
    return changed(read, lambda content: content.replace(b"sample_checksum", b"sample_unchecked"))


def guessing(read: Read) -> Read:
    """A reader that assumes little-endian samples without a byte order."""
    name = b"sample_byte_format"
    little = name + b" -s2 01\nend_head"
    return changed(read, lambda content: content if name in content else content.replace(b"end_head", little, 1))


BROKEN: dict[str, tuple[str, Callable[[Read], Read]]] = {
    "exchanged columns and rows": ("bin", swapped),
    "decreasing times": ("bin", in_any_order),
    "an array of any length": ("idx", of_any_length),
    "sound with a wrong checksum": ("sphere", without_checksum),
    "sound with a guessed byte order": ("sphere", guessing),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_reader_that_accepts_invalid_files_is_detected(case: str, fuzz: Any, tmp_path: Path) -> None:
    name, broken = BROKEN[case]
    form = fuzz.FORMATS[name]
    with pytest.raises(fuzz.Failure, match="read as .* reference"):
        fuzz.fuzz_randomly(replace(form, read=broken(form.read)), 3000, 1, tmp_path / "file")


def test_a_cache_reader_that_ignores_checksums_is_detected(fuzz: Any, tmp_path: Path) -> None:
    form = fuzz.FORMATS["cache"]
    with pytest.raises(fuzz.Failure, match="read as .* reference is invalid"):
        fuzz.fuzz_randomly(replace(form, read=changed(form.read, form.repair)), 3000, 1, tmp_path / "file")


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_that_rejects_everything_is_detected(name: str, fuzz: Any, tmp_path: Path) -> None:
    def never(path: Path) -> Any:
        raise InputError(path, "no")

    with pytest.raises(fuzz.Failure, match="read as invalid"):
        fuzz.fuzz_randomly(replace(fuzz.FORMATS[name], read=never), 1, 1, tmp_path / "file")


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


def long_message(path: Path) -> Any:
    raise InputError(path, "invalid " * 100)


def no_path(path: Path) -> Any:
    raise InputError("a file", "corrupt")


def control_characters(path: Path) -> Any:
    raise InputError(path, "\x1b[2J")


FAILURES = {
    hangs: "Timeout: not finished after 1 s",
    grows: "MemoryError",
    fails: "IndexError",
    long_message: "not one line",
    no_path: "not one line",
    control_characters: "not one line",
}


@pytest.mark.parametrize("fails", FAILURES)
def test_a_reader_that_fails_in_another_way_is_detected(
    fails: Read, fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fuzz, "TIME_LIMIT", 1)
    path = tmp_path / "file"
    before = fuzz.resource.getrlimit(fuzz.resource.RLIMIT_AS)
    with pytest.raises(fuzz.Failure, match=FAILURES[fails]):
        fuzz.fuzz_randomly(replace(fuzz.FORMATS["bin"], read=fails), 1, 1, path)
    assert path.read_bytes() == fuzz.FORMATS["bin"].starts()[0], "the file must be kept"
    assert fuzz.resource.getrlimit(fuzz.resource.RLIMIT_AS) == before, "the limit must be removed"


# Command line ---------------------------------------------------------------------------------------------------------


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / "fuzz.py"), *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )


@pytest.mark.slow
def test_the_command_prints_the_numbers_of_files(tmp_path: Path) -> None:
    done = run("--files", "20", "--method", "random", "--keep", str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()[1:]
    assert [line.split()[0] for line in lines] == FORMATS
    for line in lines:
        files, rejected, accepted = [int(word) for word in line.split() if word.isdigit()][:3]
        assert files == rejected + accepted == 20
    assert list(tmp_path.iterdir()) == []


def test_a_failure_ends_with_code_1_and_keeps_the_file(
    fuzz: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    form = fuzz.FORMATS["bin"]
    monkeypatch.setitem(fuzz.FORMATS, "bin", replace(form, read=swapped(form.read)))
    arguments = ["fuzz.py", "--format", "bin", "--files", "9", "--method", "random", "--keep", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", arguments)
    assert fuzz.main() == 1
    line = capsys.readouterr().out
    assert line.startswith("bin     read as ")
    assert line.endswith(f"; kept as {tmp_path / 'fuzz-bin'}\n")
    assert (tmp_path / "fuzz-bin").read_bytes() == form.starts()[0]


def test_without_atheris_the_error_says_how_to_install_it(
    fuzz: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fuzz.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--method", "atheris"])
    with pytest.raises(SystemExit) as caught:
        fuzz.main()
    assert caught.value.code == 2
    assert 'pip install "snnlab-brian[fuzz]"' in capsys.readouterr().err
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    assert any(requirement.startswith("atheris") for requirement in extras["fuzz"])
