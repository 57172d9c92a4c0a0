"""Backpropagation, the control: its gradients against complex steps."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from snnlab.errors import Refused
from snnlab.microcircuit import Microcircuit
from snnlab.rates import Rates
from snnlab.rules.backprop import Backprop
from snnlab.rules.rule import Batch, State
from snnlab.rules.two_sweep import TwoSweep

NETWORK = Microcircuit(hidden=(6, 5), mixing=(0.3, 0.2, 0.1), interneuron=0.1, leak=0.0, bias=True)
RULE = Backprop(rate=0.7, precision="float64", threads=1)


def output(weights: dict[str, NDArray[np.generic]], seen: NDArray[np.float64]) -> NDArray[np.generic]:
    """Written out: hidden potentials are 1 - mixing of the basal ones."""
    rates: NDArray[np.generic] = seen
    for pre, post, part in (("input", "hidden1", 0.7), ("hidden1", "hidden2", 0.8), ("hidden2", "output", 1.0)):
        heard = rates @ weights[f"{pre}->{post}.basal"] + weights[f"bias->{post}.basal"]
        rates = 1 / (1 + np.exp(-part * heard))
    return rates


@pytest.mark.parametrize("counts", [None, np.array([1.0, 0.0, 2.5, 1.0])])
def test_a_step_is_down_the_gradient_of_the_squared_error(counts: NDArray[np.float64] | None) -> None:
    circuit = NETWORK.circuit((7,), 3, 1e-4)
    state = RULE.init(circuit, np.random.default_rng(0))
    seen, labels = np.random.default_rng(1).random((4, 7)), np.array([0, 2, 1, 2])
    wanted = np.full((4, 3), 0.1)
    wanted[np.arange(4), labels] = 0.8
    before = {name: values.copy() for name, values in state.weights.items()}
    state, score = RULE.step(circuit, state, Batch(Rates.steady(seen), labels, weights=counts))
    weighted = np.ones(4) if counts is None else counts
    for name, values in before.items():
        trial = {one: known.astype(complex) for one, known in before.items()}
        for place in np.ndindex(values.shape):
            trial[name][place] += 1e-30j
            squares = 0.5 * ((output(trial, seen) - wanted) ** 2).sum(axis=1)
            slope = (squares * weighted).mean().imag / 1e-30
            trial[name][place] = values[place]
            assert state.weights[name][place] - values[place] == pytest.approx(-0.7 * slope, rel=1e-7, abs=1e-15)
    assert score.loss == pytest.approx(0.5 * ((output(before, seen).real - wanted) ** 2).sum() / 4)


def test_it_answers_as_the_two_sweep_rule_does_of_the_same_weights() -> None:
    circuit = NETWORK.circuit((7,), 3, 1e-4)
    other = TwoSweep(precision="float64", threads=1)
    state = other.init(circuit, np.random.default_rng(0))
    basal = State({name: values for name, values in state.weights.items() if name.endswith(".basal")})
    inputs = Rates.steady(np.random.default_rng(1).random((5, 7)))
    one, two = RULE.respond(circuit, basal, inputs), other.respond(circuit, state, inputs)
    assert one.counts.tobytes() == two.counts.tobytes() and one.crossed == two.crossed
    assert np.allclose(one.counts, output(basal.weights, inputs.values[:, 0]), rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"rate": -1.0}, "Backprop.rate: found -1.0"),
        ({"low": 0.9}, "Backprop.high"),
        ({"decay": "x"}, "Backprop.decay"),
    ],
)
def test_options_that_mean_nothing_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(Refused, match=says):
        Backprop(**changes)
