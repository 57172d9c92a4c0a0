"""What every compiled part of the engine needs: precision, headers, ctypes structures, and checks of arrays."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, get_args
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from snnlab import native
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of

Precision = Literal["float32", "float64"]
"""float64 spikes in the same steps as Brian2; float32 is faster."""

REAL = {"float32": "float", "float64": "double"}
"""The C++ type of each precision."""

POINTER, INT, LONG, DOUBLE = ctypes.c_void_p, ctypes.c_int32, ctypes.c_int64, ctypes.c_double

_HEADERS = [Path(__file__).parent / folder for folder in ("", "spiking", "rate", "psp")]


def fields(kind: type, names: str) -> list[tuple[str, type]]:
    """Members of one type for the ``_fields_`` of a ctypes structure, their names separated by spaces."""
    return [(name, kind) for name in names.split()]


def compile_library(
    source: str, name: str, functions: Iterable[str], precision: Precision, *, fused: bool | None = None
) -> ctypes.CDLL:
    """Load C++ that may include the engine's headers; its `functions` return nothing.

    fused  whether the compiler may fuse a product and a sum, and so round once; by default in float32 alone, because
           float64 is compared with Brian2, which rounds each operation
    """
    contract = "fast" if fused or (fused is None and precision == "float32") else "off"
    library = native.library(source, name=name, include=_HEADERS, flags=[f"-ffp-contract={contract}"])
    for function in functions:
        getattr(library, function).restype = None
    return library


def address(array: NDArray[np.generic] | None) -> int | None:
    """Address of an array's data, for compiled code; None for no array."""
    return None if array is None else array.ctypes.data


def pointer(array: NDArray[np.generic]) -> ctypes.c_void_p:
    """The address as an argument of a C function."""
    return ctypes.c_void_p(array.ctypes.data)


def as_type(values: NDArray[np.floating], precision: Precision) -> NDArray[np.floating]:
    """The values contiguous and in this precision; the same array if it is so already."""
    return np.ascontiguousarray(values, dtype=precision)


# Checks -------------------------------------------------------------------------------------------------------------


def check_precision(precision: str, field: str = "precision") -> None:
    """Raises InputError for an unknown precision."""
    if precision not in get_args(Precision):
        raise InputError(field, f"got {precision!r}", one_of(str(precision), get_args(Precision)))


def check_array(field: str, array: NDArray[np.generic], shape: tuple[int, ...], dtype: np.dtype[np.floating]) -> None:
    """Raises InputError for an array of another shape or type, or one that is not contiguous."""
    if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous:
        contiguous = "" if array.flags.c_contiguous else ", not contiguous"
        raise InputError(field, f"got {array.dtype} {array.shape}{contiguous}", f"expected {dtype} {shape}")


_checked: WeakValueDictionary[int, SpikeTrains] = WeakValueDictionary()


def trust_spikes(spikes: SpikeTrains) -> SpikeTrains:
    """Mark spikes that are valid by construction, for `check_spikes`."""
    _checked[id(spikes)] = spikes
    return spikes


def check_spikes(spikes: SpikeTrains, field: str) -> None:
    """Raises InputError for spike trains that compiled code would read beyond their end. Each is checked once."""
    if _checked.get(id(spikes)) is spikes:
        return
    if not spikes.samples:
        raise InputError(field, "no samples", "must have at least one")
    ids, offsets = spikes.ids, spikes.offsets
    hint = "expected SpikeTrains as from_dense and from_events return them"
    for array, dtype in ((ids, np.int32), (offsets, np.int64)):
        if array.dtype != dtype or not array.flags.c_contiguous:
            raise InputError(field, f"got an array of {array.dtype}", hint)
    ends = offsets.ravel()
    consistent = ends.size and ends[0] == 0 and ends[-1] == len(ids) and (ends[1:] >= ends[:-1]).all()
    # as an unsigned number, a negative one is too large
    if not consistent or (len(ids) and not ids.view(np.uint32).max() < spikes.size):
        raise InputError(field, "offsets or neurons out of range", hint)
    trust_spikes(spikes)
