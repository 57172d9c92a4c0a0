"""Formatting of what the commands print."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import takewhile, zip_longest
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snnlab.experiments import Experiment
    from snnlab.training.checkpoints import Progress

_AUTHOR = re.compile(r"[^\W\d_][\w'-]*( and [^\W\d_][\w'-]*)?")  # a surname, or the last two of a list
_YEAR = re.compile(r" ((?:1[89]|20)\d\d)\b")
_LONGEST_AUTHORS = 24
_GAP, _INDENT = "  ", "    "
_NARROWEST_LAST = 30  # columns in which the last cell of a row may be wrapped
_WIDEST = 120  # columns of text, also in wider terminals
_NARROWEST = 40
_PREFIXES = ((1.0, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"), (1e-12, "p"))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print columns under their heads, one line for each row, without truncating any cell.

    In a narrow terminal a row takes several lines, all but the first indented.
    """
    widths = [max(len(row[column]) for row in [head, *rows]) for column in range(len(head))]
    layout = _layout(widths, terminal_width() or sum(widths) + len(_GAP) * len(widths))
    for row in [head, *rows]:
        for number, columns in enumerate(layout):
            for line in _side_by_side([(row[column], width) for column, width in columns.items()]):
                print(f"{_INDENT if number else ''}{line}")


def _layout(widths: Sequence[int], available: int) -> list[dict[int, int]]:
    """Column -> width, for each line of a row; the last column takes the remaining width if it is wide enough."""
    lines: list[dict[int, int]] = [{}]
    left = available
    for column, width in enumerate(widths):
        last = column == len(widths) - 1
        if lines[-1] and left < (min(width, _NARROWEST_LAST) if last else width):
            lines.append({})
            left = available - len(_INDENT)
        lines[-1][column] = max(min(width, left), 1)
        left -= width + len(_GAP)
    return lines


def _side_by_side(cells: Sequence[tuple[str, int]]) -> Iterator[str]:
    """Lines of texts, each wrapped at its width; none if all texts are empty."""
    wrapped = [textwrap.wrap(text, width) for text, width in cells]
    for parts in zip_longest(*wrapped, fillvalue=""):
        yield _GAP.join(part.ljust(width) for part, (_, width) in zip(parts, cells, strict=True)).rstrip()


def fields(rows: Sequence[tuple[str, str]]) -> None:
    """Print a name and a value on each line; never wrapped, because values may be commands to copy."""
    width = max(len(name) for name, _ in rows)
    for name, value in rows:
        print(f"{name.ljust(width)}  {value}")


def prose(name: str, text: str, indent: int) -> None:
    """Print a name and, after `indent` columns, a text that is wrapped in a terminal."""
    line = f"{name.ljust(indent)}{text}"
    width = terminal_width()
    if width is not None and len(line) > width:
        width = max(min(width, _WIDEST), indent + _NARROWEST)
        line = textwrap.fill(
            line, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False
        )
    print(line)


def terminal_width() -> int | None:
    """Columns of the terminal, None if stdout is not a terminal."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def counted(number: int, noun: str) -> str:
    """A number with its noun, ``1 epoch`` or ``2,000 epochs``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def epochs(number: int) -> str:
    return counted(number, "epoch")


def trained(progress: Progress) -> str:
    """The duration of training so far, as text: epochs and batches."""
    return epochs(len(progress.rows)) + (f" and {progress.batch} batches" if progress.batch else "")


def percent(fraction: float | None) -> str:
    return "none" if fraction is None else f"{100 * fraction:.2f} %"


def reported(experiment: Experiment) -> str:
    """The accuracy reported in the paper, and the paper."""
    return f"{percent(experiment.reported)}; {experiment.reference}"


def short_reference(reference: str) -> str:
    """Authors and year of a reference that begins with its authors; other references are unchanged."""
    parts = reference.split(", ")
    authors = list(takewhile(_AUTHOR.fullmatch, parts[:-1]))
    year = _YEAR.search(reference)
    if not authors or not year:
        return reference
    names = ", ".join(authors)
    # three short names or two long ones fit into a table
    return f"{names if len(authors) <= 3 and len(names) <= _LONGEST_AUTHORS else f'{authors[0]} et al.'} {year[1]}"


def value_range(low: float, high: float, unit: str) -> str:
    """Two numbers in SI units, with the prefix that suits the larger."""
    largest = max(abs(low), abs(high))
    scale, prefix = next(((s, p) for s, p in _PREFIXES if largest >= s), (1.0, "")) if unit in ("V", "A") else (1.0, "")
    return f"{low / scale:.4g} to {high / scale:.4g} {prefix}{unit}".rstrip()
