"""The two shelves: one TOML card per cell, synapse, plastic connection or dataset, read into frozen values.

A card is checked as it is read: its keys and their types, the grammar of every equation, the names each expression
uses, and that it cites a source. Units are checked by ``brian.card_checks``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from snnlab.cards import dataset_card, grammar
from snnlab.cards.dataset_card import Dataset
from snnlab.cards.functions import Definition, check_functions, definition, expanded
from snnlab.cards.grammar import Equation, GrammarError
from snnlab.cards.toml_reader import Page, ids
from snnlab.errors import InputError, one_of

_Kind = TypeVar("_Kind", "Cell", "Synapse", "Plasticity")

METHODS = frozenset({"exact", "euler", "exponential_euler", "rk2", "rk4", "heun"})
"""Integration schemes, by Brian2's names; the scheme is part of the model."""

PRODUCT = "product"
"""What a plastic connection's equations call the product of what its two cells tell it."""


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
    """A neuron model: equations with units, when it fires, what a spike does, and where it comes from.

    A cell that has a `rate` is heard by others in every step. A receptor of its inputs, variables without a value of
    their own, holds in every step the weighted sum of what arrives there.
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
    start: Mapping[str, str]
    compartments: Mapping[str, Compartment]
    receptors: Mapping[str, str]  # name -> state variable that a spike raises by its weight, or input
    rate: str  # the variable that other cells hear; "" for a cell that is heard by its spikes
    functions: Mapping[str, Definition]  # those that the card defines, already put into its equations
    example: Mapping[str, Any]  # inject = { compartment = quantity }, duration: what shows the cell at its best
    digest: str
    path: str

    @property
    def states(self) -> tuple[str, ...]:
        """The variables with a differential equation, in the card's order."""
        return tuple(equation.name for equation in self.equations if equation.differential)

    @property
    def inputs(self) -> tuple[str, ...]:
        """The variables that are given their values in every step, by what arrives; in the card's order."""
        return tuple(one.name for one in self.equations if not one.differential and not one.expression)

    @property
    def poisson_means(self) -> Mapping[str, str]:
        """Variable -> the mean of the counts of Poisson's distribution that it is drawn from in every step."""
        return {one.name: one.poisson_mean for one in self.equations if one.poisson_mean}


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


@dataclass(frozen=True)
class Plasticity:
    """How a connection between cells that are heard in every step learns.

    pre, post  what the cell before and the cell after tell it: expressions over the variables of each
    equations  of the weight and of what it remembers; they may read ``product``, which is pre times post
    weight     the variable among them that is the weight
    """

    id: str
    name: str
    summary: str
    reference: str
    pre: str
    post: str
    equations: tuple[Equation, ...]
    parameters: Mapping[str, str]
    weight: str
    digest: str
    path: str


Card = Cell | Synapse | Plasticity
"""What lies on the models shelf."""


def all_models() -> dict[str, Card]:
    """Every card on the models shelf, by id."""
    return {name: _model(name) for name in ids("models")}


def all_datasets() -> dict[str, Dataset]:
    """Every card on the datasets shelf, by id."""
    return {name: dataset(name) for name in ids("datasets")}


def cell(name: str | Path, functions: Mapping[str, str] = MappingProxyType({})) -> Cell:
    """The cell card with this id, or the one in this .toml file.

    functions  "phi(u)" -> expression, where they are to differ from those on the card

    Raises InputError.
    """
    page = Page.read("models", name)
    own = page.table.get("functions", {})
    for head in functions:
        if head not in own:
            raise InputError(f"{page.path}: functions", f"no {head!r}", one_of(head, own))
    page.table |= {"functions": {**own, **functions}} if functions else {}
    return _of_kind(Cell, "cell", _read(page))


def synapse(name: str | Path) -> Synapse:
    """The synapse card with this id, or the one in this .toml file. Raises InputError."""
    return _of_kind(Synapse, "synapse", _model(name))


def plasticity(name: str | Path) -> Plasticity:
    """The plasticity card with this id, or the one in this .toml file. Raises InputError."""
    return _of_kind(Plasticity, "plasticity", _model(name))


def dataset(name: str | Path) -> Dataset:
    """The dataset card with this id, or the one in this .toml file. Raises InputError."""
    return dataset_card.read(Page.read("datasets", name))


def kind(card: Card) -> str:
    """The word by which a card says what it is."""
    return next(word for word, (made, _) in _KINDS.items() if isinstance(card, made))


def _of_kind(wanted: type[_Kind], word: str, card: Card) -> _Kind:
    if not isinstance(card, wanted):
        right = f"a {word} card is needed here: see `snnlab models`"
        raise InputError(card.path, f"{card.id!r} is a {kind(card)}", right)
    return card


def _model(name: str | Path) -> Card:
    return _read(Page.read("models", name))


