"""Spike-train distances against values computed by hand, their definitions, their limits and another library."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import linear_sum_assignment

from snnlab.analysis.distances import correlation, matched, van_rossum, victor_purpura
from snnlab.data.spikes import SpikeTrains

# on a grid, so that spikes of two trains and of one train coincide; and anywhere
on_grid = st.lists(st.integers(-5, 40).map(lambda step: step * 1e-3), max_size=8)
anywhere = st.lists(st.floats(-0.1, 1.0), max_size=8)
trains = on_grid | anywhere
taus = st.floats(1e-4, 1.0)
costs = st.floats(0.1, 1e4)

EMPTY: list[float] = []
MEASURES: dict[str, Callable] = {
    "correlation": correlation,
    "van_rossum": van_rossum,
    "victor_purpura": lambda *trains: victor_purpura(*trains, cost=200.0),
    "matched": lambda *trains: matched(*trains, tolerance=1e-3),
}
every_measure = pytest.mark.parametrize("measure", MEASURES.values(), ids=MEASURES)


def overlap(first: list[float], second: list[float], tau: float) -> float:
    """<f, g> / (tau / 2) by its definition: every pair of spikes."""
    return sum(np.exp(-abs(t - u) / tau) for t in first for u in second)


def not_coincident(first: list[float], second: list[float]) -> int:
    """Number of spikes of either train without a coincident spike in the other."""
    a, b = Counter(first), Counter(second)
    return (a - b).total() + (b - a).total()


def assigned(first: list[float], second: list[float], cost: float) -> float:
    """Victor and Purpura's distance as an assignment: each spike to one of the other train, or to none."""
    n, m = len(first), len(second)
    costs = np.zeros((n + m, n + m))
    costs[:n, m:] = costs[n:, :m] = 1
    costs[:n, :m] = cost * abs(np.subtract.outer(first, second))
    return costs[linear_sum_assignment(costs)].sum()


# Correlation --------------------------------------------------------------------------------------------------------


def test_the_correlation_of_single_spikes_decays_exponentially_with_their_distance() -> None:
    assert correlation([0.1], [0.105]) == pytest.approx(np.exp(-1), rel=1e-12)  # 5 ms by default
    assert correlation([0.1], [0.105], tau=1e-3) == pytest.approx(np.exp(-5), rel=1e-12)
    assert correlation([-0.003], [0.001], tau=2e-3) == pytest.approx(np.exp(-2), rel=1e-12)


def test_the_correlation_of_one_and_two_spikes_computed_by_hand() -> None:
    # at a distance of tau ln 2 the traces overlap by 1/2: <f, g> = 3/2, <f, f> = 3, <g, g> = 1, times tau/2
    both = [0.2, 0.2 + 4e-3 * np.log(2)]
    assert correlation(both, both[:1], tau=4e-3) == pytest.approx(np.sqrt(3) / 2, rel=1e-12)


def test_repeated_spikes_do_not_change_the_correlation() -> None:
    train = [0.01, 0.013, 0.2]
    assert correlation(train, train * 2) == pytest.approx(1, abs=1e-15)


def test_the_correlation_is_1_for_two_empty_trains_and_0_for_one() -> None:
    assert correlation(EMPTY, EMPTY) == 1
    assert correlation(EMPTY, [0.1]) == correlation([0.1], EMPTY) == 0


@given(trains, trains, taus)
def test_correlation_is_the_sum_over_pairs_of_spikes(first: list[float], second: list[float], tau: float) -> None:
    assume(first and second)
    norms = np.sqrt(overlap(first, first, tau) * overlap(second, second, tau))
    found = correlation(first, second, tau=tau)
    assert found == pytest.approx(overlap(first, second, tau) / norms, rel=1e-9, abs=1e-12)
    assert 0 <= found <= 1


@given(trains, taus)
def test_a_train_has_a_correlation_of_exactly_one_with_itself(train: list[float], tau: float) -> None:
    assert correlation(train, train, tau=tau) == 1


# Van Rossum ---------------------------------------------------------------------------------------------------------


@given(trains, st.floats(-0.1, 1.0), taus)
def test_an_additional_spike_is_at_a_distance_of_the_root_of_a_half(
    train: list[float], spike: float, tau: float
) -> None:
    assert van_rossum(train, [*train, spike], tau=tau) == pytest.approx(np.sqrt(1 / 2), rel=1e-9)


def test_the_van_rossum_distance_of_single_spikes_computed_by_hand() -> None:
    # D^2 = 1 - exp(-distance / tau), van Rossum 2001
    assert van_rossum([0.1], [0.105]) == pytest.approx(np.sqrt(1 - np.exp(-1)), rel=1e-12)
    assert van_rossum([0.0], [1e-12]) == pytest.approx(np.sqrt(1e-12 / 5e-3), rel=1e-9, abs=0)


