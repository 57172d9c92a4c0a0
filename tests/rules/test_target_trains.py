"""Target spike trains: the published ones, and sampled ones with the documented statistics.

Statistical tests compare p-values with `RARE`: with other seeds each would fail by chance once in a million runs.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from snnlab.rules.spike_time.target_trains import PoissonTrains, RegularTrains, SingleSpikes

RARE = 1e-6


def trains(
    targets: RegularTrains | SingleSpikes | PoissonTrains, outputs: int, seed: int = 0
) -> dict[tuple[int, int], NDArray[np.float64]]:
    """Class and neuron -> spike times, without silent neurons."""
    rows = targets.times(outputs, np.random.default_rng(seed))
    assert rows.shape[1:] == (3,) and rows.dtype == np.float64
    pairs = dict.fromkeys((int(label), int(neuron)) for label, neuron, _ in rows)
    return {pair: rows[(rows[:, :2] == pair).all(axis=1), 2] for pair in pairs}


# Regular trains -------------------------------------------------------------------------------------------------------


def test_the_trains_for_mnist_are_the_published_ones() -> None:
    """arXiv:1711.03637: the label's neuron fires every 3.5 ms from 10 ms on, in 100 ms; the others are silent."""
    found = trains(RegularTrains(), 10)
    assert found.keys() == {(k, k) for k in range(10)}
    expected = [10, 13.5, 17, 20.5, 24, 27.5, 31, 34.5, 38, 41.5, 45, 48.5, 52, 55.5, 59, 62.5, 66, 69.5, 73, 76.5, 80,
              83.5, 87, 90.5, 94, 97.5]  # fmt: skip
    for times in found.values():
        assert np.allclose(times * 1e3, expected, rtol=0, atol=1e-9)
    assert RegularTrains().classes(10) == 10


def test_other_options_give_other_trains_than_the_published_ones() -> None:
    assert len(trains(RegularTrains(interval=3.4e-3), 1)[0, 0]) == 27
    assert trains(RegularTrains(first=9e-3), 1)[0, 0][0] == 9e-3


@settings(max_examples=examples(300))
@given(first=st.integers(1, 300_000), interval=st.integers(1000, 50_000), span=st.integers(1, 300_000))
def test_a_regular_train_ends_at_last_to_the_microsecond(first: int, interval: int, span: int) -> None:
    """A spike exactly at the end is included; times are integers of microseconds, so nothing is rounded."""
    expected = range(first, first + span + 1, interval)
    (found,) = trains(RegularTrains(first=first / 1e6, interval=interval / 1e6, last=(first + span) / 1e6), 1).values()
    assert np.rint(found * 1e6).tolist() == list(expected)


@given(outputs=st.integers(1, 40), seed=st.integers(0, 99))
def test_the_seed_changes_only_poisson_trains(outputs: int, seed: int) -> None:
    for targets in (RegularTrains(), SingleSpikes()):
        one, other = (targets.times(outputs, np.random.default_rng(k)) for k in (seed, seed + 1))
        assert np.array_equal(one, other)
    assert not np.array_equal(*(PoissonTrains().times(outputs, np.random.default_rng(k)) for k in (seed, seed + 1)))


# Single spikes ------------------------------------------------------------------------------------------------------


@given(outputs=st.integers(1, 20), time=st.floats(1e-6, 10))
def test_every_neuron_fires_one_spike_for_class_1(outputs: int, time: float) -> None:
    found = trains(SingleSpikes(time), outputs)
    assert {pair: times.tolist() for pair, times in found.items()} == {(1, k): [time] for k in range(outputs)}
    assert SingleSpikes(time).classes(outputs) == 2


