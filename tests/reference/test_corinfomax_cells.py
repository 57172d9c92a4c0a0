"""Cells of Bozkurt, Pehlevan and Erdogan (NeurIPS 2023, arXiv:2306.04810), compared with exact solutions.

epsilon = 0.15 and a leak of 0.5 are the published ones.
"""

from __future__ import annotations

import brian2
import numpy as np
import pytest

from snnlab import cards
from snnlab.brian.model import build_model
from snnlab.networks.circuit import Population
from snnlab.networks.corinfomax import RATES

HIDDEN, OUTPUT, MULTIPLIER = "corinfomax_hidden", "corinfomax_output", "corinfomax_multiplier"
DT = 1e-4
EPSILON, LEAK = 0.15, 0.5


def run(name: str, steps: int, *, sparse: bool = False, start: float = 0.0, **inputs: float) -> brian2.NeuronGroup:
    """One cell after some steps of 0.05 tau with constant inputs."""
    brian2.set_device("runtime")
    brian2.prefs.codegen.target = "numpy"
    cell = cards.cell(name, {} if name == MULTIPLIER else {"phi(x)": RATES[sparse]})
    begin = {cell.states[0]: start}
    group = build_model(Population("cell", cell, 1, initial=begin)).group(1, dt=DT * brian2.second)
    for variable, value in inputs.items():
        group.state(variable, use_units=False)[:] = value
    brian2.Network(group).run(steps * DT * brian2.second, namespace={})
    return group


def test_a_hidden_cell_converges_to_the_mean_of_its_two_predictions():
    """Between its bounds the leak and its own rate cancel, and the two predictions remain."""
    cell = run(HIDDEN, 400, v_B=0.7, v_T=0.4)
    assert cell.u_[0] == pytest.approx(0.55, rel=1e-12)
    assert cell.r_[0] == pytest.approx(0.55, rel=1e-12)


def test_lateral_input_is_weighted_by_2_gamma_and_the_multiplier_is_subtracted():
    """The stationarity 2 gamma v_L - s - (r - v_B)/epsilon - (r - v_T)/epsilon = 0."""
    cell = run(HIDDEN, 400, v_B=0.7, v_T=0.4, v_L=3000.0, s=0.2)
    assert cell.r_[0] == pytest.approx(0.55 + (2e-5 * 3000 - 0.2) * EPSILON / 2, rel=1e-12)


@pytest.mark.parametrize(("predicted", "sparse", "rate"), [(-0.5, False, 0), (1.5, False, 1), (-0.5, True, 0)])
def test_the_rate_is_clipped_at_its_bounds_and_the_soma_leaks(predicted, sparse, rate):
    """u (g + 2/epsilon) = g r + 2 v/epsilon."""
    cell = run(HIDDEN, 400, sparse=sparse, v_B=predicted, v_T=predicted)
    assert cell.r_[0] == rate
    assert cell.u_[0] == pytest.approx((LEAK * rate + 2 * predicted / EPSILON) / (LEAK + 2 / EPSILON), rel=1e-12)


def test_a_sparse_rate_has_no_upper_bound():
    assert run(HIDDEN, 400, sparse=True, v_B=1.5, v_T=2.5).r_[0] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize("name", [HIDDEN, OUTPUT])
@pytest.mark.parametrize(("slowed", "factor"), [(0.0, 1.0), (0.25, 1.25)])
def test_the_time_constant_is_that_of_the_conductances(name, slowed, factor):
    """Below 0 each step multiplies u by 1 - mu G: mu = 0.05, G = g + 2/epsilon, of an output g + 1/epsilon + 1."""
    conductance = LEAK + (2 / EPSILON if name == HIDDEN else 1 / EPSILON + 1)
    for steps in (1, 5, 20):
        left = run(name, steps, start=-1.0, slowed=slowed).u_[0]
        assert left == pytest.approx(-((1 - 0.05 / factor * conductance) ** steps), rel=1e-12)


@pytest.mark.parametrize("beta", [0.0, 1.0, -1.0])
def test_beta_nudges_an_output_towards_its_target_or_away(beta):
    """gamma v_L - (r - v_B)/epsilon - r + beta (y - r) = 0: the leak of 1 is that of its apical dendrite."""
    cell = run(OUTPUT, 1000, v_B=0.6, y=0.9, beta=beta, v_L=1000.0)
    assert cell.r_[0] == pytest.approx((0.6 / EPSILON + 0.9 * beta + 0.01) / (1 / EPSILON + 1 + beta), rel=1e-12)


def test_a_multiplier_grows_while_the_rates_sum_to_more_than_1_and_decays_below():
    """In steps of 0.01 tau: by (total - 1)/100 each while it is above 0, and towards total - 1 from below."""
    assert run(MULTIPLIER, 20, start=0.3, total=1.5).s_[0] == pytest.approx(0.3 + 20 * 0.5 / 100, rel=1e-12)
    cell = run(MULTIPLIER, 20, start=0.0, total=0.4)
    assert cell.q_[0] == pytest.approx(-0.6 * (1 - 0.99**20), rel=1e-12)
    assert cell.s_[0] == 0 and np.isfinite(cell.q_[0])
