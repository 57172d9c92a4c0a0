"""A recording of a word, as described by its file name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """A recording of a word.

    name   path of the file below the folder of its split, with / between folders
    label  number of the class
    take   which recording of this word by this speaker
    """

    name: str
    label: int
    speaker: str
    take: str

    @property
    def key(self) -> tuple[int, str, str]:
        """What identifies the utterance, and its position in the order of a split."""
        return (self.label, self.speaker, self.take)
