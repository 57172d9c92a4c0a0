"""Check the arguments of a simulation and convert them to steps and SI units, before Brian2 builds anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import delay_steps, to_seconds, to_si, to_steps
from snnlab.brian.stability import check_stable
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains, neuron_numbers
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import Circuit, Number, Source

_DEFAULT_NEURONS = 10  # of a population that are recorded by default


@dataclass(frozen=True)
class Pulse:
    """A constant current from `start` to `stop`, the same for every neuron, and zero outside.

    Start and stop are rounded to the nearest step.

    amplitude  in SI units of the compartment's current, or text such as "0.4 nA"
    start      seconds, or text
    stop       seconds, or text; None for the end of the run
    """

    amplitude: Number
    start: Number = 0.0
    stop: Number | None = None


Input = SpikeTrains | RateInput | Pulse | NDArray[np.floating]
"""For a source: SpikeTrains, or RateInput for a continuous source. For a compartment: a Pulse, or currents (steps,) or
(steps, neurons) in SI units."""

LearningSteps = bool | NDArray[np.bool_]
"""Steps in which plastic connections learn: all, none, or those that are true (steps,)."""

Neurons = Sequence[int] | NDArray[np.integer]


@dataclass(frozen=True, eq=False)
class Simulation:
    """A simulation whose names, shapes, units and numbers are valid.

    spikes    source -> a batch of `samples`, each of `steps`
    rates     continuous source -> a batch of `samples`
    currents  (population, compartment) -> float64 (steps,) or (steps, neurons), in SI units
    delays    steps of each projection, in the circuit's order
    record    population or plastic projection -> variables
    neurons   for each key of `record`: int64 (recorded,)  neurons or synapses
    learning  bool (steps,)  steps in which plastic connections learn
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
    learning: NDArray[np.bool_]
    seed: int

    @property
    def duration(self) -> float:
        return self.steps * self.dt


def check_arguments(
    circuit: Circuit,
    inputs: Mapping[str, Input],
    duration: Number,
    record: Mapping[str, Sequence[str]],
    neurons: Mapping[str, Neurons],
    plastic: LearningSteps,
    seed: int,
) -> Simulation:
    """The simulation that the arguments of ``simulate`` describe. Raises InputError for the first that is invalid."""
    dt = to_seconds(circuit.dt, "circuit: dt")
    steps = to_steps(to_seconds(duration, "duration"), dt, "duration")
    check_seed(seed)
    _check_names(circuit, inputs)
    spikes, rates = _source_inputs(circuit, inputs, steps, dt)
    samples = {batch.samples for batch in spikes.values()} | {batch.samples for batch in rates.values()}
    if len(samples) > 1:
        raise InputError("inputs", f"sources with {sorted(samples)} samples", "all must have the same number")
    currents = _currents(circuit, inputs, steps, dt)
    for population in circuit.populations:
        check_stable(population, dt)
    sizes = {name: _recordable(circuit, name) for name in [*record, *neurons]}
    return Simulation(
        circuit=circuit,
        dt=dt,
        steps=steps,
        samples=max(samples, default=1),
        spikes=spikes,
        rates=rates,
        currents=currents,
        delays=tuple(delay_steps(projection, dt) for projection in circuit.projections),
        record={name: _variables(name, variables) for name, variables in record.items()},
        neurons={name: _recorded(name, *sizes[name], neurons.get(name)) for name in record},
        learning=_learning_steps(plastic, steps),
        seed=int(seed),
    )


