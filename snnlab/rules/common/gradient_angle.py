"""How far from the gradient a rule learns: the angle between what it asks of weights and the steepest way down.

Below 90 degrees a small step makes the squared error smaller (Lillicrap and others, Nature Communications 7:13276,
2016, follow it while feedback aligns); at 0 the rule is gradient descent.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.networks.populations import BIAS
from snnlab.rules.rule import Batch, GradientRule, State


def angle(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """Between two arrays of one shape, taken as vectors, in degrees; 90 where one of them is 0."""
    a, b = (np.asarray(values, dtype=np.float64).ravel() for values in (one, other))
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    if not lengths:
        return 90.0
    # as arctan2, which is exact for small angles where arccos is not
    along = a @ b / lengths
    across = np.linalg.norm(a / np.linalg.norm(a) - along * b / np.linalg.norm(b))
    return float(np.degrees(np.arctan2(across, along)))


def angles(rule: GradientRule, circuit: Circuit, state: State, batch: Batch) -> dict[str, float]:
    """Of every projection that learns from the batch and has a gradient, but for those of a bias.

    Raises InputError for what is asked that is no number: the network has come apart.
    """
    asked, steepest = rule.update(circuit, state, batch), rule.gradient(circuit, state, batch)
    full = [name for name in steepest if name in asked and not name.startswith(f"{BIAS}->")]
    found = {name: angle(asked[name], steepest[name]) for name in full}
    for name, degrees in found.items():
        if not np.isfinite(degrees):
            raise InputError(f"update of {name}", "not finite any more", "a smaller rate of learning may help")
    return found
