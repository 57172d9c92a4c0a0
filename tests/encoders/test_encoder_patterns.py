"""Frozen patterns: of what they are a function, and that their trains are Poisson's.

Statistical tests hold exact p-values against `RARE`: with fresh seeds each would fail by chance once in a million runs;
with the seeds written here they never do.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from grey import BATCH, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from snnlab import datasets
from snnlab.data.samples import Samples
from snnlab.encoders import TEST, TRAIN, Patterns
from snnlab.errors import InputError

RARE = 1e-6
SMALL = Patterns(steps=50, dt=1e-3, neurons=4, firing_rate=200.0)


def test_patterns_is_an_encoder() -> None:
    check_encoder(replace(SMALL, neurons=2))
    check_encoder(replace(SMALL, neurons=2, bias=1))


def groups(code: Patterns, values: ArrayLike, **draw: Any) -> NDArray[np.bool_]:
    """Booleans (samples, features, steps, neurons): the pattern of each number."""
    samples = code.prepare(grey(values))
    dense = code.encode(samples, **({"seed": 0} | draw)).dense()
    return dense.reshape(*dense.shape[:2], *samples.shape).transpose(0, 2, 1, 3)


# Of what a pattern is a function --------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1), features=st.integers(1, 4), bias=st.integers(0, 1))
def test_the_same_number_of_the_same_feature_is_the_same_pattern_and_any_other_is_another(
    data: st.DataObject, seed: int, features: int, bias: int
) -> None:
    """In whichever sample. Of 800 draws at one in five, two patterns are the same by chance in 10^-134 of all cases."""
    rows = st.lists(st.integers(0, 255), min_size=features, max_size=features)
    values = data.draw(st.lists(rows, min_size=1, max_size=4))
    found = groups(replace(SMALL, neurons=16, bias=bias), values, seed=seed)
    assert found.shape == (len(values), features + bias, 50, 16)
    seen: dict[tuple[int, int], bytes] = {}
    for row, patterns in zip(values, found, strict=True):
        for feature, value in enumerate([*row, 0][: features + bias]):
            pattern = patterns[feature].tobytes()
            assert seen.setdefault((feature, value), pattern) == pattern
    assert len(set(seen.values())) == len(seen)


@given(epoch=st.integers(0, 2**32 - 1), number=st.integers(0, 2**32 - 1))
def test_patterns_are_frozen(epoch: int, number: int) -> None:
    """Neither epoch nor part nor place in the part changes them; another seed does."""
    one, there = grey([[3, 7]]), grey([[3, 7]], numbers=[number])
    first = SMALL.encode(one, seed=5)
    assert SMALL.encode(there, seed=5, epoch=epoch, stream=TEST) == SMALL.encode(there, seed=5, stream=TRAIN) == first
    assert SMALL.encode(one, seed=6) != first


def test_the_bias_is_one_group_more_that_is_the_same_in_every_sample() -> None:
    found = groups(replace(SMALL, bias=1), [[0, 0], [0, 1], [1, 0], [1, 1]])
    assert found.shape[1] == 3
    assert (found[:, 2] == found[0, 2]).all() and found[0, 2].any()
    assert not (found[:, 0] == found[0, 0]).all() and not (found[:, 1] == found[0, 1]).all()
    assert np.array_equal(found[:, :2], groups(SMALL, [[0, 0], [0, 1], [1, 0], [1, 1]]))


def test_exclusive_or_is_two_patterns_of_each_bit() -> None:
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


def test_neurons_fire_at_the_rate_in_every_step_but_the_first() -> None:
    """25 Hz in steps of 1 ms: one in 40."""
    fires = groups(WIDE, [[0, 1]])[0]
    assert not fires[:, 0].any()
    assert p_value(fires[:, 1:], 0.025) > RARE
    assert p_value(fires[:, 1:], 0.026) < RARE
    each = fires[:, 1:].sum(axis=1).ravel()  # a p-value for each of 800 neurons, and one for each of 1,000 steps
    steps = fires[:, 1:].sum(axis=(0, 2))
    for found, many in ((each, 1000), (steps, 800)):
        binomial = stats.binom(many, 0.025)
        assert np.minimum(binomial.cdf(found), binomial.sf(found - 1)).min() > RARE / len(found)
        assert binomial.sf(found.max() + 40) < RARE / len(found)  # what a neuron with 40 spikes more would have


def joint_p_value(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """That two patterns fire together as often as independent ones do."""
    return p_value(one & other, 0.025**2)


def test_patterns_of_numbers_features_seeds_and_neurons_are_independent() -> None:
    (zero, again), (one, _) = groups(WIDE, [[0, 0], [1, 0]])
    (other, _), _ = groups(WIDE, [[0, 0], [1, 0]], seed=1)
    zero, again, one, other = (pattern[1:] for pattern in (zero, again, one, other))
    for pair in [(zero, again), (zero, one), (zero, other), (zero[:, 1:], zero[:, :-1]), (zero[1:], zero[:-1])]:
        assert joint_p_value(*pair) > RARE
    half = np.where(np.arange(400) % 20 == 0, zero, one)
    assert joint_p_value(zero, half) < RARE  # one neuron in twenty of a pattern seen again


def test_a_rate_of_one_in_a_step_always_fires_and_none_never() -> None:
    assert groups(Patterns(steps=9, dt=1e-3, firing_rate=1000.0), [[3]])[0, 0, 1:].all()
    assert not groups(replace(SMALL, firing_rate=0.0), [[3]]).any()


# What makes no code ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "Patterns.steps: found 0"),
        ({"dt": 0.0}, "Patterns.dt: found 0.0; needs seconds, 1e-9 to 1000"),
        ({"neurons": 0}, "Patterns.neurons: found 0; needs a whole number, 1 to 10000"),
        ({"neurons": 4.0}, "Patterns.neurons: found 4.0"),
        ({"neurons": 10**9}, "Patterns.neurons: found 1000000000"),
        ({"firing_rate": -1.0}, "Patterns.firing_rate: found -1.0; needs spikes per second, 0 to 10000"),
        ({"firing_rate": 10_001.0}, "Patterns.firing_rate: found 10001.0"),
        ({"firing_rate": math.nan}, "Patterns.firing_rate: found nan"),
        ({"bias": 2}, "Patterns.bias: found 2; needs 0 or 1"),
        ({"bias": True}, "Patterns.bias: found True"),
    ],
)
def test_what_makes_no_code_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        Patterns(**options)


def test_what_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(InputError, match="values"):
        SMALL.encode(grey([[7]], peak=6), seed=0)
    with pytest.raises(InputError, match="seed"):
        SMALL.encode(grey([[7]]), seed=-1)
    columns = {
        name: getattr(grey(BATCH), name) for name in ("labels", "numbers", "shape", "classes", "dataset", "split")
    }
    with pytest.raises(InputError, match="encode: samples: .*this one needs images"):
        SMALL.prepare(Samples(**columns))
