"""A synthetic TI46 disc: sounds in the folders and under the names of LDC's disc."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np

SPEAKERS = [sex + str(number) for sex in "fm" for number in range(1, 9)]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
COMMANDS = "EN ER GO HP NO RB RP SP ST YS".split()


def sphere(samples: np.ndarray, rate: int = 12500, coding: str = "pcm") -> bytes:
    """A SPHERE file as in NIST's documentation: 1024 bytes of header, then 16-bit samples."""
    lines = [
        "NIST_1A", "   1024", f"sample_count -i {len(samples)}", f"sample_rate -i {rate}", "channel_count -i 1",
        "sample_n_bytes -i 2", "sample_byte_format -s2 10", f"sample_coding -s{len(coding)} {coding}", "end_head", "",
    ]  # fmt: skip
    return "\n".join(lines).encode().ljust(1024) + samples.astype(">i2").tobytes()


def tone(number: int) -> np.ndarray:
    """A sine of 3000 samples or a few more; frequency and length depend on the number."""
    return np.round(8000 * np.sin(np.arange(3000 + number % 7) / (3 + number % 11))).astype(np.int16)


class Disc:
    """LDC's folders with some speakers, words and takes."""

    def __init__(self, data: Path, *, upper: bool = False, suffix: str = ".wav") -> None:
        self.data, self.upper, self.suffix = data, upper, suffix
        self.root = data / "ti46"

    def case(self, text: str) -> str:
        return text.upper() if self.upper else text.lower()

    def path(self, area: str, part: str, speaker: str, word: str, session: str, token: int) -> Path:
        name = f"{word}{speaker}{session}t{token}{self.suffix}"
        return self.root / self.case(area) / self.case(part) / self.case(speaker) / self.case(name)

    def write(self, area: str, words: list[str], speakers: list[str], trains: int = 2, tests: int = 2) -> None:
        utterances = [("train", "se", token) for token in range(trains)]
        utterances += [("test", f"s{1 + number // 2}", number % 2) for number in range(tests)]
        combinations = itertools.product(utterances, speakers, words)
        for number, ((part, session, token), speaker, word) in enumerate(combinations):
            path = self.path(area, part, speaker, word, session, token)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sphere(tone(number)))
