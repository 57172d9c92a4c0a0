"""The two-pass rule: against the gradient, against one step by hand, and negative controls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.steady_state import steady_state
from snnlab.rules.dendritic.two_pass import Potentials, TwoPass, two_passes
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward_pass import forward_pass, forward_path
from snnlab.rules.rule import Batch, State

DEEP = Microcircuit(hidden=(30, 20), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1, leak=0.0, bias=True)
EXACT = TwoPass(precision="float64")
CLASSES = 10


def circuit_of(network: Microcircuit = DEEP, inputs: int = 40, classes: int = CLASSES) -> Circuit:
    return network.circuit((inputs,), classes, 1e-4)


def random_inputs(samples: int, inputs: int = 40, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((samples, inputs))


def potentials_of(
    circuit: Circuit, state: State, inputs: NDArray[np.float64], targets: NDArray[np.float64] | None
) -> Potentials:
    return two_passes(steady_state(circuit, "test"), state, inputs, targets)


def initialised(circuit: Circuit, rule: TwoPass = EXACT, seed: int = 0) -> State:
    return rule.init(circuit, np.random.default_rng(seed))


def symmetric(state: State) -> State:
    """With W_down = W_up^T, and interneurons that cancel it."""
    weights = dict(state.weights)
    for low, high, inter in (("hidden1", "hidden2", "inter1"), ("hidden2", "output", "inter2")):
        weights[f"{high}->{low}.apical"] = weights[f"{low}->{high}.basal"].T.copy()
        weights[f"{inter}->{low}.inhibition"] = -weights[f"{high}->{low}.apical"]
    return State(weights)


# The gradient ---------------------------------------------------------------------------------------------------------


def forward(weights: dict[str, NDArray[np.generic]], inputs: NDArray[np.float64]) -> NDArray[np.generic]:
    """Output rates of a circuit without leak and with DEEP's mixing, from its equations; also for complex weights."""

    def logistic(u: NDArray[np.generic]) -> NDArray[np.generic]:
        return 1 / (1 + np.exp(-u))

    first = logistic(0.7 * (inputs @ weights["input->hidden1.basal"] + weights["bias->hidden1.basal"]))
    second = logistic(0.7 * (first @ weights["hidden1->hidden2.basal"] + weights["bias->hidden2.basal"]))
    return logistic(second @ weights["hidden2->output.basal"] + weights["bias->output.basal"])


def gradients(
    weights: dict[str, NDArray[np.float64]], inputs: NDArray[np.float64], targets: NDArray[np.float64]
) -> dict:
    """dE/dw of E = sum r log(r/y) + (1 - r) log((1 - r)/(1 - y)), mean over samples, by complex steps.

    dE/dr is the output's potential minus its target.
    """

    def cost(rates: NDArray[np.generic]) -> complex:
        return (rates * np.log(rates / targets) + (1 - rates) * np.log((1 - rates) / (1 - targets))).sum() / len(inputs)

    derivatives = {}
    names = [name for name in weights if name.endswith(".basal")]
    for name in names:
        trial = {key: weights[key].astype(complex) for key in names}
        derivatives[name] = np.zeros_like(weights[name])
        for place in np.ndindex(weights[name].shape):
            trial[name][place] += 1e-30j
            derivatives[name][place] = cost(forward(trial, inputs)).imag / 1e-30
            trial[name][place] = weights[name][place]
    return derivatives


def angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))))


