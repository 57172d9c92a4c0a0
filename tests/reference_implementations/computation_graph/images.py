"""Operations on images (rows, columns, channels)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from computation_graph.operation import Local, Shape, Values, check_many
from snnlab.errors import InputError


@dataclass(frozen=True)
class Convolution:
    """Kernels that all places of an image share, laid on it unturned.

    stride   pixels from one place to the next, either way
    padding  zeros around the image on every side

    Parameter: kernels (rows, columns, channels in, channels out).
    """

    stride: int = 1
    padding: int = 0

    def __post_init__(self) -> None:
        if self.stride < 1 or self.padding < 0:
            found = f"found a stride of {self.stride} and a padding of {self.padding}"
            raise InputError("convolution", found, "needs at least 1, and at least 0")

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parents, 1, "parent")
        check_many(parameters, 1, "parameter")
        image, kernels = parents[0], parameters[0]
        if len(image) != 3 or len(kernels) != 4 or image[2] != kernels[2]:
            right = "needs an image (rows, columns, channels) and kernels (rows, columns, channels in, channels out)"
            raise InputError("", f"a parent {image} for kernels {kernels}", right)
        rows, columns = ((image[k] + 2 * self.padding - kernels[k]) // self.stride + 1 for k in (0, 1))
        if min(rows, columns) < 1:
            raise InputError(
                "", f"kernels {kernels} on an image {image}", "needs kernels no larger than the padded image"
            )
        return rows, columns, kernels[3]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        image, kernels = parents[0], parameters[0]
        size = self.shape([image.shape[1:]], [kernels.shape])
        patches = self._patches(image, kernels.shape, size)
        return (patches @ kernels.reshape(-1, kernels.shape[3])).reshape(len(image), *size)

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        kernels, image = local.parameters[0], local.parents[0]
        edge = self.padding
        samples, rows, columns, channels = image.shape
        sent = np.zeros((samples, rows + 2 * edge, columns + 2 * edge, channels), dtype=error.dtype)
        for tap, place in self._taps(kernels.shape, error.shape[1:]):
            sent[place] += error @ kernels[tap].T
        return sent[:, edge : edge + rows, edge : edge + columns]

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        kernels = local.parameters[0]
        patches = self._patches(local.parents[0], kernels.shape, error.shape[1:])
        return ((patches.T @ error.reshape(-1, kernels.shape[3])).reshape(kernels.shape),)

    def _patches(self, image: Values, kernels: Shape, size: Shape) -> Values:
        """What lies under the kernels (samples * places, numbers of a kernel)."""
        edge = self.padding
        padded = np.pad(image, ((0, 0), (edge, edge), (edge, edge), (0, 0))) if edge else image
        found = np.empty((len(image), *size[:2], *kernels[:3]), dtype=image.dtype)
        for (row, column), place in self._taps(kernels, size):
            found[..., row, column, :] = padded[place]
        return found.reshape(-1, kernels[0] * kernels[1] * kernels[2])

    def _taps(self, kernels: Shape, size: Shape) -> Iterator[tuple[tuple[int, int], tuple[slice, ...]]]:
        """Each place in the kernel, with the part of the padded image that it falls upon."""
        step = self.stride
        for row, column in np.ndindex(*kernels[:2]):
            down = slice(row, row + step * size[0], step)
            yield (row, column), (slice(None), down, slice(column, column + step * size[1], step))
