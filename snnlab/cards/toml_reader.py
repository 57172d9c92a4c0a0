"""A TOML table on its way to a card: where it lies, what is in it, and what is wrong with it.

Every refusal names the file and the field.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from snnlab.cards.grammar import GrammarError
from snnlab.errors import InputError, one_of

_Card = TypeVar("_Card")


def library_folder(name: str) -> Traversable:
    """The folder of cards called `name`: beside the package in a checkout, inside it once installed."""
    package = files("snnlab")
    inside = package / "_library"
    return (inside if inside.is_dir() else package / "..") / name


def ids(folder: str) -> list[str]:
    """The ids of the cards in one folder of the shelf."""
    return sorted(
        entry.name.removesuffix(".toml") for entry in library_folder(folder).iterdir() if entry.name.endswith(".toml")
    )


@dataclass
class Page:
    """A TOML table on its way to a card: hands out each field once, with its type checked, and knows what is left."""

    path: str
    table: dict[str, Any]
    digest: str = ""
    id: str = ""
    taken: set[str] = field(default_factory=set)

    @classmethod
    def read(cls, folder: str, name: str | Path) -> Page:
        own = str(name).endswith(".toml")
        if not own and str(name) not in ids(folder):
            raise InputError(
                folder, f"no card {str(name)!r}", f"{one_of(str(name), ids(folder))}; or a path to a .toml"
            )
        source: Traversable | Path = Path(name) if own else library_folder(folder) / f"{name}.toml"
        shown = str(name) if own else f"{folder}/{name}.toml"
        try:
            # a pipe would be waited for, and a device never ends
            if own and Path(name).exists() and not (Path(name).is_file() or Path(name).is_dir()):
                raise InputError(shown, "not a file", "needs a readable card")
            raw = source.read_bytes()
            table = tomllib.loads(raw.decode("utf-8"))
        except OSError as error:
            raise InputError(shown, error.strerror or str(error), "needs a readable card") from error
        except UnicodeDecodeError as error:
            line = raw.count(b"\n", 0, error.start) + 1
            raise InputError(
                shown, f"not TOML: a byte that is not UTF-8 (at line {line})", "save it as UTF-8"
            ) from error
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise InputError(shown, f"not TOML: {error}") from error
        return cls(shown, table, hashlib.sha256(raw).hexdigest(), Path(shown).stem)

    def refuse(self, key: str, found: str, right: str = "") -> InputError:
        return InputError(f"{self.path}: {key}", found, right)

    def take(self, key: str, kind: type, default: Any = None) -> Any:
        self.taken.add(key)
        value = self.table.get(key, default)
        if value is None:
            raise self.refuse(key, "missing", f"needs {_WORDS[kind]}")
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise self.refuse(key, f"found {value!r}", f"needs {_WORDS[kind]}")
        return value

    def text(self, key: str, default: str | None = None) -> str:
        return self.take(key, str, default).strip()

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.take(key, list, [])
        for value in values:
            if not isinstance(value, str):
                raise self.refuse(key, f"found {value!r}", "needs a list of texts")
        return tuple(values)

    def head(self) -> dict[str, Any]:
        """What every card begins with: its name, a summary and its source; and where the card is."""
        head = {key: self.text(key) for key in ("name", "summary", "reference")}
        for key, value in head.items():
            if not value:
                raise self.refuse(key, "empty", "every card says what it is and cites its source")
            if not value.isprintable():
                raise self.refuse(key, f"found {value!r}", "needs one line of plain text")
        return head | {"id": self.id, "digest": self.digest, "path": self.path}

    def mapping(self, key: str) -> Mapping[str, str]:
        values = self.take(key, dict, {})
        for name, value in values.items():
            if not isinstance(value, str):
                raise self.refuse(f"{key}.{name}", f"found {value!r}", 'needs text, such as "20 ms"')
        return MappingProxyType(dict(values))

    def pages(self, key: str) -> dict[str, Page]:
        tables = self.take(key, dict, {})
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise self.refuse(f"{key}.{name}", f"found {table!r}", "needs a table")
        return {name: Page(f"{self.path}: {key}.{name}", table) for name, table in tables.items()}

    def grammar(self, key: str, check: Callable[..., Any], *arguments: Any) -> Any:
        """Run a check of ``grammar.py``, and say on which card and field it failed."""
        try:
            return check(*arguments)
        except GrammarError as error:
            raise self.refuse(key, str(error)) from error

    def close(self, card: Callable[..., _Card], fields: dict[str, Any]) -> _Card:
        left = sorted(set(self.table) - self.taken)
        if left:
            raise self.refuse(left[0], "unknown key", one_of(left[0], self.taken))
        return card(**fields)


_WORDS = {str: "text", int: "a whole number", bool: "true or false", list: "a list", dict: "a table"}
