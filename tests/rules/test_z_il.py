"""Z-IL as a rule in layers: the weights of backpropagation after any number of batches, and not with another gamma."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pytest
from computation_graph import Graph, Input, Local, Node, Shape, Values
from errors_in_tests import raises_input_error
from predictive_coding import z_il

from snnlab.data.rates import RateInput
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.circuit import Circuit
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward_pass import ForwardPath, Layer, forward_path
from snnlab.rules.rate.z_il import ZIL
from snnlab.rules.rule import Batch, GradientRule, State

NETWORKS = {
    "relu": MLP((9, 8)),
    "tanh, no bias": MLP((9, 8, 7), "tanh", "logistic", bias=False),
    "no hidden layer": MLP(()),
    "microcircuit": Microcircuit(hidden=(9, 8), mixing=(0.3, 0.2, 0.1), interneuron_mixing=0.1, leak=0.1, bias=True),
}
OPTIONS = {
    "learning_rate": 0.2,
    "weight_init": "glorot",
    "schedule": Schedule("sqrt"),
    "weight_decay": 0.01,
    "precision": "float64",
}


def circuit_of(name: str) -> Circuit:
    return NETWORKS[name].circuit((12,), 5, 1e-4)


def batches(many: int) -> list[Batch]:
    rng = np.random.default_rng(1)
    centres = rng.random((5, 12))
    found = []
    for k in range(many):
        labels = rng.integers(5, size=6)
        seen = centres[labels] + rng.normal(0, 0.1, (6, 12))
        counts = rng.random(6) if k % 2 else None
        found.append(Batch(RateInput.constant(seen), labels, epoch=1 + k // 10, weights=counts))
    return found


def learned(rule: Backprop | ZIL, circuit: Circuit, many: int) -> tuple[State, list[float]]:
    state = rule.init(circuit, np.random.default_rng(0))
    losses = []
    for batch in batches(many):
        state, score = rule.step(circuit, state, batch)
        losses.append(score.loss)
    return state, losses


def apart(one: State, other: State) -> float:
    assert one.weights.keys() == other.weights.keys()
    found = one.weights
    return max(np.abs(found[name] - right).max() / np.abs(right).max() for name, right in other.weights.items())


@pytest.mark.parametrize("name", NETWORKS)
def test_after_fifty_batches_its_weights_are_those_of_backpropagation(name: str) -> None:
    circuit = circuit_of(name)
    one, losses = learned(ZIL(**OPTIONS), circuit, 50)
    other, theirs = learned(Backprop(**OPTIONS), circuit, 50)
    assert apart(one, other) < 1e-10 and losses == pytest.approx(theirs, rel=1e-10)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10]) or name == "microcircuit"


@pytest.mark.parametrize("name", ["relu", "tanh, no bias", "microcircuit"])
def test_with_another_gamma_they_are_not(name: str) -> None:
    """The negative control. Of one batch each layer learns gamma for each layer above of what it should."""
    circuit, gamma = circuit_of(name), 0.9
    one, _ = learned(ZIL(**OPTIONS, gamma=gamma), circuit, 50)
    other, _ = learned(Backprop(**OPTIONS), circuit, 50)
    assert apart(one, other) > 1e-3
    batch = batches(1)[0]
    found, right = (rule.update(circuit, other, batch) for rule in (ZIL(**OPTIONS, gamma=gamma), Backprop(**OPTIONS)))
    layers = [link.name for link in forward_path(circuit, "a test").layers][::-1]
    for projection, values in right.items():
        above = layers.index(projection.partition("->")[2].removesuffix(".basal"))
        np.testing.assert_allclose(found[projection], gamma**above * values, rtol=1e-10, atol=1e-15)


def test_it_has_the_options_of_backpropagation_and_one_more() -> None:
    assert {one.name for one in fields(ZIL)} - {one.name for one in fields(Backprop)} == {"gamma"}
    assert isinstance(ZIL(), GradientRule)


@dataclass(frozen=True)
class RateLayer:
    """The graph operation phi(gain (x @ W + b)). Parameters: W (in, out), and b (1, out) if there is a bias."""

    layer: Layer

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        return parameters[0][1:]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        received = parents[0] @ parameters[0]
        return self.layer.activation.function(
            self.layer.gain * (received + parameters[1] if parameters[1:] else received)
        )

    def _delta(self, error: Values, local: Local) -> Values:
        return self.layer.gain * self.layer.activation.derivative(local.output) * error

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return self._delta(error, local) @ local.parameters[0].T

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        delta = self._delta(error, local)
        weights = local.parents[0].T @ delta
        return (weights, delta.sum(axis=0, keepdims=True)) if local.parameters[1:] else (weights,)


def graph_of(way: ForwardPath, sizes: tuple[int, ...]) -> Graph:
    """A graph with one node per layer; its parameters have the names of the projections.

    sizes  of the input and every layer
    """
    shapes: dict[str, Shape] = {}
    nodes = [Node("input", Input(sizes[:1]))]
    for link, before, after in zip(way.layers, sizes, sizes[1:], strict=False):
        parameters: dict[str, Shape] = {link.weights: (before, after)}
        if link.bias:
            parameters[link.bias] = (1, after)
        nodes.append(Node(link.name, RateLayer(link), (nodes[-1].name,), tuple(parameters)))
        shapes |= parameters
    return Graph(tuple(nodes), shapes, nodes[-1].name)


@pytest.mark.parametrize("gamma", [1.0, 0.7])
@pytest.mark.parametrize("name", NETWORKS)
def test_updates_equal_those_of_predictive_coding_with_inference_of_all_nodes(name: str, gamma: float) -> None:
    circuit, batch = circuit_of(name), batches(1)[0]
    rule = ZIL(**OPTIONS, gamma=gamma)
    state = rule.init(circuit, np.random.default_rng(0))
    way = forward_path(circuit, "a test")
    graph = graph_of(way, tuple(circuit[node].size for node in ("input", *(link.name for link in way.layers))))
    values = graph.forward({"input": batch.inputs.values[:, 0]}, state.weights)
    target = np.full((6, 5), rule.low)
    target[np.arange(6), batch.labels] = rule.high
    expected = z_il(graph, values, state.weights, target - values["output"], gamma)
    updates = rule.update(circuit, state, batch)
    assert updates.keys() == expected.keys()
    for projection, update in updates.items():
        np.testing.assert_allclose(update, expected[projection] / 6, rtol=1e-10, atol=1e-15)


def test_in_single_precision_nothing_of_a_small_error_is_lost() -> None:
    circuit = circuit_of("relu")
    single = OPTIONS | {"precision": "float32"}
    one, _ = learned(ZIL(**single), circuit, 50)
    other, _ = learned(Backprop(**single), circuit, 50)
    assert all(values.dtype == np.float32 for values in one.weights.values())
    assert apart(one, other) < 1e-5


def test_its_experiment_is_that_of_the_papers_condition() -> None:
    rule = EXPERIMENTS["z-il-mnist"].rule
    assert isinstance(rule, ZIL) and rule.gamma == 1


@pytest.mark.parametrize("gamma", [0.0, -1.0, 1.1, float("nan")])
def test_a_gamma_out_of_range_raises_an_error(gamma: float) -> None:
    with raises_input_error("ZIL.gamma", gamma):
        ZIL(gamma=gamma)


def test_errors_name_the_rule() -> None:
    with raises_input_error("ZIL.learning_rate", -1.0):
        ZIL(learning_rate=-1.0)
    circuit = FeedForward(hidden=("5",)).circuit((4,), 3, 1e-3)
    with raises_input_error("Z-IL: circuit", "hidden1"):
        ZIL().init(circuit, np.random.default_rng(0))
