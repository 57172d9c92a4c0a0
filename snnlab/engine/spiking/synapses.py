"""Weights of a projection in the layout of ``deliver.hpp``."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.build import Precision, as_type
from snnlab.errors import InputError
from snnlab.networks.circuit import Projection
from snnlab.networks.weights import Convolution, synapse_list

FULL, CONVOLUTION, SPARSE = range(3)
_MAX_SYNAPSES = 2**31 - 1  # deliver.hpp counts in 32 bits
_PADDING = 16  # zeros after each row of a kernel


class Synapses(NamedTuple):
    """The arrays of a projection.

    kind     FULL, CONVOLUTION or SPARSE
    weights  full (pre, post); padded kernels (channels_in, rows, columns * channels_out + 16); or sparse (synapses,)
    shape    int32: empty; the members of ``Kernels``; or the start of each row (pre + 1) and the targets (synapses)
    """

    kind: int
    weights: NDArray[np.floating]
    shape: NDArray[np.int32]


def synapses_of(projection: Projection, precision: Precision) -> Synapses:
    """The projection's synapses. Raises InputError for more sparse synapses than the engine can count."""
    weights = projection.weights
    if isinstance(weights, np.ndarray):
        return Synapses(FULL, as_type(weights, precision), np.zeros(0, dtype=np.int32))
    if isinstance(weights, Convolution):
        return _convolution(weights, precision)
    source, target, values = synapse_list(weights)
    if len(values) > _MAX_SYNAPSES:
        raise InputError(
            f"projection {projection.name!r}", f"got {len(values)} synapses", f"must be at most {_MAX_SYNAPSES}"
        )
    starts = np.searchsorted(source, np.arange(weights.shape[0] + 1))
    return Synapses(SPARSE, as_type(values, precision), np.concatenate([starts, target]).astype(np.int32))


def _convolution(weights: Convolution, precision: Precision) -> Synapses:
    """Kernels by input channel and row, each row with its last column first and zeros after it."""
    rows, columns, channels_in, channels_out = weights.kernels.shape
    padded = np.zeros((channels_in, rows, columns * channels_out + _PADDING), dtype=precision)
    reverse = weights.kernels[:, ::-1].transpose(2, 0, 1, 3)
    padded[:, :, :-_PADDING] = reverse.reshape(channels_in, rows, -1)
    shape = [weights.image[1], *weights.kernels.shape, *weights.out[:2], padded.shape[2]]
    return Synapses(CONVOLUTION, padded, np.array(shape, dtype=np.int32))


def kernels_of(padded: NDArray[np.floating], shape: tuple[int, ...]) -> NDArray[np.floating]:
    """The inverse of `_convolution`: kernels (rows, columns, channels_in, channels_out) from their padded rows."""
    _, columns, _, channels_out = shape
    reverse = padded[:, :, : columns * channels_out].reshape(*padded.shape[:2], columns, channels_out)
    return np.ascontiguousarray(reverse.transpose(1, 2, 0, 3)[:, ::-1])
