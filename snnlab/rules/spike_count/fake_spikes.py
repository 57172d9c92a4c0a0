"""Spikes written for a silent label neuron, as in the authors' code of HM2-BP (Jin, Zhang and Li, NeurIPS 2018)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Response, pack_raster


def with_fake_spikes(
    output: Response, labels: NDArray[np.int64], target: int
) -> tuple[Response, NDArray[np.bool_] | None]:
    """The output as if a silent label neuron had fired `target` times, and which neurons did so (samples, neurons).

    They fire every ``steps // target`` steps, though never sooner than their refractory period allows, from the end of
    the first such interval on. The potentials are left as they were. Where no label was silent, there is no array.
    """
    spikes = output.spikes
    silent = np.flatnonzero(output.counts[np.arange(len(labels)), labels] == 0)
    interval = max(spikes.steps // max(target, 1), output.cell.refractory, 1)
    steps = np.arange(interval, spikes.steps, interval)
    if not (len(silent) and len(steps)):
        return output, None
    sample, neuron = np.repeat(silent, len(steps)), np.repeat(labels[silent], len(steps))
    step = np.tile(steps, len(silent))
    before = spikes.events()
    with_them = SpikeTrains.from_events(
        np.concatenate([before[0], sample]), np.concatenate([before[1], step]), np.concatenate([before[2], neuron]),
        samples=spikes.samples, steps=spikes.steps, size=spikes.size, dt=spikes.dt,
    )  # fmt: skip
    faked = np.zeros(output.counts.shape, dtype=bool)
    faked[silent, labels[silent]] = True
    counts = np.where(faked, len(steps), output.counts).astype(output.counts.dtype)
    return replace(output, spikes=with_them, raster=pack_raster(with_them), counts=counts), faked