def test_the_van_rossum_distance_of_two_spikes_and_none_computed_by_hand() -> None:
    # D^2 = (2 + 2 exp(-distance / tau)) / 2
    assert van_rossum([0.3, 0.3 + 1e-2 * np.log(4)], EMPTY, tau=1e-2) == pytest.approx(np.sqrt(5) / 2, rel=1e-12)


def test_integrals_over_filtered_trains_give_distance_and_correlation() -> None:
    rng, tau, dt = np.random.default_rng(3), 5e-3, 1e-6
    first, second = rng.uniform(0, 0.08, 6), rng.uniform(0, 0.08, 9)
    time = np.arange(0, 0.08 + 12 * tau, dt) + dt / 2
    late = [np.subtract.outer(time, train) for train in (first, second)]
    f, g = (np.where(one > 0, np.exp(-np.maximum(one, 0) / tau), 0).sum(axis=1) for one in late)
    assert van_rossum(first, second, tau=tau) == pytest.approx(np.sqrt(((f - g) ** 2).sum() * dt / tau), rel=1e-3)
    assert correlation(first, second, tau=tau) == pytest.approx((f @ g) / np.sqrt((f @ f) * (g @ g)), rel=1e-3)
    # control: another time constant differs
    assert van_rossum(first, second, tau=tau / 2) != pytest.approx(np.sqrt(((f - g) ** 2).sum() * dt / tau), rel=1e-2)


@given(trains, trains, taus)
def test_van_rossum_is_the_sum_over_pairs_of_spikes(first: list[float], second: list[float], tau: float) -> None:
    square = overlap(first, first, tau) + overlap(second, second, tau) - 2 * overlap(first, second, tau)
    assert van_rossum(first, second, tau=tau) ** 2 == pytest.approx(square / 2, rel=1e-9, abs=1e-12)


@given(on_grid, on_grid)
def test_the_limit_of_a_short_time_constant_counts_spikes_that_do_not_coincide(
    first: list[float], second: list[float]
) -> None:
    assume(len(set(first)) == len(first) and len(set(second)) == len(second))
    number = not_coincident(first, second)
    assert van_rossum(first, second, tau=1e-6) ** 2 == pytest.approx(number / 2, rel=1e-9)


@given(on_grid, on_grid)
def test_the_limit_of_a_long_time_constant_is_the_difference_of_the_counts(
    first: list[float], second: list[float]
) -> None:
    difference = len(first) - len(second)
    assert van_rossum(first, second, tau=1e9) ** 2 == pytest.approx(difference**2 / 2, abs=1e-8)


# Victor and Purpura -------------------------------------------------------------------------------------------------


def test_a_spike_is_moved_if_that_costs_less_than_deletion_and_insertion() -> None:
    assert victor_purpura([0.1], [0.103], cost=100) == pytest.approx(0.3, rel=1e-12)
    assert victor_purpura([0.1], [0.103], cost=600) == pytest.approx(1.8, rel=1e-12)
    assert victor_purpura([0.1], [0.103], cost=1000) == 2
    assert victor_purpura([0.1], [0.103, 0.4], cost=100) == pytest.approx(1.3, rel=1e-12)


def test_spikes_are_moved_to_the_least_total_cost_and_not_to_the_nearest() -> None:
    # at 10/s, 10 -> 19 and 20 -> 29 ms cost 0.09 each; 20 -> 19 ms with a deletion and an insertion costs over 2
    assert victor_purpura([0.010, 0.020], [0.019, 0.029], cost=10) == pytest.approx(0.18, rel=1e-12)
    # at 200/s they cost 3.6; 20 -> 19 ms costs 0.2, the deletion and the insertion 2
    assert victor_purpura([0.010, 0.020], [0.019, 0.029], cost=200) == pytest.approx(2.2, rel=1e-12)


def test_the_distance_from_an_empty_train_is_the_number_of_spikes() -> None:
    assert victor_purpura(EMPTY, EMPTY, cost=1) == 0
    assert victor_purpura(EMPTY, [0.1, 0.2, 0.2], cost=1) == victor_purpura([0.1, 0.2, 0.2], EMPTY, cost=1) == 3


@given(trains, trains, costs)
def test_victor_purpura_is_the_assignment_of_least_cost(first: list[float], second: list[float], cost: float) -> None:
    found = victor_purpura(first, second, cost=cost)
    assert found == pytest.approx(assigned(first, second, cost), rel=1e-9, abs=1e-12)


