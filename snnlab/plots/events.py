"""Events of a sensor: frames, one window of time after another, and every event at its time and place."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import legend_above, notice, time_axis, whole_numbers
from snnlab.plots.style import BLUE, INK, MANY, VERMILLION

_GAP = 2  # pixels between two frames
_BRIGHTEST = 99.0  # percentile of the counts that are not 0, from which a pixel has its full colour


def event_frames(events: NDArray[np.void], ax: Axes, *, shape: tuple[int, ...], frames: int = 6) -> Axes:
    """The events of one recording in equal windows of time, ON red and OFF blue, the more the darker.

    events  fields x, y, p and t, see `snnlab.data.samples.EVENT`
    shape   rows, columns and polarities of the sensor
    frames  how many windows

    Raises InputError for no windows and for events off the sensor.
    """
    if frames < 1:
        raise InputError("event_frames", f"{frames} frames", "needs at least one")
    rows, columns = shape[:2]
    end = _end(events)
    number = np.minimum(events["t"] * frames // max(end, 1), frames - 1)
    counts = np.zeros((2, rows, frames, columns + _GAP))
    if len(events):
        _check(events, rows, columns)
        np.add.at(counts, (events["p"].astype(int), events["y"], number, events["x"]), 1)
    full = np.percentile(counts[counts > 0], _BRIGHTEST) if counts.any() else 1.0
    strength = np.clip(counts / full, 0, 1).reshape(2, rows, -1)[:, :, :-_GAP, None]
    picture = 1 - sum(strength[sign] * (1 - np.array(to_rgb(color))) for sign, color in enumerate((BLUE, VERMILLION)))
    ax.imshow(np.clip(picture, 0, 1), interpolation="nearest")
    for gap in range(1, frames):
        ax.axvspan(gap * (columns + _GAP) - _GAP - 0.5, gap * (columns + _GAP) - 0.5, color="0.85", linewidth=0)
    middles = np.arange(frames) * (columns + _GAP) + (columns - 1) / 2
    edges = np.arange(frames + 1) * end / frames / 1e3
    places = 0 if end / frames >= 5e3 else 1
    ax.set_xticks(middles, [f"{begin:.{places}f} to {stop:.{places}f}" for begin, stop in pairwise(edges)])
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlabel("window of time (ms)")
    if not len(events):
        notice(ax, "no events")
    return ax


def event_raster(events: NDArray[np.void], ax: Axes, *, shape: tuple[int, ...]) -> Axes:
    """Every event of one recording as a dot at its time and its channel: of a camera, the number of its pixel.

    shape  rows, columns and polarities of the sensor; with two polarities, ON is red and OFF is blue

    Raises InputError for events off the sensor.
    """
    rows, columns = shape[:2]
    scale = time_axis(ax, _end(events) / 1e6)
    edges = (-0.5, rows * columns - 0.5)
    ax.set_ylim(*(edges[::-1] if rows > 1 else edges))  # a camera's first row is the upper one
    ax.set_ylabel("pixel, row by row" if rows > 1 else "channel")
    ax.yaxis.set_major_locator(whole_numbers())
    if not len(events):
        notice(ax, "no events")
        return ax
    _check(events, rows, columns)
    time, place = events["t"] / 1e6 * scale, events["y"].astype(int) * columns + events["x"]
    two = len(shape) > 2 and shape[2] == 2
    signs = ((True, "ON", VERMILLION), (False, "OFF", BLUE)) if two else ((True, "", INK),)
    size = float(np.clip(80 / np.sqrt(len(events)), 1, 3))
    for sign, label, color in signs:
        some = events["p"].astype(bool) == sign if two else slice(None)
        ax.plot(time[some], place[some], linestyle="none", marker="o", markersize=size, color=color, markeredgewidth=0,
                label=label or None, rasterized=len(events) > MANY)  # fmt: skip
    if two:
        legend_above(ax, markerscale=4 / size)
    return ax


def _end(events: NDArray[np.void]) -> int:
    return int(events["t"].max()) + 1 if len(events) else 0


def _check(events: NDArray[np.void], rows: int, columns: int) -> None:
    if min(events["x"].min(), events["y"].min()) < 0 or events["x"].max() >= columns or events["y"].max() >= rows:
        found = f"columns to {events['x'].max()}, rows to {events['y'].max()}"
        raise InputError("events", found, f"the sensor has {rows} rows and {columns} columns")
