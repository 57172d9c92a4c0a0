"""The two-compartment pyramidal cell compared with its published behaviour and an integration by scipy.

Pinsky and Rinzel, J. Comput. Neurosci. 1:39, 1994, with the erratum 2:275, 1995. At g_c = 2.1 mS/cm2 a somatic current
of 0.75 uA/cm2 makes bursts at less than 8 Hz, and 2.5 uA/cm2 single spikes at a higher rate; bursts are gone at g_c = 0
and at g_c = 10.5, where the compartments are apart, or one. (These values are quoted from memory of the paper; that the
behaviour follows from the paper's equations is what the independent integration checks.) The equations below are in the
paper's convention: mV from a rest at -60 mV, ms, and the rates of c in two pieces.
"""

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate
from snnlab.networks.circuit import Circuit, Population

DENSITY = 1e-2  # uA/cm2 in SI
LONG, REST = 1.2, -60.0


def slopes(somatic, dendritic=0.0, g_c=2.1, p=0.5):
    def at(t, y):
        vs, vd, h, n, s, c, q, ca = y
        alpha_m = 0.32 * (13.1 - vs) / (np.exp((13.1 - vs) / 4) - 1)
        beta_m = 0.28 * (vs - 40.1) / (np.exp((vs - 40.1) / 5) - 1)
        alpha_n = 0.016 * (35.1 - vs) / (np.exp((35.1 - vs) / 5) - 1)
        beta_s = 0.02 * (vd - 51.1) / (np.exp((vd - 51.1) / 5) - 1)
        if vd <= 50:
            alpha_c = np.exp((vd - 10) / 11 - (vd - 6.5) / 27) / 18.975
            beta_c = 2 * np.exp((6.5 - vd) / 27) - alpha_c
        else:
            alpha_c, beta_c = 2 * np.exp((6.5 - vd) / 27), 0.0
        sodium = 30 * (alpha_m / (alpha_m + beta_m)) ** 2 * h * (vs - 120)
        calcium = 10 * s**2 * (vd - 140)
        potassium = 0.8 * q * (vd + 15) + 15 * c * min(ca / 250, 1) * (vd + 15)
        return [
            (-0.1 * vs - sodium - 15 * n * (vs + 15) + g_c / p * (vd - vs) + somatic / p) / 3,
            (-0.1 * vd - calcium - potassium + g_c / (1 - p) * (vs - vd) + dendritic / (1 - p)) / 3,
            0.128 * np.exp((17 - vs) / 18) * (1 - h) - 4 / (1 + np.exp((40 - vs) / 5)) * h,
            alpha_n * (1 - n) - 0.25 * np.exp(0.5 - 0.025 * vs) * n,
            1.6 / (1 + np.exp(-0.072 * (vd - 65))) * (1 - s) - beta_s * s,
            alpha_c * (1 - c) - beta_c * c,
            min(0.00002 * ca, 0.01) * (1 - q) - 0.001 * q,
            -0.13 * calcium - 0.075 * ca,
        ]

    return at


START = [-4.6, -4.5, 0.999, 0.001, 0.009, 0.007, 0.01, 0.2]


# at 2.5 uA/cm2 the first 600 ms are irregular and soon amplify any difference: compared while they have not yet
@pytest.mark.parametrize("somatic, dendritic, until", [(0.75, 0.0, 150), (2.5, 0.0, 100), (0.0, 1.0, 150)])
def test_spike_times_agree_with_scipy(simulate_cells, integrate, somatic, dendritic, until):
    currents = {"soma": [somatic * DENSITY], "dendrite": [dendritic * DENSITY]}
    simulated = simulate_cells("pinsky_rinzel", currents, until * 1e-3).spikes["cell"].train(0) * 1e3
    exact = integrate(slopes(somatic, dendritic), START, until, 40)
    assert len(simulated) == len(exact) >= 4
    np.testing.assert_allclose(simulated, exact, atol=0.1)


