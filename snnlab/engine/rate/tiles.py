"""Arrays in tiles of neurons, in the layout of ``rates.hpp``: a tile is one vector of 64 bytes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.build import Precision, address

_BYTES = 64  # of a vector, see vector.hpp

Values = NDArray[np.floating]


class Tiles:
    """Conversion of arrays to and from tiles of `lanes` neurons."""

    def __init__(self, precision: Precision) -> None:
        self.dtype = np.dtype(precision)
        self.lanes = _BYTES // self.dtype.itemsize

    def count(self, neurons: int) -> int:
        """Number of tiles."""
        return -(-neurons // self.lanes)

    def zeros(self, *shape: int) -> Values:
        """Zeros, aligned to vectors."""
        buffer = np.zeros(int(np.prod(shape)) * self.dtype.itemsize + _BYTES, dtype=np.uint8)
        skip = -(address(buffer) or 0) % _BYTES
        return buffer[skip : buffer.size - _BYTES + skip].view(self.dtype).reshape(shape)

    def split(self, values: Values) -> Values:
        """(rows, neurons) -> (rows, tiles, lanes), padded with zeros."""
        rows, neurons = values.shape
        padded = np.zeros((rows, self.count(neurons) * self.lanes), dtype=self.dtype)
        padded[:, :neurons] = values
        return padded.reshape(rows, -1, self.lanes)

    @staticmethod
    def join(values: Values, neurons: int) -> Values:
        """The inverse of `split`, as a new array."""
        return values.reshape(len(values), -1)[:, :neurons].copy()

    def pack(self, variables: Sequence[Values]) -> Values:
        """Variables, each (rows, neurons), as (tiles, rows, variables, lanes)."""
        rows, neurons = variables[0].shape
        packed = self.zeros(self.count(neurons), rows, len(variables), self.lanes)
        for k, values in enumerate(variables):
            packed[:, :, k] = self.split(values).transpose(1, 0, 2)
        return packed

    def unpack(self, packed: Values, variable: int, neurons: int) -> Values:
        """One variable of `pack` (rows, neurons)."""
        return self.join(packed[:, :, variable].transpose(1, 0, 2), neurons)
