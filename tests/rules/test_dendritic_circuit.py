"""The dendritic microcircuit in continuous time (Sacramento, Costa, Bengio and Senn, NeurIPS 2018).

In float64, without noise, from cells at rest.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from small_microcircuit import (
    PUBLISHED,
    angle,
    at_rest,
    basal,
    build_circuit,
    converged,
    gradients,
    initial_state,
    initial_weights,
    logistic,
    potentials,
    self_predicting,
    source_rates,
    weights_of,
)

from snnlab.engine import RunState, run_rates
from snnlab.networks.building import one_to_one
from snnlab.networks.circuit import Circuit, Projection
from snnlab.networks.microcircuit import Microcircuit

INPUTS, OUTPUTS = 12, 5
WEAK = Microcircuit(hidden=(10, 8), mixing=(0.3, 0.3, 0.1), interneuron_mixing=0.1)


def hidden(network: Microcircuit) -> list[str]:
    return [f"hidden{k + 1}" for k in range(len(network.hidden))]


# Self-prediction ------------------------------------------------------------------------------------------------------

NETWORKS = [Microcircuit(sizes, latent=latent) for sizes in ((6,), (6, 4)) for latent in (False, True)]
NAMES = [f"{len(one.hidden)} hidden{', latent' * one.latent}" for one in NETWORKS]


@pytest.mark.thorough
@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_in_the_self_predicting_state_apical_potentials_are_zero_and_the_network_is_feedforward(
    network: Microcircuit,
) -> None:
    rng = np.random.default_rng(0)
    circuit = build_circuit(network, INPUTS, OUTPUTS)
    weights, seen = self_predicting(circuit, initial_weights(circuit, rng)), rng.uniform(0, 1, (4, INPUTS))
    found = converged(circuit, weights, seen).means
    expected = potentials(network, basal(network, weights), seen)
    for name, u in zip([*hidden(network), "output"], expected, strict=True):
        assert np.abs(found[name]["u"] - u).max() < 1e-12
        assert np.abs(u).max() > 0.1  # a non-trivial prediction
    for name in hidden(network):
        assert np.abs(found[name]["v_A"]).max() < 1e-12


@pytest.mark.thorough
@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_the_self_predicting_state_is_a_fixed_point_of_all_projections_that_learn_in_the_paper(
    network: Microcircuit,
) -> None:
    """Top-down weights are fixed in the paper; with their own rule they have no fixed point here."""
    rng = np.random.default_rng(1)
    circuit = build_circuit(network, INPUTS, OUTPUTS)
    weights, seen = self_predicting(circuit, initial_weights(circuit, rng)), rng.uniform(0, 1, (4, INPUTS))
    learn = np.arange(2000) >= 1000  # no learning while potentials converge
    inputs = source_rates(seen, OUTPUTS)
    after = run_rates(circuit, inputs, 2000, learn=learn, state=initial_state(weights), precision="float64").final_state
    for name, values in weights_of(after).items():
        assert np.abs(values - weights[name]).max() < 1e-10, name
    without = run_rates(circuit, inputs, 2000, state=initial_state(weights), precision="float64").final_state
    assert max(np.abs(values - weights[name]).max() for name, values in weights_of(without).items()) > 1e-5
    top_down = build_circuit(network, INPUTS, OUTPUTS, {**PUBLISHED, "apical": 1.0})
    moved = weights_of(
        run_rates(top_down, inputs, 2000, learn=learn, state=initial_state(weights), precision="float64").final_state
    )
    assert max(np.abs(moved[name] - weights[name]).max() for name in moved if name.endswith(".apical")) > 1e-3


@pytest.mark.slow
def test_interneurons_that_copy_weights_without_the_ratio_of_conductances_predict_wrongly() -> None:
    """The copy is exact only for the output, whose cells have no apical dendrite."""
    rng = np.random.default_rng(0)
    network = Microcircuit((6, 4))
    circuit = build_circuit(network, INPUTS, OUTPUTS)
    weights = self_predicting(circuit, initial_weights(circuit, rng))
    weights["hidden1->inter1.dendrite"] = weights["hidden1->hidden2.basal"].copy()
    weights["hidden2->inter2.dendrite"] = weights["hidden2->output.basal"].copy()
    found = converged(circuit, weights, rng.uniform(0, 1, (4, INPUTS))).means
    assert np.abs(found["hidden1"]["v_A"]).max() > 0.01
    assert np.abs(found["hidden2"]["v_A"]).max() < 1e-12


# Interneurons learn to predict ----------------------------------------------------------------------------------------


def mean_apical_potential(circuit: Circuit, running: RunState, inputs: np.ndarray) -> float:
    means = converged(circuit, weights_of(running), inputs, steps=600).means
    hidden_layers = [values for name, values in means.items() if name.startswith("hidden")]
    return float(np.mean([np.abs(values["v_A"]).mean() for values in hidden_layers]))


def reduction(learning_rates: dict[str, float]) -> float:
    """The factor by which apical potentials of unseen patterns fall during learning of 240 others, 20 ms each."""
    rng = np.random.default_rng(2)
    circuit = build_circuit(Microcircuit((20,)), 30, 10, learning_rates)
    running, unseen = initial_state(initial_weights(circuit, rng, scale=2.0)), rng.uniform(-1, 1, (30, 30))
    before = mean_apical_potential(circuit, running, unseen)
    for _ in range(6):
        seen = source_rates(rng.uniform(-1, 1, (8, 40, 30)), 10)
        running = run_rates(circuit, seen, 40 * 200, state=running, precision="float64").final_state
    return before / mean_apical_potential(circuit, running, unseen)


@pytest.mark.thorough
def test_from_random_weights_interneurons_learn_to_cancel_top_down_input() -> None:
    """Without a teacher; the controls, with one plastic projection, cancel the mean at best."""
    assert reduction({"dendrite": 300.0, "inhibition": 100.0}) > 20
    assert reduction({"inhibition": 100.0}) < 10
    assert reduction({"dendrite": 300.0}) < 2


# Error propagation ----------------------------------------------------------------------------------------------------


def update_angles(
    network: Microcircuit, *, symmetric: bool = True, inhibition: float = 1.0, error: float = 0.01, seed: int = 0
) -> tuple[float, float]:
    """Degrees between the updates of the hidden layers' basal weights and the exact negative gradients.

    error  standard deviation of the targets around the output's potentials
    """
    rng = np.random.default_rng(seed)
    circuit = build_circuit(network, INPUTS, OUTPUTS)
    weights = self_predicting(circuit, initial_weights(circuit, rng, symmetric=symmetric))
    weights |= {name: inhibition * values for name, values in weights.items() if name.endswith(".inhibition")}
    seen = rng.uniform(0, 1, (10, INPUTS))
    outputs = potentials(network, basal(network, weights), seen)[-1]
    targets = outputs + error * rng.normal(size=outputs.shape)
    found = converged(circuit, weights, seen, targets).means
    exact = gradients(network, basal(network, weights), seen, logistic(targets))
    presynaptic = (seen, found["hidden1"]["r"])
    updates = [
        pre.T @ (found[name]["r"] - found[name]["r_B"])
        for pre, name in zip(presynaptic, ("hidden1", "hidden2"), strict=True)
    ]
    first, second = (angle(update, -gradient) for update, gradient in zip(updates, exact, strict=False))
    return first, second


@pytest.mark.thorough
@pytest.mark.parametrize("latent", [False, True], ids=["plain", "latent"])
@pytest.mark.parametrize("seed", range(3))
def test_with_weak_symmetric_feedback_both_hidden_layers_follow_the_gradient(latent: bool, seed: int) -> None:
    """Of the cross entropy of logistic outputs, whose derivative by a potential is the error of its rate."""
    assert max(update_angles(replace(WEAK, latent=latent), seed=seed)) < 1.5


@pytest.mark.thorough
def test_the_weaker_the_feedback_the_smaller_the_angle() -> None:
    """It vanishes as feedback and errors approach 0."""
    strong, weak, weakest = (
        max(update_angles(Microcircuit((10, 8), (part,), part), error=1e-4, seed=0)) for part in (0.4, 0.1, 0.01)
    )
    assert weakest < 0.1 * strong and weakest < weak < strong
    assert weakest < 0.03


@pytest.mark.thorough
@pytest.mark.parametrize("seed", range(3))
def test_without_interneurons_symmetric_feedback_is_not_enough(seed: int) -> None:
    """The activity of the layer above masks the change by the teacher."""
    assert min(update_angles(WEAK, inhibition=0.0, seed=seed)) > 45


@pytest.mark.thorough
def test_with_random_feedback_an_untrained_network_is_not_aligned() -> None:
    assert np.mean([update_angles(WEAK, symmetric=False, seed=seed)[0] for seed in range(4)]) > 60


REGRESSION = Microcircuit((30,), (0.1,), 0.1, latent=True)
ALL, SHALLOW = (
    {"hidden1.basal": rate, "output.basal": 400.0, "dendrite": 4000.0, "inhibition": 0.0} for rate in (60000.0, 0.0)
)


def regression_angles(rates: dict[str, float], seed: int, batches: int = 1400) -> list[tuple[float, float, float]]:
    """Before and after learning: degrees between the hidden cells' errors and the exact ones, between the basal update
    and the gradient, and between feedback and forward weights."""
    rng = np.random.default_rng(seed)
    circuit = build_circuit(REGRESSION, 8, 6, rates, 1e-4)
    first, second = rng.uniform(-1, 1, (8, 10)), rng.uniform(-1, 1, (10, 6))

    def targets(seen: np.ndarray) -> np.ndarray:
        return np.asarray(3 * (logistic(2 * seen @ first) - 0.5) @ second)

    running = initial_state(self_predicting(circuit, initial_weights(circuit, rng, scale=(1.0, 0.1))))
    probe = rng.uniform(-1, 1, (20, 8))
    learn, found = np.arange(20) >= 6, []
    for batch in range(batches + 1):
        if batch in (0, batches):
            found.append(_angles(circuit, weights_of(running), probe, targets(probe)))
        seen = rng.uniform(-1, 1, (10, 8))
        inputs = source_rates(seen, 6, targets(seen))
        state = at_rest(running)
        running = run_rates(circuit, inputs, 20, learn=learn, state=state, precision="float64").final_state
    return found


def _angles(circuit: Circuit, weights: dict, seen: np.ndarray, targets: np.ndarray) -> tuple[float, float, float]:
    cells = converged(circuit, weights, seen, targets, steps=300).means["hidden1"]
    layers = basal(REGRESSION, weights)
    inner, outer = potentials(REGRESSION, layers, seen)
    exact = (logistic(targets) - logistic(outer)) @ layers[1].T * logistic(inner) * (1 - logistic(inner))
    error = cells["r"] - cells["r_B"]
    gradient = gradients(REGRESSION, layers, seen, logistic(targets))[0]
    forward = angle(weights["output->hidden1.apical"], layers[1].T)
    return angle(error, exact), angle(seen.T @ error, -gradient), forward


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [1, 2])
def test_with_random_feedback_learning_aligns_updates_with_the_gradient(seed: int) -> None:
    """Feedback alignment: forward weights align with the random feedback."""
    first, last = regression_angles(ALL, seed)
    assert all(75 < degrees < 105 for degrees in first), first
    assert all(degrees < 45 for degrees in last), last


@pytest.mark.slow
def test_without_learning_in_the_hidden_layer_weights_do_not_align() -> None:
    last = regression_angles(SHALLOW, 1)[1]
    assert last[0] > 60 and last[2] > 60, last


# Latent equilibrium, and the lag --------------------------------------------------------------------------------------

SWITCHED = replace(WEAK, mixing=(0.3, 0.3, 0.1))


def after_a_switch(latent: bool) -> dict[str, np.ndarray]:
    """Mean |r - r_B| in each of 1,000 steps after a switch of the input, without a teacher (steps,)."""
    rng = np.random.default_rng(0)
    circuit = build_circuit(replace(SWITCHED, latent=latent), INPUTS, OUTPUTS)
    weights = self_predicting(circuit, initial_weights(circuit, rng))
    recorded = {name: ["r", "r_B"] for name in hidden(SWITCHED)}
    inputs = source_rates(rng.uniform(0, 1, (5, 2, INPUTS)), OUTPUTS)
    traces = run_rates(
        circuit, inputs, 2000, learn=False, state=initial_state(weights), record=recorded, precision="float64"
    ).traces
    return {name: np.abs(own["r"] - own["r_B"])[:, 1000:].mean(axis=(0, 2)) for name, own in traces.items()}


@pytest.mark.thorough
def test_with_latent_equilibrium_layers_converge_within_a_few_steps_of_a_switch() -> None:
    """One step per layer and a few for the feedback loop; otherwise a few somatic time constants of 0.5 ms."""
    plain, latent = after_a_switch(False), after_a_switch(True)
    for name in hidden(SWITCHED):
        assert plain[name][15] > 1e-3  # 1.5 ms after the switch updates are still wrong
        assert latent[name][15:].max() < 1e-9
        assert latent[name].sum() < plain[name].sum() / 4
        assert latent[name][3:].sum() < plain[name][3:].sum() / 50
    assert latent["hidden1"][1] < 1e-12 < plain["hidden1"][1]


@pytest.mark.thorough
@pytest.mark.parametrize(("latent", "lag"), [(False, 250), (True, 25)], ids=["plain", "latent"])
def test_the_lag_excludes_updates_after_a_switch(latent: bool, lag: int) -> None:
    """It has to be ten times as long without latent equilibrium."""
    rng = np.random.default_rng(0)
    circuit = build_circuit(replace(SWITCHED, latent=latent), INPUTS, OUTPUTS)
    weights, seen = self_predicting(circuit, initial_weights(circuit, rng)), rng.uniform(0, 1, (5, INPUTS))

    def moved(learn: np.ndarray) -> float:
        running = run_rates(
            circuit, source_rates(seen, OUTPUTS), 500, learn=learn, state=initial_state(weights), precision="float64"
        ).final_state
        return max(float(np.abs(values - weights[name]).max()) for name, values in weights_of(running).items())

    assert moved(np.arange(500) >= lag) < 1e-12
    assert moved(np.arange(500) >= 0) > 1e-6
    if not latent:
        assert moved(np.arange(500) >= 25) > 1e-8


# Errors -------------------------------------------------------------------------------------------------------------


def test_diverging_weights_raise_an_error_that_names_the_population() -> None:
    rng = np.random.default_rng(0)
    circuit = build_circuit(
        Microcircuit((6,), activation="softplus"), INPUTS, OUTPUTS, {"inhibition": 1e9, "dendrite": 1e9}
    )
    inputs = source_rates(rng.uniform(0, 1, (3, INPUTS)), OUTPUTS)
    with raises_input_error("inter1"):
        run_rates(circuit, inputs, 3000, state=initial_state(initial_weights(circuit, rng)), precision="float64")


def test_a_number_of_interneurons_other_than_cells_above_raises_an_error() -> None:
    circuit = Microcircuit((6, 4)).circuit((INPUTS,), OUTPUTS, 1e-4)
    wider = [replace(one, size=7) if one.name == "inter1" else one for one in circuit.nodes]
    with raises_input_error("->inter1"):
        replace(circuit, nodes=tuple(wider))
    above, inter = circuit.population("hidden2"), circuit.population("inter1")
    with raises_input_error("population 'inter1'", 7, 4, "hidden2"):
        one_to_one(above, replace(inter, size=7), "target")


def test_one_to_one_weights_of_another_size_raise_an_error() -> None:
    circuit = Microcircuit((6, 4)).circuit((INPUTS,), OUTPUTS, 1e-4)
    eye = scipy.sparse.identity(5, format="coo")
    others = [one for one in circuit.projections if one.name != "hidden2->inter1.target"]
    with raises_input_error("hidden2->inter1.target"):
        Circuit(circuit.nodes, (*others, Projection("hidden2", "inter1", "target", eye, variable="u")), circuit.dt)
