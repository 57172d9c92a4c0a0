"""Numbers that describe spike trains: intervals between spikes, irregularity, rate over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


def intervals(spikes: SpikeTrains) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Every interval between neighbouring spikes of a neuron, and whose it is.

    Seconds (intervals,) and neuron (intervals,), ordered by neuron, then sample, then time. No interval reaches from
    one sample into the next.
    """
    steps, neuron = _gaps(spikes)
    return steps * spikes.dt, neuron


def irregularity(spikes: SpikeTrains) -> NDArray[np.float64]:
    """Coefficient of variation of each neuron's interspike intervals: 0 for a clock, 1 for a Poisson process.

    Float64 (neurons,): standard deviation over mean, both over all intervals of the neuron (Softky and Koch 1993).
    NaN for a neuron with fewer than two intervals, that is fewer than three spikes in a single sample.
    """
    length, neuron = _gaps(spikes)  # whole numbers, so that a clock has exactly 0
    number = np.bincount(neuron, minlength=spikes.size)
    enough = number >= 2
    per_neuron = np.maximum(number, 1)
    mean = np.bincount(neuron, weights=length, minlength=spikes.size) / per_neuron
    square = np.bincount(neuron, weights=(length - mean[neuron]) ** 2, minlength=spikes.size) / per_neuron
    variation = np.full(spikes.size, np.nan)
    np.divide(np.sqrt(square), mean, out=variation, where=enough)
    return variation


def binned_rate(spikes: SpikeTrains, *, bin: float, sample: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean rate of the neurons over the time of one sample.

    Hertz (bins,), and the edges of the bins in seconds (bins + 1,). The last bin is shorter where `bin` does not
    divide the duration; its rate is that of its own length.
    Raises InputError where `bin` is not a whole number of time steps.
    """
    width = round(bin / spikes.dt)
    if width < 1 or abs(width - bin / spikes.dt) > 1e-6 * width:
        raise InputError("binned_rate", f"bin {bin:g} s", f"needs a multiple of the time step, {spikes.dt:g} s")
    edges = np.append(np.arange(0, spikes.steps, width), spikes.steps)
    fired = np.diff(spikes.sample(sample).offsets[0, edges])
    return fired / (spikes.size * np.diff(edges) * spikes.dt), edges * spikes.dt


def _gaps(spikes: SpikeTrains) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Intervals in time steps, whole numbers, and whose they are."""
    sample, step, ids = spikes.events()
    # events come in order of sample and step, so a stable sort by neuron keeps each train in order
    order = np.argsort(ids, kind="stable")
    sample, step, ids = sample[order], step[order], ids[order]
    neighbours = (ids[1:] == ids[:-1]) & (sample[1:] == sample[:-1])
    return np.diff(step)[neighbours].astype(np.float64), ids[1:][neighbours]
