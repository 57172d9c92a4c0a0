"""How pictures look, and the way they reach a file. Nothing outside this folder needs matplotlib."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from snnlab.errors import InputError, one_of

BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
PURPLE, SKY = "#CC79A7", "#56B4E9"
"""Okabe and Ito's palette (2008), which colour-blind readers can tell apart; its yellow is too pale for a line."""
INK, GREY, PALE = "#000000", "#595959", "#BFBFBF"

STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.labelsize": 10,
        "axes.prop_cycle": cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",  # legends stand above the Axes on the right
        "axes.titlesize": 10,
        "figure.constrained_layout.use": True,
        "figure.facecolor": "white",
        "font.size": 9,
        "image.interpolation": "nearest",
        "legend.fontsize": 9,
        "legend.frameon": False,
        "lines.linewidth": 1.2,
        "pdf.fonttype": 42,  # text stays text
        "savefig.facecolor": "white",
        "svg.hashsalt": "snnlab",  # the same figure gives the same file
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
    }
)
"""The project's look, as matplotlib's rc parameters."""

MANY = 20_000
"""Dots of one picture from which a vector file holds them as an image."""

_UNDATED: Mapping[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


@contextmanager
def style() -> Iterator[None]:
    """The project's look for everything drawn inside the ``with`` block, and for nothing after it."""
    with matplotlib.rc_context(dict(STYLE)):
        yield


def figure(
    rows: int = 1,
    columns: int = 1,
    *,
    size: tuple[float, float] | None = None,
    heights: Sequence[float] | None = None,
    shared_time: bool = False,
) -> tuple[Figure, NDArray[Any]]:
    """An empty figure in the project's look and its Axes, always an array (rows, columns).

    size         width and height in inches; 8 wide if left out
    heights      relative heights of the rows
    shared_time  one x axis for each column, labelled below the last row only
    """
    with style():
        made = Figure(figsize=size or (8.0, 0.6 + 2.6 * rows))
        axes = made.subplots(
            rows, columns, squeeze=False, sharex="col" if shared_time else False, height_ratios=heights
        )
        _ticked(axes.flat)
    return made, axes


def panels(
    layout: Sequence[Sequence[str]], *, size: tuple[float, float], heights: Sequence[float]
) -> tuple[Figure, dict[str, Axes]]:
    """An empty figure in the project's look, and its Axes by the names in `layout`, which may stand in several places.

    size     width and height in inches
    heights  relative heights of the rows
    """
    with style():
        made = Figure(figsize=size)
        axes: dict[str, Axes] = made.subplot_mosaic([list(row) for row in layout], height_ratios=list(heights))
        _ticked(axes.values())
    return made, axes


def _ticked(axes: Iterable[Axes]) -> None:
    for ax in axes:
        ax.tick_params(labelsize=STYLE["xtick.labelsize"])  # ticks are made later, outside the style


def check_path(path: str | Path) -> Path:
    """The path of a picture, refused before anything is computed for it where ``save`` could not write it.

    Raises InputError for a suffix other than .png, .pdf and .svg, and for a folder that does not exist.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _UNDATED:
        found = f"suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise InputError(path, f"{found} for a picture", one_of(suffix, _UNDATED))
    with _refusing(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        path.parent.stat()
    return path


@contextmanager
def _refusing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        right = f"choose a {', '.join(_UNDATED)} file in a folder that exists and is writable"
        raise InputError(path, f"cannot be written: {reason}", right) from error


def save(figure: Figure, path: str | Path, *, dpi: int = 150) -> Path:
    """Write the figure to `path` as .png, .pdf or .svg; the file appears whole or not at all.

    Raises InputError for any other suffix, and where the file cannot be written; a file already there then stays.
    """
    path = check_path(path)
    suffix = path.suffix.lower()
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _refusing(path):
        try:
            with style():
                # a colour bar beside an image of fixed shape finds its place only after two rounds
                figure.draw_without_rendering()
                figure.draw_without_rendering()
                figure.savefig(partial, format=suffix[1:], dpi=dpi, metadata=_UNDATED[suffix])
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path
