"""Recordings of spoken words, a file each, as `snnlab.data.samples.Files`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np

from snnlab.cards import Dataset
from snnlab.data.samples import Files
from snnlab.datasets.files import find
from snnlab.datasets.formats import fsdd, ti46
from snnlab.datasets.formats.utterance import Utterance
from snnlab.errors import InputError

READER = "audio"

_NAMINGS: Mapping[str, Callable[[Dataset, str, Path], Iterator[Utterance]]] = {
    "fsdd": fsdd.utterances,
    "ti46": ti46.utterances,
}


def recordings(card: Dataset, split: str, folder: Path | None) -> Files:
    """One part of a dataset of sounds, or what there is of it, in the order of words, speakers and takes.

    Raises InputError for no recordings, for files whose names contradict one another or their folders, and for two
    files of one utterance.
    """
    part = card.splits[split]
    place = find(card, part.path, folder)
    if not place.is_dir():
        raise InputError(place, "not a folder", f"needs the folder {part.path} of {card.name}")
    found = dict[tuple[int, str, str], Utterance]()
    for one in _NAMINGS[card.naming](card, split, place):
        if one.key in found:
            right = f"{place / found[one.key].name} is the same utterance: move one of the two away"
            raise InputError(place / one.name, "an utterance that is there twice", right)
        found[one.key] = one
    if not found:
        raise InputError(place, f"no recordings of {card.name}", card.obtain or f"run `snnlab data fetch {card.id}`")
    chosen = [found[key] for key in sorted(found)]
    return Files(
        names=np.array([one.name for one in chosen]),
        folder=place,
        reader=READER,
        card=card.digest,
        labels=np.array([one.label for one in chosen], dtype=np.int64),
        numbers=np.arange(len(chosen), dtype=np.int64),
        shape=(),
        classes=card.classes,
        dataset=card.id,
        split=split,
    )
