"""Cells that sample Poisson counts, in Brian2 and in the engine, against the distribution.

A statistical test raises a false alarm about once in a million runs with other seeds.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import scipy.sparse
import scipy.stats
from errors_in_tests import raises_input_error

from snnlab import cards, engine
from snnlab.brian import simulate, simulate_batch
from snnlab.cards.equation import parse_equations
from snnlab.cards.names import ExpressionError
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.engine.rate.run import run_rates
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Plastic, Population, Projection, Source

ALARM = 1e-6
MEANS = [0.05, 0.5, 5.0, 50.0]
SAMPLES, STEPS, NEURONS = 4, 250, 40


def firing(mean: float, neurons: int = NEURONS) -> Circuit:
    """Cells that fire with this mean in every step from the first on."""
    cells = Population("cells", cards.cell("poisson_input"), neurons, {"psi": f"{mean} kHz", "tau_r": "0.1 ms"},
                       initial={"r": 10.0})  # fmt: skip
    return Circuit(
        (Source("source", neurons), cells),
        (Projection("source", "cells", "given", scipy.sparse.identity(neurons, format="coo")),),
        "0.1 ms",
    )


@cache
def counts(machine: str, mean: float) -> np.ndarray:
    """Drawn in either machine, (samples, steps, neurons)."""
    rates = {"source": RateInput.constant(np.full((SAMPLES, NEURONS), 10.0))}
    if machine == "engine":
        return run_rates(firing(mean), rates, STEPS, record={"cells": ["n"]}, seed=11).traces["cells"]["n"]
    runs = simulate_batch(
        firing(mean), rates, STEPS * 1e-4, record={"cells": ["n"]}, neurons={"cells": range(NEURONS)}, seed=11
    )
    return np.array([run.trace("cells", "n").values for run in runs])


def fit(found: np.ndarray, mean: float) -> float:
    """How probable so bad a fit to Poisson's distribution is, by chi-square; ten or more are expected in every bin."""
    edges = np.unique(scipy.stats.poisson.ppf(np.linspace(0, 1, 60)[1:-1], mean))
    below = np.concatenate([[0], scipy.stats.poisson.cdf(edges, mean), [1]]) * found.size
    keep = [0]
    for k in range(1, len(below)):
        if below[k] - below[keep[-1]] >= 10 and below[-1] - below[k] >= 10 or k == len(below) - 1:
            keep.append(k)
    expected = np.diff(below[keep])
    which = np.searchsorted(edges[np.array(keep[1:-1]) - 1], found.ravel(), side="left")
    observed = np.bincount(which, minlength=len(expected))
    return float(scipy.stats.chisquare(observed, expected).pvalue)


def correlation(a: np.ndarray, b: np.ndarray, mean: float) -> float:
    """The sum of products about the mean in standard errors, where the two are independent."""
    return float(((a - mean) * (b - mean)).sum() / (mean * np.sqrt(a.size)))


@pytest.mark.thorough
@pytest.mark.parametrize("machine", ["engine", "brian"])
@pytest.mark.parametrize("mean", MEANS)
def test_counts_follow_the_poisson_distribution(machine, mean):
    found = counts(machine, mean)
    assert found.shape == (SAMPLES, STEPS, NEURONS)
    assert np.array_equal(found, np.round(found))
    assert found.min() >= 0
    z = abs(found.mean() - mean) / np.sqrt(mean / found.size)
    spread = abs(((found - mean) ** 2).mean() - mean) / np.sqrt((mean + 2 * mean**2) / found.size)
    assert max(z, spread) < 5.2
    assert fit(found, mean) > ALARM


@pytest.mark.parametrize("mean", MEANS)
def test_the_comparison_detects_another_mean_and_a_normal_distribution(mean):
    rng = np.random.default_rng(1)
    size = (SAMPLES, STEPS, NEURONS)
    assert fit(rng.poisson(mean, size), mean) > ALARM
    assert fit(rng.poisson(mean * (1.02 if mean > 1 else 1.3), size), mean) < ALARM
    assert fit(np.maximum(np.round(rng.normal(mean, np.sqrt(mean), size)), 0), mean) < ALARM


@pytest.mark.parametrize("machine", ["engine", "brian"])
@pytest.mark.parametrize("mean", MEANS)
def test_counts_are_independent_between_neurons_steps_and_samples(machine, mean):
    found = counts(machine, mean).astype(np.float64)
    pairs = [(found[1:], found[:-1]), (found[:, 1:], found[:, :-1]), (found[..., 1:], found[..., :-1])]
    pairs.append((found[:, 16:, :], found[:, :-16, :]))
    pairs.append((found[..., 16:], found[..., :-16]))  # the same place in the next tile
    assert max(abs(correlation(a, b, mean)) for a, b in pairs) < 5.2


