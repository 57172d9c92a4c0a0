"""Population code: overlapping receptive fields, each of which fires once, the earlier the stronger its excitation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid, check_images
from snnlab.encoders.spike_table import SpikeTable
from snnlab.errors import InputError


@dataclass(frozen=True)
class Population(ImageEncoder):
    """Gaussian receptive fields (Bohte, Kok, La Poutre, Neurocomputing 48:17, 2002): several neurons per pixel.

    With m fields over intensities from 0 to 1, field k = 0, 1, ... has its centre at ``(2 k - 1) / (2 (m - 2))``, so
    that the first and the last are outside, and standard deviation ``1 / (beta (m - 2))``. A field with excitation a, 0
    to 1, fires once, in the step nearest to ``(1 - a) * (steps - 1)``.

    Raises InputError for values out of range.
    """

    name = "population"

    steps: int = option(400, "time steps of a sample")
    dt: float = option(1e-3, "seconds per step")
    fields: int = option(6, "neurons per pixel, at least 3; the last axis of the shape")
    beta: float = option(1.5, "inverse width of the fields, 0.001 to 1000; the authors tried 1 to 2 and used 1.5")
    threshold: float = option(
        0.1,
        "excitation below which a field does not fire; in the paper, neurons do not fire in the last tenth of the time",
    )

    def __post_init__(self) -> None:
        check_grid("Population", self.steps, self.dt)
        if type(self.fields) is not int or not 3 <= self.fields <= 1000:
            raise InputError("Population.fields", f"got {self.fields!r}", "must be an integer, 3 to 1000")
        if not 1e-3 <= self.beta <= 1e3:
            raise InputError("Population.beta", f"got {self.beta!r}", "must be 0.001 to 1000")
        if not 0 <= self.threshold <= 1:
            raise InputError("Population.threshold", f"got {self.threshold!r}", "must be 0 to 1")

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Images:
        """The images with the shape of the neurons: one more axis for the fields.

        Raises InputError for other samples.
        """
        images = check_images(samples)
        if math.prod(images.shape) == images.values.shape[1] * self.fields:
            return images
        return replace(images, image=images.shape, shape=(*images.shape, self.fields))

    def excitation(self, intensity: NDArray[np.float64]) -> NDArray[np.float64]:
        """The excitation of each field, 0 to 1, by intensities from 0 to 1 (..., fields)."""
        inner = self.fields - 2
        centres = (2 * np.arange(self.fields) - 1) / (2 * inner)
        return np.exp(-(((intensity[..., None] - centres) * self.beta * inner) ** 2) / 2)

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        return _table(self, images.peak).spikes(images, fields=self.fields, steps=self.steps, dt=self.dt)


@cache
def _table(population: Population, peak: int) -> SpikeTable:
    """The spike train of each value and field, field by field within a value."""
    excitation = population.excitation(np.arange(peak + 1) / peak)
    step = np.floor((1 - excitation) * (population.steps - 1) + 0.5)
    return SpikeTable.from_first_spikes(np.where(excitation >= population.threshold, step, -1))
