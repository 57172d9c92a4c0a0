"""The style of figures, and how they are created and saved."""

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
"""The colour-blind-safe palette of Okabe and Ito (2008), without yellow, which is too pale for lines."""
INK, GREY, PALE = "#000000", "#595959", "#BFBFBF"

STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.labelsize": 10,
        "axes.prop_cycle": cycler(color=[BLUE, VERMILLION, GREEN, ORANGE, PURPLE, SKY, INK]),
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",  # legends are above the Axes at the right
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
"""The style, as matplotlib's rc parameters."""

RASTERISED = 20_000
"""With more dots than this, vector files store them as an image."""

_UNDATED: Mapping[str, dict[str, Any]] = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}


@contextmanager
def style() -> Iterator[None]:
    """Apply the style inside the ``with`` block only."""
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
    """An empty styled figure and its Axes, always an array (rows, columns).

    size         width and height in inches; 8 wide by default
    heights      relative heights of the rows
    shared_time  share the x axis within each column, labelled in the last row only
    """
    with style():
        empty = Figure(figsize=size or (8.0, 0.6 + 2.6 * rows))
        axes = empty.subplots(
            rows, columns, squeeze=False, sharex="col" if shared_time else False, height_ratios=heights
        )
        _set_tick_size(axes.flat)
    return empty, axes


def panels(
    layout: Sequence[Sequence[str]], *, size: tuple[float, float], heights: Sequence[float]
) -> tuple[Figure, dict[str, Axes]]:
    """An empty styled figure, and its Axes by the names in `layout`; an Axes may span several cells.

    size     width and height in inches
    heights  relative heights of the rows
    """
    with style():
        empty = Figure(figsize=size)
        axes: dict[str, Axes] = empty.subplot_mosaic([list(row) for row in layout], height_ratios=list(heights))
        _set_tick_size(axes.values())
    return empty, axes


def _set_tick_size(axes: Iterable[Axes]) -> None:
    for ax in axes:
        ax.tick_params(labelsize=STYLE["xtick.labelsize"])  # ticks are created later, outside the style


def titled(figure: Figure, title: str) -> Figure:
    """The figure with a title at its top left."""
    figure.suptitle(title, x=0.01, ha="left", fontsize=11)
    return figure


def check_path(path: str | Path) -> Path:
    """Check that ``save`` could write a figure to `path`, before anything is computed for it.

    Raises InputError for a suffix other than .png, .pdf and .svg, and if the folder does not exist.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if suffix not in _UNDATED:
        problem = f"got suffix {path.suffix!r}" if path.suffix else "no suffix"
        raise InputError(path, problem, one_of(suffix, _UNDATED))
    with _write_errors(path):
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "Is a directory")
        path.parent.stat()
    return path


@contextmanager
def _write_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        hint = f"choose a {', '.join(_UNDATED)} file in an existing folder"
        raise InputError(path, f"cannot be written: {reason}", hint) from error


def save(figure: Figure, path: str | Path, *, dpi: int = 150) -> Path:
    """Write the figure to `path` as .png, .pdf or .svg, atomically.

    Raises InputError for other suffixes, and if the file cannot be written; an existing file is then unchanged.
    """
    path = check_path(path)
    suffix = path.suffix.lower()
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    with _write_errors(path):
        try:
            with style():
                # the layout of a colour bar beside an image of fixed aspect takes two passes
                figure.draw_without_rendering()
                figure.draw_without_rendering()
                figure.savefig(partial, format=suffix[1:], dpi=dpi, metadata=_UNDATED[suffix])
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    return path
