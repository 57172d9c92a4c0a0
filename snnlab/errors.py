"""The error that snnlab raises for invalid input."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Invalid input.

    field    file, option, argument or part of a network
    problem  what is wrong with it, as in "got 3"
    hint     what would be valid, as in "must be at least 5"; empty if obvious

    The command line prints the line "field: problem; hint" without a traceback and exits with code 2.
    """

    def __init__(self, field: object, problem: str, hint: str = "") -> None:
        self.field, self.problem, self.hint = str(field), problem, hint
        line = f"{field}: {problem}" + (f"; {hint}" if hint else "")
        super().__init__(" ".join(line.split()))

    def __reduce__(self) -> tuple[type[InputError], tuple[str, str, str]]:
        """Pickle by fields, so that worker processes can return the error."""
        return type(self), (self.field, self.problem, self.hint)


def one_of(word: str, known: Iterable[str]) -> str:
    """The hint for an unknown name: the closest known name, then all of them."""
    names = sorted(known)
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"{hint}known: {', '.join(names) or 'none'}"
