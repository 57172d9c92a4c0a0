"""Text with units as Brian2 quantities, floats in SI units, and numbers of time steps."""

from __future__ import annotations

import ast
import math
from functools import lru_cache
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity

from snnlab.cards.names import UNITS, ExpressionError
from snnlab.cards.parsing import check_unit, split_quantity
from snnlab.errors import InputError
from snnlab.networks.circuit import Number, Projection

_MAX_STEPS = 2**31  # the engine counts steps in 32 bits
_UNITS: dict[str, Any] = {name: getattr(brian2, name) for name in UNITS}


@lru_cache(maxsize=512)  # learning rules convert the same few units in every batch
def parse_unit(text: str) -> Quantity:
    """A product of powers of units, such as "mS/cm**2", as a quantity. Raises ExpressionError."""
    check_unit(text)
    return _evaluated(ast.parse(text.strip(), mode="eval").body)


def _evaluated(node: Any) -> Any:
    match node:
        case ast.Name(id=name):
            return _UNITS[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(operand=operand):
            return -_evaluated(operand)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluated(left) * _evaluated(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _evaluated(left) / _evaluated(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _evaluated(left) ** _evaluated(right)
    raise ExpressionError(f"{ast.unparse(node)!r} is not a product of units")


def unit_of_field(text: str, field: str) -> Quantity:
    """`parse_unit` for the unit in a field. Raises InputError."""
    try:
        return Quantity(parse_unit(text))
    except (ExpressionError, KeyError, TypeError, ValueError) as error:
        raise InputError(field, f"got the unit {text!r}", f"{error}") from error


@lru_cache(maxsize=512)
def parse_quantity(text: str) -> Quantity:
    """A number with a unit, such as "-70 mV", as a quantity. Raises ExpressionError."""
    number, unit = split_quantity(text)
    return Quantity(number * parse_unit(unit))


def quantity_or_expression(value: Any) -> Any:
    """Text that is a number with a unit as a quantity; everything else unchanged."""
    if not isinstance(value, str):
        return value
    try:
        return parse_quantity(value)
    except ExpressionError:
        return value


def to_si(value: Number, unit: str, field: str) -> float:
    """A value, text or number in SI units, as a float in SI units.

    Raises InputError for text of another dimension than `unit`.
    """
    if not isinstance(value, str):
        return float(value)
    try:
        parsed = parse_quantity(value)
    except ExpressionError as error:
        raise InputError(field, str(error)) from error
    if parsed.dim is not Quantity(parse_unit(unit)).dim:
        hint = f"must be a value in {unit}" if unit != "1" else "must be a number without a unit"
        raise InputError(field, f"got {value!r}", hint)
    return float(np.asarray(parsed))


def to_positive_si(value: Number, unit: str, field: str, example: str) -> float:
    """`to_si` for a value that must be positive and finite. Raises InputError with `example` in its hint."""
    number = to_si(value, unit, field)
    if not 0 < number < math.inf:
        raise InputError(field, f"got {value!r}", f"must be positive and finite, such as {example!r}")
    return number


def to_seconds(value: Number, field: str) -> float:
    """A positive duration in seconds. Raises InputError."""
    return to_positive_si(value, "second", field, "100 ms")


def to_steps(time: float, dt: float, field: str) -> int:
    """The number of steps of `dt` seconds in `time` seconds. Raises InputError unless it is a whole number."""
    if not time / dt < _MAX_STEPS:
        raise InputError(field, f"{time:g} s is {time / dt:.3g} steps of {dt:g} s", "must be fewer than 2**31 steps")
    steps = round(time / dt)
    if abs(steps - time / dt) > 1e-6 * steps:
        problem = f"{time:g} s is not a whole number of steps of {dt:g} s"
        raise InputError(field, problem, f"the nearest is {max(steps, 1) * dt:g} s")
    return steps


def delay_steps(projection: Projection, dt: float) -> int:
    """The delay of a projection in steps of `dt` seconds. Raises InputError unless it is a whole number of steps."""
    field = f"projection {projection.name!r}: delay"
    delay = to_si(projection.delay, "second", field)
    if not 0 <= delay < math.inf:
        raise InputError(field, f"got {projection.delay!r}", "must be 0 or a positive time")
    return to_steps(delay, dt, field)
