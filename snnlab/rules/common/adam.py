"""Adam (Kingma and Ba, ICLR 2015, arXiv:1412.6980), in place on a rule's State."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.engine.adam import adam_step
from snnlab.errors import InputError
from snnlab.rules.common.validation import check_positive
from snnlab.rules.rule import State


@dataclass(frozen=True)
class Adam:
    """Adam: bias-corrected running means of the gradient and of its square.

    Raises InputError for invalid values.
    """

    beta1: float = option(0.9, "decay of the running mean of the gradient")
    beta2: float = option(0.999, "decay of the running mean of the squared gradient")
    epsilon: float = option(1e-8, "added to the root of the mean squared gradient, which bounds the step")

    def __post_init__(self) -> None:
        for name in ("beta1", "beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise InputError(f"Adam.{name}", f"got {getattr(self, name)}", "must be at least 0 and below 1")
        check_positive(self, "epsilon")

    def start(self, state: State) -> None:
        """Add moments of zero for every projection."""
        for name, weights in state.weights.items():
            state.optimizer_state[f"m:{name}"] = np.zeros_like(weights)
            state.optimizer_state[f"v:{name}"] = np.zeros_like(weights)

    def step(self, state: State, gradients: dict[str, NDArray[np.floating]], rate: float) -> None:
        """Move every weight against its gradient, in place.

        Raises InputError for gradients of another shape or precision than their weights.
        """
        state.steps += 1
        # the bias corrections are part of the rate and of epsilon, so that no moment is divided
        second = float(np.sqrt(1 - self.beta2**state.steps))
        rate = rate * second / (1 - self.beta1**state.steps)
        for name, gradient in gradients.items():
            adam_step(
                state.weights[name], state.optimizer_state[f"m:{name}"], state.optimizer_state[f"v:{name}"], gradient,
                betas=(self.beta1, self.beta2), learning_rate=rate, epsilon=self.epsilon * second,
            )  # fmt: skip
