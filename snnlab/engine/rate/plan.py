"""A circuit of cells that are heard in every step as ``rates.hpp`` takes it: tables, and numbers in tiles."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab import native
from snnlab.data.rates import RateInput
from snnlab.engine.rate.codegen import PlasticCode, RateCode, generate_rates, named, plasticity_code
from snnlab.engine.spiking.run import HEADERS, REAL, Precision, address
from snnlab.errors import InputError
from snnlab.networks.circuit import SOURCE_VARIABLE, Circuit, Population, Projection, Source
from snnlab.networks.weights import synapse_list

_BYTES = 64  # of a tile's row, see vector.hpp
_STILL, _SPARSE = -1, -2
_KEPT = 3  # steps of what cells say


class _Channel(ctypes.Structure):
    _fields_ = [("values", ctypes.c_void_p), *((name, ctypes.c_int64) for name in "size stretch width".split())]


class _Projection(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in "synapses parameters offsets before lane".split()] + [
        (name, ctypes.c_int32) for name in "kind rows input heard told asked name".split()
    ]


class _Watched(ctypes.Structure):
    _fields_ = [("trace", ctypes.c_void_p), ("sum", ctypes.c_void_p), ("which", ctypes.c_int32)]


class _Population(ctypes.Structure):
    _fields_ = [(name, ctypes.c_void_p) for name in "state in said post parameters into channels watched".split()] + [
        (name, ctypes.c_int32) for name in "kind neurons number n_into n_watched".split()
    ]


class _Run(ctypes.Structure):
    _fields_ = [
        *((name, ctypes.c_void_p) for name in "populations channels learns".split()),
        *((name, ctypes.c_int64) for name in "steps begin mean_from".split()),
        ("seed", ctypes.c_uint64),
        *(
            (name, ctypes.c_int32)
            for name in "n_populations samples threads every bad_projection bad_population".split()
        ),
        ("bad_step", ctypes.c_int64),
    ]


@dataclass(frozen=True, eq=False)
class Order:
    """What is the same for every run of a circuit.

    codes     of each population
    tells     of each population: expressions that are read of it as the cell before, beside what it says
    posts     and as the cell after
    plastic   projection -> code
    cells     the C++ structs of the cells, each once; kinds are counted here
    """

    circuit: Circuit
    codes: Mapping[str, RateCode]
    tells: Mapping[str, tuple[str, ...]]
    posts: Mapping[str, tuple[str, ...]]
    plastic: Mapping[str, PlasticCode]
    cells: tuple[str, ...]
    synapses: tuple[str, ...]


@lru_cache(maxsize=64)
def order_of(circuit: Circuit, dt: float) -> Order:
    """The circuit's cells and plastic connections in C++. Raises InputError for those that the engine cannot run."""
    codes, tells, posts = {}, {}, {}
    for population in circuit.populations:
        leaving = [one for one in circuit.projections if one.pre == population.name]
        says = _once((*(circuit.transmitted_variable(one) for one in leaving), *population.cell.poisson_means))
        tells[population.name] = _once(
            one.plasticity.card.pre for one in leaving if one.plasticity and one.plasticity.card.pre not in says
        )
        posts[population.name] = _once(
            one.plasticity.card.post for one in circuit.incoming(population.name) if one.plasticity
        )
        codes[population.name] = generate_rates(population, dt, says, tells[population.name], posts[population.name])
    for projection in circuit.projections:
        _check_source(circuit, projection)
    plastic = {one.name: plasticity_code(one.plasticity, dt) for one in circuit.projections if one.plasticity}
    cells, synapses = _once(code.source for code in codes.values()), _once(code.source for code in plastic.values())
    return Order(circuit, codes, tells, posts, plastic, cells, synapses)


def _once(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(given))


def _check_source(circuit: Circuit, projection: Projection) -> None:
    plastic = projection.plasticity
    if plastic and isinstance(circuit[projection.pre], Source) and plastic.card.pre != SOURCE_VARIABLE:
        found = f"{plastic.card.path} reads {plastic.card.pre!r} of the source {projection.pre!r}"
        raise InputError(f"projection {projection.name!r}", found, f"the engine reads {SOURCE_VARIABLE!r} of a source")


