"""Check the units of a model card with Brian2, and name the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from snnlab.brian.error_messages import causes
from snnlab.brian.model import BrianModel, build_model, initialized_group, plasticity_model, synapse_model
from snnlab.brian.quantities import to_seconds, to_si, unit_of_field
from snnlab.cards import Card, Cell, Synapse
from snnlab.errors import InputError
from snnlab.networks.circuit import Plastic, Population

_VARIABLE = re.compile(r"(?:variable '|subexpression )(\w+)")  # how Brian2's errors name an equation
_FIELDS = {"start": "initial", "threshold": "threshold", "reset": "reset", "refractory": "refractory"}


def check_card(card: Card) -> None:
    """Check that the units of a card are consistent. Raises InputError of the first field that is not."""
    if isinstance(card, Cell):
        _check_cell(card)
        return
    model = synapse_model(card) if isinstance(card, Synapse) else plasticity_model(Plastic(card))
    with _at_line(card):
        initialized_group(model, 1, 1e-4, f"{card.path}: equations")


def _check_cell(card: Cell) -> None:
    for name, compartment in card.compartments.items():
        unit_of_field(compartment.unit, f"{card.path}: compartments.{name}.unit")
    dt = to_seconds(card.dt, f"{card.path}: dt")
    model = build_model(Population("cell", card, 1))
    try:
        initialized_group(model, 1, dt, card.path)
    except InputError:
        _raise_by_field(model, dt, card)
        raise
    to_seconds(card.example["duration"], f"{card.path}: example.duration")
    for name, current in card.example["inject"].items():
        to_si(current, card.compartments[name].unit, f"{card.path}: example.inject.{name}")


def _raise_by_field(model: BrianModel, dt: float, card: Cell) -> None:
    """Add the fields of an invalid model step by step, so that the first error names the field."""
    partial = replace(model, threshold="", reset="", refractory="", initial={})
    with _at_line(card):
        initialized_group(partial, 1, dt, f"{card.path}: equations")
    for field, attribute in _FIELDS.items():
        partial = replace(partial, **{attribute: getattr(model, attribute)})
        initialized_group(partial, 1, dt, f"{card.path}: {field}")


@contextmanager
def _at_line(card: Card) -> Iterator[None]:
    """Add the line of the equation that Brian2's error names, if any, to an InputError of the block."""
    lines = {equation.name: equation.line for equation in card.equations}
    try:
        yield
    except InputError as error:
        for cause in causes(error):
            for name in _VARIABLE.findall(str(cause)):
                if lines.get(name):
                    problem = f"line {lines[name]}: {error.problem}"
                    raise InputError(error.field, problem, error.hint) from error
        raise