def check_seed(seed: int) -> None:
    """Raise InputError for a seed that Brian2 does not accept."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**32:
        raise InputError("seed", f"got {seed!r}", "must be a whole number from 0 to 2**32 - 1")


def injected_current(current: Input, unit: str, size: int, steps: int, dt: float, field: str) -> NDArray[np.float64]:
    """A Pulse or an array as a current in each step, (steps,) or (steps, size), in SI units of `unit`.

    Raises InputError for anything else.
    """
    if isinstance(current, Pulse):
        return _pulse(current, unit, steps, dt, field)
    if isinstance(current, SpikeTrains):
        raise InputError(field, "got SpikeTrains", "must be a current, a Pulse or an array; spikes need a projection")
    values = np.asarray(current)
    if values.dtype.kind not in "fiu":
        raise InputError(field, f"an array of {values.dtype}", "must be real numbers, in SI units")
    if values.shape not in {(steps,), (steps, size)}:
        raise InputError(field, f"currents of shape {values.shape}", f"must be {(steps,)} or {(steps, size)}")
    if not np.isfinite(values).all():
        first = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise InputError(field, f"a current that is not finite in step {first}", "must be finite")
    return values.astype(np.float64)


def step_current(amplitude: float, start: float, stop: float, steps: int, dt: float) -> NDArray[np.float64]:
    """A current in each step (steps,), on from `start` up to `stop` seconds, both rounded to the nearest step."""
    values = np.zeros(steps)
    values[round(start / dt) : round(min(stop, steps * dt) / dt)] = amplitude
    return values


def _pulse(pulse: Pulse, unit: str, steps: int, dt: float, field: str) -> NDArray[np.float64]:
    amplitude = to_si(pulse.amplitude, unit, f"{field}: amplitude")
    if not np.isfinite(amplitude):
        raise InputError(f"{field}: amplitude", f"got {amplitude}", "must be finite")
    start = to_si(pulse.start, "second", f"{field}: start")
    stop = steps * dt if pulse.stop is None else to_si(pulse.stop, "second", f"{field}: stop")
    if not 0 <= start < stop:
        raise InputError(field, f"a pulse from {start:g} s to {stop:g} s", "must satisfy 0 <= start < stop")
    return step_current(amplitude, start, stop, steps, dt)


def _check_names(circuit: Circuit, inputs: Mapping[str, Input]) -> None:
    known = [source.name for source in circuit.sources]
    for population in circuit.populations:
        known += [f"{population.name}.{compartment}" for compartment in population.cell.compartments]
    for name in inputs:
        if name not in known:
            raise InputError("inputs", f"no source or compartment {name!r}", one_of(name, known))


def _source_inputs(
    circuit: Circuit, inputs: Mapping[str, Input], steps: int, dt: float
) -> tuple[dict[str, SpikeTrains], dict[str, RateInput]]:
    """The inputs of spiking and of continuous sources, by name."""
    spikes, rates = {}, {}
    continuous = {source.name for source in circuit.sources if _is_continuous(circuit, source, inputs)}
    for source in circuit.sources:
        if source.name not in continuous:
            spikes[source.name] = _spikes(source, inputs.get(source.name), steps, dt)
    for source in circuit.sources:
        if source.name in continuous:
            rates[source.name] = _rates(source, inputs.get(source.name), steps)
    return spikes, rates


def _is_continuous(circuit: Circuit, source: Source, inputs: Mapping[str, Input]) -> bool:
    """True if the projections of a source are continuous; without projections, if its input is."""
    outgoing = [projection for projection in circuit.projections if projection.pre == source.name]
    kinds = {circuit.is_continuous(projection): projection.name for projection in outgoing}
    if len(kinds) > 1:
        problem = f"{kinds[True]!r} transmits rates and {kinds[False]!r} spikes"
        raise InputError(f"source {source.name!r}", problem, "use two sources, of RateInput and of SpikeTrains")
    return next(iter(kinds), isinstance(inputs.get(source.name), RateInput))


def _spikes(source: Source, spikes: Input | None, steps: int, dt: float) -> SpikeTrains:
    """The source's spikes, followed by silence up to the end of the run."""
    field = f"inputs: source {source.name!r}"
    if not isinstance(spikes, SpikeTrains):
        raise InputError(field, _type_name(spikes), "must be SpikeTrains")
    _check_source_size(field, spikes, source)
    if abs(spikes.dt - dt) > 1e-9 * dt:
        raise InputError(field, f"spikes in steps of {spikes.dt:g} s", f"must be in the circuit's {dt:g} s")
    if spikes.steps > steps:
        raise InputError(field, f"{spikes.steps} steps of spikes", f"must be at most {steps}, the steps of the run")
    silence = np.repeat(spikes.offsets[:, -1:], steps - spikes.steps, axis=1)
    return SpikeTrains(spikes.ids, np.hstack([spikes.offsets, silence]), spikes.size, dt)


def _rates(source: Source, rates: Input | None, steps: int) -> RateInput:
    """The source's rates, in segments that divide the run."""
    field = f"inputs: source {source.name!r}"
    if not isinstance(rates, RateInput):
        raise InputError(field, _type_name(rates), "must be RateInput: its projections are continuous")
    _check_source_size(field, rates, source)
    rates.steps_per_segment(steps, field)
    return rates


def _check_source_size(field: str, batch: SpikeTrains | RateInput, source: Source) -> None:
    if batch.size != source.size:
        raise InputError(field, f"input of {batch.size} neurons", f"must be of {source.size}")


def _type_name(value: object) -> str:
    return "missing" if value is None else f"got {type(value).__name__}"


def _currents(
    circuit: Circuit, inputs: Mapping[str, Input], steps: int, dt: float
) -> dict[tuple[str, str], NDArray[np.float64]]:
    currents = {}
    for population in circuit.populations:
        for compartment in population.cell.compartments.values():
            name = f"{population.name}.{compartment.name}"
            if inputs.get(name) is not None:
                currents[population.name, compartment.name] = injected_current(
                    inputs[name], compartment.unit, population.size, steps, dt, f"inputs: {name}"
                )
    return currents


def _learning_steps(learning: LearningSteps, steps: int) -> NDArray[np.bool_]:
    values = np.asarray(learning)
    if values.dtype != bool or values.shape not in {(), (steps,)}:
        problem = f"got {values.dtype} of shape {values.shape}"
        raise InputError("plastic", problem, f"must be True, False or an array of bool {(steps,)}")
    return np.broadcast_to(values, (steps,))


def _variables(population: str, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise InputError(f"record: {population}", f"got the text {names!r}", f"must be a list, such as [{names!r}]")
    return tuple(dict.fromkeys(names))


def _recordable(circuit: Circuit, name: str) -> tuple[int, int]:
    """The number of neurons or synapses, and how many of them are recorded by default."""
    for projection in circuit.projections:
        if projection.name == name:
            if projection.plasticity is None:
                raise InputError("record", f"{name!r} is not plastic", "its weights do not change")
            synapses = projection.weights.shape[0] * projection.weights.shape[1]
            return synapses, synapses
    node = circuit[name]
    if isinstance(node, Source):
        hint = "must be a population, which has variables; spikes of sources are always recorded"
        raise InputError("record", f"{name!r} is a source", hint)
    return node.size, min(node.size, _DEFAULT_NEURONS)


def _recorded(name: str, size: int, default: int, neurons: Neurons | None) -> NDArray[np.int64]:
    return np.arange(default) if neurons is None else np.unique(neuron_numbers(neurons, size, f"neurons: {name}"))
