"""Dendritic microcircuits for tests: circuits, weights and source rates, and the equations of the forward pass and its
gradient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.engine import RateResponse, RunState, run_rates
from snnlab.networks.building import per_layer
from snnlab.networks.circuit import Circuit, Plastic
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.dendritic.steady_state import random_weights, self_predicting_weights, steady_state

Values = NDArray[np.floating]

PUBLISHED = {"basal": 1.1875, "dendrite": 1.1875, "inhibition": 0.5}
"""Learning rates by receptor, in 1/s: those of the paper's association, with fixed top-down weights."""


def build_circuit(
    network: Microcircuit,
    inputs: int,
    outputs: int,
    learning_rates: Mapping[str, float] = PUBLISHED,
    filter_time: float = 1e-3,
) -> Circuit:
    """The network's circuit with these learning rates.

    learning_rates  by receptor, or by population and receptor, as "hidden1.basal"; 0 for all others
    """
    circuit = network.circuit((inputs,), outputs, 1e-4)
    projections = []
    for one in circuit.projections:
        if one.plasticity:
            rate = learning_rates.get(f"{one.post}.{one.receptor}", learning_rates.get(one.receptor, 0.0))
            one = replace(one, plasticity=Plastic(one.plasticity.card, {"eta": rate, "tau_w": filter_time}))
        projections.append(one)
    return replace(circuit, projections=tuple(projections))


def source_rates(inputs: Values, outputs: int, targets: Values | None = None) -> dict[str, RateInput]:
    """Rates of all sources, for inputs (samples, inputs) or several in succession (samples, segments, inputs).

    targets  potentials (samples, outputs) to which a teacher nudges the output; None for no teacher
    """
    nudge = np.full((len(inputs), 1), 0.0 if targets is None else 1.0)
    return {
        "input": RateInput(inputs) if inputs.ndim == 3 else RateInput.constant(inputs),
        "target": RateInput.constant(np.zeros((len(inputs), outputs)) if targets is None else targets),
        "nudge": RateInput.constant(nudge),
    }


def initial_weights(
    circuit: Circuit, rng: np.random.Generator, *, scale: Sequence[float] | float = 1.0, symmetric: bool = False
) -> dict[str, Values]:
    """Random weights, also for interneurons.

    scale      of basal weights, of each layer or of all
    symmetric  top-down weights are the transposed bottom-up weights
    """
    steady = steady_state(circuit, "a test")
    scales = [scale] * len(steady.mixing) if isinstance(scale, float) else scale
    weights = random_weights(circuit, steady, scales, 1.0, rng)
    if symmetric:
        for hidden, above in zip(steady.hidden, steady.path.layers[1:], strict=True):
            weights[hidden.apical] = weights[above.weights].T.copy()
    return weights


def self_predicting(circuit: Circuit, weights: Mapping[str, Values]) -> dict[str, Values]:
    """The same weights with interneurons that predict the layer above."""
    return {**weights, **self_predicting_weights(steady_state(circuit, "a test"), weights)}


def initial_state(weights: Mapping[str, Values]) -> RunState:
    """Cells at rest, these weights, and filters of 0."""
    return RunState({}, {name: {"w": values, "change": np.zeros_like(values)} for name, values in weights.items()})


def at_rest(running: RunState) -> RunState:
    """The same synapses with cells at rest."""
    return RunState({}, running.synapses)


def weights_of(running: RunState) -> dict[str, Values]:
    return {name: synapses["w"] for name, synapses in running.synapses.items()}


def converged(
    circuit: Circuit, weights: Mapping[str, Values], inputs: Values, targets: Values | None = None, steps: int = 2000
) -> RateResponse:
    """The steady state without learning: `means` holds u, r, r_B and v_A of the last step, where cells have them."""
    variables = {one.name: [line.name for line in one.cell.equations] for one in circuit.populations}
    recorded = {name: [one for one in ("u", "r", "r_B", "v_A") if one in own] for name, own in variables.items()}
    outputs = circuit["output"].size
    return run_rates(
        circuit, source_rates(inputs, outputs, targets), steps, learn=False, state=initial_state(weights),
        mean=recorded, mean_from=steps - 1, precision="float64",
    )  # fmt: skip


def basal(network: Microcircuit, weights: Mapping[str, Values]) -> list[Values]:
    """Bottom-up weights, from the input on."""
    names = ["input", *(f"hidden{k + 1}" for k in range(len(network.hidden))), "output"]
    return [weights[f"{below}->{name}.basal"] for below, name in zip(names, names[1:], strict=False)]


def logistic(u: Values) -> Values:
    return 1 / (1 + np.exp(-u))


def potentials(network: Microcircuit, bottom_up: Sequence[Values], inputs: Values) -> list[Values]:
    """Steady-state potentials without a teacher, from the conductances: leak g, basal 1, apical l/(1 - l) (1 + g)."""
    rate = inputs
    layers: list[Values] = []
    for k, weights in enumerate(bottom_up):
        part = per_layer(network.mixing, len(network.hidden) + 1)[k] if k < len(network.hidden) else 0.0
        apical = part / (1 - part) * (1 + network.leak)
        layers.append(rate @ weights / (network.leak + 1 + apical))
        rate = logistic(layers[-1])
    return layers


def gradients(network: Microcircuit, bottom_up: Sequence[Values], inputs: Values, targets: Values) -> list[Values]:
    """Gradients of the forward pass's cost with respect to bottom-up weights, by complex steps: exact to rounding.

    The cost is sum ln(1 + e^u) - r_target u over the outputs, mean over samples; its derivative with respect to an
    output's potential is the error of its rate.
    """
    derivatives: list[Values] = []
    for k, weights in enumerate(bottom_up):
        each = np.eye(weights.size).reshape(weights.size, *weights.shape)  # one perturbed weight per row
        layers = [weights + 1e-30j * each if layer == k else own for layer, own in enumerate(bottom_up)]
        u = potentials(network, layers, inputs)[-1]
        costs = np.sum(np.log(1 + np.exp(u)) - targets * u, axis=-1).mean(axis=-1)
        derivatives.append(costs.imag.reshape(weights.shape) / 1e-30)
    return derivatives


def angle(a: Values, b: Values) -> float:
    """Degrees between two arrays, taken as vectors."""
    return float(np.degrees(np.arccos(np.sum(a * b) / np.linalg.norm(a) / np.linalg.norm(b))))
