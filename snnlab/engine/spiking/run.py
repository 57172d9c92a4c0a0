"""Running a circuit over a batch of stimuli, in compiled code, one population after the other."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab import native
from snnlab.brian.quantities import delay_steps, to_seconds
from snnlab.data.spikes import SpikeTrains, offsets_of
from snnlab.engine.spiking.codegen import CellCode, generate
from snnlab.errors import InputError, one_of
from snnlab.native import thread_count
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.weights import Convolution, Weights, synapse_list, trainable_parameters, with_parameters

Precision = Literal["float32", "float64"]
"""float64 spikes where Brian2 spikes; float32 is the fast one."""

TILE = 64
REAL = {"float32": "float", "float64": "double"}
HEADERS = [Path(__file__).parents[1] / part for part in ("", "spiking", "rate", "psp")]
"""Where the headers of the engine lie."""
# float64 exists to be compared with Brian2, which rounds every product; float32 may fuse product and sum
_ROUNDING = {"float32": ("-ffp-contract=fast",), "float64": ("-ffp-contract=off",)}


@dataclass(frozen=True, eq=False)
class Response:
    """What one population did with a batch.

    spikes     Spikes
    counts     int32 (samples, neurons)            spikes of each neuron
    potential  float (samples, neurons)            the potential at each spike, before its reset, summed over the spikes
    raster     uint64 (samples, tiles, steps)      bit k of a word: neuron 64 * tile + k fires
    cell       how the population's cells were compiled
    """

    spikes: SpikeTrains
    counts: NDArray[np.int32]
    potential: NDArray[np.floating]
    raster: NDArray[np.uint64]
    cell: CellCode


class _Input(ctypes.Structure):
    _fields_ = [
        ("ids", ctypes.c_void_p),
        ("offsets", ctypes.c_void_p),
        ("weights", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("kind", ctypes.c_int32),
        ("pre", ctypes.c_int32),
        ("receptor", ctypes.c_int32),
        ("delay", ctypes.c_int32),
    ]


class _Layer(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in "parameters inputs start raster potential".split()] + [
        (name, ctypes.c_int32) for name in "n_inputs samples steps neurons refractory together threads".split()
    ]


def run(
    circuit: Circuit,
    inputs: Mapping[str, SpikeTrains],
    *,
    weights: Mapping[str, Weights] | None = None,
    precision: Precision = "float32",
    threads: int | None = None,
) -> dict[str, Response]:
    """Every population's response to a batch of spikes at the sources, layer by layer.

    inputs     source -> Spikes, of equal samples and steps, on the circuit's time step
    weights    trained weights by the name of their projection, as in ``Circuit.with_weights``; others are the circuit's
    precision  of states, weights and sums
    threads    None for that of engine.threads; the result does not depend on it

    Raises InputError for weights that do not fit the circuit or are not finite, for a loop through several populations,
    for a cell that the engine cannot run, and for inputs and delays that do not fit the time step.
    """
    if precision not in get_args(Precision):
        raise InputError("precision", f"found {precision!r}", one_of(str(precision), get_args(Precision)))
    if threads is not None and threads < 1:
        raise InputError("threads", f"found {threads}", "needs at least 1, or None for all cores")
    _check_spiking(circuit)
    dt = to_seconds(circuit.dt, "circuit: dt")
    known = dict(_checked_inputs(circuit, inputs, dt))
    samples, steps = next((one.samples, one.steps) for one in known.values())
    projections = _with_trained(circuit, weights or {})
    responses: dict[str, Response] = {}
    for population in feed_forward(circuit):
        into = tuple(projection for projection in projections if projection.post == population.name)
        code = generate(population, dt)
        response = _run_layer(population, code, into, known, (samples, steps, dt), precision, threads or thread_count())
        known[population.name] = response.spikes
        responses[population.name] = response
    return responses


def feed_forward(circuit: Circuit) -> list[Population]:
    """The populations, each after all others that project to it. Raises InputError for a loop through several."""
    done = {source.name for source in circuit.sources}
    order: list[Population] = []
    waiting = list(circuit.populations)
    while waiting:
        ready = [one for one in waiting if {other.pre for other in circuit.incoming(one.name)} <= done | {one.name}]
        if not ready:
            names = ", ".join(one.name for one in waiting)
            raise InputError(
                "circuit", f"a loop through {names}", "the engine runs loops inside a population alone; use simulate"
            )
        order += ready
        done |= {one.name for one in ready}
        waiting = [one for one in waiting if one.name not in done]
    return order


def trained(projection: Projection, weights: Weights) -> Projection:
    """The projection with other weights. Raises InputError for another shape."""
    changed = with_parameters(projection.weights, weights)
    if changed.shape != projection.weights.shape:
        found = f"weights of shape {changed.shape}"
        raise InputError(f"projection {projection.name!r}", found, f"expected shape {projection.weights.shape}")
    return replace(projection, weights=changed)


def pack_raster(spikes: SpikeTrains) -> NDArray[np.uint64]:
    """Spikes as words (samples, tiles, steps), in which bit k is neuron 64 * tile + k."""
    tiles = -(-spikes.size // TILE)
    raster = np.zeros((spikes.samples, tiles, spikes.steps), dtype=np.uint64)
    sample, step, neuron = spikes.events()
    np.bitwise_or.at(raster, (sample, neuron // TILE, step), np.uint64(1) << (neuron % TILE).astype(np.uint64))
    return raster


def address(array: NDArray[np.generic]) -> int:
    """Where an array's values lie, for compiled code."""
    return array.ctypes.data


