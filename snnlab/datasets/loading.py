"""Samples of a dataset card, whatever their format."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab import cards
from snnlab.data.samples import Files, Images, Samples
from snnlab.datasets.formats import FORMATS, format_of
from snnlab.errors import InputError, one_of


def load(name: str | Path, split: str, *, folder: Path | None = None) -> Samples:
    """One split of a dataset, by the id or path of its card, with every checksum verified.

    Files are searched below `folder`, or below $SNNLAB_DATA and the user's data folder. Images are read; recordings
    stay files for an encoder to read, and if each is a file of its own, some may be missing.

    Raises InputError for files that are missing, truncated, changed or not as on the card.
    """
    card = cards.dataset(name)
    if split not in card.splits:
        raise InputError(f"{card.path}: splits", f"no split {split!r}", one_of(split, card.splits))
    file_format = FORMATS[card.format]
    samples = file_format.load(card, split, folder)
    expected = card.splits[split].samples
    is_partial = file_format.may_be_partial and len(samples) < expected
    if len(samples) != expected and not is_partial and file_format.has_exact_counts:
        raise InputError(f"{card.path}: splits.{split}.samples", f"{len(samples)} in the files", f"expected {expected}")
    return samples.read_only()


def kind_of(samples: Samples) -> str:
    """What samples are: "images", "sounds" or "events", or "spikes" if already encoded."""
    if isinstance(samples, Images):
        return "images"
    return format_of(samples).kind if isinstance(samples, Files) else "spikes"


def read_events(samples: Files) -> Iterator[NDArray[np.void]]:
    """The events of one recording after another, see `snnlab.data.samples.EVENT`.

    Raises InputError for recordings without events, and for a corrupt file.
    """
    reader = format_of(samples).read_events
    if reader is None:
        raise InputError(f"{samples.dataset}: format", f"got {samples.reader!r}", "must be a format of events")
    return reader(samples)
