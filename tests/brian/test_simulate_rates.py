"""Rate-based cells and plastic connections in Brian2, compared with their equations in NumPy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab import cards
from snnlab.brian import simulate, simulate_batch
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
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


# The equations in NumPy -----------------------------------------------------------------------------------------------


def soma_derivatives(u: Arrays, v: Arrays, target: NDArray[np.float64], nudge: float) -> Arrays:
    """du/dt of every cell, by the equations of Sacramento et al., with conductances of 0.1, 1 and 0.8 per ms."""
    du = {name: -0.1 * u[name] + 1.0 * (v[f"{name}.basal"] - u[name]) for name in CELLS}
    for name in ("hidden1", "hidden2"):
        du[name] += 0.8 * (v[f"{name}.apical"] + v[f"{name}.inhibition"] - u[name])
    du["output"] += 0.8 * nudge * (target - u["output"])
    for name, above in (("inter1", "hidden2"), ("inter2", "output")):
        du[name] += 0.8 * (u[above] - u[name])
    return du


def errors(r: Arrays, v: Arrays) -> Arrays:
    """The postsynaptic factor of each plasticity rule."""
    factors = {}
    for name in CELLS:
        total = 1.9 if name.startswith("hidden") else 1.1
        factors[f"{name}.basal"] = r[name] - phi(v[f"{name}.basal"] / total)
    for name in ("hidden1", "hidden2"):
        factors[f"{name}.inhibition"] = -(v[f"{name}.apical"] + v[f"{name}.inhibition"])
        factors[f"{name}.apical"] = r[name] - phi(v[f"{name}.apical"])
    return factors


def place(name: str) -> str:
    """The dendrite that receives a projection; the only dendrite of an interneuron counts as basal."""
    return name.split("->")[1].replace("dendrite", "basal")


def reference(
    weights: Mapping[str, NDArray[np.float64]], inputs: Mapping[str, RateInput], learning: NDArray[np.bool_],
    cells_first: bool = False,
) -> tuple[list[Arrays], list[Arrays], list[Arrays], Arrays]:  # fmt: skip
    """Potentials, dendrites and weights at the start of each of the steps, and the weights after the last."""
    w = {name: value.copy() for name, value in weights.items()}
    change = {name: np.zeros_like(value) for name, value in w.items()}
    u = {name: np.zeros(size) for name, size in zip(CELLS, (4, 3, 2, 3, 2), strict=True)}
    us, vs, ws = [], [], []
    for step in range(len(learning)):
        sources = {name: one.values[0, step * one.segments // len(learning)] for name, one in inputs.items()}
        r = {name: phi(value) for name, value in u.items()} | sources
        v: Arrays = {}
        for name, value in w.items():
            v[place(name)] = v.get(place(name), 0) + r[name.split("->")[0]] @ value
        us.append(u)
        vs.append(v)
        ws.append({name: value.copy() for name, value in w.items()})
        du = soma_derivatives(u, v, r["target"], float(r["nudge"][0]))
        u = {name: u[name] + DT * du[name] for name in CELLS}
        if cells_first:  # a wrong order: plasticity reads rates of the next step
            r = {name: phi(value) for name, value in u.items()} | sources
        factors = errors(r, v)
        if learning[step]:
            for name in w:
                product = np.outer(r[name.split("->")[0]], factors[place(name)])
                eta = ETA[name.split(".")[-1]]
                w[name], change[name] = (
                    w[name] + DT * eta * change[name],
                    change[name] + DT * (product - change[name]) / TAU_W,
                )
    return us, vs, ws, w


def microcircuit(seed: int = 0) -> tuple[Circuit, dict[str, RateInput], Arrays]:
    """Three layers with random weights, inputs in up to four segments, and the plastic weights."""
    rng = np.random.default_rng(seed)
    circuit = Microcircuit(hidden=(4, 3), bias=True).circuit((5,), 2, "0.1 ms")
    weights = {one.name: rng.uniform(-1, 1, one.weights.shape) for one in circuit.projections if one.plasticity}
    inputs = {
        "input": RateInput(rng.random((1, 4, 5))),
        "bias": RateInput.constant(np.ones((1, 1))),
        "target": RateInput(rng.normal(size=(1, 2, 2))),
        "nudge": RateInput(np.array([[[1.0], [0.0], [1.0], [1.0]]])),
    }
    return circuit.with_weights(weights), inputs, weights


EVERY = {name: ["u", "r"] for name in CELLS}
DENDRITES = {"hidden1": ["u", "v_B", "v_A"], "inter1": ["u", "v_D"], "output": ["u", "v_B", "u_trg", "nudge"]}


def run(circuit: Circuit, inputs: Mapping[str, Any], steps: int = STEPS, **options: Any) -> Recording:
    return simulate(circuit, inputs, steps * DT * 1e-3, **{"target": "numpy"} | options)


LAG = np.arange(STEPS) % 250 >= 100  # no learning for 10 of every 25 ms


@pytest.mark.slow
@pytest.mark.parametrize("lag", [False, True])
def test_the_microcircuit_follows_its_equations(lag: bool) -> None:
    circuit, inputs, weights = microcircuit()
    learning = LAG if lag else np.ones(STEPS, dtype=bool)
    us, vs, ws, last = reference(weights, inputs, learning)
    weight_traces = {"hidden1->hidden2.basal": ["w"], "inter1->hidden1.inhibition": ["w"]}
    recording = run(circuit, inputs, record=EVERY | DENDRITES | weight_traces, plastic=LAG if lag else True)
    for name in CELLS:
        np.testing.assert_allclose(recording.trace(name, "u").values, [u[name] for u in us], atol=1e-10)
    for name, variable in (("hidden1", "v_B"), ("inter1", "v_D"), ("output", "v_B")):
        expected = [v[f"{name}.basal"] for v in vs]
        np.testing.assert_allclose(recording.trace(name, variable).values, expected, atol=1e-10)
    apical = [v["hidden1.apical"] + v["hidden1.inhibition"] for v in vs]
    np.testing.assert_allclose(recording.trace("hidden1", "v_A").values, apical, atol=1e-10)
    for name in weight_traces:
        np.testing.assert_allclose(recording.trace(name, "w").values, [w[name].ravel() for w in ws], atol=1e-10)
    assert sorted(recording.weights) == sorted(weights)
    for name, value in recording.weights.items():
        np.testing.assert_allclose(value, last[name], atol=1e-10)
        assert np.abs(value - weights[name]).max() > 1e-4


@pytest.mark.slow
def test_another_order_of_updates_or_another_lag_gives_other_weights() -> None:
    circuit, inputs, weights = microcircuit()
    name = "hidden1->hidden2.basal"
    simulated = run(circuit, inputs).weights[name]
    always = np.ones(STEPS, dtype=bool)
    wrong = [
        reference(weights, inputs, always, cells_first=True)[3],
        reference(weights, inputs, np.roll(LAG, 1))[3],
        reference(weights, inputs, np.arange(STEPS) > 0)[3],
    ]
    assert np.abs(simulated - reference(weights, inputs, always)[3][name]).max() < 1e-10
    assert all(np.abs(simulated - other[name]).max() > 1e-8 for other in wrong)


def test_without_learning_weights_and_their_filters_are_constant() -> None:
    circuit, inputs, weights = microcircuit()
    record = {"bias->output.basal": ["w", "change"]}
    recording = run(circuit, inputs, 40, plastic=False, record=record)
    for name, value in recording.weights.items():
        np.testing.assert_array_equal(value, weights[name])
    assert not recording.trace("bias->output.basal", "change").values.any()


def test_in_steps_without_learning_no_plastic_variable_changes() -> None:
    circuit, inputs, _ = microcircuit()
    learning = np.arange(40) % 20 >= 10
    name = "hidden1->inter1.dendrite"
    recording = run(circuit, inputs, 40, plastic=learning, record={name: ["change", "w"]}, neurons={name: [0, 5]})
    changed = np.diff(recording.trace(name, "change").values, axis=0) != 0
    assert changed.shape == (39, 2)
    np.testing.assert_array_equal(changed, np.repeat(learning[:-1, None], 2, axis=1))
    np.testing.assert_array_equal(recording.trace(name, "w").neurons, [0, 5])


@pytest.mark.slow
def test_each_sample_of_a_batch_equals_its_own_simulation() -> None:
    circuit, inputs, _ = microcircuit()
    batch = {name: RateInput(np.concatenate([one.values * k for k in (1, 2, -1)])) for name, one in inputs.items()}
    recordings = list(simulate_batch(circuit, batch, "2 ms", record=EVERY))
    for k, recording in enumerate(recordings):
        single = run(circuit, {name: one.sample(k) for name, one in batch.items()}, 20, record=EVERY)
        for name in CELLS:
            np.testing.assert_array_equal(recording.trace(name, "u").values, single.trace(name, "u").values)
        for name, value in recording.weights.items():
            np.testing.assert_array_equal(value, single.weights[name])
    assert (recordings[0].weights["input->hidden1.basal"] != recordings[1].weights["input->hidden1.basal"]).all()


@pytest.mark.thorough
@pytest.mark.parametrize("latent", [False, True])
def test_compiled_and_numpy_simulations_agree(latent: bool) -> None:
    rng = np.random.default_rng(5)
    circuit = Microcircuit(hidden=(4,), bias=True, latent=latent).circuit((5,), 2, "0.1 ms")
    circuit = circuit.with_weights({one.name: rng.normal(size=one.weights.shape) for one in circuit.projections
                                    if one.plasticity})  # fmt: skip
    inputs = microcircuit()[1]
    record = {name: ["u", "r"] for name in ("hidden1", "inter1", "output")} | {"hidden1->output.basal": ["w"]}
    first, second = (
        run(circuit, inputs, 200, record=record, plastic=LAG[:200], target=target) for target in ("numpy", "cpp")
    )
    for name, variables in record.items():
        for variable in variables:
            values = (recording.trace(name, variable).values for recording in (first, second))
            np.testing.assert_allclose(*values, atol=1e-12)
    for name in first.weights:
        np.testing.assert_allclose(first.weights[name], second.weights[name], atol=1e-12)


# Inputs of cells ------------------------------------------------------------------------------------------------------

PYRAMID = cards.cell("pyramidal_hidden")


def circuit_of(*weights: Any, receptor: str = "basal", **options: Any) -> Circuit:
    """One source for each array of weights, projecting to one population."""
    sources = [Source(f"eye{k}", one.shape[0]) for k, one in enumerate(weights)]
    projections = [Projection(f"eye{k}", "cells", receptor, one, **options) for k, one in enumerate(weights)]
    return Circuit((*sources, Population("cells", PYRAMID, weights[0].shape[1])), tuple(projections), "0.1 ms")


def test_several_projections_onto_one_input_are_summed() -> None:
    rng = np.random.default_rng(1)
    weights = [rng.normal(size=(size, 6)) for size in (2, 5, 1)]
    values = [rng.normal(size=(1, 2, size)) for size in (2, 5, 1)]
    inputs = {f"eye{k}": RateInput(one) for k, one in enumerate(values)}
    recording = run(circuit_of(*weights), inputs, 4, record={"cells": ["v_B", "v_A"]})
    total = sum(one[0] @ w for one, w in zip(values, weights, strict=True))
    # from the first step on, and with the rates of the second segment from the third step on
    np.testing.assert_allclose(recording.trace("cells", "v_B").values, np.repeat(total, 2, axis=0), rtol=1e-12)
    assert not recording.trace("cells", "v_A").values.any()


def test_two_inputs_of_a_cell_receive_their_own_projections() -> None:
    rng = np.random.default_rng(2)
    basal, inhibition = rng.normal(size=(2, 3, 6))
    base = circuit_of(basal, inhibition)
    projections = (base.projections[0], replace(base.projections[1], receptor="inhibition"))
    values = rng.normal(size=(1, 3))
    inputs = {"eye0": RateInput.constant(values), "eye1": RateInput.constant(-values)}
    recording = run(replace(base, projections=projections), inputs, 2, record={"cells": ["v_B", "v_I", "v_TD"]})
    for variable, expected in (("v_B", values @ basal), ("v_I", -values @ inhibition), ("v_TD", np.zeros((1, 6)))):
        np.testing.assert_allclose(recording.trace("cells", variable).values[:1], expected, rtol=1e-12)


@pytest.mark.slow
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
def test_every_kind_of_weights_gives_the_weighted_sum(weights: Any) -> None:
    values = np.random.default_rng(3).normal(size=(1, weights.shape[0]))
    recording = run(circuit_of(weights), {"eye0": RateInput.constant(values)}, 1, record={"cells": ["v_B"]},
                neurons={"cells": range(weights.shape[1])})  # fmt: skip
    np.testing.assert_allclose(recording.trace("cells", "v_B").values, forward(weights, values), atol=1e-12)


def test_a_projection_can_transmit_another_variable_than_the_rate() -> None:
    nodes = (Population("below", PYRAMID, 1, initial={"u": 0.7}), Population("cells", PYRAMID, 1))
    for variable, expected in (("", phi(np.array(0.7))), ("u", 0.7)):
        projection = Projection("below", "cells", "basal", np.full((1, 1), 2.0), variable=variable)
        recording = run(Circuit(nodes, (projection,), "0.1 ms"), {}, 1, record={"cells": ["v_B"]})
        assert recording.trace("cells", "v_B").values[0, 0] == pytest.approx(2 * expected, rel=1e-12)


def test_names_of_populations_do_not_reach_brians_code() -> None:
    """Names of functions, of Brian2's variables, of C++ keywords, and of variables on the cards."""
    names = ("exp", "double", "r", "learning", "w")
    plain = ("input", "layer", "other", "target", "top")
    recordings = []
    for eye, one, two, three, four in (names, plain):
        rule = Plastic(cards.plasticity("plastic_bottom_up"))
        nodes = (Source(eye, 2), *(Population(name, PYRAMID, 2) for name in (one, two, three, four)))
        projections = [Projection(pre, post, "basal", np.full((2, 2), 0.3), plasticity=rule)
                 for pre, post in ((eye, one), (one, two), (two, three), (three, four), (four, one))]  # fmt: skip
        inputs = {eye: RateInput.constant(np.ones((1, 2)))}
        learning = np.arange(30) > 3
        recordings.append(
            run(Circuit(nodes, tuple(projections), "0.1 ms"), inputs, 30, record={four: ["u"]}, plastic=learning)
        )
    np.testing.assert_array_equal(recordings[0].trace("w", "u").values, recordings[1].trace("top", "u").values)


