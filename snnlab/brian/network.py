"""Build the Brian2 objects of a simulation, and read them out after the run.

Brian2's names are made from counters: no name of a user's circuit reaches its generated code.
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
from snnlab.brian.inputs import Simulation
from snnlab.brian.model import BrianModel, build_model
from snnlab.brian.quantities import parse_unit
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of
from snnlab.networks.circuit import SOURCE_VARIABLE, Plastic, Population, Projection, Source
from snnlab.networks.weights import synapse_list

_SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


@dataclass(frozen=True, eq=False)
class BrianNetwork:
    """A network ready to run, and its objects by the names of their populations or projections."""

    network: brian2.Network
    clock: brian2.Clock
    sources: Mapping[str, brian2.SpikeGeneratorGroup]
    rate_tables: Mapping[str, brian2.TimedArray]
    cells: Mapping[str, brian2.NeuronGroup]
    plastic: Mapping[str, brian2.Synapses]
    spikes: Mapping[str, brian2.SpikeMonitor]
    traces: Mapping[str, brian2.StateMonitor]


def build_network(simulation: Simulation, sample: int = 0) -> BrianNetwork:
    """The network in its initial state with the inputs of one sample. Raises InputError with Brian2's reason."""
    clock = brian2.Clock(simulation.dt * brian2.second, name="circuit_clock")
    circuit = simulation.circuit
    models = {
        population.name: build_model(
            population, _current_expressions(simulation, population), continuous.summands(circuit, population)
        )
        for population in circuit.populations
    }
    tables = {
        name: continuous.rate_table(rates, sample, simulation.steps, simulation.dt, f"rates_{k}")
        for k, (name, rates) in enumerate(simulation.rates.items())
    }
    groups = {}
    for k, node in enumerate(circuit.nodes):
        with as_input_error(f"population {node.name!r}"):
            if isinstance(node, Population):
                groups[node.name] = _cells(simulation, k, node, models[node.name], clock)
            else:
                groups[node.name] = _source(simulation, k, node, tables.get(node.name), sample, clock)
            continuous.update_before_steps(groups[node.name], continuous.derived_variables(circuit, node))
    sources = {name: groups[name] for name in simulation.spikes}
    cells = {population.name: groups[population.name] for population in circuit.populations}
    synapses, plastic = _projections(simulation, groups, models)
    spikes = {
        name: brian2.SpikeMonitor(group, name=f"{group.name}_spikes")
        for name, group in cells.items()
        if models[name].threshold
    }
    recordable = {**cells, **plastic}
    traces = {
        name: _monitor(simulation, name, recordable[name], clock)
        for name, variables in simulation.record.items()
        if variables
    }
    network = brian2.Network(*groups.values(), *synapses, *spikes.values(), *traces.values())
    network.schedule = _SCHEDULE
    return BrianNetwork(network, clock, sources, tables, cells, plastic, spikes, traces)


def set_inputs(simulation: Simulation, network: BrianNetwork, sample: int) -> None:
    """Replace the spikes and rates of the sources by those of another sample."""
    for name, table in network.rate_tables.items():
        # Brian2's functions of the table read this array
        table.values[:] = simulation.rates[name].values[sample]
    for name, source in network.sources.items():
        source.set_spikes(*_events(simulation, name, sample), sorted=True)


def make_recording(simulation: Simulation, network: BrianNetwork, sample: int) -> Recording:
    """The recording of one sample after its run."""
    spikes = {name: batch.sample(sample) for name, batch in simulation.spikes.items()}
    for name, monitor in network.spikes.items():
        step = np.rint(np.asarray(monitor.t_[:]) / simulation.dt).astype(np.int64)
        spikes[name] = SpikeTrains.from_events(
            np.zeros_like(step), step, monitor.i[:],
            samples=1, steps=simulation.steps, size=simulation.circuit[name].size, dt=simulation.dt,
        )  # fmt: skip
    traces = {
        name: {variable: _trace(simulation, network, name, variable) for variable in simulation.record[name]}
        for name in network.traces
    }
    weights = {
        projection.name: _weights(network, projection, projection.plasticity)
        for projection in simulation.circuit.projections
        if projection.plasticity is not None
    }
    return Recording(spikes, traces, simulation.duration, simulation.dt, weights)


