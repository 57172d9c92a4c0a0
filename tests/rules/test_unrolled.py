"""The gradient through a free phase: against the phase as it is run, by finite differences."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from test_corinfomax import CLASSES, DEEP, EXACT, VARIANTS, batch_of, begun, some

from snnlab.rules.common.gradient_angle import angles
from snnlab.rules.corinfomax import relaxation, unrolled
from snnlab.rules.rate.forward import targets

DENSE = {name: replace(DEEP, **changes) for name, changes in VARIANTS.items() if not changes.get("sparse")}


@pytest.mark.parametrize("name", DENSE)
def test_the_phase_is_the_one_that_is_run(name: str) -> None:
    circuit, state = begun(DENSE[name])
    body, seen = relaxation.body(circuit, "test"), some(5)
    below = relaxation.drive(body, state.weights, seen, 1)
    for steps in (1, 2, 30):
        run = relaxation.settled(body, state.weights, below, steps)
        last = unrolled.forward(body, state.weights, seen, steps)[-1]
        for k, one in enumerate(run.r):
            np.testing.assert_allclose(unrolled.rates(body, last[k]), one, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("name", DENSE)
def test_the_gradient_is_that_of_the_phase_as_it_is_run(name: str) -> None:
    """By central differences of the output of `settled`, in random directions; of one step less it is another."""
    circuit, state = begun(DENSE[name], seed=3)
    body, batch = relaxation.body(circuit, "test"), batch_of(6)
    seen, wanted = batch.inputs.values[:, 0], targets(batch.labels, (6, CLASSES), 0.0, 1.0)

    def cost(weights: dict[str, np.ndarray]) -> float:
        below = relaxation.drive(body, weights, seen, 1)
        apart = np.square(relaxation.settled(body, weights, below, 12).r[-1] - wanted)
        return 0.5 * float((counts[:, None] * apart).sum()) / 6

    counts = np.array([1.0, 0.5, 2.0, 1.0, 0.0, 1.0])
    found = unrolled.descent(body, state.weights, seen, wanted, counts, 12)
    shorter = unrolled.descent(body, state.weights, seen, wanted, counts, 11)
    assert found.keys() == set(body.forward)
    rng = np.random.default_rng(1)
    for which in body.forward:
        assert np.abs(found[which]).max() > 1e-4
        for _ in range(4):
            way, h = rng.normal(size=found[which].shape), 1e-6
            two = [cost(state.weights | {which: state.weights[which] + sign * h * way}) for sign in (1, -1)]
            measured = (two[1] - two[0]) / (2 * h)
            assert (found[which] * way).sum() == pytest.approx(measured, rel=1e-5, abs=1e-9)
            assert (shorter[which] * way).sum() != pytest.approx(measured, rel=1e-3, abs=1e-9)


def test_a_rule_of_corinfomax_goes_down_though_not_the_steepest_way() -> None:
    """With backward weights that are each other's transpose, a small nudge, and no lateral ones."""
    network = replace(DEEP, hidden=(6,), multiplier_rate=(0.1,), lateral=False)
    circuit, state = begun(network)
    up, down = "hidden1->output.basal", "output->hidden1.apical"
    rule, batch = (
        replace(EXACT, learning_rate=(0.5,), backward_learning_rate=(0.1,), free=200, nudged=50, nudge=0.05),
        batch_of(20),
    )
    state.weights[down] = state.weights[up].T.copy()
    found = angles(rule, circuit, state, batch)
    assert found.keys() == {"input->hidden1.basal", up}
    assert 0.1 < found["input->hidden1.basal"] < 60
    state.weights[down] *= -1
    assert angles(rule, circuit, state, batch)["input->hidden1.basal"] > 90


def test_where_multipliers_keep_rates_sparse_there_is_no_gradient() -> None:
    circuit, state = begun(replace(DEEP, sparse=True))
    assert EXACT.gradient(circuit, state, batch_of(4)) == {}
