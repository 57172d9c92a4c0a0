"""Cells that are heard in every step, and connections that learn, in Brian2: against their equations in plain NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from snnlab import cards
from snnlab.brian import simulate, simulate_batch
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.weights import Convolution, Pooling, forward

Arrays = dict[str, NDArray[np.float64]]

DT, STEPS = 0.1, 1000  # ms
CELLS = ("hidden1", "hidden2", "output", "inter1", "inter2")
ETA = {"basal": 0.0011875, "dendrite": 0.0011875, "inhibition": 0.0005, "apical": 0.0002}  # per ms
TAU_W = 30.0  # ms


def phi(u: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-u))


# The definition, a second time ---------------------------------------------------------------------------------------


def somas(u: Arrays, v: Arrays, taught: NDArray[np.float64], nudge: float) -> Arrays:
    """du/dt of every cell, by the equations of Sacramento et al., with conductances of 0.1, 1 and 0.8 per ms."""
    du = {name: -0.1 * u[name] + 1.0 * (v[f"{name}.basal"] - u[name]) for name in CELLS}
    for name in ("hidden1", "hidden2"):
        du[name] += 0.8 * (v[f"{name}.apical"] + v[f"{name}.inhibition"] - u[name])
    du["output"] += 0.8 * nudge * (taught - u["output"])
    for name, above in (("inter1", "hidden2"), ("inter2", "output")):
        du[name] += 0.8 * (u[above] - u[name])
    return du


def errors(r: Arrays, v: Arrays) -> Arrays:
    """What the cell after asks a plastic connection for."""
    found = {}
    for name in CELLS:
        whole = 1.9 if name.startswith("hidden") else 1.1
        found[f"{name}.basal"] = r[name] - phi(v[f"{name}.basal"] / whole)
    for name in ("hidden1", "hidden2"):
        found[f"{name}.inhibition"] = -(v[f"{name}.apical"] + v[f"{name}.inhibition"])
        found[f"{name}.apical"] = r[name] - phi(v[f"{name}.apical"])
    return found


def place(name: str) -> str:
    """The dendrite that a projection arrives at; an interneuron's only one is its basal one here."""
    return name.split("->")[1].replace("dendrite", "basal")


