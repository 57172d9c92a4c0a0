"""One cell with its morphology in Brian2: a membrane on every compartment, currents injected at points of the file.

Brian2's SpatialNeuron solves the cable equation in each step of `dt` by the implicit Euler method, after the gates
moved by the card's own method. What a person or a file calls a point never reaches its generated code.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import brian2
import numpy as np
from brian2 import Quantity
from numpy.typing import NDArray

from snnlab.brian.device import REPORT, bar, compiled, runtime
from snnlab.brian.error_messages import as_input_error
from snnlab.brian.inputs import Input, check_seed, current_in_steps
from snnlab.brian.model import BrianModel, build_model
from snnlab.brian.multicompartment.compartments import Cable, Spot, divide
from snnlab.brian.quantities import parse_unit, to_seconds, to_si, to_steps
from snnlab.brian.run import chosen
from snnlab.cards import Cell, Compartment
from snnlab.cards.equation import parse_equations
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Number, Population
from snnlab.networks.morphology import SOMA, Morphology

# Not on the shelf, whose cells all fire.
PASSIVE = Cell(
    id="passive",
    name="Passive membrane",
    summary="A leak and a capacitance, 10 ms and 10 kohm cm2, and no channel that opens or closes.",
    reference="Rall, Electrophysiology of a dendritic neuron model, Biophys. J. 2:145, 1962",
    equations=parse_equations("dv/dt = (g_L*(E_L - v) + I)/C_m : volt"),
    parameters=MappingProxyType({"C_m": "1 uF/cm**2", "g_L": "0.1 mS/cm**2", "E_L": "-70 mV"}),
    threshold="",
    reset="",
    refractory="",
    method="exponential_euler",
    dt="0.1 ms",
    start=MappingProxyType({"v": "E_L"}),
    compartments=MappingProxyType({"membrane": Compartment("membrane", "v", "I", "amp/metre**2")}),
    receptors=MappingProxyType({}),
    rate="",
    functions=MappingProxyType({}),
    example=MappingProxyType({"inject": {"membrane": "1 uA/cm**2"}, "duration": "200 ms"}),
    digest="",
    path="passive",
)
"""A membrane without channels, where no card is named."""

RESISTIVITY = "150 ohm*cm"
"""Of the cytoplasm, unless told otherwise."""

LONGEST = "20 um"
"""Of a compartment, unless told otherwise."""

# What SpatialNeuron calls its own, and what is added to the equations below.
_TAKEN = frozenset("Im Ic Ri length distance area volume diameter x y z time_constant space_constant".split())
_OURS = re.compile(r"(share|into)_\d+|r_length_[12]")
_NOTHING: Mapping[str, Number] = MappingProxyType({})


@dataclass(frozen=True, eq=False)
class Wired:
    """A cell ready to run, and what is asked afterwards; `watched` is the compartment of each row of `traces`."""

    network: brian2.Network
    neuron: brian2.SpatialNeuron
    traces: brian2.StateMonitor
    spikes: brian2.SpikeMonitor | None
    watched: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class _Task:
    """A simulation in which everything fits: SI floats, and a spot on the cable for every name.

    where   what a refusal names
    inject  name -> its current in each step (steps,), amperes
    spots   name -> where it is, of all that are injected into or recorded
    firing  compartment in which spikes are looked for
    """

    where: str
    cable: Cable
    model: BrianModel
    capacitance: Quantity
    current: Compartment
    resistivity: float
    steps: int
    dt: float
    inject: Mapping[str, NDArray[np.float64]]
    record: tuple[str, ...]
    spots: Mapping[str, Spot]
    firing: int


def simulate_morphology(
    morphology: Morphology,
    inject: Mapping[str, Input],
    duration: Number,
    *,
    cell: Cell = PASSIVE,
    parameters: Mapping[str, Number] = _NOTHING,
    record: Sequence[str | int] = ("soma",),
    resistivity: Number = RESISTIVITY,
    longest: Number = LONGEST,
    dt: Number | None = None,
    seed: int = 0,
    target: str = "auto",
    progress: bool = False,
) -> Recording:
    """One run of a cell with its morphology in Brian2, a point being the id that the file gives it, or one of the
    words soma (its first point), root and farthest.

    inject       point -> Pulse, or an array of currents (steps,), in amperes
    duration     seconds or text; a whole number of steps
    cell         the membrane on every compartment: a card with one compartment whose current is per area
    parameters   of the card, where they differ from it
    record       points whose potential is kept, at the start of each step
    resistivity  of the cytoplasm, in ohm metres or text
    longest      metres or text: no compartment is longer
    dt           seconds or text, else the card's
    target       "numpy", "cpp" or "auto", as for ``simulate``

    The recording's population is "cell": its traces are the potentials, each by its point as text, and the injected
    currents, ``"into soma"``; its spikes are those of the soma, or of the root where there is none.

    Raises InputError for names, units and numbers that do not fit, for a card that is no density of currents, and for a
    potential that stops being a number.
    """
    options = {"resistivity": resistivity, "longest": longest, "dt": cell.dt if dt is None else dt}
    task = _plan(morphology, cell, parameters, inject, record, {"duration": duration} | options, seed)
    if chosen(target, _numpy_seconds(task)) == "cpp":
        with compiled(seed, progress) as run:
            wired = _wire(task)
            run(wired.network, task.steps * task.dt)
            return _read(task, wired)
    with bar(1, progress) as report, runtime(seed):
        wired = _wire(task)
        with as_input_error(task.where):
            wired.network.run(
                task.steps * task.dt * brian2.second,
                namespace={},
                report=report(0),
                report_period=REPORT * brian2.second,
            )
        return _read(task, wired)


def _plan(
    morphology: Morphology,
    cell: Cell,
    parameters: Mapping[str, Number],
    inject: Mapping[str, Input],
    record: Sequence[str | int],
    options: Mapping[str, Number],
    seed: int,
) -> _Task:
    check_seed(seed)
    dt = to_seconds(options["dt"], "dt")
    steps = to_steps(to_seconds(options["duration"], "duration"), dt, "duration")
    resistivity = _above_0(options["resistivity"], "ohm*metre", "resistivity", "'150 ohm*cm'")
    model, capacitance = _membrane(cell, parameters)
    cable = divide(morphology, _above_0(options["longest"], "metre", "longest", "'20 um'"))
    points = {str(place): morphology.point(place, "record") for place in record}
    points |= {str(place): morphology.point(place, "inject") for place in inject}
    currents = {
        str(place): current_in_steps(current, "amp", 1, steps, dt, f"inject: {place}").reshape(steps)
        for place, current in inject.items()
    }
    fires = morphology.point("soma" if SOMA in morphology.types else "root", morphology.path)
    return _Task(
        where=f"{cell.path} on {morphology.path}",
        cable=cable,
        model=model,
        capacitance=capacitance,
        current=next(iter(cell.compartments.values())),
        resistivity=resistivity,
        steps=steps,
        dt=dt,
        inject=currents,
        record=tuple(dict.fromkeys(str(place) for place in record)),
        spots={name: cable.spots[point] for name, point in points.items()},
        firing=int(cable.spots[fires].compartments[0]),
    )


def _above_0(value: Number, like: str, where: str, right: str) -> float:
    found = to_si(value, like, where)
    if not 0 < found < np.inf:
        raise InputError(where, f"found {value!r}", f"needs a value above 0, such as {right}")
    return found


def _numpy_seconds(task: _Task) -> float:
    """About how long it takes without compiling, within a factor of about two (measured for 1 to 100 stretches)."""
    per_step = 0.6e-3 + 15e-6 * len(task.cable.stretches) + 1e-6 * task.cable.compartments
    return per_step * task.steps


# The membrane ---------------------------------------------------------------------------------------------------------


def _membrane(cell: Cell, parameters: Mapping[str, Number]) -> tuple[BrianModel, Quantity]:
    """The card as SpatialNeuron takes it, with `Im` for the equation of the potential; and its capacitance."""
    if len(cell.compartments) != 1:
        raise InputError(cell.path, f"{len(cell.compartments)} compartments", "a membrane for a morphology has one")
    part = next(iter(cell.compartments.values()))
    if Quantity(parse_unit(part.unit)).dim is not Quantity(parse_unit("amp/metre**2")).dim:
        found = f"currents in {part.unit}"
        raise InputError(
            f"{cell.path}: compartments.{part.name}.unit", found, "needs currents per area, as amp/metre**2"
        )
    if part.potential != "v":
        found = f"found {part.potential!r}"
        raise InputError(f"{cell.path}: compartments.{part.name}.potential", found, "a morphology needs it to be v")
    if cell.reset:
        raise InputError(f"{cell.path}: reset", f"found {cell.reset!r}", "a membrane for a morphology has none")
    for name in [*(equation.name for equation in cell.equations), *cell.parameters, part.current]:
        if name in _TAKEN or _OURS.fullmatch(name):
            raise InputError(cell.path, f"{name!r} is a name of the morphology's", "choose another")
    model = build_model(Population("cell", cell, 1, parameters))
    inward, by = _divided(cell, model)
    # SpatialNeuron has the capacitance as a variable of its own, under this name
    if "Cm" in cell.parameters and by != "Cm":
        raise InputError(cell.path, "'Cm' is a name of the morphology's", "choose another")
    lines = [str(equation) for equation in cell.equations if equation.name != "v"]
    lines.append(f"Im = {inward} : amp/metre**2")
    namespace = {name: value for name, value in model.namespace.items() if name not in ("Cm", part.current)}
    return replace(model, equations="\n".join(lines), namespace=namespace), model.namespace[by]


def _divided(cell: Cell, model: BrianModel) -> tuple[str, str]:
    """The inward current density, and the parameter that it is divided by, the capacitance per area."""
    equation = next((one for one in cell.equations if one.name == "v" and one.differential), None)
    plain = equation is not None and not equation.flags
    tree = ast.parse(equation.expression.strip(), mode="eval").body if equation and plain else None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and isinstance(tree.right, ast.Name):
        found = model.namespace.get(tree.right.id)
        like = Quantity(parse_unit("farad/metre**2")).dim
        if found is not None and found.dim is like and 0 < float(np.asarray(found)) < np.inf:
            return ast.unparse(tree.left), tree.right.id
    right = "a morphology needs dv/dt = (currents per area)/C_m, without a flag, with C_m above 0 in farad/metre**2"
    raise InputError(f"{cell.path}: equations", str(equation) if equation else "no dv/dt", right)


# In Brian2 ------------------------------------------------------------------------------------------------------------


class _Counted(brian2.Morphology):
    """What Brian2 asks a tree for, known already: it would walk it again at every question, and copy it."""

    _compartments = _sections = 0

    @property
    def total_compartments(self) -> int:
        return self._compartments

    @property
    def total_sections(self) -> int:
        return self._sections

    def __deepcopy__(self, memo: dict[int, Any]) -> _Counted:
        return self


class _Sphere(_Counted, brian2.Soma):
    pass


class _Run(_Counted, brian2.Section):
    _begin = 0.0

    @property
    def distance(self) -> Quantity:
        lengths = np.asarray(self.length)
        return (self._begin + np.cumsum(lengths) - 0.5 * lengths) * brian2.metre


def _tree(cable: Cable) -> _Counted:
    """The cable as Brian2's morphology, whose compartments it numbers in the same order."""
    metre = brian2.metre
    root: _Counted | None = _Sphere(diameter=cable.soma * metre) if cable.soma else None
    made: list[_Counted] = []
    for number, one in enumerate(cable.stretches):
        run = _Run(diameter=one.diameters * metre, length=one.lengths * metre, n=len(one.lengths))
        run._begin = one.begin
        parent = made[one.parent] if one.parent >= 0 else root
        if parent is not None:
            parent.children.add(f"stretch{number}", run)
        made.append(run)
    root = made[0] if root is None else root
    root._compartments, root._sections = cable.compartments, len(made) + bool(cable.soma)
    return root


