#!/usr/bin/env python3
"""Spoilt files for the readers of .bin, idx, SPHERE and of our own cache: refused in one line, or read as they are.

    python scripts/fuzz.py                               10,000 files of each format
    python scripts/fuzz.py --format sphere --files 500 --seed 3
    python scripts/fuzz.py --by seed                     without atheris, which leads by coverage where it is installed

Whole files are made and spoilt: bits flipped, bytes cut, inserted and exchanged, numbers changed, and in some of them
the check sums put right again. What each then means is decided a second time by hand, see fuzz_formats.py. A reader is
wrong if it takes what means nothing, refuses what means something, finds other values than there are, fails in any way
but a refusal of one line, takes more than 10 s, or asks for more than 1 GiB. The first such file ends the run with exit
code 1, and is kept.
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

from snnlab.audio import files as sounds
from snnlab.data import spike_cache
from snnlab.datasets import checksums
from snnlab.datasets.formats import idx, nmnist
from snnlab.errors import InputError

SECONDS, MEMORY = 10, 1 << 30  # for one file, and more than is in use
LONGEST_LINE = 300  # characters of a refusal, the path not counted
LONGEST_FILE = 1 << 14
ASK = 'pip install "snnlab-brian[fuzz]"'
HEAD = 512  # bytes, in which half of the changes fall
ODD = (0, 1, 2, 3, 7, 8, 127, 128, 255, 256, 1023, 1024, 32768, 65535, 65536, (1 << 31) - 1, 1 << 31, (1 << 32) - 1)
LARGE = (1 << 47, 1 << 48, (1 << 63) - 1, 1 << 64, 10**30)
READERS = {"bin": [nmnist], "idx": [idx, checksums], "sphere": [sounds], "cache": [spike_cache]}


# Spoiling ------------------------------------------------------------------------------------------------------------


def flipped(rng, content, form):
    for _ in range(rng.randint(1, 4)):
        content[somewhere(rng, content, 1)] ^= 1 << rng.randrange(8)


def set_(rng, content, form):
    content[somewhere(rng, content, 1)] = rng.choice([0, 1, 10, 32, 33, 34, 127, 128, 240, 255, rng.randrange(256)])


def cut(rng, content, form):
    place = somewhere(rng, content)
    del content[place : rng.choice([len(content), place + rng.randint(1, 8), place + rng.randint(1, 500)])]


def inserted(rng, content, form):
    place, other = somewhere(rng, content), somewhere(rng, content)
    block = [rng.choice(form.words), rng.randbytes(rng.randint(1, 9)), content[other : other + rng.randint(1, 64)]]
    content[place:place] = rng.choice(block)


def overwritten(rng, content, form):
    place, word = somewhere(rng, content), rng.choice(form.words)
    content[place : place + len(word)] = word


def exchanged(rng, content, form):
    """Two blocks change places; neither moves what lies between them."""
    size = rng.choice([1, 2, 4, 5, 8, 16, 64])
    one, other = sorted((somewhere(rng, content), somewhere(rng, content)))
    if one + size <= other <= len(content) - size:
        content[one : one + size], content[other : other + size] = (
            content[other : other + size],
            content[one : one + size],
        )


def renumbered(rng, content, form):
    """Another number in the head: in digits where there are some, and otherwise in one, two, four or eight bytes."""
    digits = list(re.finditer(rb"[0-9]+", content[:HEAD]))
    if len(digits) > 3:
        found = rng.choice(digits)
        was = int(found[0][:18])
        number = rng.choice([was + 1, was - 1, 2 * was, -was, rng.choice(ODD), rng.choice(LARGE)])
        content[found.start() : found.end()] = b"%d" % number
        return
    place, size = 4 * rng.randrange(6), rng.choice([1, 2, 4, 8])
    was = int.from_bytes(content[place : place + size], "big")
    number = rng.choice([was + 1, max(0, was - 1), rng.choice(ODD)]) % (1 << 8 * size)
    content[place : place + size] = number.to_bytes(size, rng.choice(["big", "little"]))


def crossed(rng, content, form):
    """The rest comes from another whole file."""
    place = somewhere(rng, content)
    content[place:] = rng.choice(form.starts())[place:]


WAYS = (flipped, set_, cut, inserted, overwritten, exchanged, renumbered, crossed)


def somewhere(rng, content, least=0):
    """A place in a file; a file too short for one of its bytes gets a byte."""
    if len(content) < least:
        content.append(0)
    most = min(HEAD, len(content)) if rng.random() < 0.5 else len(content)
    return rng.randint(0, max(0, most - least))


def spoilt(rng, content, form):
    """Some bytes, changed in one to four ways; with the check sums put right in one of three."""
    content = bytearray(content)
    for way in rng.choices(WAYS, k=rng.choice([1, 1, 1, 2, 2, 3, 4])):
        way(rng, content, form)
    return (form.repair(bytes(content)) if rng.random() < 1 / 3 else bytes(content))[:LONGEST_FILE]


# Judging -------------------------------------------------------------------------------------------------------------


class Hangs(BaseException):
    """Longer than a file may take; readers catch what is less, an OSError above all."""


class Wrong(Exception):
    """What a reader did that it must not do."""


@dataclass
class Tally:
    """What became of the files."""

    right: int = 0
    refused: int = 0
    slowest: float = 0.0  # seconds of processor time

    @property
    def files(self):
        return self.right + self.refused

    def __str__(self):
        told = f"{self.files:6} files, {self.refused:6} refused, {self.right:6} read and right"
        return f"{told}, the slowest in {1e3 * self.slowest:.0f} ms"


def judge(form, path, content, tally):
    """One file before the reader. Raises Wrong."""
    path.write_bytes(content)
    begin, found = time.process_time(), None
    try:
        with alarm():
            found = form.read(path)
    except InputError as refusal:
        line = str(refusal).removeprefix(str(path))
        if line == str(refusal) or not line.isprintable() or len(line) > LONGEST_LINE:
            raise Wrong(f"a refusal that is no line on this file: {line[:1000]!r}") from refusal
        tally.refused += 1
    except (Exception, Hangs) as error:
        raise Wrong(f"{type(error).__name__}: {error}") from error
    else:
        tally.right += 1
    tally.slowest = max(tally.slowest, time.process_time() - begin)
    meant = form.by_hand(content)
    if found != meant:
        raise Wrong(f"read as {short(found)}, and by hand it is {short(meant)}")


def short(values):
    return "nothing" if values is None else f"{values!r:.200}"


@contextmanager
def alarm():
    """An end to what takes too long: an exception, and of what hears none, the process."""

    def ring(*_):
        raise Hangs(f"not done after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, ring)
    try:
        faulthandler.dump_traceback_later(SECONDS + 20, exit=True, file=sys.__stderr__)
        signal.setitimer(signal.ITIMER_REAL, SECONDS)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        faulthandler.cancel_dump_traceback_later()
        signal.signal(signal.SIGALRM, before)


@contextmanager
def limited_memory():
    """A file that asks for more meets a MemoryError."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    status = Path("/proc/self/statm")  # elsewhere than on Linux, the interpreter and NumPy are taken to fit into 8 GiB
    used = int(status.read_text().split()[0]) * resource.getpagesize() if status.exists() else 8 << 30
    resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def by_seed(form, number, seed, path):
    """What becomes of the whole files, and of so many that are spoilt. Raises Wrong, and leaves the file at `path`."""
    rng, tally, starts = random.Random(seed), Tally(), form.starts()
    compile_readers(path)
    with limited_memory():
        for start in starts:
            judge(form, path, start, Tally())
        while tally.files < number:
            judge(form, path, spoilt(rng, rng.choice(starts), form), tally)
    return tally


