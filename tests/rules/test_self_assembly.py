"""The self-assembling circuit (reconstruction): its law of alignment, and its updates against the gradient."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Circuit
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.networks.two_stream import TwoStream
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward_pass import forward_pass, forward_path
from snnlab.rules.rate.self_assembly import SelfAssembly
from snnlab.rules.rule import Batch, GradientRule, State

RULE = SelfAssembly(learning_rate=0.05, weight_decay=0.1, weight_init="he", lateral_rate=0.0, precision="float64")
EXACT = Backprop(precision="float64")
NETWORK = TwoStream((9, 8), (12, 5), "tanh", "logistic")


def initialised(network: TwoStream = NETWORK, rule: SelfAssembly = RULE, seed: int = 0) -> tuple[Circuit, State]:
    circuit = network.circuit((6,), 4, 1e-4)
    return circuit, rule.init(circuit, np.random.default_rng(seed))


def batch(seed: int, samples: int = 7) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(RateInput.constant(rng.uniform(-1, 1, (samples, 6))), rng.integers(4, size=samples))


def copied(state: State) -> State:
    weights = {name: values.copy() for name, values in state.weights.items()}
    return State(weights, {}, {name: values.copy() for name, values in state.constants.items()}, state.steps)


def misalignments(state: State) -> list[NDArray[np.float64]]:
    """V - W^T P of both hidden layers."""
    w = state.weights
    return [
        w[f"{above}->down{k}.apical"] - w[f"hidden{k}->{above}.basal"].T @ w[f"hidden{k}->down{k}.lateral"]
        for k, above in ((1, "hidden2"), (2, "output"))
    ]


# Alignment ------------------------------------------------------------------------------------------------------------


def test_misalignment_decays_by_the_same_factor_in_every_step_for_any_data() -> None:
    """By 1 - learning_rate * weight_decay, to 0.0067 after 1,000 steps; for P = 1 this is Kolen and Pollack's law."""
    circuit, state = initialised()
    first = misalignments(state)
    for step in range(1, 1001):
        state, _ = RULE.step(circuit, state, batch(step))
        if step % 100 == 0:
            for current, initial in zip(misalignments(state), first, strict=True):
                np.testing.assert_allclose(current, 0.995**step * initial, rtol=0, atol=1e-10 * np.abs(current).max())


def test_misalignment_does_not_decay_if_v_and_w_learn_from_different_pairs() -> None:
    """The negative control: V learns from the ascending activity of the previous sample."""

    class Late(SelfAssembly):
        def weight_updates(self, *arguments):  # type: ignore[no-untyped-def]
            return {
                name: update._replace(after=np.roll(update.after, 1, axis=0)) if name.endswith("apical") else update
                for name, update in super().weight_updates(*arguments).items()
            }

    rule = Late(learning_rate=0.05, weight_decay=0.1, weight_init="he", lateral_rate=0.0, precision="float64")
    circuit, state = initialised(rule=rule)
    first = misalignments(state)
    for step in range(1, 1001):
        state, _ = rule.step(circuit, state, batch(step))
    for current, initial in zip(misalignments(state), first, strict=True):
        assert np.abs(current - 0.995**1000 * initial).max() > 0.01 * np.abs(0.995**1000 * initial).max()


def test_the_factor_includes_the_learning_rate_schedule() -> None:
    rule = replace(RULE, schedule=Schedule("sqrt"))
    circuit, state = initialised(rule=rule)
    first = misalignments(state)
    for epoch in range(1, 51):
        state, _ = rule.step(circuit, state, replace(batch(epoch), epoch=epoch, epochs=50))
    factor = np.prod([1 - 0.05 * 0.1 / epoch**0.5 for epoch in range(1, 51)])
    for current, initial in zip(misalignments(state), first, strict=True):
        np.testing.assert_allclose(current, factor * initial, rtol=0, atol=1e-10 * np.abs(current).max())


def test_learning_lateral_synapses_change_the_misalignment_by_their_own_change_only() -> None:
    """V' - W'^T P' = (1 - learning_rate * weight_decay) (V - W^T P) - W'^T (P' - P), in each of 1,000 steps."""
    rule = replace(RULE, lateral_rate=0.01)
    circuit, state = initialised(rule=rule)
    for step in range(1, 1001):
        before, first = copied(state).weights, misalignments(state)
        state, _ = rule.step(circuit, state, batch(step))
        for k, (above, found, old) in enumerate(
            zip(("hidden2", "output"), misalignments(state), first, strict=True), start=1
        ):
            name = f"hidden{k}->down{k}.lateral"
            moved = state.weights[f"hidden{k}->{above}.basal"].T @ (state.weights[name] - before[name])
            np.testing.assert_allclose(found, 0.995 * old - moved, rtol=0, atol=1e-13)
            assert np.abs(moved).max() > 1e-6


