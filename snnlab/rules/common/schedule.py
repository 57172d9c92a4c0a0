"""How a rate of learning falls from epoch to epoch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from snnlab.errors import InputError

Decay = Literal["none", "sqrt", "cosine", "late"]


def decayed(rate: float, decay: Decay, epoch: int, epochs: int) -> float:
    """The rate in this epoch, counted from 1, of so many.

    "sqrt" divides by the root of the epoch's number; "cosine" is half a wave that comes to 0 after the last epoch, so
    that it depends on how many there are to be; "late" stays for two thirds of them and then falls evenly to 0.
    """
    if decay == "sqrt":
        return rate * epoch**-0.5
    if decay == "cosine":
        return rate * ((1 + math.cos(math.pi * min((epoch - 1) / epochs, 1))) / 2)
    if decay == "late":
        return rate * min(1.0, 3 * (1 - min((epoch - 1) / epochs, 1)))
    return rate


def compounded(factors: Sequence[float], turns: Sequence[int], epoch: int) -> float:
    """What rates are multiplied by in this epoch, counted from 1: a power of one of the factors, by all epochs done.

    The first factor holds until as many epochs are done as the first of `turns` says, then the next, and so on. One
    that takes over does so as if it had held from the beginning, so that rates leap there.
    """
    done = epoch - 1
    return float(factors[sum(done >= turn for turn in turns)] ** done)


def check_compounded(factors: Sequence[float], turns: Sequence[int], rule: str) -> None:
    """Raises InputError, naming fields `falling` and `turns` of the rule, for what `compounded` cannot take."""
    if not factors or not all(0 < factor <= 1 for factor in factors):
        raise InputError(f"{rule}.falling", f"found {tuple(factors)}", "needs factors above 0, and 1 at most")
    if len(turns) != len(factors) - 1 or any(b <= a for a, b in zip([0, *turns], turns, strict=False)):
        right = f"needs a number of epochs for each of `falling` but the first, {len(factors) - 1} that rise from 1 on"
        raise InputError(f"{rule}.turns", f"found {tuple(turns)}", right)
