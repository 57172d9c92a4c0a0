"""Rates of pixels: exact, whatever the batch, and refused where they would say nothing."""

from __future__ import annotations

import numpy as np
import pytest
from grey import grey

from snnlab.encoders import Intensity
from snnlab.errors import InputError


def test_rates_are_in_proportion_to_intensity() -> None:
    found = Intensity(low=-1.0, high=3.0).encode(grey([[0, 2, 4, 8]], 8), seed=0)
    assert found.values.dtype == np.float32 and found.values.shape == (1, 1, 4)
    assert found.values[0, 0].tolist() == [-1.0, 0.0, 1.0, 3.0]


def test_every_level_is_the_nearest_float_to_the_exact_quotient() -> None:
    found = Intensity().encode(grey([list(range(256))], 255), seed=3, epoch=5)
    assert np.array_equal(found.values[0, 0], (np.arange(256) / 255).astype(np.float32))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"low": float("nan")}, "Intensity.low: found nan; needs a rate"),
        ({"high": float("inf")}, "Intensity.high: found inf"),
        ({"high": 0.0}, "Intensity.high: found 0; needs another rate than that of a black pixel, 0"),
        ({"dt": 0.0}, "Intensity.dt"),
    ],
)
def test_what_makes_no_code_is_refused(options: dict[str, float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Intensity(**options)