def targets_of(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    targets = np.full((len(labels), CLASSES), 0.1)
    targets[np.arange(len(labels)), labels] = 0.8
    return targets


def updates(circuit: Circuit, state: State, inputs: NDArray[np.float64], labels: NDArray[np.int64]) -> dict:
    """The weight changes of one step."""
    before = {name: values.copy() for name, values in state.weights.items()}
    after, _ = EXACT.step(
        circuit, State({k: v.copy() for k, v in before.items()}), Batch(RateInput.constant(inputs), labels)
    )
    return {name: after.weights[name] - before[name] for name in before}


def angles(circuit: Circuit, state: State, seed: int = 5, samples: int = 10) -> dict[str, float]:
    """Degrees between the changes of basal weights in a step and the negative gradient."""
    inputs, labels = random_inputs(samples, seed=seed), np.random.default_rng(seed).integers(CLASSES, size=samples)
    update, exact = updates(circuit, state, inputs, labels), gradients(state.weights, inputs, targets_of(labels))
    return {name: angle(update[name], -exact[name]) for name in exact}


@pytest.mark.parametrize("seed", range(5))
def test_updates_equal_those_of_backpropagation_for_symmetric_feedback(seed: int) -> None:
    circuit = circuit_of()
    found = angles(circuit, symmetric(initialised(circuit, seed=seed)), seed)
    assert max(found.values()) < 1.5, found


def test_without_interneurons_updates_differ_from_backpropagation() -> None:
    """The negative control: the top-down input is then not an error but all activity of the layer above."""
    circuit = circuit_of()
    state = symmetric(initialised(circuit))
    for name in ("inter1->hidden1.inhibition", "inter2->hidden2.inhibition"):
        state.weights[name][:] = 0
    found = angles(circuit, state)
    assert found["input->hidden1.basal"] > 45 and found["hidden1->hidden2.basal"] > 45, found


def test_updates_with_random_feedback_are_initially_orthogonal_and_learning_aligns_them() -> None:
    """Ten noisy patterns of 40 inputs, 50 hidden cells, two seeds: from 108 and 87 to 31 and 27 degrees.

    Interneurons learn 8 times as fast as the weights that they predict, as a tenth of the output's error reaches them.
    """
    circuit = circuit_of(replace(DEEP, hidden=(50,), mixing=(0.3, 0.1)))
    rule = replace(EXACT, learning_rate=0.02, to_interneuron=8.0)
    for seed in range(2):
        state, rng = initialised(circuit, rule, seed), np.random.default_rng(seed)
        centres = rng.random((CLASSES, 40))

        def sample(count: int, rng: np.random.Generator, centres: NDArray[np.float64] = centres) -> tuple:
            labels = rng.integers(CLASSES, size=count)
            return np.clip(centres[labels] + rng.normal(0, 0.4, size=(count, 40)), 0, 1), labels

        def first_layer_angle(state: State, inputs: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
            """With the gradient by backpropagation, for dE/dr as in `gradients`."""
            update = updates(circuit, state, inputs, labels)["input->hidden1.basal"]
            _, rates = forward_pass(forward_path(circuit, "test"), state.weights, inputs)
            targets = targets_of(labels)
            error = np.log(rates[-1] / (1 - rates[-1])) - np.log(targets / (1 - targets))
            exact = Backprop(precision="float64").weight_updates(circuit, state, rates, -error, 1.0)
            _, before, delta, _ = exact["input->hidden1.basal"]
            return angle(update, before.T @ delta)

        held_out = sample(100, np.random.default_rng(7))
        assert 80 < first_layer_angle(state, *held_out) < 120
        for _ in range(4000):
            inputs, labels = sample(10, rng)
            state, _ = rule.step(circuit, state, Batch(RateInput.constant(inputs), labels))
        assert first_layer_angle(state, *held_out) < 40


def test_one_step_by_hand() -> None:
    """Two inputs, two hidden cells, one output; every number by plain arithmetic."""
    circuit = Microcircuit(hidden=(2,), mixing=(0.2, 0.5), interneuron_mixing=0.4, leak=0.0).circuit((2,), 1, 1e-4)
    w = {
        "input->hidden1.basal": [[0.5, -0.25], [1.0, 0.75]],
        "hidden1->output.basal": [[0.3], [-0.6]],
        "hidden1->inter1.dendrite": [[0.1], [0.2]],
        "inter1->hidden1.inhibition": [[-0.4, 0.8]],
        "output->hidden1.apical": [[0.7, -0.9]],
    }
    rule = TwoPass(learning_rate=0.1, to_interneuron=2.0, from_interneuron=0.3, top_down=0.2, precision="float64")
    state = State({name: np.array(values) for name, values in w.items()})
    inputs = np.array([[1.0, 0.5]])
    state, metrics = rule.step(circuit, state, Batch(RateInput.constant(inputs), np.array([0])))

    def phi(u: float) -> float:
        return 1 / (1 + math.exp(-u))

    basal = [1.0 * 0.5 + 0.5 * 1.0, 1.0 * -0.25 + 0.5 * 0.75]
    up = [phi(0.8 * basal[0]), phi(0.8 * basal[1])]
    v_out = up[0] * 0.3 + up[1] * -0.6
    u_out = 0.5 * v_out + 0.5 * math.log(0.8 / 0.2)
    v_inter = up[0] * 0.1 + up[1] * 0.2
    u_inter = 0.6 * v_inter + 0.4 * u_out
    down = [phi(u_out) * 0.7, phi(u_out) * -0.9]
    apical = [down[0] + phi(u_inter) * -0.4, down[1] + phi(u_inter) * 0.8]
    soma = [0.8 * basal[k] + 0.2 * apical[k] for k in (0, 1)]
    eta_out, eta_hidden = 0.1 / 0.5, 0.1 / 0.5 / 0.2
    expected = {
        "input->hidden1.basal": [
            [w["input->hidden1.basal"][j][k] + eta_hidden * (phi(soma[k]) - up[k]) * inputs[0, j] for k in (0, 1)]
            for j in (0, 1)
        ],
        "hidden1->output.basal": [
            [w["hidden1->output.basal"][k][0] + eta_out * (phi(u_out) - phi(v_out)) * up[k]] for k in (0, 1)
        ],
        "hidden1->inter1.dendrite": [
            [w["hidden1->inter1.dendrite"][k][0] + 2 * eta_out * (phi(u_inter) - phi(v_inter)) * up[k]] for k in (0, 1)
        ],
        "inter1->hidden1.inhibition": [
            [w["inter1->hidden1.inhibition"][0][k] - 0.3 * apical[k] * phi(u_inter) for k in (0, 1)]
        ],
        "output->hidden1.apical": [
            [w["output->hidden1.apical"][0][k] + 0.2 * (phi(soma[k]) - phi(down[k])) * phi(u_out) for k in (0, 1)]
        ],
    }
    assert state.weights.keys() == expected.keys()
    for name, values in expected.items():
        assert np.allclose(state.weights[name], values, rtol=1e-13, atol=0), name
    assert metrics.loss == pytest.approx(0.5 * (phi(v_out) - 0.8) ** 2)


def test_a_step_applies_the_update_times_the_schedule() -> None:
    circuit = circuit_of()
    rule = replace(EXACT, schedule=Schedule("sqrt"), from_interneuron=0.2, top_down=0.1)
    state, inputs, labels = initialised(circuit), random_inputs(5), np.arange(5)
    before = {name: values.copy() for name, values in state.weights.items()}
    batch = Batch(RateInput.constant(inputs), labels, epoch=4, epochs=9, weights=np.array([1.0, 0.0, 2.0, 1.0, 1.0]))
    update = rule.update(circuit, state, batch)
    assert all(np.array_equal(state.weights[name], values) for name, values in before.items())
    state, _ = rule.step(circuit, state, batch)
    assert update.keys() == before.keys() and all(update[name].any() for name in update)
    for name, values in before.items():
        np.testing.assert_allclose(state.weights[name] - values, update[name] / 2, rtol=1e-9, atol=1e-16)


# The self-predicting state --------------------------------------------------------------------------------------------


@settings(max_examples=examples(25), deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    mixing=st.lists(st.floats(0.05, 0.6), min_size=3, max_size=3).map(tuple),
    leak=st.floats(0, 0.5),
    activation=st.sampled_from(["logistic", "soft_rectifier", "softplus"]),
)
def test_without_a_teacher_apical_potentials_are_zero(
    seed: int, mixing: tuple[float, ...], leak: float, activation: str
) -> None:
    """For any conductances, in two hidden layers, to rounding; the backward pass then changes no rate."""
    network = replace(DEEP, mixing=mixing, leak=leak, activation=activation)
    circuit = circuit_of(network)
    potentials = potentials_of(circuit, initialised(circuit, seed=seed), random_inputs(4, seed=seed), None)
    for apical in potentials.apical:
        assert np.abs(apical).max() < 1e-12
    rate = steady_state(circuit, "test").activation.function
    for soma, forward_rate in zip(potentials.soma, potentials.forward_rates[1:], strict=True):
        assert np.allclose(rate(soma), forward_rate, rtol=0, atol=1e-12)


def test_the_literal_equations_of_the_paper_have_an_error_without_a_teacher() -> None:
    """The negative control: u = v_B in the forward pass, and interneurons that copy W_up.

    Then u_2 = 0.7 v_B after the backward pass, but the interneurons of layer 1 predict v_B.
    """
    circuit = circuit_of()
    state = initialised(circuit)
    w, inputs = state.weights, random_inputs(4)

    def logistic(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-u))

    first = logistic(inputs @ w["input->hidden1.basal"] + w["bias->hidden1.basal"])
    v_second = first @ w["hidden1->hidden2.basal"] + w["bias->hidden2.basal"]
    second = 0.7 * v_second  # apical potentials are 0, as the output is predicted
    inter = 0.9 * v_second + 0.1 * second
    apical = (logistic(second) - logistic(inter)) @ w["hidden2->hidden1.apical"]
    assert np.abs(apical).max() > 0.05
    assert np.abs(potentials_of(circuit, state, inputs, None).apical[0]).max() < 1e-12


def test_interneurons_learn_to_predict_from_random_weights() -> None:
    """With all other weights fixed, without a teacher. Apical potentials fall by more than a factor of 100."""
    circuit = circuit_of(replace(DEEP, hidden=(30,), mixing=(0.3, 0.1)))
    rule = replace(EXACT, learning_rate=0.3, interneuron_init="random", from_interneuron=0.3)
    state = initialised(circuit, rule)
    rng, inputs = np.random.default_rng(1), random_inputs(50, seed=2)
    steady = steady_state(circuit, "test")

    def apical() -> float:
        return float(np.abs(two_passes(steady, state, inputs, None).apical[0]).mean())

    first = apical()
    inter = [state.weights[name] for name in state.weights if name.endswith((".dendrite", ".inhibition"))]
    for _ in range(3000):
        potentials = two_passes(steady, state, rng.random((10, 40)), None)
        for update in rule.weight_updates(steady, state, potentials, np.ones(10), 1.0).values():
            if any(update.weights is values for values in inter):
                update.weights[:] += update.scale * update.before.T @ update.after
    assert apical() < first / 100, (first, apical())


# Options and errors ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "options", "value"),
    [
        ("learning_rate", {"learning_rate": -1.0}, -1.0),
        ("to_interneuron", {"to_interneuron": float("nan")}, "nan"),
        ("init_scale", {"init_scale": (0.1, -1.0)}, (0.1, -1.0)),
        ("high", {"high": 0.1}, 0.1),
        ("interneuron_init", {"interneuron_init": "now"}, "now"),
    ],
)
def test_an_invalid_option_raises_an_error(field: str, options: dict, value: object) -> None:
    with raises_input_error(f"TwoPass.{field}", value):
        TwoPass(**options)


