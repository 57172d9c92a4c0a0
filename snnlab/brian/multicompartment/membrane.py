"""The membrane of a morphology: a cell card as the equations of Brian2's SpatialNeuron."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
from brian2 import Quantity

from snnlab.brian.model import BrianModel, build_model
from snnlab.brian.quantities import parse_unit
from snnlab.cards import Cell, Compartment
from snnlab.cards.equation import parse_equations
from snnlab.errors import InputError
from snnlab.networks.circuit import Number, Population

# Not in the model library, whose cells all fire.
PASSIVE = Cell(
    id="passive",
    name="Passive membrane",
    summary="A leak and a capacitance, 10 ms and 10 kohm cm2, without voltage-gated channels.",
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
"""A membrane without channels: the default."""

# SpatialNeuron's own variables, and the names that this package adds to the equations.
_RESERVED = frozenset("Im Ic Ri length distance area volume diameter x y z time_constant space_constant".split())
_ADDED = re.compile(r"(share|into)_\d+|r_length_[12]")


def membrane_model(cell: Cell, parameters: Mapping[str, Number]) -> tuple[BrianModel, Quantity]:
    """The model with the membrane current `Im` in place of the equation of `v`, and the capacitance per area.

    Raises InputError for a card that is not a membrane: one compartment, currents per area, and no reset.
    """
    _check_card(cell)
    model = build_model(Population("cell", cell, 1, parameters))
    current, capacitance = _membrane_current(cell, model)
    # SpatialNeuron has the capacitance as a variable of this name
    if "Cm" in cell.parameters and capacitance != "Cm":
        raise InputError(cell.path, "'Cm' is a name of Brian2's SpatialNeuron", "choose another name")
    lines = [str(equation) for equation in cell.equations if equation.name != "v"]
    lines.append(f"Im = {current} : amp/metre**2")
    removed = "Cm", next(iter(cell.compartments.values())).current
    namespace = {name: value for name, value in model.namespace.items() if name not in removed}
    return replace(model, equations="\n".join(lines), namespace=namespace), model.namespace[capacitance]


def _check_card(cell: Cell) -> None:
    if len(cell.compartments) != 1:
        raise InputError(cell.path, f"{len(cell.compartments)} compartments", "a membrane must have one")
    compartment = next(iter(cell.compartments.values()))
    field = f"{cell.path}: compartments.{compartment.name}"
    if Quantity(parse_unit(compartment.unit)).dim is not Quantity(parse_unit("amp/metre**2")).dim:
        raise InputError(f"{field}.unit", f"got {compartment.unit}", "must be a current per area, as amp/metre**2")
    if compartment.potential != "v":
        raise InputError(f"{field}.potential", f"got {compartment.potential!r}", "must be v for a membrane")
    if cell.reset:
        raise InputError(f"{cell.path}: reset", f"got {cell.reset!r}", "a membrane must not have a reset")
    for name in [*(equation.name for equation in cell.equations), *cell.parameters, compartment.current]:
        if name in _RESERVED or _ADDED.fullmatch(name):
            raise InputError(cell.path, f"{name!r} is a name of Brian2's SpatialNeuron", "choose another name")


def _membrane_current(cell: Cell, model: BrianModel) -> tuple[str, str]:
    """The inward current density of dv/dt = (current density)/C, and the name of the capacitance C."""
    derivatives = {equation.name: equation for equation in cell.equations if equation.differential}
    equation = derivatives.get("v")
    tree = equation.tree if equation is not None and not equation.flags else None
    if isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.Div) and isinstance(tree.right, ast.Name):
        capacitance = model.namespace.get(tree.right.id)
        dimension = Quantity(parse_unit("farad/metre**2")).dim
        if capacitance is not None and capacitance.dim is dimension and 0 < float(np.asarray(capacitance)) < np.inf:
            return ast.unparse(tree.left), tree.right.id
    hint = "must be dv/dt = (currents per area)/C_m without flags, and C_m positive in farad/metre**2"
    raise InputError(f"{cell.path}: equations", str(equation) if equation else "no dv/dt", hint)
