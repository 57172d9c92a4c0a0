"""A card of the datasets shelf: where data comes from, what is in it, how to know that it is whole, and its licence."""

from __future__ import annotations

import math
import string
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any

from snnlab.cards.toml_reader import Page
from snnlab.errors import InputError, one_of

FORMATS = {
    "idx": "LeCun's idx files, one of images and one of labels for each part",
    "scikit-learn": "shipped inside that package",
    "table": "on the card itself, a row for each sample",
    "synthetic": "generated from a seed by a generator that the card names",
    "nmnist-bin": "one file of 5-byte events for each recording, in a folder for each class",
    "audio": "one WAV or SPHERE file for each utterance",
    "tonic": "read by a class of tonic",
}
"""What a card's `format` may say."""

NAMINGS = {
    "fsdd": "<digit>_<speaker>_<take>.wav, all in one folder; takes 0 to 4 are the test part",
    "ti46": "<speaker>/<word><speaker><session>t<token>, as on LDC's disc, .wav or .sph, in any case",
}
"""What a card's `naming` may say: how the files of sounds are called."""

GENERATORS = {
    "yin-yang": "points of a disc in which yin, yang and their two dots are told apart, as x, y, 1 - x and 1 - y",
    "uniform": "every number equally often, all of them independent; each sample is of the first class",
}
"""What a card's `generator` may say: the rules that snnlab/datasets/formats/synthetic.py has."""

YIN_YANG = ("yin", "yang", "dot")
"""The classes of a card whose `generator` is "yin-yang"."""

TIME_UNITS = ("s", "ms", "us")
"""What a card's `time_unit` may say."""

TONIC = ("SHD", "SSC", "NTIDIGITS18", "DVSGesture")
"""What a card of format "tonic" may say in `tonic`: the classes whose files are read."""

_MEASURE = {
    "idx": "shape", "scikit-learn": "shape", "table": "shape", "synthetic": "shape",
    "nmnist-bin": "sensor", "tonic": "sensor", "audio": "rate",
}  # fmt: skip
_SHIPPED = ("scikit-learn", "table", "synthetic")  # formats that need no files
_MOST = 255  # that a number in a table may be
_DRAWN_MOST = 1 << 28  # numbers in a part that is drawn, so that a card from elsewhere cannot fill the memory
_MEASURES = ("shape", "sensor", "rate")
_DIGITS = {"md5": 32, "sha256": 64}


@dataclass(frozen=True)
class DataFile:
    """One original file; it may lie gzipped or plain. A digest that nobody has published is empty."""

    name: str  # without .gz
    bytes: int  # of the plain file
    sha256: str  # of the plain file
    sha256_gz: str  # of the archive as published
    md5_gz: str  # likewise


@dataclass(frozen=True)
class Archive:
    """One archive as published: zip, tar or gzipped tar, or a plain file. A digest that nobody has published is empty.

    `keep` are patterns of the members that are data, as in "Train/*/*.bin"; `strip` is the folder inside the archive
    that is left away. Without patterns the archive is itself the data, and is not unpacked.
    """

    name: str  # under which it is kept
    bytes: int  # 0 where nobody has published it
    md5: str
    sha256: str
    mirrors: tuple[str, ...]  # whole addresses, in the order in which they are tried
    keep: tuple[str, ...]
    strip: str


@dataclass(frozen=True)
class Listing:
    """What a folder of loose files holds when it is complete.

    `sha256` is that of the lines "<sha256 of a file>  <its path>", sorted by path, as sha256sum writes them.
    """

    pattern: str
    files: int
    sha256: str


@dataclass(frozen=True)
class Split:
    """One part of a dataset: how many samples it has when complete, and where they are.

    An idx card names two `files`, a table has `rows`, each of numbers and the name of a class, and what is drawn has a
    `seed`; for all others `path` is a file or a folder below the data folder.
    """

    samples: int
    images: str
    labels: str
    path: str
    rows: tuple[tuple[int | str, ...], ...]
    seed: int  # of the random numbers that it is drawn from; 0 where nothing is drawn


