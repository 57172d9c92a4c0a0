"""Names of TI46 (LDC93S9) as on LDC's disc: {ti20,ti_alpha}/{train,test}/<speaker>/<word><speaker><session>t<token>.wav

or .sph, in upper or lower case. Words are 00 to 09, 0A to 0Z, and two letters for the ten commands, which are not used;
speakers are f1 to f8 and m1 to m8; session se is training, s1 to s8 are test. The data must be bought from the
Linguistic Data Consortium and is never downloaded.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from pathlib import Path

from snnlab.cards import Dataset
from snnlab.datasets.formats.utterance import Utterance
from snnlab.datasets.locating import visible_names
from snnlab.errors import InputError

_NAME = re.compile(
    r"(?P<word>0[0-9a-z]|en|er|go|hp|no|rb|rp|sp|st|ys)(?P<speaker>[fm][1-8])(?P<session>se|s[1-8])t(?P<token>[0-9])"
    r"\.(wav|sph)",
    re.IGNORECASE | re.ASCII,
)
_DIGITS = "zero one two three four five six seven eight nine".split()
_CODES = {symbol: f"0{symbol.upper()}" for symbol in string.digits + string.ascii_lowercase}
_CODES |= {word: f"0{digit}" for digit, word in enumerate(_DIGITS)}
"""Code of a word in file names, by the name of its class."""
_SPEAKER = re.compile(r"[fm][1-8]", re.IGNORECASE)


def utterances(card: Dataset, split: str, root: Path) -> Iterator[Utterance]:
    """The recordings of one split, folder after folder; other files than .wav and .sph are ignored.

    Raises InputError for a class that is not a word of TI46, for an invalid name of a folder or sound, and for a sound
    in the folder of another speaker or split.
    """
    codes = _codes(card)
    for folder in (root / name for name in visible_names(root) if (root / name).is_dir()):
        if not _SPEAKER.fullmatch(folder.name):
            raise InputError(folder, "not the folder of a speaker", "must be named f1 to f8 or m1 to m8")
        for path in (folder / name for name in visible_names(folder)):
            if path.suffix.lower() not in (".wav", ".sph"):
                continue
            match = _NAME.fullmatch(path.name)
            if match is None:
                hint = "must be named <word><speaker><session>t<token>.wav or .sph, as in 0af1set0.wav"
                raise InputError(path, "not a recording of TI46", hint)
            _check_folders(path, split, match["speaker"].lower(), match["session"].lower())
            if match["word"].upper() in codes:
                take = match["session"].lower() + match["token"]
                name = f"{folder.name}/{path.name}"
                yield Utterance(name, codes[match["word"].upper()], match["speaker"].lower(), take)


def _codes(card: Dataset) -> dict[str, int]:
    """Number of the class by the code of its word. Raises InputError for a class that is not a digit or letter."""
    for name in card.classes:
        if name.lower() not in _CODES:
            raise InputError(f"{card.path}: classes", f"got {name!r}", "must be a letter or a digit, zero to nine")
    return {_CODES[name.lower()]: label for label, name in enumerate(card.classes)}


def _check_folders(path: Path, split: str, speaker: str, session: str) -> None:
    folder = path.parent.name.lower()
    if speaker != folder:
        raise InputError(path, f"in the folder of speaker {folder}", f"the name is of speaker {speaker}: correct one")
    if (session == "se") != (split == "train"):
        other_split = "train" if session == "se" else "test"
        raise InputError(path, f"in the {split} split", f"session {session} is of the {other_split} split: correct one")
