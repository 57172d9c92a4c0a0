"""Checks of options: every kind of number at its bounds, alone and in tuples."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Literal

import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st

from snnlab.errors import InputError
from snnlab.rules.common import validation

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0])
VALID = {
    "check_not_negative": lambda x: math.isfinite(x) and x >= 0,
    "check_positive": lambda x: math.isfinite(x) and x > 0,
    "check_share": lambda x: not math.isnan(x) and 0 <= x <= 1,
}


class Rule(SimpleNamespace):
    pass


@pytest.mark.parametrize("check", VALID)
@given(value=NUMBERS | st.lists(NUMBERS, max_size=3).map(tuple))
def test_a_number_or_a_non_empty_tuple_of_valid_numbers_is_accepted(
    check: str, value: float | tuple[float, ...]
) -> None:
    numbers = list(value) if isinstance(value, tuple) else [value]
    try:
        getattr(validation, check)(Rule(rate=value, decay=0.5), "decay", "rate")
        accepted = True
    except InputError as error:
        accepted = False
        assert error.field == "Rule.rate" and str(value) in error.problem
    assert accepted == (bool(numbers) and all(map(VALID[check], numbers)))


def test_only_the_values_of_the_literal_are_accepted() -> None:
    decay = Literal["sqrt", "late"]
    validation.check_one_of(Rule(decay="late"), decay=decay)
    for value in ("lat", 1, None):
        with raises_input_error("Rule.decay", repr(value), "sqrt"):
            validation.check_one_of(Rule(decay=value), decay=decay)
