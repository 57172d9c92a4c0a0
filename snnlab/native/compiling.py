"""Compile C++ source to a shared library and load it, or compile and link a program.

A library is compiled once for its source, headers, compiler, flags and processor, and stored in the cache folder.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from importlib.resources import files
from pathlib import Path

import numpy as np

from snnlab.errors import InputError
from snnlab.native.compiler import compiler_command, compiler_version, first_error, processor, run_compiler
from snnlab.paths import cache_error, cache_folder

try:
    import fcntl
except ImportError:  # not a POSIX system
    fcntl = None  # type: ignore[assignment]

# -march is spelt -mcpu on ARM. No -ffast-math: linking with it sets flush-to-zero for the whole process.
_CPU = "-mcpu=native" if platform.machine().lower() in ("arm64", "aarch64") else "-march=native"
# with registers of 64 bytes, a load of two halves that were stored separately would wait for the cache
_WIDE = " -mprefer-vector-width=512" if platform.machine().lower() in ("x86_64", "amd64") else ""
FLAGS = f"-O3 {_CPU}{_WIDE} -std=c++17 -fPIC -shared -pthread -fno-math-errno -fno-trapping-math".split()
"""Compiler flags of every library; the caller's flags follow these."""
PROGRAM_FLAGS = f"-w -O3 {_CPU} -std=c++17 -ffp-contract=off".split()
"""Compiler flags of every program: each operation is rounded separately, as in NumPy."""

_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*"([^"\n]+)"', re.MULTILINE)


def library(source: str, *, name: str, include: Sequence[Path] = (), flags: Sequence[str] = ()) -> ctypes.CDLL:
    """Load one C++ translation unit as a shared library, compiled if the cache folder does not hold it yet.

    name     prefix of the file's name
    include  folders of quoted headers, besides this file's own
    flags    follow ``FLAGS``

    Of several processes that need the same library at once, one compiles and the others wait and load the file.

    Raises InputError if there is no compiler, if it fails, and if the cache folder cannot be written or does not allow
    libraries to be loaded.
    """
    compiler, include = compiler_command(), [*include, Path(__file__).parent]
    digest = hashlib.sha256()
    parts = (*compiler, compiler_version(*compiler), *FLAGS, *flags, processor(), source, *_headers(source, include))
    for part in parts:
        digest.update(hashlib.sha256(part.encode()).digest())
    path = cache_folder() / "native" / f"{name}-{digest.hexdigest()[:32]}.so"
    if not path.is_file():
        command = [*compiler, *FLAGS, *flags, *(f"-I{folder}" for folder in include)]
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _locked(path.with_suffix(".lock")):
                if not path.is_file():
                    _compile(command, source, path)
        except OSError as error:
            raise cache_error(path.parent, error) from error
    return _load(path)


def kernel(package: str, file: str, *, flags: Sequence[str] = ()) -> ctypes.CDLL:
    """Load the C++ file of a package as a shared library. Raises InputError as `library` does."""
    source = (files(package) / file).read_text(encoding="utf-8")
    return library(source, name=file.removesuffix(".cpp"), flags=flags)


def array(dtype: type[np.generic]) -> type:
    """An entry of ``argtypes`` for a C pointer: accepts contiguous arrays of this type."""
    return np.ctypeslib.ndpointer(dtype, flags="C")


def precompile(folder: Path, header: str) -> None:
    """Precompile a header of the folder for a `program` that includes it.

    Raises InputError if there is no compiler, and if it fails.
    """
    _build(folder, "-x", "c++-header", header, "-o", f"{header}.gch")


def program(folder: Path, sources: Sequence[str], *, header: str) -> Path:
    """Compile the C++ files of a folder with ``PROGRAM_FLAGS``, two at a time, and link them to a program there.

    header  included first in each file

    Raises InputError if there is no compiler, and if it fails.
    """
    objects = {source: f"{source}.o" for source in sorted(sources)}
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda source: _build(folder, "-include", header, "-c", source, "-o", objects[source]), objects))
    _build(folder, "-o", "main", *objects.values())
    return folder / "main"


def _build(folder: Path, *arguments: str) -> None:
    command = [*compiler_command(), *PROGRAM_FLAGS, "-I.", *arguments]
    result = run_compiler(command, folder)
    if result.returncode:
        raise InputError("C++ compiler", f"{command[0]} failed: {first_error(result)}", "name another in CXX")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold a lock file that only one thread of all processes can hold; no lock where the file system has none.

    Without a lock, or after its file is removed, two processes may compile the same source: each moves a whole file
    into place.
    """
    with path.open("ab") as file:
        try:
            if fcntl is not None:
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # not supported by the file system
            pass
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _compile(command: list[str], source: str, path: Path) -> None:
    """Compile `source` to `path`; source and, after an error, the compiler's output are stored beside it."""
    text, log = path.with_suffix(".cpp"), path.with_suffix(".log")
    # compiled under another name and moved, so that no process loads an incomplete file
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=f"{path.stem}-") as scratch:
        draft, output = Path(scratch, text.name), Path(scratch, path.name)
        draft.write_text(source, encoding="utf-8")
        result = run_compiler([*command, "-o", str(output), str(draft)])
        draft.replace(text)
        if result.returncode or not output.is_file():
            log.write_text(f"{shlex.join(command)}\n{result.stdout}{result.stderr}", encoding="utf-8")
            line = first_error(result).replace(f"{draft.parent}{os.sep}", "")
            raise InputError(text, f"{command[0]} failed: {line}", f"see its whole output in {log}")
        with output.open("rb+") as file:
            os.fsync(file.fileno())
        output.replace(path)


@cache
def _load(path: Path) -> ctypes.CDLL:
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        hint = "delete it; if the disk does not allow programs, set SNNLAB_CACHE to a folder elsewhere"
        raise InputError(path, f"cannot be loaded: {error}", hint) from error


def _headers(source: str, include: Sequence[Path], seen: frozenset[Path] = frozenset()) -> Iterator[str]:
    """The text of each quoted header found in `include`, and of the headers that it includes."""
    for header in _INCLUDE.findall(source):
        for path in (Path(folder, header) for folder in include):
            if path.is_file() and path not in seen:
                text = path.read_text(encoding="utf-8")
                yield text
                yield from _headers(text, include, seen | {path})
                break
