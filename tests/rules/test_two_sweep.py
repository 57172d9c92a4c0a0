"""Two sweeps: errors in apical dendrites, held against the gradient, against hand-work and against controls."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic import passes
from snnlab.rules.dendritic.two_pass import Swept, TwoSweep
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward import up, way_up
from snnlab.rules.rule import Batch, State

DEEP = Microcircuit(hidden=(30, 20), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1, leak=0.0, bias=True)
EXACT = TwoSweep(precision="float64")
CLASSES = 10


def circuit_of(network: Microcircuit = DEEP, inputs: int = 40, classes: int = CLASSES) -> Circuit:
    return network.circuit((inputs,), classes, 1e-4)


def some(samples: int, inputs: int = 40, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((samples, inputs))


def swept(circuit: Circuit, state: State, seen: NDArray[np.float64], wanted: NDArray[np.float64] | None) -> Swept:
    return EXACT.sweeps(passes.anatomy(circuit, "test"), state, seen, wanted)


def begun(circuit: Circuit, rule: TwoSweep = EXACT, seed: int = 0) -> State:
    return rule.init(circuit, np.random.default_rng(seed))


def symmetric(state: State) -> State:
    """With W_down = W_up^T, and interneurons that take it away."""
    weights = dict(state.weights)
    for low, high, inter in (("hidden1", "hidden2", "inter1"), ("hidden2", "output", "inter2")):
        weights[f"{high}->{low}.apical"] = weights[f"{low}->{high}.basal"].T.copy()
        weights[f"{inter}->{low}.inhibition"] = -weights[f"{high}->{low}.apical"]
    return State(weights)


# The gradient, from elsewhere -----------------------------------------------------------------------------------------


def forward(weights: dict[str, NDArray[np.generic]], seen: NDArray[np.float64]) -> NDArray[np.generic]:
    """Rates of the output of a leak-free circuit with DEEP's mixing: written out, for complex weights too."""

    def logistic(u: NDArray[np.generic]) -> NDArray[np.generic]:
        return 1 / (1 + np.exp(-u))

    one = logistic(0.7 * (seen @ weights["input->hidden1.basal"] + weights["bias->hidden1.basal"]))
    two = logistic(0.7 * (one @ weights["hidden1->hidden2.basal"] + weights["bias->hidden2.basal"]))
    return logistic(two @ weights["hidden2->output.basal"] + weights["bias->output.basal"])


def gradients(weights: dict[str, NDArray[np.float64]], seen: NDArray[np.float64], wanted: NDArray[np.float64]) -> dict:
    """dE/dw of E = sum r log(r/y) + (1 - r) log((1 - r)/(1 - y)), the mean over samples, by complex steps.

    Its derivative by a rate is the output's potential less that which the teacher wants.
    """

    def cost(rates: NDArray[np.generic]) -> complex:
        return (rates * np.log(rates / wanted) + (1 - rates) * np.log((1 - rates) / (1 - wanted))).sum() / len(seen)

    found = {}
    names = [name for name in weights if name.endswith(".basal")]
    for name in names:
        config = {one: weights[one].astype(complex) for one in names}
        found[name] = np.zeros_like(weights[name])
        for place in np.ndindex(weights[name].shape):
            config[name][place] += 1e-30j
            found[name][place] = cost(forward(config, seen)).imag / 1e-30
            config[name][place] = weights[name][place]
    return found


