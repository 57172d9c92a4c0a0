"""Images in which only the grey levels are of interest, and what all encoders of images must do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from snnlab.data.samples import Images
from snnlab.encoders import TEST, Encoder

RNG = np.random.default_rng(17)
BATCH = RNG.integers(0, 256, (12, 6, 5)).astype(np.uint8)
NUMBERS = RNG.permutation(60_000)[:12]


def grey(values: ArrayLike, peak: int = 255, numbers: ArrayLike | None = None) -> Images:
    """Images of these values (samples, ...), each of the shape that is left."""
    given = np.asarray(values, dtype=np.uint8)
    shape = given.shape[1:]
    places = np.arange(len(given)) if numbers is None else np.asarray(numbers, dtype=np.int64)
    labels = np.zeros(len(given), dtype=np.int64)
    return Images(
        values=given.reshape(len(given), math.prod(shape)), peak=peak, numbers=places, labels=labels, shape=shape,
        classes=("a",), dataset="grey", split="",
    )  # fmt: skip


def check_encoder(encoder: Encoder) -> None:
    """Spikes as Spikes must be, on the shape that was promised, the same in any batch and on any number of threads."""
    samples = encoder.prepare(grey(BATCH, numbers=NUMBERS))
    draw: dict[str, Any] = {"seed": 3, "epoch": 2, "stream": TEST}
    spikes = encoder.encode(samples, **draw)
    assert (spikes.samples, spikes.size, spikes.dt) == (12, math.prod(samples.shape), encoder.dt)
    assert len(spikes) > 0
    assert type(spikes).from_dense(spikes.dense(), spikes.dt) == spikes
    assert spikes.ids.dtype == np.int32 and spikes.offsets.dtype == np.int64
    again = encoder.prepare(samples)
    assert again.shape == samples.shape
    for threads in (2, 3, 64):
        assert encoder.encode(again, threads=threads, **draw) == spikes
    order = [7, 7, 0, 11]
    some = encoder.encode(samples.take(order), **draw)
    for row, sample in enumerate(order):
        assert some.sample(row) == spikes.sample(sample)
    none = encoder.encode(samples.take(slice(0, 0)), **draw)
    assert (none.samples, none.steps, none.size, len(none)) == (0, spikes.steps, spikes.size, 0)
