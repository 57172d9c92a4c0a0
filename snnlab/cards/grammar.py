"""What an equation on a card may say.

Cards travel between people, so their text is untrusted. Before anything else reads it, every expression is
parsed here into Python's syntax tree and must consist of arithmetic, comparisons and known functions over
declared names, and nothing else. Meaning (units, integration) is Brian2's business; see ``snnlab.brian``.
"""

from __future__ import annotations

import ast
import builtins
import keyword
import math
import re
import sys
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache

FUNCTIONS = frozenset(
    "abs arccos arcsin arctan ceil clip cos cosh exp exprel floor int log log10 sign sin sinh sqrt tan tanh".split()
)
"""Functions that a card may call; each exists in Brian2's NumPy and C++ targets."""

POISSON = "poisson"
"""The function that draws a number: a count with the mean of its argument, in a variable (constant over dt) alone."""

_ONCE = "constant over dt"

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
    # Brian2's own
    frozenset("i j N e pi inf rand randn poisson timestep t_in_timesteps lastspike not_refractory refractory".split())
    | frozenset({"variables", "brian"})
    | FUNCTIONS
    | UNITS
    | GIVEN
    | frozenset(dir(builtins))  # where Brian2 evaluates, it finds these first
    # words of C++ that are ordinary names in Python
    | frozenset(
        "alignas alignof and_eq asm auto bitand bitor bool case catch char char8_t char16_t char32_t compl "
        "concept const consteval constexpr constinit const_cast co_await co_return co_yield decltype default "
        "delete do double dynamic_cast enum explicit export extern false float friend goto inline long "
        "mutable namespace new noexcept not_eq nullptr operator or_eq private protected public register "
        "reinterpret_cast requires restrict short signed sizeof static static_assert static_cast struct "
        "switch template this thread_local throw true typedef typeid typename union unsigned using virtual "
        "void volatile wchar_t xor xor_eq".split()
    )
    # functions and macros that Brian2's C++ calls
    | frozenset("std main pow fabs fmod expm1 isnan errno assert stdin stdout stderr NULL EOF NAN INFINITY".split())
)
"""Names that a card may not declare."""

_LONGEST = 4000  # characters of one expression; a bound on what the parsers downstream must digest
_DEEPEST = 200  # levels of its syntax tree
_MOST_EQUATIONS = 200  # on one card
_LARGEST = 20_000.0  # terms and nodes of an equation once all others are put into it
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
_FLAGS = frozenset({"unless refractory", "constant", "shared", _ONCE})


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
    line: int = field(default=0, compare=False)  # of the text that it was read from, on which it begins; 0 for none

    @property
    def may_sample(self) -> bool:
        """Whether it may draw numbers: they stay what they are through a step."""
        return not self.differential and _ONCE in self.flags

    @property
    def poisson_mean(self) -> str:
        """The mean of the counts that it draws, an expression; "" where it draws none."""
        call = _draw(_parse(self.expression)) if self.may_sample and self.expression else None
        return ast.unparse(call.args[0]) if call else ""

    def __str__(self) -> str:
        left = f"d{self.name}/dt = {self.expression}" if self.differential else self.name
        if self.expression and not self.differential:
            left += f" = {self.expression}"
        return f"{left} : {self.unit}" + (f" ({', '.join(self.flags)})" if self.flags else "")


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """Where a GrammarError is of this line of a text, counted from 1, and says so; 0 for a text that has none."""
    try:
        yield
    except GrammarError as error:
        raise GrammarError(f"line {number}: {error}" if number else str(error)) from error


def check_name(name: str) -> str:
    """`name`, if a card may declare it; GrammarError otherwise."""
    plain = re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) and "__" not in name and not name.endswith("_")
    if not plain or keyword.iskeyword(name):
        raise GrammarError(
            f"{name!r} is not a name: letters, digits and single underscores between them, a letter first"
        )
    # Brian2 reads xi_... as noise, and ..._pre and ..._post as the two sides of a synapse
    if name in RESERVED or name.startswith("xi_") or name.endswith(("_pre", "_post")):
        raise GrammarError(f"{name!r} is taken by a unit, a function, Python, C++ or Brian2: choose another name")
    return name


