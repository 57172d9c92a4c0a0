"""The NumPy functions of activations; tests/reference/test_rate_cells.py has their expressions on cards."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.networks.activations import ACTIVATIONS, activation_of
from snnlab.networks.circuit import Population
from snnlab.networks.corinfomax import CorInfoMaxNetwork

X = np.linspace(-3, 3, 61)
WRITTEN = {
    "logistic": (1 / (1 + np.exp(-X)), 1 / (2 + np.exp(X) + np.exp(-X))),
    "soft_rectifier": (0.1 * np.log(1 + np.exp(X - 3)), 0.1 / (1 + np.exp(3 - X))),
    "softplus": (np.log(1 + np.exp(X)), 1 / (1 + np.exp(-X))),
    "relu": (np.maximum(X, 0), X > 0),
    "tanh": (np.tanh(X), 1 - np.tanh(X) ** 2),
    "linear": (X, np.ones(len(X))),
}


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_its_derivative_and_its_inverse(name: str) -> None:
    activation, (expected, slope) = ACTIVATIONS[name], WRITTEN[name]
    rate = activation.function(X)
    np.testing.assert_allclose(rate, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(activation.derivative(rate), slope, rtol=1e-10)
    assert ((activation.lowest <= rate) & (rate <= activation.highest)).all()
    known = X > 0 if name == "relu" else np.ones(len(X), dtype=bool)
    np.testing.assert_allclose(activation.inverse(rate[known]), X[known], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_an_activation_keeps_the_precision_of_its_arrays(name: str) -> None:
    activation = ACTIVATIONS[name]
    rate = activation.function(X.astype(np.float32))
    assert rate.dtype == activation.derivative(rate).dtype == np.float32


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_a_population_is_recognised_by_the_expression_of_its_card(name: str) -> None:
    card = cards.cell("rate_unit", {"phi(x)": ACTIVATIONS[name].expression})
    assert activation_of(Population("cell", card, 1)) is ACTIVATIONS[name]


def test_other_expressions_and_cells_without_phi_are_refused() -> None:
    clipped = CorInfoMaxNetwork((4,)).circuit((3,), 2, 1e-3).output
    with raises_input_error("population 'output'", "clip(x, 0, 1)", *ACTIVATIONS):
        activation_of(clipped)
    with raises_input_error("population 'cell'", "phi"):
        activation_of(Population("cell", cards.cell("lif"), 1))