def test_noise_gives_the_soma_the_mean_and_variance_of_an_ornstein_uhlenbeck_process() -> None:
    """With 1.9 per ms and Euler's steps: mean v_B/1.9, variance sigma^2/(2*1.9)/(1 - 0.19/2). Both are within 5
    standard errors over 4,000 cells: a false alarm in a million."""
    sigma, size = 0.3, 4000
    base = circuit_of(np.full((1, size), 0.8))
    cells = Population("cells", PYRAMID, size, {"sigma": f"{sigma} ms**-0.5"})
    inputs = {"eye0": RateInput.constant(np.ones((1, 1)))}
    u = run(replace(base, nodes=(base.nodes[0], cells)), inputs, 200, record={"cells": ["u"]}, seed=4,
                neurons={"cells": range(size)}).trace("cells", "u").values[-1]  # fmt: skip
    variance = sigma**2 / (2 * 1.9) / (1 - 0.19 / 2)
    assert u.mean() == pytest.approx(0.8 / 1.9, abs=5 * np.sqrt(variance / size))
    assert u.var() == pytest.approx(variance, rel=5 * np.sqrt(2 / size))


# Invalid arguments ---------------------------------------------------------------------------------------------------

RULE = Plastic(cards.plasticity("plastic_bottom_up"))
ONE = np.ones((1, 1))
NAME = "eye0->cells.basal"
EYE = "inputs: source 'eye0'"
SILENCE = {"eye0": SpikeTrains.from_dense(np.zeros((1, 10, 1), dtype=bool), 1e-4)}


