"""Feedback alignment (Lillicrap, Cownden, Tweed and Akerman, Nature Communications 7:13276, 2016).

It is backpropagation with fixed random weights in the backward pass. Learning aligns the forward weights with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snnlab.data.fields import option
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.validation import check_positive
from snnlab.rules.rate.backward_pass import BackwardPassRule
from snnlab.rules.rate.forward_pass import Layer, forward_path
from snnlab.rules.rule import State


@dataclass(frozen=True)
class FeedbackAlignment(BackwardPassRule):
    """Feedback alignment: errors propagate through fixed random weights."""

    title: ClassVar[str] = "feedback alignment"

    feedback_scale: float = option(
        1.0, "factor of the feedback weights, which are otherwise initialised as the forward weights"
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "feedback_scale")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        state = super().init(circuit, rng, classes)
        scales = self.init_scales(circuit)
        for name in forward_path(circuit, self.title).weights[1:]:
            weights = self.random_weights(state.weights[name].shape, rng, scales[name])
            state.constants[f"feedback:{name}"] = self.feedback_scale * weights
        return state

    def error_below(self, circuit: Circuit, state: State, layer: Layer, delta: Values) -> Values:
        return delta @ state.constants[f"feedback:{layer.weights}"].T
