"""ReSuMe against its formula written as plain sums."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from test_normad import DT, drawn, learned, network, rows

from snnlab.rules.rule import Batch
from snnlab.rules.spike_time.resume import ReSuMe
from snnlab.rules.spike_time.target_trains import PoissonTrains


def test_weights_change_by_the_papers_sum_over_spikes() -> None:
    """Over pairs of an error and an earlier input spike, plus the term that is the same for all inputs."""
    rule = ReSuMe(
        targets=PoissonTrains(firing_rate=60.0, dead_time=8e-3, last=0.11),
        learning_rate=1e-10,
        tau=7e-3,
        non_hebbian=0.3,
        init_scale=3e-9,
    )
    circuit, batch = network(20, 2), Batch(drawn(20, samples=2), np.array([0, 0]))
    state, before, trains = learned(rule, circuit, batch)
    target = rule.target_trains(state, batch.labels, trains[-1])
    expected = np.zeros((20, 2))
    for sample in range(2):
        error = rows(target, sample) - rows(trains[-1], sample)
        for neuron, step in np.argwhere(error):
            for j in range(20):
                earlier = np.flatnonzero(rows(batch.inputs, sample)[j, :step])
                window = np.exp(-(step - earlier) * DT / 7e-3).sum()
                expected[j, neuron] += error[neuron, step] * (0.3 + window)
    change = state.weights["input->layer1.synapse"] - before["input->layer1.synapse"]
    assert np.abs(expected).max() > 0
    np.testing.assert_allclose(change, 1e-10 * expected / 2, rtol=1e-9, atol=1e-20)


def test_a_hidden_layer_is_refused() -> None:
    with raises_input_error("ReSuMe: network.hidden", "1 hidden"):
        ReSuMe().init(network(5, 4, 1), np.random.default_rng(0))


@pytest.mark.parametrize(("name", "value"), [("tau", 0.0), ("non_hebbian", -1.0), ("learning_rate", float("inf"))])
def test_invalid_options_are_refused_by_field(name: str, value: float) -> None:
    with raises_input_error(f"ReSuMe.{name}", value):
        ReSuMe(**{name: value})
