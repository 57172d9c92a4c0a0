"""The two shelves: one TOML card per cell, synapse or dataset, read into frozen values.

A card is checked as it is read: its keys and their types, the grammar of every equation, the names each expression
uses, and that it cites a source. Units are checked where Brian2 is at hand (``equations.check``).
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from snnlab import grammar
from snnlab.errors import Refused, one_of
from snnlab.grammar import Equation, GrammarError

_Card = TypeVar("_Card")

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


@dataclass(frozen=True)
class DataFile:
    """One original file; it may lie gzipped or plain. Digests are SHA-256."""

    name: str  # without .gz
    bytes: int  # of the plain file
    sha256: str  # of the plain file
    sha256_gz: str  # of the archive as published


@dataclass(frozen=True)
class Split:
    """One part of a dataset: how many samples, and the files that hold them."""

    samples: int
    images: str
    labels: str


@dataclass(frozen=True)
class Dataset:
    """Where data comes from, what is in it, and under which licence."""

    id: str
    name: str
    summary: str
    reference: str
    licence: str
    format: str  # "idx": LeCun's idx files; "scikit-learn": shipped inside that package
    classes: tuple[str, ...]
    shape: tuple[int, ...]
    folders: tuple[str, ...]  # where the files may lie below the data folder, most likely first
    mirrors: tuple[str, ...]
    files: Mapping[str, DataFile]
    splits: Mapping[str, Split]
    digest: str
    path: str


def shelf(name: str) -> Traversable:
    """The folder of cards called `name`: beside the package in a checkout, inside it once installed."""
    package = files("snnlab")
    inside = package / "_shelf"
    return (inside if inside.is_dir() else package / "..") / name


def models() -> dict[str, Cell | Synapse]:
    """Every card on the models shelf, by id."""
    return {name: _model(name) for name in _names("models")}


def datasets() -> dict[str, Dataset]:
    """Every card on the datasets shelf, by id."""
    return {name: dataset(name) for name in _names("datasets")}


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
    page = _Page.read("datasets", name)
    return page.close(Dataset, _dataset_fields(page))


def _model(name: str | Path) -> Cell | Synapse:
    page = _Page.read("models", name)
    match kind := page.text("kind"):
        case "cell":
            return page.close(Cell, _cell_fields(page))
        case "synapse":
            return page.close(Synapse, _synapse_fields(page))
    raise page.refuse("kind", f"found {kind!r}", "needs 'cell' or 'synapse'")


def _names(folder: str) -> list[str]:
    return sorted(entry.name.removesuffix(".toml") for entry in shelf(folder).iterdir() if entry.name.endswith(".toml"))


# Reading a card, field by field --------------------------------------------------------------------------------------


@dataclass
class _Page:
    """A TOML table on its way to a card: hands out each field once, with its type checked, and knows what is left."""

    path: str
    table: dict[str, Any]
    digest: str = ""
    id: str = ""
    taken: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: str, name: str | Path) -> _Page:
        own = str(name).endswith(".toml")
        if not own and str(name) not in _names(folder):
            raise Refused(folder, f"no card {str(name)!r}", f"{one_of(str(name), _names(folder))}; or a path to a .toml")
        source: Traversable | Path = Path(name) if own else shelf(folder) / f"{name}.toml"
        shown = str(name) if own else f"{folder}/{name}.toml"
        try:
            raw = source.read_bytes()
            table = tomllib.loads(raw.decode("utf-8"))
        except OSError as error:
            raise Refused(shown, error.strerror or str(error), "needs a readable card") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
            raise Refused(shown, f"not TOML: {error}") from error
        return cls(shown, table, hashlib.sha256(raw).hexdigest(), Path(shown).stem)

    def refuse(self, key: str, found: str, right: str = "") -> Refused:
        return Refused(f"{self.path}: {key}", found, right)

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        self.taken.add(key)
        value = self.table.get(key, default)
        if value is None:
            raise self.refuse(key, "missing", f"needs {_WORDS[kind]}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.refuse(key, f"found {value!r}", f"needs {_WORDS[kind]}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self.take(key, str, default).strip()

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.refuse(key, f"found {value!r}", "needs a list of texts")
        return tuple(values)

    def mapping(self, key: str) -> Mapping[str, str]:
        values = self.take(key, dict, {})
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.refuse(f"{key}.{name}", f"found {value!r}", 'needs text, such as "20 ms"')
        return MappingProxyType(dict(values))

    def pages(self, key: str) -> dict[str, _Page]:
        tables = self.take(key, dict, {})
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise self.refuse(f"{key}.{name}", f"found {table!r}", "needs a table")
        return {name: _Page(f"{self.path}: {key}.{name}", table) for name, table in tables.items()}

    def grammar(self, key: str, check: Callable[..., Any], *arguments: Any) -> Any:
        """Run a check of ``grammar.py``, and say on which card and field it failed."""
        try:
            return check(*arguments)
        except GrammarError as error:
            raise self.refuse(key, str(error)) from error

    def close(self, card: Callable[..., _Card], fields: dict[str, Any]) -> _Card:
        left = sorted(set(self.table) - self.taken)
        if left:
            raise self.refuse(left[0], "unknown key", one_of(left[0], self.taken))
        return card(**fields)


_WORDS = {str: "text", int: "a whole number", list: "a list", dict: "a table"}


def _head(page: _Page) -> dict[str, Any]:
    head = {key: page.text(key) for key in ("name", "summary", "reference")}
    for key, value in head.items():
        if not value:
            raise page.refuse(key, "empty", "every card says what it is and cites its source")
    return head | {"id": page.id, "digest": page.digest, "path": page.path}


def _body(page: _Page, outside: set[str]) -> dict[str, Any]:
    """Equations and parameters, each expression over names that the card declares or that come from `outside`."""
    equations = page.grammar("equations", grammar.parse_equations, page.text("equations"))
    parameters = page.mapping("parameters")
    for name, value in parameters.items():
        page.grammar(f"parameters.{name}", grammar.check_name, name)
        page.grammar(f"parameters.{name}", grammar.split_quantity, value)
        if name in {equation.name for equation in equations}:
            raise page.refuse(f"parameters.{name}", "also defined in the equations", "keep one of the two")
    names = {equation.name for equation in equations} | set(parameters) | outside
    for equation in equations:
        if equation.expression:
            page.grammar("equations", grammar.check_expression, equation.expression, names)
    return {"equations": equations, "parameters": parameters, "names": names}


def _cell_fields(page: _Page) -> dict[str, Any]:
    compartments = {name: _compartment(page, name, part) for name, part in page.pages("compartments").items()}
    body = _body(page, {part.current for part in compartments.values()})
    names = body.pop("names")
    variables = {equation.name for equation in body["equations"]}
    states = {equation.name for equation in body["equations"] if equation.differential}
    if not states:
        raise page.refuse("equations", "no differential equation", "a cell needs at least one 'dx/dt = ...'")
    fields = _head(page) | body | {"compartments": MappingProxyType(compartments)}
    for key in ("threshold", "refractory"):
        fields[key] = page.text(key, "")
        if fields[key] and not (key == "refractory" and _is_quantity(fields[key])):
            page.grammar(key, grammar.check_expression, fields[key], names)
    fields["reset"] = page.text("reset", "")
    page.grammar("reset", grammar.check_statements, fields["reset"], variables, names)
    if (fields["reset"] or fields["refractory"]) and not fields["threshold"]:
        raise page.refuse("threshold", "missing", "a cell with a reset or a refractory period needs one")
    fields["method"] = page.text("method")
    if fields["method"] not in METHODS:
        raise page.refuse("method", f"found {fields['method']!r}", one_of(fields["method"], METHODS))
    fields["dt"] = page.text("dt")
    page.grammar("dt", grammar.split_quantity, fields["dt"])
    fields["start"] = page.mapping("start")
    fields["receptors"] = page.mapping("receptors")
    for name, part in compartments.items():
        if part.potential not in variables:
            raise page.refuse(f"compartments.{name}.potential", f"found {part.potential!r}", one_of(part.potential, variables))
        if part.current in variables | set(body["parameters"]):
            raise page.refuse(f"compartments.{name}.current", f"{part.current!r} is defined on the card", "it comes from outside")
    for name, value in fields["start"].items():
        if name not in states:
            raise page.refuse(f"start.{name}", "not a state variable", one_of(name, states))
        if not _is_quantity(value):
            page.grammar(f"start.{name}", grammar.check_expression, value, names)
    for name, state in fields["receptors"].items():
        if state not in states:
            raise page.refuse(f"receptors.{name}", f"found {state!r}", one_of(state, states))
    fields["example"] = _example(page, compartments)
    return fields


def _is_quantity(text: str) -> bool:
    try:
        grammar.split_quantity(text)
    except GrammarError:
        return False
    return True


def _compartment(page: _Page, name: str, part: _Page) -> Compartment:
    page.grammar(f"compartments.{name}", grammar.check_name, name)
    fields = {key: part.text(key) for key in ("potential", "current", "unit")}
    part.grammar("current", grammar.check_name, fields["current"])
    part.grammar("unit", grammar.check_unit, fields["unit"])
    return part.close(partial(Compartment, name), fields)


def _example(page: _Page, compartments: Mapping[str, Compartment]) -> Mapping[str, Any]:
    part = _Page(f"{page.path}: example", page.take("example", dict, {}))
    inject = part.mapping("inject")
    for name, value in inject.items():
        if name not in compartments:
            raise part.refuse(f"inject.{name}", "no such compartment", one_of(name, compartments))
        part.grammar(f"inject.{name}", grammar.split_quantity, value)
    duration = part.text("duration", "100 ms")
    part.grammar("duration", grammar.split_quantity, duration)
    return part.close(lambda **fields: MappingProxyType(fields), {"inject": inject, "duration": duration})


def _synapse_fields(page: _Page) -> dict[str, Any]:
    body = _body(page, {"v"})
    body.pop("names")
    variables = {equation.name for equation in body["equations"]}
    fields = _head(page) | body | {"on_spike": page.text("on_spike"), "current": page.text("current")}
    for key in ("on_spike", "current"):
        if fields[key] not in variables:
            raise page.refuse(key, f"found {fields[key]!r}", one_of(fields[key], variables))
    return fields


def _dataset_fields(page: _Page) -> dict[str, Any]:
    if page.text("kind") != "dataset":
        raise page.refuse("kind", f"found {page.table['kind']!r}", "needs 'dataset'")
    fields = _head(page) | {key: page.text(key) for key in ("licence", "format")}
    if fields["format"] not in ("idx", "scikit-learn"):
        raise page.refuse("format", f"found {fields['format']!r}", "needs 'idx' or 'scikit-learn'")
    fields |= {key: page.texts(key) for key in ("classes", "folders", "mirrors")}
    shape = page.take("shape", list)
    if not shape or not all(type(side) is int and side > 0 for side in shape):
        raise page.refuse("shape", f"found {shape!r}", "needs a list of positive whole numbers")
    fields["shape"] = tuple(shape)
    fields["files"] = MappingProxyType({name: _data_file(name, part) for name, part in page.pages("files").items()})
    fields["splits"] = MappingProxyType({name: _split(part, fields["files"]) for name, part in page.pages("splits").items()})
    return fields


def _data_file(name: str, part: _Page) -> DataFile:
    # a name that climbed out of the data folder would be written to by a download
    if Path(name).name != name or name in ("", ".", "..") or "\\" in name:
        raise Refused(part.path, "not a plain file name")
    digests = {key: part.text(key).lower() for key in ("sha256", "sha256_gz")}
    for key, value in digests.items():
        if len(value) != 64 or set(value) - set("0123456789abcdef"):
            raise part.refuse(key, f"found {value!r}", "needs 64 hexadecimal digits")
    return part.close(partial(DataFile, name), {"bytes": part.take("bytes", int)} | digests)


def _split(part: _Page, known: Mapping[str, DataFile]) -> Split:
    fields = {"samples": part.take("samples", int), "images": part.text("images", ""), "labels": part.text("labels", "")}
    for key in ("images", "labels"):
        if known and fields[key] not in known:
            raise part.refuse(key, f"found {fields[key]!r}", one_of(fields[key], known))
    return part.close(Split, fields)