class Plan:
    """One run: all its numbers in tiles, and the tables that point to them."""

    def __init__(self, order: Order, samples: int, precision: Precision) -> None:
        self._order, self._samples, self._type = order, samples, np.dtype(precision)
        self._precision = precision
        self._lanes = _BYTES // self._type.itemsize
        self._held: list[object] = []  # what the tables point to
        circuit = order.circuit
        self._channels: dict[tuple[str, str], int] = {}
        self._table: list[_Channel] = []
        self._cells = {one.name: self._zeros(self._tiles(one), samples, len(self._code(one).states), self._lanes)
                       for one in circuit.populations}  # fmt: skip
        self._synapses: dict[str, NDArray[np.floating]] = {}
        for population in circuit.populations:
            said = (*self._code(population).says, *order.tells[population.name])
            for expression in said:
                values = self._zeros(_KEPT, self._tiles(population), samples, self._lanes)
                self._channel(population.name, expression, values, 0)
        self._watched: dict[str, list[_Watched]] = {}

    def populations(self) -> Iterator[tuple[Population, RateCode]]:
        """Each population with its code."""
        return ((one, self._code(one)) for one in self._order.circuit.populations)

    def plastic(self) -> Iterator[tuple[Projection, tuple[str, ...]]]:
        """Each plastic projection with its state variables."""
        known = self._order.plastic
        return ((one, known[one.name].states) for one in self._order.circuit.projections if one.name in known)

    def hear(self, inputs: Mapping[str, RateInput], steps: int) -> None:
        """What the sources say."""
        for name, rates in inputs.items():
            width = self._lanes if rates.size > 1 else 1
            shape = (rates.samples, rates.segments, -(-rates.size // width) * width)
            padded = np.zeros(shape, dtype=self._type)
            padded[:, :, : rates.size] = rates.values
            # (samples, stretches, tiles, width) -> (stretches, tiles, samples, width)
            values = np.ascontiguousarray(padded.reshape(*shape[:2], -1, width).transpose(1, 2, 0, 3))
            self._channel(name, SOURCE_VARIABLE, values, rates.steps_per_segment(steps))

    def set_cells(self, name: str, given: Mapping[str, NDArray[np.floating]]) -> None:
        """The states of a population, each (samples, neurons)."""
        for k, variable in enumerate(self._order.codes[name].states):
            # (samples, neurons) -> (tiles, samples, lanes)
            self._cells[name][:, :, k] = self._tiled(given[variable]).transpose(1, 0, 2)

    def set_synapses(self, name: str, given: Mapping[str, NDArray[np.floating]]) -> None:
        """The states of a plastic projection, each (pre, post)."""
        self._synapses[name] = self._packed([given[variable] for variable in self._order.plastic[name].states])

    def cells(self) -> dict[str, dict[str, NDArray[np.floating]]]:
        """The states of every population, each (samples, neurons)."""
        return {
            one.name: {
                name: self._flat(self._cells[one.name][:, :, k].transpose(1, 0, 2), one.size)
                for k, name in enumerate(code.states)
            }
            for one, code in self.populations()
        }

    def synapses(self) -> dict[str, dict[str, NDArray[np.floating]]]:
        """The states of every plastic projection, each (pre, post)."""
        return {
            one.name: {
                name: self._flat(self._synapses[one.name][:, :, k].transpose(1, 0, 2), one.weights.shape[1])
                for k, name in enumerate(states)
            }
            for one, states in self.plastic()
        }

    def watch(
        self, record: Mapping[str, Sequence[str]], mean: Mapping[str, Sequence[str]], steps: int
    ) -> tuple[dict[str, dict[str, NDArray[np.floating]]], dict[str, dict[str, NDArray[np.float64]]]]:
        """Room for the traces and for the sums over steps, of the variables that are asked for."""
        traces: dict[str, dict[str, NDArray[np.floating]]] = {name: {} for name in record}
        sums: dict[str, dict[str, NDArray[np.float64]]] = {name: {} for name in mean}
        for population, code in self.populations():
            name, listed_ = population.name, self._watched.setdefault(population.name, [])
            for variable in dict.fromkeys(record.get(name, ())):
                trace = np.zeros((self._samples, steps, population.size), dtype=self._type)
                traces[name][variable] = trace
                listed_.append(_Watched(address(trace), None, code.variables.index(variable)))
            for variable in dict.fromkeys(mean.get(name, ())):
                total = np.zeros((self._samples, population.size))
                sums[name][variable] = total
                listed_.append(_Watched(None, address(total), code.variables.index(variable)))
        return traces, sums

    def run(
        self, steps: int, learns: NDArray[np.uint8], mean_from: int, seed: int, begin: int, threads: int, every: int
    ) -> tuple[str, int] | None:
        """All steps; what grew beyond all bounds, and the step in which that was seen, or None.

        every  steps from one look to the next
        """
        circuit, order = self._order.circuit, self._order
        tables = [self._population(k, one) for k, one in enumerate(circuit.populations)]
        populations = (_Population * len(tables))(*tables)
        channels = (_Channel * max(1, len(self._table)))(*self._table)
        seed_bits = seed & (2**64 - 1)
        run = _Run(
            ctypes.addressof(populations), ctypes.addressof(channels), address(learns), steps, begin, mean_from,
            seed_bits, len(tables), self._samples, threads, every, -1, -1, -1,
        )  # fmt: skip
        _library(order.cells, order.synapses, self._precision).run(ctypes.byref(run))
        if run.bad_projection >= 0:
            return f"weights of {circuit.projections[run.bad_projection].name!r}", begin + run.bad_step
        if run.bad_population >= 0:
            return f"states of {circuit.populations[run.bad_population].name!r}", begin + run.bad_step
        return None

    # The tables ------------------------------------------------------------------------------------------------------

    def _population(self, number: int, population: Population) -> _Population:
        code, order = self._code(population), self._order
        tiles, samples, lanes = self._tiles(population), self._samples, self._lanes
        posts = order.posts[population.name]
        into = [self._projection(one, code, posts) for one in order.circuit.incoming(population.name)]
        said = [self._channels[population.name, one] for one in (*code.says, *order.tells[population.name])]
        watched = self._watched.get(population.name, [])
        arrays = [
            self._cells[population.name],
            self._zeros(tiles, samples, len(code.inputs), lanes),
            self._zeros(tiles, samples, len(code.says), lanes),
            self._zeros(tiles, len(posts), samples, lanes),
            code.parameters,
        ]
        return _Population(
            *map(address, arrays),
            self._listed(_Projection, into),
            address(self._keep(np.array(said, dtype=np.int32))),
            self._listed(_Watched, watched),
            *(order.cells.index(code.source), population.size, number, len(into), len(watched)),
        )

    def _projection(self, projection: Projection, code: RateCode, posts: tuple[str, ...]) -> _Projection:
        order = self._order
        post = order.circuit[projection.post]
        entry = _Projection(rows=projection.weights.shape[0], name=order.circuit.projections.index(projection))
        entry.input = code.inputs.index(post.cell.receptors[projection.receptor])  # type: ignore[union-attr]
        entry.heard = self._channels[projection.pre, order.circuit.transmitted_variable(projection)]
        if projection.plasticity:
            plastic = order.plastic[projection.name]
            card = projection.plasticity.card
            entry.kind, entry.parameters = order.synapses.index(plastic.source), address(plastic.parameters)
            entry.told, entry.asked = self._channels[projection.pre, card.pre], posts.index(card.post)
            entry.synapses = address(self._synapses[projection.name])
        elif isinstance(projection.weights, np.ndarray):
            entry.kind, entry.synapses = _STILL, address(self._keep(self._packed([projection.weights])))
        else:
            self._sparse(entry, projection)
        return entry

    def _sparse(self, entry: _Projection, projection: Projection) -> None:
        """Synapses one by one, those of a tile side by side."""
        pre, post, values = synapse_list(projection.weights)
        tile = post // self._lanes
        order = np.argsort(tile, kind="stable")
        tiles = -(-projection.weights.shape[1] // self._lanes)
        offsets = np.searchsorted(tile[order], np.arange(tiles + 1)).astype(np.int64)
        lane = (post % self._lanes)[order].astype(np.int32)
        arrays = (values[order].astype(self._type), offsets, pre[order].astype(np.int32), lane)
        entry.kind = _SPARSE
        entry.synapses, entry.offsets, entry.before, entry.lane = (address(self._keep(array)) for array in arrays)

    def _channel(self, name: str, expression: str, values: NDArray[np.floating], stretch: int) -> None:
        self._channels[name, expression] = len(self._table)
        self._table.append(_Channel(address(self._keep(values)), values[0].size, stretch, values.shape[-1]))

    def _listed(self, kind: type[ctypes.Structure], entries: Sequence[ctypes.Structure]) -> int:
        table = (kind * max(1, len(entries)))(*entries)
        self._held.append(table)
        return ctypes.addressof(table)

    # Numbers in tiles ------------------------------------------------------------------------------------------------

    def _code(self, population: Population) -> RateCode:
        return self._order.codes[population.name]

    def _tiles(self, population: Population) -> int:
        return -(-population.size // self._lanes)

    def _keep(self, array: NDArray[np.generic]) -> NDArray[np.generic]:
        self._held.append(array)
        return array

    def _zeros(self, *shape: int) -> NDArray[np.floating]:
        """Zeros that begin where a vector may be read."""
        room = np.zeros(int(np.prod(shape)) * self._type.itemsize + _BYTES, dtype=np.uint8)
        skip = -address(room) % _BYTES
        whole = room[skip : room.size - _BYTES + skip].view(self._type).reshape(shape)
        self._held.append(whole)
        return whole

    def _tiled(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """(rows, neurons) -> (rows, tiles, lanes), zeros at the end."""
        rows, neurons = values.shape
        tiles = -(-neurons // self._lanes)
        padded = np.zeros((rows, tiles * self._lanes), dtype=self._type)
        padded[:, :neurons] = values
        return padded.reshape(rows, tiles, self._lanes)

    def _packed(self, variables: Sequence[NDArray[np.floating]]) -> NDArray[np.floating]:
        """Variables of synapses, each (pre, post), as (tiles, pre, variables, lanes)."""
        rows, neurons = variables[0].shape
        packed = self._zeros(-(-neurons // self._lanes), rows, len(variables), self._lanes)
        for k, values in enumerate(variables):
            packed[:, :, k] = self._tiled(values).transpose(1, 0, 2)
        return packed

    @staticmethod
    def _flat(values: NDArray[np.floating], neurons: int) -> NDArray[np.floating]:
        """The way back from `_tiled`, as an array of its own."""
        return values.reshape(len(values), -1)[:, :neurons].copy()


@cache
def _library(cells: tuple[str, ...], synapses: tuple[str, ...], precision: Precision) -> ctypes.CDLL:
    """The compiled engine for circuits of these cells and plastic connections, whatever their sizes and wiring."""
    structs = [named(source, f"Cell{k}") for k, source in enumerate(cells)]
    structs += [named(source, f"Plastic{k}") for k, source in enumerate(synapses)]
    of_cells = "\n".join(
        f"            case {k}: return std::make_unique<CellsOf<Cell{k}<real>, real>>(given);"
        for k in range(len(cells))
    )
    of_synapses = "\n".join(
        f"            case {k}: return std::make_unique<SynapsesOf<Plastic{k}<real>, real>>(given);"
        for k in range(len(synapses))
    )
    text = _SOURCE.format(structs="\n".join(structs), real=REAL[precision], of_cells=of_cells, of_synapses=of_synapses)
    # product and sum fused: steps of rates do not tip over as spikes do, and the last bit is nobody's here
    library = native.library(text, name="rates", include=HEADERS, flags=["-ffp-contract=fast"])
    library.run.restype = None
    return library


_SOURCE = """\
#include "rates.hpp"

// Nameless, so that nothing of one circuit is taken for what another one's library calls the same.
namespace {{
{structs}
using real = {real};

struct Make {{
    std::unique_ptr<Cells<real>> cells(int kind, const double* given) const {{
        switch (kind) {{
{of_cells}
        }}
        return nullptr;
    }}
    std::unique_ptr<Synapses<real>> synapses(int kind, const double* given) const {{
        switch (kind) {{
            case STILL: return std::make_unique<SynapsesOf<Fixed<real>, real>>(given);
{of_synapses}
        }}
        return nullptr;
    }}
}};
}}
extern "C" void run(Run* order) {{ run_rates<real>(*order, Make()); }}
"""
