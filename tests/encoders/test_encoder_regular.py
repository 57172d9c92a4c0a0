"""Evenly spaced spikes: their intervals, their phases, and of what these are a function.

The tests of phases hold exact p-values against `RARE`: with fresh seeds each would fail by chance once in a million
runs; with the seeds written here they never do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from grey import BATCH, NUMBERS, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from snnlab.encoders import TEST, TRAIN, Poisson, Regular
from snnlab.errors import InputError

RARE = 1e-6
SAME = Regular(phase="same")


def test_regular_is_an_encoder() -> None:
    check_encoder(Regular(steps=60))
    check_encoder(Regular(steps=60, phase="same", resample_each_epoch=False))


# Intervals -----------------------------------------------------------------------------------------------------------


def steps_of(code: Regular, values: list[int], peak: int = 255, **draw: Any) -> list[list[int]]:
    """In which steps each of these pixels fires."""
    dense = code.encode(grey([values], peak), **({"seed": 0} | draw)).dense()[0]
    return [np.flatnonzero(dense[:, pixel]).tolist() for pixel in range(len(values))]


@settings(max_examples=150)
@given(
    steps=st.integers(1, 300),
    max_rate=st.floats(0, 1),
    peak=st.integers(1, 255),
    data=st.data(),
)
def test_without_a_phase_spike_k_is_in_the_first_step_by_which_k_intervals_are_over(
    steps: int, max_rate: float, peak: int, data: st.DataObject
) -> None:
    """ceil(k / rate) with the exact rational rate of 2^-32 resolution: the definition, in fractions and slowly."""
    values = data.draw(st.lists(st.integers(0, peak), min_size=1, max_size=5))
    code = Regular(steps=steps, max_rate=max_rate, phase="same")
    for value, found in zip(values, steps_of(code, values, peak), strict=True):
        rate = Fraction(round(Fraction(max_rate) * value / peak * 2**32), 2**32)
        expected = [math.ceil(k / rate) for k in range(1, steps + 1)] if rate else []
        assert found == [step for step in expected if step < steps]


@pytest.mark.parametrize("every", [1, 2, 5, 8])
def test_a_rate_of_one_in_n_fires_in_every_nth_step(every: int) -> None:
    code = replace(SAME, max_rate=1 / every)
    (found,) = steps_of(code, [255])
    # a third or a fifth is no multiple of 2^-32: what is lost may move a spike by one step
    assert np.abs(np.array(found) - np.arange(every, 400, every)[: len(found)]).max() <= (every & (every - 1) != 0)


@settings(max_examples=60)
@given(max_rate=st.floats(0.01, 1), seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 2**32 - 1))
def test_intervals_differ_by_one_step_at_most_and_are_as_long_as_the_rate_says(
    max_rate: float, seed: int, epoch: int
) -> None:
    code = Regular(steps=500, max_rate=max_rate)
    values = [255, 200, 128, 31]
    for value, found in zip(values, steps_of(code, values, seed=seed, epoch=epoch), strict=True):
        interval = 255 / (value * max_rate)
        gaps = np.diff(found)
        assert (np.abs(gaps - interval) < 1 + 1e-6).all() and len(set(gaps.tolist())) <= 2
        assert abs(len(found) - 499 / interval) <= 1 + 1e-6
        if found:
            assert 1 <= found[0] <= math.ceil(interval + 1e-6)
            assert abs((found[-1] - found[0]) - (len(found) - 1) * interval) <= 1 + 1e-6


def test_poisson_fails_the_test_of_intervals() -> None:
    """Negative control: the gaps of random spikes of the same rate are of more than two lengths."""
    dense = Poisson(max_rate=0.2).encode(grey([[255]]), seed=0).dense()[0, :, 0]
    assert len(set(np.diff(np.flatnonzero(dense)).tolist())) > 5


def test_black_pixels_are_silent_and_so_is_the_first_step() -> None:
    dense = Regular(max_rate=1.0).encode(grey([[0, 255]]), seed=1).dense()[0]
    assert not dense[:, 0].any() and not dense[0].any()
    assert dense[1:, 1].all()


# Phases --------------------------------------------------------------------------------------------------------------


def first_steps(seed: int = 0, numbers: slice = slice(0, 300), **more: Any) -> NDArray[np.int64]:
    """The first spike of 300 samples of 40 pixels, each of which fires once in 64 steps: uniform over 1..64."""
    code = Regular(steps=65, max_rate=1 / 64, **more.pop("code", {}))
    places = np.arange(numbers.start, numbers.stop)
    dense = code.encode(grey(np.full((len(places), 40), 255), numbers=places), seed=seed, **more).dense()
    assert (dense.sum(axis=1) == 1).all()
    return dense.argmax(axis=1)


def uniform_p_value(steps: NDArray[np.int64]) -> float:
    return float(stats.chisquare(np.bincount(steps.ravel(), minlength=65)[1:]).pvalue)


@pytest.mark.parametrize("seed", range(3))
def test_phases_are_uniform(seed: int) -> None:
    assert uniform_p_value(first_steps(seed)) > RARE


def test_the_test_of_uniform_phases_sees_one_in_a_hundred_that_is_not() -> None:
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


def joint_p_value(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    """Exact test that two sets of phases agree as often as independent ones: in one of 64."""
    return float(stats.binomtest(int((one == other).sum()), one.size, 1 / 64).pvalue)


@pytest.mark.parametrize("pair", PAIRS)
def test_phases_are_independent_across(pair: str) -> None:
    one, other = PAIRS[pair]
    assert joint_p_value(first_steps(**one), first_steps(**other)) > RARE


def test_phases_of_neighbouring_pixels_are_independent() -> None:
    steps = first_steps()
    assert joint_p_value(steps[:, 1:], steps[:, :-1]) > RARE


def test_the_test_of_independence_sees_phases_that_are_kept() -> None:
    kept = {"code": {"resample_each_epoch": False}}
    assert joint_p_value(first_steps(epoch=0, **kept), first_steps(epoch=1, **kept)) < RARE


def test_phases_that_are_kept_are_those_of_epoch_zero() -> None:
    samples = grey(BATCH, numbers=NUMBERS)
    first = Regular().encode(samples, seed=1)
    kept = Regular(resample_each_epoch=False)
    assert all(kept.encode(samples, seed=1, epoch=epoch) == first for epoch in (0, 1, 17))


def test_a_phase_is_the_upper_half_of_the_word_that_philox_gives() -> None:
    """The docstring, a second time, from NumPy's generator of blocks; the step by fractions."""
    code = Regular(steps=400, max_rate=0.1)
    for pixel, found in enumerate(steps_of(code, [255] * 9, seed=5, epoch=6, stream=1)):
        words = np.random.Philox(key=[5, 0x726567], counter=[0, 1, 0, 6]).random_raw(9)
        phase, rate = Fraction(int(words[pixel]) >> 32, 2**32), Fraction(round(Fraction(0.1) * 2**32), 2**32)
        expected = [math.ceil((k - phase) / rate) for k in range(1, 50)]
        assert found == [step for step in expected if step < 400]


# Refusals -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "Regular.steps: found 0; needs a whole number, 1 to 2147483647"),
        ({"steps": 1 << 31}, "Regular.steps: found 2147483648; needs a whole number, 1 to 2147483647"),
        ({"steps": 2.0}, "Regular.steps: found 2.0"),
        ({"dt": 0.0}, "Regular.dt: found 0.0; needs seconds, 1e-9 to 1000"),
        ({"dt": math.nan}, "Regular.dt: found nan"),
        ({"max_rate": 1.1}, "Regular.max_rate: found 1.1; needs spikes per step, 0 to 1"),
        ({"phase": "any"}, "Regular.phase: found 'any'; known: random, same"),
    ],
)
def test_what_makes_no_code_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Regular(**options)


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(InputError, match="values"):
        Regular().encode(grey([[7]], peak=6), seed=0)
    with pytest.raises(InputError, match="seed"):
        Regular().encode(grey([[7]]), seed=-1)
