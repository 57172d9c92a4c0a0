"""Evenly spaced spikes: their intervals and phases.

Statistical tests compare exact p-values with `RARE`: with random seeds, each would fail by chance once in a million
runs; with these fixed seeds they never do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from grey import BATCH, NUMBERS, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from snnlab.encoders import TEST, TRAIN, Poisson, Regular

RARE = 1e-6
SAME = Regular(phase="same")


def test_regular_is_an_encoder() -> None:
    check_encoder(Regular(steps=60))
    check_encoder(Regular(steps=60, phase="same", resample_each_epoch=False))


# Intervals -----------------------------------------------------------------------------------------------------------


def steps_of(code: Regular, values: list[int], peak: int = 255, **random: Any) -> list[list[int]]:
    """The steps in which each pixel fires."""
    dense = code.encode(grey([values], peak), **({"seed": 0} | random)).dense()[0]
    return [np.flatnonzero(dense[:, pixel]).tolist() for pixel in range(len(values))]


@settings(max_examples=examples(150))
@given(
    steps=st.integers(1, 300),
    max_rate=st.floats(0, 1),
    peak=st.integers(1, 255),
    data=st.data(),
)
def test_without_a_phase_spike_k_is_in_the_first_step_after_k_intervals(
    steps: int, max_rate: float, peak: int, data: st.DataObject
) -> None:
    """A slow reference: ceil(k / rate) with the rate as an exact multiple of 2^-32."""
    values = data.draw(st.lists(st.integers(0, peak), min_size=1, max_size=5))
    code = Regular(steps=steps, max_rate=max_rate, phase="same")
    for value, spike_steps in zip(values, steps_of(code, values, peak), strict=True):
        rate = Fraction(round(Fraction(max_rate) * value / peak * 2**32), 2**32)
        expected = [math.ceil(k / rate) for k in range(1, steps + 1)] if rate else []
        assert spike_steps == [step for step in expected if step < steps]


@pytest.mark.parametrize("interval", [1, 2, 5, 8])
def test_a_pixel_of_rate_one_in_n_fires_in_every_nth_step(interval: int) -> None:
    code = replace(SAME, max_rate=1 / interval)
    (spike_steps,) = steps_of(code, [255])
    # rounding of the rate to a multiple of 2^-32 may move a spike by one step
    difference = np.abs(np.array(spike_steps) - np.arange(interval, 400, interval)[: len(spike_steps)])
    assert difference.max() <= (interval & (interval - 1) != 0)


@settings(max_examples=examples(60))
@given(max_rate=st.floats(0.01, 1), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 2**32 - 1))
def test_intervals_differ_by_at_most_one_step_and_have_the_mean_of_the_rate(
    max_rate: float, seed: int, epoch: int
) -> None:
    code = Regular(steps=500, max_rate=max_rate)
    values = [255, 200, 128, 31]
    for value, spike_steps in zip(values, steps_of(code, values, seed=seed, epoch=epoch), strict=True):
        interval = 255 / (value * max_rate)
        gaps = np.diff(spike_steps)
        assert (np.abs(gaps - interval) < 1 + 1e-6).all() and len(set(gaps.tolist())) <= 2
        assert abs(len(spike_steps) - 499 / interval) <= 1 + 1e-6
        if spike_steps:
            assert 1 <= spike_steps[0] <= math.ceil(interval + 1e-6)
            assert abs((spike_steps[-1] - spike_steps[0]) - (len(spike_steps) - 1) * interval) <= 1 + 1e-6


def test_poisson_spikes_have_more_than_two_intervals() -> None:
    """Negative control."""
    dense = Poisson(max_rate=0.2).encode(grey([[255]]), seed=0).dense()[0, :, 0]
    assert len(set(np.diff(np.flatnonzero(dense)).tolist())) > 5


def test_black_pixels_and_the_first_step_are_silent() -> None:
    dense = Regular(max_rate=1.0).encode(grey([[0, 255]]), seed=1).dense()[0]
    assert not dense[:, 0].any() and not dense[0].any()
    assert dense[1:, 1].all()


# Phases --------------------------------------------------------------------------------------------------------------


def first_steps(seed: int = 0, numbers: slice = slice(0, 300), **more: Any) -> NDArray[np.int64]:
    """The first spike of 300 samples of 40 pixels that fire once in 64 steps: uniform over 1..64."""
    code = Regular(steps=65, max_rate=1 / 64, **more.pop("code", {}))
    positions = np.arange(numbers.start, numbers.stop)
    dense = code.encode(grey(np.full((len(positions), 40), 255), numbers=positions), seed=seed, **more).dense()
    assert (dense.sum(axis=1) == 1).all()
    return dense.argmax(axis=1)


def uniform_p_value(steps: NDArray[np.int64]) -> float:
    return float(stats.chisquare(np.bincount(steps.ravel(), minlength=65)[1:]).pvalue)


@pytest.mark.parametrize("seed", range(3))
def test_phases_are_uniform(seed: int) -> None:
    assert uniform_p_value(first_steps(seed)) > RARE


def test_the_test_of_uniform_phases_detects_one_per_cent_of_equal_phases() -> None:
    steps = first_steps(0)
    steps.ravel()[::100] = 1
    assert uniform_p_value(steps) < RARE


PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "samples": ({"numbers": slice(0, 300)}, {"numbers": slice(1, 301)}),
    "epochs": ({"epoch": 0}, {"epoch": 1}),
    "seeds": ({"seed": 0}, {"seed": 1}),
    "streams": ({"stream": TRAIN}, {"stream": TEST}),
    "stream and epoch exchanged": ({"stream": 0, "epoch": 1}, {"stream": 1, "epoch": 0}),
}


def joint_p_value(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """Exact test that two sets of phases agree with probability 1/64, as independent ones do."""
    return float(stats.binomtest(int((first == second).sum()), first.size, 1 / 64).pvalue)


@pytest.mark.parametrize("pair", PAIRS)
def test_phases_are_independent_across(pair: str) -> None:
    first, second = PAIRS[pair]
    assert joint_p_value(first_steps(**first), first_steps(**second)) > RARE


def test_phases_of_neighbouring_pixels_are_independent() -> None:
    steps = first_steps()
    assert joint_p_value(steps[:, 1:], steps[:, :-1]) > RARE


def test_the_test_of_independence_detects_phases_that_are_not_resampled() -> None:
    options = {"code": {"resample_each_epoch": False}}
    assert joint_p_value(first_steps(epoch=0, **options), first_steps(epoch=1, **options)) < RARE


def test_without_resampling_the_phases_are_those_of_epoch_zero() -> None:
    samples = grey(BATCH, numbers=NUMBERS)
    first = Regular().encode(samples, seed=1)
    fixed = Regular(resample_each_epoch=False)
    assert all(fixed.encode(samples, seed=1, epoch=epoch) == first for epoch in (0, 1, 17))


def test_a_phase_is_the_upper_half_of_a_philox_word() -> None:
    """A second implementation of the docstring, with NumPy's blocks and exact fractions."""
    code = Regular(steps=400, max_rate=0.1)
    for pixel, spike_steps in enumerate(steps_of(code, [255] * 9, seed=5, epoch=6, stream=1)):
        words = np.random.Philox(key=[5, 0x726567], counter=[0, 1, 0, 6]).random_raw(9)
        phase, rate = Fraction(int(words[pixel]) >> 32, 2**32), Fraction(round(Fraction(0.1) * 2**32), 2**32)
        expected = [math.ceil((k - phase) / rate) for k in range(1, 50)]
        assert spike_steps == [step for step in expected if step < 400]


# Errors --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("steps", 1 << 31), ("steps", 2.0), ("dt", 0.0), ("dt", math.nan), ("max_rate", 1.1),
        ("phase", "any"),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Regular.{field}", f"got {value!r}"):
        Regular(**{field: value})


def test_invalid_values_and_seeds_raise_an_error() -> None:
    with raises_input_error("encode: values", 7, 6):
        Regular().encode(grey([[7]], peak=6), seed=0)
    with raises_input_error("encode: seed", -1):
        Regular().encode(grey([[7]]), seed=-1)
