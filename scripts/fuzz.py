#!/usr/bin/env python3
"""Fuzz the readers of N-MNIST, idx, SPHERE and cached spikes with corrupt files.

    python scripts/fuzz.py                               10,000 files of each format
    python scripts/fuzz.py --format sphere --files 500 --seed 3
    python scripts/fuzz.py --method random               without atheris, which guides by coverage if installed

Valid files are mutated: bits flipped, bytes removed, inserted and exchanged, numbers changed, and in some of them
checksums corrected. A reference reader decides what each file means, see fuzz_formats.py. A reader fails if it accepts
an invalid file, rejects a valid one, returns other values, raises anything but an InputError of one line, takes more
than 10 s, or more than 1 GiB of memory. The first such file is kept and ends the run with exit code 1.
"""

import argparse
import faulthandler
import importlib.util
import inspect
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from fuzz_formats import FORMATS

from snnlab.audio import files, headers
from snnlab.data import spike_cache, spike_file
from snnlab.datasets import checksums
from snnlab.datasets.formats import idx, nmnist
from snnlab.errors import InputError

TIME_LIMIT, MEMORY_LIMIT = 10, 1 << 30  # seconds per file, and bytes beyond those in use
MAX_LINE = 300  # characters of an error message without the path
MAX_FILE = 1 << 14  # bytes
INSTALL = 'pip install "snnlab-brian[fuzz]"'
HEAD = 512  # bytes at the start, which half of the mutations change
SPECIAL = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1023, 1024, 32768, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LARGE = (1 << 47, 1 << 48, (1 << 63) - 1, 1 << 64, 10**30)
READERS = {"bin": [nmnist], "idx": [idx, checksums], "sphere": [files, headers], "cache": [spike_cache, spike_file]}


# Mutations -----------------------------------------------------------------------------------------------------------


def flip_bits(rng, content, form):
    for _ in range(rng.randint(1, 4)):
        content[random_position(rng, content, 1)] ^= 1 << rng.randrange(8)


def set_byte(rng, content, form):
    value = rng.choice([0, 1, 10, 32, 33, 34, 127, 128, 240, 255, rng.randrange(256)])
    content[random_position(rng, content, 1)] = value


def remove(rng, content, form):
    start = random_position(rng, content)
    del content[start : rng.choice([len(content), start + rng.randint(1, 8), start + rng.randint(1, 500)])]


def insert(rng, content, form):
    start, source = random_position(rng, content), random_position(rng, content)
    block = [rng.choice(form.tokens), rng.randbytes(rng.randint(1, 9)), content[source : source + rng.randint(1, 64)]]
    content[start:start] = rng.choice(block)


def overwrite(rng, content, form):
    start, token = random_position(rng, content), rng.choice(form.tokens)
    content[start : start + len(token)] = token


def exchange(rng, content, form):
    """Exchange two blocks of the same size."""
    size = rng.choice([1, 2, 4, 5, 8, 16, 64])
    first, second = sorted((random_position(rng, content), random_position(rng, content)))
    if first + size <= second <= len(content) - size:
        blocks = slice(first, first + size), slice(second, second + size)
        content[blocks[0]], content[blocks[1]] = content[blocks[1]], content[blocks[0]]


def change_number(rng, content, form):
    """Change a number in the head: a decimal number if there are several, otherwise one of one to eight bytes."""
    numbers = list(re.finditer(rb"[0-9]+", content[:HEAD]))
    if len(numbers) > 3:
        match = rng.choice(numbers)
        old = int(match[0][:18])
        new = rng.choice([old + 1, old - 1, 2 * old, -old, rng.choice(SPECIAL), rng.choice(LARGE)])
        content[match.start() : match.end()] = b"%d" % new
        return
    start, size = 4 * rng.randrange(6), rng.choice([1, 2, 4, 8])
    old = int.from_bytes(content[start : start + size], "big")
    new = rng.choice([old + 1, max(0, old - 1), rng.choice(SPECIAL)]) % (1 << 8 * size)
    content[start : start + size] = new.to_bytes(size, rng.choice(["big", "little"]))


def splice(rng, content, form):
    """Replace the rest by that of another valid file."""
    start = random_position(rng, content)
    content[start:] = rng.choice(form.starts())[start:]


MUTATIONS = (flip_bits, set_byte, remove, insert, overwrite, exchange, change_number, splice)


def random_position(rng, content, min_length=0):
    """A position in a file, which is extended by a byte if it is too short."""
    if len(content) < min_length:
        content.append(0)
    end = min(HEAD, len(content)) if rng.random() < 0.5 else len(content)
    return rng.randint(0, max(0, end - min_length))


def mutated(rng, content, form):
    """The content after one to four mutations, with corrected checksums in one of three cases."""
    content = bytearray(content)
    for mutate in rng.choices(MUTATIONS, k=rng.choice([1, 1, 1, 2, 2, 3, 4])):
        mutate(rng, content, form)
    return (form.repair(bytes(content)) if rng.random() < 1 / 3 else bytes(content))[:MAX_FILE]


# Checks --------------------------------------------------------------------------------------------------------------


class Timeout(BaseException):
    """Reading took too long. Not an Exception, because readers catch OSError."""


class Failure(Exception):
    """A reader failed on a file."""


@dataclass
class Tally:
    """Numbers of accepted and rejected files."""

    accepted: int = 0
    rejected: int = 0
    slowest: float = 0.0  # seconds of processor time

    @property
    def files(self):
        return self.accepted + self.rejected

    def __str__(self):
        counts = f"{self.files:6} files, {self.rejected:6} rejected, {self.accepted:6} read correctly"
        return f"{counts}, the slowest in {1e3 * self.slowest:.0f} ms"


