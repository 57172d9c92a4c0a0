"""A task as Brian2's objects, and what they hold after the run as a recording.

Brian2's names are made up here from counters: no name that a person chose reaches its generated code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import brian2
import numpy as np
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, get_unit
from numpy.typing import NDArray

from snnlab.brian import continuous
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.inputs import Task
from snnlab.brian.model import BrianModel, build_model
from snnlab.brian.quantities import parse_unit
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import SOURCE_VARIABLE, Plastic, Population, Projection, Source
from snnlab.networks.weights import synapse_list

_SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


@dataclass(frozen=True, eq=False)
class Wired:
    """A network ready to run, and the objects in it that are asked afterwards; by name of population or projection."""

    network: brian2.Network
    clock: brian2.Clock
    sources: Mapping[str, brian2.SpikeGeneratorGroup]
    tables: Mapping[str, brian2.TimedArray]
    cells: Mapping[str, brian2.NeuronGroup]
    plastic: Mapping[str, brian2.Synapses]
    spikes: Mapping[str, brian2.SpikeMonitor]
    traces: Mapping[str, brian2.StateMonitor]


def wire(task: Task, sample: int = 0) -> Wired:
    """The task in Brian2, fed with one sample. Raises InputError where Brian2 cannot make it."""
    clock = brian2.Clock(task.dt * brian2.second, name="circuit_clock")
    circuit = task.circuit
    models = {
        one.name: build_model(one, _expressions(task, one), continuous.parts(circuit, one))
        for one in circuit.populations
    }
    tables = {
        name: continuous.table(rates, sample, task.steps, task.dt, f"rates_{k}")
        for k, (name, rates) in enumerate(task.rates.items())
    }
    groups = {}
    for k, node in enumerate(circuit.nodes):
        with as_input_error(f"population {node.name!r}"):
            if isinstance(node, Population):
                groups[node.name] = _cells(task, k, node, models[node.name], clock)
            else:
                groups[node.name] = _source(task, k, node, tables.get(node.name), sample, clock)
            continuous.say(groups[node.name], continuous.said(circuit, node))
    sources = {name: groups[name] for name in task.spikes}
    cells = {one.name: groups[one.name] for one in circuit.populations}
    synapses, plastic = _projections(task, groups, models)
    spikes = {
        name: brian2.SpikeMonitor(group, name=f"{group.name}_spikes")
        for name, group in cells.items()
        if models[name].threshold
    }
    watched = {**cells, **plastic}
    traces = {name: _traces(task, name, watched[name], clock) for name, variables in task.record.items() if variables}
    network = brian2.Network(*groups.values(), *synapses, *spikes.values(), *traces.values())
    network.schedule = _SCHEDULE
    return Wired(network, clock, sources, tables, cells, plastic, spikes, traces)


def _projections(
    task: Task, groups: Mapping[str, brian2.Group], models: Mapping[str, BrianModel]
) -> tuple[list[brian2.Synapses], dict[str, brian2.Synapses]]:
    """All of the circuit's, in Brian2, and those that learn by name."""
    circuit = task.circuit
    learning = None if task.plastic.all() else continuous.gate(task.plastic, task.dt)
    made, plastic = [], {}
    for k, one in enumerate(circuit.projections):
        pre, post = groups[one.pre], groups[one.post]
        with as_input_error(f"projection {one.name!r}"):
            if not circuit.is_continuous(one):
                variable = models[one.post].receptors[one.receptor]
                made += _synapses(one, k, pre, post, variable, task.delays[k] * task.dt * brian2.second)
            elif one.plasticity is None:
                made += continuous.fixed(circuit, k, pre, post)
            else:
                plastic[one.name] = continuous.plastic(circuit, k, one.plasticity, pre, post, learning)
    return [*made, *plastic.values()], plastic


def feed(task: Task, wired: Wired, sample: int) -> None:
    """Give the sources another sample's spikes and rates."""
    for name, table in wired.tables.items():
        # the functions that Brian2 made of it look into this array
        table.values[:] = task.rates[name].values[sample]
    for name, source in wired.sources.items():
        source.set_spikes(*_events(task, name, sample), sorted=True)


def read(task: Task, wired: Wired, sample: int) -> Recording:
    """What the run left behind."""
    spikes = {name: batch.sample(sample) for name, batch in task.spikes.items()}
    for name, monitor in wired.spikes.items():
        step = np.rint(np.asarray(monitor.t_[:]) / task.dt).astype(np.int64)
        spikes[name] = SpikeTrains.from_events(
            np.zeros_like(step), step, monitor.i[:],
            samples=1, steps=task.steps, size=task.circuit[name].size, dt=task.dt,
        )  # fmt: skip
    traces = {
        name: {variable: _trace(task, wired, name, variable) for variable in task.record[name]} for name in wired.traces
    }
    weights = {
        one.name: _weights(wired, one, one.plasticity) for one in task.circuit.projections if one.plasticity is not None
    }
    return Recording(spikes, traces, task.duration, task.dt, weights)


def not_finite(wired: Wired) -> tuple[str, str] | None:
    """The first population or projection, and its state variable, that holds NaN or infinity now."""
    groups = [(f"population {name!r}", group) for name, group in wired.cells.items()]
    groups += [(f"projection {name!r}", synapses) for name, synapses in wired.plastic.items()]
    for where, group in groups:
        for variable in sorted(group.equations.diff_eq_names):
            if not np.isfinite(np.asarray(group.state(variable, use_units=False)[:])).all():
                return where, continuous.on_card(variable)
    return None


