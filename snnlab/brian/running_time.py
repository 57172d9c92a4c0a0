"""Estimate how long NumPy takes for a simulation, to decide whether compiling pays off."""

from __future__ import annotations

import ast

from snnlab.brian.inputs import Simulation
from snnlab.networks.circuit import Population
from snnlab.networks.weights import fan_out

_STAGES = {"rk2": 2, "heun": 2, "rk4": 4}  # evaluations of the equations in a step; 1 for other methods
_FIRING_RATE = 10  # hertz, assumed of every neuron


def estimated_numpy_seconds(simulation: Simulation) -> float:
    """Expected time without compilation, within a factor of about two.

    Measured on one core at 2.5 GHz: an operation of an equation takes 0.6 us per step and 0.45 ns per cell, a function
    ten times as long per cell; a synapse of a continuous projection takes 15 ns per step, and 35 ns if it is plastic.
    """
    per_step = 0.0
    for population in simulation.circuit.populations:
        operations, functions = _operations(population)
        per_step += 35e-6 + 0.6e-6 * (operations + functions)
        per_step += population.size * (5e-9 + 0.45e-9 * (operations + 10 * functions))
    for projection in simulation.circuit.projections:
        synapses = float(fan_out(projection.weights).sum())
        if not simulation.circuit.is_continuous(projection):
            per_step += 40e-6 + 15e-9 * _FIRING_RATE * simulation.dt * synapses
        elif projection.plasticity is None:
            per_step += 60e-6 + 15e-9 * synapses
        else:
            per_step += 150e-6 + 35e-9 * synapses
    return per_step * simulation.steps * simulation.samples


def _operations(population: Population) -> tuple[int, int]:
    """Operations and functions that a step of a cell evaluates, in all stages of its integration method."""
    synapses = (receptor.synapse for receptor in population.receptors.values())
    equations = [*population.cell.equations, *(equation for synapse in synapses for equation in synapse.equations)]
    nodes = [node for equation in equations if equation.expression for node in ast.walk(equation.tree)]
    functions = sum(isinstance(node, ast.Call | ast.Pow) for node in nodes)
    operations = sum(isinstance(node, ast.operator) and not isinstance(node, ast.Pow) for node in nodes)
    stages = _STAGES.get(population.method or population.cell.method, 1)
    return operations * stages, functions * stages
