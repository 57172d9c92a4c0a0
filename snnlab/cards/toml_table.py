"""Read the fields of a TOML table with their types checked; errors name the file and the field."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from snnlab.cards.names import ExpressionError
from snnlab.errors import InputError, one_of

_Card = TypeVar("_Card")
_TYPES = {str: "text", int: "an integer", bool: "true or false", list: "a list", dict: "a table"}


@dataclass
class TomlTable:
    """A TOML table that becomes a card: returns fields with their types checked, and knows which were read."""

    path: str
    table: dict[str, Any]
    digest: str = ""
    id: str = ""
    read_keys: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, source: Traversable | Path, path: str) -> TomlTable:
        """The table in a file, called `path` in errors. Raises InputError."""
        try:
            # reading a pipe or a device would never end
            if isinstance(source, Path) and source.exists() and not (source.is_file() or source.is_dir()):
                raise InputError(path, "not a file", "must be a readable file")
            content = source.read_bytes()
            table = tomllib.loads(content.decode("utf-8"))
        except OSError as error:
            raise InputError(path, error.strerror or str(error), "must be a readable file") from error
        except UnicodeDecodeError as error:
            line = content.count(b"\n", 0, error.start) + 1
            raise InputError(
                path, f"invalid TOML: a byte that is not UTF-8 (at line {line})", "save it as UTF-8"
            ) from error
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(path, f"invalid TOML: {error}") from error
        return cls(path, table, hashlib.sha256(content).hexdigest(), Path(path).stem)

    def error(self, key: str, problem: str, hint: str = "") -> InputError:
        """The error of one field."""
        return InputError(f"{self.path}: {key}", problem, hint)

    def invalid(self, key: str, value: Any, hint: str) -> InputError:
        """The error of a field that is empty, missing or has an invalid value."""
        return self.error(key, f"got {value!r}" if key in self.table else "missing", hint)

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        """A field of this type; without a default it is required."""
        self.read_keys.add(key)
        value = self.table.get(key, default)
        if value is None:
            raise self.error(key, "missing", f"must be {_TYPES[kind]}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.error(key, f"got {value!r}", f"must be {_TYPES[kind]}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        """A text without surrounding whitespace."""
        return self.take(key, str, default).strip()

    def choice(self, key: str, choices: Collection[str], default: str | None = None) -> str:
        """A text that is one of the choices, or the default."""
        value = self.text(key, default)
        if value not in choices and value != default:
            raise self.error(key, f"got {value!r}", one_of(value, choices))
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty if missing."""
        values = self.take(key, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.error(key, f"got {value!r}", "must be a list of texts")
        return tuple(values)

    def mapping(self, key: str) -> Mapping[str, str]:
        """A table of texts; empty if missing."""
        values = self.take(key, dict, {})
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.error(f"{key}.{name}", f"got {value!r}", 'must be text, such as "20 ms"')
        return MappingProxyType(dict(values))

    def subtable(self, key: str) -> TomlTable:
        """A table inside this one; empty if missing."""
        return TomlTable(f"{self.path}: {key}", self.take(key, dict, {}))

    def subtables(self, key: str) -> dict[str, TomlTable]:
        """The tables inside a table of tables, by name; none if missing."""
        tables = self.take(key, dict, {})
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise self.error(f"{key}.{name}", f"got {table!r}", "must be a table")
        return {name: TomlTable(f"{self.path}: {key}.{name}", table) for name, table in tables.items()}

    def head(self) -> dict[str, Any]:
        """The fields of every card: name, summary and reference, and its id, digest and path."""
        head = {key: self.text(key) for key in ("name", "summary", "reference")}
        for key, value in head.items():
            if not value:
                raise self.error(key, "empty", "every card needs a name, a summary and a reference")
            if not value.isprintable():
                raise self.error(key, f"got {value!r}", "must be one line of printable text")
        return head | {"id": self.id, "digest": self.digest, "path": self.path}

    def check(self, key: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call a parser or check, and turn its ExpressionError into an InputError of this field."""
        try:
            return function(*arguments)
        except ExpressionError as error:
            raise self.error(key, str(error)) from error

    def close(self, card: Callable[..., _Card], fields: dict[str, Any]) -> _Card:
        """The card with these fields, once every key of the table has been read. Raises InputError for unknown keys."""
        unknown = sorted(set(self.table) - self.read_keys)
        if unknown:
            raise self.error(unknown[0], "unknown key", one_of(unknown[0], self.read_keys))
        return card(**fields)
