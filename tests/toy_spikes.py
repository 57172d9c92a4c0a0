"""Images and an encoder of random spikes, for tests of the spike cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.data.samples import CachedSpikes, Images
from snnlab.data.spike_cache import cached_spikes
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains

GRID = Grid(7, 1e-3, (3, 4))


def images(number: int, seed: int = 0) -> Images:
    return Images(
        values=np.random.default_rng(seed).integers(0, 256, (number, 12)).astype(np.uint8),
        peak=255,
        labels=np.arange(number) % 3,
        numbers=np.arange(number),
        shape=(3, 4),
        classes=("a", "b", "c"),
        dataset="toy",
        split="all",
    )


def rasters(samples: Images, grid: Grid = GRID) -> NDArray[np.bool_]:
    """Random spikes that depend on the sample alone; some samples and steps have none."""
    found = np.zeros((len(samples), grid.steps, grid.size), dtype=bool)
    for row, values in zip(found, samples.values, strict=True):
        rng = np.random.default_rng(values.tolist())
        row |= rng.random(row.shape) < rng.choice([0, 0.02, 0.9]) * rng.integers(0, 2, (grid.steps, 1))
    return found


def encode(samples: Images) -> SpikeTrains:
    return SpikeTrains.from_dense(rasters(samples), GRID.dt)


def cache_file(cache: Path, number: int = 9) -> Path:
    """The file of the spikes of some images, written by the cache."""
    cached_spikes(images(number), encode, GRID, {})
    return next(cache.glob("*.spikes"))


def from_cache(number: int = 9) -> CachedSpikes:
    """The spikes of some images, which must be in the cache."""

    def fail(samples: Images) -> SpikeTrains:
        raise AssertionError("not in the cache")

    return cached_spikes(images(number), fail, GRID, {})
