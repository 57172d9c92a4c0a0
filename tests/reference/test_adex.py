"""The adaptive exponential cell against its bifurcations, and against an independent integration.

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
    """The current that holds the cell at v."""
    return (G_L + a) * (v - E_L) - G_L * DELTA_T * np.exp((v - V_T) / DELTA_T)


def rest_at(current, a):
    return brentq(lambda v: current_at(v, a) - current, E_L - 1e-3, top(a))


def top(a):
    """The highest potential at which a current can hold the cell: where the two fixed points meet."""
    return V_T + DELTA_T * np.log(1 + a / G_L)


def spikes_from_rest(alone, a, currents):
    """Spikes in 2 s of cells that sit at their fixed points, or where those met if there is none, pushed by 0.05 mV."""
    v = np.array([rest_at(current, a) if current < saddle_node(a) else top(a) for current in currents])
    start = {"v": v + 5e-5, "w": a * (v - E_L)}
    cells = alone("adex", {"soma": currents}, 2.0, parameters={"a": a}, start=start, dt="0.1 ms")
    return cells.spikes["cell"].counts()[0]


@pytest.mark.parametrize("a", [1e-9, A, 30e-9])
def test_a_fixed_point_is_lost_where_the_formulas_say(a):
    assert current_at(top(a), a) == pytest.approx(saddle_node(a), rel=1e-12)
    unstable = V_T + DELTA_T * np.log(1 + TAU_M / TAU_W)
    assert current_at(unstable, a) == pytest.approx(andronov_hopf(a), rel=1e-12)
    # oscillations grow before the fixed point vanishes if a/g_L > tau_m/tau_w = 0.065
    assert (unstable < top(a)) == (a > 2e-9)


def test_published_cell_fires_from_627_pA(alone):
    # its a/g_L = 0.133: Hopf at 627.2 pA, a hair below the saddle-node at 627.3 pA
    assert 627.1e-12 < andronov_hopf(A) < saddle_node(A) < 627.4e-12
    below, above = spikes_from_rest(alone, A, [626.6e-12, 627.9e-12])
    assert below == 0
    assert above > 0


def test_cell_with_weak_subthreshold_adaptation_fires_from_the_saddle_node(alone):
    current = saddle_node(1e-9)
    below, above = spikes_from_rest(alone, 1e-9, [0.9995 * current, 1.001 * current])
    assert below == 0
    assert above > 0


def test_cell_with_strong_subthreshold_adaptation_fires_from_the_hopf_current(alone):
    hopf, vanish = andronov_hopf(30e-9), saddle_node(30e-9)
    below, above = spikes_from_rest(alone, 30e-9, [0.998 * hopf, 0.5 * (hopf + vanish)])
    assert below == 0
    assert above > 0


def test_small_currents_meet_leak_and_adaptation(alone):
    # 1/(g_L + a) = 29.4 Mohm once w has followed; 1/g_L = 33.3 Mohm without it; the exponential adds 1e-4 of that
    recording = alone("adex", {"soma": [10e-12]}, 1.5, dt="0.1 ms", record=["v", "w"])
    rise = recording.trace("cell", "v").values[-1, 0] - E_L
    assert rise == pytest.approx(10e-12 / (G_L + A), rel=1e-3)
    assert recording.trace("cell", "w").values[-1, 0] == pytest.approx(A * rise, rel=1e-3)


def slopes(current):
    def at(t, y):
        v, w = y
        leak = -G_L * (v - E_L) + G_L * DELTA_T * np.exp((v - V_T) / DELTA_T)
        return (leak - w + current) / C, (A * (v - E_L) - w) / TAU_W

    return at


def test_spikes_where_an_independent_integration_spikes(alone, crossings):
    found = alone("adex", {"soma": [1e-9]}, 0.4, dt="0.01 ms").spikes["cell"].train(0)
    exact = crossings(slopes(1e-9), [E_L, 0.0], 0.4, V_CUT, reset=lambda y: (E_L, y[1] + B))
    assert len(found) == len(exact)
    np.testing.assert_allclose(found, exact, atol=0.1e-3)


def test_cutting_the_upswing_moves_no_spike_by_more_than_the_card_says(crossings):
    # the card: from -40 mV to infinity takes 0.05 ms
    left = C / G_L * np.exp((V_T - V_CUT) / DELTA_T)
    assert left == pytest.approx(0.05e-3, rel=0.05)
    cut = crossings(slopes(1e-9), [E_L, 0.0], 0.05, V_CUT, reset=lambda y: (E_L, y[1] + B))
    # 0 mV, the usual other choice, is as good as infinity: exp(20) smaller still
    full = crossings(slopes(1e-9), [E_L, 0.0], 0.05, 0.0, reset=lambda y: (E_L, y[1] + B))
    assert full[0] - cut[0] == pytest.approx(left, rel=0.2)


def test_firing_slows_down_because_of_the_current_that_spikes_leave(alone):
    adapting = np.diff(alone("adex", {"soma": [1e-9]}, 0.4).spikes["cell"].train(0))
    assert np.all(np.diff(adapting) > -0.06e-3)
    assert adapting[-1] > 2 * adapting[0]
    plain = np.diff(alone("adex", {"soma": [1e-9]}, 0.4, parameters={"b": "0 pA"}).spikes["cell"].train(0))
    assert plain[-1] < 1.1 * plain[0]