@lru_cache(maxsize=1024)  # circuits ask again for those on their cards whenever their weights change
def names_in(text: str, *, draws: bool = False) -> frozenset[str]:
    """The names that an expression reads; GrammarError where it is anything but arithmetic, or may draw and does so."""
    tree = _parse(text)
    if draws and (call := _draw(tree)):
        _check_arguments(call, 1)
        tree = call.args[0]
    for node in ast.walk(tree):
        _check_node(node)
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and id(node) not in called)


def _parse(text: str) -> ast.expr:
    if len(text) > _LONGEST:
        raise GrammarError(f"{len(text)} characters: an expression may have {_LONGEST}")
    if strange := re.search(r"[^A-Za-z0-9_ .,+\-*/%()<>=!]", text):
        power = ": a power is **" if strange[0] == "^" else ""
        raise GrammarError(f"{strange[0]!r} has no place in an expression{power}")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise GrammarError(f"{_shown(text)} is not an expression") from error
    level: list[ast.AST] = [tree]
    for _ in range(_DEEPEST):
        level = [below for node in level for below in ast.iter_child_nodes(node)]
    if level:
        raise GrammarError(f"{_shown(text)} has more than {_DEEPEST} levels: divide it into several equations")
    return tree


def _draw(tree: ast.expr) -> ast.Call | None:
    """A tree that is a draw and nothing else."""
    drawn = isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name) and tree.func.id == POISSON
    return tree if drawn else None  # type: ignore[return-value]


def _shown(what: str | ast.AST) -> str:
    """A piece of an expression in quotes, the beginning of it where it is long."""
    text = what.strip() if isinstance(what, str) else ast.unparse(what) or type(what).__name__
    return repr(text) if len(text) <= 60 else repr(f"{text[:56]} ...")


def _check_node(node: ast.AST) -> None:
    if not isinstance(node, _NODES):
        raise GrammarError(f"{_shown(node)} is not arithmetic")
    if isinstance(node, ast.Constant) and not _is_finite(node.value):
        raise GrammarError(f"{_shown(node)} is not a finite number")
    if isinstance(node, ast.Name) and "__" in node.id:
        raise GrammarError(f"{node.id!r} is no name of a card")
    if isinstance(node, ast.Call):
        _check_call(node)
    if isinstance(node, ast.Compare) and len(node.ops) > 1:
        raise GrammarError(f"{_shown(node)} compares twice: join two comparisons with 'and'")
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow):
        _check_power(node)


def _is_finite(value: object) -> bool:
    return (type(value) is float and math.isfinite(value)) or (type(value) is int and value <= sys.float_info.max)


def _check_call(node: ast.Call) -> None:
    if isinstance(node.func, ast.Name) and node.func.id == POISSON:
        raise GrammarError(f"{_shown(node)} draws a number: it stands alone, in a cell's variable ({_ONCE})")
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords:
        raise GrammarError(f"{_shown(node.func)} is not one of the functions {', '.join(sorted(FUNCTIONS))}")
    _check_arguments(node, 3 if node.func.id == "clip" else 1)


def _check_arguments(node: ast.Call, wanted: int) -> None:
    if len(node.args) != wanted or node.keywords:
        raise GrammarError(f"{_shown(node)} has {len(node.args)} arguments; {ast.unparse(node.func)} takes {wanted}")


def _check_power(node: ast.BinOp) -> None:
    """A tower of constant powers would be worked out exactly, at any length, by whoever simplifies it."""
    exponent = node.right.operand if isinstance(node.right, ast.UnaryOp) else node.right
    small = isinstance(exponent, ast.Constant) and _is_finite(exponent.value) and exponent.value <= _LARGEST_EXPONENT  # type: ignore[operator]
    if not (small or isinstance(exponent, ast.Name)):
        raise GrammarError(f"the exponent in {_shown(node)} must be a name or a number up to {_LARGEST_EXPONENT}")
    if not any(isinstance(part, ast.Name) for part in ast.walk(node.left)):
        raise GrammarError(f"{_shown(node)} is a power of a constant: write the number")


