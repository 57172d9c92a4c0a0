"""The angle between update and gradient: examples, the oracle, and rules with a known angle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.data.rates import RateInput
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.common.gradient_angle import angle, angles
from snnlab.rules.dendritic.two_pass import TwoPass
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.feedback_alignment import FeedbackAlignment
from snnlab.rules.rate.forward_pass import target_rates
from snnlab.rules.rate.z_il import ZIL
from snnlab.rules.rule import Batch, GradientRule
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory

RNG = np.random.default_rng(2)
BATCH = Batch(RateInput.constant(RNG.random((8, 12))), np.arange(8) % 5)
FIRST = "input->hidden1.basal"
EXACT = {"precision": "float64"}


@pytest.mark.parametrize(
    ("a", "b", "degrees"),
    [([1, 0], [0, 2], 90), ([1, 1], [3, 0], 45), ([1, 2], [2, 4], 0), ([1, 2], [-1, -2], 180), ([0, 0], [1, 1], 90)],
)
def test_angles_of_vectors_in_the_plane(a: list[float], b: list[float], degrees: float) -> None:
    assert angle(np.array(a, dtype=float), np.array(b, dtype=float)) == pytest.approx(degrees, abs=1e-12)


@given(st.floats(1e-9, np.pi), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_angle_is_exact_for_small_angles_and_any_lengths(radians: float, first: float, second: float) -> None:
    a, b = first * np.array([1.0, 0.0]), second * np.array([np.cos(radians), np.sin(radians)])
    assert angle(a, b) == pytest.approx(np.degrees(radians), rel=1e-6)


@pytest.mark.parametrize("network", [MLP((7, 6), "tanh"), Microcircuit((7, 6), (0.3, 0.3, 0.1), 0.1, 0.2)])
@pytest.mark.parametrize("kind", [Backprop, FeedbackAlignment, ZIL])
def test_the_gradient_equals_the_oracle_for_every_rule(
    kind: type[Backprop | FeedbackAlignment | ZIL], network: MLP | Microcircuit
) -> None:
    circuit = network.circuit((12,), 5, 1e-4)
    rule = kind(init_scale=(0.8,), low=0.2, high=0.7, **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    check(network, rule, rule.gradient(circuit, state, BATCH), state.weights)


def test_the_gradient_of_the_two_pass_rule_equals_the_oracle() -> None:
    network = Microcircuit((7, 6), (0.3, 0.3, 0.1), 0.1, 0.0, bias=True)
    circuit, rule = network.circuit((12,), 5, 1e-4), TwoPass(init_scale=(0.8,), **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    check(network, rule, rule.gradient(circuit, state, BATCH), state.weights)


def check(network: MLP | Microcircuit, rule: Backprop | TwoPass, gradient: dict, weights: dict) -> None:
    graph = oracle.as_graph(network, network.circuit((12,), 5, 1e-4))
    inputs = BATCH.inputs.values[:, 0]
    targets = target_rates(BATCH.labels, (8, 5), rule.low, rule.high, "test")
    exact = oracle.gradients(graph, weights, inputs, oracle.rates(graph, weights, inputs)["output"] - targets)
    assert gradient.keys() == exact.keys()
    for name, one in exact.items():
        np.testing.assert_allclose(gradient[name], -one, rtol=1e-9, atol=1e-14, err_msg=name)


@settings(max_examples=examples(20), deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_backpropagation_and_z_il_follow_the_gradient_and_random_feedback_does_not(seed: int) -> None:
    circuit = MLP((9, 8), "tanh").circuit((12,), 5, 1e-4)
    for kind in (Backprop, ZIL):
        rule = kind(init_scale=(0.8,), **EXACT)
        found = angles(rule, circuit, rule.init(circuit, np.random.default_rng(seed)), BATCH)
        assert found.keys() == {FIRST, "hidden1->hidden2.basal", "hidden2->output.basal"}
        assert max(found.values()) < 1e-5
    control = FeedbackAlignment(init_scale=(0.8,), **EXACT)
    found = angles(control, circuit, control.init(circuit, np.random.default_rng(seed)), BATCH)
    assert found["hidden2->output.basal"] < 1e-5 < 1 < found[FIRST]


def test_a_single_cell_has_an_angle_and_a_bias_has_none() -> None:
    circuit = MLP((1,), "tanh").circuit((12,), 5, 1e-4)
    rule = Backprop(init_scale=(0.8,), **EXACT)
    found = angles(rule, circuit, rule.init(circuit, np.random.default_rng(0)), BATCH)
    assert found.keys() == {FIRST, "hidden1->output.basal"}


def test_a_diverged_network_raises_an_error() -> None:
    circuit = MLP((6,), "tanh").circuit((12,), 5, 1e-4)
    rule = Backprop(init_scale=(0.8,), **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    state.weights[FIRST][0, 0] = np.nan
    with raises_input_error("update of", "finite"):
        angles(rule, circuit, state, BATCH)


def test_every_epoch_of_a_run_records_angles_for_gradient_rules_only(tmp_path: Path) -> None:
    """The angle of the first layer falls as feedback aligns."""
    experiment = replace(
        EXPERIMENTS["feedback-alignment-mnist"],
        name="x", dataset="digits", network=MLP((50,)), epochs=4,
        rule=FeedbackAlignment(learning_rate=0.1, weight_init="he", low=0.0, high=1.0),
    )  # fmt: skip
    config = experiment.config(seed=0, threads=1)
    assert isinstance(config.rule, GradientRule)
    assert not isinstance(EXPERIMENTS["hm2bp-digits"].rule, GradientRule)
    rows = [report.row for report in train(config, RunDirectory.create(tmp_path / "a", {})) if report.row]
    curve = [row["angles"][FIRST] for row in rows]
    assert len(curve) == 4
    assert curve[-1] < min(curve[0], 90)
    assert all(row["angles"]["hidden1->output.basal"] < 0.1 for row in rows)
