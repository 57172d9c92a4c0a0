"""Files of cached spikes: what is written is read unchanged; a file that differs raises an error."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from toy_spikes import GRID, cache_file, encode, from_cache, images, rasters

from snnlab.data.spike_cache import cached_spikes, read_cached
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

Arrays = dict[str, NDArray[Any]]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "spikes"


# Round trips -----------------------------------------------------------------------------------------------------


@settings(max_examples=examples(40))
@given(number=st.integers(0, 150), threads=st.integers(1, 4), order=st.lists(st.integers(0, 10**6), max_size=20))
def test_cached_spikes_are_read_unchanged(number: int, threads: int, order: list[int]) -> None:
    samples = images(number)
    cached = cached_spikes(samples, encode, GRID, {}, threads=threads)
    assert cached.spikes() == SpikeTrains.from_dense(rasters(samples), GRID.dt)
    which = np.array([k % number for k in order] if number else [], dtype=np.int64)
    some = cached.take(which)
    assert some.spikes() == SpikeTrains.from_dense(rasters(samples.take(which)), GRID.dt)
    assert some.spikes().ids.dtype == np.int32
    assert (some.labels.tolist(), some.numbers.tolist()) == ((which % 3).tolist(), which.tolist())
    assert (cached.steps, cached.dt, cached.shape, cached.size) == (7, 1e-3, (3, 4), 12)


@pytest.mark.parametrize(
    ("size", "kind"), [(1, "uint8"), (256, "uint8"), (257, "uint16"), (65536, "uint16"), (65537, "uint32")]
)
def test_neuron_numbers_have_the_smallest_type_that_holds_them(size: int, kind: str) -> None:
    last = np.zeros((5, 2, size), dtype=bool)
    last[:, 1, -1] = True
    cached = cached_spikes(images(5), lambda _: SpikeTrains.from_dense(last, 1e-3), Grid(2, 1e-3, (size,)), {})
    assert cached.ids.dtype == np.dtype(kind)
    assert cached.spikes() == SpikeTrains.from_dense(last, 1e-3)


def test_a_step_may_have_more_than_255_spikes() -> None:
    full = np.ones((3, 2, 300), dtype=bool)
    cached = cached_spikes(images(3), lambda _: SpikeTrains.from_dense(full, 1e-3), Grid(2, 1e-3, (300,)), {})
    assert cached.counts.dtype == np.uint16
    assert cached.spikes() == SpikeTrains.from_dense(full, 1e-3)


# The format by hand ----------------------------------------------------------------------------------------------


def parsed(content: bytes) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays, by the description in spike_file.py."""
    header = json.loads(content[20:4096])
    return header, {
        name: np.frombuffer(content, entry["dtype"], int(np.prod(entry["shape"])), entry["begin"]).reshape(
            entry["shape"]
        )
        for name, entry in header["arrays"].items()
    }


def with_header(header: dict[str, Any], body: bytes) -> bytes:
    text = json.dumps(header).encode().ljust(4076)
    return b"snnlab spikes 01" + struct.pack("<I", zlib.crc32(text)) + text + body


def built(header: dict[str, Any], arrays: Arrays) -> bytes:
    """A file with valid checksums."""
    body, entries = b"", {}
    for name, array in arrays.items():
        body += bytes(-len(body) % 64)
        entries[name] = {
            "dtype": array.dtype.name,
            "shape": array.shape,
            "begin": 4096 + len(body),
            "crc32": zlib.crc32(array.tobytes()),
        }
        body += array.tobytes()
    return with_header({**header, "arrays": entries}, body)


def test_a_file_has_the_documented_format(cache: Path) -> None:
    path = cache_file(cache)
    header, arrays = parsed(path.read_bytes())
    assert built(header, arrays) == path.read_bytes()
    raster = rasters(images(9))
    assert np.array_equal(arrays["counts"], raster.sum(axis=2))
    assert np.array_equal(arrays["ids"], np.nonzero(raster)[2])
    assert np.array_equal(arrays["starts"], np.cumsum([0, *raster.sum(axis=(1, 2))]))


# Corrupt files ---------------------------------------------------------------------------------------------------


