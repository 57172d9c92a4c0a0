"""The products of ``traces`` where weights are shared between places, or pooled."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.spiking import run
from snnlab.engine.spiking.run import REAL, Precision, Response, address, as_type, synapses
from snnlab.native import thread_count
from snnlab.networks.circuit import Projection
from snnlab.networks.weights import Convolution

_CHUNKS = 8  # parts of a batch, whatever the number of threads


class _Products(ctypes.Structure):
    _fields_ = [
        *(
            (name, ctypes.c_void_p)
            for name in "ids offsets raster transition scale weights shape send summed sent".split()
        ),
        ("stored", ctypes.c_int64),
        *(
            (name, ctypes.c_int32)
            for name in "kind pre post samples steps watched receptor held delay chunks threads".split()
        ),
    ]


def products(
    projection: Projection,
    pre: SpikeTrains,
    post: Response,
    matrix: NDArray[np.float64],
    scale: NDArray[np.floating],
    send: NDArray[np.floating] | None,
    precision: Precision,
    threads: int | None,
) -> tuple[NDArray[np.floating] | None, NDArray[np.floating] | None]:
    """What ``traces.products`` gives, as (summed, sent); of pooling, which has nothing to learn, summed is None."""
    code, given = post.cell, projection.weights
    kind, weights, shape = synapses(projection, precision)
    samples, size = scale.shape
    chunks = min(samples, _CHUNKS)
    scaled, sends = as_type(scale, precision), None if send is None else as_type(send, precision)
    learns = isinstance(given, Convolution)
    summed = np.zeros((chunks, *weights.shape) if learns else 0, dtype=precision)
    sent = None if send is None else np.zeros((samples, pre.size), dtype=precision)
    arrays = (
        pre.ids,
        pre.offsets,
        post.raster,
        matrix,
        scaled,
        weights,
        shape,
        sends,
        summed if learns else None,
        sent,
    )
    numbers = (
        weights.size, kind, pre.size, size, samples, pre.steps, code.watched, code.receptors[projection.receptor],
        code.reset_steps, delay_steps(projection, pre.dt), chunks, threads or thread_count(),
    )  # fmt: skip
    order = _Products(*(None if array is None else address(array) for array in arrays), *numbers)
    _library(len(code.states), precision).products(ctypes.byref(order))
    found = _kernels(summed.sum(axis=0), given.kernels.shape) if isinstance(given, Convolution) else None
    return found, sent


def _kernels(rows: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.floating]:
    """Back from the order of deliver.hpp, by channel in and row, the columns last first and zeros after them."""
    _, columns, _, channels_out = shape
    by_column = rows[:, :, : columns * channels_out].reshape(*rows.shape[:2], columns, channels_out)
    return np.ascontiguousarray(by_column.transpose(1, 2, 0, 3)[:, ::-1])


@cache
def _library(states: int, precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "shared.hpp"

extern "C" void products(const SharedProducts* order) {{ run_shared<{REAL[precision]}, {states}>(*order); }}
"""
    library = run.compiled(text, "shared", precision)
    library.products.restype = None
    return library