def by_hand(
    weights: Mapping[str, NDArray[np.float64]], given: Mapping[str, RateInput], learning: NDArray[np.bool_],
    cells_first: bool = False,
) -> tuple[list[Arrays], list[Arrays], list[Arrays], Arrays]:  # fmt: skip
    """Potentials, dendrites and weights at the start of each of the steps, and the weights after the last."""
    w = {name: value.copy() for name, value in weights.items()}
    change = {name: np.zeros_like(value) for name, value in w.items()}
    u = {name: np.zeros(size) for name, size in zip(CELLS, (4, 3, 2, 3, 2), strict=True)}
    us, vs, ws = [], [], []
    for step in range(len(learning)):
        said = {name: one.values[0, step * one.segments // len(learning)] for name, one in given.items()}
        r = {name: phi(value) for name, value in u.items()} | said
        v: Arrays = {}
        for name, value in w.items():
            heard = r[name.split("->")[0]] @ value
            v[place(name)] = v.get(place(name), 0) + heard
        us.append(u)
        vs.append(v)
        ws.append({name: value.copy() for name, value in w.items()})
        du = somas(u, v, r["target"], float(r["nudge"][0]))
        u = {name: u[name] + DT * du[name] for name in CELLS}
        if cells_first:  # a wrong order: connections learn from rates that are a step younger
            r = {name: phi(value) for name, value in u.items()} | said
        asked = errors(r, v)
        if learning[step]:
            for name in w:
                product = np.outer(r[name.split("->")[0]], asked[place(name)])
                eta = ETA[name.split(".")[-1]]
                w[name], change[name] = (
                    w[name] + DT * eta * change[name],
                    change[name] + DT * (product - change[name]) / TAU_W,
                )
    return us, vs, ws, w


def microcircuit(seed: int = 0) -> tuple[Circuit, dict[str, RateInput], Arrays]:
    """Three layers with random weights, what they hear in four stretches, and the plastic weights."""
    rng = np.random.default_rng(seed)
    circuit = Microcircuit(hidden=(4, 3), bias=True).circuit((5,), 2, "0.1 ms")
    weights = {one.name: rng.uniform(-1, 1, one.weights.shape) for one in circuit.projections if one.plasticity}
    given = {
        "input": RateInput(rng.random((1, 4, 5))),
        "bias": RateInput.constant(np.ones((1, 1))),
        "target": RateInput(rng.normal(size=(1, 2, 2))),
        "nudge": RateInput(np.array([[[1.0], [0.0], [1.0], [1.0]]])),
    }
    return circuit.with_weights(weights), given, weights


EVERY = {name: ["u", "r"] for name in CELLS}
DENDRITES = {"hidden1": ["u", "v_B", "v_A"], "inter1": ["u", "v_D"], "output": ["u", "v_B", "u_trg", "nudge"]}


def run(circuit: Circuit, given: Mapping[str, Any], steps: int = STEPS, **more: Any) -> Recording:
    return simulate(circuit, given, steps * DT * 1e-3, **{"target": "numpy"} | more)


LAG = np.arange(STEPS) % 250 >= 100  # learning rests for 10 of every 25 ms


@pytest.mark.parametrize("lag", [False, True])
def test_the_microcircuit_moves_and_learns_as_its_equations_say(lag: bool) -> None:
    circuit, given, weights = microcircuit()
    learning = LAG if lag else np.ones(STEPS, dtype=bool)
    us, vs, ws, last = by_hand(weights, given, learning)
    courses = {"hidden1->hidden2.basal": ["w"], "inter1->hidden1.inhibition": ["w"]}
    recording = run(circuit, given, record=EVERY | DENDRITES | courses, plastic=LAG if lag else True)
    for name in CELLS:
        np.testing.assert_allclose(recording.trace(name, "u").values, [u[name] for u in us], atol=1e-10)
    for name, variable in (("hidden1", "v_B"), ("inter1", "v_D"), ("output", "v_B")):
        expected = [v[f"{name}.basal"] for v in vs]
        np.testing.assert_allclose(recording.trace(name, variable).values, expected, atol=1e-10)
    apical = [v["hidden1.apical"] + v["hidden1.inhibition"] for v in vs]
    np.testing.assert_allclose(recording.trace("hidden1", "v_A").values, apical, atol=1e-10)
    for name in courses:
        np.testing.assert_allclose(recording.trace(name, "w").values, [w[name].ravel() for w in ws], atol=1e-10)
    assert sorted(recording.weights) == sorted(weights)
    for name, value in recording.weights.items():
        np.testing.assert_allclose(value, last[name], atol=1e-10)
        assert np.abs(value - weights[name]).max() > 1e-4  # it did learn


def test_another_order_within_the_step_and_another_lag_are_told_apart() -> None:
    circuit, given, weights = microcircuit()
    found = run(circuit, given).weights["hidden1->hidden2.basal"]
    right = by_hand(weights, given, np.ones(STEPS, dtype=bool))[3]["hidden1->hidden2.basal"]
    others = [
        by_hand(weights, given, np.ones(STEPS, dtype=bool), cells_first=True)[3],
        by_hand(weights, given, np.roll(LAG, 1))[3],
        by_hand(weights, given, np.arange(STEPS) > 0)[3],
    ]
    assert np.abs(found - right).max() < 1e-10
    assert all(np.abs(found - other["hidden1->hidden2.basal"]).max() > 1e-8 for other in others)


def test_without_plasticity_weights_and_their_filters_stay_as_they_are() -> None:
    circuit, given, weights = microcircuit()
    record = {"bias->output.basal": ["w", "change"]}
    recording = run(circuit, given, 40, plastic=False, record=record)
    for name, value in recording.weights.items():
        np.testing.assert_array_equal(value, weights[name])
    assert not recording.trace("bias->output.basal", "change").values.any()


def test_while_learning_rests_nothing_of_it_moves() -> None:
    circuit, given, _ = microcircuit()
    learning = np.arange(40) % 20 >= 10
    name = "hidden1->inter1.dendrite"
    recording = run(circuit, given, 40, plastic=learning, record={name: ["change", "w"]}, neurons={name: [0, 5]})
    moved = np.diff(recording.trace(name, "change").values, axis=0) != 0
    assert moved.shape == (39, 2)
    np.testing.assert_array_equal(moved, np.repeat(learning[:-1, None], 2, axis=1))
    np.testing.assert_array_equal(recording.trace(name, "w").neurons, [0, 5])


def test_a_batch_gives_for_each_sample_what_it_gives_alone() -> None:
    circuit, given, _ = microcircuit()
    three = {name: RateInput(np.concatenate([one.values * k for k in (1, 2, -1)])) for name, one in given.items()}
    together = list(simulate_batch(circuit, three, "2 ms", record=EVERY))
    for k, recording in enumerate(together):
        alone = run(circuit, {name: one.sample(k) for name, one in three.items()}, 20, record=EVERY)
        for name in CELLS:
            np.testing.assert_array_equal(recording.trace(name, "u").values, alone.trace(name, "u").values)
        for name, value in recording.weights.items():
            np.testing.assert_array_equal(value, alone.weights[name])
    assert (together[0].weights["input->hidden1.basal"] != together[1].weights["input->hidden1.basal"]).all()


@pytest.mark.slow
@pytest.mark.parametrize("latent", [False, True])
def test_a_compiled_program_and_numpy_agree(latent: bool) -> None:
    rng = np.random.default_rng(5)
    circuit = Microcircuit(hidden=(4,), bias=True, latent=latent).circuit((5,), 2, "0.1 ms")
    circuit = circuit.with_weights({one.name: rng.normal(size=one.weights.shape) for one in circuit.projections
                                    if one.plasticity})  # fmt: skip
    given = microcircuit()[1]
    record = {name: ["u", "r"] for name in ("hidden1", "inter1", "output")} | {"hidden1->output.basal": ["w"]}
    one, other = (run(circuit, given, 200, record=record, plastic=LAG[:200], target=name) for name in ("numpy", "cpp"))
    for name, variables in record.items():
        for variable in variables:
            left, right = (found.trace(name, variable).values for found in (one, other))
            np.testing.assert_allclose(left, right, atol=1e-12)
    for name in one.weights:
        np.testing.assert_allclose(one.weights[name], other.weights[name], atol=1e-12)


# What arrives at an input --------------------------------------------------------------------------------------------

PYRAMID = cards.cell("pyramidal_hidden")


def heard(*weights: Any, receptor: str = "basal", **more: Any) -> Circuit:
    """Sources of their own for each of the weights, onto one population."""
    sources = [Source(f"eye{k}", one.shape[0]) for k, one in enumerate(weights)]
    wires = [Projection(f"eye{k}", "cells", receptor, one, **more) for k, one in enumerate(weights)]
    return Circuit((*sources, Population("cells", PYRAMID, weights[0].shape[1])), tuple(wires), "0.1 ms")


def test_several_projections_onto_one_input_are_summed() -> None:
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(size, 6)) for size in (2, 5, 1)]
    values = [rng.normal(size=(1, 2, size)) for size in (2, 5, 1)]
    given = {f"eye{k}": RateInput(one) for k, one in enumerate(values)}
    found = run(heard(*weights), given, 4, record={"cells": ["v_B", "v_A"]})
    total = sum(one[0] @ w for one, w in zip(values, weights, strict=True))
    # already in the first step, and anew with the second stretch
    np.testing.assert_allclose(found.trace("cells", "v_B").values, np.repeat(total, 2, axis=0), rtol=1e-12)
    assert not found.trace("cells", "v_A").values.any()


