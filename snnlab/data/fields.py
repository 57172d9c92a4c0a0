"""Dataclass fields that carry their documentation: the options of experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, field
from types import MappingProxyType
from typing import Any

_HELP = "help"


def option(default: Any, text: str) -> Any:
    """A dataclass field with an immutable default and its documentation."""
    return field(default=default, metadata=documented(text))


def documented(text: str) -> Mapping[str, str]:
    """Metadata of a field without a default: ``field(metadata=documented("..."))``."""
    return MappingProxyType({_HELP: text})


def help_of(dataclass_field: Field[Any]) -> str:
    """The documentation of a field; empty if it has none."""
    return str(dataclass_field.metadata.get(_HELP, ""))
