"""What is heard in every step, in Brian2: rates of sources, sums into inputs, and connections that learn.

Before a step all cells first say what others hear of them; then every input is summed; then all cells say what their
plastic connections read of them, which may rest on the inputs. Nothing of that is changed before the next step, so
that it makes no difference whether cells or connections move first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import brian2
import numpy as np
from brian2.core.functions import DEFAULT_FUNCTIONS
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.parsing.expressions import parse_expression_dimensions
from brian2.units.fundamentalunits import DIMENSIONLESS, get_unit
from numpy.typing import NDArray

from snnlab.brian.model import plasticity_equations
from snnlab.brian.quantities import parse_unit
from snnlab.cards import PRODUCT
from snnlab.cards.equation import Equation
from snnlab.cards.parsing import names_in
from snnlab.data.rates import RateInput
from snnlab.errors import InputError
from snnlab.networks.circuit import SOURCE_VARIABLE, Circuit, Plastic, Population, Source
from snnlab.networks.weights import synapse_list

SLOT = "before_start"
"""When all of this happens: what is recorded at the start of a step belongs together."""

_HEARD, _SUMMED, _READ = 1, 2, 3  # the order there; at 0 Brian2 works out what is constant over dt
_LEARNT = "learnt__"  # no name on a card has two underscores


@dataclass(frozen=True)
class Said:
    """An expression over a cell's variables, and the variable of its own that says it to others."""

    expression: str
    variable: str
    unit: str
    order: int
    where: str = ""


def parts(circuit: Circuit, population: Population) -> dict[str, list[str]]:
    """Input -> names of the parts that it is the sum of, where several projections arrive."""
    found: dict[str, list[str]] = {}
    for k, one in enumerate(circuit.projections):
        if one.post == population.name and circuit.is_continuous(one):
            found.setdefault(population.cell.receptors[one.receptor], []).append(_part(k))
    return {name: several for name, several in found.items() if len(several) > 1}


def said(circuit: Circuit, node: Source | Population) -> tuple[Said, ...]:
    """All that a population, or a source, says to others, each thing once."""
    units = (
        {one.name: one.unit for one in node.cell.equations} if isinstance(node, Population) else {SOURCE_VARIABLE: "1"}
    )
    heard = {
        circuit.transmitted_variable(one): ""
        for one in circuit.projections
        if circuit.is_continuous(one) and one.pre == node.name
    }
    found = [Said(name, f"heard__{k}", units[name], _HEARD) for k, name in enumerate(heard)]
    read: dict[str, str] = {}
    for one in circuit.projections:
        if one.plasticity is not None:
            card = one.plasticity.card
            read |= {card.pre: f"{card.path}: pre"} if one.pre == node.name else {}
            read |= {card.post: f"{card.path}: post"} if one.post == node.name else {}
    found += [Said(text, f"read__{k}", "1", _READ, where) for k, (text, where) in enumerate(read.items())]
    return tuple(found)


def declared(things: Sequence[Said]) -> str:
    """The variables that hold what is said, as lines of a group's equations."""
    return "".join(f"\n{one.variable} : {one.unit}" for one in things)


def say(group: brian2.NeuronGroup, things: Sequence[Said]) -> None:
    """Have a group with the variables of ``declared`` say all this before every step. Raises InputError."""
    for one in things:
        if one.where:
            _check_plain(group, one)
        group.run_regularly(f"{one.variable} = {one.expression}", when=SLOT, order=one.order)


def table(rates: RateInput, sample: int, steps: int, dt: float, name: str) -> brian2.TimedArray:
    """One sample's rates over a run, as a function of time and neuron."""
    whole = rates.steps_per_segment(steps)
    # the last value holds for ever, and 3,000 steps of 0.1 ms are no whole multiple of one in binary numbers
    stretch = dt if rates.segments == 1 else whole * dt
    return brian2.TimedArray(rates.values[sample].astype(np.float64), dt=stretch * brian2.second, name=name)


def gate(plastic: NDArray[np.bool_], dt: float) -> brian2.TimedArray:
    """1 in the steps in which connections learn, and 0 in the others, as a function of time."""
    return brian2.TimedArray(plastic.astype(np.float64), dt=dt * brian2.second, name="learning")