def test_two_inputs_of_a_cell_hear_their_own() -> None:
    rng = np.random.default_rng(2)
    one, other = rng.normal(size=(2, 3, 6))
    base = heard(one, other)
    wires = (base.projections[0], replace(base.projections[1], receptor="inhibition"))
    values = rng.normal(size=(1, 3))
    given = {"eye0": RateInput.constant(values), "eye1": RateInput.constant(-values)}
    found = run(replace(base, projections=wires), given, 2, record={"cells": ["v_B", "v_I", "v_TD"]})
    for variable, expected in (("v_B", values @ one), ("v_I", -values @ other), ("v_TD", np.zeros((1, 6)))):
        np.testing.assert_allclose(found.trace("cells", variable).values[:1], expected, rtol=1e-12)


@pytest.mark.parametrize(
    "weights",
    [
        scipy.sparse.identity(6, format="coo"),
        scipy.sparse.coo_array(([2.0, -3.0], ([0, 4], [5, 1])), shape=(6, 6)),
        scipy.sparse.coo_array((6, 6)),
        Convolution(np.arange(8.0).reshape(2, 2, 1, 2), (3, 4)),
        Pooling((4, 5, 2), 2, 0.25),
    ],
    ids=["one-to-one", "two synapses", "none", "convolution", "pooling"],
)
def test_every_kind_of_weights_is_heard(weights: Any) -> None:
    values = np.random.default_rng(3).normal(size=(1, weights.shape[0]))
    found = run(heard(weights), {"eye0": RateInput.constant(values)}, 1, record={"cells": ["v_B"]},
                neurons={"cells": range(weights.shape[1])})  # fmt: skip
    np.testing.assert_allclose(found.trace("cells", "v_B").values, forward(weights, values), atol=1e-12)