def angle(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    return float(np.degrees(np.arccos((one * other).sum() / np.linalg.norm(one) / np.linalg.norm(other))))


def wanted_of(labels: NDArray[np.int64]) -> NDArray[np.float64]:
    wanted = np.full((len(labels), CLASSES), 0.1)
    wanted[np.arange(len(labels)), labels] = 0.8
    return wanted


def updates(circuit: Circuit, state: State, seen: NDArray[np.float64], labels: NDArray[np.int64]) -> dict:
    """What one step changes."""
    before = {name: values.copy() for name, values in state.weights.items()}
    after, _ = EXACT.step(
        circuit, State({k: v.copy() for k, v in before.items()}), Batch(RateInput.constant(seen), labels)
    )
    return {name: after.weights[name] - before[name] for name in before}


def angles(circuit: Circuit, state: State, seed: int = 5, samples: int = 10) -> dict[str, float]:
    """Degrees between what a step changes in basal weights and the descent of the error."""
    seen, labels = some(samples, seed=seed), np.random.default_rng(seed).integers(CLASSES, size=samples)
    made, exact = updates(circuit, state, seen, labels), gradients(state.weights, seen, wanted_of(labels))
    return {name: angle(made[name], -exact[name]) for name in exact}


@pytest.mark.parametrize("seed", range(5))
def test_updates_are_those_of_backpropagation_where_feedback_is_symmetric(seed: int) -> None:
    circuit = circuit_of()
    found = angles(circuit, symmetric(begun(circuit, seed=seed)), seed)
    assert max(found.values()) < 1.5, found


def test_without_interneurons_they_are_not() -> None:
    """The negative control: what comes from above is then no error but all that is up there."""
    circuit = circuit_of()
    state = symmetric(begun(circuit))
    for name in ("inter1->hidden1.inhibition", "inter2->hidden2.inhibition"):
        state.weights[name][:] = 0
    found = angles(circuit, state)
    assert found["input->hidden1.basal"] > 45 and found["hidden1->hidden2.basal"] > 45, found


def test_random_feedback_is_at_right_angles_at_first_and_learning_turns_weights_towards_it() -> None:
    """Ten noisy patterns of 40 inputs, 50 hidden cells, two nets; seen with 108 and 87 degrees before, 31 and 27 after.

    Interneurons keep up with the weights that they predict where they learn 1/0.1 times as fast: a tenth of what the
    teacher asks of the output reaches them.
    """
    circuit = circuit_of(replace(DEEP, hidden=(50,), mixing=(0.3, 0.1)))
    rule = replace(EXACT, learning_rate=0.02, interneuron=8.0)
    for seed in range(2):
        state, rng = begun(circuit, rule, seed), np.random.default_rng(seed)
        centres = rng.random((CLASSES, 40))

        def draw(many: int, rng: np.random.Generator, centres: NDArray[np.float64] = centres) -> tuple:
            labels = rng.integers(CLASSES, size=many)
            return np.clip(centres[labels] + rng.normal(0, 0.4, size=(many, 40)), 0, 1), labels

        def lowest(state: State, seen: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
            """The gradient is what test_backprop.py looks at, with the derivative of `gradients` by the rates."""
            made = updates(circuit, state, seen, labels)["input->hidden1.basal"]
            way = way_up(circuit, "test")
            _, rates = up(way, state.weights, seen, 1)
            wanted = wanted_of(labels)
            error = np.log(rates[-1] / (1 - rates[-1])) - np.log(wanted / (1 - wanted))
            found = Backprop(precision="float64").asked(way, state, rates, -error)
            return angle(made, next(before.T @ delta for name, before, delta in found if "input" in name))

        held_out = draw(100, np.random.default_rng(7))
        assert 80 < lowest(state, *held_out) < 120
        for _ in range(4000):
            seen, labels = draw(10, rng)
            state, _ = rule.step(circuit, state, Batch(RateInput.constant(seen), labels))
        assert lowest(state, *held_out) < 40


def test_one_step_by_hand() -> None:
    """Two inputs, two hidden cells, one output; every number worked out with plain arithmetic."""
    circuit = Microcircuit(hidden=(2,), mixing=(0.2, 0.5), interneuron_mixing=0.4, leak=0.0).circuit((2,), 1, 1e-4)
    w = {
        "input->hidden1.basal": [[0.5, -0.25], [1.0, 0.75]],
        "hidden1->output.basal": [[0.3], [-0.6]],
        "hidden1->inter1.dendrite": [[0.1], [0.2]],
        "inter1->hidden1.inhibition": [[-0.4, 0.8]],
        "output->hidden1.apical": [[0.7, -0.9]],
    }
    rule = TwoSweep(learning_rate=0.1, interneuron=2.0, inhibition=0.3, top_down=0.2, precision="float64")
    state = State({name: np.array(values) for name, values in w.items()})
    seen = np.array([[1.0, 0.5]])
    state, score = rule.step(circuit, state, Batch(RateInput.constant(seen), np.array([0])))

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
            [w["input->hidden1.basal"][j][k] + eta_hidden * (phi(soma[k]) - up[k]) * seen[0, j] for k in (0, 1)]
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
    assert score.loss == pytest.approx(0.5 * (phi(v_out) - 0.8) ** 2)


def test_what_a_batch_asks_for_is_what_a_step_changes_before_rates_ease() -> None:
    circuit = circuit_of()
    rule = replace(EXACT, schedule=Schedule("sqrt"), inhibition=0.2, top_down=0.1)
    state, seen, labels = begun(circuit), some(5), np.arange(5)
    before = {name: values.copy() for name, values in state.weights.items()}
    batch = Batch(RateInput.constant(seen), labels, epoch=4, epochs=9, weights=np.array([1.0, 0.0, 2.0, 1.0, 1.0]))
    asked = rule.update(circuit, state, batch)
    assert all(np.array_equal(state.weights[name], values) for name, values in before.items())
    state, _ = rule.step(circuit, state, batch)
    assert asked.keys() == before.keys() and all(asked[name].any() for name in asked)
    for name, values in before.items():
        np.testing.assert_allclose(state.weights[name] - values, asked[name] / 2, rtol=1e-9, atol=1e-16)


# The self-predicting state --------------------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    mixing=st.lists(st.floats(0.05, 0.6), min_size=3, max_size=3).map(tuple),
    leak=st.floats(0, 0.5),
    activation=st.sampled_from(["logistic", "soft_rectifier", "softplus"]),
)
def test_without_a_teacher_apical_dendrites_are_at_rest(
    seed: int, mixing: tuple[float, ...], leak: float, activation: str
) -> None:
    """Whatever the conductances: in two hidden layers, to rounding. And the sweep down leaves what that up found."""
    network = replace(DEEP, mixing=mixing, leak=leak, activation=activation)
    circuit = circuit_of(network)
    found = swept(circuit, begun(circuit, seed=seed), some(4, seed=seed), None)
    for apical in found.apical:
        assert np.abs(apical).max() < 1e-12
    rate = passes.anatomy(circuit, "test").activation.function
    for soma, heard in zip(found.soma, found.heard[1:], strict=True):
        assert np.allclose(rate(soma), heard, rtol=0, atol=1e-12)


def test_read_literally_the_paper_has_an_error_without_a_teacher() -> None:
    """The negative control: u = v_B in the sweep up and interneurons that copy W_up, as its words have it.

    Then u_2 = 0.7 v_B after the sweep down, and the interneurons of layer 1 expect v_B.
    """
    circuit = circuit_of()
    state = begun(circuit)
    w, seen = state.weights, some(4)

    def logistic(u: NDArray[np.float64]) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(-u))

    one = logistic(seen @ w["input->hidden1.basal"] + w["bias->hidden1.basal"])
    v_two = one @ w["hidden1->hidden2.basal"] + w["bias->hidden2.basal"]
    two = 0.7 * v_two  # its apical dendrite is at rest, as the output is predicted
    inter = 0.9 * v_two + 0.1 * two
    apical = (logistic(two) - logistic(inter)) @ w["hidden2->hidden1.apical"]
    assert np.abs(apical).max() > 0.05
    assert np.abs(swept(circuit, state, seen, None).apical[0]).max() < 1e-12


