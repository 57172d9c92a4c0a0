"""An idx file is read correctly or raises an error, and takes no more memory than its size."""

from __future__ import annotations

import gzip
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from toy_dataset import LABELS, Toy, gzipped, idx

from snnlab import datasets
from snnlab.errors import InputError

bytes_of_any_shape = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def reference(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """The shape and the bytes of an array, by LeCun's description."""
    plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
    begin = 4 + 4 * plain[3]
    return struct.unpack(f">{plain[3]}I", plain[4:begin]), plain[begin:]


@same_folder
@given(array=bytes_of_any_shape, pack=st.booleans())
def test_any_written_array_is_read_back(array: NDArray[np.uint8], pack: bool, tmp_path: Path) -> None:
    path = tmp_path / "any-idx"
    path.write_bytes(gzipped(idx(array)) if pack else idx(array))
    assert np.array_equal(datasets.read_idx(path), array)


@same_folder
@given(array=bytes_of_any_shape, pack=st.booleans(), data=st.data())
def test_a_file_with_changed_bytes_is_read_correctly_or_raises_an_error(
    array: NDArray[np.uint8], pack: bool, data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(gzipped(idx(array)) if pack else idx(array))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=8))
    path = tmp_path / "changed-idx"
    path.write_bytes(content)
    try:
        values_read = datasets.read_idx(path)
    except InputError as error:
        assert error.field == str(path)
        assert "\n" not in str(error)
    else:
        shape, values = reference(bytes(content))
        assert (values_read.dtype, values_read.shape, values_read.tobytes()) == (np.uint8, shape, values)


@pytest.mark.parametrize("kind", [0x09, 0x0B, 0x0C, 0x0D, 0x0E])
def test_other_types_than_unsigned_bytes_raise_an_error(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "floats-idx1"
    path.write_bytes(idx(LABELS, kind))
    with raises_input_error(path, f"0x{kind:02x}", "0x08"):
        datasets.read_idx(path)


def peak_memory(action: Callable[[], object]) -> int:
    """The largest memory in use during `action`, which must raise InputError, in bytes."""
    tracemalloc.start()
    try:
        with pytest.raises(InputError):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_with_a_huge_size_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "boast-idx3"
    path.write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 60000, 2**31, 2**31) + bytes(100))
    assert peak_memory(lambda: datasets.read_idx(path)) < 4e6


def test_decompression_stops_at_the_size_on_the_card(toy: Toy) -> None:
    bomb = gzipped(bytes(50_000_000))
    toy.put("pictures-idx3", bomb, ".gz")
    assert peak_memory(toy.load) < 5e6 + len(bomb)
