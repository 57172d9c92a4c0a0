"""Images read row by row, like signals over time: a spike wherever one has moved by a level."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from snnlab.audio.coder import MOST_STEPS
from snnlab.audio.levels import Levels
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images
from snnlab.errors import InputError


@dataclass(frozen=True)
class Delta:
    """Level-crossing or send-on-delta code (Miskowicz, Sensors 6:49, 2006) of images read row by row.

    The first axis of a sample is time, every position on the other axes a channel: an image is read from top to bottom,
    each column a signal that starts at 0. Each channel has an ON and an OFF neuron; the shape of the spikes is
    (2, channels...), ON first. See `snnlab.audio.levels.Levels`.

    steps          time steps of a sample: later rows are cut off, and silence follows the last row
    dt             seconds per step
    level          change of the signal per spike, 1e-9 to 1000; full intensity is 1
    steps_per_row  steps for which each row is held. A neuron fires at most once per step, so the largest change
                   that is encoded before the next row starts is ``steps_per_row * level``

    Raises InputError for values out of range.
    """

    steps: int = 400
    dt: float = 1e-3
    level: float = 0.1
    steps_per_row: int = 14

    def __post_init__(self) -> None:
        check_grid("Delta", self.steps, self.dt, most=MOST_STEPS)
        Levels(self.level, self.steps_per_row)  # which refuses what makes no code

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The images, their shape that of the neurons. Raises InputError for what is no image."""
        batch = images(samples)
        return replace(batch, shape=self._shape(batch))

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch of images; nothing about them is random. Raises InputError for anything else."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        channels = math.prod(self._shape(batch)[1:])
        code = Levels(self.level, self.steps_per_row)
        signals = batch.values.reshape(len(batch), batch.values.shape[1] // channels, channels) / batch.peak
        parts = [code.encode(signal, frame=self.steps_per_row * self.dt, steps=self.steps) for signal in signals]
        if not parts:
            return SpikeTrains(np.empty(0, np.int32), np.empty((0, self.steps + 1), np.int64), 2 * channels, self.dt)
        return replace(stack(parts), dt=self.dt)

    def _shape(self, batch: Images) -> tuple[int, ...]:
        """Two neurons for each channel of the images, which may have been prepared before."""
        features = batch.values.shape[1]
        if not batch.shape or not features:
            raise InputError("encode: samples", f"shape {batch.shape}", "needs a first axis, which is read as time")
        if math.prod(batch.shape) == features:
            return (2, *batch.shape[1:])
        if batch.shape[0] == 2 and features % math.prod(batch.shape[1:]) == 0:
            return batch.shape
        raise InputError("encode: samples", f"{features} values of shape {batch.shape}", "needs a value for each place")