# Poisson trains -------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(80))
@given(
    patterns=st.integers(1, 4),
    outputs=st.integers(1, 5),
    rate=st.floats(1, 100),
    part=st.floats(0, 0.95),
    first=st.floats(1e-3, 0.1),
    span=st.floats(0.02, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_train_has_a_spike_and_respects_dead_time_and_window(
    patterns: int, outputs: int, rate: float, part: float, first: float, span: float, seed: int
) -> None:
    targets = PoissonTrains(patterns=patterns, firing_rate=rate, dead_time=part / rate, first=first, last=first + span)
    found = trains(targets, outputs, seed)
    assert found.keys() == {(label, neuron) for label in range(patterns) for neuron in range(outputs)}
    for times in found.values():
        assert first <= times[0] and times[-1] < first + span
        assert (np.diff(times) >= part / rate - 1e-12).all()
    assert targets.classes(outputs) == patterns
    again = trains(targets, outputs, seed)
    assert all(np.array_equal(again[pair], times) for pair, times in found.items())


def intervals_p_value(targets: PoissonTrains, rate: float, dead_time: float, seed: int = 0) -> float:
    """p-value of intervals that are the dead time plus an exponential time, with mean 1/rate."""
    (times,) = trains(targets, 1, seed).values()
    return float(stats.kstest(np.diff(times), stats.expon(dead_time, 1 / rate - dead_time).cdf).pvalue)


LONG = PoissonTrains(firing_rate=10.0, dead_time=10e-3, first=1.0, last=2001.0)


@pytest.mark.parametrize("seed", range(3))
def test_intervals_are_those_of_a_poisson_process_with_dead_time(seed: int) -> None:
    assert intervals_p_value(LONG, 10.0, 10e-3, seed) > RARE


@pytest.mark.parametrize(("rate", "dead_time"), [(10.0, 8e-3), (10.0, 12e-3), (9.0, 10e-3), (11.0, 10e-3)])
def test_the_interval_test_detects_other_dead_times_and_rates(rate: float, dead_time: float) -> None:
    assert intervals_p_value(LONG, rate, dead_time) < RARE


def test_the_dead_time_does_not_change_the_mean_rate() -> None:
    """20,000 spikes in 2,000 s; their number deviates by sqrt(20,000) (1 - dead_time rate); 4.9 deviations are one in a
    million.

    (Cox, Renewal Theory, 1962: its variance is that of the interval over the cube of its mean, for long times.)
    """
    (times,) = trains(LONG, 1).values()
    assert abs(len(times) - 20_000) < 4.9 * math.sqrt(20_000) * 0.9
    (later,) = trains(PoissonTrains(firing_rate=10.0 / 1.1, dead_time=10e-3, first=1.0, last=2001.0), 1).values()
    assert abs(len(later) - 20_000) > 4.9 * math.sqrt(20_000) * 0.9


def first_p_value(targets: PoissonTrains, least: float, scale: float, most: float) -> float:
    firsts = [times[0] for times in trains(targets, 2000).values()]
    return float(stats.kstest(firsts, stats.truncexpon((most - least) / scale, least, scale).cdf).pvalue)


def test_an_empty_train_is_sampled_again() -> None:
    """First spikes within 50 ms follow a truncated exponential; about half of all trains are empty."""
    short = PoissonTrains(firing_rate=10.0, dead_time=10e-3, first=20e-3, last=70e-3)
    assert first_p_value(short, 20e-3, 90e-3, 70e-3) > RARE
    assert first_p_value(short, 20e-3, 40e-3, 70e-3) < RARE  # another rate
    assert first_p_value(short, 15e-3, 90e-3, 70e-3) < RARE  # another start


def counts(targets: PoissonTrains, seed: int) -> NDArray[np.int64]:
    """Spikes of a single train in each bin of 100 ms."""
    return np.histogram(next(iter(trains(targets, 1, seed).values())), np.arange(1, 2001, 0.1))[0]


def test_patterns_neurons_and_seeds_have_independent_trains() -> None:
    found = trains(PoissonTrains(patterns=3), 40)
    assert len({times.tobytes() for times in found.values()}) == 3 * 40
    assert stats.pearsonr(counts(LONG, 0), counts(LONG, 1)).pvalue > RARE
    assert stats.pearsonr(counts(LONG, 0), counts(LONG, 0)).pvalue < RARE


# Invalid options ------------------------------------------------------------------------------------------------------

INF, NAN = math.inf, math.nan


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (RegularTrains, {"first": 0.0}),
        (RegularTrains, {"last": INF}),
        (RegularTrains, {"last": NAN}),
        (RegularTrains, {"last": 0.01, "first": 0.1}),
        (RegularTrains, {"interval": 0.0}),
        (RegularTrains, {"interval": NAN}),
        (RegularTrains, {"interval": 1e-12}),
        (SingleSpikes, {"time": 0.0}),
        (SingleSpikes, {"time": INF}),
        (PoissonTrains, {"patterns": 0}),
        (PoissonTrains, {"patterns": 1.5}),
        (PoissonTrains, {"patterns": True}),
        (PoissonTrains, {"firing_rate": 0.0}),
        (PoissonTrains, {"firing_rate": 1e9, "dead_time": 0.0}),
        (PoissonTrains, {"firing_rate": NAN}),
        (PoissonTrains, {"firing_rate": 10.0, "last": 0.02 + 1e-9}),
        (PoissonTrains, {"dead_time": -1e-3}),
        (PoissonTrains, {"dead_time": 0.1}),
        (PoissonTrains, {"dead_time": NAN}),
        (PoissonTrains, {"first": 0.0}),
        (PoissonTrains, {"last": 0.02}),
    ],
)  # fmt: skip
def test_invalid_options_are_refused_by_field(kind: Any, options: dict[str, Any]) -> None:
    """The first of the options is the one that the error names."""
    name, value = next(iter(options.items()))
    with raises_input_error(f"{kind.__name__}.{name}", value):
        kind(**options)
