"""Fake spikes of a silent label neuron, as in the authors' code of HM2-BP (Jin, Zhang and Li, NeurIPS 2018)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Precision, Response, pack_raster
from snnlab.networks.circuit import Projection


def with_fake_spikes(
    output: Response, labels: NDArray[np.int64], target: int, last: Projection, pre: SpikeTrains, precision: Precision
) -> Response:
    """The output as if silent label neurons had fired, with the potentials that its inputs would have given it.

    last  the projection onto the output, with its trained weights
    pre   spikes of the layer before
    """
    output, fake = insert_spikes(output, labels, target)
    if fake is None:
        return output
    selected = fake.astype(precision)
    psp = engine.products(last, pre, output, np.zeros_like(selected), selected, precision=precision)
    total = np.asarray(psp.backward).sum(axis=1, keepdims=True)  # sum_j w_ij e_ij of the label neuron of each sample
    potential = np.where(fake, total, output.potential)
    return replace(output, potential=potential.astype(precision))


def insert_spikes(
    output: Response, labels: NDArray[np.int64], target: int
) -> tuple[Response, NDArray[np.bool_] | None]:
    """Insert about `target` regular spikes for silent label neurons; the mask of these neurons (samples, neurons).

    The interval is ``steps // target`` steps, at least the refractory period; the first spike ends the first interval.
    Potentials are unchanged. Without silent label neurons the mask is None.
    """
    spikes = output.spikes
    silent = np.flatnonzero(output.counts[np.arange(len(labels)), labels] == 0)
    interval = max(spikes.steps // max(target, 1), output.cell.refractory, 1)
    steps = np.arange(interval, spikes.steps, interval)
    if not (len(silent) and len(steps)):
        return output, None
    added = np.repeat(silent, len(steps)), np.tile(steps, len(silent)), np.repeat(labels[silent], len(steps))
    sample, step, neuron = (np.concatenate([old, new]) for old, new in zip(spikes.events(), added, strict=True))
    shape = {"samples": spikes.samples, "steps": spikes.steps, "size": spikes.size}
    inserted = SpikeTrains.from_events(sample, step, neuron, **shape, dt=spikes.dt)
    fake = np.zeros(output.counts.shape, dtype=bool)
    fake[silent, labels[silent]] = True
    counts = np.where(fake, len(steps), output.counts).astype(output.counts.dtype)
    return replace(output, spikes=inserted, raster=pack_raster(inserted), counts=counts), fake
