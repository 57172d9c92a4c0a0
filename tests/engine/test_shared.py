"""Products through convolutions and pooling against those through the same synapses as full weights."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.weights import Convolution, Pooling, Weights, sparse

DT = 1e-3


def one_projection(weights: Weights, card: str = "lif_exp_euler", delay: float = 0.0, v_th: float = 3.0) -> Circuit:
    nodes = (Source("eye", weights.shape[0]), Population("layer", cards.cell(card), weights.shape[1], {"v_th": v_th}))
    return Circuit(nodes, (Projection("eye", "layer", "synapse", weights, delay),), DT)


def both(
    circuit: Circuit, spikes: SpikeTrains, seed: int, **how: object
) -> tuple[engine.PSPProducts, engine.PSPProducts]:
    """Products of a projection, and of the same synapses as full weights."""
    rng = np.random.default_rng(seed)
    post = engine.run(circuit, {"eye": spikes}, precision="float64")["layer"]
    scale, send = rng.normal(size=(2, spikes.samples, post.spikes.size))
    scale[0] = send[0] = 0  # a sample without error
    (one,) = circuit.projections
    full = Projection(one.pre, one.post, one.receptor, sparse(one.weights).toarray(), one.delay)
    return tuple(
        engine.products(each, spikes, post, scale, send, precision="float64", **how)  # type: ignore[arg-type,return-value]
        for each in (one, full)
    )


def gathered(weights: Convolution, full: np.ndarray) -> np.ndarray:
    """The sum over the synapses that share each number of the kernels: `full` has one for each synapse."""
    kernels = np.arange(1, weights.kernels.size + 1, dtype=float).reshape(weights.kernels.shape)
    synapses = Convolution(kernels, weights.image).sparse()
    found = np.zeros(weights.kernels.size)
    np.add.at(found, synapses.data.astype(int) - 1, full[synapses.coords])
    return found.reshape(kernels.shape)


@settings(max_examples=examples(25))
@given(
    seed=st.integers(0, 2**32 - 1),
    image=st.tuples(st.integers(3, 9), st.integers(3, 9)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 3), st.integers(1, 20)),
    card=st.sampled_from(["lif_exp", "lif_exp_euler"]),
    delay=st.sampled_from([0.0, 1e-3, 4e-3]),
)
def test_the_gradient_of_a_kernel_is_the_sum_over_its_synapses(
    seed: int, image: tuple[int, int], kernel: tuple[int, ...], card: str, delay: float
) -> None:
    rng = np.random.default_rng(seed)
    weights = Convolution(rng.uniform(-0.3, 1, kernel) * 3, image)
    spikes = SpikeTrains.from_dense(rng.random((3, 60, weights.shape[0])) < 0.2, dt=DT)
    found, expected = both(one_projection(weights, card, delay), spikes, seed)
    np.testing.assert_allclose(found.gradient, gathered(weights, expected.gradient), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(found.backward, expected.backward, rtol=1e-10, atol=1e-10)


def test_the_comparison_has_a_gradient_and_detects_a_longer_delay() -> None:
    """The controls of the test above."""
    rng = np.random.default_rng(1)
    weights = Convolution(rng.uniform(-0.3, 1, (3, 3, 2, 5)) * 3, (8, 8))
    spikes = SpikeTrains.from_dense(rng.random((3, 60, 128)) < 0.2, dt=DT)
    found, _ = both(one_projection(weights), spikes, 1)
    late, _ = both(one_projection(weights, delay=DT), spikes, 1)
    assert found.gradient is not None
    assert late.gradient is not None
    assert np.abs(found.gradient).min() > 0.1
    assert np.abs(found.gradient - late.gradient).max() > 0.01 * np.abs(found.gradient).max()


def test_pooling_propagates_errors_back_and_has_no_gradient() -> None:
    rng = np.random.default_rng(2)
    weights = Pooling((7, 6, 3), 2, 1.5)
    spikes = SpikeTrains.from_dense(rng.random((3, 60, weights.shape[0])) < 0.3, dt=DT)
    found, expected = both(one_projection(weights, v_th=1.0), spikes, 2)
    assert found.gradient is None
    assert expected.backward is not None
    assert np.count_nonzero(expected.backward) > 100
    np.testing.assert_allclose(found.backward, expected.backward, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_products_do_not_depend_on_threads_and_float32_is_close(precision: engine.Precision) -> None:
    rng = np.random.default_rng(3)
    weights = Convolution(rng.uniform(-0.3, 1, (3, 3, 2, 17)) * 3, (8, 8))
    spikes = SpikeTrains.from_dense(rng.random((11, 60, 128)) < 0.2, dt=DT)
    circuit = one_projection(weights)
    post = engine.run(circuit, {"eye": spikes}, precision="float64")["layer"]
    scale, send = rng.normal(size=(2, 11, weights.shape[1]))
    found = []
    for threads in (1, 2, 3):
        with engine.threads(threads):
            found.append(engine.products(circuit.projections[0], spikes, post, scale, send, precision=precision))
    for other in found[1:]:
        np.testing.assert_array_equal(other.gradient, found[0].gradient)
        np.testing.assert_array_equal(other.backward, found[0].backward)
    exact = engine.products(circuit.projections[0], spikes, post, scale, send, precision="float64")
    assert exact.gradient is not None
    np.testing.assert_allclose(found[0].gradient, exact.gradient, atol=2e-4 * np.abs(exact.gradient).max())


def test_sparse_weights_are_refused() -> None:
    circuit = one_projection(scipy.sparse.coo_array(np.ones((3, 4))))
    spikes = SpikeTrains.from_dense(np.ones((1, 5, 3), dtype=bool), dt=DT)
    post = engine.run(circuit, {"eye": spikes})["layer"]
    with raises_input_error("eye->layer.synapse", "sparse", "convolution"):
        engine.products(circuit.projections[0], spikes, post, np.ones((1, 4)))
