"""The engine against Brian2, spike for spike, on the cells of NormAD and their synapse, in steps of 0.1 ms."""

import subprocess
import sys

import numpy as np
import pytest
from brian_circuit import run_in_brian
from examples import examples
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source

DT = 1e-4
REACH = {"lif_normad": 2.7e-9, "adex": 0.63e-9}
"""Cells, and the constant current from which each of them fires."""


def random_circuit(rng, card, sizes, drive, **synapse):
    """Layers that fire, driven and held back by weights of both signs."""
    receptors = {"synapse": Receptor(cards.synapse("double_exponential_current"), "soma", synapse)}
    layers = [Population(f"layer{k}", cards.cell(card), size, {}, receptors) for k, size in enumerate(sizes[1:])]
    nodes = (Source("input", sizes[0]), *layers)
    weights = [
        rng.uniform(-0.6, 1, shape) * drive * REACH[card] / np.sqrt(shape[0])
        for shape in zip(sizes, sizes[1:], strict=False)
    ]
    wires = (
        Projection(pre.name, post.name, "synapse", w) for pre, post, w in zip(nodes, layers, weights, strict=False)
    )
    return Circuit(nodes, tuple(wires), DT)


@pytest.mark.parametrize("card", REACH)
# without shrinking: each example builds a network in Brian2, and a failing one is printed whole
@settings(max_examples=examples(6), phases=[Phase.explicit, Phase.reuse, Phase.generate])
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 90), min_size=2, max_size=3),
    rate=st.floats(0.0, 0.02),
    drive=st.floats(0.2, 2),
    tau_1=st.floats(2e-3, 8e-3),
    tau_2=st.floats(0.5e-3, 1.9e-3),
)
def test_in_float64_the_engine_fires_the_spikes_of_brian(card, seed, sizes, rate, drive, tau_1, tau_2):
    rng = np.random.default_rng(seed)
    circuit = random_circuit(rng, card, sizes, drive, tau_1=tau_1, tau_2=tau_2)
    spikes = SpikeTrains.from_dense(rng.random((1, 300, sizes[0])) < rate, DT)
    ours = engine.run(circuit, {"input": spikes}, precision="float64")
    for name, theirs in run_in_brian(circuit, spikes).items():
        assert ours[name].spikes == theirs


@pytest.mark.parametrize("card", REACH)
def test_the_comparison_has_many_spikes_and_detects_a_time_constant_wrong_by_a_hundredth(card):
    circuit = random_circuit(np.random.default_rng(5), card, [60, 70, 20], 3.0)
    spikes = SpikeTrains.from_dense(np.random.default_rng(6).random((1, 600, 60)) < 0.02, DT)
    theirs = run_in_brian(circuit, spikes)
    assert all(len(one) > 50 for one in theirs.values())
    ours = engine.run(circuit, {"input": spikes}, precision="float64")
    assert {name: one.spikes for name, one in ours.items()} == theirs
    wrong = random_circuit(np.random.default_rng(5), card, [60, 70, 20], 3.0, tau_2="1.2625 ms")
    assert engine.run(wrong, {"input": spikes}, precision="float64")["layer0"].spikes != theirs["layer0"]


@pytest.mark.parametrize("order", ["lif_exp lif_normad", "lif_normad lif_exp"])
def test_libraries_of_two_cells_in_one_process_do_not_mix(order):
    """While refractory, the second variable of lif_exp is frozen, and that of lif_normad receives input."""
    program = """
import sys
import numpy as np
from snnlab import cards
from snnlab.networks import circuit
from snnlab.networks.feedforward import feedforward
from snnlab import engine
from snnlab.data import spikes
every = spikes.SpikeTrains.from_dense(np.ones((1, 400, 1)), 1e-4)
for card in sys.argv[1:]:
    receptors = {"synapse": circuit.Receptor(cards.synapse("double_exponential_current"), "soma")}
    cell = circuit.Population("cell", cards.cell(card), 1, {}, receptors if card == "lif_normad" else {})
    net = feedforward(circuit.Source("eye", 1), [cell], "synapse", 1e-4)
    given = net.with_weights({"eye->cell.synapse": np.full((1, 1), 1e-9 if card == "lif_normad" else 10.0)})
    print(card, *engine.run(given, {"eye": every}, precision="float64")["cell"].counts.ravel())
"""
    ran = subprocess.run([sys.executable, "-c", program, *order.split()], text=True, capture_output=True, check=True)
    alone = [
        subprocess.run([sys.executable, "-c", program, card], text=True, capture_output=True, check=True).stdout
        for card in order.split()
    ]
    assert ran.stdout == "".join(alone)
    assert all(int(line.split()[1]) > 3 for line in alone)


def test_a_potential_clipped_at_rest_keeps_no_inhibition():
    """After the inhibition has decayed, a cell that was clipped at rest fires as one that was never inhibited."""
    receptors = {"synapse": Receptor(cards.synapse("double_exponential_current"), "soma")}
    circuit = Circuit(
        (Source("input", 2), Population("cell", cards.cell("lif_normad"), 2, {}, receptors)),
        (Projection("input", "cell", "synapse", np.array([[-80e-9, 0.0], [40e-9, 40e-9]])),),
        DT,
    )
    late = 1500  # steps after the inhibition: its current has decayed by exp(-30)
    spikes = SpikeTrains.from_events([0, 0], [0, late], [0, 1], samples=1, steps=late + 200, size=2, dt=DT)
    response = engine.run(circuit, {"input": spikes}, precision="float64")["cell"]
    first, second = (response.spikes.train(neuron) for neuron in range(2))
    assert len(first) and np.array_equal(first, second)
    assert response.spikes == run_in_brian(circuit, spikes)["cell"]
