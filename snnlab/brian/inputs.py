"""What is to be simulated, checked: in steps and SI floats, before Brian2 is asked for anything."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps, to_seconds, to_si, to_steps
from snnlab.brian.stability import check_stable
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains, neuron_numbers
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Number, Population, Source
from snnlab.networks.weights import fan_out

_FEW = 10  # neurons of a population that are watched unless told otherwise


@dataclass(frozen=True)
class Pulse:
    """A current that is `amplitude` from `start` up to `stop` and nothing before and after, the same for every neuron.

    Start and stop are rounded to the nearest step.

    amplitude  in SI units of the compartment's current, or text such as "0.4 nA"
    start      seconds, or text; 0 is the beginning of the run
    stop       seconds, or text; None is the end of the run
    """

    amplitude: Number
    start: Number = 0.0
    stop: Number | None = None


Input = SpikeTrains | RateInput | Pulse | NDArray[np.floating]
"""What a circuit is given: spikes for a source, or rates where it is heard in every step; for a compartment a Pulse, or
currents (steps,) or (steps, neurons)."""

Plastic = bool | NDArray[np.bool_]
"""In which steps plastic connections learn: in all, in none, or in those that are true (steps,)."""

Neurons = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Task:
    """A simulation in which every name, shape, unit and number is known to fit.

    spikes    source -> a batch of `samples`, each of `steps`
    rates     source that is heard in every step -> a batch of `samples`
    currents  (population, compartment) -> float64 (steps,) or (steps, neurons), in SI units
    delays    steps, of each projection in the circuit's order
    record    population, or plastic projection -> variables
    neurons   population, or plastic projection -> int64 (watched,) neurons or synapses, for those in `record`
    plastic   bool (steps,)  in which steps connections learn
    """

    circuit: Circuit
    dt: float
    steps: int
    samples: int
    spikes: Mapping[str, SpikeTrains]
    rates: Mapping[str, RateInput]
    currents: Mapping[tuple[str, str], NDArray[np.float64]]
    delays: tuple[int, ...]
    record: Mapping[str, tuple[str, ...]]
    neurons: Mapping[str, NDArray[np.int64]]
    plastic: NDArray[np.bool_]
    seed: int

    @property
    def duration(self) -> float:
        return self.steps * self.dt


def plan(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    record: Mapping[str, Sequence[str]],
    neurons: Mapping[str, Neurons],
    plastic: Plastic,
    seed: int,
) -> Task:
    """The task that the arguments of ``simulate`` describe. Raises InputError for the first that does not fit."""
    dt = to_seconds(circuit.dt, "circuit: dt")
    steps = to_steps(to_seconds(duration, "duration"), dt, "duration")
    check_seed(seed)
    _check_known(circuit, inputs)
    heard = {source.name for source in circuit.sources if _is_heard(circuit, source, inputs.get(source.name))}
    given = {source: inputs.get(source.name) for source in circuit.sources}
    spikes = {one.name: _spikes(one, of, steps, dt) for one, of in given.items() if one.name not in heard}
    rates = {one.name: _rates(one, of, steps) for one, of in given.items() if one.name in heard}
    counts = {batch.samples for batch in spikes.values()} | {batch.samples for batch in rates.values()}
    if len(counts) > 1:
        raise InputError("inputs", f"sources with {sorted(counts)} samples", "all need the same number")
    currents = {}
    for population in circuit.populations:
        for compartment in population.cell.compartments.values():
            current = inputs.get(f"{population.name}.{compartment.name}")
            if current is not None:
                where = f"inputs: {population.name}.{compartment.name}"
                currents[population.name, compartment.name] = current_in_steps(
                    current, compartment.unit, population.size, steps, dt, where
                )
        check_stable(population, dt)
    whose = {name: _watchable(circuit, name) for name in [*record, *neurons]}
    return Task(
        circuit=circuit,
        dt=dt,
        steps=steps,
        samples=max(counts, default=1),
        spikes=spikes,
        rates=rates,
        currents=currents,
        delays=tuple(delay_steps(projection, dt) for projection in circuit.projections),
        record={name: _variables(name, variables) for name, variables in record.items()},
        neurons={name: _watched(name, *whose[name], neurons.get(name)) for name in record},
        plastic=_learning(plastic, steps),
        seed=int(seed),
    )


def check_seed(seed: int) -> None:
    """Raises InputError for a seed that Brian2 cannot take."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise InputError("seed", f"found {seed!r}", "needs a whole number from 0 to 2**32 - 1")


