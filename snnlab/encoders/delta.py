"""Send-on-delta code of images read row by row."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snnlab.audio.coder import MAX_STEPS
from snnlab.audio.levels import Levels
from snnlab.data.fields import option
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.encoders.encoder import ImageEncoder, check_grid, check_images
from snnlab.errors import InputError


@dataclass(frozen=True)
class Delta(ImageEncoder):
    """Level-crossing or send-on-delta code (Miskowicz, Sensors 6:49, 2006) of images read row by row.

    The first axis of a sample is time, every position on the other axes a channel: an image is read from top to bottom,
    each column a signal that starts at 0. Each channel has an ON and an OFF neuron; the shape of the spikes is
    (2, channels...), ON first. See `snnlab.audio.levels.Levels`.

    Raises InputError for values out of range.
    """

    name = "delta"

    steps: int = option(400, "time steps of a sample: later rows are cut off, and silence follows the last row")
    dt: float = option(1e-3, "seconds per step")
    level: float = option(0.1, "change of the signal per spike, 1e-9 to 1000; full intensity is 1")
    steps_per_row: int = option(
        14,
        "steps for which each row is held. A neuron fires at most once per step, so the largest change that is "
        "encoded before the next row starts is `steps_per_row * level`",
    )

    def __post_init__(self) -> None:
        check_grid("Delta", self.steps, self.dt, max_steps=MAX_STEPS)
        _ = self._levels  # checks the other options

    @property
    def _levels(self) -> Levels:
        return Levels(self.level, self.steps_per_row)

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Images:
        """The images with the shape of the neurons. Raises InputError for other samples."""
        images = check_images(samples)
        return replace(images, shape=self._shape(images))

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        channels = math.prod(self._shape(images)[1:])
        levels = self._levels
        signals = images.values.reshape(len(images), images.values.shape[1] // channels, channels) / images.peak
        parts = [levels.encode(signal, frame=self.steps_per_row * self.dt, steps=self.steps) for signal in signals]
        if not parts:
            return SpikeTrains(np.empty(0, np.int32), np.empty((0, self.steps + 1), np.int64), 2 * channels, self.dt)
        return replace(stack(parts), dt=self.dt)

    def _shape(self, images: Images) -> tuple[int, ...]:
        """The shape of the neurons for images, prepared or not."""
        features = images.values.shape[1]
        if not images.shape or not features:
            raise InputError("encode: samples", f"shape {images.shape}", "must have a first axis, which is time")
        if math.prod(images.shape) == features:
            return (2, *images.shape[1:])
        if images.shape[0] == 2 and features % math.prod(images.shape[1:]) == 0:
            return images.shape
        raise InputError("encode: samples", f"{features} values", f"must match the shape {images.shape}")
