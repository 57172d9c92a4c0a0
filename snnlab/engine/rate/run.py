"""Run a circuit of rate cells on a batch of samples, with plastic connections that learn during the run.

In a step from t to t + dt, each sample has its own copy of the neurons, and all share the synapses: every input becomes
the sum of transmitted variables times weights; plastic connections make an Euler step with the product of factors of
their two cells, averaged over the batch; all cells are integrated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds
from snnlab.brian.stability import check_stable
from snnlab.data.rates import RateInput
from snnlab.engine.build import Precision, check_precision
from snnlab.engine.rate.circuit_code import circuit_code
from snnlab.engine.rate.plan import Plan, Schedule
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Population, Source

_NONE: Mapping[str, Sequence[str]] = MappingProxyType({})
_CHECK_INTERVAL = 64  # steps between checks for divergence
_MIN_PARALLEL_WORK = 3e5  # products of a step; with fewer, threads would wait longer than they work

Values = NDArray[np.floating]


@dataclass(frozen=True, eq=False)
class RunState:
    """State from which a run can resume.

    cells     population -> state variable -> float (samples, neurons); empty for the initial state of the cards
    synapses  plastic projection -> state variable -> float (pre, post): its weights and other variables
    step      steps made so far; random numbers continue from there
    """

    cells: Mapping[str, Mapping[str, Values]]
    synapses: Mapping[str, Mapping[str, Values]]
    step: int = 0


@dataclass(frozen=True, eq=False)
class RateResponse:
    """Response of a circuit to a batch.

    final_state  RunState after the last step
    traces       population -> variable -> float (samples, steps, neurons), at the start of each step, with its inputs
    means        population -> variable -> float64 (samples, neurons), of such traces over the steps from `mean_from` on
    """

    final_state: RunState
    traces: Mapping[str, Mapping[str, Values]]
    means: Mapping[str, Mapping[str, NDArray[np.float64]]]

    def weights(self, circuit: Circuit) -> dict[str, Values]:
        """The final weights of each plastic projection (pre, post)."""
        return {
            projection.name: self.final_state.synapses[projection.name][projection.plasticity.card.weight]
            for projection in circuit.projections
            if projection.plasticity is not None
        }


def run_rates(
    circuit: Circuit,
    inputs: Mapping[str, RateInput],
    steps: int,
    *,
    learn: bool | NDArray[np.bool_] = True,
    state: RunState | None = None,
    record: Mapping[str, Sequence[str]] = _NONE,
    mean: Mapping[str, Sequence[str]] = _NONE,
    mean_from: int = 0,
    precision: Precision = "float32",
    seed: int = 0,
) -> RateResponse:
    """Response of a circuit of rate cells to a batch that shares the weights.

    inputs     rates of each source, of equally many samples, in segments that divide the steps
    learn      whether plastic connections learn, for all steps or for each (steps,); while they do not, all their
               variables are constant
    state      initial state; None for that of the cards and the circuit's weights
    record     population -> variables whose traces are recorded
    mean       population -> variables whose means over the steps from `mean_from` on are recorded
    precision  of states, weights and sums
    seed       of the noise `xi` and of Poisson counts, independent for every sample, population, neuron and step

    The result does not depend on the number of threads. Raises InputError for cells that spike and projections that
    transmit spikes, for inputs and states that do not fit the circuit, and for weights or states that diverge, with the
    projection or population and the step.
    """
    check_precision(precision)
    if steps < 1:
        raise InputError("steps", f"got {steps}", "must be at least 1")
    if not 0 <= mean_from < steps:
        raise InputError("mean_from", f"got {mean_from}", f"must be a step of the run, from 0 to {steps - 1}")
    _check_circuit(circuit)
    samples = _check_inputs(circuit, inputs, steps)
    dt = to_seconds(circuit.dt, "circuit: dt")
    record, mean = _recorded(circuit, record, "record"), _recorded(circuit, mean, "mean")
    for population in circuit.populations:
        check_stable(population, dt)
    code = circuit_code(circuit, dt)
    first = 0 if state is None else state.step
    work = samples * sum(circuit[one.pre].size * circuit[one.post].size for one in circuit.projections)
    schedule = Schedule(_learning(learn, steps), first, mean_from, seed, _CHECK_INTERVAL, work > _MIN_PARALLEL_WORK)

    def prepared() -> Plan:
        plan = Plan(code, samples, precision)
        plan.set_inputs(inputs, steps)
        _set_state(plan, state, samples)
        return plan

    plan = prepared()
    traces, sums = plan.record_traces(record, steps), plan.record_sums(mean)
    diverged = plan.run(schedule)
    if diverged is not None:
        # by now everything may have diverged: run again and check every step
        diverged = prepared().run(replace(schedule, check_interval=1)) or diverged
        raise _divergence(*diverged, precision, bool(schedule.learns.any()))
    means = {name: {one: total / (steps - mean_from) for one, total in kept.items()} for name, kept in sums.items()}
    return RateResponse(RunState(plan.cells(), plan.synapses(), first + steps), traces, means)


def _set_state(plan: Plan, state: RunState | None, samples: int) -> None:
    for population, cell in plan.populations():
        initial: Mapping[str, Values] = {
            name: np.broadcast_to(cell.initial[k], (samples, population.size)) for k, name in enumerate(cell.states)
        }
        if state and state.cells:
            initial = _checked(state.cells, population.name, initial)
        plan.set_cells(population.name, initial)
    for projection, states in plan.plastic():
        synapses: Mapping[str, Values] = {name: np.zeros(projection.weights.shape) for name in states}
        if projection.plasticity is not None:
            synapses = {**synapses, projection.plasticity.card.weight: np.asarray(projection.weights)}
        if state is not None:
            synapses = _checked(state.synapses, projection.name, synapses)
        plan.set_synapses(projection.name, synapses)


def _divergence(field: str, step: int, precision: Precision, learned: bool) -> InputError:
    bound = f"{np.sqrt(np.finfo(precision).max):.1e}"
    hint = "decrease the learning rate or the time step" if learned else "decrease the time step"
    return InputError(field, f"not finite or above {bound} from step {step} on", hint)


# Checks -------------------------------------------------------------------------------------------------------------


def _check_circuit(circuit: Circuit) -> None:
    for projection in circuit.projections:
        if not circuit.is_continuous(projection):
            problem = f"receptor {projection.receptor!r} of {projection.post!r} receives spikes"
            hint = "run_rates takes continuous projections; run takes spikes, and simulate takes both"
            raise InputError(f"projection {projection.name!r}", problem, hint)
    if not circuit.populations:
        raise InputError("circuit", "no population", "must have at least one")


def _check_inputs(circuit: Circuit, inputs: Mapping[str, RateInput], steps: int) -> int:
    """The number of samples."""
    for name, rates in inputs.items():
        source, field = circuit[name], f"inputs of {name!r}"
        if not isinstance(source, Source):
            raise InputError("inputs", f"{name!r} is not a source", "only sources take rates")
        if not isinstance(rates, RateInput):
            raise InputError(field, f"got {type(rates).__name__}", "expected RateInput")
        if rates.size != source.size:
            raise InputError(field, f"got {rates.size} neurons", f"must be {source.size}, the size of the source")
        rates.steps_per_segment(steps, field)
    for source in circuit.sources:
        if source.name not in inputs:
            raise InputError("inputs", f"no rates for source {source.name!r}", "every source must have rates")
    samples = {rates.samples for rates in inputs.values()}
    if not samples:
        raise InputError("inputs", "no source", "the number of samples is that of a source")
    if len(samples) > 1:
        raise InputError("inputs", f"samples differ: {sorted(samples)}", "must be equal for all sources")
    return samples.pop()


def _recorded(circuit: Circuit, record: Mapping[str, Sequence[str]], field: str) -> dict[str, list[str]]:
    """The variables of each population in a list."""
    recorded = {name: [names] if isinstance(names, str) else list(names) for name, names in record.items()}
    for name, variables in recorded.items():
        node = circuit[name]
        if not isinstance(node, Population):
            raise InputError(field, f"{name!r} is a source", "must be a population")
        known = [equation.name for equation in node.cell.equations]
        for variable in variables:
            if variable not in known:
                raise InputError(f"{field} of {name!r}", f"no variable {variable!r}", one_of(variable, known))
    return recorded


def _learning(learn: bool | NDArray[np.bool_], steps: int) -> NDArray[np.uint8]:
    array = np.asarray(learn)
    if array.dtype != np.bool_ or array.shape not in ((), (steps,)):
        hint = f"must be True, False or an array of these of shape ({steps},)"
        raise InputError("learn", f"got {array.dtype} {array.shape}", hint)
    return np.ascontiguousarray(np.broadcast_to(array, steps), dtype=np.uint8)


def _checked(
    states: Mapping[str, Mapping[str, Values]], name: str, expected: Mapping[str, Values]
) -> Mapping[str, Values]:
    """The states of one population or projection in a RunState, of the shapes of the expected ones."""
    if name not in states:
        raise InputError("state", f"no states of {name!r}", "must be a RunState of the same circuit")
    for variable, like in expected.items():
        values, field = states[name].get(variable), f"state of {name!r}: {variable}"
        if values is None or values.shape != like.shape:
            problem = "missing" if values is None else f"got shape {values.shape}"
            raise InputError(field, problem, f"must be of shape {like.shape}")
        if not np.isfinite(values).all():
            raise InputError(field, "numbers that are not finite", "must be finite")
    return states[name]
