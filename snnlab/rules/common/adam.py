"""Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980), in place on a rule's State."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.engine.adam import adam_step
from snnlab.errors import InputError
from snnlab.rules.common.validation import check_positive
from snnlab.rules.rule import State


@dataclass(frozen=True)
class Adam:
    """First and second moments of every gradient, corrected for their start at zero.

    beta1    how much of the first moment, the mean gradient, a step keeps
    beta2    how much of the second moment, the mean squared gradient, a step keeps
    epsilon  added to the root of the second moment, so that no step is without bounds
    """

    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"Adam.{name}", f"found {getattr(self, name)}", "needs 0 to below 1")
        check_positive(self, "epsilon")

    def start(self, state: State) -> None:
        """Moments of zero for every projection."""
        for name, weights in state.weights.items():
            state.optimizer_state[f"m:{name}"] = np.zeros_like(weights)
            state.optimizer_state[f"v:{name}"] = np.zeros_like(weights)

    def step(self, state: State, gradients: dict[str, NDArray[np.floating]], rate: float) -> None:
        """Move every weight against its gradient, in place.

        Raises InputError for gradients of another shape or precision than their weights.
        """
        state.steps += 1
        # both corrections folded into the rate and the guard, so that no moment is divided
        second = float(np.sqrt(1 - self.beta2**state.steps))
        rate = rate * second / (1 - self.beta1**state.steps)
        for name, gradient in gradients.items():
            adam_step(
                state.weights[name], state.optimizer_state[f"m:{name}"], state.optimizer_state[f"v:{name}"], gradient,
                betas=(self.beta1, self.beta2), learning_rate=rate, epsilon=self.epsilon * second,
            )  # fmt: skip
