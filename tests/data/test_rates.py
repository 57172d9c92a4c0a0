"""RateInput: shape, segments and validation."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.networks.microcircuit import Microcircuit


def test_rates_have_a_shape_and_a_short_repr() -> None:
    rates = RateInput(np.zeros((2, 5, 3)))
    assert (rates.samples, rates.segments, rates.size) == (2, 5, 3)
    assert repr(rates) == "RateInput(2 samples, 5 segments, 3 neurons)"


def test_constant_rates_are_one_segment() -> None:
    values = np.arange(6.0).reshape(2, 3)
    np.testing.assert_array_equal(RateInput.constant(values).values[:, 0], values)
    assert RateInput.constant(values).steps_per_segment(17) == 17


def test_a_sample_is_a_batch_of_one() -> None:
    values = np.arange(24.0).reshape(2, 4, 3)
    np.testing.assert_array_equal(RateInput(values).sample(1).values, values[1][None])


@given(segments=st.integers(1, 50), steps=st.integers(1, 500))
def test_segments_must_divide_the_steps(segments: int, steps: int) -> None:
    rates = RateInput(np.zeros((1, segments, 1)))
    if steps % segments:
        with raises_input_error("inputs", f"{segments} segments", f"{steps} steps"):
            rates.steps_per_segment(steps, "inputs")
    else:
        assert rates.steps_per_segment(steps, "inputs") * segments == steps


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        (np.zeros((2, 3)), "float64 (2, 3)"),
        (np.zeros((2, 1, 1, 3)), "float64 (2, 1, 1, 3)"),
        (np.zeros((0, 1, 3)), "float64 (0, 1, 3)"),
        (np.zeros((1, 0, 3)), "float64 (1, 0, 3)"),
        (np.zeros((1, 1, 3), dtype=int), "int64 (1, 1, 3)"),
        (np.array([[[0.0, np.nan]]]), "NaN"),
        (np.array([[[np.inf]]]), "infinity"),
    ],
)
def test_rates_of_another_shape_or_type_raise_an_error(values: NDArray[np.floating], problem: str) -> None:
    with raises_input_error("rates", problem):
        RateInput(values)


def test_constant_rates_last_to_the_end_of_a_run() -> None:
    """300 ms are 2,999.9999999999995 times 0.1 ms in binary numbers; Brian2 must not warn of rounding."""
    circuit = Microcircuit(hidden=(2,)).circuit((1,), 1, 1e-4)
    inputs = {source.name: RateInput.constant(np.full((1, source.size), 0.5)) for source in circuit.sources}
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        recording = simulate(circuit, inputs, "300 ms", record={"output": ["u_trg"]}, target="numpy")
    assert not [warning for warning in caught if "not aligned" in str(warning.message)]
    np.testing.assert_array_equal(recording.trace("output", "u_trg").values, 0.5)
