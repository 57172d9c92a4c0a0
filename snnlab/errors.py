"""The one way snnlab says no: a mistake that a person can mend, in one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class Refused(ValueError):
    """A user's mistake: where it is, what was found there, and what would be right.

    The command line prints it as a single line and exits with 2; it never shows a traceback for it.
    """

    def __init__(self, where: object, found: str, right: str = "") -> None:
        self.where, self.found, self.right = str(where), found, right
        line = f"{where}: {found}" + (f"; {right}" if right else "")
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[type[Refused], tuple[str, str, str]]:
        """From another process it comes as it was."""
        return type(self), (self.where, self.found, self.right)


def one_of(word: str, known: Iterable[str]) -> str:
    """The closing half of a refusal: the words that would have been right, the nearest one first."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(names) or 'none'}"
