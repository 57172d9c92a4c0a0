"""Sample boosting: misclassified samples get a larger weight, as in the authors' code of HM2-BP.

(Jin, Zhang and Li, NeurIPS 2018; not described in the paper.) Initially all weights are 1. After an epoch, the weight
of every training sample that was misclassified when it was learned is multiplied by ``exp(strength * err_c)``, where
err_c is the weighted error rate of its class. The weight multiplies the sample's error.

Weights and misclassifications are part of the State, so that they survive a resumed run.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.rules.rule import State

_WEIGHTS, _WRONG = "boosting:weights", "boosting:wrong"


def start(state: State, samples: int) -> None:
    """Add weights of 1 for so many training samples."""
    state.optimizer_state |= {_WEIGHTS: np.ones(samples), _WRONG: np.zeros(samples)}


def weights(state: State) -> NDArray[np.floating] | None:
    """The weight of each training sample (samples,); None without boosting."""
    return state.optimizer_state.get(_WEIGHTS)


def note(state: State, samples: NDArray[np.int64], correct: NDArray[np.bool_]) -> None:
    """Record which of these samples were classified correctly."""
    state.optimizer_state[_WRONG][samples] = ~correct


def boost(state: State, labels: NDArray[np.int64], strength: float) -> None:
    """Update the weights after an epoch; `labels` (samples,) are those of all training samples.

    Raises InputError if they overflow, which a sample that is always misclassified causes eventually.
    """
    sample_weights, wrong = state.optimizer_state[_WEIGHTS], state.optimizer_state[_WRONG]
    total = np.bincount(labels, sample_weights)
    error = np.bincount(labels, sample_weights * wrong) / np.where(total > 0, total, 1)
    with np.errstate(over="ignore"):
        sample_weights *= np.exp(strength * error[labels] * wrong)
    if not np.isfinite(sample_weights.sum()):
        raise InputError("boosting", f"sample weights overflow at {strength:g}", "must be smaller")
