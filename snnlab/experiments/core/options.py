"""Options by dotted name: the fields of nested dataclasses, parsed by their annotations and documented by metadata."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import Field, fields, is_dataclass, replace
from typing import Any, Literal, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

from snnlab.data.fields import help_of
from snnlab.errors import InputError, one_of

_Value = TypeVar("_Value")

_BOOLEANS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_MAX_INTEGER = 2**31 - 1


class Option(NamedTuple):
    """A field of a nested dataclass that is not itself a dataclass."""

    name: str  # dotted
    owner: Any
    field: Field[Any]

    @property
    def value(self) -> Any:
        return getattr(self.owner, self.field.name)

    @property
    def help(self) -> str:
        return help_of(self.field)


def options_of(value: Any, skip: Collection[str] = (), prefix: str = "") -> Iterator[Option]:
    """The options of a dataclass and of the dataclasses in it, without the outer fields named in `skip`."""
    for field in fields(value):
        if field.name in skip:
            continue
        inner = getattr(value, field.name)
        if is_dataclass(inner):
            yield from options_of(inner, (), f"{prefix}{field.name}.")
        else:
            yield Option(f"{prefix}{field.name}", value, field)


def with_changes(value: _Value, changes: Mapping[str, Any], where: str, prefix: str = "") -> _Value:
    """The dataclass with options set by dotted name, all at once because they may depend on each other.

    Texts are parsed. Raises InputError at `where` and the dotted name, with `prefix` before it.
    """
    inner: dict[str, Any] = {}
    for field, of_field in _by_field(changes).items():
        if "" in of_field:
            inner[field] = parse(of_field[""], get_type_hints(type(value))[field], f"{where} {prefix}{field}")
        else:
            inner[field] = with_changes(getattr(value, field), of_field, where, f"{prefix}{field}.")
    try:
        return replace(value, **inner)  # type: ignore[type-var]
    except InputError as error:
        option = option_of(error, value)
        if option in inner:
            raise InputError(f"{where} {prefix}{option}", error.problem, error.hint) from error
        # an unchanged field that is invalid in combination with the changed ones
        problem = f"{prefix}{option}: {error.problem}" if option else error.problem
        raise InputError(f"{where} {prefix}{next(iter(inner))}", problem, error.hint) from error


def option_of(error: InputError, value: Any) -> str:
    """The dotted name of the option that an error of a dataclass names; empty if it names none.

    The error's field is "Class.field" of the dataclass or of one within it, or of a class that receives the field's
    value, such as "Lyon.rate".
    """
    kind, _, name = error.field.rpartition(".")
    if kind and not kind.isidentifier():
        return ""
    options = [option for option in options_of(value) if option.field.name == name]
    return min(((type(each.owner).__name__ != kind, each.name) for each in options), default=(True, ""))[1]


def _by_field(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The changes by field: the rest of the dotted name -> value, with "" for the field itself."""
    grouped: dict[str, dict[str, Any]] = {}
    for name, value in changes.items():
        field, _, rest = name.partition(".")
        grouped.setdefault(field, {})[rest] = value
    return grouped


# Values ---------------------------------------------------------------------------------------------------------------


def parse(given: Any, kind: Any, where: str) -> Any:
    """A text, or a value from JSON, as the annotated type. Raises InputError at `where`."""
    if get_origin(kind) is tuple:
        parts = [part for part in given.split(",") if part.strip()] if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            raise InputError(where, f"got {given!r}", "must be values separated by commas")
        return tuple(parse(part, get_args(kind)[0], where) for part in parts)
    if get_origin(kind) is Literal:
        if given not in get_args(kind):
            raise InputError(where, f"got {given!r}", one_of(str(given), get_args(kind)))
        return given
    parser, hint = _PARSERS[kind]
    value = parser(given)
    if value is None:
        raise InputError(where, f"got {given!r}", hint)
    return value


def to_text(value: Any) -> str:
    """A value as `parse` reads it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _boolean(given: Any) -> bool | None:
    if isinstance(given, bool):
        return given
    return _BOOLEANS.get(given.strip().lower()) if isinstance(given, str) else None


def _integer(given: Any) -> int | None:
    try:
        value = int(given) if isinstance(given, str) else given
    except ValueError:
        return None
    return value if type(value) is int and abs(value) <= _MAX_INTEGER else None


def _number(given: Any) -> float | None:
    try:
        value = float(given) if isinstance(given, str) or type(given) is int else given
    except (ValueError, OverflowError):
        return None
    return value if type(value) is float and math.isfinite(value) else None


def _text(given: Any) -> str | None:
    return given if isinstance(given, str) else None


_PARSERS: Mapping[Any, tuple[Callable[[Any], Any], str]] = {
    bool: (_boolean, "must be true or false"),
    int: (_integer, f"must be an integer up to {_MAX_INTEGER}"),
    float: (_number, "must be a number"),
    str: (_text, "must be text"),
}
