"""Circuits of rate cells with running plasticity: the engine against NumPy, and against itself."""

from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from rates_by_hand import DT, random_circuit, rates_for
from rates_by_hand import run as by_hand

from snnlab import cards, engine
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import run_rates
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source
from snnlab.networks.microcircuit import Microcircuit

DEEP = {"hidden": (7, 5), "mixing": (0.3, 0.3, 0.1), "interneuron_mixing": 0.1}


def faster(circuit, factor):
    """The circuit with connections that learn so many times faster."""
    changed = []
    for one in circuit.projections:
        if one.plasticity:
            card = one.plasticity.card
            eta = float(card.parameters["eta"].split()[0]) * factor
            one = replace(one, plasticity=Plastic(card, {"eta": f"{eta!r} kHz"}))
        changed.append(one)
    return replace(circuit, projections=tuple(changed))


def largest_difference(running, weights, potentials):
    """Between a RunState, and weights and potentials by name; of any other simulator."""
    found = [np.abs(running.synapses[name]["w"] - values).max() for name, values in weights.items()]
    found += [np.abs(running.cells[name]["u"] - values).max() for name, values in potentials.items()]
    return max(found)


@pytest.mark.thorough
@pytest.mark.parametrize("latent", [False, True])
@pytest.mark.parametrize("activation", ["logistic", "soft_rectifier"])
def test_a_thousand_steps_agree_with_the_definition(latent, activation):
    network = Microcircuit(**DEEP, activation=activation, latent=latent, bias=True)
    circuit = faster(random_circuit(network, 9, 4), 100)
    rates = rates_for(circuit, 3, 10)
    now, seen = by_hand(network, circuit, rates, 1000, factor=100)
    asked = {"hidden1": ["v_A", "r_B", "u", "r"], "output": ["r", "r_B"], "inter2": ["r_D"]}
    ours = run_rates(circuit, rates, 1000, record=asked, mean=asked, mean_from=700, precision="float64")
    assert largest_difference(ours.final_state, now.w, now.u) < 1e-10
    for name, variables in asked.items():
        for variable in variables:
            trace = np.stack([one[name][variable] for one in seen], axis=1)
            assert np.abs(ours.traces[name][variable] - trace).max() < 1e-10
            assert np.abs(ours.means[name][variable] - trace[:, 700:].mean(axis=1)).max() < 1e-10
    moved = [np.abs(now.w[one.name] - one.weights).max() for one in circuit.projections if one.plasticity]
    assert min(moved) > 1e-6  # or nothing would have been compared
    for one in circuit.projections:
        if one.plasticity:
            assert np.abs(ours.final_state.synapses[one.name]["change"] - now.change[one.name]).max() < 1e-10


@pytest.mark.slow
def test_the_comparison_detects_small_changes():
    """A nudge one step late, and a weight that differs in its eighth digit."""
    network = Microcircuit(**DEEP)
    circuit = random_circuit(network, 9, 4)
    rates = rates_for(circuit, 3, 1000)
    now, _ = by_hand(network, circuit, rates, 1000)
    late = rates | {"nudge": RateInput(np.roll(rates["nudge"].values, 1, axis=1))}
    assert largest_difference(run_rates(circuit, late, 1000, precision="float64").final_state, now.w, now.u) > 1e-6
    first = next(one for one in circuit.projections if one.plasticity)
    other = circuit.with_weights({first.name: first.weights + 1e-8})
    assert largest_difference(run_rates(other, rates, 1000, precision="float64").final_state, now.w, now.u) > 1e-9


@pytest.mark.slow
def test_without_learning_all_variables_of_plastic_connections_are_constant():
    network = Microcircuit(**DEEP)
    circuit = random_circuit(network, 9, 4)
    rates = rates_for(circuit, 2, 5)
    learn = np.arange(500) % 100 >= 20
    now, _ = by_hand(network, circuit, rates, 500, learn)
    lagging = run_rates(circuit, rates, 500, learn=learn, precision="float64")
    assert largest_difference(lagging.final_state, now.w, now.u) < 1e-10
    always = run_rates(circuit, rates, 500, precision="float64")
    assert largest_difference(always.final_state, now.w, now.u) > 1e-6
    never = run_rates(circuit, rates, 500, learn=False, precision="float64")
    for one in circuit.projections:
        if one.plasticity:
            assert np.array_equal(never.final_state.synapses[one.name]["w"], one.weights)
            assert not never.final_state.synapses[one.name]["change"].any()


