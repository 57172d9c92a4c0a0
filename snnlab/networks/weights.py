"""Synaptic weights: full arrays, sparse arrays, convolutions and pooling, with the same functions for each kind.

Full and sparse arrays have the shape (pre, post). An image is a population in which neuron ``(y * columns + x) *
channels + c`` is at row y, column x of channel c: the channels are the last axis.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from snnlab.errors import InputError


@dataclass(frozen=True, eq=False)
class Convolution:
    """Kernels shared by all positions of an image, with a stride of 1 and no padding.

    kernels  (rows, columns, channels in, channels out), in SI units of the receptor
    image    (rows, columns) of the presynaptic image

    Raises InputError for kernels larger than the image, and for an invalid image.
    """

    kernels: NDArray[np.floating]
    image: tuple[int, int]

    def __repr__(self) -> str:
        rows, columns, inputs, outputs = self.kernels.shape
        image = " x ".join(map(str, self.image))
        return f"Convolution({inputs} -> {outputs} channels, {rows} x {columns} kernels, {image} image)"

    def __post_init__(self) -> None:
        _check_image("convolution", self.image, 2)
        if self.kernels.ndim != 4 or 0 in self.kernels.shape:
            hint = "must be (rows, columns, channels in, channels out)"
            raise InputError("convolution", f"kernels of shape {self.kernels.shape}", hint)
        if min(self.out[:2]) < 1:
            rows, columns = self.kernels.shape[:2]
            problem = f"kernels of {rows} x {columns} on an image of {self.image[0]} x {self.image[1]}"
            raise InputError("convolution", problem, "must be no larger than the image")

    @property
    def out(self) -> tuple[int, int, int]:
        """(rows, columns, channels) of the postsynaptic image."""
        rows, columns, _, channels = self.kernels.shape
        return self.image[0] - rows + 1, self.image[1] - columns + 1, channels

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of presynaptic and postsynaptic neurons."""
        return self.image[0] * self.image[1] * self.kernels.shape[2], int(np.prod(self.out))

    def sparse(self) -> scipy.sparse.coo_array:
        """The same weights as a sparse array (pre, post), one entry per synapse."""
        kernels = self.kernels
        rows, columns, channels = self.out
        y, x, dy, dx, c, d = np.ogrid[tuple(slice(n) for n in (rows, columns, *kernels.shape))]
        pre = ((y + dy) * self.image[1] + x + dx) * kernels.shape[2] + c
        post = (y * columns + x) * channels + d
        pre, post, values = np.broadcast_arrays(pre, post, kernels)
        return scipy.sparse.coo_array((values.ravel(), (pre.ravel(), post.ravel())), shape=self.shape)

    def _taps(self) -> Iterator[tuple[tuple[int, int], tuple[slice, slice, slice]]]:
        """Each position in the kernel, with the part of the image that it multiplies."""
        rows, columns, _ = self.out
        for dy, dx in np.ndindex(*self.kernels.shape[:2]):
            yield (dy, dx), (slice(None), slice(dy, dy + rows), slice(dx, dx + columns))

    def forward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Weighted inputs of the postsynaptic neurons: (samples, pre) -> (samples, post)."""
        image = values.reshape(-1, *self.image, self.kernels.shape[2])
        total = sum(image[part] @ self.kernels[tap] for tap, part in self._taps())
        return np.asarray(total).reshape(len(values), -1)

    def backward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The transpose of `forward`: (samples, post) -> (samples, pre)."""
        after = values.reshape(-1, *self.out)
        image = np.zeros((len(values), *self.image, self.kernels.shape[2]), dtype=values.dtype)
        for tap, part in self._taps():
            image[part] += after @ self.kernels[tap].T
        return image.reshape(len(values), -1)

    def outer(self, before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.floating]:
        """Derivative of sum(after * forward(before)) by the kernels, of their shape."""
        image = before.reshape(-1, *self.image, self.kernels.shape[2])
        errors = after.reshape(-1, self.out[2])
        gradient = np.empty(self.kernels.shape, dtype=np.result_type(before, after))
        for tap, part in self._taps():
            gradient[tap] = image[part].reshape(len(errors), -1).T @ errors
        return gradient


