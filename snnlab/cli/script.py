"""What the simulation scripts share: where the picture goes, and refusals of one line."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType

from snnlab.errors import InputError
from snnlab.plots import check_path


def script_parser(told: str | None, picture: str) -> argparse.ArgumentParser:
    """A parser with the option --plot, of which a file that could not be written is refused before any work.

    From here on a InputError that nobody catches ends the program with its line alone, and exit code 1.

    told     what the script does, the first paragraph of its docstring
    picture  the file if none is given
    """
    sys.excepthook = _in_one_line
    parser = argparse.ArgumentParser(description=(told or "").partition("\n\n")[0])
    parser.add_argument(
        "--plot", type=_picture, default=picture, metavar="FILE", help="png, pdf or svg (default: %(default)s)"
    )
    return parser


def positive_int(text: str) -> int:
    """The type of an option that is a whole number of at least 1."""
    try:
        found = int(text)
    except ValueError:
        found = 0
    if found < 1:
        raise argparse.ArgumentTypeError(f"found {text!r}; needs a whole number, at least 1")
    return found


def _picture(text: str) -> Path:
    try:
        return check_path(text)
    except InputError as refusal:
        raise argparse.ArgumentTypeError(str(refusal)) from refusal


def _in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, InputError):
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