def _read(page: Page) -> Card:
    found = page.text("kind", "")
    if found not in _KINDS:
        right = "needs " + " or ".join(f'kind = "{word}"' for word in _KINDS)
        raise page.refuse("kind", f"found {found!r}" if found else "missing", right)
    made, fields = _KINDS[found]
    return made(**page.close(dict, fields(page)))


# Reading a card, field by field --------------------------------------------------------------------------------------


def _body(page: Page, outside: set[str]) -> tuple[dict[str, Any], set[str]]:
    """Equations and parameters; and the names, declared on the card or from `outside`, that an expression may read."""
    parameters = page.mapping("parameters")
    functions = _functions(page, parameters)
    # not stripped, so that its lines are counted as they are seen
    text = page.grammar("equations", expanded, page.take("equations", str), functions)
    equations = page.grammar("equations", grammar.parse_equations, text)
    for name, value in parameters.items():
        page.grammar(f"parameters.{name}", grammar.check_name, name)
        page.grammar(f"parameters.{name}", grammar.split_quantity, value)
        if name in {equation.name for equation in equations}:
            raise page.refuse(f"parameters.{name}", "also defined in the equations", "keep one of the two")
    names = {equation.name for equation in equations} | set(parameters) | outside
    page.grammar("functions", check_functions, functions, names)
    for equation in equations:
        if equation.expression:
            page.grammar("equations", grammar.check_equation, equation, names)
    return {"equations": equations, "parameters": parameters, "functions": functions}, names


def _functions(page: Page, parameters: Collection[str]) -> Mapping[str, Definition]:
    """Those that the card defines, by name; they may read its parameters."""
    found = {}
    for head, expression in page.mapping("functions").items():
        function = page.grammar(f"functions.{head}", definition, head, expression, parameters)
        if function.name in found:
            raise page.refuse(f"functions.{head}", f"{function.name!r} is defined twice", "keep one of the two")
        found[function.name] = function
    return MappingProxyType(found)


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
    page.grammar("equations", grammar.check_draws, equations)
    fields["receptors"] = page.mapping("receptors")
    raised = _stored(equations)
    for name, variable in fields["receptors"].items():
        page.grammar(f"receptors.{name}", grammar.check_name, name)
        if variable not in raised:
            raise page.refuse(f"receptors.{name}", f"found {variable!r}", one_of(variable, raised))
    fields["rate"] = page.text("rate", "")
    known = {equation.name for equation in equations}
    if fields["rate"] and fields["rate"] not in known:
        raise page.refuse("rate", f"found {fields['rate']!r}", one_of(fields["rate"], known))
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
    page.grammar("equations", grammar.check_undrawn, body["equations"])
    variables = {equation.name for equation in body["equations"]}
    del body["functions"]
    fields = page.head() | body | {"on_spike": page.text("on_spike"), "current": page.text("current")}
    for key, known in (("on_spike", _stored(body["equations"])), ("current", variables)):
        if fields[key] not in known:
            raise page.refuse(key, f"found {fields[key]!r}", one_of(fields[key], known))
    return fields


def _plasticity_fields(page: Page) -> dict[str, Any]:
    body, _ = _body(page, {PRODUCT})
    page.grammar("equations", grammar.check_undrawn, body["equations"])
    del body["functions"]
    fields = page.head() | body | {key: page.text(key) for key in ("pre", "post", "weight")}
    states = {equation.name for equation in body["equations"] if equation.differential}
    if fields["weight"] not in states:
        raise page.refuse("weight", f"found {fields['weight']!r}", one_of(fields["weight"], states))
    if PRODUCT in body["parameters"]:
        raise page.refuse(f"parameters.{PRODUCT}", "pre times post has this name", "choose another name")
    for equation in body["equations"]:
        if equation.name == PRODUCT:
            raise page.refuse("equations", f"{PRODUCT!r} is pre times post", "choose another name")
        if not equation.expression:
            raise page.refuse("equations", f"{equation.name!r} has no value", "a connection has no inputs of its own")
        if "xi" in grammar.names_in(equation.expression):
            raise page.refuse("equations", f"{equation.name!r} reads xi", "noise is of cells, not of connections")
    for side in ("pre", "post"):
        read = page.grammar(side, grammar.names_in, fields[side])
        if not read - grammar.UNITS:
            raise page.refuse(side, f"found {fields[side]!r}", "needs an expression over variables of the cell")
        if read & (grammar.GIVEN | set(body["parameters"])):
            raise page.refuse(side, f"found {fields[side]!r}", "may read the variables of the cell alone")
    return fields


_KINDS: Mapping[str, tuple[type[Card], Callable[[Page], dict[str, Any]]]] = MappingProxyType(
    {
        "cell": (Cell, _cell_fields),
        "synapse": (Synapse, _synapse_fields),
        "plasticity": (Plasticity, _plasticity_fields),
    }
)