def estimated_numpy_seconds(task: Task) -> float:
    """About how long the task would take without compiling, from its size alone; within a factor of about two.

    Every operation of an equation costs NumPy 0.6 microseconds a step, and half a nanosecond for each cell, a function
    ten times that (measured on one core at 2.5 GHz). Nobody knows beforehand how much cells will fire; 10 hertz is
    assumed. Where a projection is heard in every step, every synapse costs 15 nanoseconds, and 35 where it learns.
    """
    per_step = 0.0
    for population in task.circuit.populations:
        operations, functions = _operations(population)
        per_step += 35e-6 + 0.6e-6 * (operations + functions)
        per_step += population.size * (5e-9 + 0.45e-9 * (operations + 10 * functions))
    for projection in task.circuit.projections:
        if task.circuit.is_continuous(projection):
            once, each = (60e-6, 15e-9) if projection.plasticity is None else (150e-6, 35e-9)
            per_step += once + each * float(fan_out(projection.weights).sum())
            continue
        per_step += 40e-6 + 15e-9 * 10 * task.dt * float(fan_out(projection.weights).sum())
    return per_step * task.steps * task.samples


def _operations(population: Population) -> tuple[int, int]:
    """Operations and functions that one step of a cell evaluates, in all stages of its integration scheme."""
    synapses = (receptor.synapse for receptor in population.receptors.values())
    lines = [*population.cell.equations, *(line for synapse in synapses for line in synapse.equations)]
    nodes = [node for line in lines if line.expression for node in ast.walk(ast.parse(line.expression, mode="eval"))]
    functions = sum(isinstance(node, ast.Call | ast.Pow) for node in nodes)
    operations = sum(isinstance(node, ast.operator) and not isinstance(node, ast.Pow) for node in nodes)
    stages = {"rk2": 2, "heun": 2, "rk4": 4}.get(population.method or population.cell.method, 1)
    return operations * stages, functions * stages


def _check_known(circuit: Circuit, inputs: Mapping[str, Input]) -> None:
    known = [source.name for source in circuit.sources]
    known += [f"{one.name}.{compartment}" for one in circuit.populations for compartment in one.cell.compartments]
    for name in inputs:
        if name not in known:
            raise InputError("inputs", f"nothing is called {name!r}", one_of(name, known))


def _is_heard(circuit: Circuit, source: Source, given: Input | None) -> bool:
    """Whether a source says rates, and does not fire; as it likes, where nobody listens."""
    ways = {circuit.is_continuous(one): one.name for one in circuit.projections if one.pre == source.name}
    if len(ways) > 1:
        found = f"heard in every step by {ways[True]!r} and by its spikes by {ways[False]!r}"
        raise InputError(f"source {source.name!r}", found, "needs two sources, one of Rates and one of Spikes")
    return next(iter(ways), isinstance(given, RateInput))


def _rates(source: Source, given: Input | None, steps: int) -> RateInput:
    """The source's rates, in stretches that fit into the run."""
    where = f"inputs: source {source.name!r}"
    if not isinstance(given, RateInput):
        found = "missing" if given is None else f"found {type(given).__name__}"
        raise InputError(where, found, "needs Rates: it is heard in every step")
    if given.size != source.size:
        raise InputError(where, f"rates of {given.size} neurons", f"needs {source.size}")
    given.steps_per_segment(steps, where)
    return given


def _learning(given: Plastic, steps: int) -> NDArray[np.bool_]:
    """In which steps connections learn."""
    values = np.asarray(given)
    if values.dtype != bool or values.shape not in {(), (steps,)}:
        raise InputError(
            "plastic", f"{values.dtype} {values.shape}", f"needs True, False or an array of bool {(steps,)}"
        )
    return np.broadcast_to(values, (steps,))


