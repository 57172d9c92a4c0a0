"""The leaky integrate-and-fire cell compared with its closed form (Lapicque 1907; any textbook).

Constants are those of Brette et al. 2007, benchmark 1: tau = C/g_L = 20 ms, R = 1/g_L = 100 Mohm, threshold 10 mV above
rest, so that the rheobase is 100 pA.
"""

import numpy as np
import pytest

TAU, R, RISE, T_REF, E_L = 20e-3, 100e6, 10e-3, 5e-3, -60e-3
DT = 0.05e-3


def exact_interval(current, t_ref=T_REF):
    """1/rate = t_ref + tau ln(R I / (R I - (v_th - E_L)))."""
    return t_ref + TAU * np.log(R * current / (R * current - RISE))


CURRENTS = [105e-12, 150e-12, 250e-12, 500e-12, 2e-9]


def intervals(recording):
    return [np.diff(recording.spikes["cell"].train(k)) for k in range(len(CURRENTS))]


def test_firing_rate_is_the_closed_form_within_one_step(simulate_cells):
    simulated = intervals(simulate_cells("lif", {"soma": CURRENTS}, 1.0))
    for current, between in zip(CURRENTS, simulated, strict=True):
        assert len(between) >= 10
        # the membrane moves again in the step that the refractory period ends in: never late, early by less than a step
        assert np.all(between <= exact_interval(current) + 1e-9)
        assert np.all(between > exact_interval(current) - DT - 1e-9)


def test_the_closed_form_depends_on_the_refractory_period(simulate_cells):
    simulated = intervals(simulate_cells("lif", {"soma": CURRENTS}, 1.0, parameters={"t_ref": "0 ms"}))
    for current, between in zip(CURRENTS, simulated, strict=True):
        assert np.all(np.abs(between - exact_interval(current)) > T_REF - 3 * DT)
        np.testing.assert_allclose(between, exact_interval(current, t_ref=0.0), atol=1.01 * DT)


def test_rheobase_is_100_pA(simulate_cells):
    spikes = simulate_cells("lif", {"soma": [99.99e-12, 100.01e-12]}, 1.0).spikes["cell"]
    # above it the first spike comes after tau ln(10001) = 184.2 ms
    assert spikes.counts()[0].tolist()[0] == 0
    assert spikes.train(1)[0] == pytest.approx(TAU * np.log(10001), abs=DT)


def test_potential_rises_exponentially(simulate_cells):
    below = np.array([-80e-12, 30e-12, 99e-12])
    trace = simulate_cells("lif", {"soma": below}, 0.1).trace("cell", "v")
    exact = E_L + R * below * (1 - np.exp(-trace.times[:, None] / TAU))
    np.testing.assert_allclose(trace.values, exact, rtol=0, atol=1e-13)


def test_potential_stays_at_reset_while_refractory(simulate_cells):
    recording = simulate_cells("lif", {"soma": [200e-12]}, 0.1)
    trace, spike = recording.trace("cell", "v").values[:, 0], recording.spikes["cell"].train(0)[0]
    first, held = round(spike / DT) + 1, round(T_REF / DT)
    assert np.all(trace[first : first + held] == -60e-3)
    assert trace[first + held] > -60e-3
