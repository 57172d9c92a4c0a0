"""Images into one spike for each pixel, the earlier the brighter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images
from snnlab.encoders.trains import Table
from snnlab.errors import InputError, one_of

Form = Literal["linear", "log"]


@dataclass(frozen=True)
class Latency:
    """Time-to-first-spike code (in the retina: Gollisch and Meister, Science 319:1108, 2008): one spike a pixel.

    steps      time steps of a sample
    dt         seconds per step
    form       "linear": intensity x, 0 to 1, fires in the step nearest to ``(1 - x) * (steps - 1)``. "log": x charges a
               leaky integrator, which reaches `threshold` at ``tau * ln(x / (x - threshold))`` and fires in that step;
               later than the last step, it does not fire
    threshold  intensities up to it do not fire; black pixels never fire. "log" requires 1e-6 or more
    tau        time constant of "log", 1e-9 to 1000 seconds

    Raises InputError for values out of range.
    """

    steps: int = 400
    dt: float = 1e-3
    form: Form = "linear"
    threshold: float = 0.01
    tau: float = 0.1

    def __post_init__(self) -> None:
        check_grid("Latency", self.steps, self.dt)
        if self.form not in get_args(Form):
            raise InputError("Latency.form", f"found {self.form!r}", one_of(str(self.form), get_args(Form)))
        if not 0 <= self.threshold < 1 or (self.form == "log" and self.threshold < 1e-6):
            right = "needs an intensity, 0 to below 1; from 1e-6 on where form is log"
            raise InputError("Latency.threshold", f"found {self.threshold!r}", right)
        if not 1e-9 <= self.tau <= 1e3:
            raise InputError("Latency.tau", f"found {self.tau!r}", "needs seconds, 1e-9 to 1000")

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images as they are. Raises InputError for what is none."""
        return images(samples)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images; nothing about them is random. Raises InputError for anything else."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        return _table(self, batch.peak).spikes(batch, steps=self.steps, dt=self.dt, threads=threads)

    def first(self, intensity: NDArray[np.float64]) -> NDArray[np.int64]:
        """The step in which each intensity, 0 to 1, fires; -1 for never."""
        if self.form == "linear":
            step = np.floor((1 - intensity) * (self.steps - 1) + 0.5)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):  # at and below `threshold`, which never fires
                step = np.floor(self.tau / self.dt * np.log(intensity / (intensity - self.threshold)))
        return np.where((intensity > self.threshold) & (step < self.steps), step, -1).astype(np.int64)


@cache
def _table(latency: Latency, peak: int) -> Table:
    """The train of each value, 0 to the peak."""
    return Table.of_first_spikes(latency.first(np.arange(peak + 1) / peak))
