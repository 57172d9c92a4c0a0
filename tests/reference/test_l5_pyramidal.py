"""The layer-5 pyramidal cell with an active dendrite compared with an integration by scipy and with slice recordings.

The equations below are those of Naud and Sprekeler, PNAS 115:E6329, 2018, in mV, ms, pA and pF. What a layer-5 cell
does: Larkum, Zhu and Sakmann, Nature 398:338, 1999 (a somatic spike within several milliseconds of a dendritic input
that is too weak by itself sets off a dendritic calcium spike, and with it a burst); Larkum, Kaiser and Sakmann, PNAS
96:14600, 1999 (four to five back-propagating spikes do so above a critical frequency, between 60 and 200 Hz in
different cells and within 10 to 20 Hz in each; not where calcium channels are blocked).
"""

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate
from snnlab.networks.circuit import Circuit, Population

PA = 1e-12
NO_CALCIUM = {"g_s": "0 pA", "g_d": "0 pA"}


def slopes(somatic, dendritic):
    def at(t, y):
        v_s, v_d, w_s, w_d, since = y
        f = 1 / (1 + np.exp(-(v_d + 38) / 6))
        back = 2600 if 0.5 <= since < 2.5 else 0
        return [
            0 if since < 3 else -(v_s + 70) / 16 + (1300 * f + somatic + w_s) / 370,
            -(v_d + 70) / 7 + (1200 * f + back + dendritic + w_d) / 170,
            -w_s / 100,
            (-13 * (v_d + 70) - w_d) / 30,
            1,
        ]

    return at


@pytest.mark.parametrize("somatic, dendritic, spikes", [(800, 0, 3), (0, 700, 2), (500, 300, 5)])
def test_spike_times_agree_with_scipy(simulate_cells, integrate, somatic, dendritic, spikes):
    simulated = (
        simulate_cells("l5_pyramidal", {"soma": [somatic * PA], "dendrite": [dendritic * PA]}, 0.15)
        .spikes["cell"]
        .train(0)
    )

    def reset(y):
        return -70, y[1], y[2] - 200, y[3], 0

    exact = integrate(slopes(somatic, dendritic), [-70, -70, 0, 0, 1000], 150, -50, reset)
    assert len(simulated) == len(exact) >= spikes
    np.testing.assert_allclose(simulated * 1e3, exact, atol=0.3)


def pulses(duration, copies):
    """Currents (steps, cells) in SI units; each cell gets a list of (amplitude in pA, start in ms, stop in ms)."""
    dt = 0.025
    currents = np.zeros((round(duration / dt), len(copies)))
    for column, cell_pulses in zip(currents.T, copies, strict=True):
        for amplitude, start, stop in cell_pulses:
            column[round(start / dt) : round(stop / dt)] = amplitude * PA
    return currents


def run(somatic, dendritic, duration=150, **parameters):
    """A Recording of one cell for each list of pulses."""
    cell = Population("cell", cards.cell("l5_pyramidal"), len(somatic), parameters=parameters)
    inputs = {"cell.soma": pulses(duration, somatic), "cell.dendrite": pulses(duration, dendritic)}
    circuit = Circuit((cell,), (), "0.025 ms")
    watched = {"cell": range(len(somatic))}
    return simulate(circuit, inputs, duration * 1e-3, record={"cell": ["v_d"]}, neurons=watched, target="numpy")


def plateaus(recording):
    """Milliseconds during which each dendrite is above -38 mV, where half of its calcium current flows."""
    return np.count_nonzero(recording.trace("cell", "v_d").values > -38e-3, axis=0) * recording.dt * 1e3


SOMA, DENDRITE = [(2000, 50, 55)], [(400, 50, 80)]


def test_only_coincident_inputs_evoke_a_burst():
    recording = run([SOMA, [], SOMA], [[], DENDRITE, DENDRITE])
    soma, dendrite, both = recording.spikes["cell"].counts()[0]
    assert (soma, dendrite) == (1, 0)
    assert 2 <= both <= 4
    # the intervals within a burst: 16 ms is Naud and Sprekeler's bound
    assert np.diff(recording.spikes["cell"].train(2)).max() < 16e-3


def test_burst_has_a_calcium_plateau_and_a_single_spike_has_none():
    recording = run([SOMA, [], SOMA], [[], DENDRITE, DENDRITE])
    soma, dendrite, both = plateaus(recording)
    assert soma == dendrite == 0
    assert both > 20
    # yet the lone spike does run back: tens of millivolts, after the half millisecond that it takes
    trace, spike = recording.trace("cell", "v_d"), recording.spikes["cell"].train(0)[0]
    assert trace.values[:, 0].max() > -50e-3
    assert 0.5e-3 < trace.times[trace.values[:, 0].argmax()] - spike < 3e-3


def test_without_calcium_coincident_inputs_evoke_one_spike():
    recording = run([SOMA], [DENDRITE], **NO_CALCIUM)
    assert recording.spikes["cell"].counts().tolist() == [[1]]
    assert plateaus(recording).max() < 10


@pytest.mark.slow
def test_a_somatic_spike_lowers_the_dendritic_threshold():
    amplitudes = np.arange(0, 1000, 50)
    dendritic = [[(amplitude, 50, 60)] for amplitude in amplitudes]
    needed = [
        amplitudes[np.argmax(plateaus(run([somatic] * len(dendritic), dendritic)) > 10)] for somatic in ([], SOMA)
    ]
    assert 0 < needed[1] < 0.6 * needed[0]


def test_inputs_several_milliseconds_apart_evoke_no_burst():
    apart = [-30, -20, 0, 5, 20, 30]
    recording = run([[(2000, 100, 105)]] * len(apart), [[(400, 100 + lag, 110 + lag)] for lag in apart])
    assert (recording.spikes["cell"].counts()[0] >= 2).tolist() == [False, False, True, True, False, False]


def trains(frequencies, **parameters):
    """Five somatic spikes at each frequency, by brief and strong pulses, and the plateaus that they evoke."""
    somatic = [[(8000, 50 + 1e3 / hertz * n, 52 + 1e3 / hertz * n) for n in range(5)] for hertz in frequencies]
    recording = run(somatic, [[]] * len(frequencies), 200, **parameters)
    assert recording.spikes["cell"].counts().min() >= 5
    return plateaus(recording)


def test_five_spikes_above_a_critical_frequency_evoke_a_plateau():
    frequencies = np.arange(40, 210, 10)
    has_plateau = trains(frequencies) > 20
    assert not has_plateau[0]
    assert np.count_nonzero(np.diff(has_plateau)) == 1
    assert 60 < frequencies[has_plateau.argmax()] <= 200


def test_the_plateau_appears_within_20_hertz_of_the_critical_frequency():
    frequencies = np.arange(60, 130, 5)
    lasting = trains(frequencies)
    weakest, strong = frequencies[lasting < 5].max(), frequencies[lasting > 20].min()
    assert 0 < strong - weakest <= 20


def test_without_calcium_no_frequency_evokes_a_plateau():
    assert trains(np.arange(40, 210, 10), **NO_CALCIUM).max() < 15
