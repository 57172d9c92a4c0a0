"""Rates in proportion to intensity are exact; invalid options raise an error."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from grey import grey

from snnlab.encoders import Intensity


def test_rates_are_in_proportion_to_intensity() -> None:
    rates = Intensity(low=-1.0, high=3.0).encode(grey([[0, 2, 4, 8]], 8), seed=0)
    assert rates.values.dtype == np.float32 and rates.values.shape == (1, 1, 4)
    assert rates.values[0, 0].tolist() == [-1.0, 0.0, 1.0, 3.0]


def test_every_rate_is_the_nearest_float_to_the_exact_quotient() -> None:
    rates = Intensity().encode(grey([list(range(256))], 255), seed=3, epoch=5)
    assert np.array_equal(rates.values[0, 0], (np.arange(256) / 255).astype(np.float32))


@pytest.mark.parametrize(("field", "value"), [("low", float("nan")), ("high", float("inf")), ("high", 0), ("dt", 0.0)])
def test_values_out_of_range_raise_an_error(field: str, value: float) -> None:
    with raises_input_error(f"Intensity.{field}", f"got {value}"):
        Intensity(**{field: value})
