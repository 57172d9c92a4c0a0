"""Functions that a card defines, ``phi(u) = 1/(1 + exp(-u))``, and their substitution into its expressions."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from snnlab.cards.checks import check_arguments
from snnlab.cards.names import FUNCTIONS, ExpressionError, check_name
from snnlab.cards.parsing import MAX_LENGTH, check_expression, parse, syntax_tree

_SIGNATURE = re.compile(r"\s*([A-Za-z]\w*)\s*\(\s*([A-Za-z]\w*)\s*\)\s*")


@dataclass(frozen=True)
class Function:
    """A function of one argument."""

    name: str
    argument: str
    expression: str

    def __str__(self) -> str:
        return f"{self.name}({self.argument}) = {self.expression}"

    def body(self, value: str) -> str:
        """The expression in parentheses, with its argument replaced by `value` in parentheses."""
        replaced = _replace(
            self.expression,
            parse(self.expression),
            lambda node: f"({value})" if isinstance(node, ast.Name) and node.id == self.argument else None,
        )
        return f"({replaced})"


def parse_function(signature: str, expression: str, names: Collection[str] = ()) -> Function:
    """The function with this signature, as in "phi(u)", of an expression over its argument and `names`.

    Raises ExpressionError.
    """
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise ExpressionError(f"{signature!r} is not a function of one argument, such as 'phi(u)'")
    name, argument = check_name(match[1]), check_name(match[2])
    check_expression(expression, {*names, argument})
    return Function(name, argument, " ".join(expression.split()))


def check_functions(functions: Mapping[str, Function], names: Collection[str]) -> None:
    """Raise ExpressionError if a function has the name of a variable, a parameter or a known function."""
    for name in functions:
        if name in names or name in FUNCTIONS:
            raise ExpressionError(f"{name!r} is defined twice: choose another name")


def substitute(text: str, functions: Mapping[str, Function]) -> str:
    """An expression with every call of the functions replaced by the function's body. Raises ExpressionError.

    The rest of its text, and so the order of its operations, is unchanged.
    """
    if not functions:
        return text
    text = text.strip()

    def body(node: ast.AST) -> str | None:
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in functions):
            return None
        check_arguments(node, 1)
        result = functions[node.func.id].body(_replace(text, node.args[0], body))
        if len(result) > MAX_LENGTH:
            raise ExpressionError(f"more than {MAX_LENGTH} characters after substitution of {node.func.id!r}")
        return result

    tree = syntax_tree(text)
    return text[: tree.col_offset] + _replace(text, tree, body) + text[tree.end_col_offset :]


def _replace(text: str, node: ast.expr, replacement: Callable[[ast.AST], str | None]) -> str:
    """The source of a node of `text`, with each outermost node replaced for which `replacement` returns a text."""
    parts: list[str] = []
    start = node.col_offset

    def visit(part: ast.AST) -> None:
        nonlocal start
        new = replacement(part)
        if new is None:
            for child in ast.iter_child_nodes(part):
                visit(child)
        elif isinstance(part, ast.expr):
            parts.extend((text[start : part.col_offset], new))
            start = part.end_col_offset or start

    visit(node)
    return "".join(parts) + text[start : node.end_col_offset]
