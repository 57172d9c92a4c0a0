"""The forward path of a circuit, and the roles of its sources and populations."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.mlp import MLP
from snnlab.networks.two_stream import TwoStream

LIF = cards.cell("lif_exp")
BASAL = ["input->hidden1.basal", "hidden1->hidden2.basal", "hidden2->output.basal"]
NETWORKS = {
    "feedforward": (
        FeedForward(hidden=("6", "4"), v_th=(), inhibition=1.0),
        ["input->hidden1.synapse", "hidden1->hidden2.synapse", "hidden2->output.synapse"],
    ),
    "mlp": (MLP((6, 4)), BASAL),
    "microcircuit": (Microcircuit((6, 4), bias=True), BASAL),
    "spiking microcircuit": (
        Microcircuit((6, 4), latent=True, spikes_per_ms=1.0),
        ["afferent->hidden1.basal", *BASAL[1:]],
    ),
    "corinfomax": (CorInfoMaxNetwork((6, 4), sparse=True, slowing=0.1, multiplier_rate=(0.1,)), BASAL),
    "two streams": (TwoStream((6, 4), (5,)), BASAL),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_forward_path_leads_from_the_input_through_all_layers(name: str) -> None:
    network, path = NETWORKS[name]
    circuit = network.circuit((3,), 2, 1e-4)
    assert [layer.name for layer in circuit.layers] == ["hidden1", "hidden2", "output"]
    assert (circuit.input.name, circuit.output.name) == ("input", "output")
    assert [projection.name for projection in circuit.forward] == path
    assert circuit.output is circuit["output"]


def test_every_builder_gives_its_other_populations_and_sources_a_role() -> None:
    circuits = {name: network.circuit((3,), 2, 1e-4) for name, (network, _) in NETWORKS.items()}
    names = {
        name: {node.role: node.name for node in circuit.nodes if node.role not in ("input", "layer")}
        for name, circuit in circuits.items()
    }
    teacher = {"target": "target", "nudge": "nudge"}
    assert names == {
        "feedforward": {},
        "mlp": {"bias": "bias"},
        "microcircuit": teacher | {"bias": "bias", "interneuron": "inter2"},
        "spiking microcircuit": teacher | {"afferent": "afferent", "interneuron": "inter2"},
        "corinfomax": teacher | {"slowing": "slowing", "multiplier": "multiplier3"},
        "two streams": teacher | {"bias": "bias", "descending": "down2"},
    }
    micro = circuits["microcircuit"]
    assert [one.name for one in micro.populations_of("interneuron")] == ["inter1", "inter2"]
    assert micro.bias == Source("bias", 1, "bias") and circuits["feedforward"].bias is None


def test_a_circuit_without_one_forward_path_has_no_input_output_or_path() -> None:
    eye, ear, cells = Source("eye", 2), Source("ear", 2), Population("cells", LIF, 3)
    wire = Projection("eye", "cells", "synapse", np.zeros((2, 3)))
    with raises_input_error("circuit", "2"):
        _ = Circuit((eye, ear, cells), (wire,), 1e-3).input
    with raises_input_error("circuit", "layer"):
        _ = Circuit((eye,), (), 1e-3).output
    for projections in ((), (wire, wire)):
        with raises_input_error("circuit", len(projections), "eye", "cells"):
            _ = Circuit((eye, cells), projections, 1e-3).forward


def test_projections_between_two_populations_come_in_the_order_of_the_circuit() -> None:
    circuit = FeedForward(hidden=("4",), v_th=(), inhibition=2.0).circuit((3,), 2, 1e-3)
    (lateral,) = circuit.between("output", "output")
    assert lateral.weights.tolist() == [[0.0, -2.0], [-2.0, 0.0]]
    assert circuit.between("output", "hidden1") == ()


def test_a_circuit_prints_one_line_for_each_part_and_no_weights() -> None:
    circuit = FeedForward(hidden=("2C3-P2",), v_th=()).circuit((8, 8), 4, 1e-3)
    assert repr(circuit).splitlines() == [
        "Circuit(dt=0.001,",
        "        Source(name='input', size=64, role='input'),",
        "        Population('hidden1', lif_exp_euler, 72),",
        "        Population('hidden2', lif_exp_euler, 18),",
        "        Population('output', lif_exp_euler, 4),",
        "        Projection(input->hidden1.synapse, Convolution(1 -> 2 channels, 3 x 3 kernels, 8 x 8 image)),",
        "        Projection(hidden1->hidden2.synapse, Pooling(image=(6, 6, 2), side=2, weight=1.0)),",
        "        Projection(hidden2->output.synapse, 18 x 4))",
    ]
    down = TwoStream((6,), (5,)).circuit((3,), 2, 1e-4).between("output", "down1")
    assert [repr(one) for one in down] == ["Projection(output->down1.apical, 2 x 5, of delta, plastic_descending)"]