def as_type(values: NDArray[np.floating], precision: Precision) -> NDArray[np.floating]:
    """The values in the engine's precision, row by row in memory; the array itself where it already is so."""
    return np.ascontiguousarray(values, dtype=precision)


def check_layout(spikes: SpikeTrains, where: str) -> None:
    """Refuse Spikes that compiled code would read beyond their end; it looks at addresses, not at arrays."""
    if not spikes.samples:
        raise InputError(where, "no samples", "needs at least one")
    ids, offsets = spikes.ids, spikes.offsets
    right = "needs Spikes as from_dense and from_events make them"
    for array, dtype in ((ids, np.int32), (offsets, np.int64)):
        if array.dtype != dtype or not array.flags.c_contiguous:
            raise InputError(where, f"an array of {array.dtype}", right)
    ends = offsets.ravel()
    whole = ends.size and ends[0] == 0 and ends[-1] == len(ids) and (ends[1:] >= ends[:-1]).all()
    # read without its sign, a negative number is too large
    if not whole or (len(ids) and not ids.view(np.uint32).max() < spikes.size):
        raise InputError(where, "offsets or neurons that do not fit", right)


def advance(code: CellCode, state: NDArray[np.float64]) -> NDArray[np.float64]:
    """One step of free cells without input, float64: states (states, cells) -> states (states, cells)."""
    count, cells = state.shape
    if cells > TILE:
        raise InputError("advance", f"{cells} cells", f"at most {TILE}")
    padded = np.zeros((count, TILE))
    padded[:, :cells] = state
    library = _library(code.source, "float64")
    library.advance(ctypes.c_void_p(address(code.parameters)), ctypes.c_void_p(address(padded)))
    return padded[:, :cells].copy()


def compiled(source: str, name: str, precision: Precision) -> ctypes.CDLL:
    """C++ that may include this folder's headers as a loaded library, rounding as its precision is meant to."""
    return native.library(source, name=name, include=HEADERS, flags=_ROUNDING[precision])


