"""From a card to Brian2: text with units into equations and quantities.

A population's card, its own parameters, its receptors and the currents injected into it are composed into one Model;
the simulator runs that model, and the engine generates its C++ from it.
"""

from __future__ import annotations

import ast
import logging
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import brian2
import numpy as np
import scipy.special
from brian2 import Quantity
from brian2.codegen.generators.numpy_generator import NumpyCodeGenerator
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.devices.device import reset_device
from brian2.utils.logger import BrianLogger, catch_logs

from snnlab.cards import PRODUCT, Card, Cell, Plasticity, grammar
from snnlab.cards.grammar import Equation, GrammarError
from snnlab.errors import InputError
from snnlab.networks.circuit import Number, Plastic, Population, Projection, Receptor

# Brian2 has Python's warnings logged, each in two lines; they are shown as whoever runs this wants them shown.
logging.captureWarnings(False)
# An error reaches the person as our own one line, not as a request to report a bug of Brian2.
brian2.prefs.logging.display_brian_error_message = False
# Nor does a refused circuit, half made, deserve a warning for each of its objects that was never used.
BrianLogger.suppress_name("unused_brian_object")


def _exp(x: Any) -> Any:
    # a constant of the equations, worked out once, must not differ in its last bit from what C++ makes of it
    return math.exp(x) if isinstance(x, float) and x < 700 else np.exp(x)


for _name, _function in {"exp": _exp, "exprel": scipy.special.exprel}.items():
    # Brian2 has no exprel for NumPy, and checks and prints the units of every argument in every step instead.
    DEFAULT_FUNCTIONS[_name].implementations.add_implementation(NumpyCodeGenerator, code=_function)

_MOST_STEPS = 2**31  # the engine counts them in 32 bits
_VARIABLE = re.compile(r"(?:variable '|subexpression )(\w+)")  # an equation, as Brian2's errors of units name it
_LONGEST_REFRACTORY = 1e3  # seconds

_UNITS: dict[str, Any] = {name: getattr(brian2, name) for name in grammar.UNITS}


@dataclass(frozen=True, eq=False)
class Model:
    """A population ready for Brian2.

    equations, threshold, reset, refractory, method  as Brian2's NeuronGroup takes them
    namespace  every parameter of the card and its receptors
    receptors  name -> state variable that a spike raises
    start      state variable -> expression, quantity or array
    """

    equations: str
    threshold: str
    reset: str
    refractory: str
    method: str
    namespace: Mapping[str, Quantity]
    receptors: Mapping[str, str]
    start: Mapping[str, Any]

    def group(
        self, size: int, *, dt: Quantity | brian2.Clock, name: str = "neurongroup*", **namespace: Any
    ) -> brian2.NeuronGroup:
        """The population as a Brian2 object; `namespace` adds functions of time that the equations read."""
        clock = {"clock": dt} if isinstance(dt, brian2.Clock) else {"dt": dt}
        group = brian2.NeuronGroup(
            size,
            self.equations,
            method=self.method,
            name=name,
            namespace=dict(self.namespace) | namespace,
            **clock,
            **self.firing(),
        )
        self.begin(group)
        return group

    def firing(self) -> dict[str, Any]:
        """When it fires and what follows, as Brian2's groups take it; nothing for a cell that never fires."""
        refractory = _read(self.refractory) if self.refractory else False
        fires = {"threshold": self.threshold, "reset": self.reset, "refractory": refractory}
        return fires if self.threshold else {}

    def begin(self, group: brian2.NeuronGroup) -> None:
        """Give a group of these cells its state at the start."""
        for variable, value in self.start.items():
            # as a view, for an attribute could be one of the group's own; a bare number or array is in SI units
            group.state(variable, use_units=isinstance(value, str | Quantity))[:] = value


@lru_cache(maxsize=512)  # rules ask for the same few in every batch
def unit(text: str) -> Quantity:
    """A product of powers of units, ``"mS/cm**2"``, as a quantity."""
    grammar.check_unit(text)
    return _unit_of(ast.parse(text.strip(), mode="eval").body)