def _wire(task: _Task) -> Wired:
    clock = brian2.Clock(task.dt * brian2.second, name="cell_clock")
    tables = {
        f"into_{k}": brian2.TimedArray(values * brian2.amp, dt=clock.dt, name=f"cell_into_{k}")
        for k, values in enumerate(task.inject.values())
    }
    total = " + ".join(f"share_{k}*into_{k}(t)" for k in range(len(tables))) or "0*amp"
    lines = [task.model.equations, f"{task.current.current} = ({total})/area : {task.current.unit}"]
    lines += [f"share_{k} : 1 (constant)" for k in range(len(tables))]
    firing = task.model.spiking_options()
    with as_input_error(task.where):
        neuron = brian2.SpatialNeuron(
            _tree(task.cable),
            "\n".join(lines),
            method=task.model.method,
            Cm=task.capacitance,
            Ri=task.resistivity * brian2.ohm * brian2.metre,
            namespace=dict(task.model.namespace) | tables,
            clock=clock,
            name="cell",
            **firing,
            **({"threshold_location": task.firing} if firing else {}),
        )
        task.model.set_initial_state(neuron)
    for k, name in enumerate(task.inject):
        share = np.zeros(task.cable.compartments)
        share[task.spots[name].compartments] = task.spots[name].shares
        neuron.state(f"share_{k}", use_units=False)[:] = share
    watched = np.unique([one for name in task.record for one in task.spots[name].compartments]).astype(np.int64)
    traces = brian2.StateMonitor(neuron, "v", record=watched, clock=clock, when="start", name="cell_traces")
    spikes = brian2.SpikeMonitor(neuron, name="cell_spikes") if firing else None
    network = brian2.Network(neuron, traces, *([] if spikes is None else [spikes]))
    return Wired(network, neuron, traces, spikes, watched)


