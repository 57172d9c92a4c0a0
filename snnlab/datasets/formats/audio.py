"""Recordings of spoken words, a sound file each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from snnlab.audio.files import Sound, read
from snnlab.cards import Dataset
from snnlab.data.samples import Files
from snnlab.datasets.formats import fsdd, ti46
from snnlab.datasets.formats.file_format import FileFormat, card_recordings
from snnlab.datasets.formats.utterance import Utterance
from snnlab.datasets.locating import find
from snnlab.errors import InputError

_NAME = "audio"

_NAMINGS: Mapping[str, Callable[[Dataset, str, Path], Iterator[Utterance]]] = {
    "fsdd": fsdd.utterances,
    "ti46": ti46.utterances,
}


def load(card: Dataset, split: str, folder: Path | None) -> Files:
    """The existing recordings of a split, ordered by word, speaker and take.

    Raises InputError for no recordings, for file names that contradict one another or their folders, and for two files
    of the same utterance.
    """
    path = card.splits[split].path
    root = find(card, path, folder)
    if not root.is_dir():
        raise InputError(root, "not a folder", f"must be the folder {path} of {card.name}")
    utterances = dict[tuple[int, str, str], Utterance]()
    for utterance in _NAMINGS[card.naming](card, split, root):
        if utterance.key in utterances:
            first = root / utterances[utterance.key].name
            raise InputError(root / utterance.name, "duplicate utterance", f"{first} is the same: remove one of them")
        utterances[utterance.key] = utterance
    if not utterances:
        raise InputError(root, f"no recordings of {card.name}", card.obtain or f"run `snnlab data fetch {card.id}`")
    ordered = [utterances[key] for key in sorted(utterances)]
    names, labels = [recording.name for recording in ordered], [recording.label for recording in ordered]
    return card_recordings(card, split, root, names, labels, reader=_NAME, shape=())


def read_sounds(samples: Files, sample_rate: int) -> Iterator[Sound]:
    """One sound after another. Raises InputError for a corrupt file, and for another sample rate."""
    for path in samples.paths():
        yield read(path, sample_rate=sample_rate)


FORMAT = FileFormat(_NAME, load, read_sounds=read_sounds, may_be_partial=True)
