"""Firing rate of a population over time."""

from __future__ import annotations

from matplotlib.axes import Axes

from snnlab.analysis import statistics
from snnlab.data.spikes import SpikeTrains
from snnlab.plots.axes import notice, time_axis
from snnlab.plots.style import BLUE


def population_rate(spikes: SpikeTrains, ax: Axes, *, bin: float = 0.005, sample: int = 0) -> Axes:
    """Mean firing rate over time in hertz, in bins of `bin` seconds.

    Raises InputError unless `bin` is a whole number of time steps.
    """
    rate, edges = statistics.binned_rate(spikes, bin=bin, sample=sample)
    scale = time_axis(ax, spikes.duration)
    ax.stairs(rate, edges * scale, fill=True, color=BLUE)
    ax.set_ylabel("mean rate (Hz)")
    if not rate.any():
        notice(ax, "no spikes")
    ax.set_ylim(0, 1.08 * rate.max(initial=0.0) or 1.0)
    return ax
