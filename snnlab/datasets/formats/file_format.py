"""What the loader has to know of a file format."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.audio.files import Sound
from snnlab.cards import Dataset
from snnlab.data.samples import Files, Images, Samples


@dataclass(frozen=True)
class FileFormat:
    """How datasets of one format are loaded.

    name              as in a card's `format`; the `reader` of recordings is the name, or "name:variant"
    load              a card, the name of a split and a data folder to the split's samples
    read_events       recordings to the events of each; None for a format without events
    read_sounds       recordings and their sample rate to the sound of each; None for a format without sounds
    may_be_partial    whether recordings of a split may be missing
    has_exact_counts  whether the card's number of samples is exact; not if the published files differ from it
    """

    name: str
    load: Callable[[Dataset, str, Path | None], Samples]
    read_events: Callable[[Files], Iterator[NDArray[np.void]]] | None = None
    read_sounds: Callable[[Files, int], Iterator[Sound]] | None = None
    may_be_partial: bool = False
    has_exact_counts: bool = True

    @property
    def kind(self) -> str:
        """What the samples are: "images", "events" or "sounds"."""
        if self.read_events is not None:
            return "events"
        return "images" if self.read_sounds is None else "sounds"

    def decode(self, card: Dataset, samples: Files) -> Iterator[object]:
        """The content of one recording after another. Raises InputError for a corrupt one."""
        if self.read_events is not None:
            yield from self.read_events(samples)
        if self.read_sounds is not None:
            yield from self.read_sounds(samples, card.rate)


def card_images(card: Dataset, split: str, values: NDArray[np.uint8], labels: NDArray[np.integer], peak: int) -> Images:
    """All images of a split: values (samples, features), labels (samples,)."""
    return Images(
        values=values,
        peak=peak,
        labels=labels.astype(np.int64),
        numbers=np.arange(len(values), dtype=np.int64),
        shape=card.shape,
        classes=card.classes,
        dataset=card.id,
        split=split,
    )


def card_recordings(
    card: Dataset,
    split: str,
    folder: Path,
    names: Sequence[str],
    labels: Iterable[int],
    *,
    reader: str,
    shape: tuple[int, ...],
    numbers: Iterable[int] | None = None,
    classes: tuple[str, ...] = (),
) -> Files:
    """Recordings of a split: a file below `folder` and a label for each.

    numbers  positions in the split; default: 0, 1, 2, ...
    classes  default: the card's
    """
    return Files(
        names=np.array(names),
        folder=folder,
        reader=reader,
        card=card.digest,
        labels=np.array(labels, dtype=np.int64),
        numbers=np.arange(len(names), dtype=np.int64) if numbers is None else np.array(numbers, dtype=np.int64),
        shape=shape,
        classes=classes or card.classes,
        dataset=card.id,
        split=split,
    )
