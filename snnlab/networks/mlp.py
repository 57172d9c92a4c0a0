"""Multilayer perceptron of continuous-time rate units (Rumelhart, Hinton and Williams, Nature 323:533, 1986).

The potential of a unit relaxes to its weighted input, so that the steady state of the circuit is the perceptron's
forward pass. Projections are named as in the dendritic microcircuit, ``input->hidden1.basal`` to
``hidden1->output.basal``, so that learning rules can be compared on both.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.data.fields import option
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.building import PHI, all_to_all, card_digests, check_outputs, check_sizes
from snnlab.networks.circuit import Circuit, Number, Population, Source
from snnlab.networks.populations import BIAS, INPUT, OUTPUT


@dataclass(frozen=True)
class MLP:
    """Hidden layers and an output of leaky rate units, each layer fully connected to the next.

    Raises InputError for invalid options.
    """

    hidden: tuple[int, ...] = option((500,), "cells of each hidden layer")
    activation: str = option("relu", "of the hidden layers: relu, tanh, logistic, softplus, soft_rectifier or linear")
    output_activation: str = option("linear", "of the output, one of the same")
    bias: bool = option(True, "whether every layer receives a constant input of 1")
    outputs: int = option(0, "cells of the output, 0 for one per class")

    def __post_init__(self) -> None:
        check_sizes("hidden", self.hidden, least=0)
        check_activation("network.activation", self.activation)
        check_activation("network.output_activation", self.output_activation)
        check_outputs(self.outputs)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the card of the cells."""
        return card_digests(self.circuit((1,), 1, 1e-4))

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero."""
        cell = _cell(self.activation)
        layers = [Population(f"hidden{k}", cell, size) for k, size in enumerate(self.hidden, start=1)]
        layers.append(Population(OUTPUT, _cell(self.output_activation), self.outputs or classes))
        sources = [Source(INPUT, int(np.prod(shape)))]
        below: list[Source | Population] = [*sources, *layers]
        projections = [all_to_all(pre, post, "basal") for pre, post in zip(below, layers, strict=False)]
        if self.bias:
            sources.append(Source(BIAS, 1, BIAS))
            projections += [all_to_all(sources[-1], post, "basal") for post in layers]
        return Circuit((*sources, *layers), tuple(projections), dt)


def _cell(activation: str) -> Cell:
    return cards.cell("rate_unit", {PHI: ACTIVATIONS[activation].expression})
