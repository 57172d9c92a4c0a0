"""Cards of cells: neuron models with equations, threshold, reset and compartments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

from snnlab.cards.body import Body, read_body
from snnlab.cards.equation import Equation, check_sampling
from snnlab.cards.functions import Function
from snnlab.cards.names import check_name
from snnlab.cards.parsing import check_expression, check_statements, check_unit, is_quantity, split_quantity
from snnlab.cards.toml_table import TomlTable
from snnlab.errors import one_of

METHODS = frozenset({"exact", "euler", "exponential_euler", "rk2", "rk4", "heun"})
"""Integration methods, by Brian2's names."""


@dataclass(frozen=True)
class Compartment:
    """A place on the cell with a potential and an input current.

    `current` is a name that the equations read but the card does not define: the sum of all injected and synaptic
    currents.
    """

    name: str
    potential: str
    current: str
    unit: str  # of the current


@dataclass(frozen=True, repr=False)
class Cell:
    """A neuron model.

    A cell with a `rate` is continuous: it transmits that variable in every step. A receptor that is an input (a
    variable without a definition) holds the weighted sum of what arrives in each step.
    """

    id: str
    name: str
    summary: str
    reference: str
    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    threshold: str
    reset: str
    refractory: str
    method: str
    dt: str
    start: Mapping[str, str]  # state variable -> initial value
    compartments: Mapping[str, Compartment]
    receptors: Mapping[str, str]  # name -> input, or state variable that a spike increases by its weight
    rate: str  # the variable that a continuous cell transmits; empty for a spiking cell
    functions: Mapping[str, Function]  # already substituted into the equations
    example: Mapping[str, Any]  # inject = {compartment: quantity}, duration: a typical simulation
    digest: str
    path: str

    @property
    def states(self) -> tuple[str, ...]:
        """The variables with a differential equation, in the card's order."""
        return tuple(equation.name for equation in self.equations if equation.differential)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The variables without a definition, which are set in every step; in the card's order."""
        return tuple(equation.name for equation in self.equations if equation.is_input)

    @property
    def poisson_means(self) -> Mapping[str, str]:
        """Variable that is sampled from a Poisson distribution in every step -> expression of its mean."""
        return {equation.name: equation.poisson_mean for equation in self.equations if equation.poisson_mean}

    def __repr__(self) -> str:
        return f"Cell({self.id!r}, {len(self.states)} states, {self.method}, dt = {self.dt})"


def read_cell(table: TomlTable) -> Cell:
    """The cell in a table. Raises InputError."""
    compartments = {name: _compartment(name, part) for name, part in table.subtables("compartments").items()}
    body = read_body(table, {part.current for part in compartments.values()})
    if not body.states:
        raise table.error("equations", "no differential equation", "a cell needs at least one 'dx/dt = ...'")
    _check_compartments(table, compartments, body)
    table.check("equations", check_sampling, body.equations)
    fields = table.head() | _spiking(table, body)
    fields |= {"method": table.choice("method", METHODS), "dt": table.text("dt")}
    table.check("dt", split_quantity, fields["dt"])
    fields |= {"start": _start(table, body), "receptors": _receptors(table, body)}
    fields |= {"rate": table.choice("rate", body.variables, ""), "example": _example(table, compartments)}
    fields |= {"equations": body.equations, "parameters": body.parameters, "functions": body.functions}
    return table.close(Cell, fields | {"compartments": MappingProxyType(compartments)})


def _spiking(table: TomlTable, body: Body) -> dict[str, str]:
    """Threshold, reset and refractory period."""
    fields = {key: table.text(key, "") for key in ("threshold", "reset", "refractory")}
    for key in ("threshold", "refractory"):
        if fields[key] and not (key == "refractory" and is_quantity(fields[key])):
            table.check(key, check_expression, fields[key], body.names)
    table.check("reset", check_statements, fields["reset"], body.stored, body.names)
    if (fields["reset"] or fields["refractory"]) and not fields["threshold"]:
        raise table.error("threshold", "missing", "required by a reset or a refractory period")
    return fields


def _start(table: TomlTable, body: Body) -> Mapping[str, str]:
    start = table.mapping("start")
    for name, value in start.items():
        if name not in body.states:
            raise table.error(f"start.{name}", "not a state variable", one_of(name, body.states))
        if not is_quantity(value):
            table.check(f"start.{name}", check_expression, value, body.names)
    return start


def _receptors(table: TomlTable, body: Body) -> Mapping[str, str]:
    receptors = table.mapping("receptors")
    for name, variable in receptors.items():
        table.check(f"receptors.{name}", check_name, name)
        if variable not in body.stored:
            raise table.error(f"receptors.{name}", f"got {variable!r}", one_of(variable, body.stored))
    return receptors


def _compartment(name: str, part: TomlTable) -> Compartment:
    part.check("name", check_name, name)
    fields = {key: part.text(key) for key in ("potential", "current", "unit")}
    part.check("current", check_name, fields["current"])
    part.check("unit", check_unit, fields["unit"])
    return part.close(partial(Compartment, name), fields)


def _check_compartments(table: TomlTable, compartments: Mapping[str, Compartment], body: Body) -> None:
    currents = [part.current for part in compartments.values()]
    for name, part in compartments.items():
        key = f"compartments.{name}"
        if part.potential not in body.variables:
            raise table.error(f"{key}.potential", f"got {part.potential!r}", one_of(part.potential, body.variables))
        if part.current in body.variables | set(body.parameters):
            raise table.error(
                f"{key}.current", f"{part.current!r} is defined on the card", "must be a name that is not defined"
            )
        if currents.count(part.current) > 1:
            raise table.error(
                f"{key}.current", f"{part.current!r} belongs to another compartment", "each needs its own current"
            )


def _example(table: TomlTable, compartments: Mapping[str, Compartment]) -> Mapping[str, Any]:
    part = table.subtable("example")
    inject = part.mapping("inject")
    for name, value in inject.items():
        if name not in compartments:
            raise part.error(f"inject.{name}", "no such compartment", one_of(name, compartments))
        part.check(f"inject.{name}", split_quantity, value)
    duration = part.text("duration", "100 ms")
    part.check("duration", split_quantity, duration)
    return part.close(lambda **fields: MappingProxyType(fields), {"inject": inject, "duration": duration})