@pytest.mark.thorough
@pytest.mark.parametrize("mean", [1e-3, 9.99, 29.9, 30.1, 300.0, 3000.0, 1e6])
def test_both_sampling_methods_follow_the_distribution(mean):
    rates = {"source": RateInput.constant(np.full((50, 100), 10.0))}
    found = run_rates(firing(mean, 100), rates, 40, record={"cells": ["n"]}, precision="float64", seed=2).traces[
        "cells"
    ]["n"]
    assert fit(found, mean) > ALARM


@pytest.mark.slow
def test_counts_depend_on_the_seed_alone():
    rates = {"source": RateInput.constant(np.full((2, 10), 10.0))}
    a, b, c = (
        run_rates(firing(3.0, 10), rates, 30, record={"cells": ["n"]}, seed=seed).traces["cells"]["n"]
        for seed in (1, 1, 2)
    )
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_a_mean_of_zero_gives_no_counts():
    rates = {"source": RateInput.constant(np.zeros((2, 10)))}
    circuit = firing(3.0, 10)
    found = run_rates(circuit, rates, 30, record={"cells": ["n"]}).traces["cells"]["n"]
    assert found[:, 1:].max() == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate", [-1.0, 1e9])
def test_an_invalid_mean_raises_an_error_in_the_engine(rate):
    with raises_input_error("states of", "not finite"):
        run_rates(firing(3.0, 4), {"source": RateInput.constant(np.full((1, 4), rate))}, 10)


def test_a_negative_mean_raises_an_error_in_brian():
    with pytest.raises(InputError):
        simulate(firing(3.0, 4), {"source": RateInput.constant(np.full((1, 4), -1.0))}, "1 ms", target="numpy")


@pytest.mark.slow
def test_a_compiled_program_of_brian_samples_the_same_distribution():
    rates = {"source": RateInput.constant(np.full((1, 400), 10.0))}
    run = simulate(
        firing(5.0, 400), rates, "10 ms", record={"cells": ["n"]}, neurons={"cells": range(400)}, target="cpp"
    )
    assert fit(run.trace("cells", "n").values, 5.0) > ALARM


# Use of the counts ----------------------------------------------------------------------------------------------------


def firing_circuit() -> tuple[Circuit, dict[str, RateInput]]:
    """Poisson cells with plastic connections onto pyramidal cells."""
    rng = np.random.default_rng(4)
    before = Population("before", cards.cell("poisson_input"), 7, {"psi": "20 kHz"})
    after = Population("after", cards.cell("pyramidal_hidden_poisson"), 5)
    weights = rng.normal(size=(7, 5))
    learn = Plastic(cards.plasticity("spiking_bottom_up"), {"eta": "1 kHz"})
    wiring = (
        Projection("source", "before", "given", scipy.sparse.identity(7, format="coo")),
        Projection("before", "after", "basal", weights, plasticity=learn),
        Projection("after", "after", "apical", rng.normal(size=(5, 5))),
    )
    rates = {"source": RateInput.constant(rng.uniform(0.1, 1, (1, 7)))}
    return Circuit((Source("source", 7), before, after), wiring, "0.1 ms"), rates


RECORD = {"before": ["n", "s", "x"], "after": ["n", "I_B", "I_TD", "s", "r", "r_B"]}


@pytest.mark.slow
@pytest.mark.parametrize("machine", ["engine", "brian"])
def test_the_recorded_count_is_the_one_transmitted_and_learned_from_in_that_step(machine):
    """Sums, traces and weights follow from the recorded counts by hand, to the rounding of float64."""
    circuit, rates = firing_circuit()
    weights = np.array(circuit.projections[1].weights)
    if machine == "engine":
        run = run_rates(circuit, rates, 80, record=RECORD, precision="float64", seed=3)
        at = {f"{name}.{one}": run.traces[name][one][0] for name, several in RECORD.items() for one in several}
        learnt = run.weights(circuit)["before->after.basal"]
    else:
        record = simulate(circuit, rates, "8 ms", record=RECORD, seed=3, target="numpy")
        at = {f"{name}.{one}": record.trace(name, one).values for name, several in RECORD.items() for one in several}
        learnt = record.weights["before->after.basal"]
    w, change, x = weights.copy(), np.zeros_like(weights), np.zeros(7)
    assert at["before.n"].max() > 2
    assert at["before.s"] == pytest.approx(at["before.n"] / (20 * 0.1))
    for t in range(80):
        assert at["after.I_B"][t] == pytest.approx(at["before.s"][t] @ w, rel=1e-9, abs=1e-12)
        assert at["after.I_TD"][t] == pytest.approx(at["after.s"][t] @ circuit.projections[2].weights, abs=1e-9)
        assert at["before.x"][t] == pytest.approx(x, abs=1e-12)
        product = np.outer(x, at["after.r"][t] - at["after.r_B"][t])
        w, change = w + 0.1 * change, change + 0.1 * (product - change)
        x = x + 0.1 * (at["before.s"][t] - x)
    assert learnt == pytest.approx(w, abs=1e-12)
    assert np.abs(learnt - weights).max() > 1e-3


