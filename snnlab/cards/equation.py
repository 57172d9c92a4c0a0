"""The equations of a card: their text, and how they depend on one another."""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from snnlab.cards.checks import MAX_SIZE, Size, poisson_call, quoted, size
from snnlab.cards.functions import Function, substitute
from snnlab.cards.names import ExpressionError, check_name
from snnlab.cards.parsing import check_expression, check_unit, names_in, parse

_MAX_EQUATIONS = 200
_PER_STEP = "constant over dt"
_FLAGS = frozenset({"unless refractory", "constant", "shared", _PER_STEP})
_EQUATION = re.compile(
    r"^(?:d(?P<state>[A-Za-z]\w*)/dt\s*=(?P<rate>[^=].*)|(?P<name>[A-Za-z]\w*)\s*(?:=(?P<value>[^=].*))?)$", re.DOTALL
)
_NO_FUNCTIONS: Mapping[str, Function] = MappingProxyType({})


@dataclass(frozen=True)
class Equation:
    """One equation of a card: ``dv/dt = rate : unit (flags)``, ``x = value : unit`` or ``x : unit``."""

    name: str
    expression: str  # empty for a variable without a definition
    unit: str
    differential: bool
    flags: tuple[str, ...] = ()
    line: int = field(default=0, compare=False)  # first line in the text of the card, from 1; 0 if there is none

    @property
    def tree(self) -> ast.expr:
        """The checked syntax tree of its expression, shared and not to be changed."""
        return parse(self.expression, may_sample=self.may_sample)

    @property
    def names(self) -> frozenset[str]:
        """The names that its expression reads."""
        return names_in(self.expression, may_sample=self.may_sample) if self.expression else frozenset()

    @property
    def is_definition(self) -> bool:
        """Whether it defines a variable by an expression: ``x = value``."""
        return bool(self.expression) and not self.differential

    @property
    def is_input(self) -> bool:
        """Whether it declares a variable without a definition: ``x : unit``."""
        return not self.expression

    @property
    def may_sample(self) -> bool:
        """Whether it may call poisson: its value is constant over a time step."""
        return not self.differential and _PER_STEP in self.flags

    @property
    def poisson_mean(self) -> str:
        """The mean of the Poisson counts that it samples, an expression; empty if it samples none."""
        call = poisson_call(self.tree) if self.may_sample and self.expression else None
        return ast.unparse(call.args[0]) if call else ""

    def __str__(self) -> str:
        left = f"d{self.name}/dt" if self.differential else self.name
        right = f" = {self.expression}" if self.expression else ""
        return f"{left}{right} : {self.unit}" + (f" ({', '.join(self.flags)})" if self.flags else "")


@contextmanager
def at_line(number: int) -> Iterator[None]:
    """Add a line of the card's text, counted from 1, to an ExpressionError; 0 adds nothing."""
    try:
        yield
    except ExpressionError as error:
        raise ExpressionError(f"line {number}: {error}" if number else str(error)) from error


def parse_equations(text: str, functions: Mapping[str, Function] = _NO_FUNCTIONS) -> tuple[Equation, ...]:
    """The equations in a text, in order, with calls of `functions` substituted.

    An equation may run over several lines and ends with its unit; # starts a comment. Raises ExpressionError.
    """
    equations: list[Equation] = []
    pending, first_line = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.split("#")[0].strip()
        first_line = first_line if pending else number
        pending = f"{pending} {line}".strip()
        if ":" in line:
            with at_line(first_line):
                equations.append(replace(_parse_equation(pending, functions), line=first_line))
            pending = ""
    if pending:
        with at_line(first_line):
            raise ExpressionError(f"{quoted(pending)} has no unit: end it with ': volt', ': 1', ...")
    _check_unique(equations)
    if len(equations) > _MAX_EQUATIONS:
        raise ExpressionError(f"{len(equations)} equations: a card may have {_MAX_EQUATIONS}")
    _check_growth(equations)
    return tuple(equations)


