"""Checks of an expression's syntax tree: only arithmetic, comparisons and known functions, of bounded size.

Cards come from other people: their text is untrusted and must never reach Brian2 or a compiler unchecked.
"""

from __future__ import annotations

import ast
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass

from snnlab.cards.names import FUNCTIONS, POISSON, ExpressionError

MAX_SIZE = 20_000.0
"""Terms and nodes of an expression with all variables of its card substituted."""

_MAX_DEPTH = 200
_MAX_EXPONENT = 64
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip


def quoted(part: str | ast.AST) -> str:
    """A part of an expression in quotes, shortened to 60 characters."""
    text = part.strip() if isinstance(part, str) else ast.unparse(part) or type(part).__name__
    return repr(text) if len(text) <= 60 else repr(f"{text[:56]} ...")


def check_depth(tree: ast.expr, text: str) -> None:
    """Raise ExpressionError if a syntax tree is too deep for the parsers that follow."""
    level: list[ast.AST] = [tree]
    for _ in range(_MAX_DEPTH):
        level = [child for node in level for child in ast.iter_child_nodes(node)]
    if level:
        raise ExpressionError(f"{quoted(text)} has more than {_MAX_DEPTH} levels: split it into several equations")


def check_tree(tree: ast.expr) -> None:
    """Raise ExpressionError if a syntax tree holds anything but arithmetic with known functions."""
    for node in ast.walk(tree):
        _check_node(node)


def _check_node(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        raise ExpressionError(f"{quoted(node)} is not arithmetic")
    match node:
        case ast.Constant(value=value) if not _is_finite(value):
            raise ExpressionError(f"{quoted(node)} is not a finite number")
        case ast.Name(id=name) if "__" in name:
            raise ExpressionError(f"{name!r} is not a valid name")
        case ast.Compare(ops=[_, _, *_]):
            raise ExpressionError(f"{quoted(node)} is a chained comparison: join two comparisons with 'and'")
        case ast.Call():
            _check_call(node)
        case ast.BinOp(op=ast.Pow()):
            _check_power(node)


def _is_finite(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and value <= sys.float_info.max)


def poisson_call(tree: ast.expr) -> ast.Call | None:
    """The tree, if it is a call of poisson as a whole."""
    return tree if isinstance(tree, ast.Call) and _called(tree) == POISSON else None


def _called(node: ast.Call) -> str:
    return node.func.id if isinstance(node.func, ast.Name) else ""


def _check_call(node: ast.Call) -> None:
    name = _called(node)
    if name == POISSON:
        raise ExpressionError(
            f"{quoted(node)} samples a number: valid only as the whole definition of a cell's variable with the flag "
            "(constant over dt)"
        )
    if name not in FUNCTIONS or node.keywords:
        raise ExpressionError(f"{quoted(node.func)} is not one of the functions {', '.join(sorted(FUNCTIONS))}")
    check_arguments(node, 3 if name == "clip" else 1)


def check_arguments(node: ast.Call, expected: int) -> None:
    """Raise ExpressionError for a call with another number of arguments."""
    if len(node.args) != expected or node.keywords:
        raise ExpressionError(f"{quoted(node)} must have {expected} argument{'s' * (expected > 1)}")


def _check_power(node: ast.BinOp) -> None:
    """Simplifiers evaluate nested constant powers exactly, which could take forever."""
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    small = isinstance(exponent, ast.Constant) and _is_finite(exponent.value) and exponent.value <= _MAX_EXPONENT  # type: ignore[operator]
    if not (small or isinstance(exponent, ast.Name)):
        raise ExpressionError(f"the exponent in {quoted(node)} must be a name or a number up to {_MAX_EXPONENT}")
    if not any(isinstance(part, ast.Name) for part in ast.walk(node.left)):
        raise ExpressionError(f"{quoted(node)} is a power of a constant: write the number")


@dataclass(frozen=True)
class Size:
    """Size of an expression with variables substituted: its terms when multiplied out, and its nodes."""

    terms: float = 1
    nodes: float = 1


def size(node: ast.AST, size_of: Callable[[str], Size]) -> Size:
    """The size of a tree in which `size_of` gives the size of each name."""
    if isinstance(node, ast.Name):
        return size_of(node.id)
    parts = [size(part, size_of) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    nodes = 1 + sum(part.nodes for part in parts)
    terms = 1.0
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            terms = parts[0].terms + parts[1].terms
        case ast.BinOp(op=ast.Mult()):
            terms = parts[0].terms * parts[1].terms
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int(power) | float(power))):
            terms = parts[0].terms ** min(power, _MAX_EXPONENT)
        case ast.BinOp() | ast.UnaryOp():
            terms = parts[0].terms
    # arguments of functions are multiplied out too; sizes beyond the maximum need no distinction
    return Size(min(max([terms, *(part.terms for part in parts)]), 2 * MAX_SIZE), min(nodes, 2 * MAX_SIZE))