def check_expression(text: str, names: Collection[str], *, draws: bool = False) -> None:
    """Refuse an expression that reads anything but `names`, units, t, dt and xi, or that draws and may not."""
    unknown = sorted(names_in(text, draws=draws) - set(names) - UNITS - GIVEN)
    if unknown:
        raise GrammarError(f"unknown symbol {unknown[0]!r} in {_shown(text)}")


def check_equation(equation: Equation, names: Collection[str]) -> None:
    """Refuse an equation that reads anything but `names`, units, t, dt and xi, by its line."""
    with at_line(equation.line):
        check_expression(equation.expression, names, draws=equation.may_sample)


def at_once(equations: Sequence[Equation], variable: str) -> set[str]:
    """A variable, and all that it follows within a step."""
    values = {one.name: one for one in equations if one.expression and not one.differential}
    read, left = set(), {variable}
    while left:
        read.add(name := left.pop())
        left |= names_in(values[name].expression, draws=values[name].may_sample) - read if name in values else set()
    return read


def check_draws(equations: Sequence[Equation]) -> None:
    """Refuse to draw numbers whose mean is not known when a step begins: before what is heard then, and other draws."""
    later = {one.name: "is an input" for one in equations if not one.differential and not one.expression}
    later |= {one.name: "is drawn too" for one in equations if one.poisson_mean}
    for one in equations:
        if one.poisson_mean and (met := sorted((at_once(equations, one.name) - {one.name}) & set(later))):
            with at_line(one.line):
                raise GrammarError(f"{one.name!r} is drawn with a mean that follows {met[0]!r}, which {later[met[0]]}")


def check_undrawn(equations: Sequence[Equation]) -> None:
    """Refuse every draw."""
    for one in equations:
        if one.poisson_mean:
            with at_line(one.line):
                raise GrammarError(f"{one.expression!r} draws a number: only the variables of a cell can")


def check_unit(text: str) -> None:
    """Refuse a unit that is not a product of powers of known units, or 1."""
    unknown = sorted(names_in(text) - UNITS)
    if unknown:
        raise GrammarError(f"unknown unit {unknown[0]!r}")
    if not _is_unit(_parse(text)):
        raise GrammarError(f"{_shown(text)} is not a product of units")


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


def check_statements(text: str, targets: Collection[str], names: Collection[str]) -> None:
    """Refuse a reset that is anything but assignments to `targets`."""
    for line in filter(None, (part.strip() for part in re.split(r"[;\n]", text))):
        match = re.fullmatch(r"([A-Za-z]\w*) *([-+*/]?=)([^=].*)", line)
        if match is None:
            raise GrammarError(f"{_shown(line)} is not an assignment")
        if match[1] not in targets:
            raise GrammarError(f"{_shown(line)} assigns to {match[1]!r}, which is not a variable of the equations")
        check_expression(match[3], names)


def parse_equations(text: str) -> tuple[Equation, ...]:
    """The equations of a card, in order; an equation may run over several lines and ends with its unit."""
    equations: list[Equation] = []
    pending, begun = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#")[0].strip()
        begun = begun if pending else number
        pending = f"{pending} {line}".strip()
        if ":" in line:
            with at_line(begun):
                equations.append(replace(_parse_equation(pending), line=begun))
            pending = ""
    if pending:
        with at_line(begun):
            raise GrammarError(f"{_shown(pending)} has no unit: end it with ': volt', ': 1', ...")
    seen: dict[str, int] = {}
    for equation in equations:
        if (before := seen.setdefault(equation.name, equation.line)) != equation.line:
            with at_line(equation.line):
                raise GrammarError(f"{equation.name!r} is defined twice; it already is on line {before}")
    if len(equations) > _MOST_EQUATIONS:
        raise GrammarError(f"{len(equations)} equations: a card may have {_MOST_EQUATIONS}")
    _check_growth(equations)
    return tuple(equations)


