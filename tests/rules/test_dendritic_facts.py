"""What the dendritic microcircuit does as it runs in time: Sacramento, Costa, Bengio and Senn, NeurIPS 2018.

All in float64, without noise, cells at rest when a sample begins.
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
    begun,
    built,
    drawn,
    gradients,
    learned,
    logistic,
    potentials,
    predicting,
    settled,
    told,
)

from snnlab.engine import RunState, run_rates
from snnlab.errors import InputError
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


@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_in_the_self_predicting_state_apical_potentials_are_zero_and_the_network_is_feedforward(
    network: Microcircuit,
) -> None:
    rng = np.random.default_rng(0)
    circuit = built(network, INPUTS, OUTPUTS)
    weights, seen = predicting(circuit, drawn(circuit, rng)), rng.uniform(0, 1, (4, INPUTS))
    found = settled(circuit, weights, seen).means
    expected = potentials(network, basal(network, weights), seen)
    for name, u in zip([*hidden(network), "output"], expected, strict=True):
        assert np.abs(found[name]["u"] - u).max() < 1e-12
        assert np.abs(u).max() > 0.1  # or nothing would have been predicted
    for name in hidden(network):
        assert np.abs(found[name]["v_A"]).max() < 1e-12


@pytest.mark.parametrize("network", NETWORKS, ids=NAMES)
def test_the_self_predicting_state_is_a_fixed_point_of_all_plastic_connections_that_the_paper_lets_learn(
    network: Microcircuit,
) -> None:
    """Top-down weights are fixed in the paper's runs; they have a rule of their own, and no fixed point here."""
    rng = np.random.default_rng(1)
    circuit = built(network, INPUTS, OUTPUTS)
    weights, seen = predicting(circuit, drawn(circuit, rng)), rng.uniform(0, 1, (4, INPUTS))
    learn = np.arange(2000) >= 1000  # the lag: while cells find their potentials nothing learns
    inputs = told(seen, OUTPUTS)
    after = run_rates(circuit, inputs, 2000, learn=learn, state=begun(weights), precision="float64").final_state
    for name, values in learned(after).items():
        assert np.abs(values - weights[name]).max() < 1e-10, name
    without = run_rates(circuit, inputs, 2000, state=begun(weights), precision="float64").final_state
    assert max(np.abs(values - weights[name]).max() for name, values in learned(without).items()) > 1e-5
    open_ = built(network, INPUTS, OUTPUTS, {**PUBLISHED, "apical": 1.0})
    down = learned(run_rates(open_, inputs, 2000, learn=learn, state=begun(weights), precision="float64").final_state)
    assert max(np.abs(down[name] - weights[name]).max() for name in down if name.endswith(".apical")) > 1e-3


def test_copies_of_the_weights_without_the_factor_of_the_conductances_predict_wrongly() -> None:
    """Right only where the layer above is the output, whose soma has no apical dendrite beside it."""
    rng = np.random.default_rng(0)
    network = Microcircuit((6, 4))
    circuit = built(network, INPUTS, OUTPUTS)
    weights = predicting(circuit, drawn(circuit, rng))
    weights["hidden1->inter1.dendrite"] = weights["hidden1->hidden2.basal"].copy()
    weights["hidden2->inter2.dendrite"] = weights["hidden2->output.basal"].copy()
    found = settled(circuit, weights, rng.uniform(0, 1, (4, INPUTS))).means
    assert np.abs(found["hidden1"]["v_A"]).max() > 0.01
    assert np.abs(found["hidden2"]["v_A"]).max() < 1e-12


# Interneurons learn to predict ----------------------------------------------------------------------------------------


def apical_left(circuit: Circuit, running: RunState, seen: np.ndarray) -> float:
    found = settled(circuit, learned(running), seen, steps=600).means
    return float(np.mean([np.abs(kept["v_A"]).mean() for name, kept in found.items() if name.startswith("hidden")]))


def rehearsed(speeds: dict[str, float]) -> float:
    """How much smaller apical potentials are on unseen patterns after 240 presentations of 8 fresh ones, 20 ms each."""
    rng = np.random.default_rng(2)
    circuit = built(Microcircuit((20,)), 30, 10, speeds)
    running, unseen = begun(drawn(circuit, rng, spread=2.0)), rng.uniform(-1, 1, (30, 30))
    before = apical_left(circuit, running, unseen)
    for _ in range(6):
        seen = told(rng.uniform(-1, 1, (8, 40, 30)), 10)
        running = run_rates(circuit, seen, 40 * 200, state=running, precision="float64").final_state
    return before / apical_left(circuit, running, unseen)


def test_from_random_weights_interneurons_learn_to_take_away_what_comes_down() -> None:
    """Without a teacher; who cannot learn to predict can still balance the mean, and no more."""
    assert rehearsed({"dendrite": 300.0, "inhibition": 100.0}) > 20
    assert rehearsed({"inhibition": 100.0}) < 10
    assert rehearsed({"dendrite": 300.0}) < 2


# Error propagation ----------------------------------------------------------------------------------------------------