def _unit_of(node: Any) -> Any:
    match node:
        case ast.Name(id=name):
            return _UNITS[name]
        case ast.Constant(value=value):
            return value
        case ast.UnaryOp(operand=operand):
            return -_unit_of(operand)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _unit_of(left) * _unit_of(right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return _unit_of(left) / _unit_of(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _unit_of(left) ** _unit_of(right)
    raise GrammarError(f"{ast.unparse(node)!r} is not a product of units")


@lru_cache(maxsize=512)
def quantity(text: str) -> Quantity:
    """A number with a unit, ``"-70 mV"``, as a quantity. Raises GrammarError."""
    number, name = grammar.split_quantity(text)
    return Quantity(number * unit(name))


def si(value: Number, like: str, where: str) -> float:
    """`value` as an SI float of the dimension of the unit `like`.

    Raises InputError at `where` for another dimension.
    """
    if not isinstance(value, str):
        return float(value)
    try:
        found = quantity(value)
    except GrammarError as error:
        raise InputError(where, str(error)) from error
    if found.dim is not Quantity(unit(like)).dim:
        raise InputError(
            where, f"found {value!r}", f"needs a value in {like}" if like != "1" else "needs a plain number"
        )
    return float(np.asarray(found))


def seconds(value: Number, where: str) -> float:
    """A duration in seconds, positive. Raises InputError at `where`."""
    time = si(value, "second", where)
    if not 0 < time < math.inf:
        raise InputError(where, f"found {value!r}", "needs a time above 0, such as '100 ms'")
    return time


def whole_steps(time: float, dt: float, where: str) -> int:
    """How many steps of `dt` seconds `time` takes. Raises InputError at `where` unless that is a whole number."""
    if not time / dt < _MOST_STEPS:
        raise InputError(where, f"{time:g} s is {time / dt:.3g} steps of {dt:g} s", "needs fewer than 2**31")
    steps = round(time / dt)
    if abs(steps - time / dt) > 1e-6 * steps:
        nearest = f"nearest: {max(steps, 1) * dt:g} s"
        raise InputError(where, f"{time:g} s is no whole number of steps of {dt:g} s", nearest)
    return steps


def delay_steps(projection: Projection, dt: float) -> int:
    """A projection's delay in steps of `dt` seconds. Raises InputError unless it is a whole number of them, or 0."""
    where = f"projection {projection.name!r}: delay"
    delay = si(projection.delay, "second", where)
    if not 0 <= delay < math.inf:
        raise InputError(where, f"found {projection.delay!r}", "needs a time of 0 or above")
    return whole_steps(delay, dt, where)


def compose(
    population: Population,
    injected: Mapping[str, str] | None = None,
    arriving: Mapping[str, Sequence[str]] | None = None,
) -> Model:
    """The population as one set of equations.

    injected  compartment -> expression of time for the current that enters there
    arriving  input -> names of the parts that it is the sum of, where it is to have any
    """
    cell = population.cell
    namespace = _parameters(cell.parameters, population.parameters, cell.path)
    _check_refractory(cell, namespace)
    lines = [line for equation in cell.equations for line in _in_parts(equation, arriving or {})]
    receptors = dict(cell.receptors)
    currents: dict[str, list[str]] = {name: [] for name in cell.compartments}
    for name, receptor in population.receptors.items():
        rename = _renaming(cell, name, receptor)
        lines += [str(_renamed(equation, rename)) for equation in receptor.synapse.equations]
        own = _parameters(receptor.synapse.parameters, receptor.parameters, receptor.synapse.path)
        namespace |= {rename[parameter]: value for parameter, value in own.items()}
        receptors[name] = rename[receptor.synapse.on_spike]
        currents[receptor.compartment].append(rename[receptor.synapse.current])
    for compartment, expression in (injected or {}).items():
        part = cell.compartments[compartment]
        lines.append(f"{part.current}_injected = {expression} : {part.unit} (constant over dt)")
        currents[compartment].append(f"{part.current}_injected")
    for compartment, terms in currents.items():
        part = cell.compartments[compartment]
        if terms:
            lines.append(f"{part.current} = {' + '.join(terms)} : {part.unit}")
        else:
            namespace[part.current] = 0 * unit(part.unit)
    return Model(
        equations=_without_silent_noise("\n".join(lines), namespace),
        threshold=cell.threshold,
        reset=cell.reset,
        refractory=cell.refractory,
        method=population.method or cell.method,
        namespace=namespace,
        receptors=receptors,
        start={name: _read(value) for name, value in {**cell.start, **population.initial}.items()},
    )


def learning(plastic: Plastic) -> Model:
    """The equations of a plastic connection, with `product` as a variable that is given."""
    card = plastic.card
    equations = "\n".join([*map(str, card.equations), f"{PRODUCT} : 1"])
    return Model(equations, "", "", "", "euler", _parameters(card.parameters, plastic.parameters, card.path), {}, {})


def check(card: Card) -> None:
    """Refuse a card whose units do not fit, naming the field: what its grammar cannot show."""
    if not isinstance(card, Cell):
        outside = f"{PRODUCT} : 1" if isinstance(card, Plasticity) else "v : volt"
        equations = "\n".join([*map(str, card.equations), outside])
        namespace = _parameters(card.parameters, {}, card.path)
        with _by_line(card):
            prepared(Model(equations, "", "", "", "euler", namespace, {}, {}), 1, 1e-4, f"{card.path}: equations")
        return
    for name, part in card.compartments.items():
        _refuse_unit(part.unit, f"{card.path}: compartments.{name}.unit")
    dt = seconds(card.dt, f"{card.path}: dt")
    model = compose(Population("cell", card, 1))
    try:
        prepared(model, 1, dt, card.path)
    except InputError:
        _find_field(model, dt, card)
        raise
    seconds(card.example["duration"], f"{card.path}: example.duration")
    for name, current in card.example["inject"].items():
        si(current, card.compartments[name].unit, f"{card.path}: example.inject.{name}")


def _find_field(model: Model, dt: float, card: Cell) -> None:
    """Build a faulty model up part by part, so that the first part that fails names the field."""
    stage = replace(model, threshold="", reset="", refractory="", start={})
    with _by_line(card):
        prepared(stage, 1, dt, f"{card.path}: equations")
    for field in ("start", "threshold", "reset", "refractory"):
        stage = replace(stage, **{field: getattr(model, field)})
        prepared(stage, 1, dt, f"{card.path}: {field}")


@contextmanager
def _by_line(card: Card) -> Iterator[None]:
    """Where a refusal gets the line of the equation that Brian2 names in one of its errors, if it names any."""
    lines = {equation.name: equation.line for equation in card.equations}
    try:
        yield
    except InputError as refusal:
        for error in _causes(refusal):
            for name in _VARIABLE.findall(str(error)):
                if lines.get(name):
                    found = f"line {lines[name]}: {refusal.problem}"
                    raise InputError(refusal.field, found, refusal.hint) from refusal
        raise


def _causes(error: BaseException) -> Iterator[BaseException]:
    """What the error was raised from, and what that was."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield error


def prepared(model: Model, size: int, dt: float, where: str) -> brian2.NeuronGroup:
    """`size` cells in Brian2 before their first step of `dt` seconds. Raises InputError at `where`, with its reason."""
    try:
        # a constant that is no number shows in the error; NumPy's warning of it would be a second line
        with code_target("numpy"), catch_logs(), np.errstate(all="ignore"):
            group = model.group(size, dt=dt * brian2.second)
            brian2.Network(group).run(0 * brian2.second, namespace={})
    except Exception as error:  # Brian2 has many types for what a card got wrong; each carries its reason
        raise InputError(where, describe(error)) from error
    return group


def describe(error: BaseException) -> str:
    """The innermost reason of a Brian2 error, on one line."""
    error = innermost(error)
    reason = " ".join(str(error.args[0] if error.args else error).split()) or type(error).__name__
    # the names that NumPy and SymPy have for what they made of a constant
    return "a constant that is no finite number" if re.search("""["'](nan|inf|zoo)["']""", reason) else reason


def innermost(error: BaseException) -> BaseException:
    """The error that all the others around it were raised from."""
    return [error, *_causes(error)][-1]


@contextmanager
def code_target(name: str) -> Iterator[None]:
    """Brian2's runtime code generation set to "numpy" or "cython" for one block, whatever device is set outside it."""
    before = brian2.prefs.codegen.target
    brian2.prefs.codegen.target = name
    brian2.set_device("runtime")
    try:
        yield
    finally:
        reset_device()
        brian2.prefs.codegen.target = before


def _parameters(card: Mapping[str, str], own: Mapping[str, Number], path: str) -> dict[str, Quantity]:
    """The card's parameters, with a population's own values where it has them, in the card's dimensions."""
    namespace = {}
    for name, text in card.items():
        where = f"{path}: parameters.{name}"
        _, like = grammar.split_quantity(text)
        dimension = _refuse_unit(like, where).dim
        namespace[name] = Quantity(si(own.get(name, text), like, where), dim=dimension)
    return namespace


def _without_silent_noise(equations: str, namespace: Mapping[str, Quantity]) -> str:
    """The equations without the noise whose strength, a parameter, is 0: so that no numbers are drawn for it."""
    silent = [name for name, value in namespace.items() if not np.any(value)]
    for name in silent:
        equations = re.sub(rf"\b{name} ?\* ?xi\b", f"{name}*second**-0.5", equations)
    return equations


def _check_refractory(cell: Cell, namespace: Mapping[str, Quantity]) -> None:
    """Refuse a period below 0, or too long to be counted in steps: Brian2 would take it for none at all."""
    period = _read(namespace.get(cell.refractory, cell.refractory))
    if isinstance(period, Quantity) and not 0 <= float(np.asarray(period)) <= _LONGEST_REFRACTORY:
        found = f"found {float(np.asarray(period)):g} s"
        raise InputError(f"{cell.path}: refractory", found, f"needs 0 to {_LONGEST_REFRACTORY:g} s")


def _refuse_unit(text: str, where: str) -> Quantity:
    try:
        return Quantity(unit(text))
    except (GrammarError, KeyError, TypeError, ValueError) as error:
        raise InputError(where, f"found the unit {text!r}", f"{error}") from error


def connection(plastic: Plastic, prefix: str) -> tuple[list[Equation], dict[str, Quantity]]:
    """The equations of a plastic connection, and its parameters, with a prefix on every name, `PRODUCT` among them."""
    card = plastic.card
    own = [*(equation.name for equation in card.equations), *card.parameters, PRODUCT]
    rename = {name: f"{prefix}{name}" for name in own}
    namespace = _parameters(card.parameters, plastic.parameters, card.path)
    return [_renamed(one, rename) for one in card.equations], {rename[key]: namespace[key] for key in namespace}


def _in_parts(equation: Equation, arriving: Mapping[str, Sequence[str]]) -> list[str]:
    """An equation as Brian2 reads it; an input that has parts as their sum."""
    parts = arriving.get(equation.name, ())
    whole = replace(equation, expression=" + ".join(parts), flags=()) if parts else equation
    return [str(whole), *(f"{part} : {equation.unit}" for part in parts)]


def _renaming(cell: Cell, name: str, receptor: Receptor) -> dict[str, str]:
    """The names of a receptor's synapse card -> names that are the receptor's own on this cell."""
    card = receptor.synapse
    own = [*(equation.name for equation in card.equations), *card.parameters]
    rename = {symbol: f"{symbol}_{name}" for symbol in own}
    taken = {equation.name for equation in cell.equations} | set(cell.parameters)
    for symbol in rename.values():
        if symbol in taken:
            raise InputError(
                f"receptor {name!r}", f"{symbol!r} is already defined on {cell.path}", "choose another name"
            )
    return rename | {"v": cell.compartments[receptor.compartment].potential}


def _renamed(equation: Equation, rename: Mapping[str, str]) -> Equation:
    # a name begins where no digit, letter or point precedes it: the e of 1e-6 is none
    expression = re.sub(r"(?<![\w.])[A-Za-z]\w*", lambda found: rename.get(found[0], found[0]), equation.expression)
    return replace(equation, name=rename[equation.name], expression=expression)


def _read(value: Any) -> Any:
    """A number with a unit as a quantity; an expression, a number or an array as it is."""
    if not isinstance(value, str):
        return value
    try:
        return quantity(value)
    except GrammarError:
        return value