def same(one, other):
    """Whether two RunStates are equal to the last bit."""
    pairs = ((one.cells, other.cells), (one.synapses, other.synapses))
    return all(
        np.array_equal(values, mine[name][variable])
        for theirs, mine in pairs
        for name, kept in theirs.items()
        for variable, values in kept.items()
    )


@pytest.mark.thorough
@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("samples", [1, 3])
def test_a_resumed_run_equals_one_long_run(precision, samples):
    circuit = random_circuit(Microcircuit(**DEEP, noise=0.3, latent=True, activation="soft_rectifier"), 9, 4)
    rates = rates_for(circuit, samples, 4)
    learn = np.arange(300) % 7 > 0
    learn[74] = learn[75] = True  # across the seam
    whole = run_rates(circuit, rates, 300, learn=learn, precision=precision, seed=5)
    parts = [{name: RateInput(one.values[:, k : k + 1]) for name, one in rates.items()} for k in range(4)]
    running = None
    for k, part in enumerate(parts):
        at = slice(75 * k, 75 * k + 75)
        running = run_rates(circuit, part, 75, learn=learn[at], state=running, precision=precision, seed=5).final_state
    assert running.step == whole.final_state.step == 300
    assert same(running, whole.final_state)
    other = run_rates(circuit, rates, 300, learn=learn, precision=precision, seed=6)
    assert not same(other.final_state, whole.final_state)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_results_do_not_depend_on_the_number_of_threads(precision):
    """Large enough for threads to be used at all: 40 tiles of 16 or 80 of 8."""
    circuit = random_circuit(Microcircuit(hidden=(300,), noise=0.1), 200, 10)
    rates = rates_for(circuit, 6, 3)
    one = run_rates(circuit, rates, 90, precision=precision, record={"output": ["r"]})
    with engine.threads(3):
        three = run_rates(circuit, rates, 90, precision=precision, record={"output": ["r"]})
    assert same(one.final_state, three.final_state)
    assert np.array_equal(one.traces["output"]["r"], three.traces["output"]["r"])


@pytest.mark.slow
def test_a_batch_of_equal_samples_learns_as_a_single_sample():
    circuit = faster(random_circuit(Microcircuit(**DEEP), 9, 4), 10)
    alone = rates_for(circuit, 1, 4)
    five = {name: RateInput(np.repeat(one.values, 5, axis=0)) for name, one in alone.items()}
    single, several = (run_rates(circuit, rates, 400, precision="float64").final_state for rates in (alone, five))
    different = run_rates(circuit, rates_for(circuit, 5, 4), 400, precision="float64").final_state
    for name, kept in single.synapses.items():
        assert np.abs(several.synapses[name]["w"] - kept["w"]).max() < 1e-12
        assert np.abs(different.synapses[name]["w"] - kept["w"]).max() > 1e-5


@pytest.mark.slow
def test_samples_do_not_affect_each_other():
    circuit = random_circuit(Microcircuit(**DEEP), 9, 4)
    rates = rates_for(circuit, 4, 4)
    together = run_rates(circuit, rates, 200, learn=False, precision="float64").final_state
    for k in range(4):
        alone = {name: one.sample(k) for name, one in rates.items()}
        running = run_rates(circuit, alone, 200, learn=False, precision="float64").final_state
        for name in running.cells:
            assert np.abs(running.cells[name]["u"][0] - together.cells[name]["u"][k]).max() < 1e-13


