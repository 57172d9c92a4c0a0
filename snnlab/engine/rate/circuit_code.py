"""The generated code of a circuit of rate cells, and its compiled library."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

from snnlab.engine.build import REAL, Precision, compile_library
from snnlab.engine.rate.cell_code import RateCode, Readout, rate_code
from snnlab.engine.rate.plasticity_code import PlasticCode, plasticity_code
from snnlab.errors import InputError
from snnlab.networks.circuit import SOURCE_VARIABLE, Circuit, Population, Projection, Source


@dataclass(frozen=True, eq=False)
class CircuitCode:
    """The generated code of a circuit.

    cells          population -> code
    plastic        plastic projection -> code
    cell_kinds     the distinct C++ structs of cells
    synapse_kinds  the distinct C++ structs of plastic synapses
    """

    circuit: Circuit
    cells: Mapping[str, RateCode]
    plastic: Mapping[str, PlasticCode]
    cell_kinds: tuple[str, ...]
    synapse_kinds: tuple[str, ...]

    def library(self, precision: Precision) -> ctypes.CDLL:
        """The compiled library, whose function `run` takes the tables of a Plan."""
        return _library(self.cell_kinds, self.synapse_kinds, precision)


@lru_cache(maxsize=64)
def circuit_code(circuit: Circuit, dt: float) -> CircuitCode:
    """The code of a circuit. Raises InputError for cells and plastic connections that `run_rates` cannot run."""
    cells = {
        population.name: rate_code(population, dt, _readout(circuit, population)) for population in circuit.populations
    }
    plastic = {}
    for projection in circuit.projections:
        if projection.plasticity:
            _check_source(circuit, projection)
            plastic[projection.name] = plasticity_code(projection.plasticity, dt)
    cell_kinds = _unique(code.source for code in cells.values())
    return CircuitCode(circuit, cells, plastic, cell_kinds, _unique(code.source for code in plastic.values()))


def _readout(circuit: Circuit, population: Population) -> Readout:
    outgoing = [projection for projection in circuit.projections if projection.pre == population.name]
    variables = (circuit.transmitted_variable(projection) for projection in outgoing)
    outputs = _unique((*variables, *population.cell.poisson_means))
    pre = (projection.plasticity.card.pre for projection in outgoing if projection.plasticity)
    incoming = circuit.incoming(population.name)
    post = (projection.plasticity.card.post for projection in incoming if projection.plasticity)
    return Readout(outputs, _unique(factor for factor in pre if factor not in outputs), _unique(post))


def _check_source(circuit: Circuit, projection: Projection) -> None:
    plastic = projection.plasticity
    if plastic and isinstance(circuit[projection.pre], Source) and plastic.card.pre != SOURCE_VARIABLE:
        problem = f"{plastic.card.path} reads {plastic.card.pre!r} of the source {projection.pre!r}"
        raise InputError(f"projection {projection.name!r}", problem, f"must read {SOURCE_VARIABLE!r} of a source")


def _unique(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


@cache
def _library(cells: tuple[str, ...], synapses: tuple[str, ...], precision: Precision) -> ctypes.CDLL:
    """The library of all circuits of these cells and plastic connections, for any sizes and projections."""
    structs = [f"namespace cell{k} {{\n{source}\n}}" for k, source in enumerate(cells)]
    structs += [f"namespace synapse{k} {{\n{source}\n}}" for k, source in enumerate(synapses)]
    make = "            case {0}: return std::make_unique<{1}<{2}<real>, real>>(parameters);"
    cell_cases = [make.format(k, "CellsOf", f"cell{k}::Cell") for k in range(len(cells))]
    synapse_cases = [make.format(k, "SynapsesOf", f"synapse{k}::Synapse") for k in range(len(synapses))]
    text = _SOURCE.format(
        structs="\n".join(structs),
        real=REAL[precision],
        cell_cases="\n".join(cell_cases),
        synapse_cases="\n".join(synapse_cases),
    )
    # fused also in float64: rates change continuously with rounding, unlike spikes
    return compile_library(text, "rates", ["run"], precision, fused=True)


# in an unnamed namespace, so that the symbols of two libraries do not clash
_SOURCE = """\
#include "rates.hpp"

namespace {{
{structs}
using real = {real};

struct Factory {{
    std::unique_ptr<Cells<real>> cells(int kind, const double* parameters) const {{
        switch (kind) {{
{cell_cases}
        }}
        return nullptr;
    }}
    std::unique_ptr<Synapses<real>> synapses(int kind, const double* parameters) const {{
        switch (kind) {{
            case FIXED: return std::make_unique<SynapsesOf<FixedSynapse<real>, real>>(parameters);
{synapse_cases}
        }}
        return nullptr;
    }}
}};
}}
extern "C" void run(Run* run) {{ run_rates<real>(*run, Factory()); }}
"""
