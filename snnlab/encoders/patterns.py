"""Frozen random spike patterns: each number is a pattern of Poisson spike trains."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import ImageEncoder, check_grid, check_images
from snnlab.errors import InputError

_STREAM = 0x7061747465726E73  # separates these random numbers from those of others with the same seed
_MAX_NEURONS = 10_000


@dataclass(frozen=True)
class Patterns(ImageEncoder):
    """Each feature is a group of neurons, and each of its values a frozen pattern of Poisson spike trains.

    Patterns depend on the seed, the feature and the value only: they are the same in all epochs, in training and test.

    Raises InputError for values out of range.
    """

    name = "patterns"

    steps: int = option(5000, "time steps of a sample; none fires in the first")
    dt: float = option(1e-4, "seconds per step")
    neurons: int = option(100, "neurons per feature; the last axis of the shape")
    firing_rate: float = option(10.0, "spikes per second of each neuron")
    bias: int = option(0, "1 for one more feature that is the same in every sample, 0 for none")

    def __post_init__(self) -> None:
        check_grid("Patterns", self.steps, self.dt)
        if type(self.neurons) is not int or not 1 <= self.neurons <= _MAX_NEURONS:
            raise InputError("Patterns.neurons", f"got {self.neurons!r}", f"must be an integer, 1 to {_MAX_NEURONS}")
        if not 0 <= self.firing_rate * self.dt <= 1:
            hint = f"must be 0 to {1 / self.dt:g} spikes per second"
            raise InputError("Patterns.firing_rate", f"got {self.firing_rate}", hint)
        if type(self.bias) is not int or self.bias not in (0, 1):
            raise InputError("Patterns.bias", f"got {self.bias!r}", "must be 0 or 1")

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Images:
        """The images with the shape of the neurons, (features, neurons). Raises InputError for other samples."""
        images = check_images(samples)
        shape = (images.values.shape[1] + self.bias, self.neurons)
        return replace(images, image=images.pixels, shape=shape)

    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains:
        rows = np.pad(images.values, ((0, 0), (0, self.bias))).tolist()
        pairs = {pair for row in rows for pair in enumerate(row)}
        patterns = {pair: _pattern(self, seed, *pair) for pair in pairs}
        spikes = [
            np.stack([np.full(len(step), sample), step, feature * self.neurons + neuron])
            for sample, row in enumerate(rows)
            for feature, value in enumerate(row)
            for step, neuron in [patterns[feature, value]]
        ]
        columns = np.concatenate([np.zeros((3, 0), dtype=np.int64), *spikes], axis=1)
        size = (images.values.shape[1] + self.bias) * self.neurons
        return SpikeTrains.from_events(*columns, samples=len(images), steps=self.steps, size=size, dt=self.dt)


@lru_cache(maxsize=256)
def _pattern(code: Patterns, seed: int, feature: int, value: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps and neurons of the spikes of one value of a feature."""
    rng = np.random.default_rng([seed, _STREAM, feature, value])
    fires = rng.random((code.steps, code.neurons)) < code.firing_rate * code.dt
    fires[0] = False
    step, neuron = np.nonzero(fires)
    return step, neuron