@pytest.mark.slow
def test_float32_is_close_to_float64():
    circuit = faster(random_circuit(Microcircuit(**DEEP, activation="soft_rectifier"), 9, 4), 10)
    rates = rates_for(circuit, 3, 10)
    short, long = (
        run_rates(circuit, rates, 1000, precision=precision).final_state for precision in ("float32", "float64")
    )
    weights = {name: kept["w"] for name, kept in long.synapses.items()}
    potentials = {name: kept["u"] for name, kept in long.cells.items()}
    assert 0 < largest_difference(short, weights, potentials) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_a_softplus_is_exact_to_a_few_units_in_the_last_place(precision):
    """Of 61 cells with potentials from -30 to 30, beside NumPy's log(exp(0) + exp(u)) of the potentials."""
    cell = cards.cell("pyramidal_hidden", {"phi(x)": "log(1 + exp(x))"})
    listener = Projection("input", "cells", "basal", np.linspace(-60, 60, 61)[None])
    circuit = Circuit((Source("input", 1), Population("cells", cell, 61)), (listener,), DT)
    told = RateInput(np.ones((1, 1, 1)))
    traces = run_rates(circuit, {"input": told}, 200, precision=precision, record={"cells": ["u", "r"]}).traces["cells"]
    potentials = traces["u"].astype(float)
    assert potentials[:, -1].min() < -25 and potentials[:, -1].max() > 25
    np.testing.assert_allclose(traces["r"], np.logaddexp(0, potentials), rtol=8 * np.finfo(precision).eps)


# Noise ---------------------------------------------------------------------------------------------------------------


def noisy(sigma, size=2000, name="hidden1", **changed):
    """Unconnected cells with noise."""
    cell = Population(name, cards.cell("pyramidal_hidden"), size, {"sigma": f"{sigma} ms**-0.5"})
    silent = Projection("input", name, "basal", np.zeros((1, size)))
    return Circuit((Source("input", 1), cell), (silent,), DT)


def spread(circuit, samples, steps, precision="float64", seed=0):
    rates = {"input": RateInput(np.zeros((samples, 1, 1)))}
    (name,) = (one.name for one in circuit.populations)
    return run_rates(circuit, rates, steps, precision=precision, seed=seed, record={name: ["u"]}).traces[name]["u"]


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_noise_makes_the_soma_an_ornstein_uhlenbeck_process(precision):
    """Variance sigma^2 tau/2 / (1 - dt/(2 tau)) and correlation (1 - dt/tau)^k over k steps; of 24,000 independent
    values each, within 5 standard errors: false alarms in less than one of 100,000 runs of all these comparisons."""
    samples, size, sigma = 12, 2000, 0.3
    traces = spread(noisy(sigma, size), samples, 120, precision).astype(float)
    late = traces[:, 99].ravel()
    count = late.size
    variance = sigma**2 / (2 * 1.9) / (1 - 0.1 * 1.9 / 2)
    assert np.var(late) == pytest.approx(variance, rel=5 * np.sqrt(2 / count))
    assert abs(late.mean()) < 5 * np.sqrt(variance / count)
    assert np.mean(late**4) / variance**2 == pytest.approx(3, abs=5 * np.sqrt(96 / count))
    assert np.mean(late**3) / variance**1.5 == pytest.approx(0, abs=5 * np.sqrt(15 / count))
    for k in (1, 3, 20):
        again = np.mean(late * traces[:, 99 + k].ravel()) / variance
        assert again == pytest.approx(0.81**k, abs=5 * np.sqrt(2 / count))