def find_not_finite(network: BrianNetwork) -> tuple[str, str] | None:
    """The first population or projection, and its state variable, that is NaN or infinite now."""
    groups = [(f"population {name!r}", group) for name, group in network.cells.items()]
    groups += [(f"projection {name!r}", synapses) for name, synapses in network.plastic.items()]
    for field, group in groups:
        for variable in sorted(group.equations.diff_eq_names):
            if not np.isfinite(np.asarray(group.state(variable, use_units=False)[:])).all():
                return field, continuous.card_name(variable)
    return None


def _current_expressions(simulation: Simulation, population: Population) -> dict[str, str]:
    """Compartment -> its injected current, as a function of time that is evaluated from a table."""
    return {
        compartment: f"{_current_table(compartment)}(t)" if values.ndim == 1 else f"{_current_table(compartment)}(t, i)"
        for (name, compartment), values in simulation.currents.items()
        if name == population.name
    }


def _current_table(compartment: str) -> str:
    return f"current_into_{compartment}"


def _cells(
    simulation: Simulation, k: int, population: Population, model: BrianModel, clock: brian2.Clock
) -> brian2.NeuronGroup:
    tables = {}
    for (name, compartment), values in simulation.currents.items():
        if name == population.name:
            current = values * parse_unit(population.cell.compartments[compartment].unit)
            table = _current_table(compartment)
            tables[table] = brian2.TimedArray(current, dt=clock.dt, name=f"cells_{k}_{table}")
    declarations = continuous.declarations(continuous.derived_variables(simulation.circuit, population))
    model = replace(model, equations=model.equations + declarations)
    return model.group(population.size, dt=clock, name=f"cells_{k}", **tables)


def _source(
    simulation: Simulation, k: int, source: Source, rates: brian2.TimedArray | None, sample: int, clock: brian2.Clock
) -> brian2.SpikeGeneratorGroup | brian2.NeuronGroup:
    if rates is None:
        ids, times = _events(simulation, source.name, sample)
        return brian2.SpikeGeneratorGroup(source.size, ids, times, clock=clock, sorted=True, name=f"source_{k}")
    declarations = continuous.declarations(continuous.derived_variables(simulation.circuit, source))
    equations = f"{SOURCE_VARIABLE} = rates(t, i) : 1{declarations}"
    return brian2.NeuronGroup(source.size, equations, clock=clock, name=f"source_{k}", namespace={"rates": rates})


def _events(simulation: Simulation, source: str, sample: int) -> tuple[NDArray[np.int32], brian2.Quantity]:
    """Neurons and times of a source's spikes."""
    _, step, ids = simulation.spikes[source].sample(sample).events()
    # the middle of the step, so that rounding cannot move a spike to another one
    return ids, (step + 0.5) * simulation.dt * brian2.second


def _projections(
    simulation: Simulation, groups: Mapping[str, brian2.Group], models: Mapping[str, BrianModel]
) -> tuple[list[brian2.Synapses], dict[str, brian2.Synapses]]:
    """The synapses of all projections, and those of the plastic ones by name."""
    circuit = simulation.circuit
    learning = None if simulation.learning.all() else continuous.learning_table(simulation.learning, simulation.dt)
    synapses, plastic = [], {}
    for k, projection in enumerate(circuit.projections):
        pre, post = groups[projection.pre], groups[projection.post]
        with as_input_error(f"projection {projection.name!r}"):
            if not circuit.is_continuous(projection):
                variable = models[projection.post].receptors[projection.receptor]
                delay = simulation.delays[k] * simulation.dt * brian2.second
                synapses += _spiking_synapses(projection, k, pre, post, variable, delay)
            elif projection.plasticity is None:
                synapses += continuous.fixed_synapses(circuit, k, pre, post)
            else:
                plastic[projection.name] = continuous.plastic_synapses(
                    circuit, k, projection.plasticity, pre, post, learning
                )
    return [*synapses, *plastic.values()], plastic


