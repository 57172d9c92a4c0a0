"""The engine against Brian2, spike for spike, and its independence of batches and threads."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from brian_circuit import run_in_brian
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.spiking.codegen import generate
from snnlab.engine.spiking.layer_library import advance
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source

CELLS = ("lif_exp", "lif_exp_euler", "lif")


def population(name, card, size, *, tau_m=64.0, tau_s=8.0, threshold=20.0, t_ref=3.0):
    """A layer of one of the LIF cards; the plain one receives its input through an exponential current."""
    if card == "lif":
        own = {"C": "200 pF", "g_L": 0.2e-9 / (tau_m * 1e-3), "v_th": -60e-3 + threshold * 1e-3, "t_ref": t_ref * 1e-3}
        synapse = Receptor(cards.synapse("exponential_current"), "soma", {"tau_syn": tau_s * 1e-3})
        return Population(name, cards.cell("lif"), size, own, {"synapse": synapse})
    own = {"tau_m": tau_m * 1e-3, "tau_s": tau_s * 1e-3, "v_th": threshold, "t_ref": t_ref * 1e-3}
    return Population(name, cards.cell(card), size, own)


def chain(layers, sources, weights):
    nodes = (Source("input", sources), *layers)
    projections = tuple(
        Projection(pre.name, post.name, "synapse", values)
        for pre, post, values in zip(nodes, nodes[1:], weights, strict=False)
    )
    return Circuit(nodes, projections, 1e-3)


def random_circuit(rng, card, sizes, drive, **parameters):
    """Random weights for which layers fire at any threshold and time constant."""
    unit = 1e-10 if card == "lif" else 1.0
    layers = [population(f"layer{k}", card, size, **parameters) for k, size in enumerate(sizes[1:])]
    scale = drive * parameters["threshold"] * unit
    weights = [rng.uniform(-0.5, 1, shape) * scale / np.sqrt(shape[0]) for shape in zip(sizes, sizes[1:], strict=False)]
    return chain(layers, sizes[0], weights)


@pytest.mark.thorough
@pytest.mark.parametrize("card", CELLS)
# without shrinking: each example builds a network in Brian2, and a failing one is printed whole
@settings(max_examples=examples(15), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 90), min_size=2, max_size=4),
    tau_m=st.floats(5, 100),
    ratio=st.floats(0.05, 0.9),
    threshold=st.floats(0.5, 40),
    t_ref=st.integers(0, 8),
    rate=st.floats(0.0, 0.3),
    drive=st.floats(0.2, 3),
)
def test_in_float64_the_engine_fires_the_spikes_of_brian(
    card, seed, sizes, tau_m, ratio, threshold, t_ref, rate, drive
):
    rng = np.random.default_rng(seed)
    parameters = {"tau_m": tau_m, "tau_s": tau_m * ratio, "threshold": threshold, "t_ref": float(t_ref)}
    circuit = random_circuit(rng, card, sizes, drive, **parameters)
    spikes = SpikeTrains.from_dense(rng.random((1, 120, sizes[0])) < rate, 1e-3)
    ours = engine.run(circuit, {"input": spikes}, precision="float64")
    for name, theirs in run_in_brian(circuit, spikes).items():
        assert ours[name].spikes == theirs
        assert np.array_equal(ours[name].counts, theirs.counts())


@pytest.mark.slow
@pytest.mark.parametrize("card", CELLS)
def test_the_comparison_with_brian_has_many_spikes_and_detects_a_wrong_refractory_period(card):
    rng = np.random.default_rng(5)
    parameters = {"tau_m": 20.0, "tau_s": 5.0, "threshold": 10.0, "t_ref": 3.0}
    circuit = random_circuit(rng, card, [60, 70, 20], 2.0, **parameters)
    spikes = SpikeTrains.from_dense(rng.random((1, 200, 60)) < 0.1, 1e-3)
    theirs = run_in_brian(circuit, spikes)
    assert all(len(one) > 200 for one in theirs.values())
    wrong = random_circuit(np.random.default_rng(5), card, [60, 70, 20], 2.0, **parameters | {"t_ref": 4.0})
    assert engine.run(wrong, {"input": spikes}, precision="float64")["layer0"].spikes != theirs["layer0"]


def busy(card="lif_exp", samples=9, sizes=(50, 130, 12), steps=150, seed=0):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, card, list(sizes), 1.5, tau_m=64.0, tau_s=8.0, threshold=20.0, t_ref=3.0)
    return circuit, SpikeTrains.from_dense(rng.random((samples, steps, sizes[0])) < 0.08, 1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_do_not_depend_on_threads_or_on_other_samples(precision):
    circuit, spikes = busy()
    together = engine.run(circuit, {"input": spikes}, precision=precision)
    for threads in (2, 5):
        with engine.threads(threads):
            again = engine.run(circuit, {"input": spikes}, precision=precision)
        for name, response in again.items():
            assert response.spikes == together[name].spikes
            assert np.array_equal(response.potential, together[name].potential)
    alone = engine.run(circuit, {"input": spikes.sample(4)}, precision=precision)
    for name, response in alone.items():
        assert response.spikes == together[name].spikes.sample(4)
        assert np.array_equal(response.potential[0], together[name].potential[4])


def test_float32_differs_from_float64_in_few_spikes():
    circuit, spikes = busy(samples=20)
    fine = engine.run(circuit, {"input": spikes}, precision="float64")["layer0"].spikes.dense()
    fast = engine.run(circuit, {"input": spikes}, precision="float32")["layer0"].spikes.dense()
    assert np.count_nonzero(fine) > 5000
    # A rounding error of 1e-7 moves a crossing by a step with a probability of about 1e-6 per step and neuron.
    assert np.count_nonzero(fine != fast) <= 0.002 * np.count_nonzero(fine)


def test_two_projections_and_a_delay_act_as_in_brian():
    rng = np.random.default_rng(3)
    cell = population("out", "lif_exp", 7)
    nodes = (Source("a", 20), Source("b", 30), cell)
    weights = rng.uniform(0, 4, (20, 7)), rng.uniform(0, 4, (30, 7))
    circuit = Circuit(
        nodes,
        (Projection("a", "out", "synapse", weights[0]), Projection("b", "out", "synapse", weights[1], "5 ms")),
        1e-3,
    )
    dense = {"a": rng.random((1, 200, 20)) < 0.1, "b": rng.random((1, 200, 30)) < 0.1}
    late = np.zeros_like(dense["b"])
    late[:, 5:] = dense["b"][:, :-5]
    joined = chain([cell], 50, [np.vstack(weights)])
    theirs = run_in_brian(joined, SpikeTrains.from_dense(np.concatenate([dense["a"], late], axis=2), 1e-3))["out"]
    ours = engine.run(
        circuit, {name: SpikeTrains.from_dense(one, 1e-3) for name, one in dense.items()}, precision="float64"
    )
    assert len(theirs) > 50
    assert ours["out"].spikes == theirs


def test_the_potential_is_summed_over_spikes_and_the_raster_holds_the_spikes():
    circuit, spikes = busy()
    response = engine.run(circuit, {"input": spikes}, precision="float64")["layer0"]
    fired = response.counts > 0
    # a neuron fires just above its threshold, whose overshoot is bounded by what one step can bring
    per_spike = response.potential[fired] / response.counts[fired]
    assert (per_spike > 20).all() and (per_spike < 40).all()
    assert (response.potential[~fired] == 0).all()
    assert np.array_equal(response.raster, engine.pack_raster(response.spikes))


def test_trained_weights_replace_those_of_the_circuit():
    circuit, spikes = busy()
    rng = np.random.default_rng(8)
    first, last = circuit.projections
    weights = {first.name: rng.permuted(first.weights.astype(np.float32), axis=1)}
    given = engine.run(circuit, {"input": spikes}, weights=weights)
    built = engine.run(circuit.with_weights(weights), {"input": spikes})
    assert len(built["layer1"].spikes) > 100
    for name, response in built.items():
        assert response.spikes == given[name].spikes
        assert np.array_equal(response.potential, given[name].potential)
    pre, post = given["layer0"].spikes, given["layer1"]
    scale = rng.normal(size=post.counts.shape)
    other = rng.permuted(last.weights, axis=1)
    given_products = engine.products(last, pre, post, scale, scale, weights=other)
    built_products = engine.products(replace(last, weights=other), pre, post, scale, scale)
    assert np.array_equal(given_products.backward, built_products.backward)


@pytest.mark.parametrize(
    ("name", "weights", "field", "values"),
    [
        ("input->nose", np.zeros((50, 130)), "circuit", ["input->nose"]),
        ("input->layer0.synapse", np.zeros((130, 50)), "input->layer0.synapse", ["(130, 50)", "(50, 130)"]),
        ("input->layer0.synapse", np.full((50, 130), np.nan), "input->layer0.synapse", ["finite"]),
    ],
)
def test_trained_weights_that_do_not_fit_are_refused(name, weights, field, values):
    circuit, spikes = busy()
    with raises_input_error(field, *values):
        engine.run(circuit, {"input": spikes}, weights={name: weights})


def delayed(circuit, delay):
    return replace(circuit, projections=tuple(replace(one, delay=delay) for one in circuit.projections))


@pytest.mark.parametrize(
    ("change", "field", "values"),
    [
        (lambda c, s: (c, {}), "inputs", ["'input'"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids, s.offsets, 49, s.dt)}), "'input'", ["49", "50"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids, s.offsets, 50, 2e-3)}), "'input'", ["0.002 s"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids, s.offsets, 50, s.dt + 5e-9)}), "'input'", ["0.001000005 s"]),
        (lambda c, s: (delayed(c, "0.5 ms"), {"input": s}), "delay", ["0.0005 s"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids, s.offsets, 50, np.nan)}), "'input'", ["nan s"]),
        (lambda c, s: (delayed(c, "1e300 ms"), {"input": s}), "delay", ["1e+297 s", "1e+300"]),
        (lambda c, s: (delayed(c, "-1 ms"), {"input": s}), "delay", ["-1 ms"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids + np.int32(30), s.offsets, 50, s.dt)}), "'input'", ["neurons"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids[:-1], s.offsets, 50, s.dt)}), "'input'", ["offsets"]),
        (lambda c, s: (c, {"input": SpikeTrains(s.ids.astype(np.int64), s.offsets, 50, s.dt)}), "'input'", ["int64"]),
        (lambda c, s: (c, {"input": s, "layer0": s}), "inputs", ["'layer0'"]),
        (
            lambda c, s: (
                Circuit(c.nodes, (*c.projections, Projection("layer1", "layer0", "synapse", np.ones((12, 130)))), c.dt),
                {"input": s},
            ),
            "circuit",
            ["layer0, layer1"],
        ),
    ],
)
def test_inputs_and_circuits_that_the_engine_cannot_run_are_refused(change, field, values):
    circuit, inputs = change(*busy())
    with raises_input_error(field, *values):
        engine.run(circuit, inputs)


def test_an_unknown_precision_is_refused():
    circuit, spikes = busy()
    with raises_input_error("precision", "'float16'", "float32, float64"):
        engine.run(circuit, {"input": spikes}, precision="float16")


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1e-3, 1000 / 2**33])
def test_a_neuron_that_is_refractory_for_the_whole_run_fires_once(dt):
    """1000 s: in the shorter steps 2**33 of them, of which 32 bits hold nothing."""
    cells = population("layer", "lif_exp", 1, t_ref=1e6)
    spikes = SpikeTrains.from_dense(np.ones((1, 60, 1), bool), dt)
    circuit = chain([cells], 1, [np.full((1, 1), 1e3 * 1e-3 / dt)])
    response = engine.run(replace(circuit, dt=dt), {"input": spikes})["layer"]
    assert response.counts.tolist() == [[1]]


@pytest.mark.slow
def test_a_cell_that_the_engine_cannot_run_is_named():
    source = Source("input", 3)
    cell = Population("out", cards.cell("hodgkin_huxley"), 2, receptors={})
    with raises_input_error("hodgkin_huxley"):
        engine.run(Circuit((source, cell), (), 1e-5), {"input": SpikeTrains.from_dense(np.zeros((1, 5, 3)), 1e-5)})


@pytest.mark.slow
def test_equations_may_contain_units(tmp_path):
    """A current of 30 pA more, above a potential of 1 mV over rest, and a threshold of 1 mV less."""
    text = (Path(__file__).parents[2] / "models" / "lif.toml").read_text(encoding="utf-8")
    changed = text.replace("+ I)/C", "+ I + 30*pA*int(v > E_L + 1*mV))/C").replace('"v > v_th"', '"v > v_th - 1*mV"')
    (tmp_path / "mine.toml").write_text(changed, encoding="utf-8")
    synapse = Receptor(cards.synapse("exponential_current"), "soma", {"tau_syn": 5e-3})

    def of(card):
        layer = Population("layer0", cards.cell(card), 30, {}, {"synapse": synapse})
        return chain([layer], 20, [np.random.default_rng(0).uniform(0, 2e-10, (20, 30))])

    spikes = SpikeTrains.from_dense(np.random.default_rng(1).random((1, 300, 20)) < 0.1, 1e-3)
    ours = engine.run(of(str(tmp_path / "mine.toml")), {"input": spikes}, precision="float64")["layer0"].spikes
    assert ours == run_in_brian(of(str(tmp_path / "mine.toml")), spikes)["layer0"]
    assert len(ours) > len(engine.run(of("lif"), {"input": spikes}, precision="float64")["layer0"].spikes) > 0


def test_conditions_as_numbers_have_full_precision(tmp_path):
    """A step of a cell with exp of a condition and the root of two, against the same in NumPy to the last digits."""
    text = (Path(__file__).parents[2] / "models" / "lif_exp_euler.toml").read_text(encoding="utf-8")
    steep = "(exp(int(v > 0.1*v_th))*q + (int(v > 0.2*v_th) + int(v > 0.3*v_th))**0.5 + I)/tau_s"
    (tmp_path / "steep.toml").write_text(text.replace("(q + I)/tau_s", steep), encoding="utf-8")
    cell = cards.cell(str(tmp_path / "steep.toml"))
    code = generate(Population("layer", cell, 64), 1e-3)
    state = np.random.default_rng(0).uniform(0, 8, (2, 64))
    v, q = (state[code.states.index(name)] for name in "vq")
    driven = np.exp((v > 2).astype(float)) * q + np.sqrt((v > 4).astype(float) + (v > 6))
    expected = v + 1e-3 * (-v / 64e-3 + driven / 8e-3)
    np.testing.assert_allclose(advance(code, state)[code.states.index("v")], expected, rtol=1e-14)
