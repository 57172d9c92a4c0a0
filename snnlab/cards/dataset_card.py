"""Cards of datasets: source, licence, formats, files with their checksums, and splits."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from snnlab.cards.dataset_files import (
    Archive,
    DataFile,
    Listing,
    addresses,
    check_address,
    check_path,
    count,
    paths,
    read_archive,
    read_file,
    read_listing,
)
from snnlab.cards.dataset_formats import (
    FORMATS,
    GENERATORS,
    NAMINGS,
    TIME_UNITS,
    TONIC,
    YIN_YANG,
    Format,
    check_card_keys,
    check_split_keys,
)
from snnlab.cards.toml_table import TomlTable

_MAX_VALUE = 255  # of a number in a table
_MAX_NUMBERS = 1 << 28  # in a synthetic split, so that a card cannot fill the memory


@dataclass(frozen=True)
class Split:
    """One part of a dataset: its number of samples when complete, and where they are.

    The format of the dataset decides which of the other fields are set.
    """

    samples: int
    images: str  # name of the idx file of images
    labels: str  # name of the idx file of labels
    path: str  # file or folder below the data folder
    rows: tuple[tuple[int | str, ...], ...]  # of a table: numbers, and the name of a class
    seed: int  # of a synthetic split, otherwise 0


@dataclass(frozen=True)
class Dataset:
    """A dataset: where it comes from, what it contains, and its licence."""

    id: str
    name: str
    summary: str
    reference: str
    source: str  # address of the page that publishes it, or empty
    licence: str
    obtain: str  # how to get what cannot be downloaded, or empty
    format: str  # a key of FORMATS
    tonic: str  # name of the class in tonic, or empty
    classes: tuple[str, ...]
    first_label: int  # label of the first class in the files
    shape: tuple[int, ...]  # of an image
    transposed: bool  # whether the files store images by columns
    sensor: tuple[int, ...]  # of events: width, height, polarities, as tonic's sensor_size
    time_unit: str  # of events in the files
    rate: int  # sampling rate of sound in Hz
    naming: str  # of sound files: a key of NAMINGS
    generator: str  # of synthetic samples: a key of GENERATORS
    folders: tuple[str, ...]  # of the files below the data folder, in the order in which they are searched
    mirrors: tuple[str, ...]  # addresses of folders that hold the files, each as <name>.gz
    files: Mapping[str, DataFile]
    archives: Mapping[str, Archive]
    listing: Listing | None
    splits: Mapping[str, Split]
    digest: str
    path: str


def read_dataset(table: TomlTable) -> Dataset:
    """The dataset in a table. Raises InputError."""
    kind = table.text("kind", "")
    if kind != "dataset":
        raise table.invalid("kind", kind, 'must be "dataset"')
    format_ = FORMATS[table.choice("format", FORMATS)]
    check_card_keys(table, format_)
    fields = table.head() | _texts(table) | {"format": format_.name, "classes": _classes(table)}
    fields |= _sample_size(table)
    fields |= {"first_label": table.take("first_label", int, 0), "transposed": table.take("transposed", bool, False)}
    fields["naming"] = _naming(table, fields)
    fields["generator"] = _generator(table, fields)
    fields |= {"folders": paths(table, "folders"), "mirrors": addresses(table)}
    for key, read in (("files", read_file), ("archives", read_archive)):
        fields[key] = MappingProxyType({name: read(name, part) for name, part in table.subtables(key).items()})
    listing = table.subtable("listing")
    fields["listing"] = read_listing(listing) if listing.table else None
    splits = {name: _split(part, fields, format_) for name, part in table.subtables("splits").items()}
    _check_splits(table, splits, format_)
    return table.close(Dataset, fields | {"splits": MappingProxyType(splits)})


def _texts(table: TomlTable) -> dict[str, str]:
    fields = {"licence": table.text("licence")} | {key: table.text(key, "") for key in ("source", "obtain", "tonic")}
    if fields["source"]:
        check_address(table, "source", fields["source"])
    if fields["tonic"] and not fields["tonic"].isidentifier():
        raise table.invalid("tonic", fields["tonic"], "must be the name of a class of tonic")
    if table.text("format") == "tonic":
        table.choice("tonic", TONIC)
    return fields


def _classes(table: TomlTable) -> tuple[str, ...]:
    classes = table.texts("classes")
    if not classes or len(set(classes)) < len(classes):
        raise table.invalid("classes", list(classes), "must be a list of different names")
    return classes


def _sample_size(table: TomlTable) -> dict[str, Any]:
    """The shape of an image, the sensor and time unit of events, or the sampling rate of sound."""
    fields: dict[str, Any] = {"shape": _sides(table, "shape"), "sensor": _sides(table, "sensor")}
    if fields["sensor"] and len(fields["sensor"]) != 3:
        raise table.invalid("sensor", list(fields["sensor"]), "must be [width, height, polarities]")
    fields |= {"time_unit": table.choice("time_unit", TIME_UNITS, ""), "rate": table.take("rate", int, 0)}
    if "rate" in table.table and fields["rate"] < 1:
        raise table.invalid("rate", fields["rate"], "must be a number of samples per second, at least 1")
    return fields


def _sides(table: TomlTable, key: str) -> tuple[int, ...]:
    sides = table.take(key, list, [])
    if not all(type(side) is int and side > 0 for side in sides):
        raise table.invalid(key, sides, "must be a list of positive integers")
    return tuple(sides)


def _naming(table: TomlTable, fields: Mapping[str, Any]) -> str:
    naming = table.choice("naming", NAMINGS, "")
    if naming == "fsdd" and sorted(fields["classes"]) != list(string.digits):
        raise table.invalid("classes", list(fields["classes"]), 'must be "0" to "9" for the naming "fsdd"')
    return naming


def _generator(table: TomlTable, fields: Mapping[str, Any]) -> str:
    generator = table.choice("generator", GENERATORS, "")
    if generator == "yin-yang" and fields["shape"] != (4,):
        raise table.invalid("shape", list(fields["shape"]), 'must be [4] for the generator "yin-yang"')
    if generator == "yin-yang" and fields["classes"] != YIN_YANG:
        raise table.invalid("classes", list(fields["classes"]), f"must be {', '.join(YIN_YANG)} for this generator")
    return generator


def _split(part: TomlTable, card: Mapping[str, Any], format_: Format) -> Split:
    check_split_keys(part, format_)
    fields: dict[str, Any] = {key: part.choice(key, card["files"], "") for key in ("images", "labels")}
    fields |= {"samples": count(part, "samples"), "path": part.text("path", ""), "seed": count(part, "seed", 0)}
    if fields["path"]:
        check_path(part, "path", fields["path"])
    numbers = math.prod(card["shape"])
    fields["rows"] = _rows(part, numbers, card["classes"])
    if fields["rows"] and len(fields["rows"]) != fields["samples"]:
        raise part.invalid("samples", fields["samples"], f"must be the number of rows, {len(fields['rows'])}")
    if card["generator"] and fields["samples"] * numbers > _MAX_NUMBERS:
        hint = f"must be at most {_MAX_NUMBERS // numbers:,} for samples of {numbers} numbers"
        raise part.invalid("samples", fields["samples"], hint)
    return part.close(Split, fields)


def _rows(part: TomlTable, numbers: int, classes: tuple[str, ...]) -> tuple[tuple[int | str, ...], ...]:
    """The rows of a table: each holds as many numbers as a sample has, and the name of a class."""
    rows = part.take("rows", list, [])
    hint = f"each must hold {numbers} integers, 0 to {_MAX_VALUE}, and one of {', '.join(classes)}"
    for row in rows:
        if not isinstance(row, list) or len(row) != numbers + 1 or row[-1] not in classes:
            raise part.error("rows", f"got {row!r}", hint)
        if not all(type(number) is int and 0 <= number <= _MAX_VALUE for number in row[:-1]):
            raise part.error("rows", f"got {row!r}", hint)
    return tuple(map(tuple, rows))


def _check_splits(table: TomlTable, splits: Mapping[str, Split], format_: Format) -> None:
    """A dataset has splits, and synthetic splits have different seeds: the same seed would give the same samples."""
    if not splits:
        raise table.error("splits", "missing", "a dataset needs at least one split")
    names: dict[int, str] = {}
    for name, split in splits.items():
        if "seed" in format_.split and names.setdefault(split.seed, name) != name:
            problem = f"got {split.seed}, the seed of {names[split.seed]!r}"
            raise table.error(f"splits.{name}: seed", problem, "each split needs its own seed")