def taught(
    network: Microcircuit, *, symmetric: bool = True, inhibition: float = 1.0, error: float = 0.01, seed: int = 0
) -> tuple[float, float]:
    """Degrees between what basal synapses of the hidden layers ask for and the exact negative gradients.

    error  standard deviation of what a teacher wants of the output's potentials beside what they are
    """
    rng = np.random.default_rng(seed)
    circuit = built(network, INPUTS, OUTPUTS)
    weights = predicting(circuit, drawn(circuit, rng, symmetric=symmetric))
    weights |= {name: inhibition * values for name, values in weights.items() if name.endswith(".inhibition")}
    seen = rng.uniform(0, 1, (10, INPUTS))
    said = potentials(network, basal(network, weights), seen)[-1]
    wanted = said + error * rng.normal(size=said.shape)
    found = settled(circuit, weights, seen, wanted).means
    exact = gradients(network, basal(network, weights), seen, logistic(wanted))
    heard = (seen, found["hidden1"]["r"])
    asked = [
        pre.T @ (found[name]["r"] - found[name]["r_B"]) for pre, name in zip(heard, ("hidden1", "hidden2"), strict=True)
    ]
    one, two = (angle(mine, -slope) for mine, slope in zip(asked, exact, strict=False))
    return one, two


@pytest.mark.parametrize("latent", [False, True], ids=["plain", "latent"])
@pytest.mark.parametrize("seed", range(3))
def test_with_weak_symmetric_feedback_both_hidden_layers_learn_by_the_gradient(latent: bool, seed: int) -> None:
    """Of the matching cost of logistic outputs, whose derivative by a potential is the error of the rate."""
    assert max(taught(replace(WEAK, latent=latent), seed=seed)) < 1.5


def test_the_weaker_the_feedback_the_smaller_the_angle() -> None:
    """What is left at feedback of nearly nothing and errors of nearly nothing is nearly nothing."""
    strong, weak, weakest = (
        max(taught(Microcircuit((10, 8), (part,), part), error=1e-4, seed=0)) for part in (0.4, 0.1, 0.01)
    )
    assert weakest < 0.1 * strong and weakest < weak < strong
    assert weakest < 0.03


@pytest.mark.parametrize("seed", range(3))
def test_without_interneurons_symmetric_feedback_is_not_enough(seed: int) -> None:
    """What the layer above says anyway covers what the teacher changed there."""
    assert min(taught(WEAK, inhibition=0.0, seed=seed)) > 45


def test_with_random_feedback_a_network_that_has_learned_nothing_is_not_aligned() -> None:
    assert np.mean([taught(WEAK, symmetric=False, seed=seed)[0] for seed in range(4)]) > 60


REGRESSION = Microcircuit((30,), (0.1,), 0.1, latent=True)
ALL, SHALLOW = (
    {"hidden1.basal": speed, "output.basal": 400.0, "dendrite": 4000.0, "inhibition": 0.0} for speed in (60000.0, 0.0)
)


def regressed(speeds: dict[str, float], seed: int, batches: int = 1400) -> list[tuple[float, float, float]]:
    """At the beginning and at the end: degrees between the hidden cells' errors and the exact ones, between what
    basal synapses ask for and the gradient, and between feedback and forward weights."""
    rng = np.random.default_rng(seed)
    circuit = built(REGRESSION, 8, 6, speeds, 1e-4)
    one, two = rng.uniform(-1, 1, (8, 10)), rng.uniform(-1, 1, (10, 6))

    def goal(seen: np.ndarray) -> np.ndarray:
        return np.asarray(3 * (logistic(2 * seen @ one) - 0.5) @ two)

    running, probe = begun(predicting(circuit, drawn(circuit, rng, spread=(1.0, 0.1)))), rng.uniform(-1, 1, (20, 8))
    learn, found = np.arange(20) >= 6, []
    for batch in range(batches + 1):
        if batch in (0, batches):
            found.append(_angles(circuit, learned(running), probe, goal(probe)))
        seen = rng.uniform(-1, 1, (10, 8))
        inputs = told(seen, 6, goal(seen))
        state = at_rest(running)
        running = run_rates(circuit, inputs, 20, learn=learn, state=state, precision="float64").final_state
    return found


def _angles(circuit: Circuit, weights: dict, seen: np.ndarray, wanted: np.ndarray) -> tuple[float, float, float]:
    mine = settled(circuit, weights, seen, wanted, steps=300).means["hidden1"]
    layers = basal(REGRESSION, weights)
    inner, outer = potentials(REGRESSION, layers, seen)
    exact = (logistic(wanted) - logistic(outer)) @ layers[1].T * logistic(inner) * (1 - logistic(inner))
    error = mine["r"] - mine["r_B"]
    slope = gradients(REGRESSION, layers, seen, logistic(wanted))[0]
    forward = angle(weights["output->hidden1.apical"], layers[1].T)
    return angle(error, exact), angle(seen.T @ error, -slope), forward


