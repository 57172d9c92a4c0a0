"""What a rule draws while it learns: the same at a batch, whenever and on whatever machine the batch is come to."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.rules.rule import State


def begin(rng: np.random.Generator) -> NDArray[np.float64]:
    """A seed (1,) as a State's memory keeps it."""
    return rng.integers(1 << 31, size=1).astype(np.float64)


def at(state: State, name: str, *which: int) -> np.random.Generator:
    """What to draw from for the next batch, of the seed of this name in the state's memory.

    which  numbers that tell apart what is drawn for one batch
    """
    return np.random.default_rng([int(state.memory[name][0]), state.steps, *which])
