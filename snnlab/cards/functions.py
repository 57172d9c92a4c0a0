"""Functions that a card defines for itself, ``phi(u) = 1/(1 + exp(-u))``, put into its text where they are called.

What comes out is text like any other on a card, and checked as that.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from snnlab.cards.grammar import FUNCTIONS, GrammarError, check_expression, check_name

_HEAD = re.compile(r"\s*([A-Za-z]\w*)\s*\(\s*([A-Za-z]\w*)\s*\)\s*")
_LONGEST = 20_000  # characters of a text with its functions put in; a bound on calls within calls


@dataclass(frozen=True)
class Definition:
    """A function of one argument."""

    name: str
    argument: str
    expression: str

    def __str__(self) -> str:
        return f"{self.name}({self.argument}) = {self.expression}"


def definition(head: str, expression: str, names: Collection[str] = ()) -> Definition:
    """The function ``head``, as "phi(u)", of an expression over its argument and `names`. Raises GrammarError."""
    found = _HEAD.fullmatch(head)
    if found is None:
        raise GrammarError(f"{head!r} is not a function of one argument, such as 'phi(u)'")
    check_name(found[1])
    check_name(found[2])
    # its argument hides what is called the same on the card
    check_expression(expression, {*names, found[2]})
    return Definition(found[1], found[2], " ".join(expression.split()))


def expanded(text: str, functions: Mapping[str, Definition]) -> str:
    """A text with every call of the functions replaced by what it stands for. Raises GrammarError.

    Lines stay where they are, for a refusal to name them.
    """
    if not functions:
        return text
    # a comment may hold half a bracket
    text = re.sub(r"#[^\n]*", "", text)
    call = re.compile(rf"\b({'|'.join(map(re.escape, functions))})\s*\(")
    while found := call.search(text):
        end = _closing(text, found.end())
        inside = text[found.end() : end]
        function = functions[found[1]]
        if _arguments(inside) != 1:
            raise GrammarError(f"{found[1]}({inside.strip()}): {function.name} is a function of one argument")
        value = re.sub(rf"\b{function.argument}\b", lambda _, given=inside: f"({given})", function.expression)  # type: ignore[misc]
        text = f"{text[: found.start()]}({value}){text[end + 1 :]}"
        if len(text) > _LONGEST:
            raise GrammarError(f"more than {_LONGEST} characters once {function.name} is put in")
    return text


def check_functions(functions: Mapping[str, Definition], taken: Collection[str]) -> None:
    """Refuse a function by the name of a variable or parameter. Raises GrammarError."""
    for name in functions:
        if name in taken or name in FUNCTIONS:
            raise GrammarError(f"{name!r} is also defined otherwise: choose another name")


def _arguments(inside: str) -> int:
    """How many there are between a call's brackets."""
    depth, commas = 0, 0
    for sign in inside:
        depth += {"(": 1, ")": -1}.get(sign, 0)
        commas += sign == "," and not depth
    return commas + 1 if inside.strip() else 0


def _closing(text: str, start: int) -> int:
    """Where the bracket that was opened before `start` is closed."""
    depth = 1
    for place in range(start, len(text)):
        depth += {"(": 1, ")": -1}.get(text[place], 0)
        if not depth:
            return place
    raise GrammarError(f"a bracket is never closed in {text[start : start + 40].strip()!r}")
