"""Feedback alignment (Lillicrap, Cownden, Tweed and Akerman, Nature Communications 7:13276, 2016).

As backpropagation, but an error comes down by random weights that never change. What is learned turns the weights up
towards them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.validation import check_positive
from snnlab.rules.rate.descent import LayerByLayer
from snnlab.rules.rate.forward import Forward, Link, way_up
from snnlab.rules.rule import State

_FEEDBACK = "feedback"


@dataclass(frozen=True)
class FeedbackAlignment(LayerByLayer):
    """The rule.

    feedback  weights down are drawn as those up begin, times this
    """

    title: ClassVar[str] = "feedback alignment"

    feedback: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "feedback")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        state = super().init(circuit, rng, classes)
        # from the second layer up; one array, as a checkpoint is asked for it by one name
        way = way_up(circuit, self.title)
        spreads, shapes = self.spreads(way), {name: weights.shape for name, weights in state.weights.items()}
        drawn = [self.feedback * self.drawn(shapes[name], rng, False, spreads[name]).ravel() for name in way.basal[1:]]
        state.constants[_FEEDBACK] = np.concatenate(drawn) if drawn else np.zeros(0, self.precision)
        return state

    def sent_down(self, way: Forward, state: State, link: Link, delta: Values) -> Values:
        begin = 0
        for name in way.basal[1 : way.basal.index(link.basal)]:
            begin += state.weights[name].size
        like = state.weights[link.basal]
        return delta @ state.constants[_FEEDBACK][begin : begin + like.size].reshape(like.shape).T