def _spikes(source: Source, given: Input | None, steps: int, dt: float) -> SpikeTrains:
    """The source's spikes, with silence up to the end of the run."""
    where = f"inputs: source {source.name!r}"
    if not isinstance(given, SpikeTrains):
        raise InputError(where, "missing" if given is None else f"found {type(given).__name__}", "needs Spikes")
    if given.size != source.size:
        raise InputError(where, f"spikes of {given.size} neurons", f"needs {source.size}")
    if abs(given.dt - dt) > 1e-9 * dt:
        raise InputError(where, f"spikes in steps of {given.dt:g} s", f"needs the circuit's {dt:g} s")
    if given.steps > steps:
        raise InputError(where, f"{given.steps} steps of spikes", f"the run has only {steps}")
    silence = np.repeat(given.offsets[:, -1:], steps - given.steps, axis=1)
    return SpikeTrains(given.ids, np.hstack([given.offsets, silence]), given.size, dt)


def current_in_steps(given: Input, unit: str, size: int, steps: int, dt: float, where: str) -> NDArray[np.float64]:
    """A Pulse or an array as a current in each step, (steps,) or (steps, size), in SI units of `unit`.

    Raises InputError at `where` for anything else.
    """
    if isinstance(given, Pulse):
        return _pulse(given, unit, steps, dt, where)
    if isinstance(given, SpikeTrains):
        raise InputError(where, "found Spikes", "needs a current: a Pulse or an array; spikes arrive by a projection")
    values = np.asarray(given)
    if values.dtype.kind not in "fiu":
        raise InputError(where, f"an array of {values.dtype}", "needs numbers, in SI units")
    if values.shape not in {(steps,), (steps, size)}:
        raise InputError(where, f"currents of shape {values.shape}", f"needs {(steps,)} or {(steps, size)}")
    if not np.isfinite(values).all():
        first = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise InputError(where, f"a current that is not finite in step {first}", "NaN and infinity cannot be injected")
    return values.astype(np.float64)


def _pulse(pulse: Pulse, unit: str, steps: int, dt: float, where: str) -> NDArray[np.float64]:
    amplitude = to_si(pulse.amplitude, unit, f"{where}: amplitude")
    if not np.isfinite(amplitude):
        raise InputError(f"{where}: amplitude", f"found {amplitude}", "needs a finite current")
    start = to_si(pulse.start, "second", f"{where}: start")
    stop = steps * dt if pulse.stop is None else to_si(pulse.stop, "second", f"{where}: stop")
    if not 0 <= start < stop:
        raise InputError(where, f"a pulse from {start:g} s to {stop:g} s", "needs 0 <= start < stop")
    return step_current(amplitude, start, stop, steps, dt)


def step_current(amplitude: float, start: float, stop: float, steps: int, dt: float) -> NDArray[np.float64]:
    """A current in each step (steps,), on from `start` up to `stop` seconds, both rounded to the nearest step."""
    values = np.zeros(steps)
    values[round(start / dt) : round(min(stop, steps * dt) / dt)] = amplitude
    return values


def _variables(population: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"record: {population}", f"found the text {names!r}", f"needs a list, such as [{names!r}]")
    return tuple(dict.fromkeys(names))


def _watchable(circuit: Circuit, name: str) -> tuple[int, int]:
    """How many neurons, or synapses, there are to watch, and how many are watched unless told otherwise."""
    for projection in circuit.projections:
        if projection.name == name:
            if projection.plasticity is None:
                raise InputError("record", f"{name!r} is not plastic", "its weights stay as they are")
            synapses = projection.weights.shape[0] * projection.weights.shape[1]
            return synapses, synapses
    node = circuit[name]
    if isinstance(node, Source):
        raise InputError(
            "record", f"{name!r} is a source", "only populations have variables; their spikes are kept anyway"
        )
    return node.size, min(node.size, _FEW)


def _watched(name: str, size: int, few: int, neurons: Neurons | None) -> NDArray[np.int64]:
    return np.arange(few) if neurons is None else np.unique(neuron_numbers(neurons, size, f"neurons: {name}"))
