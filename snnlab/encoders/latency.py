"""Latency code: one spike per pixel, the earlier the brighter."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid
from snnlab.encoders.spike_table import SpikeTable
from snnlab.errors import InputError, one_of

Form = Literal["linear", "log"]


@dataclass(frozen=True)
class Latency(ImageEncoder):
    """Time-to-first-spike code (in the retina: Gollisch and Meister, Science 319:1108, 2008): one spike a pixel.

    Raises InputError for values out of range.
    """

    name = "latency"

    steps: int = option(400, "time steps of a sample")
    dt: float = option(1e-3, "seconds per step")
    form: Form = option(
        "linear",
        '"linear": intensity x, 0 to 1, fires in the step nearest to `(1 - x) * (steps - 1)`. "log": x charges a '
        "leaky integrator, which reaches `threshold` at `tau * ln(x / (x - threshold))` and fires in that step; "
        "later than the last step, it does not fire",
    )
    threshold: float = option(
        0.01,
        'intensities up to it do not fire; black pixels never fire. "log" requires 1e-6 or more',
    )
    tau: float = option(0.1, 'time constant of "log", 1e-9 to 1000 seconds')

    def __post_init__(self) -> None:
        check_grid("Latency", self.steps, self.dt)
        if self.form not in get_args(Form):
            raise InputError("Latency.form", f"got {self.form!r}", one_of(str(self.form), get_args(Form)))
        if not 0 <= self.threshold < 1 or (self.form == "log" and self.threshold < 1e-6):
            hint = "must be at least 0 and below 1; at least 1e-6 if form is log"
            raise InputError("Latency.threshold", f"got {self.threshold!r}", hint)
        if not 1e-9 <= self.tau <= 1e3:
            raise InputError("Latency.tau", f"got {self.tau!r}", "must be 1e-9 to 1000 seconds")

    def first_step(self, intensity: NDArray[np.float64]) -> NDArray[np.int64]:
        """The step in which each intensity, 0 to 1, fires; -1 for never."""
        if self.form == "linear":
            step = np.floor((1 - intensity) * (self.steps - 1) + 0.5)
        else:
            with np.errstate(divide="ignore", invalid="ignore"):  # up to the threshold, which never fires
                step = np.floor(self.tau / self.dt * np.log(intensity / (intensity - self.threshold)))
        return np.where((intensity > self.threshold) & (step < self.steps), step, -1).astype(np.int64)

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        return _table(self, images.peak).spikes(images, steps=self.steps, dt=self.dt)


@cache
def _table(latency: Latency, peak: int) -> SpikeTable:
    """The spike train of each value, 0 to the peak."""
    return SpikeTable.from_first_spikes(latency.first_step(np.arange(peak + 1) / peak))
