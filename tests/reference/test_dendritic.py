"""Cells and plastic connections of Sacramento et al. (NeurIPS 2018, arXiv:1810.11393), compared with exact solutions.

The conductances, 0.1, 1 and 0.8 per millisecond with a capacitance of 1, are the published ones.
"""

from __future__ import annotations

import brian2
import numpy as np
import pytest

from snnlab import cards
from snnlab.brian.model import build_model
from snnlab.brian.quantities import parse_quantity
from snnlab.networks.circuit import Population

HIDDEN = ["pyramidal_hidden", "pyramidal_hidden_latent"]
OUTPUT = ["pyramidal_output", "pyramidal_output_latent"]
INTERNEURON = ["interneuron", "interneuron_latent"]
PLASTIC = ["plastic_bottom_up", "plastic_to_interneuron", "plastic_from_interneuron", "plastic_top_down"]
DT = 1e-4


def logistic(x):
    return 1 / (1 + np.exp(-x))


def run(name: str, steps: int, parameters=None, **inputs: float) -> brian2.NeuronGroup:
    """One cell after some steps with constant inputs."""
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    population = Population("cell", cards.cell(name), 1, parameters or {})
    group = build_model(population).group(1, dt=DT * brian2.second)
    for variable, value in inputs.items():
        group.state(variable, use_units=False)[:] = value
    brian2.Network(group).run(steps * DT * brian2.second, namespace={})
    return group


@pytest.mark.parametrize("name", HIDDEN)
def test_a_soma_converges_to_the_mean_of_its_dendrites_weighted_by_conductance(name):
    cell = run(name, 200, v_B=0.7, v_TD=0.5, v_I=-0.9)
    mean = (1.0 * 0.7 + 0.8 * (0.5 - 0.9)) / (0.1 + 1.0 + 0.8)
    assert cell.u_[0] == pytest.approx(mean, rel=1e-12)
    assert cell.v_A_[0] == pytest.approx(-0.4)
    assert cell.r_[0] == pytest.approx(logistic(mean))
    assert cell.r_B_[0] == pytest.approx(logistic(0.7 / 1.9))
    assert cell.r_TD_[0] == pytest.approx(logistic(0.5))


@pytest.mark.slow
@pytest.mark.parametrize("name", HIDDEN)
def test_a_soma_converges_with_a_time_constant_of_half_a_millisecond(name):
    """The sum of conductances is 1.9 per ms; each step of Euler's method multiplies the distance by 1 - 0.19."""
    for steps in (1, 5, 20):
        assert run(name, steps, v_B=1.9).u_[0] == pytest.approx(1 - 0.81**steps, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HIDDEN, *OUTPUT, *INTERNEURON])
def test_only_a_latent_cell_transmits_its_steady_state_from_the_second_step_on(name):
    dendrite = "v_D" if name in INTERNEURON else "v_B"
    cell = run(name, 1, **{dendrite: 1.0})
    goal = logistic(run(name, 500, **{dendrite: 1.0}).u_[0])
    assert (abs(cell.r_[0] - goal) < 1e-12) == name.endswith("latent")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*OUTPUT, *INTERNEURON])
@pytest.mark.parametrize("reversal", [1.0, 7.0])
def test_teaching_nudges_to_the_target_for_any_reversal_potentials(name, reversal):
    """Its two conductances sum to g_som = 0.8 and their current is g_som (u_trg - u)."""
    taught = {"nudge": 1.0} if name in OUTPUT else {}
    dendrite = "v_D" if name in INTERNEURON else "v_B"
    options = {"E_exc": reversal, "E_inh": -reversal / 3}
    cell = run(name, 300, options, u_trg=-2.197, **{dendrite: 0.6}, **taught)
    assert cell.u_[0] == pytest.approx((0.6 + 0.8 * -2.197) / 1.9, rel=1e-9)
    predicted = cell.r_D_[0] if name in INTERNEURON else cell.r_B_[0]
    assert predicted == pytest.approx(logistic(0.6 / 1.1))


@pytest.mark.parametrize("name", OUTPUT)
def test_an_output_without_teaching_transmits_its_dendritic_prediction(name):
    cell = run(name, 300, v_B=-1.3, u_trg=5.0, nudge=0.0)
    assert cell.r_[0] == pytest.approx(cell.r_B_[0], rel=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*HIDDEN, *OUTPUT, *INTERNEURON])
def test_noise_gives_the_variance_of_an_ornstein_uhlenbeck_process(name):
    """Its variance is sigma^2 tau/2, with Euler's steps over 1 - dt/(2 tau); of 4,000 cells within 5 standard errors:
    a false alarm in a million."""
    brian2.seed(3)
    brian2.prefs.codegen.target = "numpy"
    sigma = 0.3
    group = build_model(Population("cell", cards.cell(name), 4000, {"sigma": f"{sigma} ms**-0.5"})).group(
        4000, dt=DT * brian2.second
    )
    brian2.Network(group).run(20 * brian2.ms, namespace={})
    conductance = 1.1 if name in OUTPUT else 1.9  # per ms; without teaching
    expected = sigma**2 / (2 * conductance) / (1 - 0.1 * conductance / 2)
    assert np.var(group.u_) == pytest.approx(expected, rel=5 * np.sqrt(2 / 4000))


@pytest.mark.slow
@pytest.mark.parametrize("name", PLASTIC)
@pytest.mark.parametrize(("kind", "tau_w"), [("plastic", 30), ("spiking", 1)])
def test_a_weight_integrates_the_low_pass_filtered_update(name, kind, tau_w):
    """For a constant product p the change is p (1 - exp(-t/tau_w)), and the weight its integral times eta."""
    card = cards.plasticity(name.replace("plastic", kind))
    equations = "\n".join([*map(str, card.equations), "product : 1"])
    namespace = {key: parse_quantity(value) for key, value in card.parameters.items()}
    group = brian2.NeuronGroup(1, equations, method="euler", dt=1e-6 * brian2.second, namespace=namespace)
    group.product_ = 0.4
    brian2.prefs.codegen.target = "numpy"
    tau, t, eta = 1e-3 * tau_w, 1e-3 * min(10, 2 * tau_w), float(namespace["eta"])
    brian2.Network(group).run(t * brian2.second, namespace={})
    assert group.change_[0] == pytest.approx(0.4 * (1 - np.exp(-t / tau)), rel=1e-3)
    assert group.w_[0] == pytest.approx(0.4 * eta * (t - tau * (1 - np.exp(-t / tau))), rel=2e-3)


def test_the_four_plasticity_rules_read_the_variables_of_the_paper():
    read = {name: (cards.plasticity(name).post, cards.plasticity(name).pre) for name in PLASTIC}
    assert read == {
        "plastic_bottom_up": ("r - r_B", "r"),
        "plastic_to_interneuron": ("r - r_D", "r"),
        "plastic_from_interneuron": ("-v_A", "r"),
        "plastic_top_down": ("r - r_TD", "r"),
    }
