"""Updates of rate networks against the gradient oracle, and the oracle against complex steps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import oracle
import pytest
import small_microcircuit
from computation_graph import nets
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_by_hand import by_complex_steps, difference
from numpy.typing import NDArray
from predictive_coding import z_il

from snnlab import cards
from snnlab.data.rates import RateInput
from snnlab.engine.rate.run import run_rates
from snnlab.networks.activations import ACTIVATIONS
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.dendritic.two_pass import TwoPass
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.feedback_alignment import FeedbackAlignment
from snnlab.rules.rate.forward_pass import forward_pass, forward_path
from snnlab.rules.rule import Batch, State

MICRO = Microcircuit(hidden=(30, 20), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1, leak=0.2, bias=True)
SAMPLES, LABELS = np.random.default_rng(1).random((6, 12)), np.array([0, 4, 1, 2, 3, 3])


def angle(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    return float(np.degrees(np.arccos((a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b))))


def targets_of(low: float, high: float) -> NDArray[np.float64]:
    targets = np.full((6, 5), low)
    targets[np.arange(6), LABELS] = high
    return targets


@settings(max_examples=examples(25), deadline=None)
@given(
    hidden=st.lists(st.integers(1, 6), max_size=3).map(tuple),
    activation=st.sampled_from(sorted(ACTIVATIONS)),
    output_activation=st.sampled_from(sorted(ACTIVATIONS)),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_backpropagation_equals_the_oracle_for_random_mlps(
    hidden: tuple[int, ...], activation: str, output_activation: str, bias: bool, seed: int
) -> None:
    network = MLP(hidden, activation, output_activation, bias)
    check_backprop(network, network.circuit((12,), 5, 1e-4), seed)


@settings(max_examples=examples(25), deadline=None)
@given(
    mixing=st.lists(st.floats(0.05, 0.6), min_size=3, max_size=3).map(tuple),
    leak=st.floats(0, 0.5),
    activation=st.sampled_from(["logistic", "soft_rectifier", "softplus"]),
    bias=st.booleans(),
    seed=st.integers(0, 2**32 - 1),
)
def test_backpropagation_equals_the_oracle_for_random_microcircuits(
    mixing: tuple[float, ...], leak: float, activation: str, bias: bool, seed: int
) -> None:
    network = replace(MICRO, hidden=(6, 5), mixing=mixing, leak=leak, activation=activation, bias=bias)
    check_backprop(network, network.circuit((12,), 5, 1e-4), seed)


def check_backprop(network: MLP | Microcircuit, circuit: Circuit, seed: int) -> None:
    rule = Backprop(init_scale=(1.0,), precision="float64")
    state = rule.init(circuit, np.random.default_rng(seed))
    graph = oracle.as_graph(network, circuit)
    outputs = oracle.rates(graph, state.weights, SAMPLES)["output"]
    _, rates = forward_pass(forward_path(circuit, "a test"), state.weights, SAMPLES)
    assert np.allclose(rates[-1], outputs, rtol=1e-12, atol=1e-14)
    exact = oracle.gradients(graph, state.weights, SAMPLES, outputs - targets_of(rule.low, rule.high))
    update = rule.update(circuit, state, Batch(RateInput.constant(SAMPLES), LABELS))
    assert update.keys() == exact.keys()
    largest = max(float(np.abs(one).max()) for one in exact.values())
    for name, one in exact.items():
        assert np.abs(update[name] + one).max() <= 1e-10 * largest, name


@pytest.mark.parametrize("network", [MLP((7, 6)), MLP((7, 6), "tanh", "tanh", bias=False)])
def test_updates_with_random_feedback_differ_from_the_oracle(network: MLP) -> None:
    """The negative control, for the first layer; the update of the output weights is exact."""
    circuit = network.circuit((12,), 5, 1e-4)
    rule = FeedbackAlignment(weight_init="he", precision="float64")
    state = rule.init(circuit, np.random.default_rng(0))
    graph = oracle.as_graph(network, circuit)
    derivative = oracle.rates(graph, state.weights, SAMPLES)["output"] - targets_of(rule.low, rule.high)
    exact = oracle.gradients(graph, state.weights, SAMPLES, derivative)
    found = rule.update(circuit, state, Batch(RateInput.constant(SAMPLES), LABELS))
    assert angle(found["hidden2->output.basal"], -exact["hidden2->output.basal"]) < 1e-5
    assert angle(found["input->hidden1.basal"], -exact["input->hidden1.basal"]) > 30


@pytest.mark.parametrize("seed", range(3))
def test_the_two_pass_rule_follows_the_oracle_for_symmetric_feedback_but_not_without_interneurons(seed: int) -> None:
    """As in test_two_pass.py by complex steps: for a cost with the derivative potential - target potential."""
    network = replace(MICRO, leak=0.0)
    circuit = network.circuit((12,), 5, 1e-4)
    rule = TwoPass(precision="float64")
    weights = rule.init(circuit, np.random.default_rng(seed)).weights
    for low, high, inter in (("hidden1", "hidden2", "inter1"), ("hidden2", "output", "inter2")):
        weights[f"{high}->{low}.apical"] = weights[f"{low}->{high}.basal"].T.copy()
        weights[f"{inter}->{low}.inhibition"] = -weights[f"{high}->{low}.apical"]
    graph = oracle.as_graph(network, circuit)
    outputs, targets = oracle.rates(graph, weights, SAMPLES)["output"], targets_of(rule.low, rule.high)
    exact = oracle.gradients(graph, weights, SAMPLES, np.log(outputs / (1 - outputs)) - np.log(targets / (1 - targets)))
    batch = Batch(RateInput.constant(SAMPLES), LABELS)
    found = rule.update(circuit, State(weights), batch)
    assert max(angle(found[name], -one) for name, one in exact.items()) < 1.5
    for name in weights:
        if name.endswith(".inhibition"):
            weights[name][:] = 0
    control = rule.update(circuit, State(weights), batch)
    assert angle(control["input->hidden1.basal"], -exact["input->hidden1.basal"]) > 40


def test_the_oracle_equals_complex_steps_for_a_microcircuit() -> None:
    """Those of small_microcircuit.py, without a bias; the derivative of its cost by a potential is the rate's error."""
    network = replace(MICRO, hidden=(6, 5), bias=False)
    circuit = network.circuit((12,), 5, 1e-4)
    weights = small_microcircuit.initial_weights(circuit, np.random.default_rng(3))
    targets = targets_of(0.1, 0.8)
    by_steps = small_microcircuit.gradients(network, small_microcircuit.basal(network, weights), SAMPLES, targets)
    graph = oracle.as_graph(network, circuit)
    outputs = oracle.rates(graph, weights, SAMPLES)["output"]
    exact = oracle.gradients(graph, weights, SAMPLES, (outputs - targets) / (outputs * (1 - outputs)))
    for name, one in zip(graph.parameters, by_steps, strict=True):
        assert np.abs(exact[name] - one).max() <= 1e-10 * np.abs(one).max()


