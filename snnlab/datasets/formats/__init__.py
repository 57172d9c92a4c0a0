"""File formats: one module for each, found by itself, by the names in cards and recordings."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import Dataset
from snnlab.cards.dataset_formats import FORMATS as CARD_FORMATS
from snnlab.data.samples import Files
from snnlab.datasets.formats.file_format import FileFormat
from snnlab.errors import InputError, one_of


def _load_with_tonic(card: Dataset, split: str, folder: Path | None) -> Files:
    from snnlab.datasets.formats import tonic_files  # imports tonic, which takes a second

    return tonic_files.load(card, split, folder)


def _read_with_tonic(samples: Files) -> Iterator[NDArray[np.void]]:
    from snnlab.datasets.formats import tonic_files

    return tonic_files.read_events(samples)


_TONIC = FileFormat("tonic", _load_with_tonic, read_events=_read_with_tonic, has_exact_counts=False)


def _defined_formats() -> dict[str, FileFormat]:
    """The record FORMAT of each module, for the names and in the order of the formats of cards."""
    names = [module.name for module in iter_modules(__path__) if module.name != "tonic_files"]  # imports tonic
    values = [vars(import_module(f"{__name__}.{name}")).get("FORMAT") for name in names]
    found = {value.name: value for value in (*values, _TONIC) if isinstance(value, FileFormat)}
    return {name: found[name] for name in CARD_FORMATS}


FORMATS: Mapping[str, FileFormat] = _defined_formats()
"""File formats by the name that a card gives in `format`. A new module of this folder is found by itself."""


def format_of(samples: Files) -> FileFormat:
    """The format of recordings. Raises InputError for an unknown one."""
    name = samples.reader.partition(":")[0]
    if name not in FORMATS:
        raise InputError(f"{samples.dataset}: format", f"got {samples.reader!r}", one_of(name, FORMATS))
    return FORMATS[name]
