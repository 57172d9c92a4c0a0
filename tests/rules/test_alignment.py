"""The angle between update and gradient: by hand, with an oracle, and for rules of known angle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import oracle
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.data.rates import RateInput
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.common.gradient_angle import angle, angles
from snnlab.rules.dendritic.two_pass import TwoSweep
from snnlab.rules.rate import forward
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.feedback_alignment import FeedbackAlignment
from snnlab.rules.rate.z_il import ZIL
from snnlab.rules.rule import Batch, GradientRule
from snnlab.training.loop import train
from snnlab.training.run_directory import RunDirectory

RNG = np.random.default_rng(2)
BATCH = Batch(RateInput.constant(RNG.random((8, 12))), np.arange(8) % 5)
FIRST = "input->hidden1.basal"
EXACT = {"precision": "float64"}


@pytest.mark.parametrize(
    ("first", "second", "degrees"),
    [([1, 0], [0, 2], 90), ([1, 1], [3, 0], 45), ([1, 2], [2, 4], 0), ([1, 2], [-1, -2], 180), ([0, 0], [1, 1], 90)],
)
def test_angles_of_vectors_in_the_plane(first: list[float], second: list[float], degrees: float) -> None:
    assert angle(np.array(first, dtype=float), np.array(second, dtype=float)) == pytest.approx(degrees, abs=1e-12)


@given(st.floats(1e-9, np.pi), st.floats(1e-3, 1e3), st.floats(1e-3, 1e3))
def test_the_angle_is_exact_for_small_angles_and_any_length(angle_: float, length: float, length2: float) -> None:
    first, second = length * np.array([1.0, 0.0]), length2 * np.array([np.cos(angle_), np.sin(angle_)])
    assert angle(first, second) == pytest.approx(np.degrees(angle_), rel=1e-6)


@pytest.mark.parametrize("network", [MLP((7, 6), "tanh"), Microcircuit((7, 6), (0.3, 0.3, 0.1), 0.1, 0.2)])
@pytest.mark.parametrize("kind", [Backprop, FeedbackAlignment, ZIL])
def test_the_gradient_of_every_rule_is_that_of_the_oracle(
    kind: type[Backprop | FeedbackAlignment | ZIL], network: MLP | Microcircuit
) -> None:
    circuit = network.circuit((12,), 5, 1e-4)
    rule = kind(init_scale=(0.8,), low=0.2, high=0.7, **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    check(network, rule, rule.gradient(circuit, state, BATCH), state.weights)


def test_the_gradient_of_the_two_pass_rule_is_that_of_the_oracle() -> None:
    network = Microcircuit((7, 6), (0.3, 0.3, 0.1), 0.1, 0.0, bias=True)
    circuit, rule = network.circuit((12,), 5, 1e-4), TwoSweep(init_scale=(0.8,), **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    check(network, rule, rule.gradient(circuit, state, BATCH), state.weights)


def check(network: MLP | Microcircuit, rule: Backprop | TwoSweep, found: dict, weights: dict) -> None:
    graph = oracle.as_graph(network, network.circuit((12,), 5, 1e-4))
    seen = BATCH.inputs.values[:, 0]
    target = forward.targets(BATCH.labels, (8, 5), rule.low, rule.high)
    exact = oracle.gradients(graph, weights, seen, oracle.rates(graph, weights, seen)["output"] - target)
    assert found.keys() == exact.keys()
    for name, gradient in exact.items():
        np.testing.assert_allclose(found[name], -gradient, rtol=1e-9, atol=1e-14, err_msg=name)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_backpropagation_and_z_il_follow_the_gradient_and_random_feedback_does_not(seed: int) -> None:
    circuit = MLP((9, 8), "tanh").circuit((12,), 5, 1e-4)
    for kind in (Backprop, ZIL):
        rule = kind(init_scale=(0.8,), **EXACT)
        found = angles(rule, circuit, rule.init(circuit, np.random.default_rng(seed)), BATCH)
        assert found.keys() == {FIRST, "hidden1->hidden2.basal", "hidden2->output.basal"}
        assert max(found.values()) < 1e-5
    random = FeedbackAlignment(init_scale=(0.8,), **EXACT)
    found = angles(random, circuit, random.init(circuit, np.random.default_rng(seed)), BATCH)
    assert found["hidden2->output.basal"] < 1e-5 < 1 < found[FIRST]


def test_a_single_cell_has_an_angle_and_a_bias_has_none() -> None:
    circuit = MLP((1,), "tanh").circuit((12,), 5, 1e-4)
    rule = Backprop(init_scale=(0.8,), **EXACT)
    found = angles(rule, circuit, rule.init(circuit, np.random.default_rng(0)), BATCH)
    assert found.keys() == {FIRST, "hidden1->output.basal"}


def test_an_update_that_is_not_finite_is_refused() -> None:
    circuit = MLP((6,), "tanh").circuit((12,), 5, 1e-4)
    rule = Backprop(init_scale=(0.8,), **EXACT)
    state = rule.init(circuit, np.random.default_rng(0))
    state.weights[FIRST][0, 0] = np.nan
    with raises_input_error("update of "):
        angles(rule, circuit, state, BATCH)


def test_every_epoch_of_a_gradient_rule_has_angles(tmp_path: Path) -> None:
    """The angle of the first layer decreases while feedback aligns."""
    experiment = replace(
        EXPERIMENTS["feedback-alignment-mnist"],
        name="x", dataset="digits", network=MLP((50,)), epochs=4,
        rule=FeedbackAlignment(learning_rate=0.1, initial="he", low=0.0, high=1.0),
    )  # fmt: skip
    config = experiment.config(seed=0, threads=1)
    assert isinstance(config.rule, GradientRule)
    assert not isinstance(EXPERIMENTS["hm2bp-digits"].rule, GradientRule)
    rows = [report.row for report in train(config, RunDirectory.create(tmp_path / "a", {})) if report.row]
    degrees = [row["angles"][FIRST] for row in rows]
    assert len(degrees) == 4
    assert degrees[-1] < min(degrees[0], 90)
    assert all(row["angles"]["hidden1->output.basal"] < 0.1 for row in rows)
