"""Continuous projections in Brian2: rates of sources, weighted sums as inputs of cells, and plastic synapses.

Before each step, in this order: all cells evaluate the variables that they transmit, all inputs are summed, and all
cells evaluate the variables that plasticity reads, which may depend on the inputs. These values stay constant during
the step, so the order in which cells and synapses are updated makes no difference.
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

_SLOT = "before_start"  # of Brian2's schedule, so that all values recorded at the start of a step belong together
_TRANSMIT, _SUM, _READ = 1, 2, 3  # order within the slot; at 0 Brian2 evaluates what is constant over dt
_PREFIX = "learnt__"  # of variables of plasticity cards; no name on a card has two underscores


@dataclass(frozen=True)
class DerivedVariable:
    """A variable that a group stores before each step, for its synapses.

    expression  over the variables of its cells
    order       within the slot
    field       named by errors of an expression on a plasticity card; "" for other expressions
    """

    expression: str
    name: str
    unit: str
    order: int
    field: str = ""


def derived_variables(circuit: Circuit, node: Source | Population) -> tuple[DerivedVariable, ...]:
    """All variables that the synapses of a population or source need, without repetition."""
    units = {SOURCE_VARIABLE: "1"}
    if isinstance(node, Population):
        units = {equation.name: equation.unit for equation in node.cell.equations}
    transmitted: dict[str, None] = {}
    read: dict[str, str] = {}
    for projection in circuit.projections:
        if circuit.is_continuous(projection) and projection.pre == node.name:
            transmitted[circuit.transmitted_variable(projection)] = None
        if projection.plasticity is not None:
            card = projection.plasticity.card
            read |= {card.pre: f"{card.path}: pre"} if projection.pre == node.name else {}
            read |= {card.post: f"{card.path}: post"} if projection.post == node.name else {}
    return (
        *(DerivedVariable(name, f"sent__{k}", units[name], _TRANSMIT) for k, name in enumerate(transmitted)),
        *(DerivedVariable(text, f"read__{k}", "1", _READ, field) for k, (text, field) in enumerate(read.items())),
    )


def declarations(variables: Sequence[DerivedVariable]) -> str:
    """Lines of a group's equations that declare the variables."""
    return "".join(f"\n{variable.name} : {variable.unit}" for variable in variables)


def update_before_steps(group: brian2.NeuronGroup, variables: Sequence[DerivedVariable]) -> None:
    """Make a group evaluate its declared variables before every step. Raises InputError for inconsistent units."""
    for variable in variables:
        if variable.field:
            _check_dimensionless(group, variable)
        group.run_regularly(f"{variable.name} = {variable.expression}", when=_SLOT, order=variable.order)


def summands(circuit: Circuit, population: Population) -> dict[str, list[str]]:
    """Input -> names of the variables that it is the sum of, for inputs of several projections."""
    names: dict[str, list[str]] = {}
    for k, projection in enumerate(circuit.projections):
        if projection.post == population.name and circuit.is_continuous(projection):
            names.setdefault(population.cell.receptors[projection.receptor], []).append(_summand(k))
    return {name: several for name, several in names.items() if len(several) > 1}


def rate_table(rates: RateInput, sample: int, steps: int, dt: float, name: str) -> brian2.TimedArray:
    """The rates of one sample, as a function of time and neuron."""
    segment_steps = rates.steps_per_segment(steps)
    # Brian2 holds the last value, and 3,000 steps of 0.1 ms are not exactly a multiple of one step in floating point
    segment = dt if rates.segments == 1 else segment_steps * dt
    return brian2.TimedArray(rates.values[sample].astype(np.float64), dt=segment * brian2.second, name=name)


def learning_table(learning: NDArray[np.bool_], dt: float) -> brian2.TimedArray:
    """1 in the steps in which plastic synapses learn and 0 in the others, as a function of time."""
    return brian2.TimedArray(learning.astype(np.float64), dt=dt * brian2.second, name="learning")


def fixed_synapses(
    circuit: Circuit, k: int, pre: brian2.NeuronGroup, post: brian2.NeuronGroup
) -> list[brian2.Synapses]:
    """Synapses of the circuit's k-th projection with constant weights; an empty list if it has none."""
    projection = circuit.projections[k]
    source, target, weights = synapse_list(projection.weights)
    if not len(weights):
        return []
    sent, total = _transmitted(circuit, k), _input_variable(circuit, k)
    dimension = post.variables[total].dim / pre.variables[sent].dim
    weight = SingleEquation(PARAMETER, "weight__w", dimension, flags=["constant"])
    equations = Equations([weight]) + Equations(_weighted_sum(circuit, k, "weight__w"))
    synapses = _synapses(pre, post, equations, total, name=f"synapses_{k}")
    synapses.connect(i=source, j=target)
    synapses.weight__w_ = weights.astype(np.float64)
    return [synapses]