@pytest.mark.slow
def test_noise_is_independent_of_neuron_sample_step_population_and_seed():
    """Correlations of the steps' own noise, n pairs each, within 5/sqrt(n): a false alarm in 100,000 runs."""
    traces = spread(noisy(0.3), 12, 40)
    noise = traces[:, 1:] - 0.81 * traces[:, :-1]
    noise /= noise.std()
    other = spread(noisy(0.3), 12, 40, seed=1)
    elsewhere = other[:, 1:] - 0.81 * other[:, :-1]
    pairs = {
        "neurons": (noise[:, :, :-1], noise[:, :, 1:]),
        "pairs in a tile": (noise[:, :, :-8], noise[:, :, 8:]),
        "steps": (noise[:, :-1], noise[:, 1:]),
        "samples": (noise[:-1], noise[1:]),
        "seeds": (noise, elsewhere / elsewhere.std()),
        "neuron and step": (noise[:, :-1, 1:], noise[:, 1:, :-1]),
    }
    for one, another in pairs.values():
        assert abs(np.mean(one * another)) < 5 / np.sqrt(one.size)
        assert abs(np.mean(one**2 * another**2) - 1) < 5 * np.sqrt(8 / one.size)
    assert np.mean(noise * noise) == pytest.approx(1)  # the same noise would have shown


def test_noise_is_gaussian_in_its_tails():
    """Of 936,000 numbers beyond z, expected by the normal law, within 5 standard deviations of Poisson counts."""
    from scipy.stats import norm

    traces = spread(noisy(0.3), 12, 40)
    noise = (traces[:, 1:] - 0.81 * traces[:, :-1]).ravel() / (0.3 * np.sqrt(0.1))
    for z in (-4.0, -3.0, -2.0, -1.0, -0.1, 0.0, 0.5, 1.0, 2.0, 3.0, 4.0):
        expected = norm.sf(z) * noise.size
        assert abs(np.sum(noise > z) - expected) < 5 * np.sqrt(max(expected, 1) * norm.cdf(z) + 1)


@pytest.mark.slow
def test_noise_is_nearly_the_same_in_both_precisions_and_absent_at_strength_0():
    short, long = (spread(noisy(0.3, 50), 2, 50, precision) for precision in ("float32", "float64"))
    assert np.abs(short - long).max() < 1e-3 * np.abs(long).max()
    assert not spread(noisy(0.0, 50), 2, 50).any()


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_diverging_weights_raise_an_error_with_their_name_and_the_step():
    circuit = random_circuit(Microcircuit(hidden=(6,), activation="softplus"), 5, 3)
    one = next(one for one in circuit.projections if one.name == "hidden1->output.basal")
    wild = replace(one, plasticity=Plastic(one.plasticity.card, {"eta": "-1e6 kHz"}))
    changed = replace(circuit, projections=tuple(wild if each is one else each for each in circuit.projections))
    rates = rates_for(circuit, 2, 1)
    with raises_input_error("weights of 'hidden1->output.basal'", "step ") as single:
        run_rates(changed, rates, 2000)
    with raises_input_error("weights of 'hidden1->output.basal'") as several, engine.threads(3):
        run_rates(changed, rates, 2000)
    assert str(several.value) == str(single.value)
    assert np.isfinite(run_rates(circuit, rates, 2000).final_state.synapses[one.name]["w"]).all()


def test_diverging_cells_raise_an_error_with_their_name():
    """Each excites itself, a hundred times too strongly."""
    cell = Population("cell", cards.cell("pyramidal_hidden", {"phi(x)": "log(1 + exp(x))"}), 3)
    wires = (
        Projection("input", "cell", "basal", np.ones((1, 3))),
        Projection("cell", "cell", "apical", 100 * np.eye(3)),
    )
    circuit = Circuit((Source("input", 1), cell), wires, DT)
    with raises_input_error("states of 'cell'", "step "):
        run_rates(circuit, {"input": RateInput(np.ones((1, 1, 1)))}, 2000)


def test_conductances_too_large_for_the_time_step_raise_an_error_with_the_largest_step():
    """Euler's step of du/dt = -g u is stable up to 2/g; here g = 50 + 1 + 0.8 per ms."""
    cell = Population("cell", cards.cell("pyramidal_hidden"), 3, {"g_L": "50 kHz"})
    circuit = Circuit((Source("input", 1), cell), (Projection("input", "cell", "basal", np.ones((1, 3))),), DT)
    with raises_input_error("", f"{2 / 51.8:.4g} ms"):
        run_rates(circuit, {"input": RateInput(np.ones((1, 1, 1)))}, 2000)


