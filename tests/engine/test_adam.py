"""Adam against the formulas of its paper, Algorithm 1, in NumPy's float64."""

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import engine
from snnlab.rules.common.adam import Adam
from snnlab.rules.rule import State


def initialised(shape, precision, seed=0):
    state = State({"w": np.random.default_rng(seed).normal(size=shape).astype(precision)})
    adam = Adam()
    adam.start(state)
    return adam, state


def as_published(weights, gradients, rates, beta1=0.9, beta2=0.999, epsilon=1e-8):
    m = v = np.zeros_like(weights)
    for t, (g, alpha) in enumerate(zip(gradients, rates, strict=True), start=1):
        m = beta1 * m + (1 - beta1) * g
        v = beta2 * v + (1 - beta2) * g**2
        corrected = m / (1 - beta1**t), v / (1 - beta2**t)
        weights = weights - alpha * corrected[0] / (np.sqrt(corrected[1]) + epsilon)
    return weights


@settings(max_examples=examples(30))
@given(
    shape=st.sampled_from([(1,), (7, 3), (40, 1000), (8, 2, 5, 5)]),
    steps=st.integers(1, 12),
    size=st.sampled_from([1e-12, 1e-4, 1.0, 1e6]),
    seed=st.integers(0, 10**6),
)
def test_weights_follow_the_algorithm_of_the_paper(shape, steps, size, seed):
    rng = np.random.default_rng(seed)
    gradients, rates = rng.normal(size=(steps, *shape)) * size, rng.uniform(1e-4, 1e-2, steps)
    gradients[:, ..., 0] = 0  # as of an input that never fires
    for precision, error in (("float64", 1e-12), ("float32", 2e-6)):
        adam, state = initialised(shape, precision, seed)
        wanted = as_published(state.weights["w"].astype(float), gradients.astype(precision).astype(float), rates)
        for gradient, rate in zip(gradients, rates, strict=True):
            adam.step(state, {"w": gradient.astype(precision)}, rate)
        assert state.steps == steps
        assert np.allclose(state.weights["w"], wanted, rtol=error, atol=error)


def test_moments_are_corrected_for_their_bias():
    adam, state = initialised((5,), "float64")
    before = state.weights["w"].copy()
    adam.step(state, {"w": np.full(5, 3.0)}, 0.01)
    assert np.allclose(before - state.weights["w"], 0.01)  # the first step is the rate, whatever the gradient's size
    uncorrected = 0.01 * (0.1 * 3) / np.sqrt(0.001 * 9)
    assert not np.isclose(uncorrected, 0.01, rtol=0.5)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_do_not_depend_on_the_number_of_threads(precision):
    rng = np.random.default_rng(3)
    gradients = rng.normal(size=(4, 333, 301)).astype(precision)
    results = []
    for threads in (1, 2, 3):
        adam, state = initialised((333, 301), precision)
        with engine.threads(threads):
            for gradient in gradients:
                adam.step(state, {"w": gradient}, 1e-3)
        results.append([state.weights["w"], state.optimizer_state["m:w"], state.optimizer_state["v:w"]])
    for other in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(other, results[0], strict=True))


@pytest.mark.parametrize(
    ("gradient", "values"),
    [
        (np.zeros((3, 4), "float32"), ["float32 (3, 4)", "float32 (4, 3)"]),
        (np.zeros((4, 3), "float64"), ["float64 (4, 3)", "float32 (4, 3)"]),
        (np.zeros((3, 4), "float32").T, ["contiguous"]),
    ],
)
def test_a_gradient_of_another_layout_than_the_weights_is_refused(gradient, values):
    adam, state = initialised((4, 3), "float32")
    with raises_input_error("Adam: gradient", *values):
        adam.step(state, {"w": gradient}, 1e-3)


def test_an_unknown_precision_is_refused():
    adam, state = initialised((4, 3), "float16")
    with raises_input_error("Adam: weights", "float16", "float32, float64"):
        adam.step(state, {"w": np.zeros((4, 3), "float16")}, 1e-3)
