"""Formats of datasets: which keys a card and its splits have in each."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass

from snnlab.cards.toml_table import TomlTable

NAMINGS = (
    "fsdd",  # <digit>_<speaker>_<take>.wav in one folder; takes 0 to 4 are the test split
    "ti46",  # <speaker>/<word><speaker><session>t<token>.wav or .sph, as on LDC's disc, in either case
)
"""Conventions for the names of sound files."""

GENERATORS = (
    "yin-yang",  # points x, y, 1 - x, 1 - y of a disc with three classes: yin, yang and their dots
    "uniform",  # independent, uniformly distributed numbers; all samples are of the first class
)
"""Generators of synthetic samples, see snnlab/datasets/formats/synthetic.py."""

YIN_YANG = ("yin", "yang", "dot")
"""Classes of the generator "yin-yang"."""

TIME_UNITS = ("s", "ms", "us")
"""Time units of events."""

TONIC = ("SHD", "SSC", "NTIDIGITS18", "DVSGesture")
"""Classes of tonic whose files the format "tonic" reads."""

_FILES = frozenset({"files", "archives", "listing"})
_NONE = frozenset[str]()


@dataclass(frozen=True)
class Format:
    """A format, and the keys that its cards have in addition to those of every card.

    required  keys of the card
    split     required keys of each split, besides samples
    optional  further keys of the card
    location  where the data is, if not in files
    """

    name: str
    required: Set[str]
    split: Set[str]
    optional: Set[str] = _FILES
    location: str = ""

    @property
    def keys(self) -> Set[str]:
        """All keys of the card that belong to this format."""
        return self.required | self.optional


FORMATS = {
    format_.name: format_
    for format_ in (
        # LeCun's idx files: one of images and one of labels for each split
        Format("idx", {"shape"}, {"images", "labels"}, _FILES | {"mirrors", "first_label", "transposed"}),
        Format("scikit-learn", {"shape"}, _NONE, _NONE, "ships with scikit-learn"),
        Format("table", {"shape"}, {"rows"}, _NONE, "on its card"),
        Format("synthetic", {"shape", "generator"}, {"seed"}, _NONE, "generated from the seeds on its card"),
        # one file of 5-byte events for each recording, in one folder for each class
        Format("nmnist-bin", {"sensor", "time_unit"}, {"path"}),
        # one WAV or SPHERE file for each utterance
        Format("audio", {"rate", "naming"}, {"path"}),
        # read by a class of tonic
        Format("tonic", {"sensor", "time_unit", "tonic"}, {"path"}),
    )
}
"""All formats, by name."""


def check_card_keys(table: TomlTable, format_: Format) -> None:
    """Raise InputError if a card lacks a key that its format requires, or has a key of other formats."""
    # cards of every format may name the class in tonic
    _check_keys(table, format_, format_.required, lambda known: known.keys - {"tonic"})


def check_split_keys(table: TomlTable, format_: Format) -> None:
    """Raise InputError if a split lacks a key that its format requires, or has a key of other formats."""
    _check_keys(table, format_, format_.split, lambda known: known.split)


def _check_keys(table: TomlTable, format_: Format, required: Set[str], keys_of: Callable[[Format], Set[str]]) -> None:
    keys = _NONE.union(*map(keys_of, FORMATS.values()))
    for key in sorted(keys & set(table.table) - keys_of(format_)):
        formats = ", ".join(repr(known.name) for known in FORMATS.values() if key in keys_of(known))
        raise table.error(key, f"not a key of the format {format_.name!r}", f"only of {formats}")
    for key in sorted(required):
        if table.table.get(key) in (None, "", []):
            raise table.error(key, "missing", f"required by the format {format_.name!r}")
