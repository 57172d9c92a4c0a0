"""Layers that come to rest, against the same steps written out, whoever else is in the batch, on any threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_infomax import drawn, phase

from snnlab.engine.rate.relax import Constants, NetworkState, RelaxationLayer, relax
from snnlab.errors import InputError
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.rules.corinfomax import relaxation

ONE = Constants(0.5, 1 / 0.15, 1.0)


@settings(max_examples=25, deadline=None)
@given(
    samples=st.integers(1, 23),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    sparse=st.booleans(),
    lateral=st.booleans(),
    seed=st.integers(0, 99),
)
def test_every_sample_goes_where_its_equations_lead(
    samples: int, hidden: list[int], sparse: bool, lateral: bool, seed: int
) -> None:
    """Two phases of 7 and 5 steps in float64, somata and multipliers, to 1e-12 of the largest."""
    network = CorInfoMaxNetwork(tuple(hidden), 0.05, 0.02, 0.15, 0.5, 0.95, lateral, sparse, (0.1,))
    circuit, weights = drawn(network, 6, 3, seed)
    body, rng = relaxation.body(circuit, "a test"), np.random.default_rng(seed)
    seen, wanted = rng.random((samples, 6)), rng.random((samples, 3))
    below = relaxation.drive(body, weights, seen, 1)
    free = relaxation.settled(body, weights, below, 7, threads=2)
    nudged = relaxation.settled(body, weights, below, 5, after=free, nudge=-1.0, target=wanted, threads=2)
    for b in range(samples):
        u, q = [np.zeros(one.shape[1]) for one in free.u], [0.0] * len(free.u)
        u, r, q = phase(network, weights, seen[b], u, q, 7)
        same(free, b, u, r, q if sparse else [])
        u, r, q = phase(network, weights, seen[b], r, [max(one, 0.0) for one in q], 5, -1.0, wanted[b])
        same(nudged, b, u, r, q if sparse else [])


def same(found: NetworkState, b: int, u: list, r: list, q: list) -> None:
    for ours, theirs in ((found.u, u), (found.r, r)):
        for one, other in zip(ours, theirs, strict=True):
            assert np.abs(one[b] - other).max() <= 1e-12 * max(1, np.abs(other).max())
    assert [one[b] for one in found.q] == pytest.approx(q, rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_neither_threads_nor_the_other_samples_change_a_bit_of_where_cells_come_to(precision: str) -> None:
    circuit, weights = drawn(CorInfoMaxNetwork((70, 33), forgetting=0.9), 12, 5)
    weights = {name: values.astype(precision) for name, values in weights.items()}
    body = relaxation.body(circuit, "a test")
    seen = np.random.default_rng(1).random((37, 12)).astype(precision)

    def rates(part: np.ndarray, threads: int) -> list[np.ndarray]:
        below = relaxation.drive(body, weights, part, 1)
        return relaxation.settled(body, weights, below, 20, threads=threads).r

    whole = rates(seen, 1)
    for threads in (2, 3, 7):
        assert [one.tobytes() for one in rates(seen, threads)] == [one.tobytes() for one in whole]
    for sample in (0, 11, 36):
        alone = rates(seen[[sample]], 1)
        assert [one.tobytes() for one in alone] == [one[[sample]].tobytes() for one in whole]


def test_what_is_no_number_stays_none() -> None:
    """A clip that lets NaN pass as 0 would hide that weights have grown beyond all bounds."""
    tier = RelaxationLayer(np.array([[np.nan, 1.0]]), None, None, None, 1.0, 1.0, 0.0)
    found = relax([tier], NetworkState([np.zeros((1, 2))], [], []), np.full(3, 0.05), ONE)
    assert np.isnan(found.r[0][0, 0]) and np.isfinite(found.r[0][0, 1])


def test_layers_that_do_not_fit_are_refused() -> None:
    u = [np.zeros((4, 3)), np.zeros((4, 2))]
    first = RelaxationLayer(np.zeros((4, 3)), None, np.zeros((3, 3)), np.zeros((2, 3)), 1.0, 1.0, 0.0)
    second = RelaxationLayer(None, np.zeros((3, 2)), None, None, 1.0, 1.0, 0.0)
    mu = np.full(2, 0.05)
    relax([first, second], NetworkState(u, [], []), mu, ONE)
    for tiers, says in (
        ([first._replace(drive=np.zeros((3, 3))), second], "relax: layer 1: drive"),
        ([first._replace(apical=np.zeros((3, 2))), second], r"relax: layer 1: apical: float64 \(3, 2\)"),
        ([first, second._replace(basal=np.zeros((3, 2), np.float32))], "relax: layer 2: basal: float32"),
        ([first, second._replace(apical=np.zeros((1, 2)))], "relax: layer 2: apical"),
        ([first, second._replace(basal=None)], "relax: layer 2: basal: no potential; the first needs a drive"),
        ([first._replace(drive=None), second], "relax: layer 1: basal: no potential"),
        ([first, second._replace(drive=np.zeros((4, 2)))], "relax: layer 2: basal: two of them"),
    ):
        with pytest.raises(InputError, match=says):
            relax(tiers, NetworkState(u, [], []), mu, ONE)
    with pytest.raises(InputError, match="relax: target"):
        relax([first, second], NetworkState(u, [], []), mu, ONE, nudge=1.0, target=np.zeros((4, 3)))
    with pytest.raises(InputError, match="relax: u: found int64; needs float32 or float64"):
        relax([first, second], NetworkState([one.astype(int) for one in u], [], []), mu, ONE)
    with pytest.raises(InputError, match="relax: layer 1: q"):
        relax([first, second], NetworkState(u, [], [np.zeros(3), np.zeros(4)]), mu, ONE)


def test_cells_of_several_time_constants_are_refused() -> None:
    circuit, _ = drawn(CorInfoMaxNetwork((4,)), 3, 2)
    nodes = tuple(replace(one, parameters={**one.parameters, "g_L": 0.1}) if one.name == "hidden1" else one
                  for one in circuit.nodes)  # fmt: skip
    with pytest.raises(InputError, match=r"^circuit: g_L: found hidden1 0.1, output 0.5; needs one for all layers$"):
        relaxation.body(replace(circuit, nodes=nodes), "a test")
