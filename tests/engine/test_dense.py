"""Products of rates and full weights against NumPy's, and their independence of threads and of the batch."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.engine.rate.dense import WeightUpdate, apply_updates, propagate
from snnlab.errors import InputError

SIZES = st.integers(1, 90)


@settings(max_examples=60, deadline=None)
@given(
    samples=st.integers(1, 25),
    pre=SIZES,
    post=SIZES,
    precision=st.sampled_from(["float32", "float64"]),
    seed=st.integers(0, 99),
)
def test_products_are_those_of_numpy(samples: int, pre: int, post: int, precision: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights, after = rng.normal(size=(pre, post)), rng.normal(size=(samples, post))
    before = rng.random((samples, pre)) * (rng.random(pre) < 0.7)  # some rows are silent
    small = [array.astype(precision) for array in (weights, before, after)]
    close = {"rtol": 0, "atol": 1e-4 if precision == "float32" else 1e-12}
    assert np.allclose(propagate(small[0], small[1]), before @ weights, **close)
    apply_updates([WeightUpdate(*small, scale=0.3)])
    assert np.allclose(small[0], weights + 0.3 * before.T @ after, **close)


def test_neither_threads_nor_the_other_samples_change_a_bit() -> None:
    rng = np.random.default_rng(0)
    weights, before = rng.normal(size=(333, 205)).astype(np.float32), rng.random((37, 333)).astype(np.float32)
    whole = propagate(weights, before, threads=1)
    for threads in (2, 3, 7):
        assert propagate(weights, before, threads=threads).tobytes() == whole.tobytes()
    for sample in (0, 11, 36):
        assert propagate(weights, before[[sample]]).tobytes() == whole[[sample]].tobytes()
    results = set()
    for threads in (1, 2, 3, 7):
        one = weights.copy()
        apply_updates([WeightUpdate(one, before, whole, 1e-3)] * 2, threads=threads)
        results.add(one.tobytes())
    assert len(results) == 1


def test_arrays_that_do_not_fit_are_refused() -> None:
    weights, before, after = np.zeros((4, 3)), np.zeros((2, 4)), np.zeros((2, 3))
    apply_updates([])
    for wrong, says in (
        (WeightUpdate(weights, before[:, :3], after, 1.0), "dense: before"),
        (WeightUpdate(weights, before, after[:1], 1.0), "dense: after"),
        (WeightUpdate(weights.T, before, after, 1.0), "dense: weights"),
        (WeightUpdate(weights.astype(int), before, after, 1.0), "dense: weights: found int64"),
        (WeightUpdate(weights, before.astype(np.float32), after, 1.0), "dense: before: float32"),
        (WeightUpdate(weights[0], before, after, 1.0), r"dense: weights: found shape \(3,\)"),
    ):
        with pytest.raises(InputError, match=says):
            apply_updates([wrong])
