"""File formats: one module for each, and the table by which cards and recordings find theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import Dataset
from snnlab.data.samples import Files
from snnlab.datasets.formats import audio, idx, nmnist, sklearn_digits, synthetic, table
from snnlab.datasets.formats.file_format import FileFormat
from snnlab.errors import InputError, one_of


def _load_with_tonic(card: Dataset, split: str, folder: Path | None) -> Files:
    from snnlab.datasets.formats import tonic_files  # imports tonic, which takes a second

    return tonic_files.load(card, split, folder)


def _read_with_tonic(samples: Files) -> Iterator[NDArray[np.void]]:
    from snnlab.datasets.formats import tonic_files

    return tonic_files.read_events(samples)


_TONIC = FileFormat("tonic", _load_with_tonic, read_events=_read_with_tonic, has_exact_counts=False)

FORMATS: Mapping[str, FileFormat] = {
    file_format.name: file_format
    for file_format in (
        idx.FORMAT, sklearn_digits.FORMAT, table.FORMAT, synthetic.FORMAT, nmnist.FORMAT, audio.FORMAT, _TONIC
    )
}  # fmt: skip
"""File formats by the name that a card gives in `format`."""


def format_of(samples: Files) -> FileFormat:
    """The format of recordings. Raises InputError for an unknown one."""
    name = samples.reader.partition(":")[0]
    if name not in FORMATS:
        raise InputError(f"{samples.dataset}: format", f"got {samples.reader!r}", one_of(name, FORMATS))
    return FORMATS[name]
