"""InputError: one line, with its fields kept when pickled."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from snnlab.errors import InputError, one_of


@given(st.text(), st.text(), st.text())
def test_an_error_is_one_line_and_can_be_pickled(field: str, problem: str, hint: str) -> None:
    error = InputError(field, problem, hint)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301, it is our own
    assert (copy.field, copy.problem, copy.hint, str(copy)) == (field, problem, hint, str(error))
    assert "\n" not in str(copy)


def test_the_hint_for_an_unknown_name_suggests_the_closest() -> None:
    assert one_of("latincy", ["poisson", "latency"]) == "did you mean 'latency'? known: latency, poisson"
    assert one_of("x", []) == "known: none"