def plastic_synapses(
    circuit: Circuit,
    k: int,
    rule: Plastic,
    pre: brian2.NeuronGroup,
    post: brian2.NeuronGroup,
    learning: brian2.TimedArray | None,
) -> brian2.Synapses:
    """All-to-all synapses of the circuit's k-th projection, which learn by `rule`.

    learning  the result of `learning_table`; None to learn in all steps

    Raises InputError for a weight in another unit than the input needs.
    """
    projection = circuit.projections[k]
    sent, total = _transmitted(circuit, k), _input_variable(circuit, k)
    pre_variable = _variable_name(circuit, projection.pre, rule.card.pre, _READ)
    post_variable = _variable_name(circuit, projection.post, rule.card.post, _READ)
    weight = synapse_name(rule.card.weight)
    changes, namespace = plasticity_equations(rule, _PREFIX)
    lines = [f"{synapse_name(PRODUCT)} = {pre_variable}_pre*{post_variable}_post : 1"]
    lines.append(_weighted_sum(circuit, k, weight))
    lines += [str(_only_while_learning(change) if learning is not None else change) for change in changes]
    if learning is not None:
        namespace = namespace | {"learning": learning}
    equations = Equations("\n".join(lines))
    synapses = _synapses(pre, post, equations, total, name=f"synapses_{k}", method="euler", namespace=namespace)
    required = post.variables[total].dim / pre.variables[sent].dim
    if synapses.variables[weight].dim is not required:
        problem = f"the weight is in {get_unit(synapses.variables[weight].dim)}"
        field = f"projection {projection.name!r}: {rule.card.path}"
        raise InputError(field, problem, f"must be in {get_unit(required)}")
    values = np.asarray(projection.weights, dtype=np.float64)
    rows, columns = np.indices(values.shape)
    synapses.connect(i=rows.ravel(), j=columns.ravel())
    synapses.state(weight, use_units=False)[:] = values.ravel()
    return synapses


def synapse_name(name: str) -> str:
    """The name in Brian2 of a variable on a plasticity card."""
    return f"{_PREFIX}{name}"


def card_name(name: str) -> str:
    """The name on its card of a variable in Brian2; "" for a variable that is not on a card."""
    name = name.removeprefix(_PREFIX)
    return "" if "__" in name else name


def _only_while_learning(equation: Equation) -> Equation:
    change = f"learning(t)*({equation.expression})"
    return replace(equation, expression=change) if equation.differential else equation


def _transmitted(circuit: Circuit, k: int) -> str:
    """The variable of `pre` that the k-th projection transmits."""
    projection = circuit.projections[k]
    return _variable_name(circuit, projection.pre, circuit.transmitted_variable(projection), _TRANSMIT)


def _variable_name(circuit: Circuit, node: str, expression: str, order: int) -> str:
    variables = derived_variables(circuit, circuit[node])
    return next(variable.name for variable in variables if (variable.expression, variable.order) == (expression, order))


def _input_equation(circuit: Circuit, k: int) -> Equation:
    """The input that receives the k-th projection."""
    projection = circuit.projections[k]
    cell = circuit.population(projection.post).cell
    return next(equation for equation in cell.equations if equation.name == cell.receptors[projection.receptor])


def _input_variable(circuit: Circuit, k: int) -> str:
    """The variable of `post` that holds the sum of the k-th projection: an input, or a summand of it."""
    name = _input_equation(circuit, k).name
    post = circuit.population(circuit.projections[k].post)
    return _summand(k) if name in summands(circuit, post) else name


def _summand(k: int) -> str:
    return f"part__{k}"


def _weighted_sum(circuit: Circuit, k: int, weight: str) -> str:
    total, sent = _input_variable(circuit, k), _transmitted(circuit, k)
    return f"{total}_post = {weight}*{sent}_pre : {_input_equation(circuit, k).unit} (summed)"


def _synapses(
    pre: brian2.NeuronGroup, post: brian2.NeuronGroup, equations: Equations, total: str, **options: Any
) -> brian2.Synapses:
    synapses = brian2.Synapses(pre, post, equations, clock=post.clock, **options)
    updater = synapses.summed_updaters[f"{total}_post"]
    updater.when, updater.order = _SLOT, _SUM
    return synapses


def _check_dimensionless(group: brian2.NeuronGroup, variable: DerivedVariable) -> None:
    names = names_in(variable.expression)
    known = {name: group.variables[name] if name in group.variables else parse_unit(name) for name in names}
    dimension = parse_expression_dimensions(variable.expression, dict(DEFAULT_FUNCTIONS) | known)
    if dimension is not DIMENSIONLESS:
        raise InputError(
            variable.field, f"{variable.expression!r} is in {get_unit(dimension)}", "must be dimensionless"
        )
