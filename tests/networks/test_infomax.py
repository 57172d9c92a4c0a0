"""The circuit of CorInfoMax as a value: what is wired to what, with the published constants, and what cannot be."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.rules.corinfomax import relaxation
from snnlab.rules.corinfomax.rule import CorInfoMax

DT = 1e-4


def made(**options: Any) -> Circuit:
    return CorInfoMaxNetwork(**{"hidden": (5, 4), "multiplier_rate": (0.1,)} | options).circuit((2, 3), 3, DT)


def test_layers_hear_below_above_and_themselves() -> None:
    circuit = made()
    assert {one.name: one.weights.shape for one in circuit.projections} == {
        "input->hidden1.basal": (6, 5), "hidden1->hidden2.basal": (5, 4), "hidden2->output.basal": (4, 3),
        "hidden2->hidden1.apical": (4, 5), "output->hidden2.apical": (3, 4),
        "hidden1->hidden1.lateral": (5, 5), "hidden2->hidden2.lateral": (4, 4), "output->output.lateral": (3, 3),
        "target->output.target": (3, 3), "nudge->output.nudge": (1, 3),
    }  # fmt: skip
    assert [source.name for source in circuit.sources] == ["input", "target", "nudge"]


def test_options_add_and_take_away_what_they_say_and_nothing_else() -> None:
    plain = {one.name for one in made().projections}
    assert plain - {one.name for one in made(lateral=False).projections} == {
        "hidden1->hidden1.lateral", "hidden2->hidden2.lateral", "output->output.lateral",
    }  # fmt: skip
    assert {one.name for one in made(slowing=0.01).projections} - plain == {
        f"slowing->{name}.slowing" for name in ("hidden1", "hidden2", "output")
    }
    beside = {1: "hidden1", 2: "hidden2", 3: "output"}
    assert {one.name for one in made(sparse=True).projections} - plain == {
        *(f"{name}->multiplier{k}.total" for k, name in beside.items()),
        *(f"multiplier{k}->{name}.multiplier" for k, name in beside.items()),
    }
    assert made(outputs=7)["output"].size == 7


def test_a_rule_reads_the_published_constants_back() -> None:
    """mu, g, epsilon, gamma = (1 - lambda)/lambda of the authors' MNIST; mu 0.07/(1 + 0.01 i) of Fashion-MNIST."""
    body = relaxation.body(CorInfoMaxNetwork().circuit((28, 28), 10, DT), "a test")
    assert (body.mu, body.leak, body.epsilon) == pytest.approx((0.05, 0.5, 0.15), rel=1e-12)
    assert body.forgetting == pytest.approx(0.99999, rel=1e-12) and body.gamma == pytest.approx(1e-5, rel=1e-4)
    assert (body.highest, body.speeds) == (1.0, ())
    slower = CorInfoMaxNetwork(mu=0.07, slowing=0.01).circuit((28, 28), 10, DT)
    assert relaxation.body(slower, "a test").steps(3) == pytest.approx([0.07, 0.07 / 1.01, 0.07 / 1.02], rel=1e-12)
    sparse = relaxation.body(CorInfoMaxNetwork(sparse=True).circuit((28, 28), 10, DT), "a test")
    assert sparse.highest == np.inf and sparse.speeds == pytest.approx((1e-6, 0.01), rel=1e-12)


@pytest.mark.parametrize(("epsilon", "leak"), [(0.15, 0.5), (0.3, 0.0), (0.15, 3.0), (5.0, 0.5)])
def test_steps_longer_than_the_largest_stable_one_are_refused_with_it(epsilon: float, leak: float) -> None:
    """A silent hidden cell has the conductance g + 2/epsilon: mu below 2/(g + 2/epsilon), which is 0.1446 with theirs.

    The authors' code still learned with 0.1 in most seeds and never with 0.15.
    """
    largest = 2 / (leak + max(2 / epsilon, 1 / epsilon + 1))
    for factor, stable in ((0.99, True), (1.01, False)):
        circuit = CorInfoMaxNetwork((5,), mu=factor * largest, epsilon=epsilon, leak=leak).circuit((4,), 3, DT)
        if stable:
            CorInfoMax().init(circuit, np.random.default_rng(0), 3)
            continue
        said = rf"^network.mu: found {1.01 * largest:g}; needs less than {largest:.4g}, from which on"
        with pytest.raises(InputError, match=said):
            CorInfoMax().init(circuit, np.random.default_rng(0), 3)


def test_a_step_of_0_15_is_refused_in_brian2_too() -> None:
    said = {"input": np.zeros((1, 6)), "target": np.zeros((1, 3)), "nudge": np.zeros((1, 1))}
    for mu, stable in ((0.14, True), (0.15, False)):
        run = partial(simulate, made(mu=mu), {name: RateInput.constant(one) for name, one in said.items()}, "1 ms")
        if stable:
            run(target="numpy")
            continue
        with pytest.raises(InputError, match="unstable in steps"):
            run(target="numpy")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": ()}, r"^network.hidden: found \(\); needs at least one layer"),
        ({"hidden": (5, 0)}, "^network.hidden"),
        ({"mu": 0.0}, "^network.mu: found 0.0; needs a number above 0$"),
        ({"mu": float("nan")}, "^network.mu"),
        ({"epsilon": -0.1}, "^network.epsilon"),
        ({"epsilon": float("inf")}, "^network.epsilon"),
        ({"leak": -1.0}, "^network.leak: found -1.0; needs a number, at least 0"),
        ({"slowing": -0.01}, "^network.slowing"),
        ({"forgetting": 1.0}, "^network.forgetting: found 1.0; needs a factor above 0 and below 1"),
        ({"forgetting": 0.0}, "^network.forgetting"),
        ({"sparse": True, "multiplier_rate": (0.1, 0.2)}, "^network.multiplier_rate: found 2 numbers; needs one, or 3"),
        ({"multiplier_rate": (2.0,)}, "^network.multiplier_rate: .* needs speeds above 0 and below 2"),
        ({"outputs": -1}, "^network.outputs: found -1"),
    ],
)
def test_numbers_that_make_no_circuit_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        made(**options)


def test_the_output_is_the_last_of_the_circuit_beside_multipliers_too() -> None:
    network = CorInfoMaxNetwork((4, 3), sparse=True, multiplier_rate=(0.1,))
    assert network.circuit((6,), 2, 1e-3).nodes[-1].name == "output"
