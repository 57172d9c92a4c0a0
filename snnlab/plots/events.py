"""Events of a sensor: frames of successive time windows, and a raster of all events."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.plots.axes import integer_ticks, legend_above, notice, time_axis
from snnlab.plots.style import BLUE, INK, RASTERISED, VERMILLION

_GAP = 2  # pixels between frames
_SATURATED = 99.0  # percentile of the nonzero counts at which a pixel has its full colour


def event_frames(events: NDArray[np.void], ax: Axes, *, shape: tuple[int, ...], frames: int = 6) -> Axes:
    """The events of one recording in equal time windows, ON red and OFF blue, darker for more events.

    events  fields x, y, p and t, see `snnlab.data.samples.EVENT`
    shape   rows, columns and polarities of the sensor
    frames  number of windows

    Raises InputError for no windows, and for events outside the sensor.
    """
    if frames < 1:
        raise InputError("event_frames.frames", f"got {frames}", "must be at least 1")
    rows, columns = shape[:2]
    end = _end(events)
    number = np.minimum(events["t"] * frames // max(end, 1), frames - 1)
    counts = np.zeros((2, rows, frames, columns + _GAP))
    if len(events):
        _check(events, rows, columns)
        np.add.at(counts, (events["p"].astype(int), events["y"], number, events["x"]), 1)
    full = np.percentile(counts[counts > 0], _SATURATED) if counts.any() else 1.0
    strength = np.clip(counts / full, 0, 1).reshape(2, rows, -1)[:, :, :-_GAP, None]
    image = 1 - sum(strength[sign] * (1 - np.array(to_rgb(color))) for sign, color in enumerate((BLUE, VERMILLION)))
    ax.imshow(np.clip(image, 0, 1), interpolation="nearest")
    for gap in range(1, frames):
        ax.axvspan(gap * (columns + _GAP) - _GAP - 0.5, gap * (columns + _GAP) - 0.5, color="0.85", linewidth=0)
    middles = np.arange(frames) * (columns + _GAP) + (columns - 1) / 2
    edges = np.arange(frames + 1) * end / frames / 1e3
    places = 0 if end / frames >= 5e3 else 1
    ax.set_xticks(middles, [f"{begin:.{places}f} to {stop:.{places}f}" for begin, stop in pairwise(edges)])
    ax.tick_params(length=0)
    ax.set_yticks([])
    ax.set_xlabel("time window (ms)")
    if not len(events):
        notice(ax, "no events")
    return ax


def event_raster(events: NDArray[np.void], ax: Axes, *, shape: tuple[int, ...]) -> Axes:
    """One dot for each event of a recording, at its time and its channel or, for cameras, the number of its pixel.

    shape  rows, columns and polarities of the sensor; with two polarities, ON is red and OFF is blue

    Raises InputError for events outside the sensor.
    """
    rows, columns = shape[:2]
    scale = time_axis(ax, _end(events) / 1e6)
    edges = (-0.5, rows * columns - 0.5)
    ax.set_ylim(*(edges[::-1] if rows > 1 else edges))  # the first row of a camera is at the top
    ax.set_ylabel("pixel, row by row" if rows > 1 else "channel")
    ax.yaxis.set_major_locator(integer_ticks())
    if not len(events):
        notice(ax, "no events")
        return ax
    _check(events, rows, columns)
    time, place = events["t"] / 1e6 * scale, events["y"].astype(int) * columns + events["x"]
    two_polarities = len(shape) > 2 and shape[2] == 2
    signs = ((True, "ON", VERMILLION), (False, "OFF", BLUE)) if two_polarities else ((True, "", INK),)
    size = float(np.clip(80 / np.sqrt(len(events)), 1, 3))
    for sign, label, color in signs:
        selected = events["p"].astype(bool) == sign if two_polarities else slice(None)
        ax.plot(time[selected], place[selected], linestyle="none", marker="o", markersize=size, color=color,
                markeredgewidth=0, label=label or None, rasterized=len(events) > RASTERISED)  # fmt: skip
    if two_polarities:
        legend_above(ax, markerscale=4 / size)
    return ax


def _end(events: NDArray[np.void]) -> int:
    return int(events["t"].max()) + 1 if len(events) else 0


def _check(events: NDArray[np.void], rows: int, columns: int) -> None:
    if min(events["x"].min(), events["y"].min()) < 0 or events["x"].max() >= columns or events["y"].max() >= rows:
        problem = f"got columns up to {events['x'].max()} and rows up to {events['y'].max()}"
        raise InputError("events", problem, f"the sensor has {rows} rows and {columns} columns")
