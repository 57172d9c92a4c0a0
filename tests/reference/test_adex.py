"""The adaptive exponential cell compared with its bifurcations and with an integration by scipy.

Parameters: Brette and Gerstner, J. Neurophysiol. 94:3637, 2005 (their regular spiking pyramidal cell).
Rheobases: Touboul and Brette, Biol. Cybern. 99:319, 2008; Naud et al., Biol. Cybern. 99:335, 2008. Each is one line of
algebra: at rest w = a (V - E_L), and the fixed point is lost where the determinant (saddle-node) or the trace
(Andronov-Hopf) of the linearised equations is zero.
"""

import numpy as np
import pytest
from scipy.optimize import brentq

C, G_L, E_L, V_T, DELTA_T = 281e-12, 30e-9, -70.6e-3, -50.4e-3, 2e-3
TAU_W, A, B, V_CUT = 144e-3, 4e-9, 80.5e-12, -40e-3
TAU_M = C / G_L


def saddle_node(a):
    return (G_L + a) * (V_T - E_L - DELTA_T + DELTA_T * np.log(1 + a / G_L))


def andronov_hopf(a):
    corner = (G_L + a) * (V_T - E_L - DELTA_T + DELTA_T * np.log(1 + TAU_M / TAU_W))
    return corner + DELTA_T * G_L * (a / G_L - TAU_M / TAU_W)


def current_at(v, a):
    """Current whose fixed point is v."""
    return (G_L + a) * (v - E_L) - G_L * DELTA_T * np.exp((v - V_T) / DELTA_T)


def rest_at(current, a):
    return brentq(lambda v: current_at(v, a) - current, E_L - 1e-3, top(a))


def top(a):
    """The highest fixed-point potential: where the two fixed points merge."""
    return V_T + DELTA_T * np.log(1 + a / G_L)


def spikes_from_rest(simulate_cells, a, currents):
    """Spikes in 2 s of cells that start 0.05 mV above their fixed point, or above the merged one if there is none."""
    v = np.array([rest_at(current, a) if current < saddle_node(a) else top(a) for current in currents])
    start = {"v": v + 5e-5, "w": a * (v - E_L)}
    cells = simulate_cells("adex", {"soma": currents}, 2.0, parameters={"a": a}, start=start, dt="0.1 ms")
    return cells.spikes["cell"].counts()[0]


@pytest.mark.parametrize("a", [1e-9, A, 30e-9])
def test_fixed_points_disappear_at_the_currents_of_the_formulas(a):
    assert current_at(top(a), a) == pytest.approx(saddle_node(a), rel=1e-12)
    unstable = V_T + DELTA_T * np.log(1 + TAU_M / TAU_W)
    assert current_at(unstable, a) == pytest.approx(andronov_hopf(a), rel=1e-12)
    # oscillations grow before the fixed point vanishes if a/g_L > tau_m/tau_w = 0.065
    assert (unstable < top(a)) == (a > 2e-9)


def test_published_cell_fires_from_627_pA(simulate_cells):
    # its a/g_L = 0.133: Hopf at 627.2 pA, a hair below the saddle-node at 627.3 pA
    assert 627.1e-12 < andronov_hopf(A) < saddle_node(A) < 627.4e-12
    below, above = spikes_from_rest(simulate_cells, A, [626.6e-12, 627.9e-12])
    assert below == 0
    assert above > 0


def test_cell_with_weak_subthreshold_adaptation_fires_from_the_saddle_node(simulate_cells):
    current = saddle_node(1e-9)
    below, above = spikes_from_rest(simulate_cells, 1e-9, [0.9995 * current, 1.001 * current])
    assert below == 0
    assert above > 0


def test_cell_with_strong_subthreshold_adaptation_fires_from_the_hopf_current(simulate_cells):
    hopf, vanish = andronov_hopf(30e-9), saddle_node(30e-9)
    below, above = spikes_from_rest(simulate_cells, 30e-9, [0.998 * hopf, 0.5 * (hopf + vanish)])
    assert below == 0
    assert above > 0


def test_resistance_to_small_currents_is_that_of_leak_and_adaptation(simulate_cells):
    # 1/(g_L + a) = 29.4 Mohm once w has followed; 1/g_L = 33.3 Mohm without it; the exponential adds 1e-4 of that
    recording = simulate_cells("adex", {"soma": [10e-12]}, 1.5, dt="0.1 ms", record=["v", "w"])
    rise = recording.trace("cell", "v").values[-1, 0] - E_L
    assert rise == pytest.approx(10e-12 / (G_L + A), rel=1e-3)
    assert recording.trace("cell", "w").values[-1, 0] == pytest.approx(A * rise, rel=1e-3)


def slopes(current):
    def at(t, y):
        v, w = y
        leak = -G_L * (v - E_L) + G_L * DELTA_T * np.exp((v - V_T) / DELTA_T)
        return (leak - w + current) / C, (A * (v - E_L) - w) / TAU_W

    return at


def test_spike_times_agree_with_scipy(simulate_cells, integrate):
    simulated = simulate_cells("adex", {"soma": [1e-9]}, 0.4, dt="0.01 ms").spikes["cell"].train(0)
    exact = integrate(slopes(1e-9), [E_L, 0.0], 0.4, V_CUT, reset=lambda y: (E_L, y[1] + B))
    assert len(simulated) == len(exact)
    np.testing.assert_allclose(simulated, exact, atol=0.1e-3)


def test_cutting_the_upswing_moves_spikes_by_less_than_the_card_states(integrate):
    # the card: from -40 mV to infinity takes 0.05 ms
    left = C / G_L * np.exp((V_T - V_CUT) / DELTA_T)
    assert left == pytest.approx(0.05e-3, rel=0.05)
    cut = integrate(slopes(1e-9), [E_L, 0.0], 0.05, V_CUT, reset=lambda y: (E_L, y[1] + B))
    # 0 mV, the usual other choice, is as good as infinity: exp(20) smaller still
    full = integrate(slopes(1e-9), [E_L, 0.0], 0.05, 0.0, reset=lambda y: (E_L, y[1] + B))
    assert full[0] - cut[0] == pytest.approx(left, rel=0.2)


def test_firing_slows_down_because_of_spike_triggered_adaptation(simulate_cells):
    adapting = np.diff(simulate_cells("adex", {"soma": [1e-9]}, 0.4).spikes["cell"].train(0))
    assert np.all(np.diff(adapting) > -0.06e-3)
    assert adapting[-1] > 2 * adapting[0]
    plain = np.diff(simulate_cells("adex", {"soma": [1e-9]}, 0.4, parameters={"b": "0 pA"}).spikes["cell"].train(0))
    assert plain[-1] < 1.1 * plain[0]
