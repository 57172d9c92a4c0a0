"""Activations: the firing rate of a cell as a function of its potential, as expressions for cards and in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError, one_of
from snnlab.networks.populations import Population

Values: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True)
class Activation:
    """A rate as a function of a potential. The NumPy functions keep the precision of their arrays.

    expression             of the rate, with the potential x, for phi(x) on a card
    derivative_expression  of its derivative, for cards that need it
    function               rate from potential
    inverse                potential from rate
    derivative             derivative of the rate by the potential, from the rate
    lowest, highest        bounds of the rate
    """

    expression: str
    derivative_expression: str
    function: Callable[[Values], Values]
    inverse: Callable[[Any], Any]
    derivative: Callable[[Values], Values]
    lowest: float
    highest: float


ACTIVATIONS = MappingProxyType(
    {
        "logistic": Activation(
            "1/(1 + exp(-x))",
            "1/(2 + exp(x) + exp(-x))",
            lambda u: 0.5 + 0.5 * np.tanh(0.5 * u),  # tanh does not overflow
            lambda r: np.log(r / (1 - r)),
            lambda r: r * (1 - r),
            lowest=0.0,
            highest=1.0,
        ),
        "soft_rectifier": Activation(
            "0.1*log(1 + exp(x - 3))",
            "0.1/(1 + exp(3 - x))",
            lambda u: 0.1 * np.logaddexp(0, u - 3),
            lambda r: 3 + 10 * r + np.log(-np.expm1(-10 * r)),
            lambda r: -0.1 * np.expm1(-10 * r),
            lowest=0.0,
            highest=np.inf,
        ),
        "softplus": Activation(
            "log(1 + exp(x))",
            "1/(1 + exp(-x))",
            lambda u: np.logaddexp(0, u),
            lambda r: r + np.log(-np.expm1(-r)),
            lambda r: -np.expm1(-r),
            lowest=0.0,
            highest=np.inf,
        ),
        "relu": Activation(
            "0.5*(x + abs(x))",
            "int(x > 0)",
            lambda u: np.maximum(u, 0),
            lambda r: r,
            lambda r: (r > 0).astype(r.dtype),  # 0 at a potential of 0
            lowest=0.0,
            highest=np.inf,
        ),
        "tanh": Activation("tanh(x)", "1 - tanh(x)**2", np.tanh, np.arctanh, lambda r: 1 - r * r, -1.0, 1.0),
        "linear": Activation("x", "1 + 0*x", lambda u: u, lambda r: r, np.ones_like, -np.inf, np.inf),
    }
)
"""Activations by name; soft_rectifier is that of the regression of Sacramento et al. (arXiv:1810.11393)."""


def check_activation(field: str, name: str, known: tuple[str, ...] = tuple(ACTIVATIONS)) -> None:
    """Raises InputError for a name that is not known."""
    if name not in known:
        raise InputError(field, f"got {name!r}", one_of(name, known))


def activation_of(population: Population) -> Activation:
    """The activation phi(x) of its card. Raises InputError if it is not one of ACTIVATIONS."""
    phi = population.cell.functions.get("phi")
    for activation in ACTIVATIONS.values():
        if phi is not None and phi.expression == activation.expression:
            return activation
    problem = f"rate by {phi}" if phi else "no function phi"
    raise InputError(f"population {population.name!r}", problem, f"phi(x) must be one of {', '.join(ACTIVATIONS)}")