@dataclass(frozen=True)
class Dataset:
    """Where data comes from, what is in it, and under which licence."""

    id: str
    name: str
    summary: str
    reference: str
    source: str  # the page that publishes it; empty where the reference says it all
    licence: str
    obtain: str  # how to get it where it cannot be downloaded; empty where it can
    format: str  # a key of FORMATS
    tonic: str  # the name of tonic's class, where tonic has one
    classes: tuple[str, ...]
    first_label: int  # that the files give to the first class
    shape: tuple[int, ...]  # of an image
    transposed: bool  # whether the files hold each image by columns
    sensor: tuple[int, ...]  # of events: width, height, polarities, as tonic's sensor_size
    time_unit: str  # of events in the files; loaders hand out microseconds
    rate: int  # of sound, in Hz
    naming: str  # of the files of sounds: a key of NAMINGS
    generator: str  # the generator of synthetic samples: a key of GENERATORS
    folders: tuple[str, ...]  # where the files may lie below the data folder, most likely first
    mirrors: tuple[str, ...]  # folders on the net that hold the files, each as <name>.gz
    files: Mapping[str, DataFile]
    archives: Mapping[str, Archive]
    listing: Listing | None
    splits: Mapping[str, Split]
    digest: str
    path: str


def read(page: Page) -> Dataset:
    """The dataset card on a page. Raises InputError."""
    if (kind := page.text("kind", "")) != "dataset":
        raise page.refuse("kind", f"found {kind!r}" if kind else "missing", 'needs kind = "dataset"')
    fields = page.head() | _words(page) | _measures(page)
    fields["generator"] = _generator(page, fields)
    fields |= {"folders": _folders(page, "folders"), "mirrors": _addresses(page)}
    fields["files"] = MappingProxyType({name: _data_file(name, part) for name, part in page.pages("files").items()})
    archives = {name: _archive(name, part) for name, part in page.pages("archives").items()}
    fields["archives"] = MappingProxyType(archives)
    listing = page.take("listing", dict, {})
    fields["listing"] = _listing(Page(f"{page.path}: listing", listing)) if listing else None
    splits = {name: _split(part, fields) for name, part in page.pages("splits").items()}
    _check_sources(page, fields)
    if not splits:
        raise page.refuse("splits", "missing", "a dataset has at least one part")
    if fields["format"] == "synthetic":
        _check_seeds(page, splits)
    fields["splits"] = MappingProxyType(splits)
    return page.close(Dataset, fields)


def _check_sources(page: Page, fields: Mapping[str, Any]) -> None:
    """That files and archives are where they are asked for, and classes what the names of files say."""
    if fields["mirrors"] and fields["format"] != "idx":
        raise page.refuse("mirrors", f"found {list(fields['mirrors'])!r}", "hold idx files; archives have their own")
    for key in ("files", "archives", "listing"):
        if fields[key] and fields["format"] in _SHIPPED:
            raise page.refuse(key, "found", "what ships with a package, stands on its card or is drawn has no files")
    if fields["naming"] == "fsdd" and sorted(fields["classes"]) != list(string.digits):
        raise page.refuse("classes", f"found {list(fields['classes'])!r}", "files named as in fsdd say 0 to 9")


def _check_seeds(page: Page, splits: Mapping[str, Split]) -> None:
    """One seed would put the same samples into two parts."""
    found: dict[int, str] = {}
    for name, split in splits.items():
        if found.setdefault(split.seed, name) != name:
            other = found[split.seed]
            raise page.refuse(f"splits.{name}: seed", f"found {split.seed}, that of {other!r}", "each part has its own")


# Field by field --------------------------------------------------------------------------------------------------


def _words(page: Page) -> dict[str, Any]:
    fields = {key: page.text(key) for key in ("licence", "format")}
    fields |= {key: page.text(key, "") for key in ("source", "obtain", "tonic")}
    if fields["source"]:
        _check_address(page, "source", fields["source"])
    if fields["format"] not in FORMATS:
        raise page.refuse("format", f"found {fields['format']!r}", one_of(fields["format"], FORMATS))
    if fields["tonic"] and not fields["tonic"].isidentifier():
        raise page.refuse("tonic", f"found {fields['tonic']!r}", "needs the name of one of tonic's classes")
    if fields["format"] == "tonic" and fields["tonic"] not in TONIC:
        found = f"found {fields['tonic']!r}" if fields["tonic"] else "missing"
        raise page.refuse("tonic", found, f"this format is read by one of {', '.join(TONIC)}")
    classes = page.texts("classes")
    if not classes or len(set(classes)) < len(classes):
        raise page.refuse("classes", f"found {list(classes)!r}", "needs a list of names, each once")
    return fields | {"classes": classes}


