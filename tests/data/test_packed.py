"""What is packed is what comes out again; anything else than what was written is refused."""

from __future__ import annotations

import json
import os
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab.data import spike_cache
from snnlab.data.samples import CachedSpikes, Images
from snnlab.data.spike_cache import Grid, cached_spikes, read_cached
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

GRID = Grid(7, 1e-3, (3, 4))


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "packed"


def images(number: int, seed: int = 0) -> Images:
    return Images(
        values=np.random.default_rng(seed).integers(0, 256, (number, 12)).astype(np.uint8),
        peak=255,
        labels=np.arange(number) % 3,
        numbers=np.arange(number),
        shape=(3, 4),
        classes=("a", "b", "c"),
        dataset="toy",
        split="all",
    )


def rasters(samples: Images, grid: Grid = GRID) -> NDArray[np.bool_]:
    """Some spikes that depend on the sample alone; some samples and steps have none."""
    found = np.zeros((len(samples), grid.steps, grid.size), dtype=bool)
    for row, values in zip(found, samples.values, strict=True):
        rng = np.random.default_rng(values.tolist())
        row |= rng.random(row.shape) < rng.choice([0, 0.02, 0.9]) * rng.integers(0, 2, (grid.steps, 1))
    return found


def encode(samples: Images) -> SpikeTrains:
    return SpikeTrains.from_dense(rasters(samples), GRID.dt)


def packed_file(cache: Path, number: int = 9) -> Path:
    cached_spikes(images(number), encode, GRID, {})
    return next(cache.glob("*.spikes"))


# Round trips -----------------------------------------------------------------------------------------------------


@settings(max_examples=40)
@given(number=st.integers(0, 150), threads=st.integers(1, 4), order=st.lists(st.integers(0, 10**6), max_size=20))
def test_what_is_packed_comes_out_again(number: int, threads: int, order: list[int]) -> None:
    samples = images(number)
    made = cached_spikes(samples, encode, GRID, {}, threads=threads)
    assert made.spikes() == SpikeTrains.from_dense(rasters(samples), GRID.dt)
    which = np.array([k % number for k in order] if number else [], dtype=np.int64)
    some = made.take(which)
    assert some.spikes() == SpikeTrains.from_dense(rasters(samples.take(which)), GRID.dt)
    assert some.spikes().ids.dtype == np.int32
    assert (some.labels.tolist(), some.numbers.tolist()) == ((which % 3).tolist(), which.tolist())
    assert (made.steps, made.dt, made.shape, made.size) == (7, 1e-3, (3, 4), 12)


