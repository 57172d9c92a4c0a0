"""The compiled library of a population, from the C++ struct of its cells."""

from __future__ import annotations

import ctypes
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.build import REAL, Precision, compile_library, pointer
from snnlab.engine.spiking.codegen import CellCode
from snnlab.engine.spiking.raster import TILE
from snnlab.errors import InputError


def advance(code: CellCode, state: NDArray[np.float64]) -> NDArray[np.float64]:
    """One step without input or refractoriness, in float64: states (states, cells) -> states (states, cells)."""
    count, cells = state.shape
    if cells > TILE:
        raise InputError("advance", f"got {cells} cells", f"must be at most {TILE}")
    padded = np.zeros((count, TILE))
    padded[:, :cells] = state
    layer_library(code.source, "float64").advance(pointer(code.parameters), pointer(padded))
    return padded[:, :cells].copy()


@cache
def layer_library(source: str, precision: Precision) -> ctypes.CDLL:
    """The library of the struct ``Cell``: `run` for a layer, `advance`, and `count` and `list` for its raster."""
    text = _SOURCE.replace("REAL", REAL[precision]).replace("STRUCT", source)
    return compile_library(text, "layer", ("run", "advance", "count", "list"), precision)


# in an unnamed namespace, so that the symbols of two libraries do not clash
_SOURCE = """\
#include "functions.hpp"
#include "layer.hpp"

namespace {
STRUCT
}
extern "C" {
void run(const Layer* layer) { run_layer<Cell, REAL>(*layer); }
void advance(const double* parameters, double state[][TILE]) {
    const Cell<double> cell(parameters);
    int32_t ready[TILE] = {}, fires[TILE] = {};
    double potential[TILE] = {};
    cell.update<true, TILE>(&state[0][0], TILE, ready, potential, fires, 0, 0);
}
void count(const uint64_t* raster, int samples, int tiles, int steps, int64_t* per_step, int threads) {
    count_steps(raster, samples, tiles, steps, per_step, threads);
}
void list(
    const uint64_t* raster, int samples, int neurons, int steps, const int64_t* offsets, int32_t* ids, int32_t* counts,
    int threads
) {
    list_spikes(raster, samples, neurons, steps, offsets, ids, counts, threads);
}
}
"""
