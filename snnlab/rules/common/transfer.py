"""Rates of potentials as numbers: what FUNCTIONS writes as equations."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.circuit import Population
from snnlab.networks.mlp import FUNCTIONS

Values: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True)
class Transfer:
    """One of FUNCTIONS; each function takes arrays and keeps their precision.

    rate     of a potential
    inverse  the potential of a rate
    slope    derivative of the rate by the potential, where the rate is this
    lowest   and `highest`: between them lie all rates
    """

    rate: Callable[[Values], Values]
    inverse: Callable[[Any], Any]
    slope: Callable[[Values], Values]
    lowest: float
    highest: float


_KNOWN = {
    # a tangent never overflows
    "logistic": Transfer(
        lambda u: 0.5 + 0.5 * np.tanh(0.5 * u), lambda r: np.log(r / (1 - r)), lambda r: r * (1 - r), 0.0, 1.0
    ),
    "soft_rectifier": Transfer(
        lambda u: 0.1 * np.logaddexp(0, u - 3),
        lambda r: 3 + 10 * r + np.log(-np.expm1(-10 * r)),
        lambda r: -0.1 * np.expm1(-10 * r),
        0.0,
        np.inf,
    ),
    # where a rectifier's rate is 0 its slope is taken to be 0
    "relu": Transfer(lambda u: np.maximum(u, 0), lambda r: r, lambda r: (r > 0).astype(r.dtype), 0.0, np.inf),
    "tanh": Transfer(np.tanh, np.arctanh, lambda r: 1 - r * r, -1.0, 1.0),
    "linear": Transfer(lambda u: u, lambda r: r, np.ones_like, -np.inf, np.inf),
    "softplus": Transfer(
        lambda u: np.logaddexp(0, u), lambda r: r + np.log(-np.expm1(-r)), lambda r: -np.expm1(-r), 0.0, np.inf
    ),
}


def transfer(population: Population) -> Transfer:
    """What makes the rate of its cells. Raises InputError for a function that is not one of FUNCTIONS."""
    found = population.cell.functions.get("phi")
    for name, expression in FUNCTIONS.items():
        if found is not None and found.expression == expression:
            return _KNOWN[name]
    right = f"needs phi(x) as one of {', '.join(FUNCTIONS)}"
    raise InputError(f"population {population.name!r}", f"rates by {found}" if found else "no function phi", right)
