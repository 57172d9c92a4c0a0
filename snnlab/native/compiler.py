"""The C++ compiler: its command, its version, and the processor that it compiles for."""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from snnlab.errors import InputError

_COMPILERS = ("g++", "clang++", "c++")
_INSTALL = {
    "Linux": "install one "
    "(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; conda: conda install cxx-compiler)",
    "Darwin": "install one with: xcode-select --install",
    "Windows": "run snnlab inside WSL and install one there: apt install g++",
}


def has_compiler() -> bool:
    """Whether $CXX is set or a C++ compiler is installed; `compiler_command` checks that $CXX exists."""
    return bool(os.environ.get("CXX", "").strip() or any(map(shutil.which, _COMPILERS)))


def compiler_command() -> list[str]:
    """The command that compiles C++: $CXX, which may have arguments, or the first compiler found."""
    if variable := os.environ.get("CXX", "").strip():
        try:
            command = shlex.split(variable)
        except ValueError as error:
            raise InputError("CXX", f"got {variable!r}: {error}", "must be a command, such as 'ccache g++'") from error
        if not shutil.which(command[0]):
            raise InputError("CXX", f"no program {command[0]!r}", "must name a C++ compiler, or be unset")
        return command
    for program in _COMPILERS:
        if shutil.which(program):
            return [program]
    hint = _INSTALL.get(platform.system(), "install one, or name it in CXX")
    raise InputError("C++ compiler", f"none of {', '.join(_COMPILERS)} found", hint)


@cache
def compiler_version(*compiler: str) -> str:
    """The compiler's path and the output of --version. Raises InputError if it does not run."""
    hint = "name another in CXX"
    try:
        result = run_compiler([*compiler, "--version"])
    except OSError as error:
        raise InputError("C++ compiler", f"{shlex.join(compiler)}: {error.strerror or error}", hint) from error
    if result.returncode:
        raise InputError("C++ compiler", f"{shlex.join(compiler)} --version: {first_error(result)}", hint)
    return f"{shutil.which(compiler[0])} {result.stdout}"


@cache
def processor() -> str:
    """Description of the processor's instruction set: several machines may share one cache folder."""
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return f"{platform.machine()} {platform.processor()}"
    lines = cpuinfo.read_text(encoding="utf-8", errors="replace").splitlines()
    fields = ("model name", "flags", "Features", "CPU part", "isa")
    return "\n".join(sorted({line for line in lines if line.startswith(fields)}))


def run_compiler(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command of the compiler in the folder and capture its output."""
    english = os.environ | {"LC_ALL": "C"}  # so that `first_error` can tell errors from warnings
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=english, cwd=folder, check=False
    )


def first_error(result: subprocess.CompletedProcess[str]) -> str:
    """The first line of a compiler's output that is an error, else its first line, else its exit code."""
    lines = [line.strip() for line in (result.stderr + result.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    return (errors or lines or [f"exit code {result.returncode}"])[0]
