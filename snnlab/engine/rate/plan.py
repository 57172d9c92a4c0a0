"""One run of a circuit of rate cells: its arrays in tiles, and the tables of ``rates.hpp`` that point to them."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.engine.build import INT, LONG, POINTER, Precision, address, fields
from snnlab.engine.rate.cell_code import RateCode
from snnlab.engine.rate.circuit_code import CircuitCode
from snnlab.engine.rate.tiles import Tiles, Values
from snnlab.native import thread_count
from snnlab.networks.circuit import SOURCE_VARIABLE, Population, Projection
from snnlab.networks.weights import synapse_list

_FIXED, _SPARSE = -1, -2
_STORED_STEPS = 3  # of the outputs of cells


class _Channel(ctypes.Structure):
    _fields_ = [*fields(POINTER, "values"), *fields(LONG, "size hold width")]


class _Projection(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "synapses parameters offsets pre lane"),
        *fields(INT, "kind rows input channel pre_channel post_factor number"),
    ]


class _Recorder(ctypes.Structure):
    _fields_ = [*fields(POINTER, "trace sum"), *fields(INT, "variable")]


class _Population(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "state in out post parameters incoming channels recorders"),
        *fields(INT, "kind neurons number n_incoming n_recorders"),
    ]


class _Run(ctypes.Structure):
    _fields_ = [
        *fields(POINTER, "populations channels learns"),
        *fields(LONG, "steps first_step mean_from"),
        ("seed", ctypes.c_uint64),
        *fields(INT, "n_populations samples threads check_interval bad_projection bad_population"),
        *fields(LONG, "bad_step"),
    ]


@dataclass(frozen=True, eq=False)
class Schedule:
    """The steps of a run.

    learns          uint8 (steps,)  whether plastic connections learn
    first_step      number of the first step, for random numbers
    mean_from       first step of the means
    check_interval  steps between checks for divergence
    parallel        whether to use several threads
    """

    learns: NDArray[np.uint8]
    first_step: int
    mean_from: int
    seed: int
    check_interval: int
    parallel: bool


class Plan:
    """The arrays and tables of one run. Use it in this order: set inputs, cells, synapses and recorders, then `run`."""

    def __init__(self, code: CircuitCode, samples: int, precision: Precision) -> None:
        self._code, self._samples, self._precision = code, samples, precision
        self._tiles = Tiles(precision)
        self._referenced: list[object] = []  # arrays and tables that the tables point to
        self._channels: dict[tuple[str, str], int] = {}
        self._channel_table: list[_Channel] = []
        self._recorders: dict[str, list[_Recorder]] = {}
        self._synapses: dict[str, Values] = {}
        self._cells: dict[str, Values] = {}
        for population, cell in self.populations():
            tiles = self._tiles.count(population.size)
            self._cells[population.name] = self._zeros(tiles, samples, len(cell.states), self._tiles.lanes)
            for expression in (*cell.readout.outputs, *cell.readout.pre):
                values = self._zeros(_STORED_STEPS, tiles, samples, self._tiles.lanes)
                self._add_channel(population.name, expression, values, 0)

    def populations(self) -> Iterator[tuple[Population, RateCode]]:
        """Each population with its code."""
        return ((population, self._code.cells[population.name]) for population in self._code.circuit.populations)

    def plastic(self) -> Iterator[tuple[Projection, tuple[str, ...]]]:
        """Each plastic projection with its state variables."""
        plastic = self._code.plastic
        projections = self._code.circuit.projections
        return ((one, plastic[one.name].states) for one in projections if one.name in plastic)

    # Values before and after the run

    def set_inputs(self, inputs: Mapping[str, RateInput], steps: int) -> None:
        """Set the rates of the sources."""
        for name, rates in inputs.items():
            width = self._tiles.lanes if rates.size > 1 else 1
            padded = np.zeros((*rates.values.shape[:2], -(-rates.size // width) * width), dtype=self._tiles.dtype)
            padded[:, :, : rates.size] = rates.values
            # (samples, segments, tiles, width) -> (segments, tiles, samples, width)
            values = padded.reshape(*padded.shape[:2], -1, width).transpose(1, 2, 0, 3)
            self._add_channel(name, SOURCE_VARIABLE, np.ascontiguousarray(values), rates.steps_per_segment(steps))

    def set_cells(self, name: str, states: Mapping[str, Values]) -> None:
        """Set the states of a population, each (samples, neurons)."""
        for k, variable in enumerate(self._code.cells[name].states):
            # (samples, tiles, lanes) -> (tiles, samples, lanes)
            self._cells[name][:, :, k] = self._tiles.split(states[variable]).transpose(1, 0, 2)

    def set_synapses(self, name: str, states: Mapping[str, Values]) -> None:
        """Set the states of a plastic projection, each (pre, post)."""
        variables = self._code.plastic[name].states
        self._synapses[name] = self._tiles.pack([states[variable] for variable in variables])

    def cells(self) -> dict[str, dict[str, Values]]:
        """The states of each population, each (samples, neurons)."""
        return {
            population.name: {
                variable: self._tiles.unpack(self._cells[population.name], k, population.size)
                for k, variable in enumerate(cell.states)
            }
            for population, cell in self.populations()
        }

    def synapses(self) -> dict[str, dict[str, Values]]:
        """The states of each plastic projection, each (pre, post)."""
        return {
            projection.name: {
                variable: self._tiles.unpack(self._synapses[projection.name], k, projection.weights.shape[1])
                for k, variable in enumerate(states)
            }
            for projection, states in self.plastic()
        }

    def record_traces(self, record: Mapping[str, Sequence[str]], steps: int) -> dict[str, dict[str, Values]]:
        """Arrays for the traces of variables (samples, steps, neurons), which the run fills."""
        traces: dict[str, dict[str, Values]] = {name: {} for name in record}
        for name, variable in _pairs(record):
            size = self._code.circuit[name].size
            trace = np.zeros((self._samples, steps, size), dtype=self._tiles.dtype)
            traces[name][variable] = trace
            self._add_recorder(name, variable, trace=address(trace))
        return traces

    def record_sums(self, record: Mapping[str, Sequence[str]]) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Arrays for the sums of variables over the steps of the means (samples, neurons), which the run fills."""
        sums: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in record}
        for name, variable in _pairs(record):
            total = np.zeros((self._samples, self._code.circuit[name].size))
            sums[name][variable] = total
            self._add_recorder(name, variable, sum=address(total))
        return sums

    def _add_recorder(self, name: str, variable: str, **arrays: int | None) -> None:
        recorder = _Recorder(**arrays, variable=self._code.cells[name].variables.index(variable))
        self._recorders.setdefault(name, []).append(recorder)

    def _add_channel(self, name: str, expression: str, values: Values, hold: int) -> None:
        self._channels[name, expression] = len(self._channel_table)
        self._channel_table.append(_Channel(self._refer(values), values[0].size, hold, values.shape[-1]))

    # The run

    def run(self, schedule: Schedule) -> tuple[str, int] | None:
        """Make all steps. Returns what diverged and the step in which that was detected, or None."""
        circuit = self._code.circuit
        populations = [self._population(k, population) for k, population in enumerate(circuit.populations)]
        run = _Run(
            *(self._table(_Population, populations), self._table(_Channel, self._channel_table)),
            *(address(schedule.learns), len(schedule.learns), schedule.first_step, schedule.mean_from),
            schedule.seed & (2**64 - 1),
            *(len(populations), self._samples, thread_count() if schedule.parallel else 1, schedule.check_interval),
            *(-1, -1, -1),
        )
        self._code.library(self._precision).run(ctypes.byref(run))
        if run.bad_projection >= 0:
            field = f"weights of {circuit.projections[run.bad_projection].name!r}"
        elif run.bad_population >= 0:
            field = f"states of {circuit.populations[run.bad_population].name!r}"
        else:
            return None
        return field, schedule.first_step + run.bad_step

    def _population(self, number: int, population: Population) -> _Population:
        name, cell = population.name, self._code.cells[population.name]
        tiles, samples, lanes = self._tiles.count(population.size), self._samples, self._tiles.lanes
        readout = cell.readout
        incoming = [self._projection(projection, cell) for projection in self._code.circuit.incoming(name)]
        channels = [self._channels[name, expression] for expression in (*readout.outputs, *readout.pre)]
        recorders = self._recorders.get(name, [])
        arrays = (
            self._cells[name],
            self._zeros(tiles, samples, len(cell.inputs), lanes),
            self._zeros(tiles, samples, len(readout.outputs), lanes),
            self._zeros(tiles, len(readout.post), samples, lanes),
            cell.parameters,
        )
        return _Population(
            *map(address, arrays),
            self._table(_Projection, incoming),
            self._refer(np.array(channels, dtype=np.int32)),
            self._table(_Recorder, recorders),
            *(self._code.cell_kinds.index(cell.source), population.size, number, len(incoming), len(recorders)),
        )

    def _projection(self, projection: Projection, post: RateCode) -> _Projection:
        code = self._code
        circuit, weights = code.circuit, projection.weights
        entry = _Projection(rows=weights.shape[0], number=circuit.projections.index(projection))
        entry.input = post.inputs.index(circuit.population(projection.post).cell.receptors[projection.receptor])
        entry.channel = self._channels[projection.pre, circuit.transmitted_variable(projection)]
        if projection.plasticity:
            plastic, card = code.plastic[projection.name], projection.plasticity.card
            entry.kind, entry.parameters = code.synapse_kinds.index(plastic.source), address(plastic.parameters)
            entry.pre_channel = self._channels[projection.pre, card.pre]
            entry.post_factor = post.readout.post.index(card.post)
            entry.synapses = address(self._synapses[projection.name])
        elif isinstance(weights, np.ndarray):
            entry.kind, entry.synapses = _FIXED, self._refer(self._tiles.pack([weights]))
        else:
            self._set_sparse(entry, projection)
        return entry

    def _set_sparse(self, entry: _Projection, projection: Projection) -> None:
        """A list of synapses, sorted by postsynaptic tile."""
        pre, post, values = synapse_list(projection.weights)
        tile = post // self._tiles.lanes
        order = np.argsort(tile, kind="stable")
        tiles = self._tiles.count(projection.weights.shape[1])
        offsets = np.searchsorted(tile[order], np.arange(tiles + 1)).astype(np.int64)
        lane = (post % self._tiles.lanes)[order].astype(np.int32)
        arrays = (values[order].astype(self._tiles.dtype), offsets, pre[order].astype(np.int32), lane)
        entry.kind = _SPARSE
        entry.synapses, entry.offsets, entry.pre, entry.lane = map(self._refer, arrays)

    # Memory that the tables point to

    def _zeros(self, *shape: int) -> Values:
        array = self._tiles.zeros(*shape)
        self._referenced.append(array)
        return array

    def _refer(self, array: NDArray[np.generic]) -> int | None:
        self._referenced.append(array)
        return address(array)

    def _table(self, kind: type[ctypes.Structure], entries: Sequence[ctypes.Structure]) -> int:
        table = (kind * max(1, len(entries)))(*entries)
        self._referenced.append(table)
        return ctypes.addressof(table)


def _pairs(record: Mapping[str, Sequence[str]]) -> Iterator[tuple[str, str]]:
    """Each population and variable once."""
    return ((name, variable) for name, variables in record.items() for variable in dict.fromkeys(variables))
