"""Ben's Spiker Algorithm: spikes whose convolution with a kernel is the signal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.coder import LANES, as_spikes, check_hold, coded, compiled
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


@dataclass(frozen=True)
class Bsa:
    """Ben's Spiker Algorithm (Schrauwen and Van Campenhout, IJCNN 2003), with HM2-BP's numbers for TI46.

    gain       what a cochleagram is multiplied by, 1e-6 to 1e9: 2000 is for Lyon's ear; about 15 suits envelopes of a
               Gammatone
    steps_per_frame       time steps for which each frame is held
    threshold  by how much a spike must make the error smaller
    taps       length of the kernel in time steps
    kernel_width of the kernel, 0.1 to 1e6: its taps are ``exp(-(i - taps / 2)^2 / kernel_width)``, scaled to a sum of 1

    In each step and channel, a spike is set if the sum of absolute values over the steps that the kernel covers is
    smaller, by more than the threshold, with the kernel taken away than without; then it is taken away. The spike is
    emitted one step later, as in the authors' code (github.com/jinyyy666/mm-bp-snn); beyond its end the signal is 0.

    Raises InputError for values that make no code.
    """

    gain: float = 2000.0
    steps_per_frame: int = 10
    threshold: float = 0.6
    taps: int = 24
    kernel_width: float = 25.0

    def __post_init__(self) -> None:
        check_hold("Bsa", self.steps_per_frame)
        for name, value, least, most in (("gain", self.gain, 1e-6, 1e9), ("kernel_width", self.kernel_width, 0.1, 1e6)):
            if not least <= value <= most:
                raise InputError(f"Bsa.{name}", f"found {value!r}", f"needs a number, {least:g} to {most:g}")
        if not 0 <= self.threshold < 1:
            raise InputError("Bsa.threshold", f"found {self.threshold!r}", "needs 0 to below 1, the sum of the kernel")
        if type(self.taps) is not int or not 1 <= self.taps <= 1000:
            raise InputError("Bsa.taps", f"found {self.taps!r}", "needs a number of time steps, 1 to 1000")

    @property
    def kernel(self) -> NDArray[np.float64]:
        """What one spike stands for (taps,); its sum is 1."""
        # by the C library, as NumPy's exponentials differ in their last bit from processor to processor
        shape = [math.exp(-((i - self.taps / 2) ** 2) / self.kernel_width) for i in range(self.taps)]
        return np.array(shape) / math.fsum(shape)

    def neurons(self, channels: int) -> int:
        """How many neurons speak for so many channels: one for each."""
        return channels

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        `steps` cuts the spikes off, or adds silence; if left out, all are kept. Raises InputError for what is no
        cochleagram.
        """
        values = coded(frames, frame, self.steps_per_frame, steps)
        held, channels = len(values) * self.steps_per_frame, values.shape[1]
        left = np.zeros((held + self.taps, -(-channels // LANES) * LANES))
        left[:held, :channels] = np.repeat(values * self.gain, self.steps_per_frame, axis=0)
        raster = np.empty((held, left.shape[1]), dtype=np.uint8)
        compiled().snnlab_bsa(left, held, left.shape[1], self.kernel, self.taps, self.threshold, raster)
        late = np.concatenate([np.zeros((1, channels), dtype=np.uint8), raster[:, :channels]])
        return as_spikes(late, steps or held + 1, frame / self.steps_per_frame)

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """What the spikes say of the cochleagrams that were held (samples, steps, channels): the sum of their kernels.

        It stays below a signal that is above 1 after the gain: that would need more than one spike per step.
        """
        fired = spikes.dense().astype(float)
        signal = np.zeros_like(fired)
        # a spike in step t was found in step t - 1, where its kernel begins
        for late, weight in enumerate(self.kernel[: spikes.steps + 1], start=-1):
            signal[:, max(late, 0) : spikes.steps + min(late, 0)] += (
                weight * fired[:, max(-late, 0) : spikes.steps - max(late, 0)]
            )
        return signal / self.gain