@pytest.mark.parametrize("rule", [EXACT, Backprop(precision="float64")])
def test_circuits_without_a_steady_state_and_spikes_raise_errors(rule: TwoPass | Backprop) -> None:
    for option, value in (("noise", 0.1), ("latent", True)):
        with raises_input_error(f"network.{option}"):
            rule.init(circuit_of(replace(DEEP, **{option: value})), np.random.default_rng(0), CLASSES)
    with raises_input_error("network", 10, 9):
        rule.init(circuit_of(), np.random.default_rng(0), 9)
    spikes = SpikeTrains(np.zeros(0, np.int32), np.zeros((1, 5), np.int64), 40, 1e-3)
    circuit = circuit_of()
    state = rule.init(circuit, np.random.default_rng(0))
    with raises_input_error("encoder", "spikes", "intensity"):
        rule.step(circuit, state, Batch(spikes, np.array([0])))


def test_a_target_rate_that_no_cell_reaches_raises_an_error() -> None:
    with raises_input_error("rule.high", 1.5):
        replace(EXACT, high=1.5).init(circuit_of(), np.random.default_rng(0), CLASSES)


def test_each_layer_and_the_interneurons_that_predict_it_have_an_init_scale() -> None:
    circuit = circuit_of(
        Microcircuit(hidden=(300, 200), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1, leak=0.0, bias=True)
    )
    weights = initialised(circuit, replace(EXACT, init_scale=(0.5, 0.3, 0.1), top_down_init_scale=0.7)).weights
    expected = {"input->hidden1.basal": 0.5, "hidden1->hidden2.basal": 0.3, "hidden2->output.basal": 0.1,
                "bias->hidden1.basal": 0.5, "hidden1->inter1.dendrite": 0.7 * 0.3, "hidden2->inter2.dendrite": 0.1,
                "hidden2->hidden1.apical": 0.7, "output->hidden2.apical": 0.7}  # fmt: skip
    for name, scale in expected.items():
        assert 0.95 * scale < np.abs(weights[name]).max() <= scale, name


