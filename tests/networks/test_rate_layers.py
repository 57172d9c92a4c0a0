"""Layers of rate cells as a circuit."""

from __future__ import annotations

import numpy as np
import pytest

from snnlab.data.rates import RateInput
from snnlab.engine.rate.run import run_rates
from snnlab.errors import InputError
from snnlab.networks.mlp import MLP
from snnlab.rules.rate.backprop import Backprop


def test_layers_are_wired_like_the_basal_dendrites_of_a_microcircuit() -> None:
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
def test_what_a_rule_answers_is_what_the_running_circuit_comes_to(activation: str) -> None:
    """After 40 time constants; and after one it is something else."""
    circuit = MLP((7, 5), activation).circuit((4,), 3, 1e-4)
    rule = Backprop(initial="he", precision="float64")
    state = rule.init(circuit, np.random.default_rng(0))
    for name in state.weights:
        if name.startswith("bias"):
            state.weights[name] += 0.3
    inputs = RateInput.constant(np.random.default_rng(1).uniform(-1, 1, (6, 4)))
    said = rule.predict(circuit, state, inputs).counts
    told = {"input": inputs, "bias": RateInput.constant(np.ones((6, 1)))}
    wired = circuit.with_weights(state.weights)
    for steps, near in ((4000, True), (100, False)):
        run = run_rates(wired, told, steps, learn=False, mean={"output": ["r"]}, mean_from=steps - 1,
                        precision="float64")  # fmt: skip
        assert (np.abs(run.means["output"]["r"] - said).max() < 1e-9) == near


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": (3, 0)}, r"^network.hidden: found \(3, 0\); needs layers of at least one cell"),
        ({"activation": "rely"}, "^network.activation: found 'rely'; did you mean 'relu'"),
        ({"output_activation": ""}, "^network.output_activation: found ''"),
        ({"outputs": -1}, "^network.outputs: found -1"),
    ],
)
def test_what_cannot_be_built_is_refused(options: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        MLP(**options)
