"""The leaky cell of a rate (Hopfield, PNAS 81:3088, 1984), against its equation solved."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snnlab import cards
from snnlab.circuit import Circuit, Population, Projection, Source
from snnlab.rate_layers import FUNCTIONS
from snnlab.rates import Rates
from snnlab.simulate import simulate

WRITTEN = {
    "logistic": lambda u: 1 / (1 + math.exp(-u)),
    "soft_rectifier": lambda u: 0.1 * math.log(1 + math.exp(u - 3)),
    "softplus": lambda u: math.log(1 + math.exp(u)),
    "relu": lambda u: max(u, 0.0),
    "tanh": math.tanh,
    "linear": lambda u: u,
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("weight", [-0.9, 1.3])
def test_a_potential_comes_to_what_arrives_with_its_time_constant(name: str, weight: float) -> None:
    """Euler's steps of 0.1 ms take 1/100 of what is left; the rate follows at once."""
    cell = Population("cell", cards.cell("rate_unit", {"phi(x)": FUNCTIONS[name]}), 1)
    wire = Projection("eye", "cell", "basal", np.array([[weight]]))
    circuit = Circuit((Source("eye", 1), cell), (wire,), "0.1 ms")
    run = simulate(circuit, {"eye": Rates.steady(np.array([[2.0]]))}, "100 ms", record={"cell": ["u", "r"]})
    potential, rate = run.trace("cell", "u").values[:, 0], run.trace("cell", "r").values[:, 0]
    for step in (0, 1, 100, 999):
        assert potential[step] == pytest.approx(2 * weight * (1 - 0.99**step), rel=1e-12)
        assert rate[step] == pytest.approx(WRITTEN[name](potential[step]), rel=1e-12, abs=1e-15)
