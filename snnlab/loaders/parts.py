"""A dataset card into samples: the one call for all formats."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from snnlab import cards
from snnlab.cards import Dataset
from snnlab.errors import Refused, one_of
from snnlab.loaders import digits, idx
from snnlab.samples import Samples

_FORMATS: Mapping[str, Callable[[Dataset, str, Path | None], Samples]] = {
    "idx": idx.images,
    "scikit-learn": digits.images,
}


def load(name: str | Path, split: str, *, folder: Path | None = None) -> Samples:
    """One part of a dataset, by the id of its card (or the path of a card), with every checksum verified.

    Files are looked for below `folder`; without one, below $SNNLAB_DATA and then below the user's data folder.
    Images come with their values; recordings as the files that an encoder will read.
    Raises Refused for files that are missing, truncated, altered or not what the card says.
    """
    card = cards.dataset(name)
    if split not in card.splits:
        raise Refused(f"{card.path}: splits", f"no part {split!r}", one_of(split, card.splits))
    samples = _FORMATS[card.format](card, split, folder)
    expected = card.splits[split].samples
    if len(samples) != expected:
        found = f"{len(samples)} in the files"
        raise Refused(f"{card.path}: splits.{split}.samples", found, f"the card says {expected}")
    return samples.frozen()
