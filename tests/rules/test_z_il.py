"""Z-IL as a rule in layers: the weights of backpropagation after any number of batches, and not with another gamma."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from snnlab.data.rates import RateInput
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.circuit import Circuit
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward import way_up
from snnlab.rules.rate.predictive import z_il
from snnlab.rules.rate.z_il import ZIL, graph_of
from snnlab.rules.rule import Batch, CreditRule, State

NETWORKS = {
    "relu": MLP((9, 8)),
    "tanh, no bias": MLP((9, 8, 7), "tanh", "logistic", bias=False),
    "no hidden layer": MLP(()),
    "microcircuit": Microcircuit(hidden=(9, 8), mixing=(0.3, 0.2, 0.1), interneuron_mixing=0.1, leak=0.1, bias=True),
}
OPTIONS = {"rate": 0.2, "initial": "glorot", "decay": "sqrt", "weight_decay": 0.01, "precision": "float64"}


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
    found, right = (rule.updates(circuit, other, batch) for rule in (ZIL(**OPTIONS, gamma=gamma), Backprop(**OPTIONS)))
    layers = [link.name for link in way_up(circuit, "a test").links][::-1]
    for projection, values in right.items():
        above = layers.index(projection.partition("->")[2].removesuffix(".basal"))
        np.testing.assert_allclose(found[projection], gamma**above * values, rtol=1e-10, atol=1e-15)


def test_it_has_the_options_of_backpropagation_and_one_more() -> None:
    assert {one.name for one in fields(ZIL)} - {one.name for one in fields(Backprop)} == {"gamma"}
    assert isinstance(ZIL(), CreditRule)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_of_a_circuit_learns_what_the_rule_asks_for(name: str) -> None:
    """The rule takes errors from the steps of inference and leaves the products to the engine; z_il does both."""
    circuit, batch = circuit_of(name), batches(1)[0]
    rule = ZIL(**OPTIONS)
    state = rule.init(circuit, np.random.default_rng(0))
    way = way_up(circuit, "a test")
    sizes = tuple(circuit[node].size for node in ("input", *(link.name for link in way.links)))
    graph = graph_of(way, sizes)
    values = graph.forward({"input": batch.inputs.values[:, 0]}, state.weights)
    wanted = np.full((6, 5), rule.low)
    wanted[np.arange(6), batch.labels] = rule.high
    found = z_il(graph, values, state.weights, wanted - values["output"])
    for projection, asked in rule.updates(circuit, state, batch).items():
        np.testing.assert_allclose(asked, found[projection] / 6, rtol=1e-10, atol=1e-15)


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
def test_a_step_that_is_none_is_refused(gamma: float) -> None:
    with pytest.raises(InputError, match=r"^ZIL.gamma: found .*; needs a number above 0 and at most 1$"):
        ZIL(gamma=gamma)


def test_options_and_networks_are_refused_by_its_own_name() -> None:
    with pytest.raises(InputError, match=r"^ZIL.rate: found -1.0"):
        ZIL(rate=-1.0)
    circuit = FeedForward(hidden=("5",)).circuit((4,), 3, 1e-3)
    with pytest.raises(InputError, match=r"^Z-IL: circuit: of hidden1, input, output; needs layers of rate cells"):
        ZIL().init(circuit, np.random.default_rng(0))
