"""What an equation on a card may say.

Cards travel between people, so their text is untrusted. Before anything else reads it, every expression is
parsed here into Python's syntax tree and must consist of arithmetic, comparisons and known functions over
declared names, and nothing else. Meaning (units, integration) is Brian2's business; see ``equations.py``.
"""

from __future__ import annotations

import ast
import keyword
import math
import re
import sys
from collections.abc import Collection
from dataclasses import dataclass

FUNCTIONS = frozenset(
    "abs arccos arcsin arctan ceil clip cos cosh exp exprel floor int log log10 sign sin sinh sqrt tan tanh".split()
)
"""Functions that a card may call; each exists in Brian2's NumPy and C++ targets."""

UNITS = frozenset(
    "volt mV amp mA uA nA pA siemens mS uS nS farad uF nF pF second ms us ohm kohm Mohm Gohm "
    "hertz Hz kHz metre meter cm mm um mmolar mM umolar uM nmolar nM molar mole mmole umole".split()
)
"""Unit names that a card may use, with Brian2's spelling."""

SYMBOLS = {"s": "second", "V": "volt", "A": "amp", "S": "siemens", "F": "farad", "m": "metre"}
"""Units by their SI symbols, in a number with a unit; in an equation they are names that anybody may take."""

GIVEN = frozenset({"t", "dt", "xi"})
"""Names that every expression may read: time, time step, and white noise."""

RESERVED = (
    frozenset("i j N lastspike not_refractory refractory rand randn poisson e pi inf".split())
    | FUNCTIONS
    | UNITS
    | GIVEN
    # words of C++ that are ordinary names in Python
    | frozenset(
        "auto bool case catch char const default delete do double enum explicit extern float friend goto inline long "
        "mutable namespace new operator private protected public register restrict short signed sizeof static struct "
        "switch template this throw true false typedef typename union unsigned using virtual void volatile".split()
    )
)

_LONGEST = 4000  # characters of one expression; a bound on what the parsers downstream must digest
_LARGEST_EXPONENT = 64
_NODES = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.BoolOp, ast.Call, ast.Name, ast.Constant, ast.Load,
    ast.Add, ast.Sub, ast.Mult, ast.Div, ast.Pow, ast.Mod, ast.UAdd, ast.USub, ast.Not, ast.And, ast.Or,
    ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.Eq, ast.NotEq,
)  # fmt: skip

_EQUATION = re.compile(
    r"^(?:d(?P<state>[A-Za-z]\w*)/dt\s*=(?P<rate>[^=].*)|(?P<name>[A-Za-z]\w*)\s*(?:=(?P<value>[^=].*))?)$", re.DOTALL
)
_QUANTITY = re.compile(r"^\s*(?P<number>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*\*?\s*(?P<unit>[A-Za-z1].*)?$")
_FLAGS = frozenset({"unless refractory", "constant", "shared", "constant over dt"})


class GrammarError(ValueError):
    """Text that is not an equation, with the reason; the card adds file and field."""


@dataclass(frozen=True)
class Equation:
    """One line of a card: ``dv/dt = rate : unit (flags)``, ``x = value : unit`` or ``x : unit``."""

    name: str
    expression: str  # empty for a variable that is only declared
    unit: str
    differential: bool
    flags: tuple[str, ...] = ()

    def __str__(self) -> str:
        left = f"d{self.name}/dt = {self.expression}" if self.differential else self.name
        if self.expression and not self.differential:
            left += f" = {self.expression}"
        return f"{left} : {self.unit}" + (f" ({', '.join(self.flags)})" if self.flags else "")


def check_name(name: str) -> str:
    """`name`, if a card may declare it; GrammarError otherwise."""
    if not re.fullmatch(r"[A-Za-z]\w*", name, re.ASCII) or "__" in name or keyword.iskeyword(name):
        raise GrammarError(f"{name!r} is not a name: letters, digits and single underscores, a letter first")
    if name in RESERVED:
        raise GrammarError(f"{name!r} is taken by a unit, a function or Brian2: choose another name")
    return name


def names_in(text: str) -> set[str]:
    """The names that an expression reads; GrammarError where it is anything but arithmetic."""
    if len(text) > _LONGEST:
        raise GrammarError(f"{len(text)} characters: an expression may have {_LONGEST}")
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GrammarError(f"{text.strip()!r} is not an expression") from error
    for node in ast.walk(tree):
        _check_node(node)
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - called