@given(on_grid, on_grid)
def test_the_limit_of_a_small_cost_is_the_difference_of_the_counts(first: list[float], second: list[float]) -> None:
    assert victor_purpura(first, second, cost=1e-12) == pytest.approx(abs(len(first) - len(second)), abs=1e-9)


@given(on_grid, on_grid)
def test_the_limit_of_a_large_cost_is_the_number_of_spikes_that_do_not_coincide(
    first: list[float], second: list[float]
) -> None:
    assert victor_purpura(first, second, cost=1e12) == not_coincident(first, second)


def test_victor_purpura_of_hundreds_of_spikes_is_the_assignment_of_least_cost() -> None:
    rng = np.random.default_rng(4)
    first, second = np.sort(rng.uniform(0, 2, 300)), np.sort(rng.uniform(0, 2, 250))
    assert victor_purpura(first, second, cost=20) == pytest.approx(assigned(first, second, 20), rel=1e-9)


# Matches ------------------------------------------------------------------------------------------------------------


def test_trains_match_if_each_spike_is_within_the_tolerance_of_its_counterpart() -> None:
    assert matched([0.1, 0.2], [0.1008, 0.1992], tolerance=1e-3) is True
    assert matched([0.1, 0.2], [0.1008, 0.1985], tolerance=1e-3) is False


def test_trains_of_different_numbers_of_spikes_do_not_match() -> None:
    assert not matched([0.1, 0.2], [0.1, 0.2, 0.2001], tolerance=1.0)
    assert not matched(EMPTY, [0.1], tolerance=1.0)
    assert matched(EMPTY, EMPTY, tolerance=0)


def test_spikes_are_matched_in_order_and_not_to_the_nearest() -> None:
    # the nearest spikes are within 2 ms, but the first spikes are 9 ms apart
    assert not matched([0.010, 0.020], [0.019, 0.021], tolerance=2e-3)


@given(st.lists(st.integers(0, 10_000), max_size=20), st.integers(-40, 40), st.integers(0, 40))
def test_a_tolerance_of_n_steps_allows_shifts_of_n_steps(steps: list[int], shift: int, tolerance: int) -> None:
    first, second = np.array(steps) * 1e-4, (np.array(steps, dtype=int) + shift) * 1e-4
    assert matched(first, second, tolerance=tolerance * 1e-4) == (abs(shift) <= tolerance or not steps)


# All measures -------------------------------------------------------------------------------------------------------


@every_measure
@given(trains, trains)
def test_measures_are_symmetric_to_the_last_bit(measure: Callable, first: list[float], second: list[float]) -> None:
    assert measure(first, second) == measure(second, first)


@every_measure
@given(trains, trains)
def test_the_order_of_the_times_does_not_matter(measure: Callable, first: list[float], second: list[float]) -> None:
    assert measure(first, second) == measure(sorted(first), sorted(second, reverse=True))


@pytest.mark.parametrize("measure", [van_rossum, MEASURES["victor_purpura"]], ids=["van_rossum", "victor_purpura"])
@given(trains, trains, trains)
def test_distances_satisfy_the_triangle_inequality(
    measure: Callable, a: list[float], b: list[float], c: list[float]
) -> None:
    assert measure(a, c) <= measure(a, b) + measure(b, c) + 1e-9


@pytest.mark.parametrize("measure", [van_rossum, MEASURES["victor_purpura"]], ids=["van_rossum", "victor_purpura"])
@given(on_grid, on_grid)
def test_only_equal_trains_have_a_distance_of_0(measure: Callable, a: list[float], b: list[float]) -> None:
    assert measure(a, a) == 0
    assert (measure(a, b) > 1e-6) == (sorted(a) != sorted(b))


