"""Names of the Free Spoken Digit Dataset (Jackson et al., 2018): <digit>_<speaker>_<take>.wav, all in one folder.

Every speaker recorded each digit 50 times, takes 0 to 49. Any speaker name is valid, because the dataset keeps growing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from snnlab.cards import Dataset
from snnlab.datasets.formats.utterance import Utterance
from snnlab.datasets.locating import visible_names
from snnlab.errors import InputError

_NAME = re.compile(r"(?P<digit>[0-9])_(?P<speaker>[a-z]+)_(?P<take>[0-9]{1,3})\.wav", re.IGNORECASE | re.ASCII)
_TAKES = 50  # per speaker and digit
_TEST_TAKES = 5  # the first takes are the test split, as the README of the dataset defines


def utterances(card: Dataset, split: str, root: Path) -> Iterator[Utterance]:
    """The recordings of one split in a folder; other files than WAV are ignored.

    Raises InputError for an invalid name of a WAV file, and if all recordings are of the other split.
    """
    count = other_count = 0
    for path in (root / name for name in visible_names(root)):
        if path.suffix.lower() != ".wav":
            continue
        match = _NAME.fullmatch(path.name)
        if match is None:
            hint = "must be named <digit>_<speaker>_<take>.wav; move it elsewhere"
            raise InputError(path, "not a recording of Free Spoken Digits", hint)
        take = int(match["take"])
        if take >= _TAKES:
            raise InputError(path, f"take {take}", f"must be 0 to {_TAKES - 1}; move it elsewhere")
        if (take < _TEST_TAKES) != (split == "test"):
            other_count += 1
            continue
        count += 1
        yield Utterance(path.name, card.classes.index(match["digit"]), match["speaker"].lower(), f"{take:03}")
    if other_count and not count:
        first, last = (0, _TEST_TAKES - 1) if split == "test" else (_TEST_TAKES, _TAKES - 1)
        problem = f"no takes {first} to {last}, the {split} split, among {other_count:,} recordings"
        raise InputError(root, problem, f"add some of them, or run `snnlab data fetch {card.id}`")
