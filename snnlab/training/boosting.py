"""Samples that were answered wrongly count for more: sample boosting as in the authors' code of HM2-BP.

(Jin, Zhang and Li, NeurIPS 2018; their paper does not tell of it.) After an epoch, the weight of every training sample
whose label was not answered as it was learned from is multiplied by ``exp(strength * err_c)``, with err_c the share of
its class that was not, by weight. It begins at 1, and multiplies the error that is learned from.

Weights and answers are kept in the rule's State, so that a run that is resumed goes on with them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.rules.rule import State

_WEIGHTS, _WRONG = "boosting:weights", "boosting:wrong"


def start(state: State, samples: int) -> None:
    """Weights of 1 for so many training samples."""
    state.optimizer_state |= {_WEIGHTS: np.ones(samples), _WRONG: np.zeros(samples)}


def weights(state: State) -> NDArray[np.floating] | None:
    """How much each training sample counts (samples,); None where `start` was never called."""
    return state.optimizer_state.get(_WEIGHTS)


def note(state: State, which: NDArray[np.int64], right: NDArray[np.bool_]) -> None:
    """Remember which of these samples were answered."""
    state.optimizer_state[_WRONG][which] = ~right


def boost(state: State, labels: NDArray[np.int64], strength: float) -> None:
    """New weights after an epoch; `labels` (samples,) are those of all training samples.

    Raises InputError where they grow beyond all numbers, as those of a sample that is never answered do in the end.
    """
    counts, wrong = state.optimizer_state[_WEIGHTS], state.optimizer_state[_WRONG]
    whole = np.bincount(labels, counts)
    error = np.bincount(labels, counts * wrong) / np.where(whole > 0, whole, 1)
    with np.errstate(over="ignore"):
        counts *= np.exp(strength * error[labels] * wrong)
    if not np.isfinite(counts.sum()):
        raise InputError(
            "boosting", f"weights of samples beyond all numbers at {strength:g}", "needs a smaller strength"
        )
