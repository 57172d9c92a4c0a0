"""One recording of a word, as the name of its file tells."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Utterance:
    """A file, below the folder of its part with / between the parts; which class, whose voice, and which time."""

    name: str
    label: int
    speaker: str
    take: str

    @property
    def key(self) -> tuple[int, str, str]:
        return (self.label, self.speaker, self.take)
