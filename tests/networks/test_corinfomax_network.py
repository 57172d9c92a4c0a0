"""The network of CorInfoMax: its projections, the published constants, and the largest stable step."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Circuit
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.rules.corinfomax import relaxation
from snnlab.rules.corinfomax.rule import CorInfoMax

DT = 1e-4


def build(**options: Any) -> Circuit:
    return CorInfoMaxNetwork(**{"hidden": (5, 4), "multiplier_rate": (0.1,)} | options).circuit((2, 3), 3, DT)


def test_layers_receive_the_layers_below_and_above_and_themselves() -> None:
    circuit = build()
    assert {one.name: one.weights.shape for one in circuit.projections} == {
        "input->hidden1.basal": (6, 5), "hidden1->hidden2.basal": (5, 4), "hidden2->output.basal": (4, 3),
        "hidden2->hidden1.apical": (4, 5), "output->hidden2.apical": (3, 4),
        "hidden1->hidden1.lateral": (5, 5), "hidden2->hidden2.lateral": (4, 4), "output->output.lateral": (3, 3),
        "target->output.target": (3, 3), "nudge->output.nudge": (1, 3),
    }  # fmt: skip
    assert [source.name for source in circuit.sources] == ["input", "target", "nudge"]


def test_each_option_adds_or_removes_only_its_projections() -> None:
    plain = {one.name for one in build().projections}
    assert plain - {one.name for one in build(lateral=False).projections} == {
        "hidden1->hidden1.lateral", "hidden2->hidden2.lateral", "output->output.lateral",
    }  # fmt: skip
    assert {one.name for one in build(slowing=0.01).projections} - plain == {
        f"slowing->{name}.slowing" for name in ("hidden1", "hidden2", "output")
    }
    layers = {1: "hidden1", 2: "hidden2", 3: "output"}
    assert {one.name for one in build(sparse=True).projections} - plain == {
        *(f"{name}->multiplier{k}.total" for k, name in layers.items()),
        *(f"multiplier{k}->{name}.multiplier" for k, name in layers.items()),
    }
    assert build(outputs=7)["output"].size == 7


def test_the_rule_reads_the_published_constants_from_the_circuit() -> None:
    """mu, g, epsilon, gamma = (1 - lambda)/lambda of the authors' MNIST; mu 0.07/(1 + 0.01 i) of Fashion-MNIST."""
    dynamics = relaxation.dynamics(CorInfoMaxNetwork().circuit((28, 28), 10, DT), "a test")
    assert (dynamics.mu, dynamics.leak, dynamics.epsilon) == pytest.approx((0.05, 0.5, 0.15), rel=1e-12)
    assert dynamics.forgetting == pytest.approx(0.99999, rel=1e-12) and dynamics.gamma == pytest.approx(1e-5, rel=1e-4)
    assert (dynamics.max_rate, dynamics.multiplier_rates) == (1.0, ())
    slower = CorInfoMaxNetwork(mu=0.07, slowing=0.01).circuit((28, 28), 10, DT)
    assert relaxation.dynamics(slower, "a test").step_sizes(3) == pytest.approx(
        [0.07, 0.07 / 1.01, 0.07 / 1.02], rel=1e-12
    )
    sparse = relaxation.dynamics(CorInfoMaxNetwork(sparse=True).circuit((28, 28), 10, DT), "a test")
    assert sparse.max_rate == np.inf and sparse.multiplier_rates == pytest.approx((1e-6, 0.01), rel=1e-12)


@pytest.mark.parametrize(("epsilon", "leak"), [(0.15, 0.5), (0.3, 0.0), (0.15, 3.0), (5.0, 0.5)])
def test_unstable_steps_are_refused_with_the_largest_stable_one(epsilon: float, leak: float) -> None:
    """A silent hidden cell has the conductance g + 2/epsilon; mu must be below 2/(g + 2/epsilon), 0.1446 as published.

    The authors' code learned with 0.1 for most seeds and never with 0.15.
    """
    largest = 2 / (leak + max(2 / epsilon, 1 / epsilon + 1))
    for factor, stable in ((0.99, True), (1.01, False)):
        circuit = CorInfoMaxNetwork((5,), mu=factor * largest, epsilon=epsilon, leak=leak).circuit((4,), 3, DT)
        if stable:
            CorInfoMax().init(circuit, np.random.default_rng(0), 3)
            continue
        with raises_input_error("network.mu", f"{1.01 * largest:g}", f"{largest:.4g}"):
            CorInfoMax().init(circuit, np.random.default_rng(0), 3)


def test_brian2_refuses_unstable_steps_too() -> None:
    given = {"input": np.zeros((1, 6)), "target": np.zeros((1, 3)), "nudge": np.zeros((1, 1))}
    for mu, stable in ((0.14, True), (0.15, False)):
        run = partial(simulate, build(mu=mu), {name: RateInput.constant(one) for name, one in given.items()}, "1 ms")
        if stable:
            run(target="numpy")
            continue
        with raises_input_error("population", "unstable"):
            run(target="numpy")
