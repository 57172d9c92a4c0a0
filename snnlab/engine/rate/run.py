"""Running a circuit of cells that are heard in every step, over a batch, while its plastic connections learn.

In a step from t to t + dt, for each sample of the batch in its own copy of the neurons: every input of every population
becomes the sum of what is said now times the weights; plastic connections make their Euler step with the product of
what their two cells say now, in the mean over the batch; all cells move.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds
from snnlab.brian.stability import check_stable
from snnlab.data.rates import RateInput
from snnlab.engine.rate.plan import Plan, order_of
from snnlab.engine.spiking.run import Precision
from snnlab.errors import InputError, one_of
from snnlab.native import thread_count
from snnlab.networks.circuit import Circuit, Population, Projection, Source

_NOTHING: Mapping[str, Sequence[str]] = MappingProxyType({})
_EVERY = 64  # steps from one look for numbers beyond all bounds to the next
_THREADED = 3e5  # products of a step; below, threads would wait for one another longer than they work
_Kept = tuple[dict[str, dict[str, NDArray[np.floating]]], dict[str, dict[str, NDArray[np.float64]]]]


@dataclass(frozen=True, eq=False)
class RunState:
    """What a run can be gone on from.

    cells     population -> state variable -> float (samples, neurons); empty for cells as their cards begin
    synapses  plastic projection -> state variable -> float (pre, post): its weights, and what it remembers
    step      steps made so far; noise goes on from there
    """

    cells: Mapping[str, Mapping[str, NDArray[np.floating]]]
    synapses: Mapping[str, Mapping[str, NDArray[np.floating]]]
    step: int = 0


@dataclass(frozen=True, eq=False)
class RateResponse:
    """What a circuit did with a batch.

    final_state  RunState after the last step
    traces   population -> variable -> float (samples, steps, neurons), at the beginning of each step with its inputs
    means    population -> variable -> float64 (samples, neurons), of such traces over the steps that were asked for
    """

    final_state: RunState
    traces: Mapping[str, Mapping[str, NDArray[np.floating]]]
    means: Mapping[str, Mapping[str, NDArray[np.float64]]]

    def weights(self, circuit: Circuit) -> dict[str, NDArray[np.floating]]:
        """The weights at the end, of every plastic projection (pre, post)."""
        return {
            one.name: self.final_state.synapses[one.name][one.plasticity.card.weight]
            for one in circuit.projections
            if one.plasticity is not None
        }


def run_rates(
    circuit: Circuit,
    inputs: Mapping[str, RateInput],
    steps: int,
    *,
    learn: bool | NDArray[np.bool_] = True,
    state: RunState | None = None,
    record: Mapping[str, Sequence[str]] = _NOTHING,
    mean: Mapping[str, Sequence[str]] = _NOTHING,
    mean_from: int = 0,
    precision: Precision = "float32",
    threads: int | None = None,
    seed: int = 0,
) -> RateResponse:
    """A batch through a circuit of cells that are heard in every step, its weights shared by all samples.

    inputs     source -> Rates, of equally many samples, in stretches that divide the steps
    learn      whether plastic connections learn, or in which steps (steps,); in others weights and what they remember
               stand still
    state      where to begin; None for the cards' start and the circuit's own weights
    record     population -> variables whose traces are kept
    mean       population -> variables of which only the mean over the steps from `mean_from` on is kept
    precision  of states, weights and sums
    threads    None for as many as help; the result does not depend on it
    seed       of the noise `xi` and of counts that are drawn; every sample, population, neuron and step has its own

    Raises InputError for cells that spike and projections that carry spikes, for inputs and states that do not fit, and
    for weights and states that grow beyond all bounds, naming them and the step.
    """
    if precision not in get_args(Precision):
        raise InputError("precision", f"found {precision!r}", one_of(str(precision), get_args(Precision)))
    if threads is not None and threads < 1:
        raise InputError("threads", f"found {threads}", "needs at least 1, or None for all cores")
    if steps < 1:
        raise InputError("steps", f"found {steps}", "needs at least 1")
    if not 0 <= mean_from < steps:
        raise InputError("mean_from", f"found {mean_from}", f"needs a step of the run, 0 to {steps - 1}")
    _check_circuit(circuit)
    samples = _check_inputs(circuit, inputs, steps)
    dt = to_seconds(circuit.dt, "circuit: dt")
    _check_asked(circuit, record, "record")
    _check_asked(circuit, mean, "mean")
    for population in circuit.populations:
        check_stable(population, dt)
    order, learns = order_of(circuit, dt), _learning(learn, steps)
    work = sum(pre.size * post.size for pre, post in _ends(circuit)) * samples
    several = (threads or thread_count()) if work > _THREADED else 1

    def run(every: int) -> tuple[Plan, _Kept, tuple[str, int] | None]:
        plan = Plan(order, samples, precision)
        plan.hear(inputs, steps)
        _begin(plan, circuit, state, samples)
        kept = plan.watch(record, mean, steps)
        begun = 0 if state is None else state.step
        return plan, kept, plan.run(steps, learns, mean_from, seed, begun, several, every)

    plan, (traces, sums), wild = run(_EVERY)
    if wild is not None:
        # once more, looking at every step: by now it is everywhere
        raise _unbounded(*(run(1)[2] or wild), precision, learns.any())
    final_state = RunState(plan.cells(), plan.synapses(), steps + (0 if state is None else state.step))
    share = steps - mean_from
    means = {name: {one: total / share for one, total in kept.items()} for name, kept in sums.items()}
    return RateResponse(final_state, traces, means)


def _ends(circuit: Circuit) -> list[tuple[Source | Population, Source | Population]]:
    return [(circuit[one.pre], circuit[one.post]) for one in circuit.projections]


def _check_circuit(circuit: Circuit) -> None:
    for projection in circuit.projections:
        if not circuit.is_continuous(projection):
            found = f"receptor {projection.receptor!r} of {projection.post!r} is raised by spikes"
            right = "run_rates takes circuits that are heard in every step; run takes spikes, simulate both"
            raise InputError(f"projection {projection.name!r}", found, right)
    if not circuit.populations:
        raise InputError("circuit", "no population", "needs at least one")


def _check_inputs(circuit: Circuit, inputs: Mapping[str, RateInput], steps: int) -> int:
    """How many samples there are."""
    for name, given in inputs.items():
        source = circuit[name]
        where = f"inputs of {name!r}"
        if not isinstance(source, Source):
            raise InputError("inputs", f"{name!r} is not a source", "rates can only be given to sources")
        if not isinstance(given, RateInput):
            raise InputError(where, f"found {type(given).__name__}", "needs Rates: sources are heard in every step")
        if given.size != source.size:
            raise InputError(where, f"{given.size} neurons", f"the source has {source.size}")
        given.steps_per_segment(steps, where)
    for source in circuit.sources:
        if source.name not in inputs:
            raise InputError("inputs", f"no rates for source {source.name!r}", "every source needs them")
    samples = {given.samples for given in inputs.values()}
    if len(samples) != 1:
        found = f"samples differ: {sorted(samples)}" if samples else "no source"
        raise InputError("inputs", found, "all sources need the same" if samples else "the batch comes from outside")
    return samples.pop()


def _check_asked(circuit: Circuit, asked: Mapping[str, Sequence[str]], where: str) -> None:
    for name, variables in asked.items():
        node = circuit[name]
        if not isinstance(node, Population):
            raise InputError(where, f"{name!r} is a source", "its rates are given from outside")
        known = [equation.name for equation in node.cell.equations]
        for variable in [variables] if isinstance(variables, str) else variables:
            if variable not in known:
                raise InputError(f"{where} of {name!r}", f"no variable {variable!r}", one_of(variable, known))


def _learning(learn: bool | NDArray[np.bool_], steps: int) -> NDArray[np.uint8]:
    given = np.asarray(learn)
    if given.dtype != np.bool_ or given.shape not in ((), (steps,)):
        found = f"{given.dtype} {given.shape}"
        raise InputError("learn", found, f"needs True, False or one of these for each of {steps} steps")
    return np.ascontiguousarray(np.broadcast_to(given, steps), dtype=np.uint8)


def _begin(plan: Plan, circuit: Circuit, state: RunState | None, samples: int) -> None:
    """Put what a run begins with into the plan."""
    for population, code in plan.populations():
        start = {name: np.broadcast_to(code.start[k], (samples, population.size)) for k, name in enumerate(code.states)}
        given = _checked(state.cells, population.name, start, "state") if state and state.cells else start
        plan.set_cells(population.name, given)
    for projection, states in plan.plastic():
        begin: dict[str, NDArray[np.floating]] = {name: np.zeros(projection.weights.shape) for name in states}
        begin[_weight(projection)] = np.asarray(projection.weights)
        given = begin if state is None else _checked(state.synapses, projection.name, begin, "state")
        plan.set_synapses(projection.name, given)


def _weight(projection: Projection) -> str:
    return projection.plasticity.card.weight if projection.plasticity else ""


def _checked(
    given: Mapping[str, Mapping[str, NDArray[np.floating]]],
    name: str,
    like: Mapping[str, NDArray[np.floating]],
    where: str,
) -> Mapping[str, NDArray[np.floating]]:
    """What a RunState says of one population or projection, of the shapes in `like`."""
    if name not in given:
        raise InputError(where, f"nothing of {name!r}", "needs the RunState of the same circuit")
    for variable, values in like.items():
        found = given[name].get(variable)
        if found is None or found.shape != values.shape:
            what = "missing" if found is None else f"shape {found.shape}"
            raise InputError(f"{where} of {name!r}: {variable}", what, f"needs {values.shape}")
        if not np.isfinite(found).all():
            raise InputError(
                f"{where} of {name!r}: {variable}", "numbers that are not finite", "cannot be gone on from"
            )
    return given[name]


def _unbounded(what: str, step: int, precision: Precision, learned: np.bool_) -> InputError:
    found = f"no finite numbers, or beyond {np.sqrt(np.finfo(precision).max):.1e}, from step {step} on"
    return InputError(what, found, "learn more slowly, or in shorter steps" if learned else "take shorter steps")