def _measures(page: Page) -> dict[str, Any]:
    """How large a sample is: of an image its shape, of events their sensor and time unit, of sound its rate."""
    format_ = page.text("format")
    fields: dict[str, Any] = {"shape": _sides(page, "shape"), "sensor": _sides(page, "sensor")}
    fields["rate"] = page.take("rate", int, 0)
    for key in _MEASURES:
        if bool(fields[key]) != (key == _MEASURE[format_]):
            found = f"found {fields[key]!r}" if fields[key] else "missing"
            raise page.refuse(key, found, f"a card of format {format_!r} gives its {_MEASURE[format_]}")
    if fields["rate"] < 0:
        raise page.refuse("rate", f"found {fields['rate']}", "needs samples in a second")
    fields["naming"] = page.text("naming", "")
    if fields["naming"] not in (NAMINGS if fields["rate"] else {""}):
        raise page.refuse("naming", f"found {fields['naming']!r}", f"sounds need one of {', '.join(NAMINGS)}")
    fields["time_unit"] = page.text("time_unit", "")
    if (fields["time_unit"] in TIME_UNITS) != bool(fields["sensor"]) or len(fields["sensor"]) not in (0, 3):
        right = f"events have a sensor of width, height, polarities and one of {', '.join(TIME_UNITS)}; others neither"
        raise page.refuse("time_unit", f"found {fields['time_unit']!r} with sensor {list(fields['sensor'])}", right)
    fields["first_label"] = page.take("first_label", int, 0)
    fields["transposed"] = page.take("transposed", bool, False)
    for key in ("first_label", "transposed"):
        if fields[key] and format_ != "idx":
            raise page.refuse(key, f"found {fields[key]!r}", "only idx files need it")
    return fields


def _generator(page: Page, fields: Mapping[str, Any]) -> str:
    """The rule that samples are drawn by; empty for a format that is not drawn."""
    rule = page.text("generator", "")
    if bool(rule) != (fields["format"] == "synthetic"):
        raise page.refuse(
            "generator", f"found {rule!r}" if rule else "missing", 'needed where the format is "synthetic"'
        )
    if rule and rule not in GENERATORS:
        raise page.refuse("generator", f"found {rule!r}", one_of(rule, GENERATORS))
    if rule == "yin-yang" and fields["shape"] != (4,):
        raise page.refuse("shape", f"found {list(fields['shape'])}", "points of yin-yang have four numbers: needs [4]")
    if rule == "yin-yang" and fields["classes"] != YIN_YANG:
        raise page.refuse("classes", f"found {list(fields['classes'])!r}", f"yin-yang has {', '.join(YIN_YANG)}")
    return rule


def _sides(page: Page, key: str) -> tuple[int, ...]:
    sides = page.take(key, list, [])
    if not all(type(side) is int and side > 0 for side in sides):
        raise page.refuse(key, f"found {sides!r}", "needs a list of positive whole numbers")
    return tuple(sides)


def _check_address(page: Page, key: str, address: str) -> None:
    plain = address.isprintable() and not set(address) & set(string.whitespace)
    if not (plain and address.startswith(("https://", "http://"))):
        raise page.refuse(key, f"found {address!r}", "needs an address that begins with https:// or http://")


def _addresses(page: Page) -> tuple[str, ...]:
    addresses = page.texts("mirrors")
    for address in addresses:
        _check_address(page, "mirrors", address)
    return addresses


def _folders(page: Page, key: str) -> tuple[str, ...]:
    folders = page.texts(key)
    for folder in folders:
        _check_inside(page, key, folder)
    return folders


def _check_inside(page: Page, key: str, path: str) -> None:
    """A path that climbed out of the data folder would be read, or written to by a download."""
    pure = PurePosixPath(path)
    if not path or pure.is_absolute() or ".." in pure.parts or not path.isprintable() or set(path) & set("\\:"):
        raise page.refuse(key, f"found {path!r}", "needs a path below the data folder")


def _plain_name(name: str, part: Page) -> None:
    if PurePosixPath(name).name != name or name in ("", "..") or not name.isprintable() or set(name) & set("\\:"):
        raise InputError(part.path, "not a plain file name")


