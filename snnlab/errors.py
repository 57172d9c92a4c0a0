"""The error that snnlab raises for invalid input: one line that a person can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Invalid input: which field, what is wrong with it, and how to mend it.

    field    file, option, argument or part of a network
    problem  what was found there
    hint     what would be valid; empty where that is obvious

    The command line prints it as one line, "field: problem; hint", and exits with 2, without a traceback.
    """

    def __init__(self, field: object, problem: str, hint: str = "") -> None:
        self.field, self.problem, self.hint = str(field), problem, hint
        line = f"{field}: {problem}" + (f"; {hint}" if hint else "")
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Pickle by fields, so that errors of worker processes arrive unchanged."""
        return type(self), (self.field, self.problem, self.hint)


def one_of(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the closest known one first, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(names) or 'none'}"
