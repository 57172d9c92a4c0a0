"""Spiking cells of the microcircuit (Gille, MSc thesis, University of Bern, 2023), compared with exact solutions.

Conductances of 0.1, 1 and 0.8 per millisecond with a capacitance of 1; dendrites and traces decay in 1 ms.
"""

from __future__ import annotations

import brian2
import numpy as np
import pytest
import scipy.sparse

from snnlab import cards
from snnlab.brian import simulate
from snnlab.brian.model import build_model
from snnlab.data.rates import RateInput
from snnlab.networks.circuit import Circuit, Population, Projection, Source

HIDDEN, OUTPUT, INTERNEURON = "pyramidal_hidden_poisson", "pyramidal_output_poisson", "interneuron_poisson"
CELLS = [HIDDEN, OUTPUT, INTERNEURON]
PLASTIC = ["spiking_bottom_up", "spiking_to_interneuron", "spiking_from_interneuron", "spiking_top_down"]
DENDRITE = {HIDDEN: ("I_B", "v_B"), OUTPUT: ("I_B", "v_B"), INTERNEURON: ("I_D", "v_D")}
DT = 1e-4


def logistic(x):
    return 1 / (1 + np.exp(-x))


def run(name: str, steps: int, parameters=None, size: int = 1, **inputs: float) -> brian2.NeuronGroup:
    """Cells after some steps with constant inputs."""
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    brian2.seed(5)
    population = Population("cell", cards.cell(name), size, parameters or {})
    group = build_model(population).group(size, dt=DT * brian2.second)
    for variable, value in inputs.items():
        group.state(variable, use_units=False)[:] = value
    brian2.Network(group).run(steps * DT * brian2.second, namespace={})
    return group


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_a_dendrite_filters_its_input_with_a_time_constant_of_a_millisecond(name):
    """Each step of 0.1 ms of Euler's method leaves nine tenths of the distance."""
    arrives, potential = DENDRITE[name]
    for steps in (1, 7, 30):
        cell = run(name, steps, **{arrives: 1.4})
        assert cell.state(potential, use_units=False)[0] == pytest.approx(1.4 * (1 - 0.9**steps), rel=1e-12)


