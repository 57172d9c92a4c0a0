"""How tests assert on InputError: by field and by the values that the message names, not by its wording."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from snnlab.errors import InputError


@contextmanager
def raises_input_error(field: object, *values: object) -> Iterator[pytest.ExceptionInfo[InputError]]:
    """Expect an InputError of one line, of `field` (or a part of it), whose problem or hint names all `values`."""
    with pytest.raises(InputError) as caught:
        yield caught
    error = caught.value
    assert "\n" not in str(error)
    assert str(field) in error.field, f"field {error.field!r} does not name {field!r}"
    for value in values:
        assert str(value) in f"{error.problem}; {error.hint}", f"{str(value)!r} is not in {str(error)!r}"