def small():
    circuit = random_circuit(Microcircuit(hidden=(4,)), 3, 2)
    return circuit, rates_for(circuit, 2, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("change", "field", "values"),
    [
        (lambda c, r: {"inputs": {k: v for k, v in r.items() if k != "nudge"}}, "inputs", ["'nudge'"]),
        (lambda c, r: {"inputs": r | {"hidden1": r["input"]}}, "inputs", ["'hidden1'"]),
        (lambda c, r: {"inputs": r | {"input": r["target"]}}, "inputs of 'input'", ["2", "3"]),
        (lambda c, r: {"inputs": r | {"input": r["input"].sample(0)}}, "inputs", ["[1, 2]"]),
        (lambda c, r: {"steps": 25}, "", ["2", "25"]),
        (lambda c, r: {"steps": 0}, "steps", ["0"]),
        (lambda c, r: {"learn": np.ones(7, bool)}, "learn", ["bool (7,)", "(20,)"]),
        (lambda c, r: {"learn": np.ones(20)}, "learn", ["float64"]),
        (lambda c, r: {"record": {"hidden1": ["w"]}}, "record of 'hidden1'", ["'w'"]),
        (lambda c, r: {"mean": {"input": ["r"]}}, "mean", ["'input'"]),
        (lambda c, r: {"mean_from": 20}, "mean_from", ["20", "19"]),
        (lambda c, r: {"precision": "float16"}, "precision", ["'float16'"]),
        (lambda c, r: {"inputs": r | {"input": SpikeTrains.from_dense(np.zeros((2, 20, 3)), DT)}}, "'input'",
         ["SpikeTrains"]),
    ],
)  # fmt: skip
def test_arguments_that_do_not_fit_are_refused(change, field, values):
    circuit, rates = small()
    with raises_input_error(field, *values):
        run_rates(**({"circuit": circuit, "inputs": rates, "steps": 20} | change(circuit, rates)))


@pytest.mark.slow
def test_a_state_of_another_circuit_is_refused():
    circuit, rates = small()
    running = run_rates(circuit, rates, 20).final_state
    larger = random_circuit(Microcircuit(hidden=(5,)), 3, 2)
    with raises_input_error("state of 'hidden1': u", "(2, 4)", "(2, 5)"):
        run_rates(larger, rates, 20, state=running)
    with raises_input_error("state of 'inter1': u", "(2, 2)", "(1, 2)"):
        run_rates(circuit, {name: one.sample(0) for name, one in rates.items()}, 20, state=running)


@pytest.mark.slow
def test_run_and_run_rates_refuse_circuits_of_the_other_kind():
    lif = Population("out", cards.cell("lif_exp"), 2)
    spiking = Circuit((Source("input", 3), lif), (Projection("input", "out", "synapse", np.ones((3, 2))),), DT)
    with raises_input_error("input->out.synapse", "run takes spikes"):
        run_rates(spiking, {"input": RateInput(np.ones((1, 1, 3)))}, 10)
    circuit, rates = small()
    mixed = replace(circuit, nodes=(*circuit.nodes, Population("more", cards.cell("lif_exp"), 2)))
    with raises_input_error("threshold", "'more'", "simulate"):
        run_rates(mixed, rates, 20)
    with raises_input_error("population", "run_rates"):
        engine.run(circuit, rates)
    spikes = {one.name: SpikeTrains.from_dense(np.zeros((1, 10, one.size)), DT) for one in circuit.sources}
    with raises_input_error("population", "run_rates"):
        engine.run(circuit, spikes)


def test_a_variable_that_depends_on_an_input_of_the_same_step_cannot_be_transmitted():
    circuit, rates = small()
    one = next(one for one in circuit.projections if one.name == "hidden1->output.basal")
    looped = replace(one, variable="v_A", plasticity=None)
    with raises_input_error("hidden1->output.basal", "'v_A'", "'v_TD'"):
        replace(circuit, projections=tuple(looped if each is one else each for each in circuit.projections))
