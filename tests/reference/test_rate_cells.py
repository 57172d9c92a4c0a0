"""Leaky rate cells (Hopfield, PNAS 81:3088, 1984) and cells of two-stream networks, compared with exact solutions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.networks.activations import ACTIVATIONS
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source

PLASTIC = {"plastic_ascending": ("stream_ascending", "basal"), "plastic_descending": ("stream_descending", "lateral")}

WRITTEN = {
    "logistic": lambda u: 1 / (1 + math.exp(-u)),
    "soft_rectifier": lambda u: 0.1 * math.log(1 + math.exp(u - 3)),
    "softplus": lambda u: math.log(1 + math.exp(u)),
    "relu": lambda u: max(u, 0.0),
    "tanh": math.tanh,
    "linear": lambda u: u,
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("weight", [-0.9, 1.3])
def test_a_potential_converges_to_its_input_with_its_time_constant(name: str, weight: float) -> None:
    """Each step of 0.1 ms of Euler's method removes 1/100 of the distance; the rate follows immediately."""
    cell = Population("cell", cards.cell("rate_unit", {"phi(x)": ACTIVATIONS[name].expression}), 1)
    wire = Projection("eye", "cell", "basal", np.array([[weight]]))
    circuit = Circuit((Source("eye", 1), cell), (wire,), "0.1 ms")
    run = simulate(circuit, {"eye": RateInput.constant(np.array([[2.0]]))}, "100 ms", record={"cell": ["u", "r"]})
    potential, rate = run.trace("cell", "u").values[:, 0], run.trace("cell", "r").values[:, 0]
    for step in (0, 1, 100, 999):
        assert potential[step] == pytest.approx(2 * weight * (1 - 0.99**step), rel=1e-12)
        assert rate[step] == pytest.approx(WRITTEN[name](potential[step]), rel=1e-12, abs=1e-15)


@pytest.mark.thorough
@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("weight", [-0.9, 1.3])
def test_the_error_of_an_ascending_cell_is_its_input_times_the_derivative_of_its_rate(name: str, weight: float) -> None:
    """The derivative is a central difference; the output's error is target minus rate while it is taught."""
    known = ACTIVATIONS[name]
    card = cards.cell("stream_ascending", {"phi(x)": known.expression, "slope(x)": known.derivative_expression})
    cell = Population("cell", card, 1, initial={"u": weight})
    arriving = {"basal": ("eye", weight), "teaching": ("eye", 0.7), "target": ("eye", 0.4), "nudge": ("teacher", 1.0)}
    projections = [Projection(pre, "cell", receptor, np.array([[one]])) for receptor, (pre, one) in arriving.items()]
    circuit = Circuit((Source("eye", 1), Source("teacher", 1), cell), tuple(projections), "0.1 ms")
    step = 1e-6
    slope = (WRITTEN[name](weight + step) - WRITTEN[name](weight - step)) / (2 * step)
    for nudge in (0.0, 1.0):
        inputs = {"eye": RateInput.constant(np.ones((1, 1))), "teacher": RateInput.constant(np.array([[nudge]]))}
        run = simulate(circuit, inputs, "250 ms", record={"cell": ["delta"]}, target="numpy")
        error = 0.7 + nudge * (0.4 - WRITTEN[name](weight))
        assert run.trace("cell", "delta").values[-1, 0] == pytest.approx(slope * error, rel=1e-7, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", PLASTIC)
def test_a_two_stream_synapse_converges_to_the_product_over_gamma(name: str) -> None:
    """dw/dt = eta (pre post - gamma w), by Euler's method, with pre = 0.8 and post = 0.5."""
    card, drives = PLASTIC[name]
    plastic = Plastic(cards.plasticity(name), {"eta": 40.0, "gamma": 0.25})
    # the variable that plasticity reads of the postsynaptic cell
    read = {"stream_ascending": "delta", "stream_descending": "v"}[card]
    after = Population("after", cards.cell(card), 1, initial={"delta": 0.5} if read == "delta" else {})
    projections = [Projection("before", "after", "basal" if read == "delta" else "apical", np.array([[0.3]]),
                        plasticity=plastic, variable="r" if read == "delta" else "delta")]  # fmt: skip
    cell = "stream_descending" if read == "v" else "stream_ascending"
    start = {"delta": 0.8} if read == "v" else {"u": 0.8}
    before = Population("before", cards.cell(cell), 1, {"tau": "1000 second"}, initial=start)
    after = Population("after", after.cell, 1, {"tau": "1000 second"}, initial=after.initial)
    nodes = (Source("eye", 1), before, after)
    if read == "v":
        projections.append(Projection("eye", "after", drives, np.array([[0.5]])))
    run = simulate(
        Circuit(nodes, tuple(projections), "1 ms"),
        {"eye": RateInput.constant(np.ones((1, 1)))},
        "200 ms",
        target="numpy",
    )
    expected = 0.8 * 0.5 / 0.25 + (0.3 - 0.8 * 0.5 / 0.25) * (1 - 40 * 0.25e-3) ** 200
    assert run.weights[projections[0].name][0, 0] == pytest.approx(expected, rel=1e-3)
