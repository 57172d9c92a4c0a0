"""The two streams as a circuit that runs in time, of rates and of spikes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.engine.rate.run import run_rates
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Plastic
from snnlab.networks.two_stream import TwoStream
from snnlab.rules.rate import forward
from snnlab.rules.rate.forward import way_up
from snnlab.rules.rate.self_assembly import SelfAssembly

RULE = SelfAssembly(initial="he", precision="float64")
W, V, P = "hidden1->output.basal", "output->down1.apical", "hidden1->down1.lateral"


def weighted(circuit: Circuit, seed: int = 0) -> Circuit:
    """With weights between layers and streams drawn at random, normal with the variance 1/pre."""
    rng = np.random.default_rng(seed)
    open_ = ("basal", "apical", "lateral", "teaching")
    drawn = {
        one.name: rng.normal(0, one.weights.shape[0] ** -0.5, one.weights.shape)
        for one in circuit.projections
        if one.receptor in open_
    }
    return circuit.with_weights(drawn)


def weights(circuit: Circuit) -> dict[str, NDArray[np.float64]]:
    return {one.name: np.asarray(one.weights) for one in circuit.projections if one.receptor not in ("target", "nudge")}


def test_streams_are_wired_as_the_notes_of_the_network_say() -> None:
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
def test_the_running_circuit_comes_to_the_errors_that_the_rule_works_out(activation: str) -> None:
    """In the engine, after 60 time constants: rates and errors of all layers, what W and V are to learn from."""
    network = TwoStream((7, 5), (6, 8), activation, activation)
    circuit = network.circuit((4,), 3, 1e-4)
    state = RULE.init(circuit, np.random.default_rng(0))
    seen, wanted = np.random.default_rng(1).uniform(-1, 1, (5, 4)), np.random.default_rng(2).uniform(0, 1, (5, 3))
    way = way_up(circuit, "a test")
    _, rates = forward.up(way, state.weights, seen, 1)
    asked = {one.name: one for one in RULE.asked(way, state, rates, wanted - rates[-1])}
    ones = RateInput.constant(np.ones((5, 1)))
    told = {"input": RateInput.constant(seen), "target": RateInput.constant(wanted), "nudge": ones, "bias": ones}
    watched = {
        "hidden1": ["r", "delta"],
        "hidden2": ["r", "delta"],
        "output": ["delta"],
        "down1": ["v"],
        "down2": ["v"],
    }
    run = run_rates(circuit.with_weights(state.weights), told, 6000, learn=False, mean=watched, mean_from=5999,
                    precision="float64").means  # fmt: skip
    for k, above in ((1, "hidden2"), (2, "output")):
        up, down = asked[f"hidden{k}->{above}.basal"], asked[f"{above}->down{k}.apical"]
        np.testing.assert_allclose(run[f"hidden{k}"]["r"], up.before, rtol=0, atol=1e-9)
        np.testing.assert_allclose(run[above]["delta"], up.after, rtol=0, atol=1e-9)
        np.testing.assert_allclose(run[f"down{k}"]["v"], down.after, rtol=0, atol=1e-9)
    np.testing.assert_allclose(run["hidden1"]["delta"], asked["input->hidden1.basal"].after, rtol=0, atol=1e-9)


# The law of alignment, in time ----------------------------------------------------------------------------------------


def misalignment(found: dict[str, NDArray[np.float64]], lateral: NDArray[np.float64]) -> NDArray[np.float64]:
    return found[V] - found[W].T @ lateral


def test_the_law_of_alignment_holds_in_the_engine_for_a_batch() -> None:
    """300 steps of 0.1 ms at eta gamma = 20 Hz, on samples that change every 5 ms: 0.998^300 of what it was."""
    circuit = learning(weighted(TwoStream((9,), (7,)).circuit((6,), 4, "0.1 ms")), eta=10.0, gamma=2.0)
    rng = np.random.default_rng(3)
    told = {name: RateInput(rng.uniform(0, 1, (5, 6, size))) for name, size in (("input", 6), ("target", 4))}
    told |= {name: RateInput.constant(np.ones((5, 1))) for name in ("nudge", "bias")}
    run = run_rates(circuit, told, 300, precision="float64")
    begin, end = weights(circuit), run.weights(circuit)
    expected = 0.998**300 * misalignment(begin, begin[P])
    np.testing.assert_allclose(misalignment(end, begin[P]), expected, rtol=0, atol=1e-10 * np.abs(expected).max())  # type: ignore[arg-type]
    assert np.abs(end[W] - 0.998**300 * begin[W]).max() > 1e-3  # and there was something to learn


def learning(circuit: Circuit, eta: float, gamma: float, **cards_: cards.Plasticity) -> Circuit:
    """With so much of both; and with other cards, by receptor."""
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


def fired(circuit: Circuit) -> Recording:
    """Three samples, 60 ms untaught and 60 ms taught each, in steps of 1 ms."""
    rng = np.random.default_rng(4)
    sizes = (("input", circuit["input"].size), ("target", circuit["output"].size))
    told = {name: RateInput(np.repeat(rng.uniform(0, 1.5, (1, 3, size)), 2, axis=1)) for name, size in sizes}
    told["nudge"] = RateInput(np.tile([0.0, 1.0], 3)[None, :, None])
    watched = {W: ["w"], V: ["w"], "hidden1": ["delta"], "output": ["delta"]}
    return simulate(circuit, told, "360 ms", record=watched, target="numpy")


def spiking() -> Circuit:
    """100 cells that fire: 45 and 45 in pairs, and 10 of the output; eta gamma = 10 Hz."""
    network = TwoStream((45,), (45,), bias=False, spiking=True)
    return learning(weighted(network.circuit((10,), 10, "1 ms")), eta=5.0, gamma=2.0)


def parted(run: Recording, circuit: Circuit) -> NDArray[np.float64]:
    """By how much misalignment departs from the law in every step, relative to its norm."""
    lateral = weights(circuit)[P]
    up, down = (run.trace(name, "w").values.reshape(-1, *weights(circuit)[name].shape) for name in (W, V))
    found = down - np.einsum("tho,hm->tom", up, lateral)
    expected = 0.99 ** np.arange(len(found))[:, None, None] * found[0]
    norms = np.linalg.norm(expected, axis=(1, 2))
    return np.asarray(np.linalg.norm(found - expected, axis=(1, 2)) / norms)


def test_the_law_of_alignment_is_exact_for_cells_that_fire() -> None:
    """In Brian2, in every one of 360 steps; and there were spikes, and errors in the taught phases alone."""
    circuit = spiking()
    run = fired(circuit)
    assert parted(run, circuit).max() < 1e-10
    for name in ("hidden1", "down1", "output"):
        assert run.spikes[name].counts().mean() > 5
    delta = np.abs(run.trace("output", "delta").values).max(axis=1)
    assert delta[:61].max() == 0 and delta[119] > 0.05
    final = run.weights[W]
    assert np.abs(final - 0.99**360 * weights(circuit)[W]).max() > 0.01


def test_it_is_not_where_descending_synapses_read_what_their_own_cell_fires(tmp_path: Path) -> None:
    """The negative control: another product, of a trace that the ascending synapses do not read."""
    text = (cards.library_folder("models") / "plastic_descending.toml").read_text(encoding="utf-8")
    (tmp_path / "own.toml").write_text(text.replace('post = "v"', 'post = "x"'), encoding="utf-8")
    circuit = spiking()
    off = learning(circuit, 5.0, 2.0, apical=cards.plasticity(tmp_path / "own.toml"))
    assert parted(fired(off), off).max() > 0.1


# What cannot be -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"hidden": ()}, r"^network.hidden: found \(\); needs at least one layer"),
        ({"descending": (3, 0), "hidden": (3, 3)}, r"^network.descending: found \(3, 0\)"),
        (
            {"hidden": (5, 4, 3), "descending": (6, 7)},
            "^network.descending: found 2 numbers; needs one number, or one for",
        ),
        ({"activation": "step"}, "^network.activation: found 'step'"),
        ({"output_activation": "step"}, "^network.output_activation: found 'step'"),
        ({"outputs": -2}, "^network.outputs: found -2"),
    ],
)
def test_streams_that_do_not_match_are_refused(options: dict, says: str) -> None:
    with pytest.raises(InputError, match=says):
        TwoStream(**options)


def test_weights_of_another_size_are_refused() -> None:
    circuit = TwoStream((5,), (7,)).circuit((4,), 3, 1e-4)
    with pytest.raises(InputError, match=r"output->down1.apical.*\(3, 5\).*needs \(3, 7\)"):
        circuit.with_weights({V: np.zeros((3, 5))})


def test_the_output_is_the_last_of_the_circuit_as_in_every_network() -> None:
    """Tables, certificates and figures take it for that."""
    assert TwoStream((4, 3), (5,)).circuit((6,), 2, 1e-3).nodes[-1].name == "output"
