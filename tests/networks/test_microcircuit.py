"""The dendritic microcircuit is wired as in its paper, and mixes potentials as it is told to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.sparse
from brian2 import second
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.brian.model import build_model
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population
from snnlab.networks.microcircuit import Microcircuit


def conductances(circuit: Circuit, name: str) -> dict[str, float]:
    """Of one population, per millisecond."""
    namespace = build_model(circuit.population(name)).namespace
    return {key: 1e-3 * float(np.asarray(value)) for key, value in namespace.items() if key.startswith("g_")}


def test_each_layer_hears_the_one_below_and_sends_down_beside_its_interneurons() -> None:
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


def test_one_hidden_layer_is_below_the_output() -> None:
    circuit = Microcircuit(hidden=(5,)).circuit((6,), 3, "0.1 ms")
    names = {one.name for one in circuit.projections}
    assert {"output->hidden1.apical", "output->inter1.target", "hidden1->output.basal"} <= names
    assert circuit["inter1"].size == 3


@pytest.mark.parametrize(("latent", "heard"), [(False, "u"), (True, "U")])
def test_each_interneuron_is_pulled_by_the_potential_of_its_own_cell_above(latent: bool, heard: str) -> None:
    circuit = Microcircuit(hidden=(5, 4), latent=latent).circuit((6,), 3, "0.25 ms")
    pulls = {one.name: one for one in circuit.projections if one.receptor == "target"}
    for name in ("hidden2->inter1.target", "output->inter2.target"):
        weights = scipy.sparse.coo_array(pulls[name].weights).toarray()
        np.testing.assert_array_equal(weights, np.eye(len(weights)))
        assert circuit.transmitted_variable(pulls[name]) == heard
    assert circuit.transmitted_variable(pulls["target->output.target"]) == "r"
    # what is heard of a latent cell is a time step old, whatever the time step is
    namespace = build_model(circuit.population("hidden1")).namespace
    assert [float(np.asarray(namespace[key])) for key in namespace if key == "tau_r"] == ([0.25e-3] if latent else [])


def test_every_connection_learns_by_the_card_of_its_kind() -> None:
    circuit = Microcircuit(hidden=(5,), bias=True).circuit((6,), 3, "0.1 ms")
    learns = {one.name: one.plasticity.card.id for one in circuit.projections if one.plasticity}
    assert learns == {
        "input->hidden1.basal": "plastic_bottom_up",
        "hidden1->output.basal": "plastic_bottom_up",
        "bias->hidden1.basal": "plastic_bottom_up",
        "bias->output.basal": "plastic_bottom_up",
        "hidden1->inter1.dendrite": "plastic_to_interneuron",
        "bias->inter1.dendrite": "plastic_to_interneuron",
        "inter1->hidden1.inhibition": "plastic_from_interneuron",
        "output->hidden1.apical": "plastic_top_down",
    }


PART = st.floats(0.01, 0.95)


@settings(max_examples=30, deadline=None)
@given(one=PART, two=PART, three=PART, interneuron=PART, leak=st.floats(0, 3))
def test_conductances_mix_as_they_are_told(
    one: float, two: float, three: float, interneuron: float, leak: float
) -> None:
    """Somas settle at the mean of their neighbours weighted with the conductances: of the apical part, g_A of all."""
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


def test_one_mixing_factor_is_for_all() -> None:
    assert Microcircuit((5, 4), (0.3,)).lambdas == (0.3, 0.3, 0.3)
    assert Microcircuit((5, 4), (0.3, 0.2, 0.1)).lambdas == (0.3, 0.2, 0.1)


@pytest.mark.parametrize(
    ("activation", "at_2"),
    [("logistic", 0.8807970779778823), ("soft_rectifier", 0.03132616875182229), ("softplus", 2.126928011042973)],
)
def test_the_rate_is_the_function_of_the_potential_that_is_asked_for(activation: str, at_2: float) -> None:
    """1/(1 + e^-2), 0.1 ln(1 + e^-1), ln(1 + e^2)."""
    circuit = Microcircuit((1,), activation=activation).circuit((1,), 1, "0.1 ms")
    for name in ("hidden1", "inter1", "output"):
        one = circuit.population(name)
        group = build_model(Population("cell", one.cell, 1, one.parameters, initial={"u": 2.0})).group(
            1, dt=1e-4 * second
        )
        assert group.r_[0] == pytest.approx(at_2, rel=1e-12)


CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: Microcircuit(()), r"^network.hidden: found \(\); needs at least one layer of at least one cell"),
    (lambda: Microcircuit((3, 0)), r"^network.hidden: found \(3, 0\)"),
    (lambda: Microcircuit((3,), (0.1, 0.2, 0.3)), r"^network.mixing: found 3 numbers; needs one, or 2: one for"),
    (lambda: Microcircuit((3,), ()), r"^network.mixing: found 0 numbers"),
    (lambda: Microcircuit((3,), (0.0,)), r"^network.mixing: found \(0.0,\); needs parts above 0 and below 1"),
    (lambda: Microcircuit((3,), (0.5, 1.0)), r"^network.mixing: found \(0.5, 1.0\)"),
    (lambda: Microcircuit((3,), (float("nan"),)), r"^network.mixing: found \(nan,\)"),
    (lambda: Microcircuit((3,), interneuron_mixing=1.5), r"^network.interneuron_mixing: found \(1.5,\)"),
    (lambda: Microcircuit((3,), leak=-0.1), r"^network.leak: found -0.1; needs a number, at least 0"),
    (lambda: Microcircuit((3,), noise=float("inf")), r"^network.noise: found inf"),
    (lambda: Microcircuit((3,), activation="relu"), r"^network.activation: found 'relu'; needs one of logistic, soft"),
]


@pytest.mark.parametrize(("attempt", "said"), CASES, ids=[said for _, said in CASES])
def test_what_is_no_microcircuit_is_refused(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        attempt()
