"""The Izhikevich cell compared with its algebra and its published firing patterns.

Izhikevich, IEEE Trans. Neural Networks 14:1569, 2003: v' = 0.04 v^2 + 5 v + 140 - u + I, u' = a (b v - u), and at 30 mV
v <- c, u <- u + d; a = 0.02, b = 0.2 with (c, d) = (-65, 8) regular spiking, (-55, 4) intrinsically bursting, (-50, 2)
chattering; a = 0.1, d = 2 fast spiking. In mV and ms.
"""

import numpy as np
import pytest

A, B, C, D = 0.02, 0.2, -65.0, 8.0
MV, MS = 1e-3, 1e-3


def rests(current, b=B):
    """The fixed points: 0.04 v^2 + (5 - b) v + 140 + I = 0."""
    return np.sort(np.roots([0.04, 5 - b, 140 + current]))


def jacobian(v):
    return np.array([[0.08 * v + 5, -1], [A * B, -A]])


def hopf_current():
    """Where the trace of the Jacobian is zero: 0.08 v + 5 = a."""
    v = (A - 5) / 0.08
    return -(0.04 * v**2 + (5 - B) * v + 140)


def fire(simulate_cells, currents, duration, **options):
    return simulate_cells("izhikevich", {"soma": np.array(currents) * MV}, duration * MS, **options)


def test_resting_potential_is_minus_70_millivolt(simulate_cells):
    np.testing.assert_allclose(rests(0.0), [-70, -50])
    recording = fire(simulate_cells, [0.0], 200, record=["v", "u"])
    np.testing.assert_allclose(recording.trace("cell", "v").values, -70 * MV, atol=1e-12)
    np.testing.assert_allclose(recording.trace("cell", "u").values, B * -70 * MV, atol=1e-12)


def test_fixed_points_merge_at_4_after_a_hopf_bifurcation_of_the_lower_one():
    # discriminant 4.8^2 - 0.16 (140 + I) = 0 at I = 4; the trace vanishes at v = -62.25, I = 3.7975
    assert rests(4.0) == pytest.approx([-60, -60], abs=1e-3)
    assert hopf_current() == pytest.approx(3.7975)
    for offset, grows in ((-0.05, False), (0.05, True)):
        v = rests(hopf_current() + offset)[0]
        assert (np.linalg.eigvals(jacobian(v)).real.max() > 0) == grows


def test_cell_fires_from_rest_only_above_the_hopf_current(simulate_cells):
    # the last one lies between the two bifurcations and past it both
    currents = np.array([hopf_current() - 0.05, hopf_current() + 0.05, 4.1])
    v = np.array([rests(current)[0].real for current in currents])
    start = {"v": (v + 0.05) * MV, "u": B * v * MV}
    below, between, beyond = fire(simulate_cells, currents, 2000, start=start, dt="0.1 ms").spikes["cell"].counts()[0]
    assert below == 0
    assert between > 0
    assert beyond > 0


def test_spike_resets_the_potential_to_c_and_raises_u_by_d(simulate_cells):
    recording = fire(simulate_cells, [10.0], 300, record=["v", "u"])
    v, u = (recording.trace("cell", name).values[:, 0] for name in "vu")
    steps = np.rint(recording.spikes["cell"].train(0) / recording.dt).astype(int)
    np.testing.assert_allclose(v[steps + 1], C * MV, atol=1e-15)
    # within one step u drifts by a (b v - u) dt, which is 0.02 mV at most
    np.testing.assert_allclose(u[steps + 1] - u[steps], D * MV, atol=0.03 * MV)


def test_spike_times_agree_with_scipy(simulate_cells, integrate):
    def slopes(t, y):
        v, u = y
        return 0.04 * v**2 + 5 * v + 140 - u + 10, A * (B * v - u)

    exact = integrate(slopes, [-70, -14], 300, 30, reset=lambda y: (C, y[1] + D))
    simulated = fire(simulate_cells, [10.0], 300, dt="0.01 ms").spikes["cell"].train(0) / MS
    assert len(simulated) == len(exact)
    np.testing.assert_allclose(simulated, exact, atol=0.1)


def pattern(simulate_cells, **parameters):
    values = {
        name: {"a": f"{value} kHz", "c": f"{value} mV", "d": f"{value} mV"}[name] for name, value in parameters.items()
    }
    return np.diff(fire(simulate_cells, [10.0], 500, parameters=values).spikes["cell"].train(0)) / MS


def test_regular_spiking_cell_adapts(simulate_cells):
    between = pattern(simulate_cells)
    # the paper: a first short interval, then a longer one that stays
    assert between[0] < 0.5 * between[-1]
    np.testing.assert_allclose(between[2:], between[-1], rtol=0.02)


def test_fast_spiking_cell_fires_faster_and_hardly_adapts(simulate_cells):
    regular, fast = pattern(simulate_cells), pattern(simulate_cells, a=0.1, d=2)
    assert len(fast) > 2 * len(regular)
    np.testing.assert_allclose(fast[3:], fast[-1], atol=0.15)


def test_chattering_cell_bursts_repeatedly_and_an_intrinsically_bursting_one_only_at_first(simulate_cells):
    chattering, bursting, regular = (
        pattern(simulate_cells, c=-50, d=2),
        pattern(simulate_cells, c=-55, d=4),
        pattern(simulate_cells),
    )

    def bursts(between):
        """Intervals between groups of spikes less than 10 ms apart."""
        return np.count_nonzero((between[1:] > 20) & (between[:-1] < 10))

    assert bursts(chattering) >= 4
    assert bursts(bursting) == 1
    assert np.all(bursting[-3:] > 20)
    assert bursts(regular) == 0
