"""Refusals, as people and other processes meet them."""

from __future__ import annotations

import pickle

from hypothesis import given
from hypothesis import strategies as st

from snnlab.errors import InputError


@given(st.text(), st.text(), st.text())
def test_a_refusal_comes_from_another_process_as_it_was(where: str, found: str, right: str) -> None:
    refusal = InputError(where, found, right)
    came = pickle.loads(pickle.dumps(refusal))  # noqa: S301, it is our own
    assert (came.field, came.problem, came.hint, str(came)) == (where, found, right, str(refusal))
    assert "\n" not in str(came)