def test_a_projection_may_read_another_variable_than_the_rate() -> None:
    nodes = (Population("below", PYRAMID, 1, initial={"u": 0.7}), Population("cells", PYRAMID, 1))
    for reads, expected in (("", phi(np.array(0.7))), ("u", 0.7)):
        wire = Projection("below", "cells", "basal", np.full((1, 1), 2.0), variable=reads)
        found = run(Circuit(nodes, (wire,), "0.1 ms"), {}, 1, record={"cells": ["v_B"]})
        assert found.trace("cells", "v_B").values[0, 0] == pytest.approx(2 * expected, rel=1e-12)


def test_no_name_that_a_person_chose_reaches_brian() -> None:
    """The names of functions, of Brian2's own variables, of words of C++, and of what the cards call theirs."""
    names = ("exp", "double", "r", "learning", "w")
    plain = ("input", "layer", "other", "target", "top")
    found = []
    for eye, one, two, three, four in (names, plain):
        rule = Plastic(cards.plasticity("plastic_bottom_up"))
        nodes = (Source(eye, 2), *(Population(name, PYRAMID, 2) for name in (one, two, three, four)))
        wires = [Projection(pre, post, "basal", np.full((2, 2), 0.3), plasticity=rule)
                 for pre, post in ((eye, one), (one, two), (two, three), (three, four), (four, one))]  # fmt: skip
        given = {eye: RateInput.constant(np.ones((1, 2)))}
        learning = np.arange(30) > 3
        found.append(run(Circuit(nodes, tuple(wires), "0.1 ms"), given, 30, record={four: ["u"]}, plastic=learning))
    np.testing.assert_array_equal(found[0].trace("w", "u").values, found[1].trace("top", "u").values)


def test_noise_spreads_a_soma_around_what_it_hears() -> None:
    """Euler's steps of a process of Ornstein and Uhlenbeck with 1.9 per ms: mean v_B/1.9, variance sigma^2/(2*1.9)
    over 1 - 0.19/2. Of 4,000 cells both within 5 standard errors: a false alarm in a million."""
    sigma, size = 0.3, 4000
    base = heard(np.full((1, size), 0.8))
    cells = Population("cells", PYRAMID, size, {"sigma": f"{sigma} ms**-0.5"})
    given = {"eye0": RateInput.constant(np.ones((1, 1)))}
    found = run(replace(base, nodes=(base.nodes[0], cells)), given, 200, record={"cells": ["u"]}, seed=4,
                neurons={"cells": range(size)}).trace("cells", "u").values[-1]  # fmt: skip
    variance = sigma**2 / (2 * 1.9) / (1 - 0.19 / 2)
    assert found.mean() == pytest.approx(0.8 / 1.9, abs=5 * np.sqrt(variance / size))
    assert found.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / size))


# Refusals ------------------------------------------------------------------------------------------------------------

RULE = Plastic(cards.plasticity("plastic_bottom_up"))
ONE = np.ones((1, 1))


def small(**more: Any) -> Circuit:
    return heard(ONE, plasticity=RULE, **more)


def steady(value: float = 1.0, stretches: int = 1, size: int = 1, samples: int = 1) -> dict[str, Any]:
    return {"eye0": RateInput(np.full((samples, stretches, size), value))}


