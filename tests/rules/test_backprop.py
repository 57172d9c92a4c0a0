"""Backpropagation and feedback alignment: what they ask for against complex steps, on every network they run on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.two_pass import TwoSweep
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.descent import Descent
from snnlab.rules.rate.feedback_alignment import FeedbackAlignment
from snnlab.rules.rule import Batch, GradientRule, State

MICRO = Microcircuit(hidden=(6, 5), mixing=(0.3, 0.2, 0.1), interneuron_mixing=0.1, leak=0.0, bias=True)
RULE = Backprop(learning_rate=0.7, precision="float64")
LOGISTIC, LINEAR = lambda u: 1 / (1 + np.exp(-u)), lambda u: u

# hidden potentials of a microcircuit are 1 - mixing of the basal ones
NETWORKS = {
    "microcircuit": (MICRO, LOGISTIC, LOGISTIC, (0.7, 0.8, 1.0)),
    "relu": (MLP((6, 5)), lambda u: u * (u.real > 0), LINEAR, (1.0, 1.0, 1.0)),
    "tanh": (MLP((6, 5), "tanh", "softplus"), np.tanh, lambda u: np.log(1 + np.exp(u)), (1.0, 1.0, 1.0)),
}


def output(name: str, weights: Mapping[str, NDArray[np.generic]], seen: NDArray[np.float64]) -> NDArray[np.generic]:
    """The forward pass written out, for complex weights too."""
    _, hidden, last, parts = NETWORKS[name]
    rates: NDArray[np.generic] = seen
    wires = (("input", "hidden1", hidden), ("hidden1", "hidden2", hidden), ("hidden2", "output", last))
    for (pre, post, transfer), part in zip(wires, parts, strict=True):
        heard = rates @ weights[f"{pre}->{post}.basal"] + weights[f"bias->{post}.basal"]
        rates = transfer(part * heard)
    return rates


def begun(name: str, rule: Descent = RULE) -> tuple[Circuit, State]:
    circuit = NETWORKS[name][0].circuit((7,), 3, 1e-4)
    return circuit, rule.init(circuit, np.random.default_rng(0))


SEEN, LABELS = np.random.default_rng(1).random((4, 7)), np.array([0, 2, 1, 2])
WANTED = np.full((4, 3), 0.1)
WANTED[np.arange(4), LABELS] = 0.8


def slopes(name: str, weights: Mapping[str, NDArray[np.float64]], counts: NDArray[np.float64]) -> dict:
    """dE/dw by complex steps, the mean over samples."""
    config = {one: known.astype(complex) for one, known in weights.items()}
    found = {one: np.zeros_like(values) for one, values in weights.items()}
    for one, values in weights.items():
        for place in np.ndindex(values.shape):
            config[one][place] += 1e-30j
            squares = 0.5 * ((output(name, config, SEEN) - WANTED) ** 2).sum(axis=1)
            found[one][place] = (squares * counts).mean().imag / 1e-30
            config[one][place] = values[place]
    return found


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("counts", [None, np.array([1.0, 0.0, 2.5, 1.0])])
def test_a_step_is_down_the_gradient_of_the_squared_error(name: str, counts: NDArray[np.float64] | None) -> None:
    circuit, state = begun(name, Backprop(learning_rate=0.7, init_scale=(0.8,), precision="float64"))
    before = {one: values.copy() for one, values in state.weights.items()}
    batch = Batch(RateInput.constant(SEEN), LABELS, weights=counts)
    asked = RULE.update(circuit, state, batch)
    assert all(np.array_equal(values, state.weights[one]) for one, values in before.items())
    state, score = RULE.step(circuit, state, batch)
    exact = slopes(name, before, np.ones(4) if counts is None else counts)
    assert state.weights.keys() == asked.keys() == exact.keys()
    for one, values in before.items():
        np.testing.assert_allclose(asked[one], -exact[one], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(state.weights[one] - values, -0.7 * exact[one], rtol=1e-7, atol=1e-15)
    assert score.loss == pytest.approx(0.5 * ((output(name, before, SEEN).real - WANTED) ** 2).sum() / 4)


@pytest.mark.parametrize("name", NETWORKS)
def test_feedback_alignment_is_the_gradient_where_feedback_is_symmetric_and_not_where_it_is_random(name: str) -> None:
    """And always in the output's weights, onto which no feedback leads."""
    rule = FeedbackAlignment(init_scale=(0.8,), precision="float64")
    circuit, state = begun(name, rule)
    batch = Batch(RateInput.constant(SEEN), LABELS)
    exact = slopes(name, state.weights, np.ones(4))
    random = rule.update(circuit, state, batch)
    state.constants["feedback"] = np.concatenate(
        [state.weights[one].ravel() for one in ("hidden1->hidden2.basal", "hidden2->output.basal")]
    )
    symmetric = rule.update(circuit, state, batch)
    for one, found in exact.items():
        np.testing.assert_allclose(symmetric[one], -found, rtol=1e-10, atol=1e-15)
        assert np.allclose(random[one], -found, rtol=0.1) == one.endswith("->output.basal")


def test_feedback_stays_as_it_was_drawn_and_weights_turn_towards_it() -> None:
    """Ten noisy patterns; the cosine between hidden2->output and its feedback begins near 0."""
    circuit = MLP((40, 40)).circuit((20,), 10, 1e-4)
    rule = FeedbackAlignment(learning_rate=0.1, initial="glorot", low=0.0, high=1.0, precision="float64")
    state, rng = rule.init(circuit, np.random.default_rng(3)), np.random.default_rng(4)
    down, centres = state.constants["feedback"].copy(), rng.random((10, 20))
    assert tuple(state.constants) == ("feedback",) and down.shape == (40 * 40 + 40 * 10,)

    def cosine() -> float:
        up, last = state.weights["hidden2->output.basal"].ravel(), down[1600:]
        return float(up @ last / np.linalg.norm(up) / np.linalg.norm(last))

    assert abs(cosine()) < 0.15
    for _ in range(2000):
        labels = rng.integers(10, size=10)
        seen = centres[labels] + rng.normal(0, 0.2, (10, 20))
        state, _ = rule.step(circuit, state, Batch(RateInput.constant(seen), labels))
    assert np.array_equal(state.constants["feedback"], down) and cosine() > 0.3


