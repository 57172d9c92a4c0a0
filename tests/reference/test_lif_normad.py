"""The cell of NormAD compared with closed forms, with an integration by scipy, and its convergence with its order.

Constants of Anwani and Rajendran, IJCNN 2015: tau = C/g_L = 10 ms, R = 1/g_L = 33.3 Mohm, threshold 90 mV above rest,
so that the rheobase is 2.7 nA; synaptic current w (exp(-t/5 ms) - exp(-t/1.25 ms)).
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source

C, G_L, E_L, V_TH, T_REF = 300e-12, 30e-9, -70e-3, 20e-3, 3e-3
TAU, R, RISE = C / G_L, 1 / G_L, V_TH - E_L
TAU_1, TAU_2 = 5e-3, 1.25e-3
DT = 0.1e-3

ARRIVALS = np.array([2, 5, 6, 11, 12, 18, 25, 29]) * 1e-3
EXCITATION = np.array([1.1, 0.7, 0.3, 0.9, 1.2, 0.2, 0.8, 1.0]) * 4e-9
MIXED = np.array([2.1, -4.0, -3.0, 2.9, 1.2, -5.2, 1.8, 2.0]) * 3e-9


def exact_interval(current, t_ref=T_REF):
    """1/rate = t_ref + tau ln(R I / (R I - (v_th - E_L)))."""
    return t_ref + TAU * np.log(R * current / (R * current - RISE))


def test_rheobase_is_2700_pA(simulate_cells):
    spikes = simulate_cells("lif_normad", {"soma": [2.6999e-9, 2.7001e-9]}, 0.5).spikes["cell"]
    assert spikes.counts()[0].tolist()[0] == 0
    # above it the first spike comes after tau ln(27001) = 102 ms
    assert spikes.train(1)[0] == pytest.approx(TAU * np.log(27001), rel=1e-3)


def test_firing_rate_is_the_closed_form_within_one_step(simulate_cells):
    currents = [2.8e-9, 3.2e-9, 5e-9, 20e-9]
    simulated = simulate_cells("lif_normad", {"soma": currents}, 0.5).spikes["cell"]
    for k, current in enumerate(currents):
        between = np.diff(simulated.train(k))
        assert len(between) >= 10
        # the membrane moves again in the step that the refractory period ends in, and fires in the step it crosses in
        np.testing.assert_allclose(between, exact_interval(current), atol=1.1 * DT)
        assert np.all(np.abs(between - exact_interval(current, t_ref=0.0)) > T_REF - 2 * DT)


def test_potential_stays_at_rest_for_three_milliseconds_after_a_spike(simulate_cells):
    recording = simulate_cells("lif_normad", {"soma": [10e-9]}, 0.05)
    trace, spike = recording.trace("cell", "v").values[:, 0], recording.spikes["cell"].train(0)[0]
    first, held = round(spike / DT) + 1, round(T_REF / DT)
    assert np.all(trace[first : first + held] == E_L)
    assert trace[first + held] > E_L


def membrane(weights, dt, method="", duration=0.04):
    """Potential of one cell in every step, with a spike at each of ARRIVALS."""
    synapse = {"r": Receptor(cards.synapse("double_exponential_current"), "soma")}
    # out of reach of its threshold
    cell = Population("cell", cards.cell("lif_normad"), 1, {"v_th": "1 V"}, synapse, method=method)
    size, steps = len(weights), round(duration / dt)
    wires = (Projection("input", "cell", "r", np.reshape(weights, (size, 1))),)
    # a spike in a step arrives at the end of that step
    at = np.round(ARRIVALS / dt) - 1
    spikes = SpikeTrains.from_events(np.zeros(size), at, range(size), samples=1, steps=steps, size=size, dt=dt)
    run = simulate(
        Circuit((Source("input", size), cell), wires, dt),
        {"input": spikes},
        duration,
        record={"cell": ["v"]},
        target="numpy",
    )
    return run.trace("cell", "v").values[:, 0]


def current(t, weights):
    age = np.asarray(t)[..., None] - ARRIVALS
    alpha = np.where(age > 0, np.exp(-np.abs(age) / TAU_1) - np.exp(-np.abs(age) / TAU_2), 0)
    return alpha @ weights


def integrated(times):
    """The same potential by scipy, from one arrival to the next, for the excitation alone."""
    simulated = np.full(len(times), E_L)
    v = E_L
    for begin, end in zip(ARRIVALS, [*ARRIVALS[1:], times[-1] + DT], strict=True):
        inside = (times >= begin - 1e-9) & (times < end - 1e-9)
        run = solve_ivp(
            lambda t, y: (-G_L * (y - E_L) + current(t, EXCITATION)) / C,
            (begin, end),
            [v],
            method="DOP853",
            rtol=1e-12,
            atol=1e-15,
            dense_output=True,
        )
        simulated[inside], v = run.sol(times[inside])[0], run.y[0, -1]
    return simulated


def error(dt, method=""):
    simulated = membrane(EXCITATION, dt, method)
    return np.abs(simulated - integrated(np.arange(len(simulated)) * dt)).max()


def test_potential_agrees_with_scipy():
    assert membrane(EXCITATION, DT).max() > E_L + 0.03
    assert error(DT) < 0.05e-3


def test_the_error_is_of_second_order_and_of_brians_heun_of_first_order():
    errors = [error(dt) for dt in (DT, DT / 2, DT / 4)]
    assert [errors[0] / errors[1], errors[1] / errors[2]] == pytest.approx([4, 4], rel=0.1)
    # what the card says of the method that Brian2 calls heun
    first_order = [error(dt, "heun") for dt in (DT, DT / 2, DT / 4)]
    assert [first_order[0] / first_order[1], first_order[1] / first_order[2]] == pytest.approx([2, 2], rel=0.1)
    assert first_order[0] > 10 * errors[0]


def stepped(weights, clipped):
    """The published order: a step of the membrane, of 1 us here, and the clip; read every 0.1 ms."""
    fine = 1e-6
    drive = current((np.arange(round(0.04 / fine)) + 0.5) * fine, weights)
    v, read = E_L, []
    for k, now in enumerate(drive):
        if k % 100 == 0:
            read.append(v)
        v += fine / C * (G_L * (E_L - v) + now)
        v = max(v, E_L) if clipped else v
    return np.array(read)


def test_inhibition_does_not_lower_the_potential_below_rest():
    simulated = membrane(MIXED, DT)
    assert simulated.min() == E_L and simulated.max() > E_L + 0.02
    # without the clip the same input would take it far below
    assert stepped(MIXED, clipped=False).min() < E_L - 0.02
    exact = stepped(MIXED, clipped=True)
    # above only in the last steps of a fall, by less than half of what the membrane falls in one
    fastest = -np.diff(exact).min()
    assert 1e-3 < fastest < 4e-3
    np.testing.assert_allclose(simulated, exact, rtol=0, atol=fastest / 2)
    assert np.mean(np.abs(simulated - exact) > 0.1e-3) < 0.05
    assert np.abs(simulated - stepped(MIXED, clipped=False)).max() > 0.02


def test_strong_inhibition_halves_the_distance_to_rest_in_each_step(simulate_cells):
    run = simulate_cells("lif_normad", {"soma": [-1e-6]}, 1e-3, start={"v": np.array([E_L + 10e-3])})
    left = run.trace("cell", "v").values[:, 0] - E_L
    np.testing.assert_allclose(left[:8], 10e-3 * 0.5 ** np.arange(8), rtol=1e-9)
    assert left[7] < 0.01 * left[0]
