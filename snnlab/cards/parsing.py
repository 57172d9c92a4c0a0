"""Parse the expressions, units, quantities and resets of a card; every expression becomes one checked syntax tree."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection
from functools import lru_cache

from snnlab.cards.checks import check_arguments, check_depth, check_tree, poisson_call, quoted
from snnlab.cards.names import IMPLICIT, SYMBOLS, UNITS, ExpressionError

MAX_LENGTH = 4000
"""Characters of one expression."""

_QUANTITY = re.compile(r"^\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*?\s*(?P<unit>[A-Za-z1].*)?$")


def syntax_tree(text: str) -> ast.expr:
    """The syntax tree of an expression, its content unchecked. Raises ExpressionError."""
    if len(text) > MAX_LENGTH:
        raise ExpressionError(f"{len(text)} characters: an expression may have {MAX_LENGTH}")
    if invalid := re.search(r"[^A-Za-z0-9_ .,+\-*/%()<>=!]", text):
        power = ": a power is **" if invalid[0] == "^" else ""
        raise ExpressionError(f"{invalid[0]!r} is not allowed in an expression{power}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ExpressionError(f"{quoted(text)} is not an expression") from error
    check_depth(tree, text)
    return tree


@lru_cache(maxsize=1024)
def parse(text: str, *, may_sample: bool = False) -> ast.expr:
    """The checked syntax tree of an expression; callers share it and must not change it.

    may_sample  whether the whole expression may be a call of poisson

    Raises ExpressionError for anything but arithmetic with known functions.
    """
    tree = syntax_tree(text)
    call = poisson_call(tree) if may_sample else None
    if call is not None:
        check_arguments(call, 1)
    check_tree(tree if call is None else call.args[0])
    return tree


@lru_cache(maxsize=1024)  # circuits ask for the same expressions whenever their weights change
def names_in(text: str, *, may_sample: bool = False) -> frozenset[str]:
    """The names that an expression reads, without its functions. Raises ExpressionError as `parse` does."""
    tree = parse(text, may_sample=may_sample)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called)


def check_expression(text: str, names: Collection[str], *, may_sample: bool = False) -> None:
    """Raise ExpressionError if an expression reads anything but `names`, units, t, dt and xi."""
    unknown = sorted(names_in(text, may_sample=may_sample) - set(names) - UNITS - IMPLICIT)
    if unknown:
        raise ExpressionError(f"unknown symbol {unknown[0]!r} in {quoted(text)}")


def check_statements(text: str, targets: Collection[str], names: Collection[str]) -> None:
    """Raise ExpressionError if a reset is anything but assignments of expressions over `names` to `targets`."""
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        match = re.fullmatch(r"([A-Za-z]\w*) *([-+*/]?=)([^=].*)", line)
        if match is None:
            raise ExpressionError(f"{quoted(line)} is not an assignment")
        if match[1] not in targets:
            raise ExpressionError(f"{quoted(line)} assigns to {match[1]!r}, which is not a variable of the equations")
        check_expression(match[3], names)


def check_unit(text: str) -> None:
    """Raise ExpressionError if a unit is not a product of powers of known units, or 1."""
    unknown = sorted(names_in(text) - UNITS)
    if unknown:
        raise ExpressionError(f"unknown unit {unknown[0]!r}")
    if not _is_unit(parse(text)):
        raise ExpressionError(f"{quoted(text)} is not a product of units")


def _is_unit(node: ast.AST) -> bool:
    match node:
        case ast.Name() | ast.Constant(value=1):
            return True
        case ast.BinOp(left=left, op=ast.Mult() | ast.Div(), right=right):
            return _is_unit(left) and _is_unit(right)
        case ast.BinOp(
            left=left, op=ast.Pow(), right=ast.Constant() | ast.UnaryOp(op=ast.USub(), operand=ast.Constant())
        ):
            return _is_unit(left)
    return False


def split_quantity(text: str) -> tuple[float, str]:
    """Split ``"-70 mV"`` into number and unit, ``(-70.0, "mV")``; a bare number has the unit ``"1"``.

    Raises ExpressionError.
    """
    match = _QUANTITY.match(text)
    if match is None or not math.isfinite(float(match["number"])):
        raise ExpressionError(f"{quoted(text)} is not a number with a unit, such as '20 ms' or '0.4*nA'")
    unit = re.sub(r"[A-Za-z]\w*", lambda name: SYMBOLS.get(name[0], name[0]), (match["unit"] or "1").strip())
    check_unit(unit)
    return float(match["number"]), unit


def is_quantity(text: str) -> bool:
    """Whether text is a number with a unit."""
    try:
        split_quantity(text)
    except ExpressionError:
        return False
    return True
