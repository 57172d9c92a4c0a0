"""A task as Brian2's objects, and what they hold after the run as a recording.

Brian2's names are made up here from counters: no name that a person chose reaches its generated code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import brian2
import numpy as np
from brian2.equations.equations import PARAMETER, Equations, SingleEquation
from brian2.stateupdaters.base import UnsupportedEquationsException
from brian2.units.fundamentalunits import DIMENSIONLESS, Dimension, get_unit
from numpy.typing import NDArray

from snnlab.circuit import Population, Projection
from snnlab.equations import Model, compose, describe, innermost, unit
from snnlab.errors import Refused, one_of
from snnlab.recording import Recording, Trace
from snnlab.simulate.task import Task
from snnlab.spikes import Spikes
from snnlab.weights import listed

_SCHEDULE = ["start", "groups", "thresholds", "synapses", "resets", "end"]


@dataclass(frozen=True, eq=False)
class Wired:
    """A network ready to run, and the objects in it that are asked afterwards; each by the name of its population."""

    network: brian2.Network
    clock: brian2.Clock
    sources: Mapping[str, brian2.SpikeGeneratorGroup]
    cells: Mapping[str, brian2.NeuronGroup]
    spikes: Mapping[str, brian2.SpikeMonitor]
    traces: Mapping[str, brian2.StateMonitor]


def wire(task: Task, sample: int = 0) -> Wired:
    """The task in Brian2, fed with one sample. Raises Refused where Brian2 cannot make it."""
    clock = brian2.Clock(task.dt * brian2.second, name="circuit_clock")
    models = {one.name: compose(one, _expressions(task, one)) for one in task.circuit.populations}
    sources, cells = {}, {}
    for k, node in enumerate(task.circuit.nodes):
        with refusing(f"population {node.name!r}"):
            if isinstance(node, Population):
                cells[node.name] = _cells(task, k, node, models[node.name], clock)
            else:
                ids, times = _events(task, node.name, sample)
                sources[node.name] = brian2.SpikeGeneratorGroup(
                    node.size, ids, times, clock=clock, sorted=True, name=f"source_{k}"
                )
    groups = {**sources, **cells}
    synapses = []
    for k, one in enumerate(task.circuit.projections):
        variable = models[one.post].receptors[one.receptor]
        delay = task.delays[k] * task.dt * brian2.second
        synapses += _synapses(one, k, groups[one.pre], groups[one.post], variable, delay)
    spikes = {
        name: brian2.SpikeMonitor(group, name=f"{group.name}_spikes")
        for name, group in cells.items()
        if models[name].threshold
    }
    traces = {name: _traces(task, name, cells[name], clock) for name, variables in task.record.items() if variables}
    network = brian2.Network(*groups.values(), *synapses, *spikes.values(), *traces.values())
    network.schedule = _SCHEDULE
    return Wired(network, clock, sources, cells, spikes, traces)


def feed(task: Task, wired: Wired, sample: int) -> None:
    """Give the sources another sample's spikes."""
    for name, source in wired.sources.items():
        source.set_spikes(*_events(task, name, sample), sorted=True)


def read(task: Task, wired: Wired, sample: int) -> Recording:
    """What the run left behind."""
    spikes = {name: batch.sample(sample) for name, batch in task.spikes.items()}
    for name, monitor in wired.spikes.items():
        step = np.rint(np.asarray(monitor.t_[:]) / task.dt).astype(np.int64)
        spikes[name] = Spikes.from_events(
            np.zeros_like(step), step, monitor.i[:],
            samples=1, steps=task.steps, size=task.circuit[name].size, dt=task.dt,
        )  # fmt: skip
    traces = {
        name: {variable: _trace(task, wired, name, variable) for variable in task.record[name]} for name in wired.traces
    }
    return Recording(spikes, traces, task.duration, task.dt)


def not_finite(wired: Wired) -> tuple[str, str] | None:
    """The first population and state variable that holds NaN or infinity now."""
    for name, group in wired.cells.items():
        for variable in sorted(group.equations.diff_eq_names):
            if not np.isfinite(np.asarray(group.state(variable, use_units=False)[:])).all():
                return name, variable
    return None


@contextmanager
def refusing(where: str) -> Iterator[None]:
    """Brian2's errors become one line that says where they arose."""
    try:
        yield
    except Refused:
        raise
    except Exception as error:  # Brian2 has many types for what it cannot do; each carries its reason
        linear = isinstance(innermost(error), UnsupportedEquationsException)
        right = "give the population another method, such as 'exponential_euler'" if linear else ""
        raise Refused(where, describe(error), right) from error


def _expressions(task: Task, population: Population) -> dict[str, str]:
    """Compartment -> the current injected there, as a function of time that Brian2 looks up in its table."""
    return {
        compartment: f"{_table(compartment)}(t)" if values.ndim == 1 else f"{_table(compartment)}(t, i)"
        for (name, compartment), values in task.currents.items()
        if name == population.name
    }


def _table(compartment: str) -> str:
    return f"current_into_{compartment}"


def _cells(task: Task, k: int, population: Population, model: Model, clock: brian2.Clock) -> brian2.NeuronGroup:
    tables = {}
    for (name, compartment), values in task.currents.items():
        if name == population.name:
            quantity = values * unit(population.cell.compartments[compartment].unit)
            tables[_table(compartment)] = brian2.TimedArray(
                quantity, dt=clock.dt, name=f"cells_{k}_{_table(compartment)}"
            )
    return model.group(population.size, dt=clock, name=f"cells_{k}", **tables)


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
        raise Refused(where, f"{projection.pre!r} has no threshold", "only cells that spike can project")
    source, target, weights = listed(projection.weights)
    if not len(weights):
        return []
    with refusing(where):
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
    known = set(group.equations.names) - {"lastspike", "not_refractory"}
    for variable in task.record[name]:
        if variable not in known:
            raise Refused(f"record: {name}", f"no variable {variable!r}", one_of(variable, known))
    return brian2.StateMonitor(
        group,
        list(task.record[name]),
        record=task.neurons[name],
        clock=clock,
        when="start",
        name=f"{group.name}_traces",
    )


def _trace(task: Task, wired: Wired, name: str, variable: str) -> Trace:
    values = np.array(wired.traces[name].variables[variable].get_value())
    return Trace(values, task.neurons[name], _unit_text(wired.cells[name].variables[variable].dim), task.dt)


def _unit_text(dimension: Dimension) -> str:
    """The SI unit as people write it, "A/m²", where Brian2 writes "A/(m^2)"."""
    text = "" if dimension is DIMENSIONLESS else str(get_unit(dimension))
    return text.replace("(", "").replace(")", "").replace("^2", "²").replace("^3", "³") if text.count("/") < 2 else text
