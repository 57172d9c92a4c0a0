"""C++ source in, loaded shared library out; or a program, where one is asked for.

A library is compiled once for its source, headers, compiler, flags and processor, and kept in the cache folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from snnlab.errors import InputError
from snnlab.paths import cache_error, cache_folder

# -march is spelt -mcpu on ARM. No -ffast-math: linking with it flips flush-to-zero for the whole process.
_CPU = "-mcpu=native" if platform.machine().lower() in ("arm64", "aarch64") else "-march=native"
# where there are registers of 64 bytes, two halves written and then read as a whole would wait for the cache
_WIDE = " -mprefer-vector-width=512" if platform.machine().lower() in ("x86_64", "amd64") else ""
FLAGS = f"-O3 {_CPU}{_WIDE} -std=c++17 -fPIC -shared -pthread -fno-math-errno -fno-trapping-math".split()
"""What every library is compiled with; a caller's flags come after these."""
PROGRAM_FLAGS = f"-w -O3 {_CPU} -std=c++17 -ffp-contract=off".split()
"""What a program is compiled with: each operation rounded by itself, as in NumPy."""

_COMPILERS = ("g++", "clang++", "c++")
_INSTALL = {
    "Linux": "install one "
    "(Debian, Ubuntu: apt install g++; Fedora: dnf install gcc-c++; conda: conda install cxx-compiler)",
    "Darwin": "install one with: xcode-select --install",
    "Windows": "run snnlab inside WSL, and there: apt install g++",
}
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def library(source: str, *, name: str, include: Sequence[Path] = (), flags: Sequence[str] = ()) -> ctypes.CDLL:
    """One C++ translation unit as a shared library in this process.

    `include` holds the folders of its quoted headers beside this file's own, `flags` follow ``FLAGS``. The first call
    for a source compiles it (seconds), later calls and later processes load the file kept in the cache folder. `name`
    begins the file's name.

    Raises InputError where there is no compiler, where it fails, and where the cache folder cannot be written or run
    from.
    """
    compiler, include = _compiler(), [*include, Path(__file__).parent]
    digest = hashlib.sha256()
    for part in (*compiler, _version(*compiler), *FLAGS, *flags, _processor(), source, *_headers(source, include)):
        digest.update(hashlib.sha256(part.encode()).digest())
    path = cache_folder() / "native" / f"{name}-{digest.hexdigest()[:32]}.so"
    if not path.is_file():
        _compile([*compiler, *FLAGS, *flags, *(f"-I{folder}" for folder in include)], source, path)
    return _load(path)


def kernel(package: str, file: str, *, flags: Sequence[str] = ()) -> ctypes.CDLL:
    """The C++ file of a package as a shared library in this process. Raises InputError as ``library`` does."""
    source = (files(package) / file).read_text(encoding="utf-8")
    return library(source, name=file.removesuffix(".cpp"), flags=flags)


def array(dtype: type[np.generic]) -> type:
    """What stands for a C pointer to such numbers in a function's ``argtypes``: an array, its entries side by side."""
    return np.ctypeslib.ndpointer(dtype, flags="C")


def precompile(folder: Path, header: str) -> None:
    """A header of the folder compiled ahead of the files of the ``program`` that will include it.

    Raises InputError where there is no compiler, and where it fails.
    """
    _build(folder, "-x", "c++-header", header, "-o", f"{header}.gch")


def program(folder: Path, sources: Sequence[str], *, header: str) -> Path:
    """The C++ files of a folder compiled with ``PROGRAM_FLAGS``, two at a time, and linked into one program there.

    Each includes `header` first. Nothing is kept beyond the folder.

    Raises InputError where there is no compiler, and where it fails.
    """
    made, parts = folder / "main", {source: f"{source}.o" for source in sorted(sources)}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda source: _build(folder, "-include", header, "-c", source, "-o", parts[source]), parts))
    _build(folder, "-o", made.name, *parts.values())
    return made


def has_compiler() -> bool:
    """Whether there is a C++ compiler; one that is named in $CXX and cannot be found is still refused later."""
    return bool(os.environ.get("CXX", "").strip() or any(map(shutil.which, _COMPILERS)))


