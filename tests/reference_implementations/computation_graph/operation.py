"""The interface of a node's operation: its output, and its local vector-Jacobian products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Values: TypeAlias = NDArray[np.inexact]
"""Real numbers, or complex ones for complex-step derivatives."""

Shape: TypeAlias = tuple[int, ...]
"""The shape of one sample; arrays of values have the samples as their first axis."""


class Local(NamedTuple):
    """Everything that a node has access to.

    parents     values (samples, *shape) of each parent
    parameters  without a sample axis
    output      of the operation for these parents and parameters
    """

    parents: tuple[Values, ...]
    parameters: tuple[Values, ...]
    output: Values


class Operation(Protocol):
    """A stateless operation. `forward` is analytic, so that complex-step derivatives pass through it."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        """The output (samples, *shape)."""

    def to_parent(self, index: int, error: Values, local: Local) -> Values:
        """The vector-Jacobian product d<error, output>/d(parent `index`), of the parent's shape."""

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        """d<error, output>/d(each parameter), summed over samples."""


class WithoutParameters:
    """Mixin for an operation without parameters."""

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        return ()


def as_rows(values: Values) -> Values:
    """All axes but the last joined into one."""
    return values.reshape(-1, values.shape[-1])
