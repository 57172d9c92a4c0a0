"""Ascending and descending stream of self-assembling learning, a reconstruction.

After Liao, Ziyin, Gan, Cheung, Harnett and Poggio (arXiv:2412.20018, 2024), whose equations were not available: their
abstract describes two streams and a motif of four plastic synapses between them. This network has four families of
weights, W within the ascending stream and three between the streams; the rule `SelfAssembly` trains all four. Each
hidden layer, ``hidden1`` and so on, has a population of the descending stream, ``down1`` and so on, of any size.

    W  input->hidden1.basal, hidden1->output.basal   forward
    V  output->down1.apical                          backward, transmits the error of the layer above
    P  hidden1->down1.lateral                        from the ascending to the descending stream
    Q  down1->hidden1.teaching                       and back

In a simulation, W and V change by the cards `plastic_ascending` and `plastic_descending`; P and Q are constant. Spiking
cells have one card in both streams; the source ``nudge`` is 1 in the phases with a target.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab import cards
from snnlab.cards import Cell
from snnlab.data.fields import option
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.building import (
    PHI,
    all_to_all,
    card_digests,
    check_outputs,
    check_per_layer,
    check_sizes,
    nudging,
    one_to_one,
    per_layer,
)
from snnlab.networks.circuit import Circuit, Number, Plastic, Population, Projection, Source
from snnlab.networks.populations import BIAS, INPUT, NUDGE, OUTPUT, TARGET

APICAL, LATERAL, TEACHING = "apical", "lateral", "teaching"


@dataclass(frozen=True)
class TwoStream:
    """Hidden layers and an output of an ascending stream, and a descending population for each hidden layer.

    Raises InputError for invalid options.
    """

    hidden: tuple[int, ...] = option((128,), "cells of each hidden layer")
    descending: tuple[int, ...] = option(
        (256,), "cells of the descending stream at each hidden layer; one number for all layers"
    )
    activation: str = option("relu", "of the hidden layers: relu, tanh, logistic, softplus, soft_rectifier or linear")
    output_activation: str = option("linear", "of the output, one of the same")
    bias: bool = option(True, "whether every layer receives a constant input of 1")
    outputs: int = option(0, "cells of the output, 0 for one per class")
    spiking: bool = option(False, "whether cells spike; their card then defines the firing rate, not the activations")

    def __post_init__(self) -> None:
        check_sizes("hidden", self.hidden)
        check_sizes("descending", self.descending)
        check_per_layer("descending", self.descending, len(self.hidden))
        check_activation("network.activation", self.activation)
        check_activation("network.output_activation", self.output_activation)
        check_outputs(self.outputs)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells and plasticity."""
        return card_digests(self.circuit((1,), 1, 1e-4))

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero within and between the streams."""
        cell = self._cell(self.activation)
        ascending = [Population(f"hidden{k}", cell, size) for k, size in enumerate(self.hidden, start=1)]
        ascending.append(Population(OUTPUT, self._cell(self.output_activation), self.outputs or classes))
        cell = cards.cell("stream_lif" if self.spiking else "stream_descending")
        descending = [
            Population(f"down{k}", cell, size, role="descending")
            for k, size in enumerate(per_layer(self.descending, len(self.hidden)), start=1)
        ]
        output = ascending[-1]
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, output.size, TARGET), Source(NUDGE, 1, NUDGE)]
        projections = _forward(sources[0], ascending)
        if self.bias:
            sources.append(Source(BIAS, 1, BIAS))
            projections += _bias(sources[-1], ascending)
        for layer, partner, above in zip(ascending, descending, ascending[1:], strict=False):
            projections += _between(layer, partner, above)
        projections += [one_to_one(sources[1], output, "target"), nudging(output)]
        projections += [nudging(cells, "phase") for cells in (*ascending, *descending) if self.spiking]
        return Circuit((*sources, *descending, *ascending), tuple(projections), dt)

    def _cell(self, activation: str) -> Cell:
        """The card of an ascending population."""
        if self.spiking:
            return cards.cell("stream_lif")
        phi = ACTIVATIONS[activation]
        return cards.cell("stream_ascending", {PHI: phi.expression, "slope(x)": phi.derivative_expression})


def _forward(source: Source, layers: list[Population]) -> list[Projection]:
    """W of all layers."""
    plastic = Plastic(cards.plasticity("plastic_ascending"))
    below: list[Source | Population] = [source, *layers]
    return [
        all_to_all(pre, post, "basal", variable="" if pre is source else "r", plasticity=plastic)
        for pre, post in zip(below, layers, strict=False)
    ]


def _bias(source: Source, layers: list[Population]) -> list[Projection]:
    """Bias weights, which do not decay, as in rules/rate."""
    plastic = Plastic(cards.plasticity("plastic_ascending"), {"gamma": "0"})
    return [all_to_all(source, post, "basal", plasticity=plastic) for post in layers]


def _between(layer: Population, partner: Population, above: Population) -> list[Projection]:
    """V, P and Q of one hidden layer."""
    plastic = Plastic(cards.plasticity("plastic_descending"))
    return [
        all_to_all(above, partner, APICAL, variable="delta", plasticity=plastic),
        all_to_all(layer, partner, LATERAL, variable="r"),
        all_to_all(partner, layer, TEACHING, variable="delta"),
    ]
