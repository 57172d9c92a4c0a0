"""The two shelves: one TOML card per cell, synapse or dataset, read into frozen values.

A card is checked as it is read: its keys and their types, the grammar of every equation, the names each expression
uses, and that it cites a source. Units are checked where Brian2 is at hand (``equations.check``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any

from snnlab import datacard, grammar
from snnlab.datacard import Archive, DataFile, Dataset, Listing, Split
from snnlab.errors import Refused, one_of
from snnlab.grammar import Equation, GrammarError
from snnlab.page import Page, ids, shelf

__all__ = ["METHODS", "Archive", "Cell", "Compartment", "DataFile", "Dataset", "Listing", "Split", "Synapse", "cell",
           "dataset", "datasets", "models", "shelf", "synapse"]  # fmt: skip

METHODS = frozenset({"exact", "euler", "exponential_euler", "rk2", "rk4", "heun"})
"""Integration schemes, by Brian2's names; the scheme is part of the model."""


@dataclass(frozen=True)
class Compartment:
    """A place on the cell: where its potential is read and where a current enters.

    `current` is a symbol that the equations read and nobody on the card defines; injected and synaptic currents are
    summed into it.
    """

    name: str
    potential: str
    current: str
    unit: str  # of the current


@dataclass(frozen=True)
class Cell:
    """A neuron model: equations with units, when it fires, what a spike does, and where it comes from."""

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
    start: Mapping[str, str]
    compartments: Mapping[str, Compartment]
    receptors: Mapping[str, str]  # name -> state variable that an arriving spike raises by its weight
    example: Mapping[str, Any]  # inject = { compartment = quantity }, duration: what shows the cell at its best
    digest: str
    path: str

    @property
    def states(self) -> tuple[str, ...]:
        """The variables with a differential equation, in the card's order."""
        return tuple(equation.name for equation in self.equations if equation.differential)


@dataclass(frozen=True)
class Synapse:
    """A synaptic current: what an arriving spike does, and the current that follows at a potential `v`."""

    id: str
    name: str
    summary: str
    reference: str
    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    on_spike: str  # the state variable that an arriving spike raises by its weight
    current: str  # the variable that enters the compartment; positive is inward
    digest: str
    path: str


def models() -> dict[str, Cell | Synapse]:
    """Every card on the models shelf, by id."""
    return {name: _model(name) for name in ids("models")}


def datasets() -> dict[str, Dataset]:
    """Every card on the datasets shelf, by id."""
    return {name: dataset(name) for name in ids("datasets")}


def cell(name: str | Path) -> Cell:
    """The cell card with this id, or the one in this .toml file. Raises Refused."""
    card = _model(name)
    if not isinstance(card, Cell):
        raise Refused(card.path, f"{card.id!r} is a synapse", "a cell card is needed here: see `snnlab models`")
    return card


def synapse(name: str | Path) -> Synapse:
    """The synapse card with this id, or the one in this .toml file. Raises Refused."""
    card = _model(name)
    if not isinstance(card, Synapse):
        raise Refused(card.path, f"{card.id!r} is a cell", "a synapse card is needed here: see `snnlab models`")
    return card


def dataset(name: str | Path) -> Dataset:
    """The dataset card with this id, or the one in this .toml file. Raises Refused."""
    return datacard.read(Page.read("datasets", name))


def _model(name: str | Path) -> Cell | Synapse:
    page = Page.read("models", name)
    match kind := page.text("kind", ""):
        case "cell":
            return page.close(Cell, _cell_fields(page))
        case "synapse":
            return page.close(Synapse, _synapse_fields(page))
    raise page.refuse("kind", f"found {kind!r}" if kind else "missing", 'needs kind = "cell" or kind = "synapse"')


# Reading a card, field by field --------------------------------------------------------------------------------------


def _body(page: Page, outside: set[str]) -> tuple[dict[str, Any], set[str]]:
    """Equations and parameters; and the names, declared on the card or from `outside`, that an expression may read."""
    # not stripped, so that its lines are counted as they are seen
    equations = page.grammar("equations", grammar.parse_equations, page.take("equations", str))
    parameters = page.mapping("parameters")
    for name, value in parameters.items():
        page.grammar(f"parameters.{name}", grammar.check_name, name)
        page.grammar(f"parameters.{name}", grammar.split_quantity, value)
        if name in {equation.name for equation in equations}:
            raise page.refuse(f"parameters.{name}", "also defined in the equations", "keep one of the two")
    names = {equation.name for equation in equations} | set(parameters) | outside
    for equation in equations:
        if equation.expression:
            page.grammar("equations", grammar.check_equation, equation, names)
    return {"equations": equations, "parameters": parameters}, names


