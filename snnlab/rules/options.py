"""Checks that the options of many rules share. What they refuse is named by the rule's class and the option."""

from __future__ import annotations

from typing import Any, get_args

from snnlab.errors import Refused, one_of


def check_not_negative(rule: object, *names: str) -> None:
    """Raises Refused for options that are not a finite number of at least 0, or one such number or more."""
    for name in names:
        found = getattr(rule, name)
        several = isinstance(found, tuple)
        numbers = found if several else (found,)
        if not numbers or not all(0 <= number < float("inf") for number in numbers):
            right = "needs numbers, at least 0" if several else "needs a number, at least 0"
            raise Refused(_field(rule, name), f"found {found}", right)


def check_one_of(rule: object, **kinds: Any) -> None:
    """Raises Refused for options that are none of what their Literal has."""
    for name, kind in kinds.items():
        if getattr(rule, name) not in get_args(kind):
            found = str(getattr(rule, name))
            raise Refused(_field(rule, name), f"found {found!r}", one_of(found, get_args(kind)))


def _field(rule: object, name: str) -> str:
    return f"{type(rule).__name__}.{name}"