def assert_corrupt(path: Path, content: bytes, *values: object) -> None:
    """Reading this content raises an error; once the file is deleted, the spikes are encoded again."""
    path.write_bytes(content)
    with raises_input_error(path, *values, "delete it") as caught:
        from_cache()
    assert caught.value.field == str(path)
    path.unlink()
    assert cached_spikes(images(9), encode, GRID, {}).spikes() == encode(images(9))


@pytest.mark.parametrize("place", range(16))
def test_a_changed_bit_of_the_magic_is_found(place: int, cache: Path) -> None:
    path = cache_file(cache)
    content = bytearray(path.read_bytes())
    content[place] ^= 4
    assert_corrupt(path, bytes(content), "does not start")


@pytest.mark.parametrize(("length", "values"), [(0, ["empty"]), (16, ["16", "4,096"]), (4095, ["4,095", "4,096"])])
def test_a_truncated_header_is_found(length: int, values: list[str], cache: Path) -> None:
    path = cache_file(cache)
    assert_corrupt(path, path.read_bytes()[:length], *values)


def test_truncated_arrays_are_found(cache: Path) -> None:
    path = cache_file(cache)
    content = path.read_bytes()[:-3]
    assert_corrupt(path, content, "truncated", f"{len(content):,}", "3")


@pytest.mark.parametrize(("place", "part"), [(100, "header"), (-1, "spikes")])
def test_a_changed_bit_is_found_by_a_checksum(place: int, part: str, cache: Path) -> None:
    path = cache_file(cache)
    content = bytearray(path.read_bytes())
    content[place] ^= 1
    assert_corrupt(path, bytes(content), "checksum", part)


def test_the_file_of_other_samples_is_found(cache: Path) -> None:
    path = cache_file(cache)
    cached_spikes(images(5), encode, GRID, {})
    other = next(file for file in cache.iterdir() if file != path)
    assert_corrupt(path, other.read_bytes(), "another split, dataset or version")


def test_a_folder_in_place_of_the_file_is_found(cache: Path) -> None:
    path = cache_file(cache)
    path.unlink()
    path.mkdir()
    with raises_input_error(path, "folder", "delete it"):
        from_cache()


@pytest.mark.parametrize("content", [b"", b"x", b"snnlab spikes 01", b"snnlab spikes 02" + bytes(5000), bytes(9000)])
def test_other_files_are_found(content: bytes, cache: Path) -> None:
    assert_corrupt(cache_file(cache), content)


def test_a_valid_but_wrong_neuron_is_found_only_by_the_checksum(cache: Path) -> None:
    """A neuron that is alone in its step is replaced; with a corrected checksum, the file is valid."""
    path = cache_file(cache)
    header, arrays = parsed(path.read_bytes())
    alone = np.flatnonzero(arrays["counts"].ravel() == 1)[0]
    place = int(arrays["counts"].ravel()[:alone].sum())
    ids = arrays["ids"].copy()
    ids[place] = (ids[place] + 1) % 12
    content = bytearray(path.read_bytes())
    content[header["arrays"]["ids"]["begin"] + place] = ids[place]
    path.write_bytes(content)
    with raises_input_error(path, "checksum"):
        from_cache()
    path.write_bytes(built(header, {**arrays, "ids": ids}))
    assert from_cache().spikes() != encode(images(9))


def swapped(ids: NDArray[Any]) -> NDArray[Any]:
    """Two neurons of one step, exchanged."""
    changed, place = ids.copy(), int(np.flatnonzero(np.diff(ids.astype(int)) > 0)[3])
    changed[[place, place + 1]] = changed[[place + 1, place]]
    return changed


