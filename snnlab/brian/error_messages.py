"""Brian2's errors as InputErrors of one line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from brian2.stateupdaters.base import UnsupportedEquationsException

from snnlab.errors import InputError


@contextmanager
def as_input_error(field: str) -> Iterator[None]:
    """Turn every error of the block into an InputError of `field`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # Brian2 raises many types; each carries its reason
        nonlinear = isinstance(innermost(error), UnsupportedEquationsException)
        hint = "give the population another method, such as 'exponential_euler'" if nonlinear else ""
        raise InputError(field, reason_of(error), hint) from error


def reason_of(error: BaseException) -> str:
    """The innermost reason of a Brian2 error, on one line."""
    error = innermost(error)
    reason = " ".join(str(error.args[0] if error.args else error).split()) or type(error).__name__
    # the names that NumPy and SymPy have for a constant that is not a number
    return "a constant is not a finite number" if re.search("""["'](nan|inf|zoo)["']""", reason) else reason


def innermost(error: BaseException) -> BaseException:
    """The first error of a chain of causes."""
    return [error, *causes(error)][-1]


def causes(error: BaseException) -> Iterator[BaseException]:
    """The direct cause of an error, the cause of that, and so on."""
    while error.__cause__ is not None:
        error = error.__cause__
        yield error
