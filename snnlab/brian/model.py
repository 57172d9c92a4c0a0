"""Brian2 models of populations and plastic connections, built from their cards.

A cell's equations, the population's own parameters, its receptors and the currents injected into it become one
BrianModel. The simulator runs that model, and the engine generates its C++ from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity
from brian2.utils.logger import catch_logs

from snnlab.brian.error_messages import reason_of
from snnlab.brian.preferences import code_target
from snnlab.brian.quantities import parse_unit, quantity_or_expression, to_si, unit_of_field
from snnlab.cards import PRODUCT, Cell, Plasticity, Synapse
from snnlab.cards.equation import Equation
from snnlab.cards.parsing import split_quantity
from snnlab.errors import InputError
from snnlab.networks.circuit import Number, Plastic, Population, Receptor

_MAX_REFRACTORY = 1e3  # seconds


@dataclass(frozen=True, eq=False)
class BrianModel:
    """Equations and values as Brian2 takes them.

    equations, threshold, reset, refractory, method  arguments of Brian2's NeuronGroup
    namespace  the parameters of the card and of its receptors
    receptors  name -> state variable that a spike raises
    initial    state variable -> expression, quantity or array
    """

    equations: str
    namespace: Mapping[str, Quantity]
    threshold: str = ""
    reset: str = ""
    refractory: str = ""
    method: str = "euler"
    receptors: Mapping[str, str] = field(default_factory=dict)
    initial: Mapping[str, Any] = field(default_factory=dict)

    def group(
        self, size: int, *, dt: Quantity | brian2.Clock, name: str = "neurongroup*", **functions: Any
    ) -> brian2.NeuronGroup:
        """A NeuronGroup in its initial state; `functions` of time are added to the namespace."""
        clock = {"clock": dt} if isinstance(dt, brian2.Clock) else {"dt": dt}
        group = brian2.NeuronGroup(
            size,
            self.equations,
            method=self.method,
            name=name,
            namespace=dict(self.namespace) | functions,
            **clock,
            **self.spiking_options(),
        )
        self.set_initial_state(group)
        return group

    def spiking_options(self) -> dict[str, Any]:
        """Threshold, reset and refractory period as Brian2's groups take them; empty without a threshold."""
        refractory = quantity_or_expression(self.refractory) if self.refractory else False
        options = {"threshold": self.threshold, "reset": self.reset, "refractory": refractory}
        return options if self.threshold else {}

    def set_initial_state(self, group: brian2.NeuronGroup) -> None:
        """Set the state variables of a group of these cells to their initial values."""
        for variable, value in self.initial.items():
            # `state`, because an attribute could be one of the group's own; plain numbers and arrays are in SI units
            group.state(variable, use_units=isinstance(value, str | Quantity))[:] = value


def build_model(
    population: Population,
    injected: Mapping[str, str] | None = None,
    summands: Mapping[str, Sequence[str]] | None = None,
) -> BrianModel:
    """The Brian2 model of a population.

    injected  compartment -> injected current, an expression of time
    summands  input -> names of new variables that it is the sum of

    Raises InputError for parameters and units that do not fit the card.
    """
    cell = population.cell
    namespace = _parameters(cell.parameters, population.parameters, cell.path)
    _check_refractory(cell, namespace)
    lines = [line for equation in cell.equations for line in _as_sum(equation, (summands or {}).get(equation.name, ()))]
    receptors = dict(cell.receptors)
    currents: dict[str, list[str]] = {name: [] for name in cell.compartments}
    for name, receptor in population.receptors.items():
        card = receptor.synapse
        names = _receptor_names(cell, name, receptor)
        lines += [str(_renamed(equation, names)) for equation in card.equations]
        parameters = _parameters(card.parameters, receptor.parameters, card.path)
        namespace |= {names[parameter]: value for parameter, value in parameters.items()}
        receptors[name] = names[card.on_spike]
        currents[receptor.compartment].append(names[card.current])
    for name, expression in (injected or {}).items():
        compartment = cell.compartments[name]
        lines.append(f"{compartment.current}_injected = {expression} : {compartment.unit} (constant over dt)")
        currents[name].append(f"{compartment.current}_injected")
    for name, terms in currents.items():
        compartment = cell.compartments[name]
        if terms:
            lines.append(f"{compartment.current} = {' + '.join(terms)} : {compartment.unit}")
        else:
            namespace[compartment.current] = 0 * parse_unit(compartment.unit)
    initial = {**cell.start, **population.initial}
    return BrianModel(
        equations=_without_silent_noise("\n".join(lines), namespace),
        namespace=namespace,
        threshold=cell.threshold,
        reset=cell.reset,
        refractory=cell.refractory,
        method=population.method or cell.method,
        receptors=receptors,
        initial={name: quantity_or_expression(value) for name, value in initial.items()},
    )