@settings(max_examples=examples(30))
@given(st.integers(1, 5), st.integers(1, 20), st.integers(1, 30), st.integers(0, 2**32), st.floats(0, 0.6))
def test_spike_trains_are_compared_train_by_train(samples: int, steps: int, size: int, seed: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    first, second = (SpikeTrains.from_dense(rng.random((samples, steps, size)) < share, 1e-3) for _ in range(2))
    for name, measure in MEASURES.items():
        found = measure(first, second)
        assert found.shape == (samples, size)
        assert found.dtype == (bool if name == "matched" else np.float64)
        for sample, neuron in np.ndindex(samples, size):
            assert found[sample, neuron] == measure(first.train(neuron, sample), second.train(neuron, sample))


@every_measure
def test_no_samples_or_no_neurons_give_an_empty_result(measure: Callable) -> None:
    for shape in ((0, 10, 3), (2, 10, 0)):
        empty = SpikeTrains.from_dense(np.zeros(shape), 1e-3)
        assert measure(empty, empty).shape == (shape[0], shape[2])


# Another library ----------------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:van_rossum_distance. very small negative values:RuntimeWarning")
@pytest.mark.parametrize("scale", [0.3, 5.0, 80.0], ids="{} ms".format)
def test_distances_agree_with_elephant(scale: float) -> None:
    dissimilarity = pytest.importorskip("elephant.spike_train_dissimilarity")
    neo, pq = pytest.importorskip("neo"), pytest.importorskip("quantities")
    rng = np.random.default_rng(5)
    times = [np.sort(rng.uniform(0, 500, count).round(1)) for count in (0, 1, 7, 20, 40)]
    trains_of_neo = [neo.SpikeTrain(train * pq.ms, t_stop=500 * pq.ms) for train in times]
    rossum = dissimilarity.van_rossum_distance(trains_of_neo, scale * pq.ms)
    victor = dissimilarity.victor_purpura_distance(trains_of_neo, 1 / (scale * pq.ms))
    times_in_seconds = [train * 1e-3 for train in times]
    for i, j in np.ndindex(5, 5):
        # Elephant's normalisation: an additional spike is at a distance of 1
        assert van_rossum(times_in_seconds[i], times_in_seconds[j], tau=scale * 1e-3) * np.sqrt(2) == pytest.approx(
            rossum[i, j], abs=1e-6
        )
        assert victor_purpura(times_in_seconds[i], times_in_seconds[j], cost=1e3 / scale) == pytest.approx(
            victor[i, j], abs=1e-9
        )
        if i and j:
            # distances from the empty train are the norms
            norms = rossum[i, 0] * rossum[j, 0]
            cosine = (rossum[i, 0] ** 2 + rossum[j, 0] ** 2 - rossum[i, j] ** 2) / (2 * norms)
            assert correlation(times_in_seconds[i], times_in_seconds[j], tau=scale * 1e-3) == pytest.approx(
                cosine, abs=1e-9
            )


# Invalid input ------------------------------------------------------------------------------------------------------


@every_measure
@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ([0.1, np.nan], "nan"),
        ([0.1, -np.inf], "-inf"),
        ([[0.1, 0.2]], "2 axes"),
        (0.1, "0 axes"),
        ([True, False], "bool"),
        (["0.1"], "<U3"),
        ([0.1 + 0j], "complex128"),
        ([None], "object"),
        ([[0.1], [0.2, 0.3]], "not an array"),
        (SpikeTrains.from_dense(np.zeros((1, 5, 1)), 1e-3), "SpikeTrains"),
    ],
)
def test_values_that_are_no_spike_times_are_refused(measure: Callable, values: object, problem: str) -> None:
    with raises_input_error(": first", problem):
        measure(values, [0.1])
    with raises_input_error(": second", problem):
        measure([0.1], values)


@every_measure
@pytest.mark.parametrize(
    ("shape", "dt", "name", "values"),
    [
        ((3, 5, 4), 1e-3, "samples", (2, 3)),
        ((2, 6, 4), 1e-3, "steps", (5, 6)),
        ((2, 5, 1), 1e-3, "size", (4, 1)),
        ((2, 5, 4), 1e-4, "dt", (0.001, 0.0001)),
    ],
)
def test_spike_trains_of_different_shapes_are_refused(
    measure: Callable, shape: tuple[int, ...], dt: float, name: str, values: tuple[object, ...]
) -> None:
    with raises_input_error(f": {name}", *values):
        measure(SpikeTrains.from_dense(np.zeros((2, 5, 4)), 1e-3), SpikeTrains.from_dense(np.zeros(shape), dt))


@pytest.mark.parametrize("value", [0, -1e-3, np.nan, np.inf, "5 ms", None, 1j])
@pytest.mark.parametrize(
    ("measure", "name", "unit"),
    [(correlation, "tau", "seconds"), (van_rossum, "tau", "seconds"), (victor_purpura, "cost", "1/s")],
)
def test_parameters_must_be_positive_and_finite(measure: Callable, name: str, unit: str, value: object) -> None:
    with raises_input_error(f"{measure.__name__}: {name}", repr(value), unit):
        measure([0.1], [0.2], **{name: value})


@pytest.mark.parametrize("value", [-1e-9, np.nan, np.inf, "1 ms"])
def test_a_tolerance_must_be_finite_and_not_negative(value: object) -> None:
    with raises_input_error("matched: tolerance", repr(value), "seconds"):
        matched([0.1], [0.2], tolerance=value)


@pytest.mark.parametrize("kind", [np.float32, np.int64])
def test_times_and_parameters_may_be_numpy_numbers(kind: type) -> None:
    assert van_rossum(np.array([1, 2], dtype=kind), [1], tau=kind(1)) == pytest.approx(np.sqrt(1 / 2))
