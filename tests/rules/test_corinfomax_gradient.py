"""The gradient through a free phase, against finite differences of the phase."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_corinfomax import CLASSES, DEEP, EXACT, VARIANTS, batch_of, random_inputs, random_state

from snnlab.rules.common.gradient_angle import angles
from snnlab.rules.corinfomax import gradient
from snnlab.rules.corinfomax.relaxation import dynamics, free_phase, input_drive
from snnlab.rules.rate.forward_pass import target_rates

DENSE = {name: replace(DEEP, **changes) for name, changes in VARIANTS.items() if not changes.get("sparse")}


@pytest.mark.parametrize("name", DENSE)
def test_the_forward_pass_equals_the_free_phase(name: str) -> None:
    circuit, state = random_state(DENSE[name])
    model, inputs = dynamics(circuit, "test"), random_inputs(5)
    drive = input_drive(model, state.weights, inputs)
    for steps in (1, 2, 30):
        phase = free_phase(model, state.weights, drive, steps)
        last = gradient.forward(model, state.weights, inputs, steps)[-1]
        for k, one in enumerate(phase.r):
            np.testing.assert_allclose(gradient.rates(model, last[k]), one, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", DENSE)
def test_the_gradient_equals_central_differences_of_the_phase(name: str) -> None:
    """In random directions; the gradient through one step less differs."""
    circuit, state = random_state(DENSE[name], seed=3)
    model, batch = dynamics(circuit, "test"), batch_of(6)
    inputs, targets = batch.inputs.values[:, 0], target_rates(batch.labels, (6, CLASSES), 0.0, 1.0, "test")

    def cost(weights: dict[str, np.ndarray]) -> float:
        drive = input_drive(model, weights, inputs)
        errors = np.square(free_phase(model, weights, drive, 12).r[-1] - targets)
        return 0.5 * float((sample_weights[:, None] * errors).sum()) / 6

    sample_weights = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.0])
    exact = gradient.exact_gradient(model, state.weights, inputs, targets, sample_weights, 12)
    shorter = gradient.exact_gradient(model, state.weights, inputs, targets, sample_weights, 11)
    assert exact.keys() == set(model.forward)
    rng = np.random.default_rng(1)
    for name in model.forward:
        assert np.abs(exact[name]).max() > 1e-4
        for _ in range(4):
            direction, h = rng.normal(size=exact[name].shape), 1e-6
            costs = [cost(state.weights | {name: state.weights[name] + sign * h * direction}) for sign in (1, -1)]
            measured = (costs[1] - costs[0]) / (2 * h)
            assert (exact[name] * direction).sum() == pytest.approx(measured, rel=1e-5, abs=1e-9)
            assert (shorter[name] * direction).sum() != pytest.approx(measured, rel=1e-3, abs=1e-9)


def test_updates_of_corinfomax_decrease_the_error_but_differ_from_the_gradient() -> None:
    """With transposed backward weights, a small beta, and no lateral weights."""
    network = replace(DEEP, hidden=(6,), multiplier_rate=(0.1,), lateral=False)
    circuit, state = random_state(network)
    forward, backward = "hidden1->output.basal", "output->hidden1.apical"
    rule, batch = (
        replace(EXACT, learning_rate=(0.5,), backward_learning_rate=(0.1,), free_steps=200, nudged_steps=50, beta=0.05),
        batch_of(20),
    )
    state.weights[backward] = state.weights[forward].T.copy()
    found = angles(rule, circuit, state, batch)
    assert found.keys() == {"input->hidden1.basal", forward}
    assert 0.1 < found["input->hidden1.basal"] < 60
    state.weights[backward] *= -1
    assert angles(rule, circuit, state, batch)["input->hidden1.basal"] > 90


def test_sparse_rates_have_no_gradient() -> None:
    circuit, state = random_state(replace(DEEP, sparse=True))
    assert EXACT.gradient(circuit, state, batch_of(4)) == {}
