"""Convolution of images (rows, columns, channels)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from computation_graph.operation import Local, Shape, Values


@dataclass(frozen=True)
class Convolution:
    """Cross-correlation with shared kernels (rows, columns, channels in, channels out), its parameter.

    stride   pixels between two positions of the kernel, in both directions
    padding  zeros around the image on every side
    """

    stride: int = 1
    padding: int = 0

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        image, kernels = parents[0], parameters[0]
        rows, columns = ((image.shape[1 + k] + 2 * self.padding - kernels.shape[k]) // self.stride + 1 for k in (0, 1))
        size = (rows, columns, kernels.shape[3])
        patches = self._patches(image, kernels.shape, size)
        return (patches @ kernels.reshape(-1, kernels.shape[3])).reshape(len(image), *size)

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        kernels, image = local.parameters[0], local.parents[0]
        edge = self.padding
        samples, rows, columns, channels = image.shape
        padded = np.zeros((samples, rows + 2 * edge, columns + 2 * edge, channels), dtype=error.dtype)
        for tap, region in self._taps(kernels.shape, error.shape[1:]):
            padded[region] += error @ kernels[tap].T
        return padded[:, edge : edge + rows, edge : edge + columns]

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        kernels = local.parameters[0]
        patches = self._patches(local.parents[0], kernels.shape, error.shape[1:])
        return ((patches.T @ error.reshape(-1, kernels.shape[3])).reshape(kernels.shape),)

    def _patches(self, image: Values, kernels: Shape, size: Shape) -> Values:
        """The pixels under the kernel at each position (samples * positions, numbers of a kernel)."""
        edge = self.padding
        padded = np.pad(image, ((0, 0), (edge, edge), (edge, edge), (0, 0))) if edge else image
        patches = np.empty((len(image), *size[:2], *kernels[:3]), dtype=image.dtype)
        for (row, column), region in self._taps(kernels, size):
            patches[..., row, column, :] = padded[region]
        return patches.reshape(-1, kernels[0] * kernels[1] * kernels[2])

    def _taps(self, kernels: Shape, size: Shape) -> Iterator[tuple[tuple[int, int], tuple[slice, ...]]]:
        """Each tap of the kernel with the region of the padded image that it covers over all positions."""
        step = self.stride
        for row, column in np.ndindex(*kernels[:2]):
            rows = slice(row, row + step * size[0], step)
            yield (row, column), (slice(None), rows, slice(column, column + step * size[1], step))
