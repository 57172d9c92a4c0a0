"""Grey images, and properties that every encoder of images must have."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snnlab.data.samples import Images
from snnlab.encoders import TEST, Encoder
from snnlab.native import threads

RNG = np.random.default_rng(17)
BATCH = RNG.integers(0, 256, (12, 6, 5)).astype(np.uint8)
NUMBERS = RNG.permutation(60_000)[:12]


def grey(values: ArrayLike, peak: int = 255, numbers: ArrayLike | None = None) -> Images:
    """Images of these values (samples, ...)."""
    array = np.asarray(values, dtype=np.uint8)
    shape = array.shape[1:]
    positions = np.arange(len(array)) if numbers is None else np.asarray(numbers, dtype=np.int64)
    labels = np.zeros(len(array), dtype=np.int64)
    return Images(
        values=array.reshape(len(array), math.prod(shape)), peak=peak, numbers=positions, labels=labels, shape=shape,
        classes=("a",), dataset="grey", split="",
    )  # fmt: skip


def check_encoder(encoder: Encoder) -> None:
    """Spikes are valid, of the prepared shape, and the same in any batch and with any number of threads."""
    samples = encoder.prepare(grey(BATCH, numbers=NUMBERS))
    random: dict[str, Any] = {"seed": 3, "epoch": 2, "stream": TEST}
    spikes = encoder.encode(samples, **random)
    assert (spikes.samples, spikes.size, spikes.dt) == (12, math.prod(samples.shape), encoder.dt)
    assert len(spikes) > 0
    assert type(spikes).from_dense(spikes.dense(), spikes.dt) == spikes
    assert spikes.ids.dtype == np.int32 and spikes.offsets.dtype == np.int64
    again = encoder.prepare(samples)
    assert again.shape == samples.shape
    for count in (2, 3, 64):
        with threads(count):
            assert encoder.encode(again, **random) == spikes
    order = [7, 7, 0, 11]
    selected = encoder.encode(samples.take(order), **random)
    for row, sample in enumerate(order):
        assert selected.sample(row) == spikes.sample(sample)
    empty = encoder.encode(samples.take(slice(0, 0)), **random)
    assert (empty.samples, empty.steps, empty.size, len(empty)) == (0, spikes.steps, spikes.size, 0)