# In time --------------------------------------------------------------------------------------------------------------

STEPS, INPUTS, CELLS = 12, 3, 4
LEAK = 0.01  # a step of 0.1 ms of a cell of 10 ms


def test_the_unrolled_circuit_equals_the_engine() -> None:
    """Recurrent rate cells, with a different input in every step."""
    rng = np.random.default_rng(0)
    weights = {"W": rng.normal(0, 5, (INPUTS, CELLS)), "R": rng.normal(0, 5, (CELLS, CELLS))}
    inputs = rng.normal(size=(2, STEPS, INPUTS))
    cell = cards.cell("rate_unit", {"phi(x)": ACTIVATIONS["tanh"].expression})
    projections = (
        Projection("input", "cells", "basal", weights["W"]),
        Projection("cells", "cells", "basal", weights["R"]),
    )
    circuit = Circuit((Source("input", INPUTS), Population("cells", cell, CELLS)), projections, 1e-4)
    rates = RateInput(
        np.concatenate([inputs, inputs[:, -1:]], axis=1)
    )  # a further step, as the engine records before a step
    run = run_rates(circuit, {"input": rates}, STEPS + 1, learn=False, mean={"cells": ["u"]}, mean_from=STEPS,
                    precision="float64")  # fmt: skip
    graph = oracle.unrolled(STEPS, INPUTS, CELLS, LEAK, "tanh")
    last = graph.forward({"input": inputs}, weights)[f"u{STEPS - 1}"]
    assert np.abs(last).max() > 0.1
    assert np.allclose(run.means["cells"]["u"], last, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("function", ["tanh", "logistic", "softplus"])
def test_the_oracle_equals_complex_steps_through_time(function: str) -> None:
    """The gradient with respect to weights that all steps share, in a graph with skipping edges."""
    graph = oracle.unrolled(STEPS, INPUTS, CELLS, 0.3, function)
    assert graph.skips
    rng = np.random.default_rng(0)
    parameters, inputs = nets.random_parameters(graph, rng), nets.random_inputs(graph, 2, rng)
    level = graph.levelled()
    values = level.forward(inputs, parameters)
    target = rng.normal(size=values["output"].shape)
    phi = {"tanh": np.tanh, "logistic": lambda u: 1 / (1 + np.exp(-u)), "softplus": lambda u: np.log(1 + np.exp(u))}

    def cost(p: dict) -> complex:
        u = 0.3 * inputs["input"][:, 0] @ p["W"]
        for t in range(1, STEPS):
            u = 0.7 * u + 0.3 * (inputs["input"][:, t] @ p["W"] + phi[function](u) @ p["R"])
        return (target * phi[function](u)).sum()

    assert difference(z_il(level, values, parameters, target), by_complex_steps(cost, parameters)) < 1e-10