def _spiking_synapses(
    projection: Projection,
    k: int,
    pre: brian2.SpikeGeneratorGroup | brian2.NeuronGroup,
    post: brian2.NeuronGroup,
    variable: str,
    delay: brian2.Quantity,
) -> list[brian2.Synapses]:
    """Synapses that raise `variable` of `post` with every spike; an empty list for a projection without synapses."""
    if "spike" not in pre.events:
        problem = f"{projection.pre!r} has no threshold"
        raise InputError(f"projection {projection.name!r}", problem, "must be a population that spikes")
    source, target, weights = synapse_list(projection.weights)
    if not len(weights):
        return []
    weight = Equations([SingleEquation(PARAMETER, "synaptic__w", post.variables[variable].dim, flags=["constant"])])
    synapses = brian2.Synapses(
        pre,
        post,
        weight,
        on_pre=f"{variable}_post += synaptic__w",
        delay=delay,
        clock=post.clock,
        name=f"synapses_{k}",
    )
    synapses.connect(i=source, j=target)
    synapses.synaptic__w_ = weights.astype(np.float64)
    # projections onto the same receptor add their weights in the circuit's order
    synapses.pre.order = k
    return [synapses]


def _monitor(simulation: Simulation, name: str, group: brian2.NeuronGroup, clock: brian2.Clock) -> brian2.StateMonitor:
    known = _recordable_variables(group)
    for variable in simulation.record[name]:
        if variable not in known:
            raise InputError(f"record: {name}", f"no variable {variable!r}", one_of(variable, known))
    return brian2.StateMonitor(
        group,
        [known[variable] for variable in simulation.record[name]],
        record=simulation.neurons[name],
        clock=clock,
        when="start",
        name=f"{group.name}_traces",
    )


def _recordable_variables(group: brian2.NeuronGroup | brian2.Synapses) -> dict[str, str]:
    """Names of variables on the card -> their names in Brian2."""
    if isinstance(group, brian2.Synapses):
        # Brian2 cannot record variables of synapses that depend on those of the cells
        return {continuous.card_name(name): name for name in group.equations.diff_eq_names}
    names = {continuous.card_name(name): name for name in group.equations.names}
    return {name: brian_name for name, brian_name in names.items() if name not in ("", "lastspike", "not_refractory")}


def _trace(simulation: Simulation, network: BrianNetwork, name: str, variable: str) -> Trace:
    group = network.cells[name] if name in network.cells else network.plastic[name]
    brian_name = _recordable_variables(group)[variable]
    values = np.array(network.traces[name].variables[brian_name].get_value())
    return Trace(values, simulation.neurons[name], _unit_text(group.variables[brian_name].dim), simulation.dt)


def _weights(network: BrianNetwork, projection: Projection, rule: Plastic) -> NDArray[np.float64]:
    """The final weights of a plastic projection (pre, post)."""
    name = continuous.synapse_name(rule.card.weight)
    values = np.array(network.plastic[projection.name].state(name, use_units=False)[:], dtype=np.float64)
    return values.reshape(projection.weights.shape)


def _unit_text(dimension: Dimension) -> str:
    """The SI unit in common notation: "A/m²", where Brian2 writes "A/(m^2)"."""
    text = "" if dimension is DIMENSIONLESS else str(get_unit(dimension))
    return text.replace("(", "").replace(")", "").replace("^2", "²").replace("^3", "³") if text.count("/") < 2 else text