def small(**options: Any) -> Circuit:
    """One source and one cell with a plastic projection."""
    return circuit_of(ONE, plasticity=RULE, **options)


def constant(value: float = 1.0, segments: int = 1, size: int = 1, samples: int = 1) -> dict[str, Any]:
    return {"eye0": RateInput(np.full((samples, segments, size), value))}


def rates_and_spikes() -> Circuit:
    """A source with a continuous and a spiking projection."""
    base = small()
    cell = replace(PYRAMID, receptors=dict(PYRAMID.receptors) | {"kick": "u"})
    nodes = (base.nodes[0], replace(base.population("cells"), cell=cell))
    return replace(base, nodes=nodes, projections=(*base.projections, Projection("eye0", "cells", "kick", ONE)))


def with_rule(**fields: str) -> Circuit:
    return circuit_of(ONE, plasticity=Plastic(replace(RULE.card, **fields)))


CASES: dict[str, tuple[Callable[[], object], str, list[object]]] = {
    "missing rates": (lambda: run(small(), {}, 10), EYE, ["missing", "RateInput"]),
    "spikes for a continuous source": (lambda: run(small(), SILENCE, 10), EYE, ["SpikeTrains", "RateInput"]),
    "rates of another size": (lambda: run(small(), constant(size=2), 10), EYE, ["2 neurons", 1]),
    "segments that do not divide the steps": (lambda: run(small(), constant(segments=3), 10), EYE, [3, "10 steps"]),
    "batch": (lambda: run(small(), constant(samples=2), 10), "inputs", ["2 samples", "simulate_batch"]),
    "source of rates and spikes": (
        lambda: run(rates_and_spikes(), constant(), 10), "source 'eye0'", ["eye0->cells.basal", "eye0->cells.kick"],
    ),
    "plastic as floats": (
        lambda: run(small(), constant(), 10, plastic=np.ones(10)), "plastic", ["float64", "(10,)", "bool"],
    ),
    "plastic as an integer": (lambda: run(small(), constant(), 10, plastic=1), "plastic", ["int64", "bool"]),
    "plastic that is too short": (
        lambda: run(small(), constant(), 10, plastic=np.ones(9, dtype=bool)), "plastic", ["(9,)", "(10,)"],
    ),
    "record an unknown variable": (
        lambda: run(small(), constant(), 10, record={NAME: ["v"]}), f"record: {NAME}", ["'v'", "change, w"],
    ),
    "record constant weights": (
        lambda: run(circuit_of(ONE), constant(), 10, record={NAME: ["w"]}), "record", [NAME, "plastic"],
    ),
    "record an unknown synapse": (
        lambda: run(small(), constant(), 10, record={NAME: ["w"]}, neurons={NAME: [1]}), f"neurons: {NAME}", [1],
    ),
    "record an internal variable": (
        lambda: run(small(), constant(), 10, record={"cells": ["sent__0"]}), "record: cells", ["'sent__0'", "r, r_B"],
    ),
    "plasticity that reads a unit": (
        lambda: run(with_rule(post="r/ms"), constant(), 10), "models/plastic_bottom_up.toml: post", ["'r/ms'", "Hz"],
    ),
    "unstable time step": (
        lambda: run(replace(small(), dt="2 ms"), constant(), 200),
        "population 'cells' (models/pyramidal_hidden.toml)", ["2 ms", "1.053 ms"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "field", "values"), CASES.values(), ids=CASES)
def test_invalid_arguments_are_refused_in_one_line(
    attempt: Callable[[], object], field: str, values: list[object]
) -> None:
    with raises_input_error(field, *values):
        attempt()


def test_a_source_without_projections_accepts_rates_and_spikes() -> None:
    unconnected = Circuit((Source("eye0", 1), Population("cells", PYRAMID, 1)), (), "0.1 ms")
    assert run(unconnected, constant(), 10).spikes == {}
    assert len(run(unconnected, SILENCE, 10).spikes["eye0"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("eta", ["1e308 kHz", "-1e308 kHz"])
def test_weights_that_become_infinite_are_named_with_their_projection(eta: str) -> None:
    rule = Plastic(RULE.card, {"eta": eta})
    with raises_input_error(f"projection {NAME!r}", "'w'", "dt", "slower learning"):
        run(circuit_of(ONE, plasticity=rule), constant(), 100)
