"""Operations of attention (Vaswani et al., NeurIPS 2017): products of sequences, softmax, layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from computation_graph.operation import Local, Values, WithoutParameters, as_rows


@dataclass(frozen=True)
class Product(WithoutParameters):
    """The matrix product of two parents (time, features), sample by sample.

    transposed  multiply by the transpose of the second, as queries with keys
    """

    transposed: bool = False

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        left, right = parents
        return left @ (right.swapaxes(1, 2) if self.transposed else right)

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        left, right = local.parents
        if index == 0:
            return error @ (right if self.transposed else right.swapaxes(1, 2))
        return error.swapaxes(1, 2) @ left if self.transposed else left.swapaxes(1, 2) @ error


@dataclass(frozen=True)
class Softmax(WithoutParameters):
    """Softmax along the last axis."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        # subtracting the largest real part, a constant, avoids overflow and keeps imaginary parts derivatives
        exponential = np.exp(parents[0] - parents[0].real.max(axis=-1, keepdims=True))
        return exponential / exponential.sum(axis=-1, keepdims=True)

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        weighted = error * local.output
        return weighted - local.output * weighted.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class LayerNorm:
    """Layer normalisation (Ba, Kiros and Hinton, arXiv:1607.06450) along the last axis.

    epsilon  added to the variance

    Parameters: gain and shift (size,) each.
    """

    epsilon: float = 1e-5

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        normalised, _ = self._normalised(parents[0])
        return normalised * parameters[0] + parameters[1]

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        normalised, deviation = self._normalised(local.parents[0])
        scaled = error * local.parameters[0]
        projected = normalised * (scaled * normalised).mean(axis=-1, keepdims=True)
        return (scaled - scaled.mean(axis=-1, keepdims=True) - projected) / deviation

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        normalised, _ = self._normalised(local.parents[0])
        return as_rows(error * normalised).sum(axis=0), as_rows(error).sum(axis=0)

    def _normalised(self, x: Values) -> tuple[Values, Values]:
        """x with mean 0 and variance 1, and its standard deviation."""
        centred = x - x.mean(axis=-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / deviation, deviation
