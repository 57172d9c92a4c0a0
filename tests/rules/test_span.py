"""SPAN against its definition: filtered trains, integrated numerically."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray
from test_normad import DT, STEPS, drawn, learned, network, rows

from snnlab.rules.rule import Batch
from snnlab.rules.spike_time.span import SPAN
from snnlab.rules.spike_time.target_trains import PoissonTrains

TAU = 4e-3


def filtered(train: NDArray[np.float64]) -> NDArray[np.float64]:
    """(train * alpha)(t) of each row on the grid, until it has decayed."""
    t = np.arange(STEPS + 800) * DT
    alpha = t * np.exp(-t / TAU)
    return np.array([np.convolve(row, alpha)[: len(t)] for row in train])


def test_weights_change_by_the_integral_of_input_times_error() -> None:
    """The sum on a grid of 0.1 ms is the integral to a relative error of 1e-5."""
    rule = SPAN(
        targets=PoissonTrains(firing_rate=60.0, dead_time=8e-3, last=0.11),
        learning_rate=1e-10,
        tau=TAU,
        init_scale=3e-9,
    )
    circuit, batch = network(20, 2), Batch(drawn(20, samples=2), np.array([0, 0]))
    state, before, trains = learned(rule, circuit, batch)
    target = rule.target_trains(state, batch.labels, trains[-1])
    expected = np.zeros((20, 2))
    for sample in range(2):
        inputs = filtered(rows(batch.inputs, sample))
        error = filtered(rows(target, sample)) - filtered(rows(trains[-1], sample))
        expected += inputs @ error.T * DT
    height = TAU**3 / 4  # of the integral of one spike with itself
    change = state.weights["input->layer1.synapse"] - before["input->layer1.synapse"]
    assert np.abs(expected).max() > height / 10
    np.testing.assert_allclose(change, 1e-10 * expected / height / 2, rtol=1e-3, atol=1e-13)


def test_without_errors_nothing_changes() -> None:
    rule = SPAN(targets=PoissonTrains(firing_rate=60.0, dead_time=8e-3, last=0.11), init_scale=12e-9)
    circuit, batch = network(20, 1), Batch(drawn(20, samples=1, rate=80.0), np.array([0]))
    state, before, trains = learned(rule, circuit, batch)
    step = trains[-1].events()[1]
    state.constants["target spikes"] = np.column_stack([np.zeros_like(step), np.zeros_like(step), step * DT])
    weights = {name: values.copy() for name, values in before.items()}
    state.weights.update(before)
    state, metrics = rule.step(circuit, state, batch)
    assert metrics.loss == pytest.approx(0, abs=1e-12) and len(step) > 0
    for name, values in state.weights.items():
        assert np.array_equal(values, weights[name])


def test_a_hidden_layer_is_refused() -> None:
    with raises_input_error("SPAN: network.hidden", "1 hidden"):
        SPAN().init(network(5, 4, 1), np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("tau", 0.0), ("learning_rate", float("inf"))])
def test_invalid_options_are_refused_by_field(name: str, value: float) -> None:
    with raises_input_error(f"SPAN.{name}", value):
        SPAN(**{name: value})
