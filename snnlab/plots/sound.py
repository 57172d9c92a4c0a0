"""Sound as a wave, and as a cochleagram: the output of a cochlea model by channel and time."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import ScalarFormatter
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.axes import frequency_axis, integer_ticks, time_axis
from snnlab.plots.style import INK


def cochleagram(
    frames: ArrayLike,
    ax: Axes,
    *,
    frame: float,
    centres: ArrayLike | None = None,
    label: str = "output (arbitrary units)",
) -> Axes:
    """A cochleagram (frames, channels) with `frame` seconds per frame, the last channel at the bottom.

    centres  centre frequencies in hertz; by default channels are labelled by number
    label    of the colour bar

    A raster below it with ``neurons=range(channels)[::-1]`` has the same row order. Raises InputError unless the
    values are finite (frames, channels), and for a wrong number of centres.
    """
    values = np.asarray(frames, dtype=float)
    if values.ndim != 2 or not values.size or not np.isfinite(values).all():
        raise InputError("cochleagram", f"got values of shape {values.shape}", "must be finite (frames, channels)")
    count, channels = values.shape
    scale = time_axis(ax, count * frame)
    image = ax.imshow(
        values.T, cmap="Blues", vmin=0, aspect="auto", extent=(0, count * frame * scale, channels - 0.5, -0.5)
    )
    ax.set_ylim(channels - 0.5, -0.5)
    if centres is None:
        ax.set_ylabel("channel")
        ax.yaxis.set_major_locator(integer_ticks())
    else:
        frequency_axis(ax, np.asarray(centres, dtype=float), channels, "cochleagram")
    bar = ax.inset_axes((1.02, 0.0, 0.025, 1.0))
    powers = ScalarFormatter()
    powers.set_powerlimits((-2, 3))
    ax.figure.colorbar(image, cax=bar, label=label, format=powers)
    return ax


def wave(values: ArrayLike, ax: Axes, *, rate: int) -> Axes:
    """A sound (samples,) over time, full scale 1. Raises InputError unless it is finite (samples,)."""
    sound = np.asarray(values, dtype=float)
    if sound.ndim != 1 or not sound.size or not np.isfinite(sound).all():
        raise InputError("wave", f"got values of shape {sound.shape}", "must be finite (samples,)")
    scale = time_axis(ax, len(sound) / rate)
    ax.plot(np.arange(len(sound)) / rate * scale, sound, color=INK, linewidth=0.5)
    ax.set_ylabel("sound\n(full scale 1)")
    return ax
