"""Layers of cells that are heard by their rates, each fully connected to the next: the multilayer perceptron.

The cell's potential follows what arrives, so that a network that has settled is the one of Rumelhart, Hinton and
Williams (Nature 323:533, 1986). Names are those of the microcircuit's basal dendrites, ``input->hidden1.basal`` to the
output's, so that one rule can be held against the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Source
from snnlab.networks.populations import BIAS, INPUT, OUTPUT

CARD = "rate_unit"
BASAL = "basal"

_HEAD = "phi(x)"


@dataclass(frozen=True)
class MLP:
    """Hidden layers and an output of leaky cells with a rate.

    hidden             cells of each hidden layer
    activation         of the hidden layers: relu, tanh, logistic, softplus, soft_rectifier or linear
    output_activation  of the output, one of the same
    bias               whether every layer receives a constant input of 1
    outputs            cells of the output, 0 for one per class
    """

    hidden: tuple[int, ...] = (500,)
    activation: str = "relu"
    output_activation: str = "linear"
    bias: bool = True
    outputs: int = 0

    def __post_init__(self) -> None:
        if any(size < 1 for size in self.hidden):
            raise InputError("network.hidden", f"found {self.hidden}", "needs layers of at least one cell")
        for name in ("activation", "output_activation"):
            check_activation(f"network.{name}", getattr(self, name))
        if self.outputs < 0:
            raise InputError("network.outputs", f"found {self.outputs}", "needs cells, or 0 for one for each class")

    def cell(self, activation: str) -> Cell:
        return cards.cell(CARD, {_HEAD: ACTIVATIONS[activation].expression})

    def digests(self) -> dict[str, str]:
        """Path -> digest of the card of its cells."""
        card = self.cell(self.activation)
        return {card.path: card.digest}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero."""
        layers = [
            Population(f"hidden{k}", self.cell(self.activation), size) for k, size in enumerate(self.hidden, start=1)
        ]
        layers.append(Population(OUTPUT, self.cell(self.output_activation), self.outputs or classes))
        source, one = Source(INPUT, int(np.prod(shape))), Source(BIAS, 1, BIAS)
        below: list[Source | Population] = [source, *layers]
        wiring = [full(pre, post, BASAL) for pre, post in zip(below, layers, strict=False)]
        wiring += [full(one, post, BASAL) for post in layers] if self.bias else []
        return Circuit((source, *([one] if self.bias else []), *layers), tuple(wiring), dt)


def full(pre: Source | Population, post: Population, receptor: str) -> Projection:
    """All of `pre` onto all of `post`, with weights of zero."""
    return Projection(pre.name, post.name, receptor, np.zeros((pre.size, post.size)))