@pytest.mark.parametrize("seed", [1, 2])
def test_with_random_feedback_the_network_comes_to_learn_by_the_gradient_as_it_learns(seed: int) -> None:
    """Feedback alignment: forward weights turn until what random feedback brings is of use."""
    first, last = regressed(ALL, seed)
    assert all(75 < degrees < 105 for degrees in first), first
    assert all(degrees < 45 for degrees in last), last


def test_they_turn_because_the_hidden_layer_learns() -> None:
    last = regressed(SHALLOW, 1)[1]
    assert last[0] > 60 and last[2] > 60, last


# Latent equilibrium, and the lag --------------------------------------------------------------------------------------

SWITCHED = replace(WEAK, mixing=(0.3, 0.3, 0.1))


def after_a_switch(latent: bool) -> dict[str, np.ndarray]:
    """|r - r_B| in each of 1,000 steps after the input was replaced, without a teacher, in the mean (steps,)."""
    rng = np.random.default_rng(0)
    circuit = built(replace(SWITCHED, latent=latent), INPUTS, OUTPUTS)
    weights = predicting(circuit, drawn(circuit, rng))
    asked = {name: ["r", "r_B"] for name in hidden(SWITCHED)}
    inputs = told(rng.uniform(0, 1, (5, 2, INPUTS)), OUTPUTS)
    traces = run_rates(
        circuit, inputs, 2000, learn=False, state=begun(weights), record=asked, precision="float64"
    ).traces
    return {name: np.abs(kept["r"] - kept["r_B"])[:, 1000:].mean(axis=(0, 2)) for name, kept in traces.items()}


def test_after_a_switch_of_the_input_layers_in_latent_equilibrium_are_right_within_a_few_steps() -> None:
    """One step for each layer, and a few for what is left of the loop; else a few times the somata's 0.5 ms."""
    plain, latent = after_a_switch(False), after_a_switch(True)
    for name in hidden(SWITCHED):
        assert plain[name][15] > 1e-3  # 1.5 ms after the switch they still ask for what nobody wants
        assert latent[name][15:].max() < 1e-9
        assert latent[name].sum() < plain[name].sum() / 4
        assert latent[name][3:].sum() < plain[name][3:].sum() / 50
    assert latent["hidden1"][1] < 1e-12 < plain["hidden1"][1]


@pytest.mark.parametrize(("latent", "lag"), [(False, 250), (True, 25)], ids=["plain", "latent"])
def test_the_lag_keeps_what_a_switch_leads_to_out_of_the_weights(latent: bool, lag: int) -> None:
    """Ten times as long without latent equilibrium."""
    rng = np.random.default_rng(0)
    circuit = built(replace(SWITCHED, latent=latent), INPUTS, OUTPUTS)
    weights, seen = predicting(circuit, drawn(circuit, rng)), rng.uniform(0, 1, (5, INPUTS))

    def moved(learn: np.ndarray) -> float:
        running = run_rates(
            circuit, told(seen, OUTPUTS), 500, learn=learn, state=begun(weights), precision="float64"
        ).final_state
        return max(float(np.abs(values - weights[name]).max()) for name, values in learned(running).items())

    assert moved(np.arange(500) >= lag) < 1e-12
    assert moved(np.arange(500) >= 0) > 1e-6
    if not latent:
        assert moved(np.arange(500) >= 25) > 1e-8


# What is refused ------------------------------------------------------------------------------------------------------


def test_absurd_speeds_are_stopped_with_the_name_of_what_they_drove_apart() -> None:
    rng = np.random.default_rng(0)
    circuit = built(Microcircuit((6,), activation="softplus"), INPUTS, OUTPUTS, {"inhibition": 1e9, "dendrite": 1e9})
    inputs = told(rng.uniform(0, 1, (3, INPUTS)), OUTPUTS)
    with pytest.raises(InputError, match=r"^(weights|states) of '[^']*inter1.*': .*learn more slowly"):
        run_rates(circuit, inputs, 3000, state=begun(drawn(circuit, rng)), precision="float64")


def test_interneurons_are_as_many_as_the_cells_above() -> None:
    circuit = Microcircuit((6, 4)).circuit((INPUTS,), OUTPUTS, 1e-4)
    wider = [replace(one, size=7) if one.name == "inter1" else one for one in circuit.nodes]
    with pytest.raises(InputError, match=r"hidden2->inter1\.target.*\(4, 4\).*\(4, 7\)|hidden1->inter1.*\(6, 4\)"):
        replace(circuit, nodes=tuple(wider))
    above, inter = circuit.population("hidden2"), circuit.population("inter1")
    with raises_input_error("population 'inter1'", 7, 4, "hidden2"):
        one_to_one(above, replace(inter, size=7), "target")


def test_a_pairing_of_another_shape_than_the_two_populations_is_refused() -> None:
    circuit = Microcircuit((6, 4)).circuit((INPUTS,), OUTPUTS, 1e-4)
    eye = scipy.sparse.identity(5, format="coo")
    others = [one for one in circuit.projections if one.name != "hidden2->inter1.target"]
    with pytest.raises(InputError, match=r"hidden2->inter1\.target"):
        Circuit(circuit.nodes, (*others, Projection("hidden2", "inter1", "target", eye, variable="u")), circuit.dt)
