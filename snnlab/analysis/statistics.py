"""Statistics of spike trains: interspike intervals, their coefficient of variation, and firing rate over time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


def intervals(spikes: SpikeTrains) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """All interspike intervals: lengths in seconds and neurons, (intervals,) each.

    Sorted by neuron, sample and time. Intervals do not extend from one sample to the next.
    """
    steps, neuron = _gaps(spikes)
    return steps * spikes.dt, neuron


def irregularity(spikes: SpikeTrains) -> NDArray[np.float64]:
    """Coefficient of variation of the interspike intervals of each neuron (neurons,) (Softky and Koch 1993).

    The standard deviation divided by the mean of all intervals of the neuron: 0 for a regular train, 1 for a Poisson
    process, NaN for a neuron with fewer than two intervals.
    """
    length, neuron = _gaps(spikes)  # integers, so that a regular train has exactly 0
    number = np.bincount(neuron, minlength=spikes.size)
    enough = number >= 2
    per_neuron = np.maximum(number, 1)
    mean = np.bincount(neuron, weights=length, minlength=spikes.size) / per_neuron
    square = np.bincount(neuron, weights=(length - mean[neuron]) ** 2, minlength=spikes.size) / per_neuron
    variation = np.full(spikes.size, np.nan)
    np.divide(np.sqrt(square), mean, out=variation, where=enough)
    return variation


def binned_rate(spikes: SpikeTrains, *, bin: float, sample: int = 0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean firing rate of the neurons over the time of one sample.

    In hertz (bins,), with the edges of the bins in seconds (bins + 1,). If `bin` does not divide the duration, the last
    bin is shorter, and its rate refers to its length. Raises InputError if `bin` is not a multiple of the time step.
    """
    width = round(bin / spikes.dt)
    if width < 1 or abs(width - bin / spikes.dt) > 1e-6 * width:
        raise InputError("binned_rate", f"bin of {bin:g} s", f"must be a multiple of the time step, {spikes.dt:g} s")
    edges = np.append(np.arange(0, spikes.steps, width), spikes.steps)
    counts = np.diff(spikes.sample(sample).offsets[0, edges])
    return counts / (spikes.size * np.diff(edges) * spikes.dt), edges * spikes.dt


def _gaps(spikes: SpikeTrains) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Interspike intervals in time steps, and their neurons."""
    sample, step, ids = spikes.events()
    # events are sorted by sample and step, so a stable sort by neuron keeps each train sorted
    order = np.argsort(ids, kind="stable")
    sample, step, ids = sample[order], step[order], ids[order]
    neighbours = (ids[1:] == ids[:-1]) & (sample[1:] == sample[:-1])
    return np.diff(step)[neighbours].astype(np.float64), ids[1:][neighbours]
