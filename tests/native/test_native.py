"""A shared library does what its source says, is compiled once, and fails with a cure."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from snnlab import native
from snnlab.errors import InputError
from snnlab.native import compiling

ADD = 'extern "C" int add(int a, int b) { return a + b; }'


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
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


def test_a_function_of_the_source_can_be_called() -> None:
    assert native.library(ADD, name="add").add(40, 2) == 42


def test_the_second_process_does_not_compile(compiler_runs: Path) -> None:
    program = f"from snnlab import native; assert native.library({ADD!r}, name='add').add(1, 2) == 3"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", program], check=True)
    assert lines(compiler_runs) == 1


def test_other_source_flags_or_header_are_another_library(compiler_runs: Path, tmp_path: Path) -> None:
    headers = tmp_path / "include"
    headers.mkdir()
    (headers / "outer.h").write_text('#include "inner.h"\n', encoding="utf-8")
    source = '#include "outer.h"\nextern "C" int answer() { return ANSWER; }'

    def answer(number: int, *flags: str) -> int:
        (headers / "inner.h").write_text(f"#define ANSWER {number} + EXTRA\n", encoding="utf-8")
        return native.library(source, name="answer", include=[headers], flags=["-DEXTRA=0", *flags]).answer()

    assert [answer(1), answer(2), answer(2), answer(2, "-UEXTRA", "-DEXTRA=5"), answer(1)] == [1, 2, 2, 7, 1]
    assert lines(compiler_runs) == 3


def test_another_processor_gets_its_own_library(compiler_runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    native.library(ADD, name="add")
    monkeypatch.setattr(compiling, "_processor", lambda: "another")
    native.library(ADD, name="add")
    assert lines(compiler_runs) == 2


def test_several_processes_may_compile_the_same_source_at_once(own_cache: Path) -> None:
    program = f"from snnlab import native; assert native.library({ADD!r}, name='add').add(1, 2) == 3"
    started = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [process.wait() for process in started] == [0] * 4
    assert sorted(path.suffix for path in (own_cache / "native").iterdir()) == [".cpp", ".so"]


def test_a_missing_compiler_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent -O1")
    with pytest.raises(InputError, match=r"^CXX: no program '/nonexistent'; name a C\+\+ compiler"):
        native.library(ADD, name="add")


@pytest.mark.parametrize(("system", "cure"), [("Linux", r"apt install g\+\+"), ("Darwin", "xcode-select --install")])
def test_a_machine_without_compiler_is_told_how_to_get_one(
    system: str, cure: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(compiling.platform, "system", lambda: system)
    with pytest.raises(InputError, match=rf"none of g\+\+, clang\+\+, c\+\+ found; .*{cure}"):
        native.library(ADD, name="add")


def test_broken_source_is_refused_with_its_first_error_and_kept() -> None:
    with pytest.raises(InputError) as refusal:
        native.library('extern "C" int f() {\n  return nonsense;\n}', name="broken")
    assert (
        "error" in refusal.value.problem and "nonsense" in refusal.value.problem and ".cpp:2:" in refusal.value.problem
    )
    assert "return nonsense;" in Path(refusal.value.field).read_text(encoding="utf-8")
    log = Path(refusal.value.hint.removeprefix("the whole message is in "))
    assert "nonsense" in log.read_text(encoding="utf-8")
    assert "\n" not in str(refusal.value)


def test_a_failed_compile_leaves_no_library_behind(own_cache: Path) -> None:
    with pytest.raises(InputError):
        native.library("not c++", name="broken")
    assert sorted(path.suffix for path in (own_cache / "native").iterdir()) == [".cpp", ".log"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("exit 3", "--version: exit code 3"),
        ('case "$*" in --version) echo 1;; *) echo "internal error: out of luck" >&2; exit 1;; esac', "out of luck"),
        ("exit 0", "failed: exit code 0"),
    ],
)
def test_a_broken_compiler_is_refused(body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "cxx"
    script.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.raises(InputError, match=message):
        native.library(ADD, name="add")


def test_a_program_that_is_no_program_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "cxx"
    script.write_bytes(b"\x00\x01")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    with pytest.raises(InputError, match=r"C\+\+ compiler: .*name another in CXX"):
        native.library(ADD, name="add")


@pytest.mark.parametrize("blocked", ["cache", "cache/native"])
def test_an_unwritable_cache_is_refused_with_the_way_out(
    blocked: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / blocked).parent.mkdir(exist_ok=True)
    (tmp_path / blocked).write_text("a file in place of the folder", encoding="utf-8")
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(InputError, match=r"^cache folder .*cache.*set SNNLAB_CACHE"):
        native.library(ADD, name="add")


def test_a_damaged_library_is_refused_by_name(own_cache: Path) -> None:
    program = f"from snnlab import native; native.library({ADD!r}, name='add')"
    subprocess.run([sys.executable, "-c", program], check=True)
    (damaged,) = (own_cache / "native").glob("*.so")
    damaged.write_bytes(b"not a library")
    with pytest.raises(InputError, match="add-.*cannot be loaded.*delete it"):
        native.library(ADD, name="add")


def test_files_of_a_folder_become_a_program(tmp_path: Path) -> None:
    folder = tmp_path / "a project with spaces"
    (folder / "parts").mkdir(parents=True)
    (folder / "shared.h").write_text("#pragma once\n#include <cstdio>\nint twice(int);\n")
    (folder / "main.cpp").write_text('#include "shared.h"\nint main() { std::printf("%d", twice(21)); }\n')
    (folder / "parts" / "twice.cpp").write_text('#include "shared.h"\nint twice(int x) { return 2 * x; }\n')
    native.precompile(folder, "shared.h")
    made = native.program(folder, ["main.cpp", "parts/twice.cpp"], header="shared.h")
    assert subprocess.run([made], capture_output=True, text=True, check=True).stdout == "42"
    (folder / "parts" / "twice.cpp").write_text('#include "shared.h"\nint twice(int x) { return nonsense; }\n')
    with pytest.raises(InputError, match=r"^C\+\+ compiler: .* failed: parts/twice.cpp:2:.*nonsense"):
        native.program(folder, ["main.cpp", "parts/twice.cpp"], header="shared.h")
