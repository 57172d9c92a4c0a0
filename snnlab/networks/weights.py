"""Synaptic weights, each kind by the same few questions: all-to-all, sparse, shared kernels, and pooling.

A full or sparse array (pre, post) is its own description. An image is a population whose neuron ``(y * columns + x) *
channels + c`` sits at row y, column x of channel c, so that the channels of a place lie side by side.
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
    """Kernels that all places of an image share; steps of one pixel, and no synapse reaches over the image's edge.

    kernels  (rows, columns, channels in, channels out), in SI units of the receptor
    image    (rows, columns) of the presynaptic image

    Raises InputError for kernels larger than the image, and for what is no image.
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
            found = f"kernels of shape {self.kernels.shape}"
            raise InputError("convolution", found, "needs (rows, columns, channels in, channels out)")
        if min(self.out[:2]) < 1:
            rows, columns = self.kernels.shape[:2]
            found = f"kernels of {rows} x {columns} on an image of {self.image[0]} x {self.image[1]}"
            raise InputError("convolution", found, "needs kernels no larger than the image")

    @property
    def out(self) -> tuple[int, int, int]:
        """(rows, columns, channels) of the postsynaptic image."""
        rows, columns, _, channels = self.kernels.shape
        return self.image[0] - rows + 1, self.image[1] - columns + 1, channels

    @property
    def shape(self) -> tuple[int, int]:
        """Neurons before and after."""
        return self.image[0] * self.image[1] * self.kernels.shape[2], int(np.prod(self.out))

    def sparse(self) -> scipy.sparse.coo_array:
        """Every synapse of its own (pre, post)."""
        kernels = self.kernels
        rows, columns, channels = self.out
        y, x, dy, dx, c, d = np.ogrid[tuple(slice(n) for n in (rows, columns, *kernels.shape))]
        pre = ((y + dy) * self.image[1] + x + dx) * kernels.shape[2] + c
        post = (y * columns + x) * channels + d
        pre, post, values = np.broadcast_arrays(pre, post, kernels)
        return scipy.sparse.coo_array((values.ravel(), (pre.ravel(), post.ravel())), shape=self.shape)

    def _taps(self) -> Iterator[tuple[tuple[int, int], tuple[slice, slice, slice]]]:
        """Each place in the kernel, with the part of the image that it falls upon."""
        rows, columns, _ = self.out
        for dy, dx in np.ndindex(*self.kernels.shape[:2]):
            yield (dy, dx), (slice(None), slice(dy, dy + rows), slice(dx, dx + columns))

    def forward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """What each neuron after hears: (samples, pre) -> (samples, post)."""
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
        right = after.reshape(-1, self.out[2])
        found = np.empty(self.kernels.shape, dtype=np.result_type(before, after))
        for tap, part in self._taps():
            found[tap] = image[part].reshape(len(right), -1).T @ right
        return found


@dataclass(frozen=True, eq=False)
class Pooling:
    """Each neuron hears a square of the image, channel by channel, through one fixed weight; squares do not overlap.

    image   (rows, columns, channels) of the presynaptic image
    side    rows and columns of a square; what is left over at the far edges is not heard
    weight  in SI units of the receptor

    Raises InputError for squares larger than the image, for what is no image, and for a weight that is not finite.
    """

    image: tuple[int, int, int]
    side: int = 2
    weight: float = 1.0

    def __post_init__(self) -> None:
        _check_image("pooling", self.image, 3)
        if not isinstance(self.side, int | np.integer) or not 1 <= self.side <= min(self.image[:2]):
            found = f"squares of {self.side} x {self.side} on an image of {self.image[0]} x {self.image[1]}"
            raise InputError("pooling", found, "needs squares no larger than the image")
        if not np.isfinite(self.weight):
            raise InputError("pooling", f"a weight of {self.weight}", "needs a finite number")

    @property
    def out(self) -> tuple[int, int, int]:
        """(rows, columns, channels) of the postsynaptic image."""
        return self.image[0] // self.side, self.image[1] // self.side, self.image[2]

    @property
    def shape(self) -> tuple[int, int]:
        """Neurons before and after."""
        return int(np.prod(self.image)), int(np.prod(self.out))

    @property
    def target(self) -> NDArray[np.int32]:
        """The neuron that each presynaptic neuron reaches (pre,), -1 for none."""
        rows, columns, channels = self.out
        y, x, c = np.ogrid[tuple(slice(n) for n in self.image)]
        y, x = y // self.side, x // self.side
        reached = np.where((y < rows) & (x < columns), (y * columns + x) * channels + c, -1)
        return reached.astype(np.int32).ravel()

    def sparse(self) -> scipy.sparse.coo_array:
        """Every synapse of its own (pre, post)."""
        pre = np.flatnonzero(self.target >= 0)
        values = np.full(len(pre), float(self.weight))
        return scipy.sparse.coo_array((values, (pre, self.target[pre])), shape=self.shape)

    def forward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """What each neuron after hears: (samples, pre) -> (samples, post)."""
        rows, columns, channels = self.out
        image = values.reshape(-1, *self.image)[:, : rows * self.side, : columns * self.side]
        squares = image.reshape(-1, rows, self.side, columns, self.side, channels)
        return (self.weight * squares.sum(axis=(2, 4))).reshape(len(values), -1)

    def backward(self, values: NDArray[np.floating]) -> NDArray[np.floating]:
        """The transpose of `forward`: (samples, post) -> (samples, pre)."""
        heard = self.target >= 0
        return np.where(heard, self.weight * values[:, np.where(heard, self.target, 0)], 0)


