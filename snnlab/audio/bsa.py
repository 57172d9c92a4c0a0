"""Ben's Spiker Algorithm: spikes whose convolution with a kernel approximates the signal."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.coder import LANES, as_spikes, check_frames, check_steps_per_frame, compiled
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


@dataclass(frozen=True)
class Bsa:
    """Ben's Spiker Algorithm (Schrauwen and Van Campenhout, IJCNN 2003); the defaults are those of HM2-BP for TI46.

    gain             factor on the cochleagram, 1e-6 to 1e9; 2000 suits Lyon's model, about 15 a gammatone filter bank
    steps_per_frame  time steps for which each frame is held
    threshold        by how much a spike must reduce the error
    taps             length of the kernel in time steps
    kernel_width     width of the kernel, 0.1 to 1e6: its taps are ``exp(-(i - taps / 2)^2 / kernel_width)``, scaled to
                     a sum of 1

    In each step and channel, a spike is set if subtracting the kernel reduces the sum of absolute values, over the
    steps of the kernel, by more than the threshold; then the kernel is subtracted. The spike is emitted one step later,
    as in the authors' code (github.com/jinyyy666/mm-bp-snn). The signal is 0 after its end.

    Raises InputError for values out of range.
    """

    gain: float = 2000.0
    steps_per_frame: int = 10
    threshold: float = 0.6
    taps: int = 24
    kernel_width: float = 25.0

    def __post_init__(self) -> None:
        check_steps_per_frame("Bsa", self.steps_per_frame)
        for name, low, high in (("gain", 1e-6, 1e9), ("kernel_width", 0.1, 1e6)):
            value = getattr(self, name)
            if not low <= value <= high:
                raise InputError(f"Bsa.{name}", f"got {value!r}", f"must be {low:g} to {high:g}")
        if not 0 <= self.threshold < 1:
            hint = "must be at least 0 and below 1, the sum of the kernel"
            raise InputError("Bsa.threshold", f"got {self.threshold!r}", hint)
        if type(self.taps) is not int or not 1 <= self.taps <= 1000:
            raise InputError("Bsa.taps", f"got {self.taps!r}", "must be an integer, 1 to 1000")

    @property
    def kernel(self) -> NDArray[np.float64]:
        """The contribution of one spike (taps,); its sum is 1."""
        # from the C library, because the last bit of NumPy's exponentials depends on the processor
        shape = [math.exp(-((i - self.taps / 2) ** 2) / self.kernel_width) for i in range(self.taps)]
        return np.array(shape) / math.fsum(shape)

    def neurons(self, channels: int) -> int:
        """The number of neurons for a number of channels: one for each."""
        return channels

    def encode(self, frames: ArrayLike, *, frame: float, steps: int | None = None) -> SpikeTrains:
        """The spikes of one cochleagram (frames, channels) with `frame` seconds per frame, as a batch of one sample.

        steps  length of the result: shorter cuts spikes off, longer adds silence; default one more than the frames

        Raises InputError for an invalid cochleagram.
        """
        values = check_frames(frames, frame, self.steps_per_frame, steps)
        length, channels = len(values) * self.steps_per_frame, values.shape[1]
        residual = np.zeros((length + self.taps, -(-channels // LANES) * LANES))
        residual[:length, :channels] = np.repeat(values * self.gain, self.steps_per_frame, axis=0)
        raster = np.empty((length, residual.shape[1]), dtype=np.uint8)
        compiled().snnlab_bsa(residual, length, residual.shape[1], self.kernel, self.taps, self.threshold, raster)
        delayed = np.concatenate([np.zeros((1, channels), dtype=np.uint8), raster[:, :channels]])
        return as_spikes(delayed, steps or length + 1, frame / self.steps_per_frame)

    def reconstruct(self, spikes: SpikeTrains) -> NDArray[np.float64]:
        """The sum of the kernels of the spikes (samples, steps, channels).

        It is too small for a signal above 1 after the gain, which would need more than one spike per step.
        """
        raster = spikes.dense().astype(float)
        signal = np.zeros_like(raster)
        # the kernel of a spike in step t starts in step t - 1
        for delay, weight in enumerate(self.kernel[: spikes.steps + 1], start=-1):
            signal[:, max(delay, 0) : spikes.steps + min(delay, 0)] += (
                weight * raster[:, max(-delay, 0) : spikes.steps - max(delay, 0)]
            )
        return signal / self.gain
