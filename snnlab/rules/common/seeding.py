"""Random numbers of a rule during learning, from a seed in State.constants: a resumed run samples the same ones."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.rules.rule import State


def new_seed(rng: np.random.Generator) -> NDArray[np.float64]:
    """A seed (1,) to store in State.constants, as floats like all of its arrays."""
    return rng.integers(1 << 31, size=1).astype(np.float64)


def seed_of(state: State, name: str) -> int:
    """The seed stored under this name."""
    return int(state.constants[name][0])


def generator(state: State, name: str, *keys: int) -> np.random.Generator:
    """A generator for the next batch, determined by the seed, the number of batches learned and the keys."""
    return np.random.default_rng([seed_of(state, name), state.steps, *keys])
