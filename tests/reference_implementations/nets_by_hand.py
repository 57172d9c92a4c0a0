"""The equations of the nets in computation_graph/nets.py, and complex-step derivatives."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from computation_graph import Graph, nets
from numpy.typing import NDArray

Values = NDArray[Any]
Forward = Callable[[Mapping[str, Values], Values], Values]

STEP = 1e-30


def perceptron(p: Mapping[str, Values], x: Values) -> Values:
    u = x @ p["W1"] + p["b1"]
    for layer in (2, 3, 4):
        u = np.tanh(u) @ p[f"W{layer}"] + p[f"b{layer}"]
    return u


def convolved(x: Values, kernels: Values, stride: int, padding: int) -> Values:
    """A convolution, position by position."""
    rows, columns, _, channels = kernels.shape
    samples, height, width, before = x.shape
    image = np.zeros((samples, height + 2 * padding, width + 2 * padding, before), dtype=x.dtype)
    image[:, padding : padding + height, padding : padding + width] = x
    down = range(0, image.shape[1] - rows + 1, stride)
    right = range(0, image.shape[2] - columns + 1, stride)
    found = np.zeros((samples, len(down), len(right), channels), dtype=np.result_type(x, kernels))
    for i, y in enumerate(down):
        for j, z in enumerate(right):
            found[:, i, j] = np.einsum("nabc,abcd->nd", image[:, y : y + rows, z : z + columns], kernels)
    return found


def convolutional(stride: int, padding: int) -> Forward:
    def forward(p: Mapping[str, Values], x: Values) -> Values:
        for kernels in (p["K1"], p["K2"]):
            x = np.tanh(convolved(x, kernels, stride, padding))
        return x.reshape(len(x), -1) @ p["W"] + p["b"]

    return forward


def recurrent(p: Mapping[str, Values], x: Values) -> Values:
    h: Values = np.zeros((len(x), p["R"].shape[0]))
    for t in range(x.shape[1]):
        h = np.tanh(x[:, t] @ p["W"] + p["b"] + h @ p["R"])
    return h @ p["O"] + p["c"]


def residual(p: Mapping[str, Values], x: Values) -> Values:
    x = x @ p["W0"] + p["b0"]
    for k in (1, 2, 3):
        x = x + np.tanh(np.tanh(x) @ p[f"U{k}"]) @ p[f"V{k}"]
    return np.tanh(x) @ p["O"] + p["c"]


def normalised(x: Values, gain: Values, shift: Values) -> Values:
    mean = x.sum(axis=-1, keepdims=True) / x.shape[-1]
    variance = ((x - mean) ** 2).sum(axis=-1, keepdims=True) / x.shape[-1]
    return gain * (x - mean) / (variance + 1e-5) ** 0.5 + shift


def attention(p: Mapping[str, Values], x: Values) -> Values:
    x = x @ p["E"] + p["e"]
    scaled = normalised(x, p["gain1"], p["shift1"])
    query, key, value = (scaled @ p[name] for name in "QKV")
    raised = np.exp(np.einsum("nik,njk->nij", query, key) / np.sqrt(key.shape[-1]))
    x = x + np.einsum("nij,njk->nik", raised / raised.sum(axis=2, keepdims=True), value) @ p["P"]
    scaled = normalised(x, p["gain2"], p["shift2"])
    x = x + np.tanh(scaled @ p["H"] + p["h"]) @ p["D"] + p["d"]
    return x.reshape(len(x), -1) @ p["O"] + p["o"]


NETS: dict[str, tuple[Graph, Forward]] = {
    "perceptron": (nets.perceptron((8, 10, 9, 7, 4)), perceptron),
    "convolutional": (nets.convolutional((8, 8, 1), (4, 4), 3), convolutional(1, 0)),
    "convolutional, strided": (nets.convolutional((8, 8, 1), (4, 4), 3, stride=2, padding=1), convolutional(2, 1)),
    "recurrent": (nets.recurrent(6, 3, 5, 2), recurrent),
    "residual": (nets.residual(5, 6, 3, 3), residual),
    "attention": (nets.attention(4, 3, 5, 6, 2), attention),
}


def by_complex_steps(cost: Callable[[Mapping[str, Values]], Any], p: Mapping[str, Values]) -> dict[str, Values]:
    """The derivatives of a cost with respect to all parameters, exact to rounding."""
    found = {name: np.zeros(values.shape) for name, values in p.items()}
    for name, values in p.items():
        trial: dict[str, Values] = {one: known.astype(complex) for one, known in p.items()}
        for place in np.ndindex(values.shape):
            trial[name][place] += 1j * STEP
            found[name][place] = cost(trial).imag / STEP
            trial[name][place] = values[place]
    return found


def difference(found: Mapping[str, Values], exact: Mapping[str, Values]) -> float:
    """The largest absolute difference, relative to the largest number of the same parameter."""
    assert found.keys() == exact.keys()
    return max(float(np.abs(found[name] - exact[name]).max() / np.abs(exact[name]).max()) for name in exact)
