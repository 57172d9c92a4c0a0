"""Numbers into frozen patterns of spikes: each stands for a pattern of its own, drawn once and for all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.encoder import TRAIN, check_draw, check_grid, images
from snnlab.errors import InputError

_STREAM = 0x7061747465726E73  # sets these draws apart from those of other encoders
_WIDEST = 10_000


@dataclass(frozen=True)
class Patterns:
    """Every feature is a group of neurons, and every number that it may be a pattern of Poisson trains of that group.

    steps    time steps of a sample; the first is silent
    dt       seconds per step
    neurons  of each feature; they are the last axis of the shape
    firing_rate  spikes per second of each neuron
    bias     1 for another feature that is the same in every sample, 0 for none

    Patterns depend on the seed, the feature and the number alone: they are the same in all epochs, in training and in
    testing.

    Raises InputError for values that make no code.
    """

    steps: int = 5000
    dt: float = 1e-4
    neurons: int = 100
    firing_rate: float = 10.0
    bias: int = 0

    def __post_init__(self) -> None:
        check_grid("Patterns", self.steps, self.dt)
        if type(self.neurons) is not int or not 1 <= self.neurons <= _WIDEST:
            raise InputError("Patterns.neurons", f"found {self.neurons!r}", f"needs a whole number, 1 to {_WIDEST}")
        if not 0 <= self.firing_rate * self.dt <= 1:
            raise InputError(
                "Patterns.firing_rate", f"found {self.firing_rate}", f"needs spikes per second, 0 to {1 / self.dt:g}"
            )
        if type(self.bias) is not int or self.bias not in (0, 1):
            raise InputError("Patterns.bias", f"found {self.bias!r}", "needs 0 or 1")

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Images:
        """The numbers, their shape that of the neurons: a group for each feature. Raises InputError for no images."""
        batch = images(samples)
        shape = (batch.values.shape[1] + self.bias, self.neurons)
        return replace(batch, image=batch.pixels, shape=shape)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of a batch. Raises InputError for what is no table or image."""
        batch = images(samples)
        check_draw(seed, epoch, stream, threads)
        features = batch.values.shape[1]
        rows = np.pad(batch.values, ((0, 0), (0, self.bias))).tolist()
        known = {pair: _pattern(self, seed, *pair) for pair in {pair for row in rows for pair in enumerate(row)}}
        spikes = [
            np.stack([np.full(len(step), sample), step, feature * self.neurons + neuron])
            for sample, row in enumerate(rows)
            for feature, value in enumerate(row)
            for step, neuron in [known[feature, value]]
        ]
        grid = {
            "samples": len(batch),
            "steps": self.steps,
            "size": (features + self.bias) * self.neurons,
            "dt": self.dt,
        }
        none = np.zeros((3, 0), dtype=np.int64)
        return SpikeTrains.from_events(*np.concatenate([none, *spikes], axis=1), **grid)


@lru_cache(maxsize=256)
def _pattern(code: Patterns, seed: int, feature: int, value: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Steps and neurons of the spikes that stand for one number."""
    rng = np.random.default_rng([seed, _STREAM, feature, value])
    fires = rng.random((code.steps, code.neurons)) < code.firing_rate * code.dt
    fires[0] = False
    step, neuron = np.nonzero(fires)
    return step, neuron
