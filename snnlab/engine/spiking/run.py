"""Run a circuit of spiking cells on a batch of samples, one population after another."""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps, to_seconds
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.build import INT, POINTER, Precision, address, check_precision, check_spikes, fields
from snnlab.engine.spiking.codegen import CellCode, generate
from snnlab.engine.spiking.layer_library import layer_library
from snnlab.engine.spiking.raster import spikes_of, tiles_of
from snnlab.engine.spiking.synapses import FULL, synapses_of
from snnlab.errors import InputError
from snnlab.native import thread_count
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.weights import Weights


@dataclass(frozen=True, eq=False)
class Response:
    """Response of one population to a batch.

    spikes     SpikeTrains
    counts     int32 (samples, neurons)            spikes of each neuron
    potential  float (samples, neurons)            the potential at each spike, before its reset, summed over the spikes
    raster     uint64 (samples, tiles, steps)      bit k of a word: neuron 64 * tile + k fires
    cell       the compiled cells of the population
    """

    spikes: SpikeTrains
    counts: NDArray[np.int32]
    potential: NDArray[np.floating]
    raster: NDArray[np.uint64]
    cell: CellCode


class _Input(ctypes.Structure):
    _fields_ = [*fields(POINTER, "ids offsets weights shape"), *fields(INT, "kind pre receptor delay")]


class _Layer(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "parameters inputs initial raster potential"),
        *fields(INT, "n_inputs samples steps neurons refractory joint threads"),
    ]


def run(
    circuit: Circuit,
    inputs: Mapping[str, SpikeTrains],
    *,
    weights: Mapping[str, Weights] | None = None,
    precision: Precision = "float32",
) -> dict[str, Response]:
    """Response of every population to a batch of spike trains at the sources.

    inputs     spike trains of each source, of equal samples and steps, on the circuit's time step
    weights    trained weights by the name of their projection, as in ``Circuit.with_weights``
    precision  of states, weights and sums

    Raises InputError for weights that do not fit the circuit or are not finite, for a loop through several populations,
    for a cell that the engine cannot run, and for inputs and delays that do not fit the time step.
    """
    check_precision(precision)
    _check_spiking(circuit)
    dt = to_seconds(circuit.dt, "circuit: dt")
    _check_inputs(circuit, inputs, dt)
    if weights:
        circuit = circuit.with_weights(weights)
    spikes = dict(inputs)
    responses: dict[str, Response] = {}
    for population in feed_forward(circuit):
        incoming = circuit.incoming(population.name)
        response = _run_layer(population, incoming, spikes, dt, precision)
        spikes[population.name] = response.spikes
        responses[population.name] = response
    return responses


def feed_forward(circuit: Circuit) -> list[Population]:
    """The populations, each after all others that project to it. Raises InputError for a loop through several."""
    done = {source.name for source in circuit.sources}
    order: list[Population] = []
    waiting = list(circuit.populations)
    while waiting:
        ready = [
            population
            for population in waiting
            if {projection.pre for projection in circuit.incoming(population.name)} <= done | {population.name}
        ]
        if not ready:
            names = ", ".join(population.name for population in waiting)
            hint = "the engine runs loops within one population only; use simulate"
            raise InputError("circuit", f"a loop through {names}", hint)
        order += ready
        done |= {population.name for population in ready}
        waiting = [population for population in waiting if population.name not in done]
    return order


def _run_layer(
    population: Population,
    incoming: Sequence[Projection],
    spikes: Mapping[str, SpikeTrains],
    dt: float,
    precision: Precision,
) -> Response:
    code = generate(population, dt)
    library = layer_library(code.source, precision)
    batch = next(iter(spikes.values()))
    weights = [synapses_of(projection, precision) for projection in incoming]
    inputs = (_Input * max(1, len(incoming)))()
    for entry, projection, synapses in zip(inputs, incoming, weights, strict=False):
        if projection.pre != population.name:
            source = spikes[projection.pre]
            entry.ids, entry.offsets = address(source.ids), address(source.offsets)
        entry.weights, entry.shape, entry.kind = address(synapses.weights), address(synapses.shape), synapses.kind
        entry.pre, entry.receptor = projection.weights.shape[0], code.receptors[projection.receptor]
        entry.delay = delay_steps(projection, dt)
    recurrent = any(projection.pre == population.name for projection in incoming)
    joint = recurrent or any(synapses.kind != FULL for synapses in weights)
    raster = np.empty((batch.samples, tiles_of(population.size), batch.steps), dtype=np.uint64)
    potential = np.empty((batch.samples, population.size), dtype=precision)
    layer = _Layer(
        *(address(code.parameters), ctypes.addressof(inputs)),
        *(address(array) for array in (code.initial, raster, potential)),
        *(len(incoming), batch.samples, batch.steps, population.size, code.refractory, joint, thread_count()),
    )
    library.run(ctypes.byref(layer))
    fired, counts = spikes_of(raster, population.size, dt, library)
    return Response(fired, counts, potential, raster, code)


# Checks -------------------------------------------------------------------------------------------------------------


def _check_spiking(circuit: Circuit) -> None:
    for population in circuit.populations:
        if population.cell.rate and not population.cell.threshold:
            problem = f"{population.cell.path} transmits a rate in every step"
            hint = "run takes cells that spike; use run_rates for this one"
            raise InputError(f"population {population.name!r}", problem, hint)


def _check_inputs(circuit: Circuit, inputs: Mapping[str, SpikeTrains], dt: float) -> None:
    if not circuit.sources:
        raise InputError("circuit", "no source", "must have at least one")
    for name in inputs:
        if not isinstance(circuit[name], Source):
            raise InputError("inputs", f"{name!r} is not a source", "only sources take spikes")
    for source in circuit.sources:
        if source.name not in inputs:
            raise InputError("inputs", f"no spikes for source {source.name!r}", "every source must have spikes")
        spikes, field = inputs[source.name], f"inputs of {source.name!r}"
        if spikes.size != source.size:
            raise InputError(field, f"got {spikes.size} neurons", f"must be {source.size}, the size of the source")
        check_spikes(spikes, field)
        if not abs(spikes.dt - dt) <= 1e-9 * dt:
            raise InputError(field, f"got steps of {spikes.dt} s", f"must be {dt} s, the time step of the circuit")
    shapes = {(spikes.samples, spikes.steps) for spikes in inputs.values()}
    if len(shapes) > 1:
        raise InputError("inputs", f"(samples, steps) differ: {sorted(shapes)}", "must be equal for all sources")
