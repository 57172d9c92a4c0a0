"""The files of a dataset card: data files, archives and listings, with addresses, paths and checksums."""

from __future__ import annotations

import string
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Any

from snnlab.cards.toml_table import TomlTable
from snnlab.errors import InputError

_HEX_DIGITS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class DataFile:
    """One original file, stored gzipped or plain. An unpublished checksum is empty."""

    name: str  # without .gz
    bytes: int  # of the plain file
    sha256: str  # of the plain file
    sha256_gz: str  # of the archive as published
    md5_gz: str  # of the archive as published


@dataclass(frozen=True)
class Archive:
    """A published archive (zip, tar or gzipped tar) or plain file. An unpublished checksum is empty.

    `keep` are patterns of the members that are data, as in "Train/*/*.bin"; `strip` is a leading folder to remove from
    their paths. An archive without patterns is itself the data and is not extracted.
    """

    name: str
    bytes: int  # 0 if unpublished
    md5: str
    sha256: str
    mirrors: tuple[str, ...]  # addresses, in the order in which they are tried
    keep: tuple[str, ...]
    strip: str


@dataclass(frozen=True)
class Listing:
    """The files that a complete folder of recordings contains.

    `sha256` is that of the lines "<sha256 of a file>  <its path>", sorted by path, as sha256sum writes them.
    """

    pattern: str
    files: int
    sha256: str


def read_file(name: str, part: TomlTable) -> DataFile:
    """The data file in a table. Raises InputError."""
    _check_file_name(name, part)
    fields = {"bytes": count(part, "bytes")} | _checksums(part, "sha256", "sha256_gz", "md5_gz")
    return part.close(partial(DataFile, name), fields)


def read_archive(name: str, part: TomlTable) -> Archive:
    """The archive in a table. Raises InputError."""
    _check_file_name(name, part)
    fields: dict[str, Any] = {"bytes": count(part, "bytes", 0), "mirrors": addresses(part)}
    fields |= _checksums(part, "md5", "sha256") | {"keep": paths(part, "keep"), "strip": part.text("strip", "")}
    if fields["strip"]:
        check_path(part, "strip", fields["strip"])
    for pattern in fields["keep"]:
        if PurePosixPath(fields["strip"]) not in PurePosixPath(pattern).parents:
            raise part.error("keep", f"got {pattern!r}", f"must be patterns of files below {fields['strip'] or '.'!r}")
    if not (fields["md5"] or fields["sha256"] or fields["keep"]):
        raise part.error("md5", "no checksum", "required for a download that is not extracted")
    return part.close(partial(Archive, name), fields)


def read_listing(part: TomlTable) -> Listing:
    """The listing in a table. Raises InputError."""
    fields: dict[str, Any] = {"pattern": part.text("pattern"), "files": count(part, "files")}
    check_path(part, "pattern", fields["pattern"])
    return part.close(Listing, fields | _checksums(part, "sha256"))


def count(part: TomlTable, key: str, default: int | None = None) -> int:
    """A field that is a number of something, not negative."""
    value = part.take(key, int, default)
    if value < 0:
        raise part.error(key, f"got {value}", "must be at least 0")
    return int(value)


def addresses(part: TomlTable) -> tuple[str, ...]:
    """The addresses in the field `mirrors`."""
    values = part.texts("mirrors")
    for address in values:
        check_address(part, "mirrors", address)
    return values


def check_address(part: TomlTable, key: str, address: str) -> None:
    """Raise InputError if an address is not one of the web."""
    plain = address.isprintable() and not set(address) & set(string.whitespace)
    if not (plain and address.startswith(("https://", "http://"))):
        raise part.error(key, f"got {address!r}", "must be an address that starts with https:// or http://")


def paths(part: TomlTable, key: str) -> tuple[str, ...]:
    """A field of paths below the data folder."""
    values = part.texts(key)
    for path in values:
        check_path(part, key, path)
    return values


def check_path(part: TomlTable, key: str, path: str) -> None:
    """Raise InputError if a path leads out of the data folder, where a download could overwrite files."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or not path.isprintable() or set(path) & set("\\:"):
        raise part.error(key, f"got {path!r}", "must be a path below the data folder")


def _check_file_name(name: str, part: TomlTable) -> None:
    if PurePosixPath(name).name != name or name in ("", "..") or not name.isprintable() or set(name) & set("\\:"):
        raise InputError(part.path, f"{name!r} is not a plain file name")


def _checksums(part: TomlTable, *keys: str) -> dict[str, str]:
    values = {key: part.text(key, "").lower() for key in keys}
    for key, value in values.items():
        digits = _HEX_DIGITS[key.split("_")[0]]
        if value and (len(value) != digits or set(value) - set("0123456789abcdef")):
            raise part.error(key, f"got {value!r}", f"must be {digits} hexadecimal digits")
    return values
