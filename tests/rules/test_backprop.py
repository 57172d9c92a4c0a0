"""Backpropagation and feedback alignment: updates against complex-step gradients, on every kind of network."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Circuit
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.two_pass import TwoPass
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.backward_pass import BackwardPassRule
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
    """The output of the forward pass, from its equations; also for complex weights."""
    _, hidden, last, gains = NETWORKS[name]
    rates: NDArray[np.generic] = seen
    projections = (("input", "hidden1", hidden), ("hidden1", "hidden2", hidden), ("hidden2", "output", last))
    for (pre, post, activation), gain in zip(projections, gains, strict=True):
        potential = rates @ weights[f"{pre}->{post}.basal"] + weights[f"bias->{post}.basal"]
        rates = activation(gain * potential)
    return rates


def initialised(name: str, rule: BackwardPassRule = RULE) -> tuple[Circuit, State]:
    circuit = NETWORKS[name][0].circuit((7,), 3, 1e-4)
    return circuit, rule.init(circuit, np.random.default_rng(0))


INPUTS, LABELS = np.random.default_rng(1).random((4, 7)), np.array([0, 2, 1, 2])
TARGETS = np.full((4, 3), 0.1)
TARGETS[np.arange(4), LABELS] = 0.8


def gradient(name: str, weights: Mapping[str, NDArray[np.float64]], sample_weights: NDArray[np.float64]) -> dict:
    """dE/dw by complex steps, mean over samples."""
    trial = {key: values.astype(complex) for key, values in weights.items()}
    derivatives = {key: np.zeros_like(values) for key, values in weights.items()}
    for key, values in weights.items():
        for place in np.ndindex(values.shape):
            trial[key][place] += 1e-30j
            squares = 0.5 * ((output(name, trial, INPUTS) - TARGETS) ** 2).sum(axis=1)
            derivatives[key][place] = (squares * sample_weights).mean().imag / 1e-30
            trial[key][place] = values[place]
    return derivatives


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("sample_weights", [None, np.array([1.0, 0.0, 2.5, 1.0])])
def test_a_step_is_gradient_descent_on_the_squared_error(name: str, sample_weights: NDArray[np.float64] | None) -> None:
    circuit, state = initialised(name, Backprop(learning_rate=0.7, init_scale=(0.8,), precision="float64"))
    before = {one: values.copy() for one, values in state.weights.items()}
    batch = Batch(RateInput.constant(INPUTS), LABELS, weights=sample_weights)
    update = RULE.update(circuit, state, batch)
    assert all(np.array_equal(values, state.weights[one]) for one, values in before.items())
    state, metrics = RULE.step(circuit, state, batch)
    exact = gradient(name, before, np.ones(4) if sample_weights is None else sample_weights)
    assert state.weights.keys() == update.keys() == exact.keys()
    for one, values in before.items():
        np.testing.assert_allclose(update[one], -exact[one], rtol=1e-10, atol=1e-15)
        np.testing.assert_allclose(state.weights[one] - values, -0.7 * exact[one], rtol=1e-7, atol=1e-15)
    assert metrics.loss == pytest.approx(0.5 * ((output(name, before, INPUTS).real - TARGETS) ** 2).sum() / 4)


@pytest.mark.parametrize("name", NETWORKS)
def test_feedback_alignment_equals_the_gradient_only_for_symmetric_feedback(name: str) -> None:
    """The update of the output weights, which uses no feedback, always equals it."""
    rule = FeedbackAlignment(init_scale=(0.8,), precision="float64")
    circuit, state = initialised(name, rule)
    batch = Batch(RateInput.constant(INPUTS), LABELS)
    exact = gradient(name, state.weights, np.ones(4))
    random = rule.update(circuit, state, batch)
    for projection in ("hidden1->hidden2.basal", "hidden2->output.basal"):
        state.constants[f"feedback:{projection}"] = state.weights[projection]
    symmetric = rule.update(circuit, state, batch)
    for projection, derivative in exact.items():
        np.testing.assert_allclose(symmetric[projection], -derivative, rtol=1e-10, atol=1e-15)
        assert np.allclose(random[projection], -derivative, rtol=0.1) == projection.endswith("->output.basal")


def test_feedback_is_constant_and_forward_weights_align_with_it() -> None:
    """For ten noisy patterns; the cosine between hidden2->output and its feedback is initially near 0."""
    circuit = MLP((40, 40)).circuit((20,), 10, 1e-4)
    rule = FeedbackAlignment(learning_rate=0.1, weight_init="glorot", low=0.0, high=1.0, precision="float64")
    state, rng = rule.init(circuit, np.random.default_rng(3)), np.random.default_rng(4)
    feedback, centres = {name: values.copy() for name, values in state.constants.items()}, rng.random((10, 20))
    name = "hidden2->output.basal"
    assert feedback.keys() == {"feedback:hidden1->hidden2.basal", f"feedback:{name}"}

    def cosine() -> float:
        forward, backward = state.weights[name], feedback[f"feedback:{name}"]
        return float((forward * backward).sum() / np.linalg.norm(forward) / np.linalg.norm(backward))

    assert abs(cosine()) < 0.15
    for _ in range(2000):
        labels = rng.integers(10, size=10)
        inputs = centres[labels] + rng.normal(0, 0.2, (10, 20))
        state, _ = rule.step(circuit, state, Batch(RateInput.constant(inputs), labels))
    assert all(np.array_equal(state.constants[name], values) for name, values in feedback.items())
    assert cosine() > 0.3


def test_weights_decay_except_those_of_a_bias() -> None:
    """Samples of weight 0 cause no update: a step multiplies weights by 1 - learning_rate * weight_decay."""
    rule = Backprop(learning_rate=0.5, weight_decay=0.02, schedule=Schedule("sqrt"), precision="float64")
    circuit, state = initialised("relu", rule)
    before = {one: values.copy() for one, values in state.weights.items()}
    state, _ = rule.step(circuit, state, Batch(RateInput.constant(INPUTS), LABELS, epoch=4, weights=np.zeros(4)))
    for one, values in before.items():
        factor = 1.0 if one.startswith("bias") else 1 - 0.25 * 0.02
        np.testing.assert_allclose(state.weights[one], factor * values, rtol=1e-14)


def test_initial_weights_have_the_variance_of_their_distribution() -> None:
    """Glorot and Bengio 2010: 2/(pre + post); He and others 2015: 2/pre. For 12,000 numbers, to 5 %."""
    circuit = MLP((120,)).circuit((100,), 10, 1e-4)
    for weight_init, variance in (("glorot", 2 / 220), ("he", 2 / 100), ("uniform", 0.3**2 / 3)):
        weights = Backprop(weight_init=weight_init, init_scale=(0.3,)).init(circuit, np.random.default_rng(0)).weights  # type: ignore[arg-type]
        assert weights["input->hidden1.basal"].var() == pytest.approx(variance, rel=0.05)
        assert weights["bias->hidden1.basal"].any() == (weight_init == "uniform")


def test_backpropagation_and_the_two_pass_rule_predict_the_same_from_the_same_weights() -> None:
    circuit = MICRO.circuit((7,), 3, 1e-4)
    two_pass = TwoPass(precision="float64")
    state = two_pass.init(circuit, np.random.default_rng(0))
    basal = State({name: values for name, values in state.weights.items() if name.endswith(".basal")})
    inputs = RateInput.constant(np.random.default_rng(1).random((5, 7)))
    first, second = RULE.predict(circuit, basal, inputs), two_pass.predict(circuit, state, inputs)
    assert first.counts.tobytes() == second.counts.tobytes()
    assert np.allclose(first.counts, output("microcircuit", basal.weights, inputs.values[:, 0]), rtol=1e-12)


def test_the_rules_are_gradient_rules() -> None:
    assert all(isinstance(one, GradientRule) for one in (RULE, FeedbackAlignment(), TwoPass()))


def test_each_layer_has_its_own_init_scale() -> None:
    circuit = MLP(hidden=(300, 200)).circuit((400,), 10, 1e-3)
    weights = Backprop(init_scale=(0.5, 0.3, 0.1)).init(circuit, np.random.default_rng(0)).weights
    for name, spread in {"input->hidden1.basal": 0.5, "bias->hidden1.basal": 0.5, "hidden1->hidden2.basal": 0.3,
                         "bias->hidden2.basal": 0.3, "hidden2->output.basal": 0.1}.items():  # fmt: skip
        assert 0.95 * spread < np.abs(weights[name]).max() <= spread, name
    with raises_input_error("rule.init_scale", 2, 3):
        Backprop(init_scale=(0.5, 0.3)).init(circuit, np.random.default_rng(0))


@pytest.mark.parametrize("kind", [Backprop, FeedbackAlignment])
@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("learning_rate", -1.0),
        ("init_scale", (0.1, -0.1)),
        ("weight_decay", float("inf")),
        ("low", 0.9),
        ("weight_init", "x"),
    ],
)
def test_an_invalid_option_raises_an_error(kind: type[BackwardPassRule], option: str, value: object) -> None:
    with raises_input_error(f"{kind.__name__}.{'high' if option == 'low' else option}", value):
        kind(**{option: value})  # type: ignore[arg-type]


def test_feedback_of_scale_0_raises_an_error() -> None:
    with raises_input_error("FeedbackAlignment.feedback_scale", 0.0):
        FeedbackAlignment(feedback_scale=0.0)


@pytest.mark.parametrize("rule", [RULE, FeedbackAlignment()])
def test_a_spiking_network_raises_an_error(rule: BackwardPassRule) -> None:
    circuit = FeedForward(hidden=("5",)).circuit((4,), 3, 1e-3)
    with raises_input_error(f"{rule.title}: circuit", "hidden1"):
        rule.init(circuit, np.random.default_rng(0))


@pytest.mark.parametrize("weights", [np.ones(1), np.ones((3, 1)), np.array([1.0, -1.0, 1.0]), np.array([1, np.nan, 1])])
def test_invalid_sample_weights_raise_an_error(weights: np.ndarray) -> None:
    with raises_input_error("batch", "weights"):
        Batch(RateInput.constant(np.ones((3, 4))), np.zeros(3, dtype=np.int64), weights=weights)