def _read(task: _Task, wired: Wired) -> Recording:
    values = np.array(wired.traces.variables["v"].get_value())
    for name in sorted({"v", *wired.neuron.equations.diff_eq_names}):
        if not np.isfinite(np.asarray(wired.neuron.state(name, use_units=False)[:])).all():
            raise InputError(
                task.where, f"{name!r} is no finite number at the end", f"use a smaller dt than {task.dt:g} s"
            )
    rows = {int(compartment): row for row, compartment in enumerate(wired.watched)}
    traces = {}
    for name in task.record:
        spot = task.spots[name]
        potential = values[:, [rows[int(one)] for one in spot.compartments]] @ spot.shares
        entering = [current for other, current in task.inject.items() if task.spots[other] is spot]
        # what is injected here reaches the middles of the compartments through the cytoplasm
        potential = potential + sum(entering, np.zeros(task.steps)) * spot.resistance * task.resistivity
        traces[name] = Trace(potential[:, None], np.zeros(1, dtype=np.int64), "V", task.dt)
    for name, current in task.inject.items():
        traces[f"into {name}"] = Trace(current[:, None], np.zeros(1, dtype=np.int64), "A", task.dt)
    spikes = {} if wired.spikes is None else {"cell": _spikes(task, wired.spikes)}
    return Recording(spikes, {"cell": traces}, task.steps * task.dt, task.dt)


def _spikes(task: _Task, monitor: brian2.SpikeMonitor) -> SpikeTrains:
    step = np.rint(np.asarray(monitor.t_[:]) / task.dt).astype(np.int64)
    nobody = np.zeros_like(step)
    return SpikeTrains.from_events(nobody, step, nobody, samples=1, steps=task.steps, size=1, dt=task.dt)