def _check_growth(equations: Sequence[Equation]) -> None:
    """Refuse equations that define themselves, or that never end once put into one another and multiplied out."""
    defined = {one.name: one.expression for one in equations if one.expression and not one.differential}
    lines = {one.name: one.line for one in equations}
    sizes: dict[str, _Size] = {}

    def size_of(name: str, expression: str) -> _Size:
        if name not in sizes:
            sizes[name] = _Size(math.inf, math.inf)  # until it is known
            size = _size(_parse(expression), lambda other: size_of(other, defined[other]) if other in defined else _ONE)
            if size.terms > _LARGEST or size.nodes > _LARGEST:
                with at_line(lines[name]):
                    raise GrammarError(f"{name!r} is defined by itself, or too long once the others are put into it")
            sizes[name] = size
        return sizes[name]

    for equation in equations:
        if equation.expression:
            size_of(equation.name, equation.expression)


@dataclass(frozen=True)
class _Size:
    """Of an expression with the others put into it: its terms when multiplied out, and the nodes of its tree."""

    terms: float
    nodes: float


_ONE = _Size(1, 1)


def _size(node: ast.AST, size_of: Callable[[str], _Size]) -> _Size:
    if isinstance(node, ast.Name):
        return size_of(node.id)
    parts = [_size(part, size_of) for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr)]
    nodes = 1 + sum(part.nodes for part in parts)
    terms = 1.0
    match node:
        case ast.BinOp(op=ast.Add() | ast.Sub()):
            terms = parts[0].terms + parts[1].terms
        case ast.BinOp(op=ast.Mult()):
            terms = parts[0].terms * parts[1].terms
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int(power) | float(power))):
            terms = parts[0].terms ** min(power, _LARGEST_EXPONENT)
        case ast.BinOp() | ast.UnaryOp():
            terms = parts[0].terms
    # each part counts, for it is multiplied out as well; beyond the largest nothing needs to be told apart
    return _Size(min(max([terms, *(part.terms for part in parts)]), 2 * _LARGEST), min(nodes, 2 * _LARGEST))


def _parse_equation(text: str) -> Equation:
    body, _, tail = text.partition(":")
    match = _EQUATION.match(body.strip())
    unit = re.fullmatch(r"\s*([^()]+?)\s*(?:\(([a-z ,]+)\))?\s*", tail)
    if match is None or unit is None:
        raise GrammarError(f"{_shown(text)} is not 'dx/dt = ... : unit', 'x = ... : unit' or 'x : unit'")
    flags = tuple(flag.strip() for flag in (unit[2] or "").split(",") if flag.strip())
    if not _FLAGS.issuperset(flags):
        raise GrammarError(f"{_shown(text)} has an unknown flag; known: {', '.join(sorted(_FLAGS))}")
    name = check_name(match["state"] or match["name"])
    check_unit(unit[1])
    expression = " ".join((match["rate"] or match["value"] or "").split())
    equation = Equation(name, expression, unit[1], match["state"] is not None, flags)
    if expression:
        names_in(expression, draws=equation.may_sample)
    return equation


def split_quantity(text: str) -> tuple[float, str]:
    """A number and its unit, ``"-70 mV"`` -> ``(-70.0, "mV")``; the unit of a bare number is ``"1"``."""
    match = _QUANTITY.match(text)
    if match is None or not math.isfinite(float(match["number"])):
        raise GrammarError(f"{_shown(text)} is not a number with a unit, such as '20 ms' or '0.4*nA'")
    unit = re.sub(r"[A-Za-z]\w*", lambda name: SYMBOLS.get(name[0], name[0]), (match["unit"] or "1").strip())
    check_unit(unit)
    return float(match["number"]), unit
