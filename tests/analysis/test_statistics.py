"""Spike-train statistics against point processes with known values, and against their definitions."""

from __future__ import annotations

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st

from snnlab.analysis.statistics import binned_rate, intervals, irregularity
from snnlab.data.spikes import SpikeTrains

dense = arrays.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 12), st.integers(1, 4)))


def trains(interval_steps: np.ndarray) -> SpikeTrains:
    """One neuron per row, which spikes after each of its intervals."""
    times = np.cumsum(interval_steps, axis=1)
    neuron = np.broadcast_to(np.arange(len(times))[:, None], times.shape)
    return SpikeTrains.from_events(
        np.zeros_like(times), times, neuron, samples=1, steps=int(times.max()) + 1, size=len(times), dt=1e-4
    )


def test_a_regular_train_has_a_variation_of_0() -> None:
    assert irregularity(trains(np.full((3, 50), 17))).tolist() == [0.0, 0.0, 0.0]


def test_a_jittered_train_has_a_small_variation() -> None:
    jittered = 100 + np.random.default_rng(0).integers(-5, 6, (1, 50))
    assert 0.01 < irregularity(trains(jittered))[0] < 0.05


def test_the_variation_of_two_intervals_computed_by_hand() -> None:
    # intervals 10 and 30: mean 20, standard deviation 10
    assert irregularity(trains(np.array([[5, 10, 30]])))[0] == pytest.approx(0.5, abs=1e-15)


@pytest.mark.parametrize("probability", [0.002, 0.05, 0.5])
def test_the_variation_of_a_poisson_train_is_that_of_geometric_intervals(probability: float) -> None:
    """Intervals of a Bernoulli process are geometric, CV = sqrt(1 - p), which tends to 1 for the Poisson process."""
    lengths = np.random.default_rng(1).geometric(probability, (20, 5000))
    assert irregularity(trains(lengths)).mean() == pytest.approx(np.sqrt(1 - probability), rel=0.01)


@pytest.mark.parametrize("order", [2, 4, 9])
def test_the_variation_of_a_gamma_process_is_the_inverse_root_of_its_order(order: int) -> None:
    lengths = np.random.default_rng(2).gamma(order, 1000 / order, (20, 5000)).round().astype(int)
    assert irregularity(trains(lengths)).mean() == pytest.approx(1 / np.sqrt(order), rel=0.01)


def test_dead_time_reduces_the_variation_of_a_poisson_train() -> None:
    """With dead time d and mean interval m the variation is 1 - d/m."""
    lengths = 500 + np.random.default_rng(3).exponential(500, (20, 5000)).round().astype(int)
    assert irregularity(trains(lengths)).mean() == pytest.approx(0.5, rel=0.01)


def test_the_variation_of_fewer_than_three_spikes_is_nan() -> None:
    raster = np.zeros((1, 10, 4), dtype=bool)
    raster[0, [1], 1] = raster[0, [1, 5], 2] = raster[0, [1, 5, 6], 3] = True
    assert np.isnan(irregularity(SpikeTrains.from_dense(raster, 1e-3))).tolist() == [True, True, True, False]


@given(dense)
def test_irregularity_is_standard_deviation_over_mean(raster: np.ndarray) -> None:
    spikes = SpikeTrains.from_dense(raster, 1e-3)
    found = irregularity(spikes)
    assert found.shape == (spikes.size,)
    for neuron in range(spikes.size):
        gaps = np.concatenate([np.diff(np.flatnonzero(one)) for one in raster[:, :, neuron]])
        expected = np.std(gaps) / np.mean(gaps) if len(gaps) >= 2 else np.nan
        np.testing.assert_allclose(found[neuron], expected, atol=1e-12)


@given(dense)
def test_intervals_do_not_extend_from_one_sample_to_the_next(raster: np.ndarray) -> None:
    seconds, neuron = intervals(SpikeTrains.from_dense(raster, 2e-3))
    expected = [
        (number, gap * 2e-3)
        for number in range(raster.shape[2])
        for one in raster[:, :, number]
        for gap in np.diff(np.flatnonzero(one))
    ]
    assert neuron.tolist() == [number for number, _ in expected]
    np.testing.assert_allclose(seconds, [gap for _, gap in expected], rtol=1e-12)


@given(dense, st.integers(1, 15))
def test_binned_rate_is_spikes_per_neuron_and_second(raster: np.ndarray, width: int) -> None:
    samples, steps, size = raster.shape
    rate, edges = binned_rate(SpikeTrains.from_dense(raster, 1e-3), bin=width * 1e-3, sample=samples - 1)
    starts = range(0, steps, width)
    assert len(rate) == len(starts) == len(edges) - 1
    for found, start in zip(rate, starts, strict=True):
        inside = raster[-1, start : start + width]
        assert found == pytest.approx(inside.sum() / size / (len(inside) * 1e-3))
    np.testing.assert_allclose(edges, [*(start * 1e-3 for start in starts), steps * 1e-3])


@pytest.mark.parametrize("width", [0.0, -1e-3, 1.5e-3, 1e-4])
def test_a_bin_must_be_a_multiple_of_the_time_step(width: float) -> None:
    with raises_input_error("binned_rate", f"{width:g} s", "0.001 s"):
        binned_rate(SpikeTrains.from_dense(np.zeros((1, 10, 1)), 1e-3), bin=width)


@pytest.mark.parametrize("sample", [-1, 2])
def test_an_unknown_sample_is_refused(sample: int) -> None:
    with raises_input_error("sample", sample):
        binned_rate(SpikeTrains.from_dense(np.zeros((2, 10, 1)), 1e-3), bin=1e-3, sample=sample)
