"""What options of rules are refused: each kind of number at its bounds, alone and in tuples."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab.errors import InputError
from snnlab.rules.common import validation

NUMBERS = st.floats(allow_nan=True, allow_infinity=True) | st.integers(-2, 2) | st.sampled_from([0.0, -0.0, 1.0])
KINDS = {
    "check_not_negative": (lambda x: math.isfinite(x) and x >= 0, "{}, at least 0"),
    "check_positive": (lambda x: math.isfinite(x) and x > 0, "{} above 0"),
    "check_share": (lambda x: not math.isnan(x) and 0 <= x <= 1, "{} from 0 to 1"),
}


class Rule(SimpleNamespace):
    pass


@pytest.mark.parametrize("kind", KINDS)
@given(found=NUMBERS | st.lists(NUMBERS, max_size=3).map(tuple))
def test_numbers_are_taken_where_each_is_right_and_there_is_one(kind: str, found: float | tuple[float, ...]) -> None:
    right, said = KINDS[kind]
    several = isinstance(found, tuple)
    numbers = list(found) if isinstance(found, tuple) else [found]
    try:
        getattr(validation, kind)(Rule(rate=found, other=0.5), "other", "rate")
        taken = True
    except InputError as refusal:
        taken = False
        assert refusal.field == "Rule.rate" and refusal.problem == f"found {found}"
        assert refusal.hint == f"needs {said.format('numbers' if several else 'a number')}"
    assert taken == (bool(numbers) and all(map(right, numbers)))


def test_names_are_taken_that_the_kind_has() -> None:
    kind = Literal["sqrt", "late"]
    validation.check_one_of(Rule(decay="late"), decay=kind)
    for found in ("lat", 1, None):
        with pytest.raises(InputError, match=rf"^Rule.decay: found '{found}'; .*sqrt"):
            validation.check_one_of(Rule(decay=found), decay=kind)
