"""What a node of a graph does: a prediction from its parents, and its local vector-Jacobian products."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError

Values: TypeAlias = NDArray[np.inexact]
"""Real numbers; complex ones where somebody differentiates by complex steps."""

Shape: TypeAlias = tuple[int, ...]
"""Of one sample: arrays of values have the samples first."""


class Local(NamedTuple):
    """All that a node knows.

    parents     values (samples, *shape) of each
    parameters  as they are, without samples
    made        what the node makes of both: its prediction
    """

    parents: tuple[Values, ...]
    parameters: tuple[Values, ...]
    made: Values


class Operation(Protocol):
    """A value; all that it needs to know comes with the call.

    `forward` is analytic, so that complex values go through it and imaginary parts are derivatives.
    """

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        """Of what is made of parents and parameters of these shapes. Raises InputError for others than it takes."""

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        """What is made (samples, *shape)."""

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        """The vector-Jacobian product d<error, made>/d(that parent), of the parent's shape."""

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        """d<error, made>/d(each parameter), summed over samples."""


class Bare:
    """The half of an operation without parameters."""

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        return ()


def check_many(found: Sequence[Shape], wanted: int, what: str) -> None:
    """Raises InputError unless there are as many."""
    if len(found) != wanted:
        raise InputError("", f"{len(found)} {what}{'' if len(found) == 1 else 's'}", f"needs {wanted}")


def check_bare(parents: Sequence[Shape], parameters: Sequence[Shape], wanted: int = 1) -> None:
    """Raises InputError unless there are so many parents, and no parameters."""
    check_many(parents, wanted, "parent")
    check_many(parameters, 0, "parameter")


def rows(values: Values) -> Values:
    """(many, last axis)."""
    return values.reshape(-1, values.shape[-1])