def _expressions(task: Task, population: Population) -> dict[str, str]:
    """Compartment -> the current injected there, as a function of time that Brian2 looks up in its table."""
    return {
        compartment: f"{_table(compartment)}(t)" if values.ndim == 1 else f"{_table(compartment)}(t, i)"
        for (name, compartment), values in task.currents.items()
        if name == population.name
    }


def _table(compartment: str) -> str:
    return f"current_into_{compartment}"


def _cells(task: Task, k: int, population: Population, model: BrianModel, clock: brian2.Clock) -> brian2.NeuronGroup:
    namespace = {}
    for (name, compartment), values in task.currents.items():
        if name == population.name:
            quantity = values * parse_unit(population.cell.compartments[compartment].unit)
            namespace[_table(compartment)] = brian2.TimedArray(
                quantity, dt=clock.dt, name=f"cells_{k}_{_table(compartment)}"
            )
    said = continuous.declared(continuous.said(task.circuit, population))
    model = replace(model, equations=model.equations + said)
    return model.group(population.size, dt=clock, name=f"cells_{k}", **namespace)


def _source(
    task: Task, k: int, source: Source, rates: brian2.TimedArray | None, sample: int, clock: brian2.Clock
) -> brian2.SpikeGeneratorGroup | brian2.NeuronGroup:
    if rates is None:
        ids, times = _events(task, source.name, sample)
        return brian2.SpikeGeneratorGroup(source.size, ids, times, clock=clock, sorted=True, name=f"source_{k}")
    equations = f"{SOURCE_VARIABLE} = rates(t, i) : 1{continuous.declared(continuous.said(task.circuit, source))}"
    return brian2.NeuronGroup(source.size, equations, clock=clock, name=f"source_{k}", namespace={"rates": rates})


def _events(task: Task, source: str, sample: int) -> tuple[NDArray[np.int32], brian2.Quantity]:
    _, step, ids = task.spikes[source].sample(sample).events()
    # in the middle of the step, where no rounding can move a spike into its neighbour
    return ids, (step + 0.5) * task.dt * brian2.second


def _synapses(
    projection: Projection,
    k: int,
    pre: brian2.SpikeGeneratorGroup | brian2.NeuronGroup,
    post: brian2.NeuronGroup,
    variable: str,
    delay: brian2.Quantity,
) -> list[brian2.Synapses]:
    where = f"projection {projection.name!r}"
    if "spike" not in pre.events:
        raise InputError(where, f"{projection.pre!r} has no threshold", "only cells that spike can project")
    source, target, weights = synapse_list(projection.weights)
    if not len(weights):
        return []
    with as_input_error(where):
        dimension = post.variables[variable].dim
        weight = Equations([SingleEquation(PARAMETER, "synaptic__w", dimension, flags=["constant"])])
        made = brian2.Synapses(
            pre,
            post,
            weight,
            on_pre=f"{variable}_post += synaptic__w",
            delay=delay,
            clock=post.clock,
            name=f"synapses_{k}",
        )
        made.connect(i=source, j=target)
        made.synaptic__w_ = weights.astype(np.float64)
        # several projections onto one receptor add their weights in the circuit's order
        made.pre.order = k
    return [made]


def _traces(task: Task, name: str, group: brian2.NeuronGroup, clock: brian2.Clock) -> brian2.StateMonitor:
    known = _recordable(group)
    for variable in task.record[name]:
        if variable not in known:
            raise InputError(f"record: {name}", f"no variable {variable!r}", one_of(variable, known))
    return brian2.StateMonitor(
        group,
        [known[variable] for variable in task.record[name]],
        record=task.neurons[name],
        clock=clock,
        when="start",
        name=f"{group.name}_traces",
    )


def _recordable(group: brian2.NeuronGroup | brian2.Synapses) -> dict[str, str]:
    """The variables of a population or projection, as its card calls them -> as they are called in Brian2."""
    if isinstance(group, brian2.Synapses):
        # of the others Brian2 cannot keep those that rest on what the cells say
        return {continuous.on_card(name): name for name in group.equations.diff_eq_names}
    names = {continuous.on_card(name): name for name in group.equations.names}
    return {name: own for name, own in names.items() if name not in ("", "lastspike", "not_refractory")}


def _trace(task: Task, wired: Wired, name: str, variable: str) -> Trace:
    group = wired.cells[name] if name in wired.cells else wired.plastic[name]
    own = _recordable(group)[variable]
    values = np.array(wired.traces[name].variables[own].get_value())
    return Trace(values, task.neurons[name], _unit_text(group.variables[own].dim), task.dt)


def _weights(wired: Wired, projection: Projection, rule: Plastic) -> NDArray[np.float64]:
    """What a plastic projection has learnt (pre, post)."""
    name = continuous.learnt(rule.card.weight)
    values = np.array(wired.plastic[projection.name].state(name, use_units=False)[:], dtype=np.float64)
    return values.reshape(projection.weights.shape)


def _unit_text(dimension: Dimension) -> str:
    """The SI unit as people write it, "A/m²", where Brian2 writes "A/(m^2)"."""
    text = "" if dimension is DIMENSIONLESS else str(get_unit(dimension))
    return text.replace("(", "").replace(")", "").replace("^2", "²").replace("^3", "³") if text.count("/") < 2 else text
