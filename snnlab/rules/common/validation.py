"""Checks that the options of many rules share. What they refuse is named by the rule's class and the option."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

from snnlab.errors import InputError, one_of


def check_not_negative(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a finite number of at least 0, or a tuple of such that is not empty."""
    _check(rule, names, lambda number: 0 <= number < float("inf"), ", at least 0")


def check_positive(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a finite number above 0, or a tuple of such that is not empty."""
    _check(rule, names, lambda number: 0 < number < float("inf"), " above 0")


def check_share(rule: object, *names: str) -> None:
    """Raises InputError unless each option is a number from 0 to 1, or a tuple of such that is not empty."""
    _check(rule, names, lambda number: 0 <= number <= 1, " from 0 to 1")


def check_one_of(rule: object, **kinds: Any) -> None:
    """Raises InputError for an option that is none of what its Literal has."""
    for name, kind in kinds.items():
        if getattr(rule, name) not in get_args(kind):
            found = str(getattr(rule, name))
            raise InputError(_field(rule, name), f"found {found!r}", one_of(found, get_args(kind)))


def check_outputs(outputs: int, classes: int | None) -> None:
    """Raises InputError unless there is one output neuron per class; None skips the check."""
    if classes is not None and outputs != classes:
        problem = f"{outputs} output neurons for samples of {classes} classes"
        raise InputError("network.outputs", problem, "must be one output neuron per class")


def check_wanted(rule: Any) -> None:
    """Raises InputError unless the rate wanted of the label's output, `high`, is above that of the others, `low`."""
    if not rule.low < rule.high:
        raise InputError(
            _field(rule, "high"), f"found {rule.high}", f"needs more than {rule.low}, the rate of the others"
        )


def _check(rule: object, names: tuple[str, ...], right: Callable[[float], bool], said: str) -> None:
    for name in names:
        found = getattr(rule, name)
        several = isinstance(found, tuple)
        numbers = found if several else (found,)
        if not numbers or not all(map(right, numbers)):
            raise InputError(
                _field(rule, name), f"found {found}", f"needs {'numbers' if several else 'a number'}{said}"
            )


def _field(rule: object, name: str) -> str:
    return f"{type(rule).__name__}.{name}"
