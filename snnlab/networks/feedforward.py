"""Feedforward networks of full, convolutional and pooling layers, in the notation 15C5-P2-40C5-P2-300-10."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from snnlab import cards
from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution, Pooling, Weights

_LAYER = re.compile(
    r"(?P<full>[1-9]\d{0,6})|(?P<channels>[1-9]\d{0,4})C(?P<kernel>[1-9]\d{0,2})|P(?P<side>[1-9]\d{0,2})"
)

_WIDEST = 9_999_999  # seven digits, as in the pattern


@dataclass(frozen=True)
class FeedForward:
    """A chain of layers of one cell card.

    Raises InputError for invalid options.
    """

    cell: str = option("lif_exp_euler", "id of the card of all cells")
    hidden: tuple[str, ...] = option(
        ("800",),
        "layers before the output: 800 is fully connected, 15C5 has 15 kernels of 5 x 5, P2 pools squares of 2 x 2 and "
        "omits incomplete squares at the far edges; 15C5-P2 is two layers",
    )
    v_th: tuple[float, ...] = option(
        (20.0, 8.0), "threshold of each layer, the output last, in the unit of the card; empty for the card's threshold"
    )
    inhibition: float = option(
        0.0, "weight of the inhibition between output neurons, in SI units of the receptor, 0 for none"
    )
    receptor: str = option("synapse", "name of the receptor that receives all spikes")
    synapse: str = option("", "id of the card of that receptor; empty if it is on the cell's card")
    outputs: int = option(0, "neurons of the last layer, 0 for one per class")

    def __post_init__(self) -> None:
        parts = tuple(part for layer in self.hidden for part in layer.split("-"))
        for layer in parts:
            if not _LAYER.fullmatch(layer):
                hint = f"must be 1 to {_WIDEST} neurons such as 800, kernels such as 15C5, or pooling such as P2"
                raise InputError("network.hidden", f"got {layer!r} in {','.join(self.hidden)!r}", hint)
        object.__setattr__(self, "hidden", parts)  # the dataclass is frozen
        if not all(v_th > 0 for v_th in self.v_th):
            raise InputError("network.v_th", f"got {self.v_th}", "must be above 0")
        if not 0 <= self.outputs <= _WIDEST:
            raise InputError("network.outputs", f"got {self.outputs}", f"must be 0 to {_WIDEST} neurons")
        if not 0 <= self.inhibition < float("inf"):
            raise InputError("network.inhibition", f"got {self.inhibition}", "must be a finite number of at least 0")

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cell and synapse."""
        used: list[cards.Card] = [cards.cell(self.cell), *([cards.synapse(self.synapse)] if self.synapse else [])]
        return {card.path: card.digest for card in used}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The circuit for samples of `shape`: (features,), (rows, columns) or (rows, columns, channels).

        Raises InputError for layers that do not fit each other or the image.
        """
        outputs = self.outputs or classes
        layers = (*self.hidden, str(outputs))
        receptors = {self.receptor: Receptor(cards.synapse(self.synapse), "soma")} if self.synapse else {}
        if self.v_th and len(self.v_th) != len(layers):
            hint = f"must be {len(layers)}, one for each layer: {', '.join((*self.hidden, 'output'))}"
            raise InputError("network.v_th", f"number of thresholds is {len(self.v_th)}", hint)
        names = [*(f"hidden{k}" for k in range(1, len(layers))), "output"]
        nodes: list[Source | Population] = [Source("input", int(np.prod(shape)))]
        projections = []
        thresholds: Iterable[Mapping[str, float]] = ({"v_th": v_th} for v_th in self.v_th) if self.v_th else repeat({})
        for name, layer, parameters in zip(names, layers, thresholds, strict=False):
            try:
                weights, shape = _connect(layer, shape)
            except InputError as error:
                raise InputError(f"network.hidden: {layer}", error.problem, error.hint) from error
            projections.append(Projection(nodes[-1].name, name, self.receptor, weights))
            nodes.append(Population(name, cards.cell(self.cell), weights.shape[1], parameters, receptors))
        if self.inhibition:
            weights = self.inhibition * (np.eye(outputs) - 1)
            projections.append(Projection("output", "output", self.receptor, weights))
        return Circuit(tuple(nodes), tuple(projections), dt)


def _connect(layer: str, shape: tuple[int, ...]) -> tuple[Weights, tuple[int, ...]]:
    """Weights of zero from neurons of this shape to a layer, and the shape of the layer."""
    match = _LAYER.fullmatch(layer)
    if match is None or match["full"]:
        return np.zeros((int(np.prod(shape)), int(layer))), (int(layer),)
    if len(shape) not in (2, 3):
        raise InputError("", f"input of {int(np.prod(shape))} features", "kernels and pooling require an image")
    rows, columns, channels = (*shape, 1)[:3]
    if match["side"]:
        pooling = Pooling((rows, columns, channels), int(match["side"]))
        return pooling, pooling.out
    side = int(match["kernel"])
    kernels = Convolution(np.zeros((side, side, channels, int(match["channels"]))), (rows, columns))
    return kernels, kernels.out


def feedforward(source: Source, layers: Iterable[Population], receptor: str, dt: Number) -> Circuit:
    """A chain of layers, each fully connected to the next by `receptor`, with weights of zero."""
    nodes: tuple[Source | Population, ...] = (source, *layers)
    projections = tuple(
        Projection(pre.name, post.name, receptor, np.zeros((pre.size, post.size)))
        for pre, post in zip(nodes, nodes[1:], strict=False)
    )
    return Circuit(nodes, projections, dt)
