"""Augmentation of training images by elastic distortions.

The random numbers of a sample are determined by seed, epoch and its number: not by batch, order or threads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, map_coordinates

from snnlab.data.fields import option
from snnlab.errors import InputError

_STREAM = 0x656C6173  # of random numbers, distinct from all others of the same seed
_SCALARS = 3  # sampled per image besides its displacements
_WORD = 1 << 32
_FARTHEST = 1e4  # pixels; beyond all images, and safe in float32


@dataclass(frozen=True)
class Elastic:
    """Scaled, rotated and elastically displaced images (Simard, Steinkraus and Platt, ICDAR 2003), new in every epoch.

    HM2-BP's convolutional network was trained with 0.12, 12 and 3.4. The authors' code uses one random number for the
    rotation and a scale that only enlarges, and reuses another for the next image; here all three are independent.
    Values outside an image are 0; values between pixels are interpolated linearly.

    Raises InputError for invalid values.
    """

    scale: float = option(0.0, "rows and columns are scaled independently by 1 - scale to 1 + scale")
    rotation: float = option(0.0, "angle in degrees, -rotation to rotation")
    displacement: float = option(
        0.0,
        "strength: uniform numbers in [-1, 1], one per pixel and direction, are smoothed with a Gaussian "
        "`exp(-d^2 / 2 sigma^2) / (2 pi sigma)` and multiplied by it. Far from the edges the displacements have the "
        "standard deviation displacement / sqrt(12 pi), for any sigma",
    )
    sigma: float = option(4.0, "width of the Gaussian in pixels; it is cut off at 2.5 sigma, 10 pixels for 4")

    def __post_init__(self) -> None:
        if not 0 <= self.scale < 1:
            raise InputError("Elastic.scale", f"got {self.scale}", "must be at least 0 and below 1")
        if not 0 <= self.rotation <= 180:
            raise InputError("Elastic.rotation", f"got {self.rotation}", "must be 0 to 180 degrees")
        if not 0 <= self.displacement <= _FARTHEST:
            raise InputError("Elastic.displacement", f"got {self.displacement}", f"must be 0 to {_FARTHEST:g}")
        if not 1 / _FARTHEST <= self.sigma <= _FARTHEST:
            hint = f"must be {1 / _FARTHEST:g} to {_FARTHEST:g} pixels"
            raise InputError("Elastic.sigma", f"got {self.sigma}", hint)

    @property
    def idle(self) -> bool:
        """Whether images are not changed."""
        return not (self.scale or self.rotation or self.displacement)

    def check(self, shape: tuple[int, ...]) -> None:
        """Raises InputError for distortions of samples that are not images of rows and columns."""
        if len(shape) != 2 and not self.idle:
            raise InputError("augment", f"got samples of shape {shape}", "must be images of rows and columns")

    def distort(
        self, values: NDArray[np.uint8], shape: tuple[int, ...], indices: NDArray[np.int64], *, seed: int, epoch: int
    ) -> NDArray[np.uint8]:
        """A distorted version of every image (samples, features), each of `shape` (rows, columns).

        indices  (samples,) numbers of the samples within their dataset

        Raises InputError for values that are not images of this shape.
        """
        if self.idle:
            return values
        self.check(shape)
        if values.dtype != np.uint8 or values.shape != (len(indices), math.prod(shape)):
            hint = f"expected uint8 {(len(indices), math.prod(shape))}"
            raise InputError("augment: values", f"got {values.dtype} {values.shape}", hint)
        for name, number in (("seed", seed), ("epoch", epoch)):
            if not 0 <= number < _WORD:
                raise InputError(f"augment: {name}", f"got {number}", f"must be 0 to {_WORD - 1}")
        rows, columns = self._sources(shape, random_numbers(indices, _SCALARS + 2 * math.prod(shape), seed, epoch))
        sample = np.broadcast_to(np.arange(len(indices), dtype=np.float32)[:, None, None], rows.shape)
        images = values.reshape(-1, *shape)
        distorted = map_coordinates(images, [sample, rows, columns], output=np.float32, order=1, mode="grid-constant")
        return np.rint(distorted).astype(np.uint8).reshape(values.shape)

    def _sources(
        self, shape: tuple[int, ...], random: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The place in the image that each distorted pixel is read from: rows and columns (samples, rows, columns)."""
        height, width = shape
        y, x = np.ogrid[:height, :width]
        y, x = (y - (height - 1) / 2).astype(np.float32), (x - (width - 1) / 2).astype(np.float32)
        enlarged = 1 + np.float32(self.scale) * random[:, :2, None, None]
        angle = np.float32(np.radians(self.rotation)) * random[:, 2, None, None]
        sine, cosine = np.sin(angle), np.cos(angle)
        vertical, horizontal = y / enlarged[:, 0], x / enlarged[:, 1]
        moved = random[:, _SCALARS:].reshape(-1, 2, height, width) * np.float32(self.displacement)
        if self.displacement:
            moved = _smoothing(height, self.sigma) @ moved @ _smoothing(width, self.sigma)
        rows = cosine * vertical + sine * horizontal + moved[:, 0] + np.float32((height - 1) / 2)
        columns = cosine * horizontal - sine * vertical + moved[:, 1] + np.float32((width - 1) / 2)
        return rows, columns


def random_numbers(indices: NDArray[np.int64], count: int, seed: int, epoch: int) -> NDArray[np.float32]:
    """Uniform random numbers in [-1, 1) (samples, count)."""
    random = np.empty((len(indices), count), dtype=np.float32)
    for row, index in zip(random, indices.tolist(), strict=True):
        bits = np.random.Philox(key=[seed, _STREAM], counter=[0, 0, index, epoch])
        np.random.Generator(bits).random(out=row, dtype=np.float32)
    return 2 * random - 1


@cache
def _smoothing(size: int, sigma: float) -> NDArray[np.float32]:
    """The symmetric matrix (size, size) that convolves an axis with the Gaussian, zero beyond the edges."""
    reach = round(2.5 * sigma)
    gaussian = np.exp(-(np.arange(-reach, reach + 1) ** 2) / (2 * sigma**2)) / np.sqrt(2 * np.pi * sigma)
    return correlate1d(np.eye(size), gaussian, axis=0, mode="constant").astype(np.float32)
