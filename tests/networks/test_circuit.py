"""Circuits as values: what they refuse, and how they are changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.networks import circuit as circuits
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected
from snnlab.networks.feedforward import feedforward

LIF, LIF_EXP, SYNAPSE = cards.cell("lif"), cards.cell("lif_exp"), cards.synapse("exponential_conductance")
NAME = "eye->layer.synapse"


def layer(name: str = "layer", size: int = 3, **options: Any) -> Population:
    return Population(name, LIF_EXP, size, **options)


def connected(
    pre: str = "eye", post: str = "layer", receptor: str = "synapse", weights: Any = None, nodes: Any = None
) -> Circuit:
    weights = np.ones((2, 3)) if weights is None else weights
    projections = () if nodes else (Projection(pre, post, receptor, weights),)
    return Circuit(nodes or (Source("eye", 2), layer()), projections, "1 ms")


INVALID: list[tuple[Callable[[], object], str, tuple[object, ...]]] = [
    (lambda: connected(nodes=(layer(), layer())), "circuit", ("layer",)),
    (lambda: connected(nodes=(layer("my layer"),)), "circuit", ("my layer",)),
    (lambda: connected(nodes=(layer("läyer"),)), "circuit", ("läyer",)),
    (lambda: connected(nodes=(layer(size=0),)), "population 'layer'", ("size 0", 1)),
    (lambda: connected(nodes=(layer(size=2.5),)), "population 'layer'", ("size 2.5",)),  # type: ignore[arg-type]
    (lambda: connected(weights=np.ones((2, 3), complex)), NAME, ("complex128",)),
    (lambda: connected(weights=np.full((2, 3), "1")), NAME, ("<U1",)),
    (lambda: connected(weights=np.ones((3, 2))), NAME, ((3, 2), (2, 3))),
    (lambda: connected(weights=np.full((2, 3), np.nan)), NAME, ("finite",)),
    (lambda: connected(weights=scipy.sparse.coo_array(np.full((2, 3), np.inf))), NAME, ("finite",)),
    (lambda: connected(post="lair"), "circuit", ("lair", "did you mean 'layer'")),
    (lambda: connected(pre="ear"), "circuit", ("ear", "known: eye, layer")),
    (lambda: connected("layer", "eye", weights=np.ones((3, 2))), "layer->eye.synapse", ("source",)),
    (lambda: connected(receptor="ampa"), "eye->layer.ampa", ("ampa", "known: synapse")),
    (lambda: layer(parameters={"tau": 1.0}), "population 'layer'", ("'tau'", "models/lif_exp.toml", "did you mean")),
    (lambda: layer(initial={"u": 0.0}), "population 'layer'", ("'u'", "models/lif_exp.toml", "known: q, v")),
    (lambda: layer(initial={"v": np.zeros(2)}), "initial.v", ("(2,)", 3)),
    (lambda: layer(method="magic"), "population 'layer'", ("magic", "known: euler, exact")),
    (lambda: layer(receptors={"synapse": Receptor(SYNAPSE, "soma")}), "receptor 'synapse'", ("models/lif_exp.toml",)),
    (lambda: layer(receptors={"ampa": Receptor(SYNAPSE, "axon")}), "receptor 'ampa'", ("axon", "known: soma")),
    (lambda: layer(receptors={"ampa": Receptor(SYNAPSE, "soma", {"tau": 1.0})}), "receptor 'ampa'", ("'tau_syn'",)),
    (lambda: layer(receptors={"my ampa": Receptor(SYNAPSE, "soma")}), "receptor 'my ampa'", ("g_my ampa",)),
    (lambda: layer(receptors={"pre": Receptor(SYNAPSE, "soma")}), "receptor 'pre'", ("g_pre",)),
    (lambda: connected().with_weights({"eye->lair.synapse": np.ones((2, 3))}), "circuit", ("eye->lair", NAME)),
    (lambda: connected().with_weights({NAME: np.ones((2, 2))}), NAME, ((2, 2), (2, 3))),
    (lambda: connected().with_weights({NAME: np.full((2, 3), np.inf)}), NAME, ("finite",)),
    (lambda: connected().population("eye"), "circuit", ("eye", "source")),
]


@pytest.mark.parametrize(("attempt", "field", "values"), INVALID)
def test_invalid_circuits_are_refused(attempt: Callable[[], object], field: str, values: tuple[object, ...]) -> None:
    with raises_input_error(field, *values) as caught:
        attempt()
    assert "\n" not in str(caught.value)


def test_feedforward_connects_each_layer_to_the_next() -> None:
    circuit = feedforward(Source("eye", 4), [layer("a", 3), layer("b", 2)], "synapse", "1 ms")
    assert [one.name for one in circuit.projections] == ["eye->a.synapse", "a->b.synapse"]
    assert [one.weights.shape for one in circuit.projections] == [(4, 3), (3, 2)]
    assert circuit["a"].size == 3 and circuit.sources == (Source("eye", 4),)
    assert [one.name for one in circuit.populations] == ["a", "b"]
    assert [one.name for one in circuit.incoming("b")] == ["a->b.synapse"]


def test_with_weights_returns_another_circuit_and_checks_only_the_new_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = feedforward(Source("eye", 2), [layer("a", 3), layer("b", 1)], "synapse", "1 ms")
    checked: list[str] = []
    monkeypatch.setattr(circuits, "check_weights", lambda projection, *_: checked.append(projection.name))
    changed = circuit.with_weights({"a->b.synapse": np.full((3, 1), 7.0)})
    assert [float(one.weights.sum()) for one in circuit.projections] == [0.0, 0.0]
    assert [float(one.weights.sum()) for one in changed.projections] == [0.0, 21.0]
    assert checked == ["a->b.synapse"] and changed.nodes is circuit.nodes


def test_a_subcircuit_has_the_named_projections_and_the_nodes_at_their_ends() -> None:
    circuit = feedforward(Source("eye", 2), [layer("a", 3), layer("b", 1), layer("c", 1)], "synapse", "1 ms")
    part = circuit.subcircuit(["a->b.synapse"])
    assert [node.name for node in part.nodes] == ["a", "b"] and part.dt == circuit.dt
    assert part.projections == circuit.projections[1:2]


def test_unconnected_cells_have_the_time_step_of_their_card_by_default() -> None:
    assert unconnected(LIF).dt == LIF.dt
    assert unconnected(LIF, dt=1e-5).dt == 1e-5
    assert unconnected(LIF, size=7)["cell"].size == 7
