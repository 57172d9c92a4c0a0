"""What a rule draws while it learns, from a seed that its State keeps: a run that is taken up again draws the same."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.rules.rule import State


def drawn(rng: np.random.Generator) -> NDArray[np.float64]:
    """A seed (1,) for a State's constants, which hold arrays of numbers alone."""
    return rng.integers(1 << 31, size=1).astype(np.float64)


def kept(state: State, name: str) -> int:
    """The seed of this name."""
    return int(state.constants[name][0])


def generator(state: State, name: str, *keys: int) -> np.random.Generator:
    """Draws for the next batch: they depend on the seed, on how many batches were learned, and on the keys alone."""
    return np.random.default_rng([kept(state, name), state.steps, *keys])