def both_ways() -> Circuit:
    """A source whose rates are heard, and whose spikes too."""
    base = small()
    cell = replace(PYRAMID, receptors=dict(PYRAMID.receptors) | {"kick": "u"})
    nodes = (base.nodes[0], replace(base.population("cells"), cell=cell))
    return replace(base, nodes=nodes, projections=(*base.projections, Projection("eye0", "cells", "kick", ONE)))


def taught(**changed: str) -> Circuit:
    rule = replace(RULE.card, **changed)
    return heard(ONE, plasticity=Plastic(rule))


QUIET = {"eye0": SpikeTrains.from_dense(np.zeros((1, 10, 1), dtype=bool), 1e-4)}
NAME = "eye0->cells.basal"

CASES: dict[str, tuple[Callable[[], object], str]] = {
    "no rates": (lambda: run(small(), {}, 10), r"^inputs: source 'eye0': missing; needs Rates: it is heard in every"),
    "spikes": (lambda: run(small(), QUIET, 10), r"^inputs: source 'eye0': found Spikes; needs Rates"),
    "rates of others": (lambda: run(small(), steady(size=2), 10), r"'eye0': rates of 2 neurons; needs 1"),
    "stretches": (
        lambda: run(small(), steady(stretches=3), 10),
        r"^inputs: source 'eye0': got 3 segments in 10 steps",
    ),
    "a batch": (lambda: run(small(), steady(samples=2), 10), r"^inputs: a batch of 2 samples; .*simulate_batch"),
    "both ways": (
        lambda: run(both_ways(), steady(), 10),
        r"^source 'eye0': heard in every step by 'eye0->cells.basal' and by its spikes by '.*kick'; needs two sources",
    ),
    "gate of numbers": (lambda: run(small(), steady(), 10, plastic=np.ones(10)), r"^plastic: float64 \(10,\); needs"),
    "gate of 1": (lambda: run(small(), steady(), 10, plastic=1), r"^plastic: int64 \(\); needs True, False or"),
    "gate too short": (
        lambda: run(small(), steady(), 10, plastic=np.ones(9, dtype=bool)),
        r"^plastic: bool \(9,\); needs True, False or an array of bool \(10,\)",
    ),
    "course of nothing": (
        lambda: run(small(), steady(), 10, record={NAME: ["v"]}),
        r"^record: eye0->cells.basal: no variable 'v'; known: change, w",
    ),
    "course of fixed weights": (
        lambda: run(heard(ONE), steady(), 10, record={NAME: ["w"]}),
        r"^record: 'eye0->cells.basal' is not plastic; its weights stay",
    ),
    "course of no synapse": (
        lambda: run(small(), steady(), 10, record={NAME: ["w"]}, neurons={NAME: [1]}),
        r"^neurons: eye0->cells.basal: got neuron 1",
    ),
    "own variables of brian": (
        lambda: run(small(), steady(), 10, record={"cells": ["heard__0"]}),
        r"^record: cells: no variable 'heard__0'; known: r, r_B",
    ),
    "a read with a unit": (
        lambda: run(taught(post="r/ms"), steady(), 10),
        r"^models/plastic_bottom_up.toml: post: 'r/ms' is in Hz; needs a plain number",
    ),
    "unstable": (
        lambda: run(replace(small(), dt="2 ms"), steady(), 200),
        r"^population 'cells' \(models/pyramidal_hidden.toml\): unstable in steps of 2 ms .*stable step is 1.053 ms",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "said"), CASES.values(), ids=CASES)
def test_it_is_refused_in_one_line(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        attempt()
    assert "\n" not in str(refusal.value)


def test_a_source_nobody_listens_to_may_say_either() -> None:
    lonely = Circuit((Source("eye0", 1), Population("cells", PYRAMID, 1)), (), "0.1 ms")
    assert run(lonely, steady(), 10).spikes == {}
    assert len(run(lonely, QUIET, 10).spikes["eye0"]) == 0


@pytest.mark.parametrize("eta", ["1e308 kHz", "-1e308 kHz"])
def test_weights_that_stop_being_numbers_are_named_with_their_projection(eta: str) -> None:
    rule = Plastic(RULE.card, {"eta": eta})
    with pytest.raises(InputError, match=r"^projection 'eye0->cells.basal': 'w' is no finite .* or slower learning$"):
        run(heard(ONE, plasticity=rule), steady(), 100)