def test_a_current_into_the_other_compartment_gives_other_spikes(simulate_cells, integrate):
    simulated = simulate_cells("pinsky_rinzel", {"soma": [0.75 * DENSITY]}, 0.15).spikes["cell"].train(0) * 1e3
    exact = integrate(slopes(0.0, 0.75), START, 150, 40)
    assert len(exact) != len(simulated) or np.abs(exact - simulated).max() > 1


# The long runs: all of them in one compiled program ------------------------------------------------------------------

RUNS = {
    "weak": (0.75, {}),
    "strong": (2.5, {}),
    "apart": (0.75, {"g_c": "0 mS/cm**2"}),
    "tight": (0.75, {"g_c": "10.5 mS/cm**2"}),
}


@pytest.fixture(scope="module")
def long():
    card = cards.cell("pinsky_rinzel")
    circuit = Circuit(tuple(Population(name, card, 1, parameters=own) for name, (_, own) in RUNS.items()), (), card.dt)
    steps = round(LONG / 0.025e-3)
    inputs = {f"{name}.soma": np.full(steps, current * DENSITY) for name, (current, _) in RUNS.items()}
    return simulate(circuit, inputs, LONG, record={name: ["v_s", "v_d", "Ca"] for name in RUNS}, target="cpp")


def events(recording, name):
    """Groups of somatic spikes less than 15 ms apart, after the initial 150 ms."""
    times = recording.spikes[name].train(0)
    groups = np.split(times, np.flatnonzero(np.diff(times) > 15e-3) + 1)
    return [group for group in groups if group[0] > 0.15]


def around(recording, name, variable, event):
    trace = recording.trace(name, variable)
    return trace.values[(trace.times > event[0] - 5e-3) & (trace.times < event[0] + 40e-3), 0]


def has_calcium_spike(recording, name, event):
    """The dendrite stays above -30 mV for longer than 5 ms: longer than a back-propagated spike."""
    return np.count_nonzero(around(recording, name, "v_d", event) > -30e-3) * recording.dt > 5e-3


@pytest.mark.slow
def test_weak_somatic_current_evokes_bursts_at_a_low_rate(long):
    bursts = events(long, "weak")
    assert len(bursts) >= 2
    assert all(len(burst) >= 2 for burst in bursts)
    between = np.diff([burst[0] for burst in bursts])
    assert np.all(1 / between < 8)
    assert np.all(1 / between > 1)


@pytest.mark.slow
def test_a_burst_is_a_calcium_spike_after_a_sodium_spike(long):
    for burst in events(long, "weak"):
        soma, dendrite = (around(long, "weak", name, burst) for name in ("v_s", "v_d"))
        # the somatic spike comes first and runs back into the dendrite, whose own spike is later and much longer
        assert soma.argmax() + 2e-3 / long.dt < dendrite.argmax()
        assert soma.max() > 0
        assert dendrite.max() > -10e-3
        assert has_calcium_spike(long, "weak", burst)
        # and ends by potassium, in a hyperpolarisation that outlasts it
        assert dendrite[-1] < REST * 1e-3


@pytest.mark.slow
def test_strong_somatic_current_evokes_single_spikes_at_a_higher_rate(long):
    late = [event for event in events(long, "strong") if event[0] > 0.7]
    assert all(len(event) == 1 for event in late)
    rates = 1 / np.diff([event[0] for event in late])
    assert np.all(rates > 20)
    # every second interval is longer at first; the difference dies out
    np.testing.assert_allclose(rates, rates.mean(), rtol=0.15)
    assert not any(has_calcium_spike(long, "strong", event) for event in late[:-1])


@pytest.mark.slow
@pytest.mark.parametrize("name", ["apart", "tight"])
def test_without_coupled_compartments_there_are_no_bursts(long, name):
    simulated = events(long, name)
    assert len(simulated) >= 2
    assert all(len(event) == 1 for event in simulated)


@pytest.mark.slow
def test_an_uncoupled_soma_does_not_depolarise_the_dendrite(long):
    assert long.trace("apart", "v_d").values.max() < -50e-3
