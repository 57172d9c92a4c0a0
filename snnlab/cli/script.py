"""Command-line options of the simulation scripts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import TracebackType

from snnlab.errors import InputError
from snnlab.plots import check_path


def script_parser(docstring: str | None, figure: str) -> argparse.ArgumentParser:
    """A parser with the option --plot, whose path is checked before the script computes anything.

    From this call on, an uncaught InputError is printed as one line and ends the script with exit code 1.

    docstring  of the script; its first paragraph is the description
    figure     default path of the figure
    """
    sys.excepthook = _print_input_errors
    parser = argparse.ArgumentParser(description=(docstring or "").partition("\n\n")[0])
    parser.add_argument(
        "--plot", type=_figure_path, default=figure, metavar="FILE", help="png, pdf or svg (default: %(default)s)"
    )
    return parser


def positive_int(text: str) -> int:
    """The argparse type of an integer of at least 1."""
    try:
        value = int(text)
    except ValueError:
        value = 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"got {text!r}; must be an integer of at least 1")
    return value


def _figure_path(text: str) -> Path:
    try:
        return check_path(text)
    except InputError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _print_input_errors(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if isinstance(error, InputError):
        print(f"{Path(sys.argv[0]).stem}: {error}", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)