def check(form, path, content, tally):
    """Compare the reader with the reference on one file. Raises Failure."""
    path.write_bytes(content)
    start, values = time.process_time(), None
    try:
        with time_limit():
            values = form.read(path)
    except InputError as error:
        line = str(error).removeprefix(str(path))
        if line == str(error) or not line.isprintable() or len(line) > MAX_LINE:
            raise Failure(f"an error that is not one line about this file: {line[:1000]!r}") from error
        tally.rejected += 1
    except (Exception, Timeout) as error:
        raise Failure(f"{type(error).__name__}: {error}") from error
    else:
        tally.accepted += 1
    tally.slowest = max(tally.slowest, time.process_time() - start)
    expected = form.reference(content)
    if values != expected:
        raise Failure(f"read as {short(values)}, but the reference is {short(expected)}")


def short(values):
    return "invalid" if values is None else f"{values!r:.200}"


@contextmanager
def time_limit():
    """Raise Timeout after the limit; end the process if that has no effect."""

    def on_alarm(*_):
        raise Timeout(f"not finished after {TIME_LIMIT} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    try:
        faulthandler.dump_traceback_later(TIME_LIMIT + 20, exit=True, file=sys.__stderr__)
        signal.setitimer(signal.ITIMER_REAL, TIME_LIMIT)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def memory_limit():
    """Larger allocations raise MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/statm")  # only on Linux; elsewhere the interpreter is assumed to fit into 8 GiB
    used = int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else 8 << 30
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY_LIMIT, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def fuzz_randomly(form, number, seed, path):
    """Check the valid files and a number of mutated ones. Raises Failure, and leaves the file at `path`."""
    rng, tally, starts = random.Random(seed), Tally(), form.starts()
    compile_readers(path)
    with memory_limit():
        for start in starts:
            check(form, path, start, Tally())
        while tally.files < number:
            check(form, path, mutated(rng, rng.choice(starts), form), tally)
    return tally


def compile_readers(path):
    """Compile what is compiled on first use, before time and memory are limited."""
    path.write_bytes(FORMATS["bin"].starts()[0])
    list(nmnist.decode_all([path]))


# Guided by coverage --------------------------------------------------------------------------------------------------


def fuzz_with_atheris(name, number, seed, path):
    """The same, but files that reach new lines of the reader are mutated further. Ends the process."""
    import atheris

    form, tally, rng = FORMATS[name], Tally(), random.Random(seed)
    compile_readers(path)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for k, start in enumerate(form.starts()):
        Path(corpus, f"{k}").write_bytes(start)
    for module in READERS[name]:
        for member in vars(module).values():
            if inspect.isfunction(member) and member.__module__ == module.__name__:
                atheris.instrument_func(member)

    def check_one(content):
        try:
            check(form, path, content, tally)
        except Failure as failure:
            leave(corpus, 1, f"{name:7} {failure}; kept as {path}")
        if tally.files >= number:
            path.unlink()
            leave(corpus, 0, f"{name:7} {tally}")

    def mutate(content, max_size, _):
        content = mutated(rng, content, form) if rng.random() < 0.5 else atheris.Mutate(content, max_size)
        return (form.repair(content) if rng.random() < 1 / 3 else content)[:max_size]

    options = [f"-seed={seed + 1}", f"-max_len={MAX_FILE}", "-timeout=0", "-verbosity=0", f"-artifact_prefix={path}-"]
    with memory_limit():
        atheris.Setup([sys.argv[0], *options, str(corpus)], check_one, custom_mutator=mutate)
        atheris.Fuzz()


def leave(corpus, code, line):
    """Exit from within libFuzzer, which never returns."""
    shutil.rmtree(corpus)
    print(line, flush=True)
    os._exit(code)


# Command line --------------------------------------------------------------------------------------------------------


def fuzz_all(options):
    """Fuzz every format in a separate process, to detect crashes."""
    codes = []
    for name in FORMATS:
        arguments = ["--files", str(options.files), "--seed", str(options.seed), "--method", options.method]
        command = [sys.executable, __file__, "--format", name, *arguments, "--keep", str(options.keep)]
        code = subprocess.run(command).returncode
        if code not in (0, 1):
            print(f"{name:7} the reader crashed ({code}); kept as {kept_path(options.keep, name)}", flush=True)
        codes.append(code)
    return int(any(codes))


def kept_path(folder, name):
    return folder / f"fuzz-{name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    has_atheris = importlib.util.find_spec("atheris") is not None
    method = "atheris" if has_atheris else "random"
    parser.add_argument("--format", choices=[*FORMATS, "all"], default="all")
    parser.add_argument("--files", type=int, default=10_000, help="number of each format (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--method", choices=["atheris", "random"], default=method, help="(default: %(default)s)")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), help="folder for a failing file")
    options = parser.parse_args()
    if options.method == "atheris" and not has_atheris:
        parser.error(f"atheris is not installed: {INSTALL}, or --method random")
    if options.files < 1:
        parser.error("--files: must be at least 1")
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.format == "all":
        hint = "" if has_atheris else f"; atheris guides by coverage: {INSTALL}"
        print(f"method: {options.method}{hint}", flush=True)
        return fuzz_all(options)
    path = kept_path(options.keep, options.format)
    if options.method == "atheris":
        return fuzz_with_atheris(options.format, options.files, options.seed, path)
    try:
        print(f"{options.format:7} {fuzz_randomly(FORMATS[options.format], options.files, options.seed, path)}")
    except Failure as failure:
        print(f"{options.format:7} {failure}; kept as {path}")
        return 1
    path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