def _parse_equation(text: str, functions: Mapping[str, Function]) -> Equation:
    body, _, tail = text.partition(":")
    match = _EQUATION.match(body.strip())
    unit = re.fullmatch(r"\s*([^()]+?)\s*(?:\(([a-z ,]+)\))?\s*", tail)
    if match is None or unit is None:
        raise ExpressionError(f"{quoted(text)} is not 'dx/dt = ... : unit', 'x = ... : unit' or 'x : unit'")
    flags = tuple(flag.strip() for flag in (unit[2] or "").split(",") if flag.strip())
    if not _FLAGS.issuperset(flags):
        raise ExpressionError(f"{quoted(text)} has an unknown flag; known: {', '.join(sorted(_FLAGS))}")
    name = check_name(match["state"] or match["name"])
    check_unit(unit[1])
    expression = " ".join((match["rate"] or match["value"] or "").split())
    if expression:
        expression = substitute(expression, functions)
    equation = Equation(name, expression, unit[1], match["state"] is not None, flags)
    if expression:
        parse(expression, may_sample=equation.may_sample)
    return equation


def _check_unique(equations: Sequence[Equation]) -> None:
    lines: dict[str, int] = {}
    for equation in equations:
        if (before := lines.setdefault(equation.name, equation.line)) != equation.line:
            with at_line(equation.line):
                raise ExpressionError(f"{equation.name!r} is defined twice, first on line {before}")


def _check_growth(equations: Sequence[Equation]) -> None:
    """Refuse circular definitions, and equations that grow without bound when substituted and multiplied out."""
    defined = {equation.name: equation for equation in equations if equation.is_definition}
    sizes: dict[str, Size] = {}

    def size_of(equation: Equation) -> Size:
        if equation.name not in sizes:
            sizes[equation.name] = Size(math.inf, math.inf)  # so that a circle is too large
            found = size(equation.tree, lambda name: size_of(defined[name]) if name in defined else Size())
            if found.terms > MAX_SIZE or found.nodes > MAX_SIZE:
                with at_line(equation.line):
                    raise ExpressionError(
                        f"{equation.name!r} is defined by itself, or too long with all variables substituted"
                    )
            sizes[equation.name] = found
        return sizes[equation.name]

    for equation in equations:
        if equation.expression:
            size_of(equation)


def check_equation(equation: Equation, names: Collection[str]) -> None:
    """Raise ExpressionError if an equation reads anything but `names`, units, t, dt and xi."""
    with at_line(equation.line):
        check_expression(equation.expression, names, may_sample=equation.may_sample)


def same_step_dependencies(equations: Sequence[Equation], variable: str) -> set[str]:
    """A variable and all names that its value depends on within a time step."""
    defined = {equation.name: equation for equation in equations if equation.is_definition}
    found, pending = set(), {variable}
    while pending:
        found.add(name := pending.pop())
        if name in defined:
            pending |= defined[name].names - found
    return found


def check_sampling(equations: Sequence[Equation]) -> None:
    """Raise ExpressionError if a Poisson mean depends on inputs or samples, unknown when a time step begins."""
    unknown = {equation.name: "is an input" for equation in equations if equation.is_input}
    unknown |= {equation.name: "is sampled too" for equation in equations if equation.poisson_mean}
    for equation in equations:
        if not equation.poisson_mean:
            continue
        read = same_step_dependencies(equations, equation.name) - {equation.name}
        for first in sorted(read & set(unknown))[:1]:
            with at_line(equation.line):
                raise ExpressionError(
                    f"{equation.name!r} is sampled with a mean that depends on {first!r}, which {unknown[first]}"
                )


def check_no_sampling(equations: Sequence[Equation]) -> None:
    """Raise ExpressionError if an equation samples numbers."""
    for equation in equations:
        if equation.poisson_mean:
            with at_line(equation.line):
                raise ExpressionError(f"{equation.expression!r} samples a number: only variables of a cell may")