def compile_readers(path):
    """What is compiled when it is first used, before there is any limit to time and memory."""
    path.write_bytes(FORMATS["bin"].starts()[0])
    list(nmnist.decode_all([path]))


# Led by coverage -----------------------------------------------------------------------------------------------------


def by_atheris(name, number, seed, path):
    """The same, and the files that reach new lines of the reader are spoilt further. Ends the process with its code."""
    import atheris

    form, tally, rng = FORMATS[name], Tally(), random.Random(seed)
    compile_readers(path)
    corpus = Path(tempfile.mkdtemp(prefix="fuzz-corpus-"))
    for k, start in enumerate(form.starts()):
        Path(corpus, f"{k}").write_bytes(start)
    for module in READERS[name]:
        for one in vars(module).values():
            if inspect.isfunction(one) and one.__module__ == module.__name__:
                atheris.instrument_func(one)

    def one_file(content):
        try:
            judge(form, path, content, tally)
        except Wrong as wrong:
            leave(corpus, 1, f"{name:7} {wrong}; kept as {path}")
        if tally.files >= number:
            path.unlink()
            leave(corpus, 0, f"{name:7} {tally}")

    def changed(content, most, _):
        content = spoilt(rng, content, form) if rng.random() < 0.5 else atheris.Mutate(content, most)
        return (form.repair(content) if rng.random() < 1 / 3 else content)[:most]

    words = [f"-seed={seed + 1}", f"-max_len={LONGEST_FILE}", "-timeout=0", "-verbosity=0", f"-artifact_prefix={path}-"]
    with limited_memory():
        atheris.Setup([sys.argv[0], *words, str(corpus)], one_file, custom_mutator=changed)
        atheris.Fuzz()


def leave(corpus, code, line):
    """The end from within libFuzzer, which would otherwise never return."""
    shutil.rmtree(corpus)
    print(line, flush=True)
    os._exit(code)


# Running -------------------------------------------------------------------------------------------------------------


def each_apart(options):
    """Every format in a process of its own, so that a crash is seen as one."""
    codes = []
    for name in FORMATS:
        words = ["--format", name, "--files", str(options.files), "--seed", str(options.seed), "--by", options.by]
        done = subprocess.run([sys.executable, __file__, *words, "--keep", str(options.keep)])
        if done.returncode not in (0, 1):
            print(f"{name:7} the reader crashed ({done.returncode}); kept as {kept(options.keep, name)}", flush=True)
        codes.append(done.returncode)
    return int(any(codes))


def kept(folder, name):
    return folder / f"fuzz-{name}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    there = importlib.util.find_spec("atheris") is not None
    parser.add_argument("--format", choices=[*FORMATS, "all"], default="all")
    parser.add_argument("--files", type=int, default=10_000, help="of each format (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by", choices=["atheris", "seed"], default="atheris" if there else "seed")
    parser.add_argument("--keep", type=Path, default=Path(tempfile.gettempdir()), help="folder for what is wrong")
    options = parser.parse_args()
    if options.by == "atheris" and not there:
        parser.error(f"atheris is not installed: {ASK}, or --by seed")
    if options.files < 1:
        parser.error("--files: needs at least 1")
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.format == "all":
        print(f"by {options.by}" + f"; with atheris it is led by coverage: {ASK}" * (not there), flush=True)
        return each_apart(options)
    path = kept(options.keep, options.format)
    if options.by == "atheris":
        return by_atheris(options.format, options.files, options.seed, path)
    try:
        print(f"{options.format:7} {by_seed(FORMATS[options.format], options.files, options.seed, path)}")
    except Wrong as wrong:
        print(f"{options.format:7} {wrong}; kept as {path}")
        return 1
    path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
