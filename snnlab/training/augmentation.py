"""Distorted images: more to learn from than there is.

Every sample's distortion has its own place in one stream of random numbers, so it does not depend on the batch, the
order or the number of threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates

from snnlab.errors import InputError

_STREAM = 0x656C6173  # of random numbers, so that none is shared with what else is drawn by the same seed
_SCALARS = 3  # drawn for each image beside its displacements
_WORD = 1 << 32
_FARTHEST = 1e4  # pixels; what is beyond all images, and still far from the end of float32


@dataclass(frozen=True)
class Elastic:
    """Images scaled, rotated and elastically displaced (Simard, Steinkraus and Platt, ICDAR 2003), anew in every epoch.

    scale         rows and columns are each enlarged by a factor of their own, 1 - scale to 1 + scale
    rotation      degrees, -rotation to rotation
    displacement  strength: numbers uniform in [-1, 1], one for each pixel and direction, are summed under a Gaussian
                  ``exp(-d^2 / 2 sigma^2) / (2 pi sigma)`` and multiplied by it. Far from the edges the displacements'
                  standard deviation is then displacement / sqrt(12 pi), whatever sigma
    sigma         pixels; how smooth displacements are. The Gaussian ends at 2.5 sigma, 10 pixels for 4

    HM2-BP's convolutional network was trained with 0.12, 12 and 3.4. Their code draws one number for the rotation and a
    scale that never shrinks, and a second that is the next image's first; here the three are independent. What lies
    outside an image is 0, and values between pixels are linear in both directions.

    Raises InputError for values that make no distortion.
    """

    scale: float = 0.0
    rotation: float = 0.0
    displacement: float = 0.0
    sigma: float = 4.0

    def __post_init__(self) -> None:
        if not 0 <= self.scale < 1:
            raise InputError("Elastic.scale", f"found {self.scale}", "needs 0 to below 1")
        if not 0 <= self.rotation <= 180:
            raise InputError("Elastic.rotation", f"found {self.rotation}", "needs degrees, 0 to 180")
        if not 0 <= self.displacement <= _FARTHEST:
            raise InputError("Elastic.displacement", f"found {self.displacement}", f"needs 0 to {_FARTHEST:g}")
        if not 1 / _FARTHEST <= self.sigma <= _FARTHEST:
            right = f"needs pixels, {1 / _FARTHEST:g} to {_FARTHEST:g}"
            raise InputError("Elastic.sigma", f"found {self.sigma}", right)

    @property
    def idle(self) -> bool:
        """Whether images stay as they are."""
        return not (self.scale or self.rotation or self.displacement)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError where there is something to be done to samples that are no images of rows and columns."""
        if len(shape) != 2 and not self.idle:
            raise InputError("augment", f"samples of shape {shape}", "needs images of rows and columns")

    def distort(
        self, values: NDArray[np.uint8], shape: tuple[int, ...], indices: NDArray[np.int64], *, seed: int, epoch: int
    ) -> NDArray[np.uint8]:
        """Another version of every image (samples, features), all of them `shape` (rows, columns).

        indices  (samples,) numbers of the samples within their dataset

        Raises InputError for samples that are no images.
        """
        if self.idle:
            return values
        self.check(shape)
        if values.dtype != np.uint8 or values.shape != (len(indices), math.prod(shape)):
            right = f"needs uint8 {(len(indices), math.prod(shape))}"
            raise InputError("augment: values", f"{values.dtype} {values.shape}", right)
        for name, number in (("seed", seed), ("epoch", epoch)):
            if not 0 <= number < _WORD:
                raise InputError(f"augment: {name}", f"found {number}", f"needs 0 to {_WORD - 1}")
        rows, columns = self._sources(shape, _drawn(indices, _SCALARS + 2 * math.prod(shape), seed, epoch))
        which = np.broadcast_to(np.arange(len(indices), dtype=np.float32)[:, None, None], rows.shape)
        images = values.reshape(-1, *shape)
        found = map_coordinates(images, [which, rows, columns], output=np.float32, order=1, mode="grid-constant")
        return np.rint(found).astype(np.uint8).reshape(values.shape)

    def _sources(
        self, shape: tuple[int, ...], drawn: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Where in the image each pixel of its other version is read: rows and columns (samples, rows, columns)."""
        height, width = shape
        y, x = np.ogrid[:height, :width]
        y, x = (y - (height - 1) / 2).astype(np.float32), (x - (width - 1) / 2).astype(np.float32)
        enlarged = 1 + np.float32(self.scale) * drawn[:, :2, None, None]
        angle = np.float32(np.radians(self.rotation)) * drawn[:, 2, None, None]
        sine, cosine = np.sin(angle), np.cos(angle)
        down, right = y / enlarged[:, 0], x / enlarged[:, 1]
        moved = drawn[:, _SCALARS:].reshape(-1, 2, height, width) * np.float32(self.displacement)
        if self.displacement:
            moved = _smoothing(height, self.sigma) @ moved @ _smoothing(width, self.sigma)
        rows = cosine * down + sine * right + moved[:, 0] + np.float32((height - 1) / 2)
        columns = cosine * right - sine * down + moved[:, 1] + np.float32((width - 1) / 2)
        return rows, columns


def _drawn(indices: NDArray[np.int64], count: int, seed: int, epoch: int) -> NDArray[np.float32]:
    """So many numbers for each sample, uniform in [-1, 1) (samples, count)."""
    drawn = np.empty((len(indices), count), dtype=np.float32)
    for row, index in zip(drawn, indices.tolist(), strict=True):
        bits = np.random.Philox(key=[seed, _STREAM], counter=[0, 0, index, epoch])
        np.random.Generator(bits).random(out=row, dtype=np.float32)
    return 2 * drawn - 1


@cache
def _smoothing(size: int, sigma: float) -> NDArray[np.float32]:
    """The symmetric matrix (size, size) that sums along one axis under the Gaussian, nothing beyond the edges."""
    reach = round(2.5 * sigma)
    bell = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma)
    return correlate1d(np.eye(size), bell, axis=0, mode="constant").astype(np.float32)
