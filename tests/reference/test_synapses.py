"""The synapse cards compared with their closed forms.

exponential_*: the weight times exp(-t/tau_syn). double_exponential_current: the weight times alpha(t) = exp(-t/tau_1) -
exp(-t/tau_2), with 5 and 1.25 ms of Anwani and Rajendran, IJCNN 2015. ampa, gaba_a: a difference of exponentials with
the weight as its peak; times of Brunel and Wang, J. Neurophysiol. 90:415, 2003 (rise 0.5 ms; decay 2 ms for AMPA, 5 ms
for GABA_A).
"""

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source

DT, ARRIVAL, STEPS = 0.025e-3, 40, 1600
HOSTS = {"": ("lif", "soma", "v"), "_density": ("wang_buzsaki", "soma", "v")}


def predict(synapse, weight, host="lif", compartment="soma", potential="v", **options):
    """A Recording of one cell that receives a single spike."""
    cell = Population(
        "cell", cards.cell(host), 1, receptors={"r": Receptor(cards.synapse(synapse), compartment)}, **options
    )
    wire = Projection("input", "cell", "r", np.array([[weight]]))
    spike = SpikeTrains.from_events([0], [ARRIVAL], [0], samples=1, steps=STEPS, size=1, dt=DT)
    variables = [potential, "I_syn_r", *([] if synapse.endswith("exponential_current") else ["g_r"])]
    circuit = Circuit((Source("input", 1), cell), (wire,), DT)
    return simulate(circuit, {"input": spike}, STEPS * DT, record={"cell": variables}, target="numpy")


def since_arrival(recording, variable):
    """Values from the jump on, and their times after it in seconds."""
    values = recording.trace("cell", variable).values[ARRIVAL + 1 :, 0]
    return values, np.arange(len(values)) * DT


def test_exponential_current_decays_from_its_weight():
    simulated, t = since_arrival(predict("exponential_current", 50e-12), "I_syn_r")
    np.testing.assert_allclose(simulated, 50e-12 * np.exp(-t / 5e-3), rtol=1e-9)


def test_exponential_current_and_membrane_are_two_filters_in_series():
    # C dv/dt = -g_L v + w exp(-t/tau_syn), whose solution is two exponentials again
    simulated, t = since_arrival(predict("exponential_current", 50e-12), "v")
    tau_m, tau_syn = 20e-3, 5e-3
    exact = 50e-12 / 10e-9 * tau_syn / (tau_m - tau_syn) * (np.exp(-t / tau_m) - np.exp(-t / tau_syn))
    np.testing.assert_allclose(simulated + 60e-3, exact, atol=1e-11)


def test_double_exponential_current_is_the_weight_times_alpha():
    simulated, t = since_arrival(predict("double_exponential_current", 3e-9), "I_syn_r")
    np.testing.assert_allclose(simulated, 3e-9 * (np.exp(-t / 5e-3) - np.exp(-t / 1.25e-3)), rtol=0, atol=3e-9 * 1e-8)
    # d(alpha)/dt = 0 at ln(tau_1/tau_2) / (1/tau_2 - 1/tau_1) = ln(4)/600 s, where it is 4**(-1/3) - 4**(-4/3)
    assert simulated.max() / 3e-9 == pytest.approx(0.472, abs=5e-4)
    assert t[simulated.argmax()] == pytest.approx(2.31e-3, abs=DT)


def test_double_exponential_current_depends_on_both_time_constants():
    receptor = {"synapse": cards.synapse("double_exponential_current"), "compartment": "soma"}
    cell = Population("cell", cards.cell("lif"), 1, receptors={"r": Receptor(**receptor, parameters={"tau_2": "2 ms"})})
    spike = SpikeTrains.from_events([0], [ARRIVAL], [0], samples=1, steps=STEPS, size=1, dt=DT)
    circuit = Circuit((Source("input", 1), cell), (Projection("input", "cell", "r", np.array([[3e-9]])),), DT)
    run = simulate(circuit, {"input": spike}, STEPS * DT, record={"cell": ["I_syn_r"]}, target="numpy")
    simulated, t = since_arrival(run, "I_syn_r")
    np.testing.assert_allclose(simulated, 3e-9 * (np.exp(-t / 5e-3) - np.exp(-t / 2e-3)), rtol=0, atol=3e-9 * 1e-8)
    assert abs(simulated.max() / 3e-9 - 0.472) > 0.1


def test_exponential_conductance_drives_to_its_reversal_potential():
    recording = predict("exponential_conductance", 3e-9)
    conductance, t = since_arrival(recording, "g_r")
    np.testing.assert_allclose(conductance, 3e-9 * np.exp(-t / 5e-3), rtol=1e-9)
    current, potential = since_arrival(recording, "I_syn_r")[0], since_arrival(recording, "v")[0]
    np.testing.assert_allclose(current, conductance * (0 - potential), rtol=1e-12)


@pytest.mark.parametrize("place", ["", "_density"])
@pytest.mark.parametrize("synapse, decay", [("ampa", 2e-3), ("gaba_a", 5e-3)])
def test_conductance_rises_to_its_weight_and_decays(synapse, decay, place):
    rise, weight = 0.5e-3, 2.5e-9 if not place else 0.3
    simulated, t = since_arrival(predict(synapse + place, weight, *HOSTS[place]), "g_r")
    shape = np.exp(-t / decay) - np.exp(-t / rise)
    peak_time = np.log(decay / rise) * decay * rise / (decay - rise)
    peak = np.exp(-peak_time / decay) - np.exp(-peak_time / rise)
    np.testing.assert_allclose(simulated, weight * shape / peak, atol=1e-5 * weight)
    assert simulated.max() == pytest.approx(weight, rel=1e-3)
    assert t[simulated.argmax()] == pytest.approx(peak_time, abs=DT)


@pytest.mark.parametrize("place", ["", "_density"])
def test_excitation_depolarises_and_inhibition_hyperpolarises(place):
    def moved(synapse):
        """The largest change of the potential, positive or negative, within 5 ms of one spike."""
        weight = 0.1 if place else 1e-9
        runs = [predict(synapse + place, some, *HOSTS[place]) for some in (weight, 0.0)]
        difference = np.subtract(*(since_arrival(run, HOSTS[place][2])[0] for run in runs))[:200]
        return difference[np.abs(difference).argmax()]

    assert moved("ampa") > 1e-5
    assert moved("gaba_a") < -1e-5


@pytest.mark.parametrize("synapse, reversal", [("ampa", 0.0), ("gaba_a", -70e-3), ("exponential_conductance", 0.0)])
def test_no_current_flows_at_the_reversal_potential(synapse, reversal):
    # the leak keeps the potential there, and the threshold is not reached
    parameters = {"E_L": reversal, "v_th": 1.0}
    recording = predict(synapse, 5e-9, parameters=parameters, initial={"v": reversal})
    np.testing.assert_allclose(recording.trace("cell", "v").values, reversal, atol=1e-15)
    moved = predict(synapse, 5e-9, parameters=parameters | {"E_L": reversal - 5e-3}, initial={"v": reversal - 5e-3})
    assert moved.trace("cell", "v").values.max() > reversal - 5e-3 + 1e-4