def test_interneurons_alone_learn_to_predict_from_random_weights() -> None:
    """With all other weights as they are, and no teacher. Apical potentials fall by more than a factor of 100."""
    circuit = circuit_of(replace(DEEP, hidden=(30,), mixing=(0.3, 0.1)))
    rule = replace(EXACT, learning_rate=0.3, start="random", inhibition=0.3)
    state = begun(circuit, rule)
    rng, seen = np.random.default_rng(1), some(50, seed=2)
    body = passes.anatomy(circuit, "test")

    def apical() -> float:
        return float(np.abs(rule.sweeps(body, state, seen, None).apical[0]).mean())

    first = apical()
    inter = [state.weights[name] for name in state.weights if name.endswith((".dendrite", ".inhibition"))]
    for _ in range(3000):
        found = rule.sweeps(body, state, rng.random((10, 40)), None)
        for change in rule.changes(body, state, found, np.ones(10), 1.0).values():
            if any(change.weights is one for one in inter):
                change.weights[:] += change.rate * change.before.T @ change.after
    assert apical() < first / 100, (first, apical())


# What cannot be -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"learning_rate": -1.0}, r"^TwoSweep.learning_rate: found -1.0; needs a number, at least 0$"),
        ({"interneuron": float("nan")}, "TwoSweep.interneuron"),
        ({"init_scale": (0.1, -1.0)}, r"TwoSweep.init_scale: found \(0.1, -1.0\)"),
        ({"high": 0.1}, "TwoSweep.high: found 0.1; needs more than 0.1"),
        ({"start": "now"}, "TwoSweep.start: found 'now'"),
    ],
)
def test_options_that_mean_nothing_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        TwoSweep(**changes)