@pytest.mark.parametrize(
    ("size", "kind"), [(1, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_neurons_are_kept_in_the_smallest_type_that_holds_them(size: int, kind: str) -> None:
    grid = Grid(2, 1e-3, (size,))
    last = np.zeros((5, 2, size), dtype=bool)
    last[:, 1, -1] = True
    made = cached_spikes(images(5), lambda samples: SpikeTrains.from_dense(last, 1e-3), grid, {})
    assert made.ids.dtype == np.dtype(kind)
    assert made.spikes() == SpikeTrains.from_dense(last, 1e-3)


def test_a_step_may_have_more_spikes_than_a_byte_counts() -> None:
    grid = Grid(2, 1e-3, (300,))
    full = np.ones((3, 2, 300), dtype=bool)
    made = cached_spikes(images(3), lambda samples: SpikeTrains.from_dense(full, 1e-3), grid, {})
    assert made.counts.dtype == np.uint16
    assert made.spikes() == SpikeTrains.from_dense(full, 1e-3)


def test_spikes_are_made_once(cache: Path) -> None:
    calls = []

    def watched(samples: Images) -> SpikeTrains:
        calls.append(len(samples))
        return encode(samples)

    told = []
    cached_spikes(images(130), watched, GRID, {"a": 1}, progress=lambda done, total: told.append((done, total)))
    assert sorted(calls) == [2, 64, 64]
    assert told == [(0, 130), (64, 130), (128, 130), (130, 130)]
    cached_spikes(images(130), watched, GRID, {"a": 1})
    assert len(calls) == 3, "from the cache"
    cached_spikes(images(130), watched, GRID, {"a": 2})
    cached_spikes(images(130, seed=1), watched, GRID, {"a": 1})
    assert len(calls) == 9, "another recipe, other samples"
    assert len(list(cache.iterdir())) == 3


def test_what_goes_wrong_while_encoding_leaves_nothing_behind(cache: Path) -> None:
    def spoilt(samples: Images) -> SpikeTrains:
        if samples.numbers[0]:
            raise InputError("a.bin", "an empty file")
        return encode(samples)

    with pytest.raises(InputError, match=r"a\.bin: an empty file"):
        cached_spikes(images(300), spoilt, GRID, {})
    with pytest.raises(InputError, match="spikes of 12 neurons in 7 steps; needs 12 in 8"):
        cached_spikes(images(3), encode, Grid(8, 1e-3, (3, 4)), {})
    assert list(cache.iterdir()) == []


# Spoilt files ----------------------------------------------------------------------------------------------------


def reopened(number: int = 9) -> CachedSpikes:
    def never(samples: Images) -> SpikeTrains:
        raise AssertionError("it is in the cache")

    return cached_spikes(images(number), never, GRID, {})


def mutated(content: bytes, rng: np.random.Generator) -> bytes:
    changed = bytearray(content)
    kind = rng.integers(5)
    if kind == 0:
        del changed[int(rng.integers(len(changed))) :]
    elif kind == 1:
        changed += rng.bytes(int(rng.integers(1, 100)))
    elif kind == 2:
        place = int(rng.integers(len(changed)))
        changed[place:place] = rng.bytes(int(rng.integers(1, 9)))
    else:
        # half of them where the note and the magic are
        most = 800 if rng.random() < 0.5 else len(changed)
        for place in rng.integers(0, most, rng.integers(1, 4)):
            changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.slow
def test_a_mutated_file_is_refused_or_holds_the_same_spikes(cache: Path) -> None:
    """Four thousand of them. The same, where only what lies between or behind the arrays was changed."""
    path, samples = packed_file(cache), images(9)
    content, rng, same = path.read_bytes(), np.random.default_rng(0), 0
    key, expected = taken_apart(content)[0]["key"], encode(samples)
    for _ in range(4000):
        path.write_bytes(mutated(content, rng))
        try:
            found = read_cached(path, samples, GRID, key).spikes()
        except InputError as refusal:
            assert str(refusal).startswith(f"{path}: ")
            assert "\n" not in str(refusal)
        else:
            assert found == expected
            same += 1
    assert 100 < same < 2000
    path.write_bytes(content)
    assert reopened().spikes() == expected


def taken_apart(content: bytes) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Note and arrays, by the account of the format in packed.py's first lines."""
    note = json.loads(content[20:4096])
    return note, {
        name: np.frombuffer(content, told["dtype"], int(np.prod(told["shape"])), told["begin"]).reshape(told["shape"])
        for name, told in note["arrays"].items()
    }


def rewritten(note: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> bytes:
    """A file with the right check sums, as a stranger could write it."""
    body, told = b"", {}
    for name, array in arrays.items():
        body += bytes(-len(body) % 64)
        told[name] = {
            "dtype": array.dtype.name,
            "shape": array.shape,
            "begin": 4096 + len(body),
            "crc32": zlib.crc32(array.tobytes()),
        }
        body += array.tobytes()
    text = json.dumps({**note, "arrays": told}).encode().ljust(4076)
    return b"snnlab packed 01" + struct.pack("<I", zlib.crc32(text)) + text + body


def test_only_the_check_sums_see_a_neuron_that_could_as_well_have_fired(cache: Path) -> None:
    """One alone in its step, moved by one; the control has the same lie with the check sum put right."""
    path = packed_file(cache)
    note, arrays = taken_apart(path.read_bytes())
    alone = np.flatnonzero(arrays["counts"].ravel() == 1)[0]
    place = int(arrays["counts"].ravel()[:alone].sum())
    ids = arrays["ids"].copy()
    ids[place] = (ids[place] + 1) % 12
    content = bytearray(path.read_bytes())
    content[note["arrays"]["ids"]["begin"] + place] = ids[place]
    path.write_bytes(content)
    with pytest.raises(
        InputError, match=rf"^{path}: is damaged: its spikes are not those that were written; delete it"
    ):
        reopened()
    path.write_bytes(rewritten(note, {**arrays, "ids": ids}))
    assert reopened().spikes() != encode(images(9))


def test_the_format_is_as_it_is_told(cache: Path) -> None:
    path = packed_file(cache)
    note, arrays = taken_apart(path.read_bytes())
    assert rewritten(note, arrays) == path.read_bytes()
    raster = rasters(images(9))
    assert np.array_equal(arrays["counts"], raster.sum(axis=2))
    assert np.array_equal(arrays["ids"], np.nonzero(raster)[2])
    assert np.array_equal(arrays["starts"], np.cumsum([0, *raster.sum(axis=(1, 2))]))


def swap(ids: NDArray[Any]) -> NDArray[Any]:
    """The first two neurons of the fullest run, exchanged."""
    changed, place = ids.copy(), int(np.flatnonzero(np.diff(ids.astype(int)) > 0)[3])
    changed[[place, place + 1]] = changed[[place + 1, place]]
    return changed


LIES: dict[str, Callable[[dict[str, Any], dict[str, NDArray[Any]]], object]] = {
    "a neuron that is none": lambda note, arrays: arrays.update(ids=np.where(arrays["ids"] == 11, 12, arrays["ids"])),
    "neurons out of order": lambda note, arrays: arrays.update(ids=swap(arrays["ids"])),
    "fewer neurons": lambda note, arrays: arrays.update(ids=arrays["ids"][:-1]),
    "more neurons": lambda note, arrays: arrays.update(ids=np.append(arrays["ids"], arrays["ids"][-1:])),
    "a sample less": lambda note, arrays: arrays.update(counts=arrays["counts"][:-1]),
    "steps less": lambda note, arrays: arrays.update(counts=arrays["counts"][:, :-1]),
    "starts that fall": lambda note, arrays: arrays.update(starts=arrays["starts"][::-1].copy()),
    "starts that begin late": lambda note, arrays: arrays.update(starts=arrays["starts"] + 1),
    "starts that begin before": lambda note, arrays: arrays.update(starts=arrays["starts"] - 1),
    "starts of another": lambda note, arrays: arrays.update(starts=np.roll(arrays["starts"], 1)),
    "counts of a neighbour": lambda note, arrays: arrays.update(counts=np.roll(arrays["counts"], 1, axis=0)),
    "counts of floats": lambda note, arrays: arrays.update(counts=arrays["counts"].astype(np.float64)),
    "counts with signs": lambda note, arrays: arrays.update(counts=arrays["counts"].astype(np.int64)),
    "neurons with signs": lambda note, arrays: arrays.update(ids=arrays["ids"].astype(np.int64)),
    "another key": lambda note, arrays: note.update(key="0" * 64),
    "other steps": lambda note, arrays: note.update(steps=8),
    "another dt": lambda note, arrays: note.update(dt=2e-3),
    "another shape": lambda note, arrays: note.update(shape=[12]),
    "a dt that is no number": lambda note, arrays: note.update(dt=float("nan")),
    "no key": lambda note, arrays: note.pop("key"),
    "a key that is a list": lambda note, arrays: note.update(key=[]),
    "an array too many": lambda note, arrays: arrays.update(more=arrays["ids"]),
    "an array too few": lambda note, arrays: arrays.pop("ids"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_file_that_lies_with_the_right_check_sums_is_refused(lie: str, cache: Path) -> None:
    path = packed_file(cache)
    content = path.read_bytes()
    note, arrays = taken_apart(content)
    LIES[lie](note, arrays)
    path.write_bytes(rewritten(note, arrays))
    assert path.read_bytes() != content, "the lie is told"
    with pytest.raises(InputError, match=rf"^{path}: .*delete it, and it will be made anew"):
        reopened()
    path.unlink()
    assert cached_spikes(images(9), encode, GRID, {}).spikes() == encode(images(9)), "as the refusal says"


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two samples, for many examples."""
    folder = tmp_path_factory.mktemp("good")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_CACHE", str(folder))
        return packed_file(folder / "packed", 2)


@settings(max_examples=150)
@given(data=st.data())
def test_a_note_with_anything_in_one_place_is_refused(data: st.DataObject, good: Path) -> None:
    """And with the right check sum."""
    content = good.read_bytes()
    note = json.loads(content[20:4096])
    key, place = note["key"], note
    for inner in data.draw(st.sampled_from([[], ["arrays"], *(["arrays", name] for name in note["arrays"])])):
        place = place[inner]
    name, value = data.draw(st.sampled_from(sorted(place))), data.draw(anything)
    assume(not (type(value) is type(place[name]) and value == place[name]))
    place[name] = value
    text = json.dumps(note).encode().ljust(4076)
    path = good.with_name("changed")
    path.write_bytes(content[:16] + struct.pack("<I", zlib.crc32(text)) + text + content[4096:])
    with pytest.raises(InputError, match=rf"^{path}: "):
        read_cached(path, images(2), GRID, key)


@pytest.mark.parametrize("content", [b"", b"x", b"snnlab packed 01", b"snnlab packed 02" + bytes(5000), bytes(9000)])
def test_files_of_something_else_are_refused(content: bytes, cache: Path) -> None:
    path = packed_file(cache)
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"^{path}: "):
        reopened()


# Where it is kept ------------------------------------------------------------------------------------------------

PROGRAM = """
import sys, time
sys.path[:0] = {path!r}
import test_packed
from snnlab.data.spike_cache import pack
def slow(samples):
    time.sleep(0.2)
    return test_packed.encode(samples)
print("ready", flush=True)
sys.stdin.readline()
{before}
try:
    made = pack(test_packed.images({number}), slow, test_packed.GRID, dict())
except ValueError as refusal:
    sys.exit(str(refusal))
assert made.spikes() == test_packed.encode(test_packed.images({number}))
"""


def started(cache: Path, before: str = "", number: int = 300) -> subprocess.Popen[str]:
    program = PROGRAM.format(path=[*sys.path, str(Path(__file__).parents[1])], before=before, number=number)
    words, environment = [sys.executable, "-c", program], {**os.environ, "SNNLAB_CACHE": str(cache.parent)}
    pipe = subprocess.PIPE
    return subprocess.Popen(words, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, text=True)


def test_several_processes_may_pack_the_same_at_once(cache: Path) -> None:
    all_ = [started(cache) for _ in range(3)]
    for one in all_:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    said = [one.communicate("go\n", timeout=60)[1] for one in all_]
    assert [(one.returncode, text) for one, text in zip(all_, said, strict=True)] == [(0, "")] * 3
    assert [path.suffix for path in cache.iterdir()] == [".spikes"]
    assert reopened(300).spikes() == encode(images(300))


def test_a_full_disk_is_refused_and_nothing_is_left(cache: Path) -> None:
    """A limit on the size of files makes the write fail as a full disk does."""
    before = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (6000, {resource.RLIM_INFINITY}))"
    one = started(cache, before)
    _, said = one.communicate("go\n", timeout=60)
    assert one.returncode == 1
    assert said.startswith(f"cache folder {cache}: File too large; needs room; or set SNNLAB_CACHE to a folder else")
    assert said.count("\n") == 1
    assert list(cache.iterdir()) == []


def test_a_cache_folder_that_cannot_be_written_is_refused(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        cache.mkdir(parents=True)
        cache.chmod(0o500)
    else:  # nothing is read-only for root

        def denied(**_: Any) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(spike_cache.tempfile, "mkstemp", denied)
    with pytest.raises(InputError, match=rf"^cache folder {cache}: Permission denied; set SNNLAB_CACHE to a folder"):
        cached_spikes(images(3), encode, GRID, {})


def test_a_file_in_the_place_of_the_cache_folder_is_refused(cache: Path) -> None:
    cache.parent.mkdir()
    cache.write_bytes(b"")
    with pytest.raises(InputError, match=r"set SNNLAB_CACHE to a folder that can be written to"):
        cached_spikes(images(3), encode, GRID, {})
