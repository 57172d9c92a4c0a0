"""What the commands print."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile, zip_longest

_AUTHOR = re.compile(r"[^\W\d_][\w'-]*( and [^\W\d_][\w'-]*)?")  # a surname, or the last two of them
_YEAR = re.compile(r" ((?:1[89]|20)\d\d)\b")
_GAP, _INDENT = "  ", "    "
_ENOUGH = 30  # columns, for a text to be wrapped in
_WIDEST = 120  # columns of text, however wide the terminal
_NARROWEST = 40
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns under their heads, one line to a row; nothing is ever cut.

    In a terminal too narrow for that a row takes several lines, those after its first further right.
    """
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    divided = _divided(widths, terminal_width() or sum(widths) + len(_GAP) * len(widths))
    for row in [head, *rows]:
        for number, sizes in enumerate(divided):
            for line in _side_by_side([(row[column], size) for column, size in sizes.items()]):
                print(f"{_INDENT if number else ''}{line}")


def _divided(widths: Sequence[int], room: int) -> list[dict[int, int]]:
    """The columns that stand in each line of a row, and how wide; the last takes what is left if that is enough."""
    lines: list[dict[int, int]] = [{}]
    left = room
    for column, width in enumerate(widths):
        last = column == len(widths) - 1
        if lines[-1] and left < (min(width, _ENOUGH) if last else width):
            lines.append({})
            left = room - len(_INDENT)
        lines[-1][column] = max(min(width, left), 1)
        left -= width + len(_GAP)
    return lines


def _side_by_side(cells: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Texts, each wrapped at its width; no line where all of them are empty."""
    wrapped = [textwrap.wrap(text, width) for text, width in cells]
    for parts in zip_longest(*wrapped, fillvalue=""):
        yield _GAP.join(part.ljust(width) for part, (_, width) in zip(parts, cells, strict=True)).rstrip()


def fields(rows: Sequence[tuple[str, str]]) -> None:
    """A name and what it is, line by line; never broken, for it may be a command to be copied."""
    widest = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name.ljust(widest)}  {value}")


def prose(name: str, text: str, indent: int) -> None:
    """A name and a text beside it, wrapped, `indent` columns to the right; a single line outside a terminal."""
    line = f"{name.ljust(indent)}{text}"
    width = terminal_width()
    if width is not None and len(line) > width:
        width = max(min(width, _WIDEST), indent + _NARROWEST)
        line = textwrap.fill(
            line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
    print(line)


def terminal_width() -> int | None:
    """Columns of the terminal that stdout is; None where it goes elsewhere, and lines have no end."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def counted(number: int, noun: str) -> str:
    """How many there are of something, with its noun in the number."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


_NAMED = 24  # letters of all authors


def short(reference: str) -> str:
    """Authors and year of a reference that begins with the authors, or the reference where they cannot be told."""
    parts = reference.split(", ")
    authors = list(takewhile(_AUTHOR.fullmatch, parts[:-1]))
    year = _YEAR.search(reference)
    if not authors or not year:
        return reference
    named = ", ".join(authors)
    # three of short names, two of long ones, or a table is too wide
    return f"{named if len(authors) <= 3 and len(named) <= _NAMED else f'{authors[0]} et al.'} {year[1]}"


def span(low: float, high: float, unit: str) -> str:
    """Two numbers in SI units, with the prefix that suits the larger."""
    largest = max(abs(low), abs(high))
    scale, prefix = next(((s, p) for s, p in _PREFIXES if largest >= s), (1.0, "")) if unit in ("V", "A") else (1.0, "")
    return f"{low / scale:.4g} to {high / scale:.4g} {prefix}{unit}".rstrip()
