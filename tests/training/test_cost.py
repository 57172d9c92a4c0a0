"""What a sample costs, against a count of every spike, step and synapse, one at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from snnlab import cards
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution, Pooling, Weights
from snnlab.training.cost import Cost, cost

SAMPLES, STEPS = 3, 20
CELL = cards.cell("lif_exp_euler")
RNG = np.random.default_rng(7)

Rasters = dict[str, np.ndarray]


def circuit_of(*weights: tuple[str, str, Weights], sizes: dict[str, int]) -> Circuit:
    """The first of `sizes` is a source, the others are cells of the published network."""
    first, *others = sizes
    nodes = (Source(first, sizes[first]), *(Population(name, CELL, sizes[name]) for name in others))
    return Circuit(nodes, tuple(Projection(pre, post, "synapse", one) for pre, post, one in weights), 1e-3)


def fired(circuit: Circuit) -> Rasters:
    """Node -> booleans (samples, steps, neurons): some spikes."""
    return {node.name: RNG.random((SAMPLES, STEPS, node.size)) < 0.15 for node in circuit.nodes}


def measured(circuit: Circuit, rasters: Rasters) -> Cost:
    counts = {name: raster.sum(axis=(0, 1)) for name, raster in rasters.items()}
    return cost(circuit, counts, samples=SAMPLES, steps=STEPS)


def synapses(weights: Weights) -> list[tuple[int, int, float]]:
    """Source, target and weight of each synapse, from the definition of each kind of weights."""
    if isinstance(weights, Convolution):
        rows, columns, channels = weights.out
        return [
            (((y + dy) * weights.image[1] + x + dx) * weights.kernels.shape[2] + c, 0, kernel)
            for (dy, dx, c, d), kernel in np.ndenumerate(weights.kernels)
            for y in range(rows)
            for x in range(columns)
        ]
    if isinstance(weights, Pooling):
        rows, columns, channels = weights.image
        pixels = [(y, x) for y in range(rows) for x in range(columns)]
        pixels = [
            (y, x) for y, x in pixels if y // weights.side < weights.out[0] and x // weights.side < weights.out[1]
        ]
        return [((y * columns + x) * channels + c, 0, weights.weight) for y, x in pixels for c in range(channels)]
    full = weights.toarray() if scipy.sparse.issparse(weights) else weights
    return [(i, j, w) for (i, j), w in np.ndenumerate(full)]


def one_at_a_time(circuit: Circuit, rasters: Rasters) -> tuple[int, int]:
    """Operations of all samples: those of a spike and a non-zero weight, and all."""
    effective = dense = 0
    for projection in circuit.projections:
        pre = rasters[projection.pre]
        for source, _, weight in synapses(projection.weights):
            for sample in range(SAMPLES):
                for step in range(STEPS):
                    dense += 1
                    effective += bool(pre[sample, step, source] and weight != 0)
    return effective, dense


def holey(*shape: int) -> np.ndarray:
    """Weights, a third of them zero."""
    return RNG.normal(size=shape) * (RNG.random(shape) < 2 / 3)


IMAGE = {"eye": 5 * 5 * 2, "maps": 4 * 4 * 3, "pooled": 2 * 2 * 3, "output": 6}
CHAIN = [
    ("eye", "maps", Convolution(holey(2, 2, 2, 3), (5, 5))),
    ("maps", "pooled", Pooling((4, 4, 3), 2, 1.5)),
    ("pooled", "output", holey(12, 6)),
]


@pytest.mark.parametrize(
    "circuit",
    [
        circuit_of(("eye", "out", holey(7, 5)), sizes={"eye": 7, "out": 5}),
        circuit_of(("eye", "out", scipy.sparse.csr_array(holey(7, 5))), sizes={"eye": 7, "out": 5}),
        circuit_of(*CHAIN, ("output", "output", holey(6, 6)), sizes=IMAGE),
        circuit_of(("eye", "out", Pooling((5, 5, 2), 2, 0.0)), sizes={"eye": 50, "out": 8}),
        circuit_of(("eye", "out", Pooling((5, 5, 2), 2, 1.0)), sizes={"eye": 50, "out": 8}),
    ],
    ids=["full", "sparse", "convolution, pooling and self-projection", "pooling of weight zero", "ragged pooling"],
)
def test_operations_equal_a_count_one_by_one(circuit: Circuit) -> None:
    rasters = fired(circuit)
    found = measured(circuit, rasters)
    effective, dense = one_at_a_time(circuit, rasters)
    assert found.effective_acs == pytest.approx(effective / SAMPLES)
    assert found.dense == pytest.approx(dense / SAMPLES)
    assert found.effective_macs == 0


def test_spikes_and_sparsity_are_those_of_the_rasters() -> None:
    circuit = circuit_of(*CHAIN, sizes=IMAGE)
    rasters = fired(circuit)
    found = measured(circuit, rasters)
    inside = [rasters[name] for name in ("maps", "pooled", "output")]
    assert found.spikes == pytest.approx({name: rasters[name].sum() / SAMPLES for name in ("maps", "pooled", "output")})
    assert found.input_spikes == pytest.approx(rasters["eye"].sum() / SAMPLES)
    silent = np.concatenate([~raster.ravel() for raster in inside])
    assert found.activation_sparsity == pytest.approx(silent.mean())
    values = np.concatenate([CHAIN[0][2].kernels.ravel(), CHAIN[2][2].ravel()])
    assert found.parameters == values.size
    assert found.connection_sparsity == pytest.approx((values == 0).mean())


@given(arrays(np.float32, (4, 3), elements=st.sampled_from([0.0, 1.0, -2.0])))
def test_the_storage_of_weights_changes_only_bytes(weights: np.ndarray) -> None:
    sizes = {"eye": 4, "out": 3}
    rasters = fired(circuit_of(sizes=sizes))
    full, sparse = (
        measured(circuit_of(("eye", "out", one), sizes=sizes), rasters)
        for one in (weights, scipy.sparse.coo_array(weights))
    )
    same = {"footprint_bytes": 0, "parameters": 0}
    assert replace(full, **same) == replace(sparse, **same)
    assert sparse.parameters == np.count_nonzero(weights)


def test_a_kernel_costs_as_much_as_its_synapses_but_is_smaller() -> None:
    kernel = Convolution(holey(2, 2, 2, 3).astype(np.float32), (5, 5))
    sizes = {"eye": 50, "out": 48}
    rasters = fired(circuit_of(sizes=sizes))
    shared, apart = (
        measured(circuit_of(("eye", "out", one), sizes=sizes), rasters) for one in (kernel, kernel.sparse().toarray())
    )
    assert shared.effective_acs == apart.effective_acs
    assert shared.dense < apart.dense and shared.parameters < apart.parameters
    assert shared.footprint_bytes == 4 * (2 * 2 * 2 * 3 + 2 * 48)


def test_the_published_network_has_the_published_size() -> None:
    """784-800-10: 635,200 weights, each used in each of 400 steps without sparsity."""
    circuit = EXPERIMENTS["hm2bp-mnist"].network.circuit((28, 28), 10, 1e-3)
    silence = {node.name: np.zeros(node.size, dtype=np.int64) for node in circuit.nodes}
    found = cost(circuit, silence, samples=1, steps=400)
    assert found.parameters == 635_200
    assert found.dense == 400 * 635_200
    assert found.activation_sparsity == 1 and found.effective_acs == 0
    # initially zeros of 8 bytes; each cell has the two states membrane and synapse
    assert found.connection_sparsity == 1
    assert found.footprint_bytes == 8 * (635_200 + 2 * 810)


def test_untrained_weights_are_not_parameters() -> None:
    circuit = circuit_of(("eye", "out", holey(4, 3)), ("out", "out", holey(3, 3)), sizes={"eye": 4, "out": 3})
    silence = {"eye": np.zeros(4, dtype=np.int64), "out": np.zeros(3, dtype=np.int64)}
    assert cost(circuit, silence, samples=1, steps=1, trained=["eye->out.synapse"]).parameters == 12
    assert cost(circuit, silence, samples=1, steps=1).parameters == 21


def test_state_variables_of_receptors_are_part_of_the_footprint() -> None:
    card = cards.synapse("exponential_current")
    lif = cards.cell("lif")
    bare = Circuit((Population("cells", lif, 10),), (), 1e-4)
    wired = Circuit((Population("cells", lif, 10, receptors={"exc": Receptor(card, "soma")}),), (), 1e-4)
    silence = {"cells": np.zeros(10, dtype=np.int64)}
    one, other = (cost(circuit, silence, samples=1, steps=1).footprint_bytes for circuit in (bare, wired))
    assert (one, other) == (80, 160)


@pytest.mark.parametrize("size", [{"samples": 0, "steps": 5}, {"samples": 5, "steps": 0}])
def test_a_cost_without_samples_steps_or_populations_is_refused(size: dict[str, int]) -> None:
    circuit = circuit_of(sizes={"eye": 2, "a": 3})
    with raises_input_error("cost", f"{size['samples']} samples", f"{size['steps']} steps"):
        cost(circuit, {"eye": np.zeros(2, int), "a": np.zeros(3, int)}, **size)
    with raises_input_error("cost", "0 populations"):
        cost(circuit_of(sizes={"eye": 2}), {"eye": np.zeros(2, int)}, samples=1, steps=1)
