"""Networks in the notation of papers, 15C5-P2-40C5-P2-300-10, as circuits."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import repeat

import numpy as np

from snnlab import cards
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Number, Population, Projection, Receptor, Source
from snnlab.networks.weights import Convolution, Pooling, Weights

_LAYER = re.compile(
    r"(?P<full>[1-9]\d{0,6})|(?P<channels>[1-9]\d{0,4})C(?P<kernel>[1-9]\d{0,2})|P(?P<side>[1-9]\d{0,2})"
)

_WIDEST = 9_999_999  # as many as seven digits say


@dataclass(frozen=True)
class FeedForward:
    """A chain of layers of one cell card.

    cell        card of all cells, of `snnlab models`
    hidden      the layers before the output: "800" is fully connected, "15C5" has 15 kernels of 5 x 5, "P2" pools 2 x
                2; what is left over of an image at its far edges is not pooled. "15C5-P2" is two layers
    v_th        threshold of every layer, the output's last, in the unit of the cell's; none for that on its card
    inhibition  weight with which output neurons inhibit one another, in SI units of the receptor, 0 for none
    receptor    of the cell, where all spikes arrive
    synapse     card of the synapse there, of `snnlab models`; "" where the cell's own card has the receptor
    outputs     neurons of the last layer, 0 for one for each class
    """

    cell: str = "lif_exp_euler"
    hidden: tuple[str, ...] = ("800",)
    v_th: tuple[float, ...] = (20.0, 8.0)
    inhibition: float = 0.0
    receptor: str = "synapse"
    synapse: str = ""
    outputs: int = 0

    def __post_init__(self) -> None:
        given = self.hidden
        parts = tuple(part for layer in given for part in layer.split("-"))
        object.__setattr__(self, "hidden", parts)  # the one moment in which a frozen value may be put in order
        for layer in parts:
            if not _LAYER.fullmatch(layer):
                right = "needs layers of 1 to 9999999 neurons, as 800, kernels as 15C5, or squares as P2"
                raise InputError("network.hidden", f"found {layer!r} in {','.join(given)!r}", right)
        if not all(v_th > 0 for v_th in self.v_th):
            raise InputError("network.v_th", f"found {self.v_th}", "needs thresholds above 0")
        if not 0 <= self.outputs <= _WIDEST:
            raise InputError("network.outputs", f"found {self.outputs}", f"needs 0 to {_WIDEST} neurons")
        if not 0 <= self.inhibition < float("inf"):
            raise InputError("network.inhibition", f"found {self.inhibition}", "needs a weight, at least 0")

    def digests(self) -> dict[str, str]:
        """Path -> digest of the cards of cell and synapse."""
        found: list[cards.Card] = [cards.cell(self.cell), *([cards.synapse(self.synapse)] if self.synapse else [])]
        return {card.path: card.digest for card in found}

    def circuit(self, shape: tuple[int, ...], classes: int, dt: float) -> Circuit:
        """The network for samples of `shape`: features, or an image of rows, columns and perhaps channels.

        Raises InputError for layers that do not fit one another or the image.
        """
        outputs = self.outputs or classes
        layers = (*self.hidden, str(outputs))
        receptors = {self.receptor: Receptor(cards.synapse(self.synapse), "soma")} if self.synapse else {}
        if self.v_th and len(self.v_th) != len(layers):
            found = f"{len(self.v_th)} threshold{'' if len(self.v_th) == 1 else 's'}"
            many = f"{len(layers)} layer{'' if len(layers) == 1 else 's'}"
            right = f"needs one for each of {many}: {', '.join((*self.hidden, 'output'))}"
            raise InputError("network.v_th", found, right)
        names = [*(f"hidden{k}" for k in range(1, len(layers))), "output"]
        nodes: list[Source | Population] = [Source("input", int(np.prod(shape)))]
        projections = []
        own: Iterable[Mapping[str, float]] = ({"v_th": v_th} for v_th in self.v_th) if self.v_th else repeat({})
        for name, layer, parameters in zip(names, layers, own, strict=False):
            try:
                weights, shape = _connect(layer, shape)
            except InputError as refusal:
                raise InputError(f"network.hidden: {layer}", refusal.problem, refusal.hint) from refusal
            projections.append(Projection(nodes[-1].name, name, self.receptor, weights))
            nodes.append(Population(name, cards.cell(self.cell), weights.shape[1], parameters, receptors))
        if self.inhibition:
            among = self.inhibition * (np.eye(outputs) - 1)
            projections.append(Projection("output", "output", self.receptor, among))
        return Circuit(tuple(nodes), tuple(projections), dt)


def _connect(layer: str, shape: tuple[int, ...]) -> tuple[Weights, tuple[int, ...]]:
    """Weights of zero from neurons of this shape to a layer, and the shape of the layer."""
    found = _LAYER.fullmatch(layer)
    if found is None or found["full"]:
        return np.zeros((int(np.prod(shape)), int(layer))), (int(layer),)
    if len(shape) not in (2, 3):
        raise InputError("", f"{layer} on {int(np.prod(shape))} neurons in a row", "kernels and squares need an image")
    rows, columns, channels = (*shape, 1)[:3]
    if found["side"]:
        pooling = Pooling((rows, columns, channels), int(found["side"]))
        return pooling, pooling.out
    side = int(found["kernel"])
    kernels = Convolution(np.zeros((side, side, channels, int(found["channels"]))), (rows, columns))
    return kernels, kernels.out


def feedforward(source: Source, layers: Iterable[Population], receptor: str, dt: Number) -> Circuit:
    """A chain of layers, each fully connected to the next by `receptor`, with weights of zero."""
    nodes: tuple[Source | Population, ...] = (source, *layers)
    projections = tuple(
        Projection(pre.name, post.name, receptor, np.zeros((pre.size, post.size)))
        for pre, post in zip(nodes, nodes[1:], strict=False)
    )
    return Circuit(nodes, projections, dt)
