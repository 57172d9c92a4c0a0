"""The fast-spiking PV basket cell compared with its algebra, an integration by scipy and recordings.

Izhikevich, Dynamical Systems in Neuroscience, 2007, figure 8.27: 20 v' = (v + 55)(v + 40) - u + I, u' = 0.2 (U(v) -
u) with U = 0.025 (v + 55)^3 above -55 mV and 0 below, and at 25 mV v <- -45, in mV, ms and pA; its weakest current is
73.2 pA (quoted from memory; the algebra below puts the loss of rest there). Recordings: Tateno, Harsch, Robinson, J.
Neurophysiol. 92:2283, 2004 (fast-spiking cells cannot fire regularly below a critical frequency between 10 and 30
Hz); Wang and others, Front. Cell. Neurosci. 10:239, 2016 (mean frequencies of up to 215 Hz in the mouse, 338 in man
and 450 in the monkey, without apparent accommodation).
"""

import numpy as np
import pytest

PA = 1e-12


def slopes(current):
    def at(t, y):
        v, u = y
        return ((v + 55) * (v + 40) - u + current) / 20, 0.2 * (0.025 * max(v + 55, 0) ** 3 - u)

    return at


def intervals(simulate_cells, current, duration=0.3):
    return np.diff(simulate_cells("pv_basket", {"soma": [current * PA]}, duration).spikes["cell"].train(0)) * 1e3


@pytest.mark.parametrize("current", [100, 400])
def test_spike_times_agree_with_scipy(simulate_cells, integrate, current):
    simulated = simulate_cells("pv_basket", {"soma": [current * PA]}, 0.1).spikes["cell"].train(0) * 1e3
    exact = integrate(slopes(current), [-55, 0], 100, 25, reset=lambda y: (-45, y[1]))
    assert len(simulated) == len(exact) >= 4
    np.testing.assert_allclose(simulated, exact, atol=0.1)


def test_rest_is_unstable_from_the_hopf_current(simulate_cells):
    # the trace of the Jacobian, (2 v + 95)/20 - 0.2, vanishes at -45.5 mV, which is at rest under 73.675 pA
    v = -45.5
    hopf = 0.025 * (v + 55) ** 3 - (v + 55) * (v + 40)
    assert hopf == pytest.approx(73.7, abs=0.05)
    start = {"v": (v + 0.1) * 1e-3, "u": 0.025 * (v + 55) ** 3 * PA}
    currents = np.array([hopf - 3, hopf + 3]) * PA
    below, above = simulate_cells("pv_basket", {"soma": currents}, 0.4, start=start).spikes["cell"].counts()[0]
    assert below == 0
    assert above > 2


def test_rheobase_is_the_published_one(simulate_cells):
    weaker, published = simulate_cells("pv_basket", {"soma": [70 * PA, 73.2 * PA]}, 0.4).spikes["cell"].counts()[0]
    assert weaker == 0
    assert published >= 5


def test_slowest_regular_firing_is_at_10_to_30_hertz(simulate_cells):
    currents = np.array([70, 71, 72, 73, 74, 75, 76])
    spikes = simulate_cells("pv_basket", {"soma": currents * PA}, 0.5).spikes["cell"]
    rates = spikes.counts()[0][spikes.counts()[0] > 2]
    assert 10 < rates.min() < 30


def test_strong_currents_evoke_firing_above_200_hertz_without_accommodation(simulate_cells):
    between = intervals(simulate_cells, 600)
    assert 200 < 1e3 / between[-10:].mean() < 450
    np.testing.assert_allclose(between[3:], between[-10:].mean(), rtol=0.05)


def test_adaptation_is_weak(simulate_cells):
    # 1.29 is the mean of parvalbumin cells in table 1 of doi:10.1007/s00429-020-02051-4
    between = intervals(simulate_cells, 200)
    assert 1 / 1.29 < between[-1] / between[0] < 1.29


def test_there_is_no_rebound_spike(simulate_cells):
    start = {"v": -80e-3, "u": 0.0}
    assert simulate_cells("pv_basket", {"soma": [0.0]}, 0.1, start=start).spikes["cell"].counts().sum() == 0
