"""Feedforward networks in the notation of papers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st

from snnlab import cards
from snnlab.networks.circuit import Population
from snnlab.networks.feedforward import FeedForward
from snnlab.networks.weights import Convolution, Pooling, trainable_parameters

PAPER = FeedForward(hidden=("15C5", "P2", "40C5", "P2", "300"), v_th=(5.0, 2.0, 12.0, 4.0, 10.0, 10.0), inhibition=1.0)


def test_the_published_convolutional_network() -> None:
    """15C5-P2-40C5-P2-300-10 on 28 x 28 pixels: 24 x 24 x 15, 12 x 12 x 15, 8 x 8 x 40, 4 x 4 x 40 = 640, 300, 10."""
    circuit = PAPER.circuit((28, 28), 10, 1e-3)
    assert [node.size for node in circuit.nodes] == [784, 8640, 2160, 2560, 640, 300, 10]
    kinds = [type(one.weights) for one in circuit.projections]
    assert kinds == [Convolution, Pooling, Convolution, Pooling, np.ndarray, np.ndarray, np.ndarray]
    values = [trainable_parameters(one.weights) for one in circuit.projections]
    sizes = [0 if one is None else one.size for one in values]
    assert sizes == [15 * 25, 0, 40 * 15 * 25, 0, 640 * 300, 300 * 10, 100]
    thresholds = [node.parameters["v_th"] for node in circuit.nodes if isinstance(node, Population)]
    assert thresholds == [5, 2, 12, 4, 10, 10]
    assert circuit.projections[-1].pre == circuit.projections[-1].post == "output"
    assert circuit.projections[-1].weights.sum() == -90


def test_dashes_separate_layers_as_in_papers() -> None:
    assert FeedForward(hidden=("15C5-P2-40C5-P2-300",), v_th=PAPER.v_th, inhibition=1.0) == PAPER


def test_inputs_are_features_or_an_image_with_channels() -> None:
    assert FeedForward().circuit((784,), 10, 1e-3).projections[0].weights.shape == (784, 800)
    circuit = FeedForward(hidden=("3C2",), v_th=(1.0, 1.0)).circuit((4, 5, 2), 7, 1e-3)
    assert [node.size for node in circuit.nodes] == [40, 3 * 4 * 3, 7]


# Thresholds, synapses and outputs -------------------------------------------------------------------------------------


def test_the_threshold_of_the_card_is_the_default() -> None:
    """Also if the card has no parameter of that name."""
    for cell in ("lif_exp_euler", "adex"):
        synapse = "" if cell == "lif_exp_euler" else "double_exponential_current"
        circuit = FeedForward(cell, hidden=("5", "4"), v_th=(), synapse=synapse).circuit((3,), 2, 1e-4)
        assert [(node.size, node.parameters) for node in circuit.populations] == [(5, {}), (4, {}), (2, {})]


SPIKING = FeedForward("lif_normad", hidden=("40",), v_th=(0.02, 0.02), synapse="double_exponential_current", outputs=1)


@pytest.mark.parametrize(("layers", "unit"), [(SPIKING, "amp"), (PAPER, "1")])
def test_weights_have_the_unit_of_the_receptor(layers: FeedForward, unit: str) -> None:
    """A current on the synapse's card, a number on the cell's."""
    circuit = layers.circuit((28, 28), 2, 1e-4)
    assert {circuit.unit(one) for one in circuit.projections} == {unit}


def test_a_synapse_card_becomes_a_receptor_of_every_layer() -> None:
    """The card of NormAD's cell has no receptor."""
    circuit = SPIKING.circuit((90,), 2, 1e-4)
    card = cards.synapse("double_exponential_current")
    for population in circuit.populations:
        assert population.receptors.keys() == {"synapse"}
        assert population.receptors["synapse"].synapse.digest == card.digest
    assert {one.receptor for one in circuit.projections} == {"synapse"}
    named = replace(SPIKING, receptor="here").circuit((90,), 2, 1e-4)
    assert {one.receptor for one in named.projections} == set(named.populations[0].receptors) == {"here"}
    with raises_input_error("projection", "synapse"):
        replace(SPIKING, synapse="").circuit((90,), 2, 1e-4)
    assert FeedForward().circuit((90,), 2, 1e-3).populations[0].receptors == {}


@given(classes=st.integers(1, 20), outputs=st.integers(0, 20), inhibition=st.sampled_from([0.0, 1.5]))
def test_the_number_of_outputs_is_that_of_the_option_or_of_the_classes(
    classes: int, outputs: int, inhibition: float
) -> None:
    circuit = FeedForward(outputs=outputs, inhibition=inhibition).circuit((6,), classes, 1e-3)
    size = outputs if outputs else classes
    assert [node.size for node in circuit.nodes] == [6, 800, size]
    if inhibition:
        lateral = np.full((size, size), -1.5) + 1.5 * np.eye(size)
        assert np.array_equal(circuit.projections[-1].weights, lateral)


def test_a_network_without_hidden_layers_has_one_threshold() -> None:
    circuit = replace(SPIKING, hidden=(), v_th=(0.02,)).circuit((90,), 2, 1e-4)
    assert [node.size for node in circuit.nodes] == [90, 1]
    with raises_input_error("network.v_th", 2, 1, "output"):
        replace(SPIKING, hidden=()).circuit((90,), 2, 1e-4)


@pytest.mark.parametrize(
    ("synapse", "values"),
    [("double_exponential", ("did you mean 'double_exponential_current'",)), ("lif", ("cell", "synapse"))],
)
def test_unknown_synapse_cards_are_refused(synapse: str, values: tuple[str, ...]) -> None:
    with raises_input_error("", synapse, *values):
        replace(SPIKING, synapse=synapse).circuit((90,), 2, 1e-4)


@pytest.mark.parametrize(
    ("hidden", "shape", "values"),
    [("4C9", (8, 8), ("9 x 9", "8 x 8")), ("P9", (8, 8), ("9 x 9", "8 x 8")), ("4C3", (64,), (64, "image"))],
)
def test_layers_that_do_not_fit_are_refused(hidden: str, shape: tuple[int, ...], values: tuple[object, ...]) -> None:
    with raises_input_error(f"network.hidden: {hidden}", *values):
        FeedForward(hidden=(hidden,), v_th=(1.0, 1.0)).circuit(shape, 10, 1e-3)