def test_learning_rates_grow_linearly_during_warmup() -> None:
    """With a warm-up of 4 batches, changes are 1/4, 1/2, ... of those without, and equal from the fourth batch on."""
    circuit, labels = circuit_of(), np.arange(CLASSES)
    batch = Batch(RateInput(random_inputs(CLASSES)[:, None]), labels)
    for steps, factor in ((0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)):
        changes = []
        for rule in (EXACT, replace(EXACT, schedule=Schedule(warmup=4))):
            state = State(initialised(circuit).weights, steps=steps)
            first = {name: weights.copy() for name, weights in state.weights.items()}
            after, _ = rule.step(circuit, state, batch)
            changes.append({name: after.weights[name] - first[name] for name in first})
        for name, change in changes[0].items():
            np.testing.assert_allclose(changes[1][name], factor * change, rtol=1e-9, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_learning_does_not_depend_on_the_number_of_threads(precision: str) -> None:
    """In layers wide enough for several threads, and for an odd batch size."""
    circuit = circuit_of(replace(DEEP, hidden=(150, 90)), inputs=300)
    learned = []
    rule = TwoPass(learning_rate=0.05, from_interneuron=0.1, top_down=0.1, precision=precision)  # type: ignore[arg-type]
    for count in (1, 2, 3):
        state = initialised(circuit, rule)
        for seed in range(3):
            inputs = random_inputs(23, 300, seed)
            with engine.threads(count):
                state, _ = rule.step(circuit, state, Batch(RateInput.constant(inputs), np.arange(23) % CLASSES))
        learned.append({name: values.tobytes() for name, values in state.weights.items()})
    assert learned[0] == learned[1] == learned[2]
