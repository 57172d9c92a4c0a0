"""Plots of curves with bands over seeds."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error

from snnlab import plots
from snnlab.plots import Curve


@pytest.mark.parametrize(
    ("name", "points", "field", "values"),
    [("c", 2, "curves", ["'c'", "a, b"]), ("a", 3, "curves of a", [(1, 2), (3,)])],
    ids=["unknown name", "wrong shape"],
)
def test_invalid_curves_are_errors(name: str, points: int, field: str, values: list[object]) -> None:
    with raises_input_error(field, *values):
        plots.curves({name: Curve(np.ones(points), np.ones((1, 2)))}, plots.figure()[1][0, 0], names=["a", "b"])
