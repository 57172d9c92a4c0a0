"""The angle between a rule's weight update and the negative gradient.

Below 90 degrees a small step decreases the squared error (Lillicrap and others, Nature Communications 7:13276, 2016,
follow it while feedback aligns); at 0 the rule is gradient descent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.populations import BIAS
from snnlab.rules.rule import Batch, GradientRule, State


def angle(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Angle in degrees between two arrays of one shape, as vectors; 90 if one of them is 0."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (first, second))
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if not lengths:
        return 90.0
    # arctan2 is exact for small angles, arccos is not
    cosine = a @ b / lengths
    sine = np.linalg.norm(a / np.linalg.norm(a) - cosine * b / np.linalg.norm(b))
    return float(np.degrees(np.arctan2(sine, cosine)))


def angles(rule: GradientRule, circuit: Circuit, state: State, batch: Batch) -> dict[str, float]:
    """The angle for every projection with an update and a gradient, except those of a bias.

    Raises InputError for an update that is not finite.
    """
    update, gradient = rule.update(circuit, state, batch), rule.gradient(circuit, state, batch)
    names = [name for name in gradient if name in update and not name.startswith(f"{BIAS}->")]
    degrees = {name: angle(update[name], gradient[name]) for name in names}
    for name, value in degrees.items():
        if not np.isfinite(value):
            raise InputError(f"update of {name}", "not finite", "reduce the learning rate")
    return degrees