def _run_layer(
    population: Population,
    code: CellCode,
    into: tuple[Projection, ...],
    known: Mapping[str, SpikeTrains],
    grid: tuple[int, int, float],
    precision: Precision,
    threads: int,
) -> Response:
    samples, steps, dt = grid
    library = _library(code.source, precision)
    kept = [synapses(projection, precision) for projection in into]
    inputs = (_Input * max(1, len(into)))()
    for entry, projection, (kind, weights, shape) in zip(inputs, into, kept, strict=False):
        if projection.pre != population.name:
            spikes = known[projection.pre]
            entry.ids, entry.offsets = address(spikes.ids), address(spikes.offsets)
        entry.kind, entry.weights, entry.shape = kind, address(weights), address(shape)
        entry.pre, entry.receptor = projection.weights.shape[0], code.receptors[projection.receptor]
        entry.delay = delay_steps(projection, dt)
    together = any(kind != _FULL or one.pre == population.name for one, (kind, *_) in zip(into, kept, strict=True))
    tiles = -(-population.size // TILE)
    raster = np.empty((samples, tiles, steps), dtype=np.uint64)
    potential = np.empty((samples, population.size), dtype=precision)
    layer = _Layer(
        address(code.parameters),
        ctypes.addressof(inputs),
        *(address(array) for array in (code.start, raster, potential)),
        *(len(into), samples, steps, population.size, code.refractory, together, threads),
    )
    library.run(ctypes.byref(layer))
    spikes, counts = _listed(library, raster, population.size, dt, threads)
    return Response(spikes, counts, potential, raster, code)


def _listed(
    library: ctypes.CDLL, raster: NDArray[np.uint64], size: int, dt: float, threads: int
) -> tuple[SpikeTrains, NDArray[np.int32]]:
    """The spikes in a raster, and how many there are of each neuron (samples, neurons)."""
    samples, tiles, steps = raster.shape
    per_step = np.zeros((samples, steps), dtype=np.int64)
    library.count(ctypes.c_void_p(address(raster)), samples, tiles, steps, ctypes.c_void_p(address(per_step)), threads)
    offsets = offsets_of(per_step)
    ids = np.empty(per_step.sum(), dtype=np.int32)
    counts = np.zeros((samples, size), dtype=np.int32)
    pointers = [ctypes.c_void_p(address(array)) for array in (offsets, ids, counts)]
    library.list(ctypes.c_void_p(address(raster)), samples, size, steps, *pointers, threads)
    return SpikeTrains(ids, offsets, size, dt), counts


_FULL, _CONVOLUTION, _SPARSE = range(3)
_MOST = 2**31 - 1  # synapses that deliver.hpp can count
_ZEROS = 16  # after each row of kernels, see deliver.hpp


def synapses(projection: Projection, precision: Precision) -> tuple[int, NDArray[np.floating], NDArray[np.int32]]:
    """A projection's kind, weights and shape as deliver.hpp takes them."""
    weights = projection.weights
    if isinstance(weights, np.ndarray):
        return _FULL, as_type(weights, precision), np.zeros(0, dtype=np.int32)
    if isinstance(weights, Convolution):
        rows, columns, channels_in, channels_out = weights.kernels.shape
        padded = np.zeros((channels_in, rows, columns * channels_out + _ZEROS), dtype=precision)
        reversed_ = weights.kernels[:, ::-1].transpose(2, 0, 1, 3).reshape(channels_in, rows, -1)
        padded[:, :, :-_ZEROS] = reversed_
        shape = np.array([weights.image[1], *weights.kernels.shape, *weights.out[:2], padded.shape[2]], dtype=np.int32)
        return _CONVOLUTION, padded, shape
    source, target, values = synapse_list(weights)
    if len(values) > _MOST:
        raise InputError(
            f"projection {projection.name!r}", f"{len(values)} synapses", f"the engine takes up to {_MOST}"
        )
    rows = np.searchsorted(source, np.arange(weights.shape[0] + 1))
    return _SPARSE, as_type(values, precision), np.concatenate([rows, target]).astype(np.int32)


def _with_trained(circuit: Circuit, weights: Mapping[str, Weights]) -> tuple[Projection, ...]:
    known = {projection.name for projection in circuit.projections}
    for name in weights:
        if name not in known:
            raise InputError("weights", f"no projection {name!r}", one_of(name, known))
    return tuple(
        _finite(trained(projection, weights[projection.name])) if projection.name in weights else projection
        for projection in circuit.projections
    )


def _finite(projection: Projection) -> Projection:
    values = trainable_parameters(projection.weights)
    if values is not None and not np.isfinite(values).all():
        raise InputError(f"projection {projection.name!r}", "weights that are not finite", "must be finite numbers")
    return projection


def _check_spiking(circuit: Circuit) -> None:
    for population in circuit.populations:
        if population.cell.rate and not population.cell.threshold:
            found = f"{population.cell.path} is heard by its rate, in every step"
            raise InputError(f"population {population.name!r}", found, "run takes cells that spike, run_rates this one")


def _checked_inputs(circuit: Circuit, inputs: Mapping[str, SpikeTrains], dt: float) -> Mapping[str, SpikeTrains]:
    if not circuit.sources:
        raise InputError("circuit", "no source", "the engine needs spikes from outside")
    shapes = set()
    for source in circuit.sources:
        spikes = inputs.get(source.name)
        if spikes is None:
            raise InputError("inputs", f"no spikes for source {source.name!r}", "every source needs them")
        if spikes.size != source.size:
            raise InputError(f"inputs of {source.name!r}", f"{spikes.size} neurons", f"the source has {source.size}")
        check_layout(spikes, f"inputs of {source.name!r}")
        if not abs(spikes.dt - dt) <= 1e-9 * dt:
            raise InputError(f"inputs of {source.name!r}", f"steps of {spikes.dt} s", f"the circuit's are {dt} s")
        shapes.add((spikes.samples, spikes.steps))
    if len(shapes) > 1:
        raise InputError("inputs", f"(samples, steps) differ: {sorted(shapes)}", "all sources need the same")
    for name in inputs:
        if not isinstance(circuit[name], Source):
            raise InputError("inputs", f"{name!r} is not a source", "spikes can only be given to sources")
    return {source.name: inputs[source.name] for source in circuit.sources}


@cache
def _library(source: str, precision: Precision) -> ctypes.CDLL:
    text = f"""\
#include "functions.hpp"
#include "layer.hpp"

// Nameless, so that nothing of one cell is taken for what another cell's library calls the same.
namespace {{
{source}
}}
extern "C" {{
void run(const Layer* layer) {{ run_layer<Cell, {REAL[precision]}>(*layer); }}
void advance(const double* parameters, double state[][TILE]) {{
    const Cell<double> cell(parameters);
    int32_t ready[TILE] = {{}}, fires[TILE] = {{}};
    double potential[TILE] = {{}};
    cell.update<true, TILE>(&state[0][0], TILE, ready, potential, fires, 0, 0);
}}
void count(const uint64_t* raster, int samples, int tiles, int steps, int64_t* per_step, int threads) {{
    count_steps(raster, samples, tiles, steps, per_step, threads);
}}
void list(
    const uint64_t* raster, int samples, int neurons, int steps, const int64_t* offsets, int32_t* ids, int32_t* counts,
    int threads
) {{
    list_spikes(raster, samples, neurons, steps, offsets, ids, counts, threads);
}}
}}
"""
    library = compiled(text, "layer", precision)
    for function in (library.run, library.advance, library.count, library.list):
        function.restype = None
    return library
