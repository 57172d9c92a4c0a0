"""Free Spoken Digits (Jackson and others, 2018): <digit>_<speaker>_<take>.wav, all in one folder.

A speaker says each digit 50 times, takes 0 to 49. Speakers have been added to the dataset over the years, so any name
is taken for one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from snnlab.cards import Dataset
from snnlab.datasets.files import listed
from snnlab.datasets.formats.utterance import Utterance
from snnlab.errors import InputError

_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]{1,3})\.wav", re.IGNORECASE | re.ASCII)
_TAKES = 50  # of each speaker and digit
_TEST = 5  # takes 0 to 4 of each speaker and digit are the test part, by the README of the dataset


def utterances(card: Dataset, split: str, place: Path) -> Iterator[Utterance]:
    """The recordings in a folder that belong to one part; what is no WAV file is left alone.

    Raises InputError for a WAV file whose name is not that of a recording, and where there are none but the other
    part's.
    """
    here = others = 0
    for path in (place / name for name in listed(place)):
        if path.suffix.lower() != ".wav":
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise InputError(path, "no recording of Free Spoken Digits", "<digit>_<speaker>_<take>.wav; move it away")
        take = int(match["take"])
        if take >= _TAKES:
            raise InputError(path, f"take {take}", f"takes are 0 to {_TAKES - 1}; move it away")
        if (take < _TEST) != (split == "test"):
            others += 1
            continue
        here += 1
        yield Utterance(path.name, card.classes.index(match["digit"]), match["speaker"].lower(), f"{take:03}")
    if others and not here:
        first, last = (0, _TEST - 1) if split == "test" else (_TEST, _TAKES - 1)
        found = f"no takes {first} to {last}, which are the {split} part, among {others:,} recordings"
        raise InputError(place, found, f"add some of them, or run `snnlab data fetch {card.id}`")
