"""Parts of C++ structs that are generated from cards."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from snnlab.brian.abstract_code import Block


def lines(depth: int, statements: Iterable[str]) -> str:
    """The statements one per line, indented by `depth` levels."""
    return "\n".join("    " * depth + statement for statement in statements)


def constructor(constants: Sequence[str], blocks: Iterable[Block]) -> dict[str, str]:
    """Members of a struct and the parts of its constructor, which evaluates invariants in double precision.

    constants  names of the parameters, in the order of the array that the constructor takes
    """
    invariants = [pair for block in blocks for pair in block.invariants]
    members = [f"c_{name}" for name in constants] + [name for name, _ in invariants]
    return {
        "members": lines(1, (f"real {name};" for name in members)),
        "parameters": lines(2, (f"const double c_{name} = parameters[{k}];" for k, name in enumerate(constants))),
        "invariants": lines(2, (f"const double {name} = {value};" for name, value in invariants)),
        "assignments": lines(2, (f"this->{name} = real({name});" for name in members)),
    }