def _cell_fields(page: Page) -> dict[str, Any]:
    compartments = {name: _compartment(page, name, part) for name, part in page.pages("compartments").items()}
    body, names = _body(page, {part.current for part in compartments.values()})
    equations = body["equations"]
    states = {equation.name for equation in equations if equation.differential}
    if not states:
        raise page.refuse("equations", "no differential equation", "a cell needs at least one 'dx/dt = ...'")
    _check_compartments(page, compartments, {equation.name for equation in equations}, body["parameters"])
    fields = page.head() | body | _firing(page, _stored(equations), names)
    fields |= {"compartments": MappingProxyType(compartments), "method": page.text("method"), "dt": page.text("dt")}
    if fields["method"] not in METHODS:
        raise page.refuse("method", f"found {fields['method']!r}", one_of(fields["method"], METHODS))
    page.grammar("dt", grammar.split_quantity, fields["dt"])
    fields["start"] = page.mapping("start")
    for name, value in fields["start"].items():
        if name not in states:
            raise page.refuse(f"start.{name}", "not a state variable", one_of(name, states))
        if not _is_quantity(value):
            page.grammar(f"start.{name}", grammar.check_expression, value, names)
    fields["receptors"] = page.mapping("receptors")
    for name, state in fields["receptors"].items():
        page.grammar(f"receptors.{name}", grammar.check_name, name)
        if state not in states:
            raise page.refuse(f"receptors.{name}", f"found {state!r}", one_of(state, states))
    fields["example"] = _example(page, compartments)
    return fields


def _firing(page: Page, stored: set[str], names: set[str]) -> dict[str, Any]:
    """When the cell fires and what a spike does, over `names`, where only the `stored` variables can be changed."""
    fields = {key: page.text(key, "") for key in ("threshold", "reset", "refractory")}
    for key in ("threshold", "refractory"):
        if fields[key] and not (key == "refractory" and _is_quantity(fields[key])):
            page.grammar(key, grammar.check_expression, fields[key], names)
    page.grammar("reset", grammar.check_statements, fields["reset"], stored, names)
    if (fields["reset"] or fields["refractory"]) and not fields["threshold"]:
        raise page.refuse("threshold", "missing", "a cell with a reset or a refractory period needs one")
    return fields


def _check_compartments(
    page: Page, compartments: Mapping[str, Compartment], variables: set[str], parameters: Mapping[str, str]
) -> None:
    for name, part in compartments.items():
        key = f"compartments.{name}"
        if part.potential not in variables:
            raise page.refuse(f"{key}.potential", f"found {part.potential!r}", one_of(part.potential, variables))
        if part.current in variables | set(parameters):
            raise page.refuse(f"{key}.current", f"{part.current!r} is defined on the card", "it comes from outside")
        if [other.current for other in compartments.values()].count(part.current) > 1:
            raise page.refuse(f"{key}.current", f"{part.current!r} is another compartment's", "each needs its own")


def _stored(equations: tuple[Equation, ...]) -> set[str]:
    """The variables that hold a value of their own, and can be given another."""
    return {equation.name for equation in equations if equation.differential or not equation.expression}


def _is_quantity(text: str) -> bool:
    try:
        grammar.split_quantity(text)
    except GrammarError:
        return False
    return True


def _compartment(page: Page, name: str, part: Page) -> Compartment:
    page.grammar(f"compartments.{name}", grammar.check_name, name)
    fields = {key: part.text(key) for key in ("potential", "current", "unit")}
    part.grammar("current", grammar.check_name, fields["current"])
    part.grammar("unit", grammar.check_unit, fields["unit"])
    return part.close(partial(Compartment, name), fields)


def _example(page: Page, compartments: Mapping[str, Compartment]) -> Mapping[str, Any]:
    part = Page(f"{page.path}: example", page.take("example", dict, {}))
    inject = part.mapping("inject")
    for name, value in inject.items():
        if name not in compartments:
            raise part.refuse(f"inject.{name}", "no such compartment", one_of(name, compartments))
        part.grammar(f"inject.{name}", grammar.split_quantity, value)
    duration = part.text("duration", "100 ms")
    part.grammar("duration", grammar.split_quantity, duration)
    return part.close(lambda **fields: MappingProxyType(fields), {"inject": inject, "duration": duration})


def _synapse_fields(page: Page) -> dict[str, Any]:
    body, _ = _body(page, {"v"})
    variables = {equation.name for equation in body["equations"]}
    fields = page.head() | body | {"on_spike": page.text("on_spike"), "current": page.text("current")}
    for key, known in (("on_spike", _stored(body["equations"])), ("current", variables)):
        if fields[key] not in known:
            raise page.refuse(key, f"found {fields[key]!r}", one_of(fields[key], known))
    return fields
