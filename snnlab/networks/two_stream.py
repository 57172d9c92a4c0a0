"""An ascending and a descending stream: the self-assembling circuit (reconstruction) as a network.

After Liao, Ziyin, Gan, Cheung, Harnett and Poggio (arXiv:2412.20018, 2024), whose equations were not at hand: their
abstract has two streams and a motif of four plastic synapses between them. Here are four families, of which W is within
one stream and three join the two; all four learn by the rule `SelfAssembly`. Beside each hidden layer, ``hidden1`` and
so on, there are cells ``down1`` of the other stream, more or fewer of them.

    W  input->hidden1.basal, hidden1->output.basal   up
    V  output->down1.apical                          down, of the error of the layer above
    P  hidden1->down1.lateral                        from one stream to the other
    Q  down1->hidden1.teaching                       and back

While the circuit runs in time, W and V learn by the cards `plastic_ascending` and `plastic_descending`; P and Q stay.
Cells that fire are the same in both streams. They are told of the phase by the source ``nudge``, which is 1 while a
teacher speaks.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np
import scipy.sparse

from snnlab import cards
from snnlab.cards import Cell
from snnlab.errors import InputError
from snnlab.networks.activations import ACTIVATIONS, check_activation
from snnlab.networks.circuit import Circuit, Number, Plastic, Population, Projection, Source
from snnlab.networks.mlp import BASAL, full
from snnlab.networks.populations import BIAS, INPUT, NUDGE, OUTPUT, TARGET

APICAL, LATERAL, TEACHING, PHASE = "apical", "lateral", "teaching", "phase"
ASCENDING, DESCENDING, FIRING = "stream_ascending", "stream_descending", "stream_lif"
PLASTIC = MappingProxyType({BASAL: "plastic_ascending", APICAL: "plastic_descending"})


@dataclass(frozen=True)
class TwoStream:
    """Hidden layers and an output of an ascending stream, and a descending one beside the hidden layers.

    hidden             cells of each hidden layer
    descending         cells of the descending stream at each hidden layer; one number for all layers
    activation         of the hidden layers: relu, tanh, logistic, softplus, soft_rectifier or linear
    output_activation  of the output, one of the same
    bias               whether every layer receives a constant input of 1
    outputs            cells of the output, 0 for one per class
    spiking            whether cells spike; their card then defines the firing rate, not the activations
    """

    hidden: tuple[int, ...] = (128,)
    descending: tuple[int, ...] = (256,)
    activation: str = "relu"
    output_activation: str = "linear"
    bias: bool = True
    outputs: int = 0
    spiking: bool = False

    def __post_init__(self) -> None:
        for name in ("hidden", "descending"):
            if not (sizes := getattr(self, name)) or min(sizes) < 1:
                raise InputError(f"network.{name}", f"found {sizes}", "needs at least one layer of at least one cell")
        if len(self.descending) not in (1, len(self.hidden)):
            right = f"needs one number, or one for each of {len(self.hidden)} hidden layers"
            raise InputError("network.descending", f"found {len(self.descending)} numbers", right)
        for name in ("activation", "output_activation"):
            check_activation(f"network.{name}", getattr(self, name))
        if self.outputs < 0:
            raise InputError("network.outputs", f"found {self.outputs}", "needs cells, or 0 for one for each class")

    @property
    def beside(self) -> tuple[int, ...]:
        """Cells of the descending stream beside each hidden layer."""
        return self.descending * len(self.hidden) if len(self.descending) == 1 else self.descending

    def cells(self) -> tuple[Cell, Cell, Cell]:
        """Cards of the hidden layers, the output and the descending stream."""
        if self.spiking:
            return (cards.cell(FIRING),) * 3
        hidden, output = (
            cards.cell(ASCENDING, {"phi(x)": phi.expression, "slope(x)": phi.derivative_expression})
            for phi in (ACTIVATIONS[self.activation], ACTIVATIONS[self.output_activation])
        )
        return hidden, output, cards.cell(DESCENDING)

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cells and plastic connections."""
        found: list[cards.Card] = [*self.cells(), *map(cards.plasticity, PLASTIC.values())]
        return {card.path: card.digest for card in found}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: Number) -> Circuit:
        """The circuit for samples of `shape`, with weights of zero between layers and streams."""
        hidden, output, beside = self.cells()
        up = [Population(f"hidden{k}", hidden, size) for k, size in enumerate(self.hidden, start=1)]
        up.append(Population(OUTPUT, output, self.outputs or classes))
        down = [Population(f"down{k}", beside, size, role="descending") for k, size in enumerate(self.beside, start=1)]
        sources = [Source(INPUT, int(np.prod(shape))), Source(TARGET, up[-1].size, TARGET), Source(NUDGE, 1, NUDGE)]
        sources += [Source(BIAS, 1, BIAS)] if self.bias else []
        wiring = _ascending(sources[0], up)
        if self.bias:
            # as in rules/rate/descent.py, what a bias is heard with does not decay
            kept = Plastic(cards.plasticity(PLASTIC[BASAL]), {"gamma": "0"})
            wiring += [replace(full(sources[-1], post, BASAL), plasticity=kept) for post in up]
        for own, pair, above in zip(up, down, up[1:], strict=False):
            wiring += _between(own, pair, above)
        one_to_one = scipy.sparse.identity(up[-1].size, format="coo")
        wiring += [Projection(TARGET, OUTPUT, "target", one_to_one), _to_all(up[-1], "nudge")]
        wiring += [_to_all(one, PHASE) for one in (*up, *down)] if self.spiking else []
        return Circuit((*sources, *down, *up), tuple(wiring), dt)  # the output last


def _ascending(source: Source, up: list[Population]) -> list[Projection]:
    """W of all layers."""
    plastic = Plastic(cards.plasticity(PLASTIC[BASAL]))
    below: list[Source | Population] = [source, *up]
    return [
        replace(full(pre, post, BASAL), variable="" if pre is source else "r", plasticity=plastic)
        for pre, post in zip(below, up, strict=False)
    ]


def _between(own: Population, beside: Population, above: Population) -> list[Projection]:
    """V, P and Q of one hidden layer."""
    plastic = Plastic(cards.plasticity(PLASTIC[APICAL]))
    return [
        replace(full(above, beside, APICAL), variable="delta", plasticity=plastic),
        replace(full(own, beside, LATERAL), variable="r"),
        replace(full(beside, own, TEACHING), variable="delta"),
    ]


def _to_all(post: Population, receptor: str) -> Projection:
    return Projection(NUDGE, post.name, receptor, np.ones((1, post.size)))