def mirror_cosine(state: State) -> float:
    """The cosine of Q and P^T."""
    back, there = (state.weights[name] for name in ("down1->hidden1.teaching", "hidden1->down1.lateral"))
    return float((back * there.T).sum() / np.linalg.norm(back) / np.linalg.norm(there))


def test_teaching_synapses_become_the_mirror_of_lateral_ones_by_spontaneous_activity() -> None:
    """cos(Q, P^T) is initially near 0 and finally above 0.99 without other learning; it stays near 0 if Q is fixed."""
    rule = replace(RULE, learning_rate=0.0)
    for variant, learns in ((rule, True), (replace(rule, mirror_rate=0.0), False)):
        circuit, state = initialised(TwoStream((30,), (60,)), variant)
        lateral = state.weights["hidden1->down1.lateral"].copy()

        assert abs(mirror_cosine(state)) < 0.1
        for _ in range(1500):
            state, _ = variant.step(circuit, state, batch(0))
        assert (mirror_cosine(state) > 0.99) == learns and (abs(mirror_cosine(state)) < 0.1) == (not learns)
        assert np.array_equal(state.weights["hidden1->down1.lateral"], lateral)


def test_p_and_q_converge_to_their_mean_weighted_by_their_rates() -> None:
    """The mean of Q/mirror_rate + P^T/lateral_rate is constant, which determines the common limit.

    1,000 steps leave e^-7.5 of the difference. The tolerance is 0.03; the noise was below 0.01 for 20 seeds.
    """
    rule = replace(RULE, learning_rate=0.0, mirror_rate=0.005, lateral_rate=0.0025, noise_samples=512)
    circuit, state = initialised(TwoStream((10,), (20,)), rule)
    q, p = "down1->hidden1.teaching", "hidden1->down1.lateral"
    limit = (0.0025 * state.weights[q] + 0.005 * state.weights[p].T) / 0.0075
    difference = np.abs(state.weights[q] - state.weights[p].T).max()
    for _ in range(1000):
        state, _ = rule.step(circuit, state, batch(0))
    assert difference > 0.3
    np.testing.assert_allclose(state.weights[q], limit, rtol=0, atol=0.03)
    np.testing.assert_allclose(state.weights[p].T, limit, rtol=0, atol=0.03)


# Against the gradient -------------------------------------------------------------------------------------------------


def test_an_aligned_circuit_with_orthonormal_lateral_weights_learns_by_backpropagation() -> None:
    """V = W^T P, Q = P^T and P P^T = 1: exactly. test_backprop.py compares backpropagation with complex steps."""
    circuit, state = initialised(TwoStream((9, 8), (12, 8), "tanh", "logistic"))
    samples = batch(1)
    for aligned in (False, True):
        for k, above in ((1, "hidden2"), (2, "output")) if aligned else ():
            w, lateral = state.weights, f"hidden{k}->down{k}.lateral"
            w[lateral] = np.linalg.qr(w[lateral].T)[0].T.copy()
            w[f"down{k}->hidden{k}.teaching"] = w[lateral].T.copy()
            w[f"{above}->down{k}.apical"] = w[f"hidden{k}->{above}.basal"].T @ w[lateral]
        update, exact = RULE.update(circuit, state, samples), EXACT.update(circuit, state, samples)
        for name, expected in exact.items():
            same = np.allclose(update[name], expected, rtol=0, atol=1e-13)
            assert same == (aligned or name.endswith("output.basal")), name


TEACHER_SIZES = (20, 32, 32, 5)