@pytest.mark.slow
def test_a_resumed_run_samples_the_same_counts():
    circuit, rates = firing_circuit()
    whole = run_rates(circuit, rates, 60, seed=8)
    first = run_rates(circuit, rates, 25, seed=8)
    second = run_rates(circuit, rates, 35, seed=8, state=first.final_state)
    assert np.array_equal(whole.final_state.cells["after"]["x"], second.final_state.cells["after"]["x"])
    name = "before->after.basal"
    assert np.array_equal(whole.weights(circuit)[name], second.weights(circuit)[name])


@pytest.mark.slow
def test_results_do_not_depend_on_the_number_of_threads():
    rng = np.random.default_rng(0)
    before = Population("before", cards.cell("poisson_input"), 150)
    after = Population("after", cards.cell("pyramidal_hidden_poisson"), 300)
    learn = Plastic(cards.plasticity("spiking_bottom_up"), {"eta": "1 kHz"})
    wiring = (
        Projection("source", "before", "given", scipy.sparse.identity(150, format="coo")),
        Projection("before", "after", "basal", rng.normal(size=(150, 300)), plasticity=learn),
        Projection("after", "after", "apical", rng.normal(size=(300, 300)) / 10),
    )
    circuit = Circuit((Source("source", 150), before, after), wiring, "0.1 ms")
    rates = {"source": RateInput.constant(rng.uniform(0, 1, (4, 150)))}
    one = run_rates(circuit, rates, 20, seed=5)
    with engine.threads(2):
        two = run_rates(circuit, rates, 20, seed=5)
    assert np.array_equal(one.weights(circuit)["before->after.basal"], two.weights(circuit)["before->after.basal"])
    assert np.array_equal(one.final_state.cells["after"]["u"], two.final_state.cells["after"]["u"])


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "n = poisson(U) : 1",
        "n = 2*poisson(U) : 1 (constant over dt)",
        "n = poisson(poisson(U)) : 1 (constant over dt)",
        "dU/dt = poisson(U)/ms : 1",
        "n = exp(poisson(U)) : 1 (constant over dt)",
    ],
)
def test_a_poisson_count_must_be_the_whole_variable_and_constant_over_the_step(text):
    with pytest.raises(ExpressionError, match="line 1: .*samples a number"):
        parse_equations(text)


@pytest.mark.parametrize("call", ["poisson(U, 2)", "poisson()", "poisson(x=U)"])
def test_a_poisson_count_has_one_mean(call):
    with pytest.raises(ExpressionError, match="1 argument"):
        parse_equations(f"n = {call} : 1 (constant over dt)")


def card(tmp_path, name, *changes):
    """A card of the model library, changed."""
    text = (cards.library_folder("models") / f"{name}.toml").read_text(encoding="utf-8")
    for old, new in changes:
        assert text.count(old) == 1
        text = text.replace(old, new)
    path = tmp_path / f"{name}.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "changes, found",
    [
        ([("poisson(psi*r*dt)", "poisson(psi*given*dt)")], "'given', which is an input"),
        ([("s = n/(psi*dt) : 1", "s = n/(psi*dt) : 1\nm = poisson(s) : 1 (constant over dt)")], "'n', which is"),
        ([("[receptors]", '[start]\nr = "poisson(3)"\n[receptors]')], "samples a number"),
        ([('method = "euler"', 'method = "euler"\nthreshold = "poisson(r) > 2"')], "samples a number"),
        ([('method = "euler"', 'method = "euler"\nthreshold = "r > 2"\nreset = "r = poisson(2)"')], "samples a number"),
        ([("[parameters]", '[functions]\n"f(y)" = "poisson(y)"\n[parameters]')], "samples a number"),
    ],
)
def test_a_poisson_count_in_an_invalid_place_is_refused(tmp_path, changes, found):
    path = card(tmp_path, "poisson_input", *changes)
    with pytest.raises(InputError, match=found) as refusal:
        cards.cell(path)
    assert str(path) in str(refusal.value)


def test_only_cells_sample(tmp_path):
    drawn = 'equations = """\nn = poisson(2) : 1 (constant over dt)\n'
    for name, read in (("spiking_bottom_up", cards.plasticity), ("exponential_current", cards.synapse)):
        with pytest.raises(InputError, match="only variables of a cell"):
            read(card(tmp_path, name, ('equations = """\n', drawn)))


def test_spiking_cells_in_the_engine_cannot_sample(tmp_path):
    path = card(tmp_path, "lif_exp", ('equations = """\n', 'equations = """\nn = poisson(2) : 1 (constant over dt)\n'))
    cell = cards.cell(path)
    layer = Population("cells", cell, 2)
    receptor = next(iter(cell.receptors))
    circuit = Circuit((Source("source", 1), layer), (Projection("source", "cells", receptor, np.ones((1, 2))),), "1 ms")
    with raises_input_error(path, "'n'"):
        engine.run(circuit, {"source": SpikeTrains.from_events([], [], [], samples=1, steps=5, size=1, dt=1e-3)})
