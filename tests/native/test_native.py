"""Shared libraries: a library does what its source says, is compiled once, and errors name their cause."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from errors_in_tests import raises_input_error

from snnlab import native
from snnlab.native import compiler, compiling

ADD = 'extern "C" int add(int a, int b) { return a + b; }'
LOAD = f"from snnlab import native; assert native.library({ADD!r}, name='add').add(1, 2) == 3"


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "a cache with spaces"
    monkeypatch.setenv("SNNLAB_CACHE", str(folder))
    return folder


@pytest.fixture
def compiler_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that writes a line to this file each time it compiles; its command has spaces and arguments."""
    real = shutil.which("g++") or shutil.which("clang++") or shutil.which("c++")
    assert real, "the tests need a C++ compiler"
    runs = tmp_path / "runs"
    runs.touch()
    script = tmp_path / "my compiler"
    script.write_text(
        f'#!/bin/sh\nshift\ncase "$*" in *-shared*) echo run >> {shlex.quote(str(runs))};; esac\nexec {real} "$@"\n',
        encoding="utf-8",
    )
    script.chmod(0o755)
    monkeypatch.setenv("CXX", f"'{script}' --an-argument")
    return runs


def lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def suffixes(cache: Path) -> list[str]:
    return sorted(path.suffix for path in (cache / "native").iterdir())


def test_a_function_of_the_source_can_be_called() -> None:
    assert native.library(ADD, name="add").add(40, 2) == 42


def test_a_second_process_does_not_compile(compiler_runs: Path) -> None:
    for _ in range(2):
        subprocess.run([sys.executable, "-c", LOAD], check=True)
    assert lines(compiler_runs) == 1


def test_processes_that_start_together_compile_once(compiler_runs: Path, empty_cache: Path) -> None:
    started = [subprocess.Popen([sys.executable, "-c", LOAD]) for _ in range(3)]
    assert [process.wait() for process in started] == [0] * 3
    assert lines(compiler_runs) == 1
    assert suffixes(empty_cache) == [".cpp", ".so"]


def test_threads_that_start_together_compile_once(compiler_runs: Path, empty_cache: Path) -> None:
    with ThreadPoolExecutor(4) as pool:
        loaded = list(pool.map(lambda _: native.library(ADD, name="add").add(1, 2), range(4)))
    assert loaded == [3] * 4
    assert lines(compiler_runs) == 1
    assert suffixes(empty_cache) == [".cpp", ".so"]


@pytest.mark.parametrize("missing", ["fcntl", "flock"])
def test_a_library_compiles_without_file_locks(
    missing: str, empty_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(38, "Function not implemented")

    if missing == "fcntl":
        monkeypatch.setattr(compiling, "fcntl", None)
    else:
        monkeypatch.setattr(compiling.fcntl, "flock", flock)
    assert native.library(ADD, name="add").add(40, 2) == 42
    assert suffixes(empty_cache) == [".cpp", ".so"]


def test_another_source_flag_or_header_is_another_library(compiler_runs: Path, tmp_path: Path) -> None:
    headers = tmp_path / "include"
    headers.mkdir()
    (headers / "outer.h").write_text('#include "inner.h"\n', encoding="utf-8")
    source = '#include "outer.h"\nextern "C" int answer() { return ANSWER; }'

    def answer(number: int, *flags: str) -> int:
        (headers / "inner.h").write_text(f"#define ANSWER {number} + EXTRA\n", encoding="utf-8")
        return native.library(source, name="answer", include=[headers], flags=["-DEXTRA=0", *flags]).answer()

    assert [answer(1), answer(2), answer(2), answer(2, "-UEXTRA", "-DEXTRA=5"), answer(1)] == [1, 2, 2, 7, 1]
    assert lines(compiler_runs) == 3


def test_another_processor_has_its_own_library(compiler_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.library(ADD, name="add")
    monkeypatch.setattr(compiling, "processor", lambda: "another")
    native.library(ADD, name="add")
    assert lines(compiler_runs) == 2


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent -O1")
    with raises_input_error("CXX", "/nonexistent"):
        native.library(ADD, name="add")


@pytest.mark.parametrize(("system", "command"), [("Linux", "apt install g++"), ("Darwin", "xcode-select --install")])
def test_without_a_compiler_the_error_says_how_to_install_one(
    system: str, command: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiler.platform, "system", lambda: system)
    with raises_input_error("C++ compiler", "g++, clang++, c++", command):
        native.library(ADD, name="add")


def test_invalid_source_raises_its_first_error_and_stays_in_the_cache(empty_cache: Path) -> None:
    with raises_input_error(".cpp", "error", "nonsense", ".cpp:2:") as caught:
        native.library('extern "C" int f() {\n  return nonsense;\n}', name="broken")
    assert "return nonsense;" in Path(caught.value.field).read_text(encoding="utf-8")
    (log,) = (empty_cache / "native").glob("*.log")
    assert str(log) in caught.value.hint
    assert "nonsense" in log.read_text(encoding="utf-8")
    assert "\n" not in str(caught.value)
    assert suffixes(empty_cache) == [".cpp", ".log"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("exit 3", ("--version", "exit code 3")),
        ('case "$*" in --version) echo 1;; *) echo "internal error: out of luck" >&2; exit 1;; esac', ("out of luck",)),
        ("exit 0", ("exit code 0",)),
    ],
)
def test_a_compiler_that_fails_raises_its_message(
    body: str, words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "cxx"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with raises_input_error("", *words):
        native.library(ADD, name="add")


def test_a_compiler_that_cannot_run_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "cxx"
    script.write_bytes(b"\x00\x01")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with raises_input_error("C++ compiler", script, "CXX"):
        native.library(ADD, name="add")


@pytest.mark.parametrize("blocked", ["cache", "cache/native"])
def test_a_cache_folder_that_cannot_be_written_is_named(
    blocked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file in place of the folder", encoding="utf-8")
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    with raises_input_error(tmp_path / "cache", "SNNLAB_CACHE"):
        native.library(ADD, name="add")


def test_a_corrupt_library_is_named(empty_cache: Path) -> None:
    subprocess.run([sys.executable, "-c", LOAD], check=True)
    (corrupt,) = (empty_cache / "native").glob("*.so")
    corrupt.write_bytes(b"not a library")
    with raises_input_error(corrupt, "delete"):
        native.library(ADD, name="add")


def test_the_files_of_a_folder_become_a_program(tmp_path: Path) -> None:
    folder = tmp_path / "a project with spaces"
    (folder / "parts").mkdir(parents=True)
    (folder / "shared.h").write_text("#pragma once\n#include <cstdio>\nint twice(int);\n")
    (folder / "main.cpp").write_text('#include "shared.h"\nint main() { std::printf("%d", twice(21)); }\n')
    (folder / "parts" / "twice.cpp").write_text('#include "shared.h"\nint twice(int x) { return 2 * x; }\n')
    native.precompile(folder, "shared.h")
    program = native.program(folder, ["main.cpp", "parts/twice.cpp"], header="shared.h")
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "42"
    (folder / "parts" / "twice.cpp").write_text('#include "shared.h"\nint twice(int x) { return nonsense; }\n')
    with raises_input_error("C++ compiler", "parts/twice.cpp:2:", "nonsense"):
        native.program(folder, ["main.cpp", "parts/twice.cpp"], header="shared.h")
