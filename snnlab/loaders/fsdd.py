"""Free Spoken Digits (Jackson and others, 2018): <digit>_<speaker>_<take>.wav, all in one folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from snnlab.cards import Dataset
from snnlab.errors import Refused
from snnlab.loaders.utterance import Utterance

_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]{1,3})\.wav", re.IGNORECASE | re.ASCII)
_TEST = 5  # takes 0 to 4 of each speaker and digit are the test part, by the README of the dataset


def utterances(card: Dataset, split: str, place: Path) -> Iterator[Utterance]:
    """The recordings in a folder that belong to one part; what is no WAV file is left alone.

    Raises Refused for a WAV file whose name is not that of a recording.
    """
    for path in sorted(place.iterdir()):
        if path.suffix.lower() != ".wav" or path.name.startswith("."):
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            raise Refused(path, "no recording of Free Spoken Digits", "<digit>_<speaker>_<take>.wav; move it away")
        if (int(match["take"]) < _TEST) == (split == "test"):
            label = card.classes.index(match["digit"])
            yield Utterance(path.name, label, match["speaker"].lower(), f"{int(match['take']):03}")
