"""The cache of encoded spikes: it encodes once, survives failures and parallel writers, and reports its folder."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from errors_in_tests import raises_input_error
from toy_spikes import GRID, encode, from_cache, images

from snnlab.data import spike_cache
from snnlab.data.samples import Images
from snnlab.data.spike_cache import cached_spikes
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.paths import cache_error


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "spikes"


def test_samples_are_encoded_once_for_each_recipe(cache: Path) -> None:
    calls = []

    def counting(samples: Images) -> SpikeTrains:
        calls.append(len(samples))
        return encode(samples)

    reports = []
    cached_spikes(images(130), counting, GRID, {"a": 1}, progress=lambda done, total: reports.append((done, total)))
    assert sorted(calls) == [2, 64, 64]
    assert reports == [(0, 130), (64, 130), (128, 130), (130, 130)]
    cached_spikes(images(130), counting, GRID, {"a": 1})
    assert len(calls) == 3
    cached_spikes(images(130), counting, GRID, {"a": 2})
    cached_spikes(images(130, seed=1), counting, GRID, {"a": 1})
    assert len(calls) == 9
    assert len(list(cache.iterdir())) == 3


def test_an_error_while_encoding_leaves_no_file(cache: Path) -> None:
    def failing(samples: Images) -> SpikeTrains:
        if samples.numbers[0]:
            raise InputError("a.bin", "an empty file")
        return encode(samples)

    with raises_input_error("a.bin", "an empty file"):
        cached_spikes(images(300), failing, GRID, {})
    with raises_input_error("cached spikes", "12 neurons in 7 steps", "8 steps"):
        cached_spikes(images(3), encode, Grid(8, 1e-3, (3, 4)), {})
    assert list(cache.iterdir()) == []


def test_an_error_while_writing_leaves_no_thread(cache: Path) -> None:
    """The writer rejects the spikes while the next ones are encoded; the traceback keeps the generator alive."""
    grid = Grid(8, 1e-3, (3, 4))
    with raises_input_error("cached spikes") as caught:
        cached_spikes(images(3000), encode, grid, {}, threads=3)
    alive = [thread.name for thread in threading.enumerate() if thread.name.startswith("encode")]
    assert caught.value.args and not alive


# Several processes -----------------------------------------------------------------------------------------------

PROGRAM = """
import os, signal, sys, time
sys.path[:0] = {path!r}
import toy_spikes
from snnlab.data.spike_cache import cached_spikes
def encode(samples):
    {encoding}
    return toy_spikes.encode(samples)
print("ready", flush=True)
sys.stdin.readline()
{setup}
try:
    cached = cached_spikes(toy_spikes.images(300), encode, toy_spikes.GRID, dict(), threads={threads})
except ValueError as error:
    sys.exit(str(error))
assert cached.spikes() == toy_spikes.encode(toy_spikes.images(300))
"""


def started(cache: Path, encoding: str = "time.sleep(0.2)", setup: str = "", threads: int = 2) -> Any:
    program = PROGRAM.format(path=sys.path, encoding=encoding, setup=setup, threads=threads)
    command, environment = [sys.executable, "-c", program], {**os.environ, "SNNLAB_CACHE": str(cache.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_several_processes_may_write_the_same_file(cache: Path) -> None:
    processes = [started(cache) for _ in range(3)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    errors = [process.communicate("go\n", timeout=60)[1] for process in processes]
    assert errors == [""] * 3
    assert [process.returncode for process in processes] == [0] * 3
    assert [path.suffix for path in cache.iterdir()] == [".spikes"]
    assert from_cache(300).spikes() == encode(images(300))


def test_a_full_disk_is_reported_and_leaves_no_file(cache: Path) -> None:
    """A limit on the size of files makes the write fail as a full disk does."""
    setup = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, {resource.RLIM_INFINITY}))"
    process = started(cache, setup=setup)
    _, error = process.communicate("go\n", timeout=60)
    assert process.returncode == 1
    assert error.startswith(f"cache folder {cache}: File too large; ")
    assert "SNNLAB_CACHE" in error
    assert error.count("\n") == 1
    assert list(cache.iterdir()) == []


def test_the_file_of_a_killed_process_is_removed_later(cache: Path) -> None:
    process = started(cache, "samples.numbers[0] and os.kill(os.getpid(), signal.SIGKILL)", threads=1)
    process.communicate("go\n", timeout=60)
    assert process.returncode == -9
    (leftover,) = cache.iterdir()
    assert leftover.suffix == ".part"
    foreign = cache / "a film.part"
    foreign.touch()
    cached_spikes(images(9), encode, GRID, {})
    assert not leftover.exists()
    assert foreign.exists()


def test_a_file_that_is_being_written_is_not_removed(cache: Path) -> None:
    """A second writer runs while the first is in the middle of the same file."""
    contents: list[set[Path]] = []

    def nested(samples: Images) -> SpikeTrains:
        if not contents:
            contents.append(set(cache.iterdir()))
            assert cached_spikes(images(150), encode, GRID, {}).spikes() == encode(images(150))
            contents.append(set(cache.iterdir()))
        return encode(samples)

    assert cached_spikes(images(150), nested, GRID, {}, threads=1).spikes() == encode(images(150))
    before, after = contents
    assert [path.suffix for path in before] == [".part"]
    assert before < after
    assert [path.suffix for path in cache.iterdir()] == [".spikes"]


def test_a_temporary_file_that_is_removed_before_it_is_locked_is_created_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names, mkstemp = list[str](), tempfile.mkstemp

    def removed(**options: Any) -> tuple[int, str]:
        handle, name = mkstemp(**options)
        names.append(name)
        if len(names) == 1:
            spike_cache._remove_leftovers(cache)
            assert not Path(name).exists()
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", removed)
    assert cached_spikes(images(9), encode, GRID, {}).spikes() == encode(images(9))
    assert len(names) == 2


# The folder ------------------------------------------------------------------------------------------------------


def test_a_cache_folder_that_is_not_writable_raises_an_error(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        cache.mkdir(parents=True)
        cache.chmod(0o500)
    else:  # nothing is read-only for root

        def denied(**_: Any) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(spike_cache.tempfile, "mkstemp", denied)
    with raises_input_error(f"cache folder {cache}", "Permission denied", "SNNLAB_CACHE"):
        cached_spikes(images(3), encode, GRID, {})


def test_a_file_in_place_of_the_cache_folder_raises_an_error(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"")
    with raises_input_error("cache folder", "SNNLAB_CACHE"):
        cached_spikes(images(3), encode, GRID, {})


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EACCES])
def test_the_error_of_a_full_disk_suggests_to_free_space(number: int) -> None:
    error = cache_error(Path("/cache"), OSError(number, "the reason"))
    assert (error.field, error.problem) == ("cache folder /cache", "the reason")
    assert "SNNLAB_CACHE" in error.hint
    assert ("space" in error.hint) == (number != errno.EACCES)
