"""Operations of dense networks: products, sums, activation functions, and changes of shape."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from computation_graph.operation import Local, Shape, Values, WithoutParameters, as_rows


class Function(NamedTuple):
    """An activation function, and its derivative as a function of the activation."""

    value: Callable[[Values], Values]
    derivative: Callable[[Values], Values]


def _rectified(x: Values) -> Values:
    """Rectified by the sign of the real part, as complex numbers have no order."""
    return np.where(x.real > 0, x, np.zeros((), dtype=x.dtype))


def _softplus(x: Values) -> Values:
    positive = _rectified(x)
    return positive + np.log1p(np.exp(x - 2 * positive))  # the exponent is -|x|: no overflow


ACTIVATIONS = {
    "identity": Function(lambda x: x, np.ones_like),
    "tanh": Function(np.tanh, lambda y: 1 - y * y),
    # tanh does not overflow
    "logistic": Function(lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), lambda y: y * (1 - y)),
    "relu": Function(_rectified, lambda y: (y.real > 0).astype(y.dtype)),
    "softplus": Function(_softplus, lambda y: -np.expm1(-y)),
    "soft_rectifier": Function(lambda x: 0.1 * _softplus(x - 3), lambda y: -0.1 * np.expm1(-10 * y)),
}
"""Activation functions by name; they preserve the precision of their argument."""


@dataclass(frozen=True)
class Input(WithoutParameters):
    """Values of this shape, given from outside."""

    size: Shape

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        raise TypeError("the values of an input come from outside")

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        raise TypeError("an input has no parents")


@dataclass(frozen=True)
class Dense:
    """f(x) @ W along the last axis, plus a bias if there is a second parameter.

    function  f, one of ACTIVATIONS

    Parameters: W (in, out) and optionally b (out,).
    """

    function: str = "identity"

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        product = ACTIVATIONS[self.function].value(parents[0]) @ parameters[0]
        return product + parameters[1] if len(parameters) == 2 else product

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        propagated = error @ local.parameters[0].T
        if self.function == "identity":
            return propagated
        function = ACTIVATIONS[self.function]
        return propagated * function.derivative(function.value(local.parents[0]))

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        weights = as_rows(ACTIVATIONS[self.function].value(local.parents[0])).T @ as_rows(error)
        return (weights, as_rows(error).sum(axis=0)) if len(local.parameters) == 2 else (weights,)


@dataclass(frozen=True)
class Bias:
    """x + b along the last axis. Parameter: b (size,)."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0] + parameters[0]

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return error

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        return (as_rows(error).sum(axis=0),)


@dataclass(frozen=True)
class Activation(WithoutParameters):
    """f(x), elementwise.

    function  f, one of ACTIVATIONS
    """

    function: str

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return ACTIVATIONS[self.function].value(parents[0])

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return error * ACTIVATIONS[self.function].derivative(local.output)


@dataclass(frozen=True)
class Identity(WithoutParameters):
    """x; `Graph.levelled` inserts it to make paths equally long."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0]

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return error


@dataclass(frozen=True)
class Scale(WithoutParameters):
    """x times a constant factor."""

    factor: float

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return self.factor * parents[0]

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return self.factor * error


@dataclass(frozen=True)
class Add(WithoutParameters):
    """The sum of parents of one shape."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        total = parents[0]
        for parent in parents[1:]:
            total = total + parent
        return total

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return error


@dataclass(frozen=True)
class Multiply(WithoutParameters):
    """The elementwise product of parents of one shape."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        product = parents[0]
        for parent in parents[1:]:
            product = product * parent
        return product

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        propagated = error
        for k, parent in enumerate(local.parents):
            if k != index:
                propagated = propagated * parent
        return propagated


@dataclass(frozen=True)
class Reshape(WithoutParameters):
    """The same numbers in another shape, (-1,) to flatten."""

    size: Shape

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0].reshape(len(parents[0]), *self.size)

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        return error.reshape(local.parents[0].shape)


@dataclass(frozen=True)
class Select(WithoutParameters):
    """One position along the first axis: a step of a sequence."""

    position: int

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0][:, self.position]

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        propagated = np.zeros(local.parents[0].shape, dtype=error.dtype)
        propagated[:, self.position] = error
        return propagated


@dataclass(frozen=True)
class Concatenate(WithoutParameters):
    """Parents joined along the last axis."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return np.concatenate(parents, axis=-1)

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        start = sum(parent.shape[-1] for parent in local.parents[:index])
        return error[..., start : start + local.parents[index].shape[-1]]