CHANGES: dict[str, Callable[[dict[str, Any], Arrays], object]] = {
    "neuron out of range": lambda header, arrays: arrays.update(ids=np.where(arrays["ids"] == 11, 12, arrays["ids"])),
    "neurons out of order": lambda header, arrays: arrays.update(ids=swapped(arrays["ids"])),
    "fewer neurons": lambda header, arrays: arrays.update(ids=arrays["ids"][:-1]),
    "more neurons": lambda header, arrays: arrays.update(ids=np.append(arrays["ids"], arrays["ids"][-1:])),
    "fewer samples": lambda header, arrays: arrays.update(counts=arrays["counts"][:-1]),
    "fewer steps": lambda header, arrays: arrays.update(counts=arrays["counts"][:, :-1]),
    "descending starts": lambda header, arrays: arrays.update(starts=arrays["starts"][::-1].copy()),
    "late starts": lambda header, arrays: arrays.update(starts=arrays["starts"] + 1),
    "early starts": lambda header, arrays: arrays.update(starts=arrays["starts"] - 1),
    "shifted starts": lambda header, arrays: arrays.update(starts=np.roll(arrays["starts"], 1)),
    "shifted counts": lambda header, arrays: arrays.update(counts=np.roll(arrays["counts"], 1, axis=0)),
    "float counts": lambda header, arrays: arrays.update(counts=arrays["counts"].astype(np.float64)),
    "signed counts": lambda header, arrays: arrays.update(counts=arrays["counts"].astype(np.int64)),
    "signed neurons": lambda header, arrays: arrays.update(ids=arrays["ids"].astype(np.int64)),
    "another key": lambda header, arrays: header.update(key="0" * 64),
    "another number of steps": lambda header, arrays: header.update(steps=8),
    "another dt": lambda header, arrays: header.update(dt=2e-3),
    "another shape": lambda header, arrays: header.update(shape=[12]),
    "dt is NaN": lambda header, arrays: header.update(dt=float("nan")),
    "no key": lambda header, arrays: header.pop("key"),
    "key is a list": lambda header, arrays: header.update(key=[]),
    "additional array": lambda header, arrays: arrays.update(more=arrays["ids"]),
    "missing array": lambda header, arrays: arrays.pop("ids"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_an_inconsistent_file_with_valid_checksums_is_found(change: str, cache: Path) -> None:
    path = cache_file(cache)
    content = path.read_bytes()
    header, arrays = parsed(content)
    CHANGES[change](header, arrays)
    assert built(header, arrays) != content
    assert_corrupt(path, built(header, arrays))


@pytest.fixture(scope="module")
def shared_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of two samples, for many examples."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SNNLAB_CACHE", str(folder))
        return cache_file(folder / "spikes", 2)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=examples(150))
@given(data=st.data())
def test_a_header_with_any_other_value_raises_an_error(data: st.DataObject, shared_file: Path) -> None:
    """With a valid checksum."""
    content = shared_file.read_bytes()
    header = json.loads(content[20:4096])
    key, place = header["key"], header
    for inner in data.draw(st.sampled_from([[], ["arrays"], *(["arrays", name] for name in header["arrays"])])):
        place = place[inner]
    name, value = data.draw(st.sampled_from(sorted(place))), data.draw(VALUES)
    assume(not (type(value) is type(place[name]) and value == place[name]))
    place[name] = value
    path = shared_file.with_name("changed")
    path.write_bytes(with_header(header, content[4096:]))
    with raises_input_error(path):
        read_cached(path, images(2), GRID, key)


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
        # half of them in the magic and the used part of the header
        bound = 800 if rng.random() < 0.5 else len(changed)
        for place in rng.integers(0, bound, rng.integers(1, 4)):
            changed[place] ^= 1 << int(rng.integers(8))
    return bytes(changed)


@pytest.mark.slow
def test_a_mutated_file_raises_an_error_or_has_the_same_spikes(cache: Path) -> None:
    """The spikes are the same if only bytes between or after the arrays changed."""
    path, samples = cache_file(cache), images(9)
    content, rng, unchanged = path.read_bytes(), np.random.default_rng(0), 0
    key, expected = parsed(content)[0]["key"], encode(samples)
    for _ in range(4000):
        path.write_bytes(mutated(content, rng))
        try:
            spikes = read_cached(path, samples, GRID, key).spikes()
        except InputError as error:
            assert error.field == str(path)
            assert "\n" not in str(error)
        else:
            assert spikes == expected
            unchanged += 1
    assert 100 < unchanged < 2000
    path.write_bytes(content)
    assert from_cache().spikes() == expected
