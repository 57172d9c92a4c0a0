"""Operations of dense layers: products, sums, transfer functions, and parts of arrays put apart and together."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

import numpy as np

from computation_graph.operation import Bare, Local, Shape, Values, check_bare, check_many, rows
from snnlab.errors import InputError, one_of


class Function(NamedTuple):
    """A transfer function, and its derivative where it has this value."""

    of: Callable[[Values], Values]
    slope: Callable[[Values], Values]


def _rectified(x: Values) -> Values:
    """By the sign of the real part, as complex numbers have no order."""
    return np.where(x.real > 0, x, np.zeros((), dtype=x.dtype))


def _softplus(x: Values) -> Values:
    above = _rectified(x)
    return above + np.log1p(np.exp(x - 2 * above))  # the exponent is -|x|: nothing overflows


FUNCTIONS = {
    "identity": Function(lambda x: x, np.ones_like),
    "tanh": Function(np.tanh, lambda y: 1 - y * y),
    # a tangent never overflows
    "logistic": Function(lambda x: 0.5 + 0.5 * np.tanh(0.5 * x), lambda y: y * (1 - y)),
    "relu": Function(_rectified, lambda y: (y.real > 0).astype(y.dtype)),
    "softplus": Function(_softplus, lambda y: -np.expm1(-y)),
    "soft_rectifier": Function(lambda x: 0.1 * _softplus(x - 3), lambda y: -0.1 * np.expm1(-10 * y)),
}
"""Transfer functions by name; each keeps the precision of its values."""


def _known(name: str) -> None:
    if name not in FUNCTIONS:
        raise InputError("function", f"found {name!r}", one_of(name, FUNCTIONS))


@dataclass(frozen=True)
class Input(Bare):
    """Values that come from outside, of this shape."""

    size: Shape

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters, 0)
        return self.size

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        raise InputError("input", "asked what it makes", "needs its values from outside")

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        raise InputError("input", f"asked about parent {which}", "has none")


@dataclass(frozen=True)
class Dense:
    """f(x) @ W along the last axis, as mu = W f(x) of predictive coding.

    function  f, of FUNCTIONS

    Parameters: W (in, out), and a bias (out,) where there is a second.
    """

    function: str = "identity"

    def __post_init__(self) -> None:
        _known(self.function)

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parents, 1, "parent")
        if len(parameters) not in (1, 2) or len(parameters[0]) != 2:
            raise InputError(
                "", f"parameters of {list(parameters)}", "needs weights (in, out), and perhaps a bias (out,)"
            )
        before, (weights, *bias) = parents[0], parameters
        if not before or before[-1] != weights[0]:
            right = f"needs {weights[0]} along the last axis, or weights ({before[-1] if before else 1}, out)"
            raise InputError("", f"a parent {before} for weights {weights}", right)
        if bias and bias[0] != weights[1:]:
            raise InputError("", f"a bias {bias[0]} for weights {weights}", f"needs ({weights[1]},)")
        return (*before[:-1], weights[1])

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        made = FUNCTIONS[self.function].of(parents[0]) @ parameters[0]
        return made + parameters[1] if len(parameters) == 2 else made

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        sent = error @ local.parameters[0].T
        if self.function == "identity":
            return sent
        known = FUNCTIONS[self.function]
        return sent * known.slope(known.of(local.parents[0]))

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        found = rows(FUNCTIONS[self.function].of(local.parents[0])).T @ rows(error)
        return (found, rows(error).sum(axis=0)) if len(local.parameters) == 2 else (found,)


@dataclass(frozen=True)
class Bias:
    """x + b along the last axis. Parameter: b (size,)."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parents, 1, "parent")
        check_many(parameters, 1, "parameter")
        if parents[0][-1:] != parameters[0]:
            found = f"a bias {parameters[0]} for a parent {parents[0]}"
            raise InputError("", found, f"needs {parents[0][-1:]}")
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0] + parameters[0]

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return error

    def to_parameters(self, error: Values, local: Local) -> tuple[Values, ...]:
        return (rows(error).sum(axis=0),)


@dataclass(frozen=True)
class Transfer(Bare):
    """f(x), element by element.

    function  of FUNCTIONS
    """

    function: str

    def __post_init__(self) -> None:
        _known(self.function)

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return FUNCTIONS[self.function].of(parents[0])

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return error * FUNCTIONS[self.function].slope(local.made)


@dataclass(frozen=True)
class Identity(Bare):
    """x. What makes paths equally long."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0]

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return error


@dataclass(frozen=True)
class Scale(Bare):
    """factor * x, with a factor that nothing learns."""

    factor: float

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        return parents[0]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return self.factor * parents[0]

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return self.factor * error


@dataclass(frozen=True)
class Add(Bare):
    """The sum of parents of one shape."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        return _alike(parents, parameters)

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        made = parents[0]
        for other in parents[1:]:
            made = made + other
        return made

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return error


@dataclass(frozen=True)
class Multiply(Bare):
    """The product of parents of one shape, element by element."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        return _alike(parents, parameters)

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        made = parents[0]
        for other in parents[1:]:
            made = made * other
        return made

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        sent = error
        for at, other in enumerate(local.parents):
            if at != which:
                sent = sent * other
        return sent


def _alike(parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
    check_many(parameters, 0, "parameter")
    if not parents or len(set(parents)) > 1:
        found = f"parents {', '.join(map(str, parents)) or 'none'}"
        raise InputError("", found, f"needs one shape{f', as {parents[0]}' if parents else ''}")
    return parents[0]


@dataclass(frozen=True)
class Reshape(Bare):
    """The same numbers in another shape: (-1,) for all in a row."""

    size: Shape

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        numbers, size = prod(parents[0]), self.size
        if size == (-1,):
            return (numbers,)
        if prod(size) != numbers or min(size, default=1) < 1:
            raise InputError(
                "", f"a parent {parents[0]} of {numbers} numbers for {size}", f"needs {prod(size)} numbers"
            )
        return size

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0].reshape(len(parents[0]), *self.size)

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        return error.reshape(local.parents[0].shape)


@dataclass(frozen=True)
class Pick(Bare):
    """One place along the first axis: a step of a sequence."""

    at: int

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_bare(parents, parameters)
        if not parents[0] or not 0 <= self.at < parents[0][0]:
            raise InputError(
                "", f"place {self.at} of a parent {parents[0]}", "needs one from 0 to below the first axis"
            )
        return parents[0][1:]

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return parents[0][:, self.at]

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        sent = np.zeros(local.parents[0].shape, dtype=error.dtype)
        sent[:, self.at] = error
        return sent


@dataclass(frozen=True)
class Join(Bare):
    """Parents side by side along the last axis."""

    def shape(self, parents: Sequence[Shape], parameters: Sequence[Shape]) -> Shape:
        check_many(parameters, 0, "parameter")
        if not parents or not all(parents) or len({one[:-1] for one in parents}) > 1:
            found = f"parents {', '.join(map(str, parents)) or 'none'}"
            raise InputError("", found, "needs shapes that differ in their last axis alone")
        return (*parents[0][:-1], sum(one[-1] for one in parents))

    def forward(self, parents: Sequence[Values], parameters: Sequence[Values]) -> Values:
        return np.concatenate(parents, axis=-1)

    def to_parent(self, which: int, error: Values, local: Local) -> Values:
        begin = sum(one.shape[-1] for one in local.parents[:which])
        return error[..., begin : begin + local.parents[which].shape[-1]]