def fixed(circuit: Circuit, k: int, pre: brian2.NeuronGroup, post: brian2.NeuronGroup) -> list[brian2.Synapses]:
    """The circuit's projection number `k`, with weights that stay as they are; nothing where it has no synapses."""
    projection = circuit.projections[k]
    before, after, weights = synapse_list(projection.weights)
    if not len(weights):
        return []
    heard, into = (
        _variable(circuit, projection.pre, circuit.transmitted_variable(projection), _HEARD),
        _into(circuit, k),
    )
    dimension = post.variables[into].dim / pre.variables[heard].dim
    weight = SingleEquation(PARAMETER, "weight__w", dimension, flags=["constant"])
    equations = Equations([weight]) + Equations(_sum(circuit, k, into, "weight__w", heard))
    made = _synapses(pre, post, equations, into, name=f"synapses_{k}")
    made.connect(i=before, j=after)
    made.weight__w_ = weights.astype(np.float64)
    return [made]


def plastic(
    circuit: Circuit,
    k: int,
    rule: Plastic,
    pre: brian2.NeuronGroup,
    post: brian2.NeuronGroup,
    learning: brian2.TimedArray | None,
) -> brian2.Synapses:
    """The circuit's projection number `k`, which learns by this rule, every pair of cells connected.

    learning  a factor of everything that changes, as a function of time; None for 1
    """
    projection = circuit.projections[k]
    heard, into = (
        _variable(circuit, projection.pre, circuit.transmitted_variable(projection), _HEARD),
        _into(circuit, k),
    )
    before_says = _variable(circuit, projection.pre, rule.card.pre, _READ)
    after_says = _variable(circuit, projection.post, rule.card.post, _READ)
    weight = learnt(rule.card.weight)
    lines, namespace = plasticity_equations(rule, _LEARNT)
    text = [f"{learnt(PRODUCT)} = {before_says}_pre*{after_says}_post : 1", _sum(circuit, k, into, weight, heard)]
    text += [str(_gated(one) if learning is not None else one) for one in lines]
    given = namespace if learning is None else namespace | {"learning": learning}
    equations = Equations("\n".join(text))
    made = _synapses(pre, post, equations, into, name=f"synapses_{k}", method="euler", namespace=given)
    needed = post.variables[into].dim / pre.variables[heard].dim
    if made.variables[weight].dim is not needed:
        found = f"the weight is in {get_unit(made.variables[weight].dim)}"
        raise InputError(f"projection {projection.name!r}: {rule.card.path}", found, f"needs {get_unit(needed)}")
    values = np.asarray(projection.weights, dtype=np.float64)
    rows, columns = np.indices(values.shape)
    made.connect(i=rows.ravel(), j=columns.ravel())
    made.state(weight, use_units=False)[:] = values.ravel()
    return made


def learnt(name: str) -> str:
    """What a variable of a plasticity card is called in Brian2."""
    return f"{_LEARNT}{name}"


def on_card(name: str) -> str:
    """What a variable is called on its card, "" for one that is on none."""
    name = name.removeprefix(_LEARNT)
    return "" if "__" in name else name


def _gated(equation: Equation) -> Equation:
    change = f"learning(t)*({equation.expression})"
    return replace(equation, expression=change) if equation.differential else equation


def _variable(circuit: Circuit, name: str, expression: str, order: int) -> str:
    """The variable by which a population, or a source, says this."""
    return next(
        one.variable for one in said(circuit, circuit[name]) if (one.expression, one.order) == (expression, order)
    )


def _input(circuit: Circuit, k: int) -> Equation:
    """The input that a projection arrives at."""
    projection = circuit.projections[k]
    cell = circuit.population(projection.post).cell
    return next(one for one in cell.equations if one.name == cell.receptors[projection.receptor])


def _into(circuit: Circuit, k: int) -> str:
    """The variable of `post` that a projection is summed into: an input, or its own part of one."""
    name = _input(circuit, k).name
    return _part(k) if name in parts(circuit, circuit.population(circuit.projections[k].post)) else name


def _part(k: int) -> str:
    return f"part__{k}"


def _sum(circuit: Circuit, k: int, into: str, weight: str, heard: str) -> str:
    return f"{into}_post = {weight}*{heard}_pre : {_input(circuit, k).unit} (summed)"


def _synapses(
    pre: brian2.NeuronGroup, post: brian2.NeuronGroup, equations: Equations, into: str, **more: Any
) -> brian2.Synapses:
    made = brian2.Synapses(pre, post, equations, clock=post.clock, **more)
    updater = made.summed_updaters[f"{into}_post"]
    updater.when, updater.order = SLOT, _SUMMED
    return made


def _check_plain(group: brian2.NeuronGroup, one: Said) -> None:
    known = dict(DEFAULT_FUNCTIONS) | {
        name: group.variables[name] if name in group.variables else parse_unit(name)
        for name in names_in(one.expression)
    }
    dimension = parse_expression_dimensions(one.expression, known)
    if dimension is not DIMENSIONLESS:
        raise InputError(one.where, f"{one.expression!r} is in {get_unit(dimension)}", "needs a plain number")
