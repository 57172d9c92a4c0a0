"""Sound as a wave, and as a cochleagram: what an ear hears, channel by channel, over time."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.axes import frequency_axis, time_axis, whole_numbers
from snnlab.plots.style import INK


def cochleagram(
    frames: ArrayLike,
    ax: Axes,
    *,
    frame: float,
    centres: ArrayLike | None = None,
    label: str = "heard (arbitrary units)",
) -> Axes:
    """A cochleagram (frames, channels) with `frame` seconds per frame, the last channel at the bottom.

    centres  of the channels, in hertz; if left out, channels carry their numbers
    label    of the colour bar

    A raster with ``neurons=range(channels)[::-1]`` below it has its rows in the same order. Raises InputError for what
    is no cochleagram, and for another number of centres.
    """
    values = np.asarray(frames, dtype=float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise InputError("cochleagram", f"values of shape {values.shape}", "needs finite (frames, channels)")
    count, channels = values.shape
    scale = time_axis(ax, count * frame)
    image = ax.imshow(
        values.T, cmap="Blues", vmin=0, aspect="auto", extent=(0, count * frame * scale, channels - 0.5, -0.5)
    )
    ax.set_ylim(channels - 0.5, -0.5)
    if centres is None:
        ax.set_ylabel("channel")
        ax.yaxis.set_major_locator(whole_numbers())
    else:
        frequency_axis(ax, np.asarray(centres, dtype=float), channels, "cochleagram")
    bar = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    powers = ScalarFormatter()
    powers.set_powerlimits((-2, 3))
    ax.figure.colorbar(image, cax=bar, label=label, format=powers)
    return ax


def wave(values: ArrayLike, ax: Axes, *, rate: int) -> Axes:
    """A sound (samples,) over time, full scale being 1. Raises InputError for what is no sound."""
    heard = np.asarray(values, dtype=float)
    if heard.ndim != 1 or not heard.size or not np.isfinite(heard).all():
        raise InputError("wave", f"values of shape {heard.shape}", "needs finite (samples,)")
    scale = time_axis(ax, len(heard) / rate)
    ax.plot(np.arange(len(heard)) / rate * scale, heard, color=INK, linewidth=0.5)
    ax.set_ylabel("sound\n(full scale 1)")
    return ax
