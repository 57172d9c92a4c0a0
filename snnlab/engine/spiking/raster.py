"""Spikes as bits, in the layout of ``raster.hpp``: bit k of word (sample, tile, step) is neuron 64 * tile + k."""

from __future__ import annotations

import ctypes

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains, offsets_of
from snnlab.engine.build import pointer, trust_spikes
from snnlab.native import thread_count

TILE = 64


def tiles_of(neurons: int) -> int:
    """Number of tiles of a population."""
    return -(-neurons // TILE)


def pack_raster(spikes: SpikeTrains) -> NDArray[np.uint64]:
    """Spike trains as words (samples, tiles, steps)."""
    raster = np.zeros((spikes.samples, tiles_of(spikes.size), spikes.steps), dtype=np.uint64)
    sample, step, neuron = spikes.events()
    np.bitwise_or.at(raster, (sample, neuron // TILE, step), np.uint64(1) << (neuron % TILE).astype(np.uint64))
    return raster


def spikes_of(
    raster: NDArray[np.uint64], size: int, dt: float, library: ctypes.CDLL
) -> tuple[SpikeTrains, NDArray[np.int32]]:
    """Spike trains from words, and the spikes of each neuron (samples, neurons)."""
    samples, tiles, steps = raster.shape
    threads = thread_count()
    per_step = np.zeros((samples, steps), dtype=np.int64)
    library.count(pointer(raster), samples, tiles, steps, pointer(per_step), threads)
    offsets = offsets_of(per_step)
    ids = np.empty(per_step.sum(), dtype=np.int32)
    counts = np.zeros((samples, size), dtype=np.int32)
    library.list(pointer(raster), samples, size, steps, pointer(offsets), pointer(ids), pointer(counts), threads)
    return trust_spikes(SpikeTrains(ids, offsets, size, dt)), counts
