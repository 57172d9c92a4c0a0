"""Options by dotted name: the fields of nested dataclasses, read as what their annotations say."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from snnlab.errors import InputError, one_of
from snnlab.fields import help_of

_Value = TypeVar("_Value")

_TRUTH = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_LARGEST = 2**31 - 1
_ROW = re.compile(r"(?P<names>[a-z]\w*(?:, [a-z]\w*)*)  +(?P<text>\S.*)")  # of a docstring's table of fields


def flat(value: Any, skip: Collection[str] = (), prefix: str = "") -> dict[str, Any]:
    """Every field by dotted name, those of dataclasses within it included; without the names in `skip`."""
    return {dotted: getattr(owner, name) for dotted, owner, name in _leaves(value, skip, prefix)}


def explained(value: Any, skip: Collection[str] = ()) -> dict[str, str]:
    """What each option is, under the names that `flat` gives them: the tables of fields in the dataclasses' docstrings.

    Of a field that a class has from another, the docstring of that one says it. Empty for a field of which nothing is
    said, as for all where Python has left the docstrings out.
    """
    return {dotted: _told(type(owner), name) for dotted, owner, name in _leaves(value, skip, "")}


def _told(kind: type, name: str) -> str:
    if text := next((help_of(each) for each in fields(kind) if each.name == name), ""):
        return text
    return next((said[name] for said in map(_said, kind.__mro__) if name in said), "")


def _leaves(value: Any, skip: Collection[str], prefix: str) -> Iterator[tuple[str, Any, str]]:
    """Every field that is no dataclass: its dotted name, whose field it is, and under which name."""
    for field in fields(value):
        inner = getattr(value, field.name)
        if field.name in skip:
            continue
        if is_dataclass(inner):
            yield from _leaves(inner, (), f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", value, field.name


def _said(kind: type) -> dict[str, str]:
    """Field -> what the docstring says of it: ``name  text`` or ``name, name  text``, gone on with further right."""
    found: dict[str, str] = {}
    names: list[str] = []
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        if row := _ROW.fullmatch(line):
            names = row["names"].split(", ")
            found |= dict.fromkeys(names, row["text"])
        elif names and line.startswith("  "):
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        else:
            names = []
    return {name: text.replace("``", "`") for name, text in found.items()}


def changed(value: _Value, changes: Mapping[str, Any], where: str, prefix: str = "") -> _Value:
    """The dataclass with fields set by dotted name, all at once as one may bear upon another; texts are read.

    Raises InputError at `where`, and the name of the field with `prefix` before it.
    """
    inner: dict[str, Any] = {}
    for field, of_field in _by_field(changes).items():
        if "" in of_field:
            inner[field] = read(of_field[""], get_type_hints(type(value))[field], f"{where} {prefix}{field}")
        else:
            inner[field] = changed(getattr(value, field), of_field, where, f"{prefix}{field}.")
    try:
        return replace(value, **inner)  # type: ignore[type-var]
    except InputError as refusal:
        said = option_of(refusal, value)
        if said in inner:
            raise InputError(f"{where} {prefix}{said}", refusal.problem, refusal.hint) from refusal
        # a field that was right until the others were changed
        of = f"{prefix}{said}: " if said else ""
        raise InputError(f"{where} {prefix}{next(iter(inner))}", f"{of}{refusal.problem}", refusal.hint) from refusal


def option_of(refusal: InputError, value: Any) -> str:
    """The dotted name of the field that a refusal by a dataclass is about; empty where it is about none.

    A refusal names a field of the dataclass, as in "Ear.steps", of one within it, or of a class that takes the field's
    value, as in "Lyon.sample_rate".
    """
    kind, _, said = refusal.field.rpartition(".")
    if kind and not kind.isidentifier():
        return ""
    found = [(type(owner).__name__ != kind, dotted) for dotted, owner, name in _leaves(value, (), "") if name == said]
    return min(found)[1] if found else ""


def _by_field(changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The changes to each field; what is below it by the rest of the name, and the field itself by none."""
    found: dict[str, dict[str, Any]] = {}
    for name, to in changes.items():
        field, _, rest = name.partition(".")
        found.setdefault(field, {})[rest] = to
    return found


def read(given: Any, kind: Any, where: str) -> Any:
    """`given`, text or a value as JSON has it, as the annotated type. Raises InputError at `where`."""
    if get_origin(kind) is tuple:
        parts = [part for part in given.split(",") if part.strip()] if isinstance(given, str) else given
        if not isinstance(parts, list | tuple):
            raise InputError(where, f"found {given!r}", "needs values with commas between them")
        return tuple(read(part, get_args(kind)[0], where) for part in parts)
    if get_origin(kind) is Literal:
        if given not in get_args(kind):
            raise InputError(where, f"found {given!r}", one_of(str(given), get_args(kind)))
        return given
    readers = {bool: _truth, int: _whole, float: _number, str: _text}
    value, right = readers[kind](given)
    if value is None:
        raise InputError(where, f"found {given!r}", right)
    return value


def shown(value: Any) -> str:
    """A value as `read` takes it."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _truth(given: Any) -> tuple[bool | None, str]:
    value = given if isinstance(given, bool) else _TRUTH.get(given.strip().lower()) if isinstance(given, str) else None
    return value, "needs true or false"


def _whole(given: Any) -> tuple[int | None, str]:
    right = f"needs a whole number up to {_LARGEST}"
    try:
        value = int(given) if isinstance(given, str) else given
    except ValueError:
        return None, right
    return (value if type(value) is int and abs(value) <= _LARGEST else None), right


def _number(given: Any) -> tuple[float | None, str]:
    right = "needs a number"
    try:
        value = float(given) if isinstance(given, str) or type(given) is int else given
    except (ValueError, OverflowError):
        return None, right
    return (value if type(value) is float and math.isfinite(value) else None), right


def _text(given: Any) -> tuple[str | None, str]:
    return (given if isinstance(given, str) else None), "needs text"