def _check_node(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        raise GrammarError(
            f"{ast.unparse(node) if isinstance(node, ast.expr) else type(node).__name__!r} is not arithmetic"
        )
    if isinstance(node, ast.Constant) and not _is_finite(node.value):
        raise GrammarError(f"{node.value!r} is not a finite number")
    if isinstance(node, ast.Call) and not _is_known_call(node):
        raise GrammarError(f"{ast.unparse(node.func)!r} is not one of the functions {', '.join(sorted(FUNCTIONS))}")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_power(node)


def _is_finite(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and value <= sys.float_info.max)


def _is_known_call(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS and not node.keywords


def _check_power(node: ast.BinOp) -> None:
    """A tower of constant powers would be worked out exactly, at any length, by whoever simplifies it."""
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    small = isinstance(exponent, ast.Constant) and abs(float(exponent.value)) <= _LARGEST_EXPONENT  # type: ignore[arg-type]
    if not (small or isinstance(exponent, ast.Name)):
        raise GrammarError(
            f"the exponent in {ast.unparse(node)!r} must be a name or a number up to {_LARGEST_EXPONENT}"
        )
    if not any(isinstance(part, ast.Name) for part in ast.walk(node.left)):
        raise GrammarError(f"{ast.unparse(node)!r} is a power of a constant: write the number")


def check_expression(text: str, names: Collection[str]) -> None:
    """Refuse an expression that reads anything but `names`, units, t, dt and xi."""
    unknown = sorted(names_in(text) - set(names) - UNITS - GIVEN)
    if unknown:
        raise GrammarError(f"unknown symbol {unknown[0]!r} in {text.strip()!r}")


def check_unit(text: str) -> None:
    """Refuse a unit that is not a product of powers of known units, or 1."""
    if names_in(text) - UNITS:
        raise GrammarError(f"unknown unit {sorted(names_in(text) - UNITS)[0]!r}")
    for node in ast.walk(ast.parse(text.strip(), mode="eval")):
        if isinstance(node, ast.Call | ast.Compare | ast.BoolOp | ast.Add | ast.Sub | ast.Mod):
            raise GrammarError(f"{text.strip()!r} is not a product of units")


def check_statements(text: str, targets: Collection[str], names: Collection[str]) -> None:
    """Refuse a reset that is anything but assignments to `targets`."""
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        match = re.fullmatch(r"([A-Za-z]\w*)\s*([-+*/]?=)([^=].*)", line)
        if match is None:
            raise GrammarError(f"{line!r} is not an assignment")
        if match[1] not in targets:
            raise GrammarError(f"{line!r} assigns to {match[1]!r}, which is not a variable of the equations")
        check_expression(match[3], names)


def parse_equations(text: str) -> tuple[Equation, ...]:
    """The equations of a card, in order; an equation may run over several lines and ends with its unit."""
    equations: list[Equation] = []
    pending = ""
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        pending = f"{pending} {line}".strip()
        if ":" in line:
            equations.append(_parse_equation(pending))
            pending = ""
    if pending:
        raise GrammarError(f"{pending!r} has no unit: end it with ': volt', ': 1', ...")
    names = [equation.name for equation in equations]
    for name in names:
        if names.count(name) > 1:
            raise GrammarError(f"{name!r} is defined twice")
    return tuple(equations)


def _parse_equation(text: str) -> Equation:
    body, _, tail = text.partition(":")
    match = _EQUATION.match(body.strip())
    unit = re.fullmatch(r"\s*([^()]+?)\s*(?:\(([a-z ,]+)\))?\s*", tail)
    if match is None or unit is None:
        raise GrammarError(f"{text!r} is not 'dx/dt = ... : unit', 'x = ... : unit' or 'x : unit'")
    flags = tuple(flag.strip() for flag in (unit[2] or "").split(",") if flag.strip())
    if not _FLAGS.issuperset(flags):
        raise GrammarError(f"{text!r} has an unknown flag; known: {', '.join(sorted(_FLAGS))}")
    name = check_name(match["state"] or match["name"])
    check_unit(unit[1])
    expression = " ".join((match["rate"] or match["value"] or "").split())
    if expression:
        names_in(expression)
    return Equation(name, expression, unit[1], match["state"] is not None, flags)


def split_quantity(text: str) -> tuple[float, str]:
    """A number and its unit, ``"-70 mV"`` -> ``(-70.0, "mV")``; the unit of a bare number is ``"1"``."""
    match = _QUANTITY.match(text)
    if match is None or not math.isfinite(float(match["number"])):
        raise GrammarError(f"{text!r} is not a number with a unit, such as '20 ms' or '0.4*nA'")
    unit = re.sub(r"[A-Za-z]\w*", lambda name: SYMBOLS.get(name[0], name[0]), (match["unit"] or "1").strip())
    check_unit(unit)
    return float(match["number"]), unit
