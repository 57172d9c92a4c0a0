"""The multilayer perceptron as a circuit."""

from __future__ import annotations

import numpy as np
import pytest

from snnlab.data.rates import RateInput
from snnlab.engine.rate.run import run_rates
from snnlab.networks.mlp import MLP
from snnlab.rules.rate.backprop import Backprop


def test_projections_have_the_names_of_a_microcircuit() -> None:
    circuit = MLP((6, 4)).circuit((2, 5), 3, 1e-4)
    shapes = {one.name: one.weights.shape for one in circuit.projections}
    assert shapes == {
        "input->hidden1.basal": (10, 6), "hidden1->hidden2.basal": (6, 4), "hidden2->output.basal": (4, 3),
        "bias->hidden1.basal": (1, 6), "bias->hidden2.basal": (1, 4), "bias->output.basal": (1, 3),
    }  # fmt: skip
    assert [node.name for node in MLP((), bias=False, outputs=7).circuit((5,), 3, 1e-4).nodes] == [
        "input",
        "output",
    ]


@pytest.mark.parametrize("activation", ["relu", "tanh", "logistic"])
def test_the_steady_state_of_the_circuit_is_the_forward_pass_of_a_rule(activation: str) -> None:
    """After 40 time constants, and not yet after one."""
    circuit = MLP((7, 5), activation).circuit((4,), 3, 1e-4)
    rule = Backprop(weight_init="he", precision="float64")
    state = rule.init(circuit, np.random.default_rng(0))
    for name in state.weights:
        if name.startswith("bias"):
            state.weights[name] += 0.3
    inputs = RateInput.constant(np.random.default_rng(1).uniform(-1, 1, (6, 4)))
    expected = rule.predict(circuit, state, inputs).counts
    given = {"input": inputs, "bias": RateInput.constant(np.ones((6, 1)))}
    weighted = circuit.with_weights(state.weights)
    for steps, converged in ((4000, True), (100, False)):
        run = run_rates(weighted, given, steps, learn=False, mean={"output": ["r"]}, mean_from=steps - 1,
                        precision="float64")  # fmt: skip
        assert (np.abs(run.means["output"]["r"] - expected).max() < 1e-9) == converged
