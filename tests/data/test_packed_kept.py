"""The folder of packed spikes: what is wrong with a file is told, leftovers go, and what is being written stays."""

from __future__ import annotations

import errno
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
from test_packed import GRID, encode, images, packed_file, reopened

from snnlab.data import spike_cache
from snnlab.data.samples import Images
from snnlab.data.spike_cache import Grid, cached_spikes
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.paths import cache_error


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packed"


@pytest.mark.parametrize("place", range(16))
def test_a_bit_in_the_first_bytes_is_told_as_damage(place: int, cache: Path) -> None:
    content = bytearray(packed_file(cache).read_bytes())
    content[place] ^= 4
    refused(cache, bytes(content), "does not begin as packed spikes do: it is damaged, or something else")


@pytest.mark.parametrize(
    ("length", "found"),
    [
        (0, "is empty"),
        (16, "is cut short: it has 16 bytes, and its head alone 4,096"),
        (4095, "is cut short: it has 4,095 bytes, and its head alone 4,096"),
        (-3, "is cut short: it has {} bytes and lacks 3"),
    ],
)
def test_a_file_that_is_cut_is_told_so(length: int, found: str, cache: Path) -> None:
    content = packed_file(cache).read_bytes()[: length if length >= 0 else None][: length if length < 0 else None]
    refused(cache, content, found.format(f"{len(content):,}"))


def test_bits_farther_on_are_told_as_damage(cache: Path) -> None:
    content = packed_file(cache).read_bytes()
    for place, found in ((100, "its head is not what was written"), (-1, "its spikes are not those that were written")):
        spoilt = bytearray(content)
        spoilt[place] ^= 1
        refused(cache, bytes(spoilt), f"is damaged: {found}")


def test_the_file_of_others_under_the_name_is_told_as_theirs(cache: Path) -> None:
    path = packed_file(cache)
    cached_spikes(images(5), encode, GRID, {})
    other = next(file for file in cache.iterdir() if file != path)
    refused(cache, other.read_bytes(), "holds other spikes than its name says, of another part, dataset or code", path)


def test_a_folder_in_the_place_of_the_file_is_told_before_anything_is_made(cache: Path) -> None:
    path = packed_file(cache)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError) as refusal:
        reopened()
    assert str(refusal.value) == f"{path}: is a folder and no file; delete it, and it will be made anew"


def refused(folder: Path, content: bytes, found: str, path: Path | None = None) -> None:
    """And without the file, all is well."""
    path = path or next(folder.glob("*.spikes"))
    path.write_bytes(content)
    with pytest.raises(InputError) as refusal:
        reopened()
    assert str(refusal.value) == f"{path}: {found}; delete it, and it will be made anew"
    path.unlink()
    assert cached_spikes(images(9), encode, GRID, {}).spikes() == encode(images(9))


# Leftovers -------------------------------------------------------------------------------------------------------

KILLED = """
import os, signal, sys
sys.path[:0] = {path!r}
import test_packed
from snnlab.data.spike_cache import Grid, pack
def encode(samples):
    if samples.numbers[0]:
        os.kill(os.getpid(), signal.SIGKILL)
    return test_packed.encode(samples)
pack(test_packed.images(300), encode, test_packed.GRID, dict(), threads=1)
"""


def test_what_a_killed_process_left_goes_when_the_next_one_packs(cache: Path) -> None:
    program = KILLED.format(path=[*sys.path, str(Path(__file__).parents[1])])
    assert subprocess.run([sys.executable, "-c", program], timeout=60, check=False).returncode == -9
    (left,) = cache.iterdir()
    assert left.suffix == ".part"
    others = cache / "a film.part"
    others.touch()
    cached_spikes(images(9), encode, GRID, {})
    assert not left.exists()
    assert others.exists(), "it is none of ours"


def test_what_is_being_written_is_left_alone(cache: Path) -> None:
    """One packs while another is in the middle of the same."""
    seen: list[set[Path]] = []

    def slow(samples: Images) -> SpikeTrains:
        if not seen:
            seen.append(set(cache.iterdir()))
            made = cached_spikes(images(150), encode, GRID, {})
            assert made.spikes() == encode(images(150))
            seen.append(set(cache.iterdir()))
        return encode(samples)

    assert cached_spikes(images(150), slow, GRID, {}, threads=1).spikes() == encode(images(150))
    begun, after = seen
    assert [path.suffix for path in begun] == [".part"]
    assert begun < after, "the draft of the first, and the file of the second"
    assert [path.suffix for path in cache.iterdir()] == [".spikes"]


def test_a_draft_that_is_swept_away_before_it_is_locked_is_begun_again(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, mkstemp = list[str](), tempfile.mkstemp

    def swept(**where: Any) -> tuple[int, str]:
        handle, name = mkstemp(**where)
        made.append(name)
        if len(made) == 1:
            spike_cache._sweep(cache)
            assert not Path(name).exists()
        return handle, name

    monkeypatch.setattr(tempfile, "mkstemp", swept)
    assert cached_spikes(images(9), encode, GRID, {}).spikes() == encode(images(9))
    assert len(made) == 2


def test_no_thread_outlives_a_packing_that_failed(cache: Path) -> None:
    """Spikes that do not fit are seen by the writer, while the next ones are made. The refusal is kept meanwhile."""
    grid = Grid(8, 1e-3, (3, 4))
    with pytest.raises(InputError, match="needs 12 in 8") as refused:
        cached_spikes(images(3000), encode, grid, {}, threads=3)
    alive = [thread.name for thread in threading.enumerate() if thread.name.startswith("pack")]
    assert refused.value.args and not alive


# Room ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
def test_where_there_is_no_room_room_is_advised(number: int) -> None:
    said = str(cache_error(Path("/cache"), OSError(number, "so it is")))
    assert said == "cache folder /cache: so it is; needs room; or set SNNLAB_CACHE to a folder elsewhere"
    assert "room" not in str(cache_error(Path("/cache"), OSError(errno.EACCES, "so it is")))
