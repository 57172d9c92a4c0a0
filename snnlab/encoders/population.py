"""Images into the spikes of overlapping receptive fields: a value is told by which neurons fire, and when."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images
from snnlab.encoders.trains import Table
from snnlab.errors import InputError


@dataclass(frozen=True)
class Population:
    """Gaussian receptive fields (Bohte, Kok, La Poutre, Neurocomputing 48:17, 2002): every pixel has several neurons.

    steps   time steps of a sample
    dt      seconds per step
    fields  neurons of each pixel, at least 3; they are the last axis of the shape
    beta    the larger, the narrower the fields, 0.001 to 1000; the authors tried 1 to 2 and used 1.5
    threshold  fields that are excited less never fire; the authors' neurons did not fire in the last tenth of the time

    With m fields over intensities from 0 to 1, field k = 0, 1, ... has its centre at ``(2 k - 1) / (2 (m - 2))``, so
    that the first and the last lie outside, and the deviation ``1 / (beta (m - 2))``. A field that is excited to a,
    0 to 1, fires once, in the step nearest to ``(1 - a) * (steps - 1)``.

    Raises InputError for values that make no code.
    """

    steps: int = 400
    dt: float = 1e-3
    fields: int = 6
    beta: float = 1.5
    threshold: float = 0.1

    def __post_init__(self) -> None:
        check_grid("Population", self.steps, self.dt)
        if type(self.fields) is not int or not 3 <= self.fields <= 1000:
            raise InputError("Population.fields", f"found {self.fields!r}", "needs a whole number, 3 to 1000")
        if not 1e-3 <= self.beta <= 1e3:
            raise InputError("Population.beta", f"found {self.beta!r}", "needs a number, 0.001 to 1000")
        if not 0 <= self.threshold <= 1:
            raise InputError("Population.threshold", f"found {self.threshold!r}", "needs an excitation, 0 to 1")

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images, their shape that of the neurons: one more axis, for the fields.

        Raises InputError for no images.
        """
        batch = images(samples)
        if math.prod(batch.shape) == batch.values.shape[1] * self.fields:
            return batch
        return replace(batch, image=batch.shape, shape=(*batch.shape, self.fields))

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images; nothing about them is random. Raises InputError for anything else."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        table = _table(self, batch.peak)
        return table.spikes(batch, fields=self.fields, steps=self.steps, dt=self.dt, threads=threads)

    def excitation(self, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
        """How much intensities from 0 to 1 excite each field, 0 to 1 (..., fields)."""
        between = self.fields - 2
        centres = (2 * np.arange(self.fields) - 1) / (2 * between)
        return np.exp(-(((intensity[..., None] - centres) * self.beta * between) ** 2) / 2)


@cache
def _table(population: Population, peak: int) -> Table:
    """The train of each value and field, field by field within a value."""
    excited = population.excitation(np.arange(peak + 1) / peak)
    step = np.floor((1 - excited) * (population.steps - 1) + 0.5)
    return Table.of_first_spikes(np.where(excited >= population.threshold, step, -1))
