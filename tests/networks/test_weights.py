"""Convolution and pooling against SciPy, against their list of synapses, and against the definition."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import scipy.signal
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st

from snnlab.networks import weights
from snnlab.networks.weights import Convolution, Pooling

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def convolutions(draw: st.DrawFn) -> Convolution:
    image = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    kernel = [draw(st.integers(1, side)) for side in image]
    channels = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return Convolution(np.random.default_rng(draw(SEEDS)).normal(size=(*kernel, *channels)), image)


@st.composite
def poolings(draw: st.DrawFn) -> Pooling:
    image = draw(st.tuples(*[st.integers(1, 7)] * 2, st.integers(1, 3)))
    return Pooling(image, draw(st.integers(1, min(image[:2]))), draw(st.floats(-2, 2)))


@given(convolutions(), SEEDS)
def test_a_convolution_is_scipys_correlation_summed_over_channels(one: Convolution, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(2, *one.image, one.kernels.shape[2]))
    expected = np.zeros((2, *one.out))
    for sample, c, d in np.ndindex(2, *one.kernels.shape[2:]):
        expected[sample, :, :, d] += scipy.signal.correlate(image[sample, :, :, c], one.kernels[:, :, c, d], "valid")
    found = one.forward(image.reshape(2, -1))
    np.testing.assert_allclose(found, expected.reshape(2, -1), rtol=1e-12, atol=1e-12)
    turned = Convolution(one.kernels[::-1, ::-1].copy(), one.image).forward(image.reshape(2, -1))
    if np.abs(one.kernels - one.kernels[::-1, ::-1]).max() > 0.1:  # control: correlation, not convolution
        assert np.abs(turned - found).max() > 1e-6


@given(poolings(), SEEDS)
def test_pooling_sums_squares(one: Pooling, seed: int) -> None:
    image = np.random.default_rng(seed).normal(size=(2, *one.image))
    expected = np.zeros((2, *one.out))
    for sample, y, x, c in np.ndindex(2, *one.out):
        square = image[sample, y * one.side : (y + 1) * one.side, x * one.side : (x + 1) * one.side, c]
        expected[sample, y, x, c] = one.weight * square.sum()
    np.testing.assert_allclose(one.forward(image.reshape(2, -1)), expected.reshape(2, -1), atol=1e-12)


@given(convolutions() | poolings(), SEEDS)
def test_forward_and_backward_agree_with_the_list_of_synapses(one: Convolution | Pooling, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = (rng.normal(size=(3, size)) for size in one.shape)
    full = one.sparse().toarray()
    np.testing.assert_allclose(weights.forward(one, before), before @ full, atol=1e-10)
    np.testing.assert_allclose(weights.backward(one, after), after @ full.T, atol=1e-10)
    synapses = np.zeros(one.shape, dtype=int)
    np.add.at(synapses, one.sparse().coords, 1)
    assert synapses.max() == 1  # no synapse twice
    np.testing.assert_array_equal(weights.fan_out(one), synapses.sum(axis=1))


@given(convolutions(), SEEDS)
def test_outer_is_the_derivative_by_the_kernels(one: Convolution, seed: int) -> None:
    rng = np.random.default_rng(seed)
    before, after = (rng.normal(size=(3, size)) for size in one.shape)
    direction = rng.normal(size=one.kernels.shape)
    moved = Convolution(one.kernels + direction, one.image)  # linear, so that any step is exact
    change = (after * (moved.forward(before) - one.forward(before))).sum()
    assert np.isclose((weights.outer(one, before, after) * direction).sum(), change, rtol=1e-9, atol=1e-9)


def test_full_weights_are_matrix_products() -> None:
    rng = np.random.default_rng(0)
    full, before, after = rng.normal(size=(4, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 3))
    np.testing.assert_array_equal(weights.forward(full, before), before @ full)
    np.testing.assert_array_equal(weights.backward(full, after), after @ full.T)
    np.testing.assert_allclose(weights.outer(full, before, after), np.einsum("bi,bj->ij", before, after))
    assert weights.fan_out(full).tolist() == [3] * 4


def test_with_parameters_replaces_the_kernels_of_a_convolution() -> None:
    one = Convolution(np.zeros((2, 2, 1, 1)), (4, 4))
    assert weights.trainable_parameters(Pooling((4, 4, 1))) is None
    moved = weights.with_parameters(one, np.ones((2, 2, 1, 1)))
    assert isinstance(moved, Convolution)
    assert moved.image == one.image
    assert moved.kernels.sum() == 4


@pytest.mark.parametrize(
    ("attempt", "field", "values"),
    [
        (lambda: Convolution(np.zeros((5, 5, 1, 1)), (4, 8)), "convolution", ("5 x 5", "4 x 8")),
        (lambda: Convolution(np.zeros((5, 5)), (8, 8)), "convolution", ((5, 5), "channels")),
        (lambda: Convolution(np.zeros((5, 5, 0, 2)), (8, 8)), "convolution", ((5, 5, 0, 2),)),
        (lambda: Convolution(np.zeros((2, 2, 1, 1)), (4, 0)), "convolution", ((4, 0), "(rows, columns)")),
        (lambda: Pooling((3, 3, 1), 4), "pooling", ("4 x 4", "3 x 3")),
        (lambda: Pooling((3, 3, 1), 0), "pooling", ("0 x 0",)),
        (lambda: Pooling((3, 3, 1), 2, np.inf), "pooling", (np.inf,)),
        (lambda: weights.outer(Pooling((2, 2, 1)), np.ones((1, 4)), np.ones((1, 1))), "outer", ("Pooling",)),
    ],
)
def test_invalid_weights_are_refused(attempt: Callable[[], object], field: str, values: tuple[object, ...]) -> None:
    with raises_input_error(field, *values):
        attempt()


@given(
    pre=st.integers(1, 30),
    post=st.integers(1, 30),
    probability=st.floats(0, 1),
    seed=st.integers(0, 99),
    own=st.booleans(),
)
def test_random_connections_contain_each_pair_at_most_once(
    pre: int, post: int, probability: float, seed: int, own: bool
) -> None:
    synapses = weights.random_connections(pre, post, probability, 2.5, np.random.default_rng(seed), autapses=own)
    source, target = synapses.coords
    assert synapses.shape == (pre, post)
    assert len(set(zip(source.tolist(), target.tolist(), strict=True))) == synapses.nnz
    assert (synapses.data == 2.5).all()
    assert own or (source != target).all()


def test_the_number_of_random_connections_is_binomial() -> None:
    """Mean n p, standard deviation sqrt(n p (1 - p)), in total and for every target (1 in 16,000 beyond 4)."""
    synapses = weights.random_connections(500, 400, 0.1, 1.0, np.random.default_rng(0))
    assert abs(synapses.nnz - 20_000) < 4 * np.sqrt(200_000 * 0.1 * 0.9)
    incoming = np.bincount(synapses.coords[1], minlength=400)
    assert incoming.std() == pytest.approx(np.sqrt(500 * 0.1 * 0.9), rel=0.15)
    assert weights.random_connections(50, 50, 0.0, 1.0, np.random.default_rng(0)).nnz == 0
    assert weights.random_connections(50, 50, 1.0, 1.0, np.random.default_rng(0)).nnz == 2500
    assert weights.random_connections(50, 50, 1.0, 1.0, np.random.default_rng(0), autapses=False).nnz == 2450


def test_random_connections_need_a_probability() -> None:
    with raises_input_error("random_connections", 1.5):
        weights.random_connections(2, 3, 1.5, 1.0, np.random.default_rng(0))
