"""Dataclass fields that carry their documentation: the options of experiments."""

from __future__ import annotations

from dataclasses import Field, field, fields
from typing import Any

_HELP = "help"


def option(default: Any, help: str) -> Any:  # noqa: A002
    """A dataclass field with a default (immutable) and one sentence on what it means."""
    return field(default=default, metadata={_HELP: help})


def required(help: str) -> Any:  # noqa: A002
    """A dataclass field without a default, documented like `option`."""
    return field(metadata={_HELP: help})


def help_of(dataclass_field: Field[Any]) -> str:
    """The documentation of a field; empty if it has none."""
    return str(dataclass_field.metadata.get(_HELP, ""))


def documented(kind: type) -> dict[str, str]:
    """Field -> documentation, of a dataclass."""
    return {one.name: help_of(one) for one in fields(kind)}
