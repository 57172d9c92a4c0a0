"""Level crossing: a spike whenever a signal has moved by a level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.coder import as_spikes, check_hold, coded, compiled
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


@dataclass(frozen=True)
class Levels:
    """Level-crossing or send-on-delta code (M. Miskowicz, Sensors 6, 2006), with ON and OFF neurons for each channel.

    level  by how much a channel of the cochleagram moves from one spike to the next, 1e-9 to 1000; Lyon's ear reaches
           about 3e-4, envelopes of a Gammatone 0.3
    hold   time steps for which each frame is held; frames of a step each, as of ``Lyon(12500, 20)``, have spikes when
           the sound moves, longer ones only when a frame begins

    A channel remembers the level it last told, 0 at the beginning. In each step, if the signal is at least one level
    above it, the channel's ON neuron fires and the level told rises by one; if it is at least one below, OFF fires and
    it falls. A neuron fires once in a step at most; what moved by several levels at once is told in as many steps.
    Neurons of a batch are the ON neurons of all channels, then the OFF neurons.

    Raises InputError for values that make no code.
    """

    level: float = 2e-5
    hold: int = 1

    def __post_init__(self) -> None:
        check_hold("Levels", self.hold)
        if not 1e-9 <= self.level <= 1e3:
            raise InputError("Levels.level", f"found {self.level!r}", "needs a number, 1e-9 to 1000")

    def neurons(self, channels: int) -> int:
        """How many neurons speak for so many channels: ON and OFF for each."""
        return 2 * channels

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        `steps` cuts the spikes off, or adds silence; if left out, there are `hold` for each frame. Raises InputError
        for what is no cochleagram.
        """
        values = coded(frames, frame, self.hold, steps)
        held, channels = len(values) * self.hold, values.shape[1]
        raster = np.empty((held, 2 * channels), dtype=np.uint8)
        compiled().snnlab_levels(values, len(values), channels, self.hold, self.level, np.zeros(channels), raster)
        return as_spikes(raster, steps or held, frame / self.hold)

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """What the spikes say of the cochleagrams that were held (samples, steps, channels): the levels they told.

        It is less than a level off wherever the signal does not move by more than a level per step. Raises InputError
        for an odd number of neurons.
        """
        if spikes.size % 2:
            raise InputError(
                "Levels.reconstruct", f"{spikes.size} neurons", "needs an ON and an OFF neuron per channel"
            )
        fired = spikes.dense()
        on, off = fired[..., : spikes.size // 2], fired[..., spikes.size // 2 :]
        return np.cumsum(on.astype(np.float64) - off, axis=1) * self.level
