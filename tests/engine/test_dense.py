"""Products of rates and full weights against NumPy's, and their independence of threads and of the batch."""

from __future__ import annotations

import numpy as np
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.engine.rate.dense import WeightUpdate, apply_updates, propagate
from snnlab.native import threads

SIZES = st.integers(1, 90)


@settings(max_examples=examples(60), deadline=None)
@given(
    samples=st.integers(1, 25),
    pre=SIZES,
    post=SIZES,
    precision=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_products_and_updates_agree_with_numpy(samples: int, pre: int, post: int, precision: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, after = rng.normal(size=(pre, post)), rng.normal(size=(samples, post))
    before = rng.random((samples, pre)) * (rng.random(pre) < 0.7)  # some rows are silent
    small = [array.astype(precision) for array in (weights, before, after)]
    close = {"rtol": 0, "atol": 1e-4 if precision == "float32" else 1e-12}
    assert np.allclose(propagate(small[0], small[1]), before @ weights, **close)
    apply_updates([WeightUpdate(*small, scale=0.3)])
    assert np.allclose(small[0], weights + 0.3 * before.T @ after, **close)


def test_results_do_not_depend_on_threads_or_on_other_samples() -> None:
    rng = np.random.default_rng(0)
    weights, before = rng.normal(size=(333, 205)).astype(np.float32), rng.random((37, 333)).astype(np.float32)
    whole = propagate(weights, before)
    for count in (2, 3, 7):
        with threads(count):
            assert propagate(weights, before).tobytes() == whole.tobytes()
    for sample in (0, 11, 36):
        assert propagate(weights, before[[sample]]).tobytes() == whole[[sample]].tobytes()
    results = set()
    for count in (1, 2, 3, 7):
        updated = weights.copy()
        with threads(count):
            apply_updates([WeightUpdate(updated, before, whole, 1e-3)] * 2)
        results.add(updated.tobytes())
    assert len(results) == 1


def test_arrays_that_do_not_match_are_refused() -> None:
    weights, before, after = np.zeros((4, 3)), np.zeros((2, 4)), np.zeros((2, 3))
    apply_updates([])
    for update, field, value in (
        (WeightUpdate(weights, before[:, :3], after, 1.0), "dense: before", "(2, 3)"),
        (WeightUpdate(weights, before, after[:1], 1.0), "dense: after", "(1, 3)"),
        (WeightUpdate(weights.T, before, after, 1.0), "dense: weights", "contiguous"),
        (WeightUpdate(weights.astype(int), before, after, 1.0), "dense: weights", "int64"),
        (WeightUpdate(weights, before.astype(np.float32), after, 1.0), "dense: before", "float32"),
        (WeightUpdate(weights[0], before, after, 1.0), "dense: weights", "(3,)"),
    ):
        with raises_input_error(field, value):
            apply_updates([update])