def test_weights_decay_and_those_of_a_bias_do_not() -> None:
    """With nothing to learn from, a step leaves 1 - rate * weight_decay of each."""
    rule = Backprop(learning_rate=0.5, weight_decay=0.02, schedule=Schedule("sqrt"), precision="float64")
    circuit, state = begun("relu", rule)
    before = {one: values.copy() for one, values in state.weights.items()}
    state, _ = rule.step(circuit, state, Batch(RateInput.constant(SEEN), LABELS, epoch=4, weights=np.zeros(4)))
    for one, values in before.items():
        kept = 1.0 if one.startswith("bias") else 1 - 0.25 * 0.02
        np.testing.assert_allclose(state.weights[one], kept * values, rtol=1e-14)


def test_weights_begin_with_the_variance_that_is_asked_for() -> None:
    """Glorot and Bengio 2010: 2/(pre + post); He and others 2015: 2/pre. Over 12,000 numbers, to 5 %."""
    circuit = MLP((120,)).circuit((100,), 10, 1e-4)
    for initial, variance in (("glorot", 2 / 220), ("he", 2 / 100), ("uniform", 0.3**2 / 3)):
        weights = Backprop(initial=initial, init_scale=(0.3,)).init(circuit, np.random.default_rng(0)).weights  # type: ignore[arg-type]
        assert weights["input->hidden1.basal"].var() == pytest.approx(variance, rel=0.05)
        assert weights["bias->hidden1.basal"].any() == (initial == "uniform")


def test_it_answers_as_the_two_sweep_rule_does_of_the_same_weights() -> None:
    circuit = MICRO.circuit((7,), 3, 1e-4)
    other = TwoSweep(precision="float64")
    state = other.init(circuit, np.random.default_rng(0))
    basal = State({name: values for name, values in state.weights.items() if name.endswith(".basal")})
    inputs = RateInput.constant(np.random.default_rng(1).random((5, 7)))
    one, two = RULE.predict(circuit, basal, inputs), other.predict(circuit, state, inputs)
    assert one.counts.tobytes() == two.counts.tobytes()
    assert np.allclose(one.counts, output("microcircuit", basal.weights, inputs.values[:, 0]), rtol=1e-12)


def test_rules_that_can_be_held_against_the_gradient_say_so() -> None:
    assert all(isinstance(one, GradientRule) for one in (RULE, FeedbackAlignment(), TwoSweep()))


def test_each_layer_begins_with_its_own_spread() -> None:
    circuit = MLP(hidden=(300, 200)).circuit((400,), 10, 1e-3)
    weights = Backprop(init_scale=(0.5, 0.3, 0.1)).init(circuit, np.random.default_rng(0)).weights
    for name, spread in {"input->hidden1.basal": 0.5, "bias->hidden1.basal": 0.5, "hidden1->hidden2.basal": 0.3,
                         "bias->hidden2.basal": 0.3, "hidden2->output.basal": 0.1}.items():  # fmt: skip
        assert 0.95 * spread < np.abs(weights[name]).max() <= spread, name
    with pytest.raises(InputError, match="^rule.init_scale: found 2 numbers; needs one, or one for each of 3 layers"):
        Backprop(init_scale=(0.5, 0.3)).init(circuit, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [Backprop, FeedbackAlignment])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": -1.0}, "learning_rate: found -1.0"),
        ({"init_scale": (0.1, -0.1)}, r"init_scale: found \(0.1, -0.1\)"),
        ({"weight_decay": float("inf")}, "weight_decay: found inf"),
        ({"low": 0.9}, "high: found 0.8; needs more than 0.9"),
        ({"initial": "x"}, "initial: found 'x'"),
    ],
)
def test_options_that_mean_nothing_are_refused(kind: type[Descent], changes: dict, says: str) -> None:
    with pytest.raises(InputError, match=f"^{kind.__name__}.{says}"):
        kind(**changes)


def test_feedback_of_nothing_is_refused() -> None:
    with pytest.raises(InputError, match=r"^FeedbackAlignment.feedback: found 0"):
        FeedbackAlignment(feedback=0.0)


@pytest.mark.parametrize("rule", [RULE, FeedbackAlignment()])
def test_a_network_that_fires_is_refused(rule: Descent) -> None:
    circuit = FeedForward(hidden=("5",)).circuit((4,), 3, 1e-3)
    with pytest.raises(InputError, match=rf"^{rule.title}: circuit: of hidden1, input, output; needs layers of"):
        rule.init(circuit, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("weights", "says"),
    [
        (np.ones(1), r"^batch: weights \(1,\); needs one for each label, \(3,\)$"),
        (np.ones((3, 1)), r"^batch: weights \(3, 1\); needs one for each label"),
        (np.array([1.0, -1.0, 1.0]), "^batch: weights from -1 to 1; needs numbers, at least 0$"),
        (np.array([1.0, np.nan, 1.0]), "^batch: weights .*; needs numbers, at least 0$"),
    ],
)
def test_weights_of_samples_that_mean_nothing_are_refused(weights: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Batch(RateInput.constant(np.ones((3, 4))), np.zeros(3, dtype=np.int64), weights=weights)
