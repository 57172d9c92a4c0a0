"""The exponential penalty against numerical derivatives of its formula, and its effect."""

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab.rules.common.adam import Adam
from snnlab.rules.rule import State
from snnlab.rules.spike_count.regularisation import Penalty


def penalty(weights, strength, beta, limit):
    """The penalty, neuron by neuron."""
    columns = weights.reshape(-1, weights.shape[-1]).T
    return sum(
        strength * len(onto) * limit / 2 * np.exp(beta * (np.mean([(w / limit) ** 2 for w in onto]) - 1))
        for onto in columns
    )


@pytest.mark.parametrize("shape", [(7, 3), (2, 3, 2, 4)])
@pytest.mark.parametrize("constants", [(10.0, 0.04, 8.0), (1.0, 2.0, 0.5)])
def test_the_gradient_is_the_numerical_derivative_of_the_penalty(shape, constants):
    weights = np.random.default_rng(0).normal(size=shape)
    found = Penalty(*constants).gradient(weights)
    step = 1e-4
    for place in np.ndindex(*shape):
        up, down = weights.copy(), weights.copy()
        up[place] += step
        down[place] -= step
        slope = (penalty(up, *constants) - penalty(down, *constants)) / (2 * step)
        assert found[place] == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_the_gradient_is_the_published_term():
    weights = np.array([[4.0, -8.0], [8.0, 0.0]])
    first, second = 0.4 * np.exp(0.04 * (0.625 - 1)), 0.4 * np.exp(0.04 * (0.5 - 1))
    expected = [[0.5 * first, -1.0 * second], [1.0 * first, 0.0]]
    assert np.allclose(Penalty(10.0, 0.04, 8.0).gradient(weights), expected, rtol=1e-12)


def test_the_penalty_shrinks_weights_unless_its_strength_is_0():
    start = np.random.default_rng(1).uniform(-1, 1, (20, 5))
    ends = {}
    for strength in (0.0, 10.0):
        state, adam = State({"w": start.copy()}), Adam()
        adam.start(state)
        for _ in range(50):
            adam.step(state, {"w": Penalty(strength).gradient(state.weights["w"])}, 1e-2)
        ends[strength] = np.square(state.weights["w"]).mean()
    assert ends[0.0] == np.square(start).mean()
    assert ends[10.0] < 0.5 * ends[0.0]


@pytest.mark.parametrize("options", [{"strength": -1.0}, {"beta": 0.0}, {"limit": float("nan")}])
def test_invalid_constants_are_refused_by_field(options):
    ((name, value),) = options.items()
    with raises_input_error(f"Penalty.{name}", value):
        Penalty(**options)