def _digests(part: Page, *keys: str) -> dict[str, str]:
    found = {key: part.text(key, "").lower() for key in keys}
    for key, value in found.items():
        digits = _DIGITS[key.split("_")[0]]
        if value and (len(value) != digits or set(value) - set("0123456789abcdef")):
            raise part.refuse(key, f"found {value!r}", f"needs {digits} hexadecimal digits")
    return found


def _count(part: Page, key: str, default: int | None = None) -> int:
    count = part.take(key, int, default)
    if count < 0:
        raise part.refuse(key, f"found {count}", "cannot be negative")
    return int(count)


def _data_file(name: str, part: Page) -> DataFile:
    _plain_name(name, part)
    fields = {"bytes": _count(part, "bytes")} | _digests(part, "sha256", "sha256_gz", "md5_gz")
    return part.close(partial(DataFile, name), fields)


def _archive(name: str, part: Page) -> Archive:
    _plain_name(name, part)
    fields: dict[str, Any] = {"bytes": _count(part, "bytes", 0), "mirrors": _addresses(part)} | _digests(
        part, "md5", "sha256"
    )
    fields |= {"keep": _folders(part, "keep"), "strip": part.text("strip", "")}
    if fields["strip"]:
        _check_inside(part, "strip", fields["strip"])
    for one in fields["keep"]:
        if PurePosixPath(fields["strip"]) not in PurePosixPath(one).parents:
            raise part.refuse("keep", f"found {one!r}", f"needs patterns of files below {fields['strip'] or '.'!r}")
    if not (fields["md5"] or fields["sha256"] or fields["keep"]):
        raise part.refuse("md5", "no checksum", "what is downloaded and not unpacked needs one")
    return part.close(partial(Archive, name), fields)


def _listing(part: Page) -> Listing:
    fields: dict[str, Any] = {"pattern": part.text("pattern"), "files": _count(part, "files")} | _digests(
        part, "sha256"
    )
    _check_inside(part, "pattern", fields["pattern"])
    return part.close(Listing, fields)


def _split(part: Page, card: Mapping[str, Any]) -> Split:
    format_, known = card["format"], card["files"]
    fields: dict[str, Any] = {key: part.text(key, "") for key in ("images", "labels", "path")}
    fields["samples"] = _count(part, "samples")
    for key in ("images", "labels"):
        if fields[key] not in (known if format_ == "idx" else {""}):
            raise part.refuse(key, f"found {fields[key]!r}", one_of(fields[key], known))
    if bool(fields["path"]) != (format_ not in ("idx", *_SHIPPED)):
        raise part.refuse("path", f"found {fields['path']!r}", "a file or a folder, where the format is not idx")
    fields |= {"rows": _rows(part, card), "seed": _seed(part, card, fields["samples"])}
    if format_ == "table" and len(fields["rows"]) != fields["samples"]:
        raise part.refuse("samples", f"found {fields['samples']}", f"the table has {len(fields['rows'])} rows")
    if fields["path"]:
        _check_inside(part, "path", fields["path"])
    return part.close(Split, fields)


def _rows(part: Page, card: Mapping[str, Any]) -> tuple[tuple[int | str, ...], ...]:
    """The rows of a table: as many numbers as the shape has, and the name of a class."""
    rows = part.take("rows", list, [])
    if bool(rows) != (card["format"] == "table"):
        raise part.refuse("rows", "found" if rows else "missing", "a table has them, and no other format")
    for row in rows:
        width = math.prod(card["shape"])
        right = f"needs {width} whole numbers, 0 to {_MOST}, and one of {', '.join(card['classes'])}"
        if not isinstance(row, list) or len(row) != width + 1 or row[-1] not in card["classes"]:
            raise part.refuse("rows", f"found {row!r}", right)
        if not all(type(number) is int and 0 <= number <= _MOST for number in row[:-1]):
            raise part.refuse("rows", f"found {row!r}", right)
    return tuple(map(tuple, rows))


def _seed(part: Page, card: Mapping[str, Any], samples: int) -> int:
    """The seed of a part that is drawn, and 0 where nothing is."""
    if card["format"] != "synthetic":
        if "seed" in part.table:
            raise part.refuse("seed", f"found {part.table['seed']!r}", 'only the format "synthetic" has seeds')
        return 0
    if samples * math.prod(card["shape"]) > _DRAWN_MOST:
        right = f"at most {_DRAWN_MOST:,} numbers are drawn, and a sample has {math.prod(card['shape'])}"
        raise part.refuse("samples", f"found {samples}", right)
    return _count(part, "seed")
