"""The card library: find, list and read the cards of models and datasets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from snnlab.cards.cell_card import Cell, read_cell
from snnlab.cards.dataset_card import Dataset, read_dataset
from snnlab.cards.plasticity_card import Plasticity, read_plasticity
from snnlab.cards.synapse_card import Synapse, read_synapse
from snnlab.cards.toml_table import TomlTable
from snnlab.errors import InputError, one_of

Card = Cell | Synapse | Plasticity
"""A card of a model."""

_Kind = TypeVar("_Kind", Cell, Synapse, Plasticity)
_READERS: Mapping[str, Callable[[TomlTable], Card]] = MappingProxyType(
    {"cell": read_cell, "synapse": read_synapse, "plasticity": read_plasticity}
)


def library_folder(name: str) -> Traversable:
    """The folder of cards with this name, "models" or "datasets": in the checkout, or inside the installed package."""
    package = files("snnlab")
    installed = package / "_library"
    return (installed if installed.is_dir() else package / "..") / name


def all_models() -> dict[str, Card]:
    """Every model card of the library, by id."""
    return {name: _model(name) for name in _ids("models")}


def all_datasets() -> dict[str, Dataset]:
    """Every dataset card of the library, by id."""
    return {name: dataset(name) for name in _ids("datasets")}


def cell(name: str | Path, functions: Mapping[str, str] = MappingProxyType({})) -> Cell:
    """The cell card with this id, or in this .toml file.

    functions  "phi(u)" -> expression that replaces the card's own definition

    Raises InputError.
    """
    table = _table("models", name)
    own = table.table.get("functions", {})
    for signature in functions:
        if signature not in own:
            raise InputError(f"{table.path}: functions", f"no {signature!r}", one_of(signature, own))
    table.table |= {"functions": {**own, **functions}} if functions else {}
    return _of_kind(Cell, _read(table))


def synapse(name: str | Path) -> Synapse:
    """The synapse card with this id, or in this .toml file. Raises InputError."""
    return _of_kind(Synapse, _model(name))


def plasticity(name: str | Path) -> Plasticity:
    """The plasticity card with this id, or in this .toml file. Raises InputError."""
    return _of_kind(Plasticity, _model(name))


def dataset(name: str | Path) -> Dataset:
    """The dataset card with this id, or in this .toml file. Raises InputError."""
    return read_dataset(_table("datasets", name))


def kind(card: Card) -> str:
    """The kind of a model card: "cell", "synapse" or "plasticity"."""
    return type(card).__name__.lower()


def _of_kind(expected: type[_Kind], card: Card) -> _Kind:
    if not isinstance(card, expected):
        hint = f"expected a {expected.__name__.lower()} card: see `snnlab models`"
        raise InputError(card.path, f"{card.id!r} is a {kind(card)}", hint)
    return card


def _model(name: str | Path) -> Card:
    return _read(_table("models", name))


def _read(table: TomlTable) -> Card:
    word = table.text("kind", "")
    if word not in _READERS:
        raise table.invalid("kind", word, f"must be one of {', '.join(_READERS)}")
    return _READERS[word](table)


def _table(folder: str, name: str | Path) -> TomlTable:
    """The TOML table of the card with this id in a folder of the library, or in this .toml file."""
    if str(name).endswith(".toml"):
        return TomlTable.read(Path(name), str(name))
    if str(name) not in _ids(folder):
        raise InputError(
            folder, f"no card {str(name)!r}", f"{one_of(str(name), _ids(folder))}; or the path of a .toml file"
        )
    return TomlTable.read(library_folder(folder) / f"{name}.toml", f"{folder}/{name}.toml")


def _ids(folder: str) -> list[str]:
    entries = library_folder(folder).iterdir()
    return sorted(entry.name.removesuffix(".toml") for entry in entries if entry.name.endswith(".toml"))
