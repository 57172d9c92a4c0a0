"""A dataset card into samples: the one call for all formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.cards import Dataset
from snnlab.cards.dataset_formats import TONIC
from snnlab.data.samples import Files, Samples
from snnlab.datasets.formats import audio, idx, nmnist, sklearn_digits, synthetic, table
from snnlab.errors import InputError, one_of


def _of_tonic(card: Dataset, split: str, folder: Path | None) -> Samples:
    # imported here, because tonic takes a second
    from snnlab.datasets.formats import tonic_files

    return tonic_files.recordings(card, split, folder)


def _read_by_tonic(samples: Files) -> Iterator[NDArray[np.void]]:
    from snnlab.datasets.formats import tonic_files

    return tonic_files.read(samples)


PARTIAL = frozenset({nmnist.READER, audio.READER})
"""Formats of which a part may be there in part."""

_FORMATS: Mapping[str, Callable[[Dataset, str, Path | None], Samples]] = {
    "idx": idx.images,
    "scikit-learn": sklearn_digits.images,
    "table": table.images,
    "synthetic": synthetic.images,
    nmnist.READER: nmnist.recordings,
    audio.READER: audio.recordings,
    "tonic": _of_tonic,
}
_AS_FOUND = frozenset({"tonic"})  # formats whose archives have digests; sources count their samples differently
_READERS: Mapping[str, Callable[[Files], Iterator[NDArray[np.void]]]] = {
    nmnist.READER: nmnist.read,
    **{f"tonic-{kind}": _read_by_tonic for kind in TONIC},
}


def load(name: str | Path, split: str, *, folder: Path | None = None) -> Samples:
    """One part of a dataset, by the id of its card (or the path of a card), with every checksum verified.

    Files are looked for below `folder`; without one, below $SNNLAB_DATA and then below the user's data folder.
    Images come with their values; recordings as the files that an encoder will read, and where they lie in a file
    each, there may be fewer than the card says: those that are there.

    Raises InputError for files that are missing, truncated, altered or not what the card says.
    """
    card = cards.dataset(name)
    if split not in card.splits:
        raise InputError(f"{card.path}: splits", f"no part {split!r}", one_of(split, card.splits))
    if card.format not in _FORMATS:
        raise InputError(f"{card.path}: format", f"found {card.format!r}", one_of(card.format, _FORMATS))
    samples = samples_of(card, split, folder)
    expected = card.splits[split].samples
    fewer = card.format in PARTIAL and len(samples) < expected
    if len(samples) != expected and not fewer and card.format not in _AS_FOUND:
        found = f"{len(samples)} in the files"
        raise InputError(f"{card.path}: splits.{split}.samples", found, f"the card says {expected}")
    return samples.read_only()


def samples_of(card: Dataset, split: str, folder: Path | None) -> Samples:
    """One part of a dataset, or what there is of it."""
    return _FORMATS[card.format](card, split, folder)


def events(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, see `snnlab.data.samples.EVENT`.

    Raises InputError for recordings of no events, and for a file that is spoilt.
    """
    if samples.reader not in _READERS:
        raise InputError(f"{samples.dataset}: format", f"found {samples.reader!r}", one_of(samples.reader, _READERS))
    return _READERS[samples.reader](samples)
