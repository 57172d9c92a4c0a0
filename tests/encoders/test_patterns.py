"""Frozen patterns: what they depend on, and that their spike trains are Poisson trains.

Statistical tests compare exact p-values with `RARE`: with random seeds, each would fail by chance once in a million
runs; with these fixed seeds they never do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from grey import BATCH, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from snnlab import datasets
from snnlab.data.samples import Samples
from snnlab.encoders import TEST, TRAIN, Patterns

RARE = 1e-6
SMALL = Patterns(steps=50, dt=1e-3, neurons=4, firing_rate=200.0)


def test_patterns_is_an_encoder() -> None:
    check_encoder(replace(SMALL, neurons=2))
    check_encoder(replace(SMALL, neurons=2, bias=1))


def groups(code: Patterns, values: ArrayLike, **random: Any) -> NDArray[np.bool_]:
    """The pattern of each value: bool (samples, features, steps, neurons)."""
    samples = code.prepare(grey(values))
    dense = code.encode(samples, **({"seed": 0} | random)).dense()
    return dense.reshape(*dense.shape[:2], *samples.shape).transpose(0, 2, 1, 3)


# What a pattern depends on --------------------------------------------------------------------------------------------


@settings(max_examples=examples(60))
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), features=st.integers(1, 4), bias=st.integers(0, 1))
def test_patterns_are_equal_only_for_the_same_feature_and_value(
    data: st.DataObject, seed: int, features: int, bias: int
) -> None:
    """Two independent patterns of 800 draws with probability 1/5 agree with probability 10^-134."""
    rows = st.lists(st.integers(0, 255), min_size=features, max_size=features)
    values = data.draw(st.lists(rows, min_size=1, max_size=4))
    patterns_by_row = groups(replace(SMALL, neurons=16, bias=bias), values, seed=seed)
    assert patterns_by_row.shape == (len(values), features + bias, 50, 16)
    seen: dict[tuple[int, int], bytes] = {}
    for row, patterns in zip(values, patterns_by_row, strict=True):
        for feature, value in enumerate([*row, 0][: features + bias]):
            pattern = patterns[feature].tobytes()
            assert seen.setdefault((feature, value), pattern) == pattern
    assert len(set(seen.values())) == len(seen)


@given(epoch=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_patterns_do_not_depend_on_epoch_stream_or_number(epoch: int, number: int) -> None:
    """But on the seed."""
    first, moved = grey([[3, 7]]), grey([[3, 7]], numbers=[number])
    spikes = SMALL.encode(first, seed=5)
    assert SMALL.encode(moved, seed=5, epoch=epoch, stream=TEST) == SMALL.encode(moved, seed=5, stream=TRAIN) == spikes
    assert SMALL.encode(first, seed=6) != spikes


def test_the_bias_is_one_more_group_that_is_the_same_in_every_sample() -> None:
    patterns = groups(replace(SMALL, bias=1), [[0, 0], [0, 1], [1, 0], [1, 1]])
    assert patterns.shape[1] == 3
    assert (patterns[:, 2] == patterns[0, 2]).all() and patterns[0, 2].any()
    assert not (patterns[:, 0] == patterns[0, 0]).all() and not (patterns[:, 1] == patterns[0, 1]).all()
    assert np.array_equal(patterns[:, :2], groups(SMALL, [[0, 0], [0, 1], [1, 0], [1, 1]]))


def test_xor_has_two_patterns_of_each_bit() -> None:
    """Samples 0 and 1 share the first bit, 0 and 2 the second, 0 and 3 none."""
    samples = datasets.load("xor", "train")
    code = Patterns(steps=1000, neurons=30, firing_rate=40.0)
    assert code.prepare(samples).shape == (2, 30)
    dense = code.encode(samples, seed=0).dense()
    first, second = dense[..., :30], dense[..., 30:]
    same = [[np.array_equal(bit[0], bit[k]) for k in (1, 2, 3)] for bit in (first, second)]
    assert same == [[True, False, False], [False, True, False]]


# Poisson trains -------------------------------------------------------------------------------------------------------

WIDE = Patterns(steps=1001, dt=1e-3, neurons=400, firing_rate=25.0)


def p_value(fires: NDArray[np.bool_], chance: float) -> float:
    return float(stats.binomtest(int(fires.sum()), fires.size, chance).pvalue)


def test_neurons_fire_at_their_rate_in_every_step_but_the_first() -> None:
    """25 Hz in steps of 1 ms: one in 40."""
    fires = groups(WIDE, [[0, 1]])[0]
    assert not fires[:, 0].any()
    assert p_value(fires[:, 1:], 0.025) > RARE
    assert p_value(fires[:, 1:], 0.026) < RARE
    each = fires[:, 1:].sum(axis=1).ravel()  # a p-value for each of 800 neurons, and one for each of 1,000 steps
    steps = fires[:, 1:].sum(axis=(0, 2))
    for counts, draws in ((each, 1000), (steps, 800)):
        binomial = stats.binom(draws, 0.025)
        assert np.minimum(binomial.cdf(counts), binomial.sf(counts - 1)).min() > RARE / len(counts)
        assert binomial.sf(counts.max() + 40) < RARE / len(counts)  # negative control: 40 more spikes


def joint_p_value(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Test that two patterns fire together as often as independent ones."""
    return p_value(one & other, 0.025**2)


def test_patterns_of_values_features_seeds_and_neurons_are_independent() -> None:
    (zero, again), (one, _) = groups(WIDE, [[0, 0], [1, 0]])
    (other, _), _ = groups(WIDE, [[0, 0], [1, 0]], seed=1)
    zero, again, one, other = (pattern[1:] for pattern in (zero, again, one, other))
    for pair in [(zero, again), (zero, one), (zero, other), (zero[:, 1:], zero[:, :-1]), (zero[1:], zero[:-1])]:
        assert joint_p_value(*pair) > RARE
    half = np.where(np.arange(400) % 20 == 0, zero, one)
    assert joint_p_value(zero, half) < RARE  # negative control: one neuron in twenty is shared


def test_neurons_always_fire_at_one_spike_per_step_and_never_at_rate_zero() -> None:
    assert groups(Patterns(steps=9, dt=1e-3, firing_rate=1000.0), [[3]])[0, 0, 1:].all()
    assert not groups(replace(SMALL, firing_rate=0.0), [[3]]).any()


# Errors -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0), ("dt", 0.0), ("neurons", 0), ("neurons", 4.0), ("neurons", 10**9), ("firing_rate", -1.0),
        ("firing_rate", 10_001.0), ("firing_rate", math.nan), ("bias", 2), ("bias", True),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Patterns.{field}", f"got {value}"):
        Patterns(**{field: value})


def test_invalid_samples_and_seeds_raise_an_error() -> None:
    with raises_input_error("encode: values", 7, 6):
        SMALL.encode(grey([[7]], peak=6), seed=0)
    with raises_input_error("encode: seed", -1):
        SMALL.encode(grey([[7]]), seed=-1)
    columns = {
        name: getattr(grey(BATCH), name) for name in ("labels", "numbers", "shape", "classes", "dataset", "split")
    }
    with raises_input_error("encode: samples", "images"):
        SMALL.prepare(Samples(**columns))
