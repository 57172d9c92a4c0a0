"""Continuous circuits with plasticity: the engine against Brian2, step by step."""

from __future__ import annotations

import numpy as np
import pytest

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.engine import run_rates
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit

STEPS = 1000
RECORDED = {
    "hidden1": ["u", "v_B", "v_A", "r"],
    "hidden2": ["u", "v_A"],
    "inter1": ["u", "v_D"],
    "output": ["u", "r_B"],
}


def random_circuit(**options: object) -> tuple[Circuit, dict[str, RateInput]]:
    """A circuit with two hidden layers and random weights, and ten segments of input, target and nudge."""
    rng = np.random.default_rng(11)
    circuit = Microcircuit(hidden=(5, 4), bias=True, **options).circuit((6,), 3, "0.1 ms")  # type: ignore[arg-type]
    plastic = [one for one in circuit.projections if one.plasticity]
    circuit = circuit.with_weights({one.name: rng.uniform(-1, 1, one.weights.shape) for one in plastic})
    given = {
        "input": RateInput(rng.uniform(0, 1, (1, 10, 6))),
        "target": RateInput(rng.uniform(-2, 2, (1, 10, 3))),
        "nudge": RateInput(rng.integers(0, 2, (1, 10, 1)).astype(float)),
        "bias": RateInput(np.ones((1, 1, 1))),
    }
    return circuit, given


@pytest.mark.parametrize(
    "options",
    [{}, {"latent": True}, {"activation": "soft_rectifier", "mixing": (0.3, 0.3, 0.1), "interneuron_mixing": 0.1}],
)
def test_a_plastic_microcircuit_is_the_same_in_brian2_and_in_the_engine(options: dict[str, object]) -> None:
    """Every potential and weight within 1e-9 over 1,000 steps in float64."""
    circuit, given = random_circuit(**options)
    engine = run_rates(circuit, given, STEPS, record=RECORDED, precision="float64")
    brian = simulate(circuit, given, "100 ms", record=RECORDED, target="numpy")
    for population, variables in RECORDED.items():
        for variable in variables:
            expected = brian.trace(population, variable).values
            assert np.ptp(expected) > 1e-5
            assert np.abs(engine.traces[population][variable][0] - expected).max() < 1e-9
    weights = engine.weights(circuit)
    assert weights.keys() == brian.weights.keys() and len(weights) == 14
    for name, expected in brian.weights.items():
        assert np.abs(weights[name] - expected).max() < 1e-9
    # control: the weights changed by much more
    initial = {one.name: np.asarray(one.weights) for one in circuit.projections if one.plasticity}
    assert max(np.abs(weights[name] - values).max() for name, values in initial.items()) > 1e-5
