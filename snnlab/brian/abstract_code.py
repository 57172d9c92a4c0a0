"""Brian2's abstract code as C++ statements, for the code generators of the engine.

Brian2 parses the equations, checks their units, chooses the update step and writes it as abstract code. Here that code
is optimised by Brian2's translator and printed from its syntax tree with a prefix on every name, so that no text of a
card reaches a compiler.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import brian2
import numpy as np
from brian2.codegen.translation import analyse_identifiers, make_statements
from brian2.parsing.rendering import CPPNodeRenderer
from brian2.utils.stringtools import get_identifiers
from numpy.typing import NDArray

from snnlab.brian.model import BrianModel
from snnlab.brian.quantities import parse_quantity
from snnlab.cards.names import UNITS
from snnlab.errors import InputError


@dataclass(frozen=True)
class Block:
    """C++ of one piece of abstract code.

    invariants  (name, expression) that are the same for all neurons, in double precision
    body        statements that run for every neuron
    arithmetic  whether the body consists of sums, differences, products and quotients alone
    """

    invariants: list[tuple[str, str]]
    body: list[str]
    arithmetic: bool = True


def constants_of(model: BrianModel, dt: float, codes: Iterable[str]) -> dict[str, float]:
    """Constants that the code reads, in SI units: parameters, the time step, and units that it names, as in 3*mV."""
    constants = {name: float(np.asarray(value)) for name, value in sorted(model.namespace.items())}
    units = set().union(*map(get_identifiers, codes)) & set(UNITS) - constants.keys()
    return constants | {"dt": dt} | {unit: float(np.asarray(parse_quantity(f"1 {unit}"))) for unit in sorted(units)}


def initial_values(group: brian2.NeuronGroup, states: Sequence[str]) -> NDArray[np.float64]:
    """Values of the state variables now, in SI units (states, neurons)."""
    return np.array([np.broadcast_to(getattr(group, f"{name}_")[:], len(group)) for name in states])


def refractory_variables(group: brian2.NeuronGroup, states: Iterable[str]) -> set[str]:
    """The state variables that do not change while a neuron is refractory."""
    return {name for name in states if "unless refractory" in group.equations[name].flags}


def cell_blocks(group: brian2.NeuronGroup, refractory: Collection[str], path: str) -> dict[str, Block]:
    """The parts of a spiking cell's step: "integrate", "rest" (while refractory), "threshold" and "reset".

    refractory  the result of `refractory_variables`
    path        of the card, for errors

    Raises InputError for equations that read the time, the neuron's index or noise.
    """
    updater, thresholder = group.state_updater, group.thresholder["spike"]
    update = "\n".join(line for line in updater.abstract_code.splitlines() if not line.startswith("not_refractory"))
    resting = _without(refractory, update)
    blocks = {
        "integrate": _refractory_block(update, updater.codeobj.variables, "i", active=True, path=path),
        "rest": _refractory_block(resting, updater.codeobj.variables, "r", active=False, path=path),
        "threshold": _refractory_block(
            thresholder.abstract_code, thresholder.codeobj.variables, "f", active=True, path=path
        ),
        "reset": Block([], []),
    }
    if group.resetter:
        resetter = group.resetter["spike"]
        blocks["reset"] = _refractory_block(
            resetter.abstract_code, resetter.codeobj.variables, "z", active=True, path=path
        )
    return blocks


def translate(
    code: str, variables: Mapping[str, Any], prefix: str, path: str, *, noise: bool = False, softplus: bool = False
) -> Block:
    """Abstract code in C++.

    variables  Brian2's variables of all names in the code
    prefix     of the names of invariants and intermediate results, which are numbered anew in every block
    path       of the card, for errors
    noise      whether the code may read white noise
    softplus   whether to write log(1 + exp(x)) as the single function fn_softplus(x)

    Raises InputError for code that reads the time, the neuron's index, or noise without `noise`.
    """
    for name in ("t", "i") if noise else ("t", "xi", "i"):
        if name in get_identifiers(code):
            hint = f"the engine runs cells that depend on neither time nor {'index' if noise else 'noise'}"
            raise InputError(f"{path}: equations", f"{name!r} is used", hint)
    scalar, vector = make_statements(code, variables, np.float64, optimise=True)
    double, real = _Renderer(prefix, "double"), _Renderer(prefix, "real", softplus)
    body = []
    for statement in vector:
        declaration = "const real " if statement.op == ":=" else ""
        if statement.var == "_cond":
            declaration = "const bool "
        operator = "=" if statement.op == ":=" else statement.op
        body.append(f"{declaration}{real.name(statement.var)} {operator} {real.render_expr(statement.expr)};")
    arithmetic = all(_is_arithmetic(ast.parse(statement.expr, mode="eval").body) for statement in vector)
    return Block([(double.name(line.var), double.render_expr(line.expr)) for line in scalar], body, arithmetic)


def translate_statements(group: brian2.NeuronGroup, code: str, prefix: str, path: str) -> Block:
    """Additional statements over the variables of a group in C++, with fn_softplus.

    Raises InputError as `translate` does.
    """
    _, known, unknown = analyse_identifiers(code, group.variables, recursive=True)
    return translate(code, group.resolve_all(known | unknown, run_namespace={}), prefix, path, softplus=True)


def _refractory_block(code: str, variables: Mapping[str, Any], prefix: str, *, active: bool, path: str) -> Block:
    """Abstract code for one refractory state: Brian2 multiplies by it, the engine selects by it."""
    code = re.sub(r"int\(not_refractory\)", "1" if active else "0", code)
    return translate(re.sub(r"\bnot_refractory\b", str(active), code), variables, prefix, path)


def _without(variables: Collection[str], code: str) -> str:
    """A state update without these variables and without intermediate results that only they read.

    Brian2 computes these and then does not store them, so that a division by int(not_refractory) does no harm there.
    """
    lines: list[str] = []
    needed: set[str] = set()
    for line in reversed(code.splitlines()):
        target, _, expression = (part.strip() for part in line.partition("="))
        if target in variables or (target.startswith("_") and target not in needed):
            continue
        needed |= get_identifiers(expression)
        lines.append(line)
    return "\n".join(reversed(lines))


def _is_arithmetic(node: ast.AST) -> bool:
    match node:
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div(), right=right):
            return _is_arithmetic(left) and _is_arithmetic(right)
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            return _is_arithmetic(operand)
    return isinstance(node, ast.Name) or (isinstance(node, ast.Constant) and not isinstance(node.value, bool))


class _Renderer(CPPNodeRenderer):
    """Brian2's C++ printer, with a prefix on every name and every number of the C++ type `number`."""

    def __init__(self, block: str, number: str, softplus: bool = False) -> None:
        super().__init__(auto_vectorise=set())
        self.block, self.number, self.softplus = block, number, softplus

    def render_Name(self, node: ast.Name) -> str:
        return self.name(node.id)

    def name(self, name: str) -> str:
        return f"{self.block}{name}" if name.startswith("_") else f"c_{name}"

    def render_func(self, node: ast.Name) -> str:
        return f"fn_{node.id}"

    def render_Call(self, node: ast.Call) -> str:
        if getattr(node.func, "id", "") == "randn":
            return "gauss"
        match node:
            case ast.Call(
                func=ast.Name(id="log"),
                args=[
                    ast.BinOp(
                        left=ast.Constant(value=float(1.0)),
                        op=ast.Add(),
                        right=ast.Call(func=ast.Name(id="exp"), args=[argument]),
                    )
                ],
            ) if self.softplus:
                return f"fn_softplus({self.render_node(argument)})"
        call = super().render_Call(node)
        # an integer result would turn a quotient, a power or exp of it into integer arithmetic
        return f"{self.number}({call})" if getattr(node.func, "id", "") == "int" else call

    def render_Constant(self, node: ast.Constant) -> str:
        if isinstance(node.value, bool):
            return "true" if node.value else "false"
        return f"{self.number}({node.value!r})"

    def render_BinOp(self, node: ast.BinOp) -> str:
        if isinstance(node.op, ast.Div):
            return f"{self.render_element_parentheses(node.left)} / {self.render_element_parentheses(node.right)}"
        return super().render_BinOp(node).replace("_brian_", "fn_")