def cosines_before_and_after(seed: int, mirror: float, lateral: float) -> tuple[list[float], list[float]]:
    """Cosines between update and negative gradient for both hidden layers, before and after 5,000 batches.

    A network of rectifiers learns from another one by the squared error; 128 paired cells per hidden layer.
    """
    circuit = TwoStream((32, 32), (128,), bias=False).circuit((20,), 5, 1e-4)
    rule = replace(RULE, learning_rate=0.02, weight_decay=0.03, mirror_rate=mirror, lateral_rate=lateral)
    rng, path = np.random.default_rng(seed), forward_path(circuit, "a test")
    state = rule.init(circuit, rng)
    teacher = [rng.normal(0, np.sqrt(2 / pre), (pre, post)) for pre, post in zip(TEACHER_SIZES, TEACHER_SIZES[1:])]  # noqa: B905

    def rates_and_error(inputs: NDArray[np.float64]) -> tuple[list, NDArray[np.float64]]:
        targets = np.maximum(np.maximum(inputs @ teacher[0], 0) @ teacher[1], 0) @ teacher[2]
        _, rates = forward_pass(path, state.weights, inputs)
        return rates, targets - rates[-1]

    def cosines() -> list[float]:
        rates, error = rates_and_error(np.random.default_rng(99).normal(size=(512, 20)))
        update, exact = (
            {
                name: (one.before.T @ one.after).ravel()
                for name, one in other.weight_updates(circuit, state, rates, error, 1.0).items()
            }
            for other in (rule, EXACT)
        )
        return [
            float(update[n] @ exact[n] / np.linalg.norm(update[n]) / np.linalg.norm(exact[n])) for n in path.weights[:2]
        ]

    first = cosines()
    for _ in range(5000):
        rates, error = rates_and_error(rng.normal(size=(32, 20)))
        rule.learn(circuit, state, rates, error, rule.learning_rate)
        state.steps += 1
    return first, cosines()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_from_random_connections_updates_align_with_the_gradient_in_every_hidden_layer(seed: int) -> None:
    """To at least 0.80 whether P learns or not; the controls: at most 0.75 for fixed Q, and more if P then learns."""
    for lateral in (1e-4, 0.0):
        first, last = cosines_before_and_after(seed, mirror=0.005, lateral=lateral)
        assert max(map(abs, first)) < 0.45 and min(last) >= 0.80, (lateral, first, last)
    first, last = cosines_before_and_after(seed, mirror=0.0, lateral=0.0)
    assert max(map(abs, first)) < 0.45 and max(last) <= 0.75, (first, last)
    _, learning = cosines_before_and_after(seed, mirror=0.0, lateral=1e-4)
    assert all(b > a + 0.1 for a, b in zip(last, learning, strict=True)), (last, learning)


def test_a_step_applies_the_update() -> None:
    rule = replace(RULE, weight_decay=0.0, mirror_rate=0.0)
    circuit, state = initialised(rule=rule)
    before, update = copied(state), rule.update(circuit, state, batch(1))
    assert all(np.array_equal(values, state.weights[name]) for name, values in before.weights.items())
    state, _ = rule.step(circuit, state, batch(1))
    assert {name.partition(".")[2] for name in update} == {"basal", "apical"} and isinstance(rule, GradientRule)
    for name, values in before.weights.items():
        change = update[name] if name in update else np.zeros_like(values)
        np.testing.assert_allclose(state.weights[name] - values, 0.05 * change, rtol=1e-9, atol=1e-16)


# Runs -----------------------------------------------------------------------------------------------------------------


def test_spontaneous_activity_depends_on_the_seed_and_the_step_only() -> None:
    """A state resumed after five steps reaches the same bits, on any number of threads."""
    circuit, state = initialised()
    other, rule = copied(state), replace(RULE, lateral_rate=1e-3)
    for step in range(10):
        if step == 5:
            resumed = copied(state)
        state, _ = rule.step(circuit, state, batch(step))
    for step in range(5, 10):
        with engine.threads(2):
            resumed, _ = rule.step(circuit, resumed, batch(step))
    assert all(np.array_equal(values, resumed.weights[name]) for name, values in state.weights.items())
    other.constants["noise"] += 1
    other, _ = rule.step(circuit, other, batch(0))
    again, _ = rule.step(circuit, initialised()[1], batch(0))
    differ = {name for name, values in again.weights.items() if not np.array_equal(values, other.weights[name])}
    assert differ == {name for k in (1, 2) for name in (f"down{k}->hidden{k}.teaching", f"hidden{k}->down{k}.lateral")}
    assert tuple(state.constants) == ("noise",)


@pytest.mark.parametrize(
    ("option", "value"), [("mirror_rate", 1.5), ("lateral_rate", -0.1), ("noise_samples", 0), ("learning_rate", -1.0)]
)
def test_an_invalid_option_raises_an_error(option: str, value: float) -> None:
    with raises_input_error(f"SelfAssembly.{option}", value):
        SelfAssembly(**{option: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("network", "name"),
    [
        (MLP((5,)), "hidden1"),
        (Microcircuit((5,)), "inter1"),
        (FeedForward(hidden=("5",)), "hidden1"),
        (TwoStream((5,), (6,), spiking=True), "hidden1"),
    ],
)
def test_another_network_raises_an_error(network: MLP, name: str) -> None:
    circuit = network.circuit((6,), 4, 1e-3 if isinstance(network, FeedForward) else 1e-4)
    with raises_input_error("self-assembly: circuit", name):
        RULE.init(circuit, np.random.default_rng(0))
