"""The two-stream network as a circuit, with continuous rates and with spikes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.engine.rate.run import run_rates
from snnlab.networks.circuit import Circuit, Plastic
from snnlab.networks.two_stream import TwoStream
from snnlab.rules.rate.forward_pass import forward_pass, forward_path
from snnlab.rules.rate.self_assembly import SelfAssembly

RULE = SelfAssembly(weight_init="he", precision="float64")
W, V, P = "hidden1->output.basal", "output->down1.apical", "hidden1->down1.lateral"


def weighted(circuit: Circuit, seed: int = 0) -> Circuit:
    """The circuit with normal random weights of variance 1/pre within and between the streams."""
    rng = np.random.default_rng(seed)
    random = ("basal", "apical", "lateral", "teaching")
    drawn = {
        one.name: rng.normal(0, one.weights.shape[0] ** -0.5, one.weights.shape)
        for one in circuit.projections
        if one.receptor in random
    }
    return circuit.with_weights(drawn)


def weights(circuit: Circuit) -> dict[str, NDArray[np.float64]]:
    return {one.name: np.asarray(one.weights) for one in circuit.projections if one.receptor not in ("target", "nudge")}


def test_the_projections_within_and_between_the_streams() -> None:
    circuit = TwoStream((6, 4), (8, 9), outputs=2).circuit((5,), 3, 1e-4)
    shapes = {one.name: one.weights.shape for one in circuit.projections if "bias" not in one.name}
    assert shapes == {
        "input->hidden1.basal": (5, 6), "hidden1->hidden2.basal": (6, 4), "hidden2->output.basal": (4, 2),
        "hidden2->down1.apical": (4, 8), "output->down2.apical": (2, 9),
        "hidden1->down1.lateral": (6, 8), "hidden2->down2.lateral": (4, 9),
        "down1->hidden1.teaching": (8, 6), "down2->hidden2.teaching": (9, 4),
        "target->output.target": (2, 2), "nudge->output.nudge": (1, 2),
    }  # fmt: skip
    learning = {one.receptor for one in circuit.projections if one.plasticity}
    assert learning == {"basal", "apical"}


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_the_steady_state_of_the_circuit_has_the_rates_and_errors_of_the_rule(activation: str) -> None:
    """In the engine, after 60 time constants: rates and errors of all layers, from which W and V learn."""
    network = TwoStream((7, 5), (6, 8), activation, activation)
    circuit = network.circuit((4,), 3, 1e-4)
    state = RULE.init(circuit, np.random.default_rng(0))
    x, target = np.random.default_rng(1).uniform(-1, 1, (5, 4)), np.random.default_rng(2).uniform(0, 1, (5, 3))
    _, rates = forward_pass(forward_path(circuit, "a test"), state.weights, x)
    updates = RULE.weight_updates(circuit, state, rates, target - rates[-1], 1.0)
    ones = RateInput.constant(np.ones((5, 1)))
    given = {"input": RateInput.constant(x), "target": RateInput.constant(target), "nudge": ones, "bias": ones}
    recorded = {
        "hidden1": ["r", "delta"],
        "hidden2": ["r", "delta"],
        "output": ["delta"],
        "down1": ["v"],
        "down2": ["v"],
    }
    run = run_rates(circuit.with_weights(state.weights), given, 6000, learn=False, mean=recorded, mean_from=5999,
                    precision="float64").means  # fmt: skip
    for k, above in ((1, "hidden2"), (2, "output")):
        up, down = updates[f"hidden{k}->{above}.basal"], updates[f"{above}->down{k}.apical"]
        np.testing.assert_allclose(run[f"hidden{k}"]["r"], up.before, rtol=0, atol=1e-9)
        np.testing.assert_allclose(run[above]["delta"], up.after, rtol=0, atol=1e-9)
        np.testing.assert_allclose(run[f"down{k}"]["v"], down.after, rtol=0, atol=1e-9)
    np.testing.assert_allclose(run["hidden1"]["delta"], updates["input->hidden1.basal"].after, rtol=0, atol=1e-9)


# The law of alignment in a simulation ---------------------------------------------------------------------------------


def misalignment(found: dict[str, NDArray[np.float64]], lateral: NDArray[np.float64]) -> NDArray[np.float64]:
    return found[V] - found[W].T @ lateral


def test_the_law_of_alignment_holds_for_a_batch_in_the_engine() -> None:
    """300 steps of 0.1 ms at eta gamma = 20 Hz, on samples that change every 5 ms: a factor of 0.998^300."""
    circuit = learning(weighted(TwoStream((9,), (7,)).circuit((6,), 4, "0.1 ms")), eta=10.0, gamma=2.0)
    rng = np.random.default_rng(3)
    given = {name: RateInput(rng.uniform(0, 1, (5, 6, size))) for name, size in (("input", 6), ("target", 4))}
    given |= {name: RateInput.constant(np.ones((5, 1))) for name in ("nudge", "bias")}
    run = run_rates(circuit, given, 300, precision="float64")
    initial, final = weights(circuit), run.weights(circuit)
    expected = 0.998**300 * misalignment(initial, initial[P])
    found = misalignment(final, initial[P])
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    assert np.abs(final[W] - 0.998**300 * initial[W]).max() > 1e-3  # control: the weights learned


def learning(circuit: Circuit, eta: float, gamma: float, **cards_: cards.Plasticity) -> Circuit:
    """The circuit with this learning rate and decay, and with other plasticity cards by receptor."""
    return replace(
        circuit,
        projections=tuple(
            replace(
                one, plasticity=Plastic(cards_.get(one.receptor, one.plasticity.card), {"eta": eta, "gamma": gamma})
            )
            if one.plasticity
            else one
            for one in circuit.projections
        ),
    )


def simulated(circuit: Circuit) -> Recording:
    """Three samples, each 60 ms without and 60 ms with a target, in steps of 1 ms."""
    rng = np.random.default_rng(4)
    sizes = (("input", circuit["input"].size), ("target", circuit["output"].size))
    given = {name: RateInput(np.repeat(rng.uniform(0, 1.5, (1, 3, size)), 2, axis=1)) for name, size in sizes}
    given["nudge"] = RateInput(np.tile([0.0, 1.0], 3)[None, :, None])
    recorded = {W: ["w"], V: ["w"], "hidden1": ["delta"], "output": ["delta"]}
    return simulate(circuit, given, "360 ms", record=recorded, target="numpy")


def spiking() -> Circuit:
    """100 spiking cells: 45 hidden, 45 descending and 10 output cells; eta gamma = 10 Hz."""
    network = TwoStream((45,), (45,), bias=False, spiking=True)
    return learning(weighted(network.circuit((10,), 10, "1 ms")), eta=5.0, gamma=2.0)


def deviation(run: Recording, circuit: Circuit) -> NDArray[np.float64]:
    """Deviation of the misalignment from the law in every step, relative to its norm."""
    lateral = weights(circuit)[P]
    up, down = (run.trace(name, "w").values.reshape(-1, *weights(circuit)[name].shape) for name in (W, V))
    found = down - np.einsum("tho,hm->tom", up, lateral)
    expected = 0.99 ** np.arange(len(found))[:, None, None] * found[0]
    norms = np.linalg.norm(expected, axis=(1, 2))
    return np.asarray(np.linalg.norm(found - expected, axis=(1, 2)) / norms)


def test_the_law_of_alignment_is_exact_for_spiking_cells() -> None:
    """In Brian2, in each of 360 steps. Controls: cells spike, and there are errors only in phases with a target."""
    circuit = spiking()
    run = simulated(circuit)
    assert deviation(run, circuit).max() < 1e-10
    for name in ("hidden1", "down1", "output"):
        assert run.spikes[name].counts().mean() > 5
    delta = np.abs(run.trace("output", "delta").values).max(axis=1)
    assert delta[:61].max() == 0 and delta[119] > 0.05
    final = run.weights[W]
    assert np.abs(final - 0.99**360 * weights(circuit)[W]).max() > 0.01


def test_the_law_fails_if_descending_synapses_learn_from_another_variable(tmp_path: Path) -> None:
    """The negative control: a product with a trace that the ascending synapses do not use."""
    text = (cards.library_folder("models") / "plastic_descending.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace('post = "v"', 'post = "x"'), encoding="utf-8")
    circuit = spiking()
    changed = learning(circuit, 5.0, 2.0, apical=cards.plasticity(tmp_path / "own.toml"))
    assert deviation(simulated(changed), changed).max() > 0.1


def test_weights_of_another_size_are_refused() -> None:
    circuit = TwoStream((5,), (7,)).circuit((4,), 3, 1e-4)
    with raises_input_error(V, (3, 5), (3, 7)):
        circuit.with_weights({V: np.zeros((3, 5))})