@pytest.mark.parametrize("rule", [EXACT, Backprop(precision="float64")])
def test_what_never_settles_is_refused_and_so_are_spikes(rule: TwoSweep | Backprop) -> None:
    for changes, says in (({"noise": 0.1}, "^network.noise"), ({"latent": True}, "^network.latent")):
        with pytest.raises(InputError, match=says):
            rule.init(circuit_of(replace(DEEP, **changes)), np.random.default_rng(0), CLASSES)
    with pytest.raises(InputError, match="^network: 10 outputs, and samples of 9 classes"):
        rule.init(circuit_of(), np.random.default_rng(0), 9)
    spikes = SpikeTrains(np.zeros(0, np.int32), np.zeros((1, 5), np.int64), 40, 1e-3)
    circuit = circuit_of()
    state = rule.init(circuit, np.random.default_rng(0))
    with pytest.raises(InputError, match=r"^encoder: makes spikes; .* steady rates: set encoder=intensity$"):
        rule.step(circuit, state, Batch(spikes, np.array([0])))


def test_a_rate_that_no_cell_can_have_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"^rule.high: found 1.5; needs a rate that cells can have, above 0 and below 1"
    ):
        replace(EXACT, high=1.5).init(circuit_of(), np.random.default_rng(0), CLASSES)


def test_each_layer_begins_with_its_own_spread_and_its_interneurons_as_it_does() -> None:
    circuit = circuit_of(
        Microcircuit(hidden=(300, 200), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1, leak=0.0, bias=True)
    )
    weights = begun(circuit, replace(EXACT, init_scale=(0.5, 0.3, 0.1), top_down_init_scale=0.7)).weights
    expected = {"input->hidden1.basal": 0.5, "hidden1->hidden2.basal": 0.3, "hidden2->output.basal": 0.1,
                "bias->hidden1.basal": 0.5, "hidden1->inter1.dendrite": 0.7 * 0.3, "hidden2->inter2.dendrite": 0.1,
                "hidden2->hidden1.apical": 0.7, "output->hidden2.apical": 0.7}  # fmt: skip
    for name, spread in expected.items():
        assert 0.95 * spread < np.abs(weights[name]).max() <= spread, name


def test_rates_of_learning_grow_evenly_over_the_first_batches() -> None:
    """One batch moves weights by its part of what it would move them by: a quarter, a half, and all from the fourth."""
    circuit, labels = circuit_of(), np.arange(CLASSES)
    batch = Batch(RateInput(some(CLASSES)[:, None]), labels)
    for steps, part in ((0, 0.25), (1, 0.5), (3, 1.0), (9, 1.0)):
        moved = []
        for rule in (EXACT, replace(EXACT, schedule=Schedule(warmup=4))):
            state = State(begun(circuit).weights, steps=steps)
            first = {name: weights.copy() for name, weights in state.weights.items()}
            after, _ = rule.step(circuit, state, batch)
            moved.append({name: after.weights[name] - first[name] for name in first})
        for name, change in moved[0].items():
            np.testing.assert_allclose(moved[1][name], part * change, rtol=1e-9, atol=1e-15, err_msg=name)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_what_is_learned_does_not_depend_on_threads(precision: str) -> None:
    """In layers wide enough to be divided, and in batches of no round size."""
    circuit = circuit_of(replace(DEEP, hidden=(150, 90)), inputs=300)
    found = []
    rule = TwoSweep(learning_rate=0.05, inhibition=0.1, top_down=0.1, precision=precision)  # type: ignore[arg-type]
    for count in (1, 2, 3):
        state = begun(circuit, rule)
        for seed in range(3):
            seen = some(23, 300, seed)
            with engine.threads(count):
                state, _ = rule.step(circuit, state, Batch(RateInput.constant(seen), np.arange(23) % CLASSES))
        found.append({name: values.tobytes() for name, values in state.weights.items()})
    assert found[0] == found[1] == found[2]