def _build(folder: Path, *words: str) -> None:
    command = [*_compiler(), *PROGRAM_FLAGS, "-I.", *words]
    done = _run(command, folder)
    if done.returncode:
        raise InputError("C++ compiler", f"{command[0]} failed: {_first_error(done)}", "name another in CXX")


@cache
def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        right = "delete it; on a disk that may not hold programs, set SNNLAB_CACHE to a folder elsewhere"
        raise InputError(path, f"cannot be loaded: {error}", right) from error


def _compile(command: list[str], source: str, path: Path) -> None:
    """Compile `source` to `path`. Source and log stay beside it, to be read when something goes wrong."""
    text, log = path.with_suffix(".cpp"), path.with_suffix(".log")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # made under another name and moved, so that several processes may do this at once and none loads half a file
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.stem}-") as scratch:
            draft, made = Path(scratch, text.name), Path(scratch, path.name)
            draft.write_text(source, encoding="utf-8")
            done = _run([*command, "-o", str(made), str(draft)])
            draft.replace(text)
            if done.returncode or not made.is_file():
                log.write_text(f"{shlex.join(command)}\n{done.stdout}{done.stderr}", encoding="utf-8")
                first = _first_error(done).replace(f"{draft.parent}{os.sep}", "")
                raise InputError(text, f"{command[0]} failed: {first}", f"the whole message is in {log}")
            with made.open("rb+") as written:
                os.fsync(written.fileno())
            made.replace(path)
    except OSError as error:
        raise cache_error(path.parent, error) from error


def _run(command: Sequence[str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    # in English, or the first error could not be told from the warnings
    english = os.environ | {"LC_ALL": "C"}
    return subprocess.run(
        command, capture_output=True, text=True, errors="replace", env=english, cwd=folder, check=False
    )


def _first_error(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line.strip() for line in (done.stderr + done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    return (errors or lines or [f"exit code {done.returncode}"])[0]


def _compiler() -> list[str]:
    """The command that compiles C++: $CXX, which may have arguments, or the first compiler found."""
    if asked := os.environ.get("CXX", "").strip():
        try:
            command = shlex.split(asked)
        except ValueError as error:
            raise InputError("CXX", f"found {asked!r}: {error}", "needs a command, such as 'ccache g++'") from error
        if not shutil.which(command[0]):
            raise InputError("CXX", f"no program {command[0]!r}", "name a C++ compiler, or unset CXX")
        return command
    for word in _COMPILERS:
        if shutil.which(word):
            return [word]
    right = _INSTALL.get(platform.system(), "install one, or name it in CXX")
    raise InputError("C++ compiler", f"none of {', '.join(_COMPILERS)} found", right)


@cache
def _version(*compiler: str) -> str:
    """What the compiler says it is, and where it lies; InputError where it does not run."""
    try:
        done = _run([*compiler, "--version"])
    except OSError as error:
        raise InputError(
            "C++ compiler", f"{shlex.join(compiler)}: {error.strerror or error}", "name another in CXX"
        ) from error
    if done.returncode:
        raise InputError(
            "C++ compiler", f"{shlex.join(compiler)} --version: {_first_error(done)}", "name another in CXX"
        )
    return f"{shutil.which(compiler[0])} {done.stdout}"


@cache
def _processor() -> str:
    """What the native instruction set depends on: a cache may lie on a home folder that several machines share."""
    known = Path("/proc/cpuinfo")
    if not known.is_file():
        return f"{platform.machine()} {platform.processor()}"
    lines = known.read_text(encoding="utf-8", errors="replace").splitlines()
    wanted = ("model name", "flags", "Features", "CPU part", "isa")
    return "\n".join(sorted({line for line in lines if line.startswith(wanted)}))


def _headers(source: str, include: Sequence[Path], seen: frozenset[Path] = frozenset()) -> Iterator[str]:
    """The text of every quoted header found in `include`, and of those that they include in turn."""
    for header in _INCLUDE.findall(source):
        for path in (Path(folder, header) for folder in include):
            if path.is_file() and path not in seen:
                text = path.read_text(encoding="utf-8")
                yield text
                yield from _headers(text, include, seen | {path})
                break