def synapse_model(card: Synapse) -> BrianModel:
    """The model of a synaptic current, with the potential `v` as a variable that is set from outside."""
    return BrianModel("\n".join([*map(str, card.equations), "v : volt"]), _parameters(card.parameters, {}, card.path))


def plasticity_model(plastic: Plastic) -> BrianModel:
    """The model of a plastic connection, with `product` as a variable that is set from outside."""
    card = plastic.card
    equations = "\n".join([*map(str, card.equations), f"{PRODUCT} : 1"])
    return BrianModel(equations, _parameters(card.parameters, plastic.parameters, card.path))


def plasticity_equations(plastic: Plastic, prefix: str) -> tuple[list[Equation], dict[str, Quantity]]:
    """Equations and parameters of a plastic connection with a prefix on every name of the card, including `product`."""
    card = plastic.card
    names = {name: f"{prefix}{name}" for name in _names_of(card)} | {PRODUCT: f"{prefix}{PRODUCT}"}
    parameters = _parameters(card.parameters, plastic.parameters, card.path)
    equations = [_renamed(equation, names) for equation in card.equations]
    return equations, {names[name]: value for name, value in parameters.items()}


def initialized_group(model: BrianModel, size: int, dt: float, field: str) -> brian2.NeuronGroup:
    """A Brian2 group of `size` cells before their first step of `dt` seconds.

    Raises InputError of `field` with Brian2's reason.
    """
    try:
        # the error reports a constant that is not a number; NumPy's warning would repeat it
        with code_target("numpy"), catch_logs(), np.errstate(all="ignore"):
            group = model.group(size, dt=dt * brian2.second)
            brian2.Network(group).run(0 * brian2.second, namespace={})
    except Exception as error:  # Brian2 raises many types for invalid cards; each carries its reason
        raise InputError(field, reason_of(error)) from error
    return group


def _parameters(card: Mapping[str, str], own: Mapping[str, Number], path: str) -> dict[str, Quantity]:
    """The card's parameters, replaced by a population's own where it has them, in the card's dimensions."""
    namespace = {}
    for name, text in card.items():
        field = f"{path}: parameters.{name}"
        _, unit = split_quantity(text)
        dimension = unit_of_field(unit, field).dim
        namespace[name] = Quantity(to_si(own.get(name, text), unit, field), dim=dimension)
    return namespace


def _check_refractory(cell: Cell, namespace: Mapping[str, Quantity]) -> None:
    """Refuse a period that is negative or too long to be counted in steps, which Brian2 would take for none."""
    period = quantity_or_expression(namespace.get(cell.refractory, cell.refractory))
    if isinstance(period, Quantity) and not 0 <= float(np.asarray(period)) <= _MAX_REFRACTORY:
        problem = f"got {float(np.asarray(period)):g} s"
        raise InputError(f"{cell.path}: refractory", problem, f"must be between 0 and {_MAX_REFRACTORY:g} s")


def _without_silent_noise(equations: str, namespace: Mapping[str, Quantity]) -> str:
    """The equations without noise whose amplitude, a parameter, is 0, so that no numbers are sampled for it."""
    for name, value in namespace.items():
        if not np.any(value):
            equations = re.sub(rf"\b{name} ?\* ?xi\b", f"{name}*second**-0.5", equations)
    return equations


def _as_sum(equation: Equation, summands: Sequence[str]) -> list[str]:
    """An equation as lines for Brian2: with `summands`, their sum and their declarations."""
    if not summands:
        return [str(equation)]
    total = replace(equation, expression=" + ".join(summands), flags=())
    return [str(total), *(f"{name} : {equation.unit}" for name in summands)]


def _names_of(card: Synapse | Plasticity) -> list[str]:
    """The names that a card defines."""
    return [*(equation.name for equation in card.equations), *card.parameters]


def _receptor_names(cell: Cell, name: str, receptor: Receptor) -> dict[str, str]:
    """Names on a receptor's synapse card -> their names on this cell. Raises InputError for names already in use."""
    names = {symbol: f"{symbol}_{name}" for symbol in _names_of(receptor.synapse)}
    in_use = {equation.name for equation in cell.equations} | set(cell.parameters)
    for symbol in names.values():
        if symbol in in_use:
            raise InputError(
                f"receptor {name!r}", f"{symbol!r} is already defined on {cell.path}", "rename the receptor"
            )
    return names | {"v": cell.compartments[receptor.compartment].potential}


def _renamed(equation: Equation, names: Mapping[str, str]) -> Equation:
    # a name begins where no digit, letter or point precedes it: the e of 1e-6 is none
    expression = re.sub(r"(?<![\w.])[A-Za-z]\w*", lambda match: names.get(match[0], match[0]), equation.expression)
    return replace(equation, name=names[equation.name], expression=expression)
