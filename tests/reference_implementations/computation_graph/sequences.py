"""Operations of attention (Vaswani et al., NeurIPS 2017): products of sequences, softmax, layer normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from computation_graph.operation import Bare, Local, Shape, Values, check_bare, check_many, rows
from snnlab.errors import InputError


@dataclass(frozen=True)
class Product(Bare):
    """The matrix product of two parents (time, features), sample by sample.

    transposed  whether of the first with the second's transpose, as queries with keys
    """

    transposed: bool = False

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters, 2)
        one, other = parents
        inner = other[-1 if self.transposed else 0] if len(other) == 2 else None
        if len(one) != 2 or one[1] != inner:
            form = "(n, k) and (m, k)" if self.transposed else "(n, k) and (k, m)"
            raise InputError("", f"parents {one} and {other}", f"needs {form}")
        return one[0], other[0 if self.transposed else 1]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        one, other = parents
        return one @ (other.swapaxes(1, 2) if self.transposed else other)

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        one, other = local.parents
        if which == 0:
            return error @ (other if self.transposed else other.swapaxes(1, 2))
        return error.swapaxes(1, 2) @ one if self.transposed else one.swapaxes(1, 2) @ error


@dataclass(frozen=True)
class Softmax(Bare):
    """exp(x) over its sum along the last axis."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        if not parents[0]:
            raise InputError("", "a parent ()", "needs an axis")
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        # the largest real part is a constant, which cancels: nothing overflows, and imaginary parts stay derivatives
        raised = np.exp(parents[0] - parents[0].real.max(axis=-1, keepdims=True))
        return raised / raised.sum(axis=-1, keepdims=True)

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        weighted = error * local.made
        return weighted - local.made * weighted.sum(axis=-1, keepdims=True)


@dataclass(frozen=True)
class Normalise:
    """Layer normalisation (Ba, Kiros and Hinton, arXiv:1607.06450): mean 0 and variance 1 along the last axis.

    epsilon  added to the variance

    Parameters: gain and shift (size,) each.
    """

    epsilon: float = 1e-5

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parents, 1, "parent")
        check_many(parameters, 2, "parameter")
        if not parents[0] or any(one != parents[0][-1:] for one in parameters):
            found = f"gain and shift {parameters[0]} and {parameters[1]} for a parent {parents[0]}"
            raise InputError("", found, f"needs {parents[0][-1:]} each")
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        even, _ = self._even(parents[0])
        return even * parameters[0] + parameters[1]

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        even, spread = self._even(local.parents[0])
        asked = error * local.parameters[0]
        along = even * (asked * even).mean(axis=-1, keepdims=True)
        return (asked - asked.mean(axis=-1, keepdims=True) - along) / spread

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        even, _ = self._even(local.parents[0])
        return rows(error * even).sum(axis=0), rows(error).sum(axis=0)

    def _even(self, x: Values) -> tuple[Values, Values]:
        """x with mean 0 and variance 1, and its standard deviation."""
        centred = x - x.mean(axis=-1, keepdims=True)
        spread = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + self.epsilon)
        return centred / spread, spread
