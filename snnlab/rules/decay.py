"""How a rate of learning falls from epoch to epoch."""

from __future__ import annotations

import math
from typing import Literal

Decay = Literal["none", "sqrt", "cosine"]


def decayed(rate: float, decay: Decay, epoch: int, epochs: int) -> float:
    """The rate in this epoch, counted from 1, of so many.

    "sqrt" divides by the root of the epoch's number; "cosine" is half a wave that comes to 0 after the last epoch, so
    that it depends on how many there are to be.
    """
    if decay == "sqrt":
        return rate * epoch**-0.5
    if decay == "cosine":
        return rate * ((1 + math.cos(math.pi * min((epoch - 1) / epochs, 1))) / 2)
    return rate
