"""The low-threshold spiking SST cell compared with its algebra, an integration by scipy and recordings.

Izhikevich, Dynamical Systems in Neuroscience, 2007, figure 8.25: 100 v' = (v + 56)(v + 42) - u + I, u' = 0.03 (8 (v +
56) - u) and at 40 - 0.1 u mV v <- -53 + 0.04 u, u <- min(u + 20, 670), in mV, ms and pA. Recordings: somatostatin
cells fire when an inhibition ends and adapt; the last interval is 2.14 times the first (s.e.m. 0.4; table 1 of
doi:10.1007/s00429-020-02051-4, 2020).
"""

import numpy as np
import pytest

PA = 1e-12


def slopes(current):
    """Derivatives of v + 0.1 u, which spikes at 40 mV for any u, and of u."""

    def at(t, y):
        v, u = y[0] - 0.1 * y[1], y[1]
        du = 0.03 * (8 * (v + 56) - u)
        return ((v + 56) * (v + 42) - u + current) / 100 + 0.1 * du, du

    return at


def reset(y):
    u = min(y[1] + 20, 670)
    return -53 + 0.04 * y[1] + 0.1 * u, u


@pytest.mark.parametrize("current", [150, 300])
def test_spike_times_agree_with_scipy(simulate_cells, integrate, current):
    simulated = simulate_cells("sst_martinotti", {"soma": [current * PA]}, 0.3).spikes["cell"].train(0) * 1e3
    exact = integrate(slopes(current), [-56, 0], 300, 40, reset)
    assert len(simulated) == len(exact) >= 4
    np.testing.assert_allclose(np.diff(simulated), np.diff(exact), rtol=0.01)


def test_rest_is_unstable_from_the_hopf_current(simulate_cells):
    # the trace of the Jacobian, (2 v + 98)/100 - 0.03, vanishes at -47.5 mV, which is at rest under 114.75 pA
    v = -47.5
    hopf = 8 * (v + 56) - (v + 56) * (v + 42)
    assert hopf == pytest.approx(114.75)
    currents = np.array([hopf - 5, hopf + 10]) * PA
    start = {"v": (v + 0.1) * 1e-3, "u": 8 * (v + 56) * PA}
    below, above = simulate_cells("sst_martinotti", {"soma": currents}, 0.4, start=start).spikes["cell"].counts()[0]
    assert below == 0
    assert above >= 2


def test_recovery_stays_below_its_bound(simulate_cells):
    recording = simulate_cells("sst_martinotti", {"soma": [2000 * PA]}, 0.1, record=["u"])
    u = recording.trace("cell", "u").values[:, 0] / PA
    steps = np.rint(recording.spikes["cell"].train(0)[:-1] / recording.dt).astype(int)
    assert len(steps) > 20
    assert u[steps + 1].max() == pytest.approx(670)


def test_firing_slows_down(simulate_cells):
    between = np.diff(simulate_cells("sst_martinotti", {"soma": [200 * PA]}, 0.4).spikes["cell"].train(0))
    assert abs(between[-1] / between[0] - 2.14) < 2 * 0.4


def test_only_strong_inhibition_evokes_a_rebound_spike(simulate_cells):
    # held at -82 and at -66 mV until u is at rest there
    v = np.array([-82e-3, -66e-3])
    start = {"v": v, "u": 8e-9 * (v + 56e-3)}
    strong, weak = simulate_cells("sst_martinotti", {"soma": [0.0, 0.0]}, 0.15, start=start).spikes["cell"].counts()[0]
    assert strong >= 1
    assert weak == 0
