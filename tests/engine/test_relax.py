"""Relaxation of layers against the same steps in plain Python, and its independence of batches and threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from small_corinfomax import phase, random_circuit

from snnlab.engine.rate.relax import Constants, NetworkState, RelaxationLayer, relax
from snnlab.native import threads
from snnlab.networks.corinfomax import CorInfoMaxNetwork
from snnlab.rules.corinfomax.relaxation import dynamics, free_phase, input_drive, nudged_phase

ONE = Constants(0.5, 1 / 0.15, 1.0)


@settings(max_examples=examples(25), deadline=None)
@given(
    samples=st.integers(1, 23),
    hidden=st.lists(st.integers(1, 40), min_size=1, max_size=2),
    sparse=st.booleans(),
    lateral=st.booleans(),
    seed=st.integers(0, 99),
)
def test_relaxation_agrees_with_its_equations(
    samples: int, hidden: list[int], sparse: bool, lateral: bool, seed: int
) -> None:
    """Two phases of 7 and 5 steps in float64, somata and multipliers, to 1e-12 of the largest."""
    network = CorInfoMaxNetwork(tuple(hidden), 0.05, 0.02, 0.15, 0.5, 0.95, lateral, sparse, (0.1,))
    circuit, weights = random_circuit(network, 6, 3, seed)
    body, rng = dynamics(circuit, "a test"), np.random.default_rng(seed)
    seen, wanted = rng.random((samples, 6)), rng.random((samples, 3))
    below = input_drive(body, weights, seen)
    with threads(2):
        free = free_phase(body, weights, below, 7)
        nudged = nudged_phase(body, weights, below, 5, free, -1.0, wanted)
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
def test_results_do_not_depend_on_threads_or_on_other_samples(precision: str) -> None:
    circuit, weights = random_circuit(CorInfoMaxNetwork((70, 33), forgetting=0.9), 12, 5)
    weights = {name: values.astype(precision) for name, values in weights.items()}
    body = dynamics(circuit, "a test")
    seen = np.random.default_rng(1).random((37, 12)).astype(precision)

    def rates(part: np.ndarray, count: int) -> list[np.ndarray]:
        with threads(count):
            return free_phase(body, weights, input_drive(body, weights, part), 20).r

    whole = rates(seen, 1)
    for count in (2, 3, 7):
        assert [one.tobytes() for one in rates(seen, count)] == [one.tobytes() for one in whole]
    for sample in (0, 11, 36):
        alone = rates(seen[[sample]], 1)
        assert [one.tobytes() for one in alone] == [one[[sample]].tobytes() for one in whole]


def test_nan_stays_nan() -> None:
    """A clip that turned NaN into 0 would hide diverging weights."""
    layer = RelaxationLayer(np.array([[np.nan, 1.0]]), None, None, None, 1.0, 1.0, 0.0)
    found = relax([layer], NetworkState([np.zeros((1, 2))], [], []), np.full(3, 0.05), ONE)
    assert np.isnan(found.r[0][0, 0]) and np.isfinite(found.r[0][0, 1])


def test_layers_that_do_not_match_are_refused() -> None:
    u = [np.zeros((4, 3)), np.zeros((4, 2))]
    first = RelaxationLayer(np.zeros((4, 3)), None, np.zeros((3, 3)), np.zeros((2, 3)), 1.0, 1.0, 0.0)
    second = RelaxationLayer(None, np.zeros((3, 2)), None, None, 1.0, 1.0, 0.0)
    mu = np.full(2, 0.05)
    relax([first, second], NetworkState(u, [], []), mu, ONE)
    for layers, field, value in (
        ([first._replace(drive=np.zeros((3, 3))), second], "relax: layer 1: drive", "(3, 3)"),
        ([first._replace(apical=np.zeros((3, 2))), second], "relax: layer 1: apical", "float64 (3, 2)"),
        ([first, second._replace(basal=np.zeros((3, 2), np.float32))], "relax: layer 2: basal", "float32"),
        ([first, second._replace(apical=np.zeros((1, 2)))], "relax: layer 2: apical", "(1, 2)"),
        ([first, second._replace(basal=None)], "relax: layer 2: basal", "neither"),
        ([first._replace(drive=None), second], "relax: layer 1: basal", "neither"),
        ([first, second._replace(drive=np.zeros((4, 2)))], "relax: layer 2: basal", "both"),
    ):
        with raises_input_error(field, value):
            relax(layers, NetworkState(u, [], []), mu, ONE)
    with raises_input_error("relax: target", "(4, 3)"):
        relax([first, second], NetworkState(u, [], []), mu, ONE, nudge=1.0, target=np.zeros((4, 3)))
    with raises_input_error("relax: u", "int64", "float32, float64"):
        relax([first, second], NetworkState([one.astype(int) for one in u], [], []), mu, ONE)
    with raises_input_error("relax: layer 1: q", "(3,)"):
        relax([first, second], NetworkState(u, [], [np.zeros(3), np.zeros(4)]), mu, ONE)


def test_cells_of_several_time_constants_are_refused() -> None:
    circuit, _ = random_circuit(CorInfoMaxNetwork((4,)), 3, 2)
    nodes = tuple(replace(one, parameters={**one.parameters, "g_L": 0.1}) if one.name == "hidden1" else one
                  for one in circuit.nodes)  # fmt: skip
    with raises_input_error("g_L", "0.1", "0.5"):
        dynamics(replace(circuit, nodes=nodes), "a test")