def test_a_soma_converges_to_the_mean_of_its_dendrites_weighted_by_conductance():
    cell = run(HIDDEN, 400, I_B=0.7, I_TD=0.5, I_I=-0.9)
    mean = (1.0 * 0.7 + 0.8 * (0.5 - 0.9)) / (0.1 + 1.0 + 0.8)
    assert cell.u_[0] == pytest.approx(mean, rel=1e-12)
    assert cell.v_A_[0] == pytest.approx(-0.4)
    assert cell.r_[0] == pytest.approx(logistic(mean))
    assert cell.r_B_[0] == pytest.approx(logistic(0.7 / 1.9))
    assert cell.r_TD_[0] == pytest.approx(logistic(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("name", [OUTPUT, INTERNEURON])
@pytest.mark.parametrize("reversal", [1.0, 7.0])
def test_teaching_nudges_to_the_target_for_any_reversal_potentials(name, reversal):
    taught = {"nudge": 1.0} if name == OUTPUT else {}
    options = {"E_exc": reversal, "E_inh": -reversal / 3}
    cell = run(name, 400, options, u_trg=-2.197, **{DENDRITE[name][0]: 0.6}, **taught)
    assert cell.u_[0] == pytest.approx((0.6 + 0.8 * -2.197) / 1.9, rel=1e-9)
    predicted = cell.r_B_[0] if name == OUTPUT else cell.r_D_[0]
    assert predicted == pytest.approx(logistic(0.6 / 1.1))


def test_an_output_without_teaching_converges_to_its_dendritic_prediction():
    cell = run(OUTPUT, 400, I_B=-1.3, u_trg=5.0, nudge=0.0)
    assert cell.r_[0] == pytest.approx(cell.r_B_[0], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_noise_gives_the_variance_of_an_ornstein_uhlenbeck_process(name):
    """Its variance is sigma^2 tau/2, with Euler's steps over 1 - dt/(2 tau); of 4,000 cells within 5 standard errors:
    a false alarm in a million."""
    sigma, conductance = 0.3, 1.1 if name == OUTPUT else 1.9  # per ms; without teaching
    group = run(name, 200, {"sigma": f"{sigma} ms**-0.5"}, size=4000)
    expected = sigma**2 / (2 * conductance) / (1 - 0.1 * conductance / 2)
    assert np.var(group.u_) == pytest.approx(expected, rel=5 * np.sqrt(2 / 4000))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CELLS, "poisson_input"])
@pytest.mark.parametrize("psi", [3.0, 100.0])
def test_counts_have_mean_and_variance_rate_times_psi_times_dt(name, psi):
    """Of 20,000 cells in one step, within 5 standard errors: the fourth moment about the mean m is m + 3m^2."""
    drive = {"given": 0.69} if name == "poisson_input" else {DENDRITE[name][0]: 2.0}
    cells = run(name, 300, {"psi": f"{psi} kHz"}, size=20_000, **drive)
    rate = 0.69 if name == "poisson_input" else logistic(cells.u_[0])
    mean = psi * rate * 0.1
    assert np.mean(cells.n_) == pytest.approx(mean, abs=5 * np.sqrt(mean / 20_000))
    assert np.var(cells.n_) == pytest.approx(mean, abs=5 * np.sqrt((mean + 2 * mean**2) / 20_000))
    assert cells.s_[:] == pytest.approx(cells.n_[:] / (psi * 0.1))


@pytest.mark.slow
@pytest.mark.parametrize("name", [*CELLS, "poisson_input"])
def test_the_trace_has_the_mean_and_variance_of_spikes_filtered_over_a_millisecond(name):
    """Each step moves x a tenth of the way to s, so 0.1/1.9 of the variance of s remains. Within 5 standard errors."""
    drive = {"given": 0.69} if name == "poisson_input" else {DENDRITE[name][0]: 2.0}
    cells = run(name, 400, size=10_000, **drive)
    rate = 0.69 if name == "poisson_input" else logistic(cells.u_[0])
    variance = rate / (100 * 0.1) * 0.1 / 1.9
    assert np.mean(cells.x_) == pytest.approx(rate, abs=5 * np.sqrt(variance / 10_000))
    assert np.var(cells.x_) == pytest.approx(variance, rel=5 * np.sqrt(2.2 / 10_000))


def test_an_input_cell_transmits_its_input_one_step_later():
    assert run("poisson_input", 1, given=0.3).r_[0] == 0.3


@pytest.mark.slow
@pytest.mark.parametrize("name", [HIDDEN, OUTPUT])
def test_without_apical_input_basal_weights_do_not_change_but_would_for_a_rate_one_step_later(name):
    """Without apical input r is r_B in every step, for any spikes. The control: phi(U), which does not
    hold the last step's spikes yet, anticorrelates with their trace, by more than 10 standard errors over 400 cells."""
    cells = 400
    before = Population("given", cards.cell("poisson_input"), cells, {"psi": "3 kHz"}, initial={"r": 0.5})
    after = Population("after", cards.cell(name), cells)
    single = scipy.sparse.identity(cells, format="coo")
    projections = (Projection("source", "given", "given", single), Projection("given", "after", "basal", 2 * single))
    circuit = Circuit((Source("source", cells), before, after), projections, "0.1 ms")
    neurons = {"given": range(cells), "after": range(cells)}
    record = {"given": ["x"], "after": ["r", "r_B", "U"]}
    rates = {"source": RateInput.constant(np.full((1, cells), 0.5))}
    run = simulate(circuit, rates, "40 ms", record=record, neurons=neurons, seed=6, target="numpy")
    x, r, r_B, U = (run.trace(*one).values[100:] for one in (("given", "x"), *(("after", s) for s in record["after"])))
    assert np.std(r_B) > 0.02
    assert r == pytest.approx(r_B, abs=1e-12)
    late = (x * (logistic(U) - r_B)).mean(axis=0)
    assert late.mean() < -10 * late.std() / np.sqrt(cells)


def test_the_four_plasticity_rules_read_the_trace_of_spikes_and_the_postsynaptic_variables_of_the_paper():
    read = {name: (cards.plasticity(name).post, cards.plasticity(name).pre) for name in PLASTIC}
    assert read == {
        "spiking_bottom_up": ("r - r_B", "x"),
        "spiking_to_interneuron": ("r - r_D", "x"),
        "spiking_from_interneuron": ("-v_A", "x"),
        "spiking_top_down": ("r - r_TD", "x"),
    }
