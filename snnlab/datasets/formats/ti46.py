"""TI46 (LDC93S9) as on LDC's disc: {ti20,ti_alpha}/{train,test}/<speaker>/<word><speaker><session>t<token>.wav or .sph.

Words are 00 to 09 and 0A to 0Z, and two letters for the ten commands, which are left out; speakers f1 to f8 and m1 to
m8; session se is training, s1 to s8 are test. All of it may be in upper or lower case. The data must be bought from
the Linguistic Data Consortium, so it is never downloaded.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

from snnlab.cards import Dataset
from snnlab.datasets.files import listed
from snnlab.datasets.formats.utterance import Utterance
from snnlab.errors import InputError

_NAME = re.compile(
    r"(?P<word>0[0-9a-z]|en|er|go|hp|no|rb|rp|sp|st|ys)(?P<speaker>[fm][1-8])(?P<session>se|s[1-8])t(?P<token>[0-9])"
    r"\.(wav|sph)",
    re.IGNORECASE | re.ASCII,
)
_DIGITS = "zero one two three four five six seven eight nine".split()
_CODES = {one: f"0{one.upper()}" for one in string.digits + string.ascii_lowercase}
_CODES |= {word: f"0{digit}" for digit, word in enumerate(_DIGITS)}
"""What files call a word, by the name of its class."""
_SPEAKER = re.compile(r"[fm][1-8]", re.IGNORECASE)


def utterances(card: Dataset, split: str, place: Path) -> Iterator[Utterance]:
    """The recordings of one part, folder after folder; files that are not called .wav or .sph are left alone.

    Raises InputError for a class that is no word of these, a folder that is no speaker's, a sound whose name is not
    that of a recording, and one that lies in the folder of another speaker or of the other part.
    """
    codes = _codes(card)
    for folder in (place / name for name in listed(place) if (place / name).is_dir()):
        if not _SPEAKER.fullmatch(folder.name):
            raise InputError(folder, "no folder of a speaker", f"move it away: {place} holds f1 to f8 and m1 to m8")
        for path in (folder / name for name in listed(folder)):
            if path.suffix.lower() not in (".wav", ".sph"):
                continue
            match = _NAME.fullmatch(path.name)
            if match is None:
                right = "<word><speaker><session>t<token>.wav or .sph, as in 0af1set0.wav; move it away"
                raise InputError(path, "no recording of TI46", right)
            _check_folders(path, split, match["speaker"].lower(), match["session"].lower())
            if match["word"].upper() in codes:
                take = match["session"].lower() + match["token"]
                name = f"{folder.name}/{path.name}"
                yield Utterance(name, codes[match["word"].upper()], match["speaker"].lower(), take)


def _codes(card: Dataset) -> dict[str, int]:
    """Which class the code of each word is. Raises InputError for a class that is no digit and no letter."""
    for name in card.classes:
        if name.lower() not in _CODES:
            raise InputError(f"{card.path}: classes", f"found {name!r}", "TI46 has digits, zero to nine, and letters")
    return {_CODES[name.lower()]: label for label, name in enumerate(card.classes)}


def _check_folders(path: Path, split: str, speaker: str, session: str) -> None:
    if speaker != path.parent.name.lower():
        right = f"its name says speaker {speaker}: it lies in the wrong folder, or has the wrong name"
        raise InputError(path, f"in the folder of speaker {path.parent.name.lower()}", right)
    if (session == "se") != (split == "train"):
        said = "training" if session == "se" else "test"
        raise InputError(
            path, f"in the {split} part", f"its name says {said} (session {session}): it lies in the wrong folder"
        )