@dataclass(frozen=True, eq=False)
class Pooling:
    """Sum over squares of an image that do not overlap, channel by channel, with one constant weight.

    image   (rows, columns, channels) of the presynaptic image
    side    rows and columns of a square; incomplete squares at the far edges are omitted
    weight  in SI units of the receptor

    Raises InputError for squares larger than the image, for an invalid image, and for a weight that is not finite.
    """

    image: tuple[int, int, int]
    side: int = 2
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_image("pooling", self.image, 3)
        if not isinstance(self.side, int | np.integer) or not 1 <= self.side <= min(self.image[:2]):
            problem = f"squares of {self.side} x {self.side} on an image of {self.image[0]} x {self.image[1]}"
            raise InputError("pooling", problem, "must be no larger than the image")
        if not np.isfinite(self.weight):
            raise InputError("pooling", f"weight {self.weight}", "must be a finite number")

    @property
    def out(self) -> tuple[int, int, int]:
        """(rows, columns, channels) of the postsynaptic image."""
        return self.image[0] // self.side, self.image[1] // self.side, self.image[2]

    @property
    def shape(self) -> tuple[int, int]:
        """Numbers of presynaptic and postsynaptic neurons."""
        return int(np.prod(self.image)), int(np.prod(self.out))

    @property
    def target(self) -> NDArray[np.int32]:
        """The postsynaptic neuron of each presynaptic neuron (pre,), -1 for none."""
        rows, columns, channels = self.out
        y, x, c = np.ogrid[tuple(slice(n) for n in self.image)]
        y, x = y // self.side, x // self.side
        target = np.where((y < rows) & (x < columns), (y * columns + x) * channels + c, -1)
        return target.astype(np.int32).ravel()

    def sparse(self) -> scipy.sparse.coo_array:
        """The same weights as a sparse array (pre, post), one entry per synapse."""
        pre = np.flatnonzero(self.target >= 0)
        values = np.full(len(pre), float(self.weight))
        return scipy.sparse.coo_array((values, (pre, self.target[pre])), shape=self.shape)

    def forward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """Weighted inputs of the postsynaptic neurons: (samples, pre) -> (samples, post)."""
        rows, columns, channels = self.out
        image = values.reshape(-1, *self.image)[:, : rows * self.side, : columns * self.side]
        squares = image.reshape(-1, rows, self.side, columns, self.side, channels)
        return (self.weight * squares.sum(axis=(2, 4))).reshape(len(values), -1)

    def backward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The transpose of `forward`: (samples, post) -> (samples, pre)."""
        connected = self.target >= 0
        return np.where(connected, self.weight * values[:, np.where(connected, self.target, 0)], 0)


def _check_image(where: str, image: tuple[int, ...], axes: int) -> None:
    valid = np.shape(image) == (axes,) and all(isinstance(side, int | np.integer) and side > 0 for side in image)
    if not valid:
        form = "(rows, columns)" if axes == 2 else "(rows, columns, channels)"
        raise InputError(where, f"image {image!r}", f"must be {form}, integers above 0")


Weights: TypeAlias = NDArray[np.floating] | scipy.sparse.sparray | Convolution | Pooling
"""Synaptic weights (pre, post) in SI units of the receptor; in a sparse array only stored entries are synapses."""


def trainable_parameters(weights: Weights) -> NDArray[np.floating] | None:
    """The values that learning may change: an array, or None for constant weights."""
    if isinstance(weights, Convolution):
        return weights.kernels
    if isinstance(weights, Pooling):
        return None
    return np.asarray(weights.data if scipy.sparse.issparse(weights) else weights)


def with_parameters(weights: Weights, values: Weights) -> Weights:
    """The same kind of weights with other values; an array given for a convolution replaces its kernels."""
    if isinstance(weights, Convolution) and isinstance(values, np.ndarray):
        return replace(weights, kernels=values)
    return values


def sparse(weights: Weights) -> scipy.sparse.coo_array:
    """The same weights as a sparse array (pre, post), one entry per synapse."""
    return weights.sparse() if isinstance(weights, Convolution | Pooling) else scipy.sparse.coo_array(weights)


def synapse_list(weights: Weights) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
    """Source, target and weight of every synapse, sorted by source and target; zeros of full weights are omitted."""
    if isinstance(weights, np.ndarray):
        source, target = np.nonzero(weights)  # a weight of zero has no effect
        return source, target, weights[source, target]
    stored = sparse(weights)
    source, target = stored.coords
    order = np.lexsort((target, source))
    return source[order].astype(np.int64), target[order].astype(np.int64), stored.data[order]


def forward(weights: Weights, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """Weighted inputs of the postsynaptic neurons: (samples, pre) -> (samples, post)."""
    if isinstance(weights, Convolution | Pooling):
        return weights.forward(values)
    return values @ weights


def backward(weights: Weights, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The transpose of `forward`: (samples, post) -> (samples, pre)."""
    if isinstance(weights, Convolution | Pooling):
        return weights.backward(values)
    return values @ weights.T


def outer(weights: Weights, before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.floating]:
    """Derivative of sum(after * forward(before)) by the trainable parameters, of their shape.

    Raises InputError for sparse weights and pooling.
    """
    if isinstance(weights, Convolution):
        return weights.outer(before, after)
    if isinstance(weights, np.ndarray):
        return before.T @ after
    raise InputError("outer", f"weights of type {type(weights).__name__}", "must be a full array or a convolution")


def fan_out(weights: Weights) -> NDArray[np.int64]:
    """Number of synapses of each presynaptic neuron (pre,)."""
    if isinstance(weights, np.ndarray):
        return np.full(weights.shape[0], weights.shape[1], dtype=np.int64)
    if isinstance(weights, Convolution):
        weights = replace(weights, kernels=np.ones(weights.kernels.shape, dtype=np.int8))
    return np.bincount(sparse(weights).coords[0], minlength=weights.shape[0])


def description(weights: Weights) -> str:
    """Size and kind in a few words, without the values."""
    if isinstance(weights, Convolution | Pooling):
        return repr(weights)
    size = " x ".join(map(str, weights.shape))
    return size if isinstance(weights, np.ndarray) else f"{size} sparse, {sparse(weights).nnz} synapses"


def random_connections(
    pre: int, post: int, probability: float, weight: float, rng: np.random.Generator, *, autapses: bool = True
) -> scipy.sparse.coo_array:
    """Sparse weights (pre, post): each pair is connected with `probability`, all with the same weight.

    weight    in SI units of the receptor
    autapses  False to omit connections of a neuron to itself, for a population that projects to itself

    Raises InputError if the probability is not between 0 and 1.
    """
    if not 0 <= probability <= 1:
        raise InputError("random_connections", f"probability {probability}", "must be between 0 and 1")
    # row by row, so that a large network does not need a dense matrix of random numbers
    rows = [np.flatnonzero(rng.random(post) < probability) for _ in range(pre)]
    source = np.repeat(np.arange(pre), [len(row) for row in rows])
    target = np.concatenate(rows) if rows else np.zeros(0, dtype=np.intp)
    keep = slice(None) if autapses else source != target
    source, target = source[keep], target[keep]
    return scipy.sparse.coo_array((np.full(len(source), float(weight)), (source, target)), shape=(pre, post))
