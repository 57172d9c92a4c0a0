"""A network is a value, and cannot be wired in a way that makes no sense."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from snnlab import cards
from snnlab.errors import InputError
from snnlab.networks.circuit import (
    Circuit,
    Population,
    Projection,
    Receptor,
    Source,
    feedforward,
    random_connections,
    unconnected,
)

LIF, HM2BP, SYNAPSE = cards.cell("lif"), cards.cell("lif_exp"), cards.synapse("exponential_conductance")


def layer(name: str = "layer", size: int = 3, **more: Any) -> Population:
    return Population(name, HM2BP, size, **more)


def wired(*projections: Projection, nodes: tuple[Source | Population, ...] = (Source("eye", 2), layer())) -> Circuit:
    return Circuit(nodes, projections, "1 ms")


CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: wired(nodes=(layer(), layer())), "^circuit: two populations are called 'layer'"),
    (lambda: wired(nodes=(layer("my layer"),)), "^circuit: 'my layer' is not a name"),
    (lambda: wired(nodes=(layer("läyer"),)), "^circuit: 'läyer' is not a name"),
    (lambda: wired(nodes=(layer(size=0),)), "^population 'layer': size 0; needs at least one"),
    (lambda: wired(nodes=(layer(size=2.5),)), "^population 'layer': size 2.5; needs a whole number"),
    (
        lambda: wired(Projection("eye", "layer", "synapse", np.ones((2, 3), complex))),
        "weights of type complex128; needs",
    ),
    (lambda: wired(Projection("eye", "layer", "synapse", np.full((2, 3), "1"))), "weights of type <U1; needs real"),
    (
        lambda: wired(Projection("eye", "lair", "synapse", np.ones((2, 3)))),
        "no population 'lair'; did you mean 'layer'",
    ),
    (lambda: wired(Projection("ear", "layer", "synapse", np.ones((2, 3)))), "no population 'ear'; known: eye, layer"),
    (
        lambda: wired(Projection("layer", "eye", "synapse", np.ones((3, 2)))),
        "'eye' is a source; spikes can only arrive",
    ),
    (lambda: wired(Projection("eye", "layer", "ampa", np.ones((2, 3)))), "no receptor 'ampa'; known: synapse"),
    (
        lambda: wired(Projection("eye", "layer", "synapse", np.ones((3, 2)))),
        r"weights of shape \(3, 2\); needs \(2, 3\)",
    ),
    (lambda: wired(Projection("eye", "layer", "synapse", np.full((2, 3), np.nan))), "weights that are not finite"),
    (
        lambda: wired(Projection("eye", "layer", "synapse", scipy.sparse.coo_array(np.full((2, 3), np.inf)))),
        "not finite",
    ),
    (
        lambda: layer(parameters={"tau": 1.0}),
        "^population 'layer': no parameter 'tau' on models/lif_exp.toml; did you mean",
    ),
    (lambda: layer(initial={"u": 0.0}), "no state variable 'u' on models/lif_exp.toml; known: q, v"),
    (lambda: layer(initial={"v": np.zeros(2)}), r"initial.v: shape \(2,\); needs one value or 3"),
    (lambda: layer(method="magic"), "method 'magic'; .*known: euler, exact"),
    (
        lambda: layer(receptors={"synapse": Receptor(SYNAPSE, "soma")}),
        "receptor 'synapse': already on models/lif_exp.toml",
    ),
    (lambda: layer(receptors={"ampa": Receptor(SYNAPSE, "dendrite")}), "no compartment 'dendrite' .*; known: soma"),
    (
        lambda: layer(receptors={"ampa": Receptor(SYNAPSE, "soma", {"tau": 1.0})}),
        "no parameter 'tau' .*did you mean 'tau_syn'",
    ),
    (lambda: layer(receptors={"my ampa": Receptor(SYNAPSE, "soma")}), "receptor 'my ampa': 'g_my ampa' is not a name"),
    (lambda: layer(receptors={"pre": Receptor(SYNAPSE, "soma")}), "receptor 'pre': 'g_pre' is taken"),
    (
        lambda: wired().with_weights({"eye->layer.synapse": np.ones((2, 3))}),
        "no projection 'eye->layer.synapse'; known: none",
    ),
    (
        lambda: random_connections(2, 3, 1.5, 1.0, np.random.default_rng(0)),
        "^random_connections: probability 1.5; needs 0 to 1",
    ),
]


@pytest.mark.parametrize(("attempt", "said"), CASES, ids=[said[:45] for _, said in CASES])
def test_what_cannot_be_wired_is_refused(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        attempt()
    assert "\n" not in str(refusal.value)


def test_a_chain_of_layers_is_connected_one_to_the_next() -> None:
    circuit = feedforward(Source("eye", 4), [layer("a", 3), layer("b", 2)], "synapse", "1 ms")
    assert [one.name for one in circuit.projections] == ["eye->a.synapse", "a->b.synapse"]
    assert [one.weights.shape for one in circuit.projections] == [(4, 3), (3, 2)]
    assert circuit["a"].size == 3 and circuit.sources == (Source("eye", 4),)
    assert [one.name for one in circuit.populations] == ["a", "b"]
    assert [one.name for one in circuit.incoming("b")] == ["a->b.synapse"]


def test_other_weights_leave_the_circuit_as_it_was() -> None:
    circuit = feedforward(Source("eye", 2), [layer("a", 3), layer("b", 1)], "synapse", "1 ms")
    changed = circuit.with_weights({"a->b.synapse": np.full((3, 1), 7.0)})
    assert [float(one.weights.sum()) for one in circuit.projections] == [0.0, 0.0]
    assert [float(one.weights.sum()) for one in changed.projections] == [0.0, 21.0]


def test_a_cell_alone_runs_on_the_clock_of_its_card_unless_told_otherwise() -> None:
    assert (unconnected(LIF).dt, unconnected(LIF, dt=1e-5).dt, unconnected(LIF, size=7)["cell"].size) == (
        LIF.dt,
        1e-5,
        7,
    )


@given(
    pre=st.integers(1, 30),
    post=st.integers(1, 30),
    probability=st.floats(0, 1),
    seed=st.integers(0, 99),
    own=st.booleans(),
)
def test_random_wiring_draws_pairs_of_the_two_populations_once_each(
    pre: int, post: int, probability: float, seed: int, own: bool
) -> None:
    wiring = random_connections(pre, post, probability, 2.5, np.random.default_rng(seed), autapses=own)
    source, target = wiring.coords
    assert wiring.shape == (pre, post)
    assert len(set(zip(source.tolist(), target.tolist(), strict=True))) == wiring.nnz
    assert (wiring.data == 2.5).all()
    assert own or (source != target).all()


def test_random_wiring_has_binomial_numbers() -> None:
    """Mean n p, standard deviation sqrt(n p (1 - p)), in total and for every target (1 in 16,000 beyond 4)."""
    wiring = random_connections(500, 400, 0.1, 1.0, np.random.default_rng(0))
    assert abs(wiring.nnz - 20_000) < 4 * np.sqrt(200_000 * 0.1 * 0.9)
    arriving = np.bincount(wiring.coords[1], minlength=400)
    assert arriving.std() == pytest.approx(np.sqrt(500 * 0.1 * 0.9), rel=0.15)
    assert random_connections(50, 50, 0.0, 1.0, np.random.default_rng(0)).nnz == 0
    assert random_connections(50, 50, 1.0, 1.0, np.random.default_rng(0)).nnz == 2500
    assert random_connections(50, 50, 1.0, 1.0, np.random.default_rng(0), autapses=False).nnz == 2450
