"""Rates of sources are numbers of a shape, or refused."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.errors import InputError
from snnlab.networks.microcircuit import Microcircuit


def test_rates_say_their_shape() -> None:
    rates = RateInput(np.zeros((2, 5, 3)))
    assert (rates.samples, rates.segments, rates.size) == (2, 5, 3)


def test_steady_rates_are_one_stretch() -> None:
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(RateInput.constant(values).values[:, 0], values)
    assert RateInput.constant(values).steps_per_segment(17) == 17


def test_a_sample_is_a_batch_of_one() -> None:
    values = np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_array_equal(RateInput(values).sample(1).values, values[1][None])


@given(segments=st.integers(1, 50), steps=st.integers(1, 500))
def test_stretches_fill_a_run_or_are_refused(segments: int, steps: int) -> None:
    rates = RateInput(np.zeros((1, segments, 1)))
    try:
        each = rates.steps_per_segment(steps, "here")
    except InputError as refused:
        assert steps % segments
        assert str(refused).startswith(f"here: {segments} stretches in {steps} steps; needs")
    else:
        assert each * segments == steps


CASES: list[tuple[Callable[[], object], str]] = [
    (lambda: RateInput(np.zeros((2, 3))), r"^rates: float64 \(2, 3\); needs numbers \(samples, stretches, neurons\)"),
    (lambda: RateInput.constant(np.zeros(3)), r"^rates: float64 \(1, 3\)"),
    (lambda: RateInput(np.zeros((0, 1, 3))), r"^rates: float64 \(0, 1, 3\); .*at least one of each"),
    (lambda: RateInput(np.zeros((1, 0, 3))), r"^rates: float64 \(1, 0, 3\)"),
    (lambda: RateInput(np.zeros((1, 1, 3), dtype=int)), r"^rates: int64 \(1, 1, 3\)"),  # type: ignore[arg-type]
    (lambda: RateInput(np.array([[[0.0, np.nan]]])), "^rates: numbers that are not finite"),
    (lambda: RateInput(np.array([[[np.inf]]])), "^rates: numbers that are not finite"),
]


@pytest.mark.parametrize(("attempt", "said"), CASES, ids=[said for _, said in CASES])
def test_what_cannot_be_heard_is_refused(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        attempt()


def test_steady_rates_are_heard_to_the_end_without_a_warning_of_rounding() -> None:
    """300 ms are 2,999.9999999999995 times 0.1 ms, in binary numbers."""
    circuit = Microcircuit(hidden=(2,)).circuit((1,), 1, 1e-4)
    said_by = {one.name: RateInput.constant(np.full((1, one.size), 0.5)) for one in circuit.sources}
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        found = simulate(circuit, said_by, "300 ms", record={"output": ["u_trg"]}, target="numpy")
    assert not [one for one in said if "not aligned" in str(one.message)]
    np.testing.assert_array_equal(found.trace("output", "u_trg").values, 0.5)
