"""Networks from the notation of papers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab import cards
from snnlab.errors import InputError
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
    sizes = [0 if (values := trainable_parameters(one.weights)) is None else values.size for one in circuit.projections]
    assert sizes == [15 * 25, 0, 40 * 15 * 25, 0, 640 * 300, 300 * 10, 100]
    thresholds = [node.parameters["v_th"] for node in circuit.nodes if isinstance(node, Population)]
    assert thresholds == [5, 2, 12, 4, 10, 10]
    assert circuit.projections[-1].pre == circuit.projections[-1].post == "output"
    assert circuit.projections[-1].weights.sum() == -90


def test_dashes_separate_layers_as_in_papers() -> None:
    assert FeedForward(hidden=("15C5-P2-40C5-P2-300",), v_th=PAPER.v_th, inhibition=1.0) == PAPER
    with pytest.raises(InputError, match="network.hidden: found ''"):
        FeedForward(hidden=("15C5--P2",))


def test_a_row_of_features_and_an_image_with_channels() -> None:
    assert FeedForward().circuit((784,), 10, 1e-3).projections[0].weights.shape == (784, 800)
    circuit = FeedForward(hidden=("3C2",), v_th=(1.0, 1.0)).circuit((4, 5, 2), 7, 1e-3)
    assert [node.size for node in circuit.nodes] == [40, 3 * 4 * 3, 7]


# Another synapse, other outputs ---------------------------------------------------------------------------------------


def test_without_thresholds_layers_have_that_of_the_card() -> None:
    """Also where the card has none of that name."""
    for cell in ("lif_exp_euler", "adex"):
        synapse = "" if cell == "lif_exp_euler" else "double_exponential_current"
        circuit = FeedForward(cell, hidden=("5", "4"), v_th=(), synapse=synapse).circuit((3,), 2, 1e-4)
        assert [(node.size, node.parameters) for node in circuit.populations] == [(5, {}), (4, {}), (2, {})]


SPIKING = FeedForward("lif_normad", hidden=("40",), v_th=(0.02, 0.02), synapse="double_exponential_current", outputs=1)


@pytest.mark.parametrize(("layers", "unit"), [(SPIKING, "amp"), (PAPER, "1")])
def test_weights_are_in_the_unit_of_what_they_raise(layers: FeedForward, unit: str) -> None:
    """A current on the synapse's card, a number on the cell's own."""
    circuit = layers.circuit((28, 28), 2, 1e-4)
    assert {circuit.unit(one) for one in circuit.projections} == {unit}


def test_a_synapse_by_name_is_a_receptor_of_every_layer() -> None:
    """A cell of NormAD's card has none of its own."""
    circuit = SPIKING.circuit((90,), 2, 1e-4)
    card = cards.synapse("double_exponential_current")
    for population in circuit.populations:
        assert population.receptors.keys() == {"synapse"}
        assert population.receptors["synapse"].synapse.digest == card.digest
    assert {one.receptor for one in circuit.projections} == {"synapse"}
    named = replace(SPIKING, receptor="here").circuit((90,), 2, 1e-4)
    assert {one.receptor for one in named.projections} == set(named.populations[0].receptors) == {"here"}
    with pytest.raises(InputError, match="no receptor 'synapse'"):
        replace(SPIKING, synapse="").circuit((90,), 2, 1e-4)
    assert FeedForward().circuit((90,), 2, 1e-3).populations[0].receptors == {}


@given(classes=st.integers(1, 20), outputs=st.integers(0, 20), inhibition=st.sampled_from([0.0, 1.5]))
def test_outputs_are_as_many_as_asked_for_or_one_for_each_class(classes: int, outputs: int, inhibition: float) -> None:
    circuit = FeedForward(outputs=outputs, inhibition=inhibition).circuit((6,), classes, 1e-3)
    wanted = outputs if outputs else classes
    assert [node.size for node in circuit.nodes] == [6, 800, wanted]
    if inhibition:
        among = np.full((wanted, wanted), -1.5) + 1.5 * np.eye(wanted)
        assert np.array_equal(circuit.projections[-1].weights, among)


def test_without_a_hidden_layer_there_is_one_threshold() -> None:
    circuit = replace(SPIKING, hidden=(), v_th=(0.02,)).circuit((90,), 2, 1e-4)
    assert [node.size for node in circuit.nodes] == [90, 1]
    with pytest.raises(InputError, match="network.v_th: 2 thresholds; needs one for each of 1 layer: output$"):
        replace(SPIKING, hidden=()).circuit((90,), 2, 1e-4)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"outputs": -1}, "network.outputs: found -1; needs 0 to 9999999 neurons"),
        ({"outputs": 10_000_000}, "network.outputs: found 10000000"),
        ({"synapse": "double_exponential"}, "no card 'double_exponential'; did you mean 'double_exponential_current'"),
        ({"synapse": "lif"}, "models/lif.toml: 'lif' is a cell; expected a synapse card"),
    ],
)
def test_outputs_and_synapses_that_there_are_not_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        replace(SPIKING, **options).circuit((90,), 2, 1e-4)


@pytest.mark.parametrize(
    ("hidden", "shape", "message"),
    [
        ("4C9", (8, 8), "network.hidden: 4C9: kernels of 9 x 9 on an image of 8 x 8; needs kernels no larger"),
        ("P9", (8, 8), "network.hidden: P9: squares of 9 x 9 on an image of 8 x 8"),
        ("4C3", (64,), "network.hidden: 4C3: 4C3 on 64 neurons in a row; kernels and squares need an image"),
    ],
)
def test_layers_that_do_not_fit_are_refused(hidden: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FeedForward(hidden=(hidden,), v_th=(1.0, 1.0)).circuit(shape, 10, 1e-3)
