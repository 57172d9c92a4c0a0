"""Level-crossing code: a spike whenever a signal has changed by a level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.coder import as_spikes, check_frames, check_steps_per_frame, compiled
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


@dataclass(frozen=True)
class Levels:
    """Level-crossing or send-on-delta code (Miskowicz, Sensors 6:49, 2006) with an ON and an OFF neuron per channel.

    level            change of the signal per spike, 1e-9 to 1000. Lyon's ear reaches about 3e-4, envelopes of a
                     gammatone filter bank about 0.3
    steps_per_frame  time steps for which each frame is held. Frames longer than a step emit all their spikes at the
                     start of the frame

    Each channel has a reference, initially 0. In each step, if the signal is at least one level above the reference,
    the ON neuron fires and the reference rises by one level; if it is at least one level below, the OFF neuron fires
    and the reference falls. A neuron fires at most once per step, so a change of several levels takes as many steps.
    The neurons are the ON neurons of all channels, then the OFF neurons.

    Raises InputError for values out of range.
    """

    level: float = 2e-5
    steps_per_frame: int = 1

    def __post_init__(self) -> None:
        check_steps_per_frame("Levels", self.steps_per_frame)
        if not 1e-9 <= self.level <= 1e3:
            raise InputError("Levels.level", f"got {self.level!r}", "must be 1e-9 to 1000")

    def neurons(self, channels: int) -> int:
        """The number of neurons for a number of channels: ON and OFF of each."""
        return 2 * channels

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        steps  length of the result: shorter cuts spikes off, longer adds silence; default `steps_per_frame` per frame

        Raises InputError for an invalid cochleagram.
        """
        values = check_frames(frames, frame, self.steps_per_frame, steps)
        length, channels = len(values) * self.steps_per_frame, values.shape[1]
        raster = np.empty((length, 2 * channels), dtype=np.uint8)
        compiled().snnlab_levels(
            values, len(values), channels, self.steps_per_frame, self.level, np.zeros(channels), raster
        )
        return as_spikes(raster, steps or length, frame / self.steps_per_frame)

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """The reference of each channel, which the spikes transmit (samples, steps, channels).

        It differs by less than a level from a signal that changes by at most a level per step. Raises InputError for an
        odd number of neurons.
        """
        if spikes.size % 2:
            raise InputError("Levels.reconstruct", f"{spikes.size} neurons", "must be even, ON and OFF of each channel")
        raster = spikes.dense()
        on, off = raster[..., : spikes.size // 2], raster[..., spikes.size // 2 :]
        return np.cumsum(on.astype(np.float64) - off, axis=1) * self.level