def _check_image(where: str, image: tuple[int, ...], axes: int) -> None:
    whole = np.shape(image) == (axes,) and all(isinstance(side, int | np.integer) and side > 0 for side in image)
    if not whole:
        right = "(rows, columns)" if axes == 2 else "(rows, columns, channels)"
        raise InputError(where, f"an image {image!r}", f"needs {right}, whole numbers above 0")


Weights: TypeAlias = NDArray[np.floating] | scipy.sparse.sparray | Convolution | Pooling
"""Synaptic weights (pre, post) in SI units of the receptor; in a sparse array only stored entries are synapses."""


def trainable_parameters(weights: Weights) -> NDArray[np.floating] | None:
    """The numbers that learning may change, or None for weights that are fixed."""
    if isinstance(weights, Convolution):
        return weights.kernels
    if isinstance(weights, Pooling):
        return None
    return np.asarray(weights.data if scipy.sparse.issparse(weights) else weights)


def with_parameters(weights: Weights, values: Weights) -> Weights:
    """The same connection with other numbers; an array given for kernels becomes the kernels."""
    if isinstance(weights, Convolution) and isinstance(values, np.ndarray):
        return replace(weights, kernels=values)
    return values


def sparse(weights: Weights) -> scipy.sparse.coo_array:
    """Every synapse of its own (pre, post)."""
    return weights.sparse() if isinstance(weights, Convolution | Pooling) else scipy.sparse.coo_array(weights)


def synapse_list(weights: Weights) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.floating]]:
    """Source, target and weight of every synapse, by source and then by target; without full weights of zero."""
    if isinstance(weights, np.ndarray):
        source, target = np.nonzero(weights)  # a weight of zero moves nothing
        return source, target, weights[source, target]
    stored = sparse(weights)
    source, target = stored.coords
    order = np.lexsort((target, source))
    return source[order].astype(np.int64), target[order].astype(np.int64), stored.data[order]


def forward(weights: Weights, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """What each neuron after hears of `values` (samples, pre): (samples, post)."""
    if isinstance(weights, Convolution | Pooling):
        return weights.forward(values)
    return values @ weights


def backward(weights: Weights, values: NDArray[np.floating]) -> NDArray[np.floating]:
    """The transpose of `forward`: (samples, post) -> (samples, pre)."""
    if isinstance(weights, Convolution | Pooling):
        return weights.backward(values)
    return values @ weights.T


def outer(weights: Weights, before: NDArray[np.floating], after: NDArray[np.floating]) -> NDArray[np.floating]:
    """Derivative of sum(after * forward(before)) by the numbers in `trainable_parameters`, of their shape.

    Raises InputError for weights that have none of their own for each pair.
    """
    if isinstance(weights, Convolution):
        return weights.outer(before, after)
    if isinstance(weights, np.ndarray):
        return before.T @ after
    raise InputError("outer", f"weights of {type(weights).__name__}", "needs a full array or a convolution")


def fan_out(weights: Weights) -> NDArray[np.int64]:
    """Synapses of each neuron before (pre,)."""
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
