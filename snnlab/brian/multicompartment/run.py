"""Simulate one cell with its morphology in Brian2, with currents injected at points of the SWC file.

Brian2's SpatialNeuron solves the cable equation in each step of `dt` by the implicit Euler method, after the gating
variables are integrated by the card's method. Names of points never reach Brian2's generated code.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import brian2
import numpy as np
from brian2 import Quantity
from numpy.typing import NDArray

from snnlab.brian.device import REPORT_PERIOD, compiled, progress_bar, runtime
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.inputs import Input, check_seed, injected_current
from snnlab.brian.model import BrianModel
from snnlab.brian.multicompartment.discretization import Cable, Location, discretize
from snnlab.brian.multicompartment.membrane import PASSIVE, membrane_model
from snnlab.brian.multicompartment.sections import brian_morphology
from snnlab.brian.quantities import to_positive_si, to_seconds, to_steps
from snnlab.brian.run import choose_target
from snnlab.cards import Cell, Compartment
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Number
from snnlab.networks.morphology import SOMA, Morphology

RESISTIVITY = "150 ohm*cm"
"""Default resistivity of the cytoplasm."""

MAX_COMPARTMENT_LENGTH = "20 um"
"""Default of the longest compartment."""

_EMPTY: Mapping[str, Number] = MappingProxyType({})


def simulate_morphology(
    morphology: Morphology,
    inject: Mapping[str, Input],
    duration: Number,
    *,
    cell: Cell = PASSIVE,
    parameters: Mapping[str, Number] = _EMPTY,
    record: Sequence[str | int] = ("soma",),
    resistivity: Number = RESISTIVITY,
    max_compartment_length: Number = MAX_COMPARTMENT_LENGTH,
    dt: Number | None = None,
    seed: int = 0,
    target: str = "auto",
    progress: bool = False,
) -> Recording:
    """Simulate a cell with its morphology once.

    A point is given by its id in the file, or as "soma" (the soma's first point), "root" or "farthest".

    inject        point -> Pulse, or an array of currents (steps,), in amperes
    duration      seconds or text; a whole number of steps
    cell          card of the membrane of every compartment: one compartment whose current is per area
    parameters    of the card, where they differ from it
    record        points whose potential is recorded at the start of each step
    resistivity   of the cytoplasm, in ohm metres or text
    max_compartment_length  metres or text
    dt            seconds or text; the card's by default
    target        "numpy", "cpp" or "auto", as in ``simulate``
    progress      show a progress bar on stderr

    The population of the recording is "cell". Its traces are the potentials, named by their points, and the injected
    currents, named as ``"into soma"``. Its spikes are detected at the soma, or at the root without a soma.

    Raises InputError for invalid names, units and numbers, for a card that is not a membrane, and for a potential that
    is not finite at the end.
    """
    check_seed(seed)
    dt = cell.dt if dt is None else dt
    simulation = _plan(morphology, inject, duration, cell, parameters, record, resistivity, max_compartment_length, dt)
    if choose_target(target, _estimated_numpy_seconds(simulation)) == "cpp":
        with compiled(seed, progress) as run:
            neuron = _build(simulation)
            run(neuron.network, simulation.duration)
            return _recording(simulation, neuron)
    with progress_bar(1, progress) as report, runtime(seed):
        neuron = _build(simulation)
        with as_input_error(simulation.field):
            neuron.network.run(
                simulation.duration * brian2.second,
                namespace={},
                report=report(0),
                report_period=REPORT_PERIOD * brian2.second,
            )
        return _recording(simulation, neuron)


@dataclass(frozen=True, eq=False)
class _Simulation:
    """A valid simulation in SI units, with a location on the cable for every point.

    field      named by errors
    inject     point -> current in each step (steps,), amperes
    locations  point -> location, for all points of `inject` and `record`
    spike_compartment  where spikes are detected
    """

    field: str
    cable: Cable
    model: BrianModel
    capacitance: Quantity
    membrane: Compartment
    resistivity: float
    steps: int
    dt: float
    inject: Mapping[str, NDArray[np.float64]]
    record: tuple[str, ...]
    locations: Mapping[str, Location]
    spike_compartment: int

    @property
    def duration(self) -> float:
        return self.steps * self.dt


def _plan(
    morphology: Morphology,
    inject: Mapping[str, Input],
    duration: Number,
    cell: Cell,
    parameters: Mapping[str, Number],
    record: Sequence[str | int],
    resistivity: Number,
    max_compartment_length: Number,
    dt: Number,
) -> _Simulation:
    """Check the arguments of ``simulate_morphology``. Raises InputError for the first that is invalid."""
    dt = to_seconds(dt, "dt")
    steps = to_steps(to_seconds(duration, "duration"), dt, "duration")
    resistivity = to_positive_si(resistivity, "ohm*metre", "resistivity", RESISTIVITY)
    model, capacitance = membrane_model(cell, parameters)
    max_length = to_positive_si(max_compartment_length, "metre", "max_compartment_length", MAX_COMPARTMENT_LENGTH)
    cable = discretize(morphology, max_length)
    points = {str(point): morphology.point(point, "record") for point in record}
    points |= {str(point): morphology.point(point, "inject") for point in inject}
    currents = {
        str(point): injected_current(current, "amp", 1, steps, dt, f"inject: {point}").reshape(steps)
        for point, current in inject.items()
    }
    spike_point = morphology.point("soma" if SOMA in morphology.types else "root", morphology.path)
    return _Simulation(
        field=f"{cell.path} on {morphology.path}",
        cable=cable,
        model=model,
        capacitance=capacitance,
        membrane=next(iter(cell.compartments.values())),
        resistivity=resistivity,
        steps=steps,
        dt=dt,
        inject=currents,
        record=tuple(dict.fromkeys(str(point) for point in record)),
        locations={name: cable.locations[number] for name, number in points.items()},
        spike_compartment=int(cable.locations[spike_point].compartments[0]),
    )


def _estimated_numpy_seconds(simulation: _Simulation) -> float:
    """Expected time without compilation, within a factor of two (measured for 1 to 100 sections)."""
    cable = simulation.cable
    return simulation.steps * (0.6e-3 + 15e-6 * len(cable.sections) + 1e-6 * cable.n_compartments)


@dataclass(frozen=True, eq=False)
class _Neuron:
    """The Brian2 objects of a simulation; `recorded` is the compartment of each row of `traces`."""

    network: brian2.Network
    neuron: brian2.SpatialNeuron
    traces: brian2.StateMonitor
    spikes: brian2.SpikeMonitor | None
    recorded: NDArray[np.int64]


def _build(simulation: _Simulation) -> _Neuron:
    clock = brian2.Clock(simulation.dt * brian2.second, name="cell_clock")
    neuron = _spatial_neuron(simulation, clock)
    for k, point in enumerate(simulation.inject):
        share = np.zeros(simulation.cable.n_compartments)
        location = simulation.locations[point]
        share[location.compartments] = location.shares
        neuron.state(f"share_{k}", use_units=False)[:] = share
    recorded = np.unique(
        [compartment for point in simulation.record for compartment in simulation.locations[point].compartments]
    ).astype(np.int64)
    traces = brian2.StateMonitor(neuron, "v", record=recorded, clock=clock, when="start", name="cell_traces")
    spikes = brian2.SpikeMonitor(neuron, name="cell_spikes") if simulation.model.threshold else None
    network = brian2.Network(neuron, traces, *([] if spikes is None else [spikes]))
    return _Neuron(network, neuron, traces, spikes, recorded)


def _spatial_neuron(simulation: _Simulation, clock: brian2.Clock) -> brian2.SpatialNeuron:
    """The cell in its initial state; `share_k` is each compartment's share of the k-th injected current."""
    model, current = simulation.model, simulation.membrane
    tables = {
        f"into_{k}": brian2.TimedArray(values * brian2.amp, dt=clock.dt, name=f"cell_into_{k}")
        for k, values in enumerate(simulation.inject.values())
    }
    total = " + ".join(f"share_{k}*into_{k}(t)" for k in range(len(tables))) or "0*amp"
    lines = [model.equations, f"{current.current} = ({total})/area : {current.unit}"]
    lines += [f"share_{k} : 1 (constant)" for k in range(len(tables))]
    spiking = model.spiking_options()
    with as_input_error(simulation.field):
        neuron = brian2.SpatialNeuron(
            brian_morphology(simulation.cable),
            "\n".join(lines),
            method=model.method,
            Cm=simulation.capacitance,
            Ri=simulation.resistivity * brian2.ohm * brian2.metre,
            namespace=dict(model.namespace) | tables,
            clock=clock,
            name="cell",
            **spiking,
            **({"threshold_location": simulation.spike_compartment} if spiking else {}),
        )
        model.set_initial_state(neuron)
    return neuron


def _recording(simulation: _Simulation, neuron: _Neuron) -> Recording:
    """Potentials, injected currents and spikes after the run. Raises InputError for variables that are not finite."""
    for name in sorted({"v", *neuron.neuron.equations.diff_eq_names}):
        if not np.isfinite(np.asarray(neuron.neuron.state(name, use_units=False)[:])).all():
            hint = f"use a smaller dt than {simulation.dt:g} s"
            raise InputError(simulation.field, f"{name!r} is not finite at the end", hint)
    values = np.array(neuron.traces.variables["v"].get_value())
    rows = {int(compartment): row for row, compartment in enumerate(neuron.recorded)}
    dt, cell = simulation.dt, np.zeros(1, dtype=np.int64)
    traces = {}
    for name in simulation.record:
        location = simulation.locations[name]
        potential = values[:, [rows[int(compartment)] for compartment in location.compartments]] @ location.shares
        currents = [current for point, current in simulation.inject.items() if simulation.locations[point] is location]
        # a current injected here reaches the middles of the compartments through the cytoplasm
        potential = potential + sum(currents, np.zeros(simulation.steps)) * location.resistance * simulation.resistivity
        traces[name] = Trace(potential[:, None], cell, "V", dt)
    for name, current in simulation.inject.items():
        traces[f"into {name}"] = Trace(current[:, None], cell, "A", dt)
    spikes = {} if neuron.spikes is None else {"cell": _spikes(simulation, neuron.spikes)}
    return Recording(spikes, {"cell": traces}, simulation.duration, dt)


def _spikes(simulation: _Simulation, monitor: brian2.SpikeMonitor) -> SpikeTrains:
    step = np.rint(np.asarray(monitor.t_[:]) / simulation.dt).astype(np.int64)
    zeros = np.zeros_like(step)
    return SpikeTrains.from_events(zeros, step, zeros, samples=1, steps=simulation.steps, size=1, dt=simulation.dt)
