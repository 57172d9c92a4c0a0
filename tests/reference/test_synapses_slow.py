"""NMDA and GABA_B compared with their formulas and their published time courses.

The magnesium block 1/(1 + [Mg]/3.57 mM exp(-0.062 v/mV)) of Jahr and Stevens, J. Neurosci. 10:3178, 1990, with a rise
of 2 ms and a decay of 100 ms (Wang, J. Neurosci. 19:9587, 1999). The cascade of Destexhe and others: r' = 0.09 T (1 -
r) - 0.0012 r, G' = 0.18 r - 0.034 G, in ms and mM, current g_max G^4/(G^4 + 100) (v + 95 mV); it peaks about 100 ms
after a spike, and is much stronger after a burst (the notes of Destexhe's own implementation of it say both).
"""

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source

DT = 0.1e-3


def clamped(synapse, weight, potentials, arrivals=(0,), steps=400, watch=("I_syn_r",), **parameters):
    """A Recording of cells that are clamped to `potentials` by a capacitance of 1 F, with the same spikes for all."""
    receptor = Receptor(cards.synapse(synapse), "soma", parameters)
    still = {"C": "1 farad", "v_th": 1.0}
    cell = Population("cell", cards.cell("lif"), len(potentials), still, {"r": receptor}, {"v": np.array(potentials)})
    wire = Projection("input", "cell", "r", np.full((1, len(potentials)), weight))
    zeros = np.zeros(len(arrivals), int)
    spikes = SpikeTrains.from_events(zeros, np.array(arrivals), zeros, samples=1, steps=steps, size=1, dt=DT)
    circuit = Circuit((Source("input", 1), cell), (wire,), DT)
    everyone = {"cell": range(len(potentials))}
    return simulate(
        circuit, {"input": spikes}, steps * DT, record={"cell": list(watch)}, neurons=everyone, target="numpy"
    )


def currents(*arguments, **options):
    return clamped(*arguments, **options).trace("cell", "I_syn_r").values


# NMDA -----------------------------------------------------------------------------------------------------------------

MILLIVOLTS = np.arange(-90, 61, 1.0)


def peaks(**parameters):
    """The largest current at each potential, inward positive, in units of the weight times a millivolt."""
    peak_currents = currents("nmda", 1e-9, MILLIVOLTS * 1e-3, **parameters)
    return peak_currents[np.abs(peak_currents[:, 0]).argmax()] / 1e-12


def test_nmda_current_is_largest_between_minus_30_and_minus_20_millivolt():
    # where the slope of v/(1 + q exp(-k v)) vanishes: 1 + q exp(-k v) (1 + k v) = 0
    q, k = 1 / 3.57, 0.062
    exact = brentq(lambda v: 1 + q * np.exp(-k * v) * (1 + k * v), -60, -17)
    assert -30 < exact < -20
    simulated = peaks()
    assert MILLIVOLTS[simulated.argmax()] == pytest.approx(exact, abs=1)
    # so between there and -70 mV the slope is negative: depolarised cells get more current, not less
    assert np.all(np.diff(simulated[(MILLIVOLTS >= -70) & (exact > MILLIVOLTS)]) > 0)


def test_without_magnesium_the_current_is_ohmic():
    np.testing.assert_allclose(peaks(Mg="0 mM"), -MILLIVOLTS, rtol=2e-3, atol=1e-6)


def test_magnesium_blocks_22_times_more_at_minus_70_than_at_plus_40_millivolt():
    unblocked = peaks()[[20, 130]] / -MILLIVOLTS[[20, 130]]
    assert MILLIVOLTS[[20, 130]].tolist() == [-70, 40]
    np.testing.assert_allclose(unblocked, [1 / (1 + 76.71 / 3.57), 1 / (1 + 0.08374 / 3.57)], rtol=2e-3)
    assert unblocked[1] / unblocked[0] == pytest.approx(22, abs=0.2)


def test_nmda_conductance_rises_to_its_weight_and_decays():
    simulated = clamped("nmda", 1e-9, [0.0], steps=4000, watch=["g_r"]).trace("cell", "g_r").values[1:, 0]
    t = np.arange(len(simulated)) * DT
    peak_time = np.log(50) * 200e-3 / 98
    shape = np.exp(-t / 100e-3) - np.exp(-t / 2e-3)
    peak = np.exp(-peak_time / 100e-3) - np.exp(-peak_time / 2e-3)
    np.testing.assert_allclose(simulated, 1e-9 * shape / peak, atol=1e-5 * 1e-9)
    assert simulated.max() == pytest.approx(1e-9, rel=1e-3)


# GABA_B ---------------------------------------------------------------------------------------------------------------

BURST = np.arange(10) * 50  # steps: 200 Hz


def gaba_b(arrivals=(0,), weight=0.5, potential=-65e-3, steps=6000):
    return currents("gaba_b", weight, [potential], arrivals=arrivals, steps=steps)[:, 0]


def cascade(arrivals, weight, steps):
    """The fraction of open channels by scipy, with a jump of T at each arrival."""
    state, open_, edges = np.zeros(3), [np.zeros(1)], [*(np.array(arrivals) * DT * 1e3), steps * DT * 1e3]
    for begin, end in zip(edges, edges[1:], strict=False):
        state[0] += weight

        def slopes(t, y):
            return [-y[0] / 0.3, 0.09 * y[0] * (1 - y[1]) - 0.0012 * y[1], 0.18 * y[1] - 0.034 * y[2]]

        times = np.linspace(begin, end, round((end - begin) / DT / 1e3) + 1)
        run = solve_ivp(slopes, (begin, end), state, t_eval=times, rtol=1e-10, atol=1e-14, max_step=1.0)
        open_.append(run.y[2, 1:] ** 4 / (run.y[2, 1:] ** 4 + 100))
        state = run.y[:, -1]
    return np.concatenate(open_)


@pytest.mark.parametrize("arrivals", [[0], BURST])
def test_gaba_b_agrees_with_scipy(arrivals):
    simulated = gaba_b(arrivals)
    exact = 40e-9 * cascade(arrivals, 0.5, 6000)[:-1] * (-95e-3 + 65e-3)
    np.testing.assert_allclose(simulated[1:], exact[: len(simulated) - 1], atol=2e-3 * np.abs(exact).max())


@pytest.mark.parametrize("arrivals", [[0], BURST])
def test_gaba_b_peaks_100_to_200_milliseconds_after_the_spike(arrivals):
    assert 100e-3 < np.abs(gaba_b(arrivals)).argmax() * DT < 200e-3


def test_gaba_b_reverses_at_minus_95_millivolt():
    reversal = currents("gaba_b", 0.5, [-105e-3, -95e-3, -85e-3], arrivals=BURST, steps=2000)[-1]
    assert reversal[0] > 0 > reversal[2]
    assert reversal[0] == pytest.approx(-reversal[2])
    assert abs(reversal[1]) < 1e-6 * reversal[0]


def test_bursts_are_supralinear_for_gaba_b_and_not_for_gaba_a():
    single, burst = (np.abs(gaba_b(arrivals)).max() for arrivals in ([0], BURST))
    assert burst > 50 * len(BURST) * single
    fast = [
        np.abs(currents("gaba_a", 1e-9, [-65e-3], arrivals=arrivals, steps=1000)).max() for arrivals in ([0], BURST)
    ]
    assert fast[1] <= len(BURST) * fast[0]


def test_gaba_b_current_decays_to_0():
    lasting = np.abs(gaba_b(BURST, steps=15000))
    assert lasting[-1] < 1e-2 * lasting.max()
