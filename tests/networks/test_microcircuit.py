"""The projections and conductances of the dendritic microcircuit are those of its paper."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from brian2 import second
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.brian.model import build_model
from snnlab.networks.circuit import Circuit, Population
from snnlab.networks.microcircuit import Microcircuit


def conductances(circuit: Circuit, name: str) -> dict[str, float]:
    """Of one population, per millisecond."""
    namespace = build_model(circuit.population(name)).namespace
    return {key: 1e-3 * float(np.asarray(value)) for key, value in namespace.items() if key.startswith("g_")}


def test_the_populations_and_projections_of_two_hidden_layers() -> None:
    circuit = Microcircuit(hidden=(5, 4)).circuit((2, 3), 3, "0.1 ms")
    sizes = {node.name: node.size for node in circuit.nodes}
    assert sizes == {"input": 6, "target": 3, "nudge": 1, "hidden1": 5, "hidden2": 4, "output": 3, "inter1": 4,
                     "inter2": 3}  # fmt: skip
    plastic = {one.name: one.weights.shape for one in circuit.projections if one.plasticity}
    assert plastic == {
        "input->hidden1.basal": (6, 5), "hidden1->hidden2.basal": (5, 4), "hidden2->output.basal": (4, 3),
        "hidden1->inter1.dendrite": (5, 4), "inter1->hidden1.inhibition": (4, 5), "hidden2->hidden1.apical": (4, 5),
        "hidden2->inter2.dendrite": (4, 3), "inter2->hidden2.inhibition": (3, 4), "output->hidden2.apical": (3, 4),
    }  # fmt: skip
    fixed = [one.name for one in circuit.projections if not one.plasticity]
    assert fixed == ["hidden2->inter1.target", "output->inter2.target", "target->output.target", "nudge->output.nudge"]


def test_the_output_is_above_a_single_hidden_layer() -> None:
    circuit = Microcircuit(hidden=(5,)).circuit((6,), 3, "0.1 ms")
    names = {one.name for one in circuit.projections}
    assert {"output->hidden1.apical", "output->inter1.target", "hidden1->output.basal"} <= names
    assert circuit["inter1"].size == 3


@pytest.mark.parametrize(("latent", "variable"), [(False, "u"), (True, "U")])
def test_each_interneuron_receives_the_potential_of_its_target_cell(latent: bool, variable: str) -> None:
    circuit = Microcircuit(hidden=(5, 4), latent=latent).circuit((6,), 3, "0.25 ms")
    targets = {one.name: one for one in circuit.projections if one.receptor == "target"}
    for name in ("hidden2->inter1.target", "output->inter2.target"):
        weights = scipy.sparse.coo_array(targets[name].weights).toarray()
        np.testing.assert_array_equal(weights, np.eye(len(weights)))
        assert circuit.transmitted_variable(targets[name]) == variable
    assert circuit.transmitted_variable(targets["target->output.target"]) == "r"
    # the rate of a latent cell is delayed by one time step
    namespace = build_model(circuit.population("hidden1")).namespace
    assert [float(np.asarray(namespace[key])) for key in namespace if key == "tau_r"] == ([0.25e-3] if latent else [])


def test_every_plastic_projection_has_the_card_of_its_receptor() -> None:
    circuit = Microcircuit(hidden=(5,), bias=True).circuit((6,), 3, "0.1 ms")
    cards = {one.name: one.plasticity.card.id for one in circuit.projections if one.plasticity}
    assert cards == {
        "input->hidden1.basal": "plastic_bottom_up",
        "hidden1->output.basal": "plastic_bottom_up",
        "bias->hidden1.basal": "plastic_bottom_up",
        "bias->output.basal": "plastic_bottom_up",
        "hidden1->inter1.dendrite": "plastic_to_interneuron",
        "bias->inter1.dendrite": "plastic_to_interneuron",
        "inter1->hidden1.inhibition": "plastic_from_interneuron",
        "output->hidden1.apical": "plastic_top_down",
    }


SHARE = st.floats(0.01, 0.95)


@settings(max_examples=examples(30), deadline=None)
@given(one=SHARE, two=SHARE, three=SHARE, interneuron=SHARE, leak=st.floats(0, 3))
def test_conductances_give_the_mixing_of_the_options(
    one: float, two: float, three: float, interneuron: float, leak: float
) -> None:
    """A soma relaxes to the mean of its inputs weighted by conductance; the apical share is g_A over their sum."""
    circuit = Microcircuit((5, 4), (one, two, three), interneuron, leak).circuit((6,), 3, "0.01 ms")
    for name, key, expected in (
        ("hidden1", "g_A", one), ("hidden2", "g_A", two), ("output", "g_som", three), ("inter1", "g_som", interneuron),
        ("inter2", "g_som", interneuron),
    ):  # fmt: skip
        found = conductances(circuit, name)
        assert found["g_L"] == pytest.approx(leak)
        assert found[key] / sum(found.values()) == pytest.approx(expected, rel=1e-9)


def test_the_published_conductances_are_the_default() -> None:
    circuit = Microcircuit((5, 4)).circuit((6,), 3, "0.1 ms")
    assert conductances(circuit, "hidden1") == pytest.approx({"g_L": 0.1, "g_B": 1.0, "g_A": 0.8})
    assert conductances(circuit, "inter2") == pytest.approx({"g_L": 0.1, "g_D": 1.0, "g_som": 0.8})
    assert conductances(circuit, "output") == pytest.approx({"g_L": 0.1, "g_B": 1.0, "g_som": 0.8})


def test_a_single_mixing_value_is_that_of_all_layers() -> None:
    for name in ("hidden1", "hidden2", "output"):
        circuits = (Microcircuit((5, 4), mixing).circuit((6,), 3, "0.1 ms") for mixing in ((0.3,), (0.3, 0.3, 0.3)))
        found, expected = (conductances(circuit, name) for circuit in circuits)
        assert found == expected


@pytest.mark.parametrize(
    ("activation", "at_2"),
    [("logistic", 0.8807970779778823), ("soft_rectifier", 0.03132616875182229), ("softplus", 2.126928011042973)],
)
def test_all_cells_have_the_activation_of_the_option(activation: str, at_2: float) -> None:
    """1/(1 + e^-2), 0.1 ln(1 + e^-1), ln(1 + e^2)."""
    circuit = Microcircuit((1,), activation=activation).circuit((1,), 1, "0.1 ms")
    for name in ("hidden1", "inter1", "output"):
        one = circuit.population(name)
        group = build_model(Population("cell", one.cell, 1, one.parameters, initial={"u": 2.0})).group(
            1, dt=1e-4 * second
        )
        assert group.r_[0] == pytest.approx(at_2, rel=1e-12)
