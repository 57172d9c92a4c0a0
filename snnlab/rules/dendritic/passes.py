"""A dendritic microcircuit as rules for its steady state see it: how its somata mix, and how its weights begin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np

from snnlab.errors import InputError
from snnlab.networks.activations import Activation, Values, activation_of
from snnlab.networks.circuit import Circuit
from snnlab.networks.populations import INPUT, OUTPUT
from snnlab.rules.rate.forward import Forward, cells, layers_up, number, way_up, with_bias

Start = Literal["predicting", "random"]
"""How interneurons begin: predicting the layer above, so that what it sends down is taken away exactly, or not."""


@dataclass(frozen=True)
class Mix:
    """What a soma's potential is made of once it has settled.

    own    part of its own dendrite's potential: that of the dendrite's conductance in the sum of all
    above  part of what comes from above: of the apical potential, the teacher, or the cell that is to be predicted
    alone  part of its own dendrite's potential while nothing comes from above
    """

    own: float
    above: float
    alone: float


@dataclass(frozen=True)
class Layer:
    """One layer, and what it hears.

    below    population or source that its basal dendrites hear
    between  its interneurons, "" at the output
    """

    name: str
    below: str
    mix: Mix
    between: str = ""
    between_mix: Mix = Mix(1, 0, 1)

    @property
    def basal(self) -> str:
        return f"{self.below}->{self.name}.basal"

    @property
    def dendrite(self) -> str:
        return f"{self.name}->{self.between}.dendrite"

    @property
    def inhibition(self) -> str:
        return f"{self.between}->{self.name}.inhibition"

    def apical(self, above: Layer) -> str:
        return f"{above.name}->{self.name}.apical"


@dataclass(frozen=True)
class Anatomy:
    """The layers from hidden1 to the output.

    way  the same, as they answer with nothing from above
    """

    layers: tuple[Layer, ...]
    activation: Activation
    way: Forward


@lru_cache(maxsize=8)
def anatomy(circuit: Circuit, rule: str) -> Anatomy:
    """What `rule` needs to know of the circuit. Raises InputError for one that is no microcircuit, or never settles."""
    names = {node.name for node in circuit.nodes}
    heard, found = layers_up(circuit)
    if len(found) < 2 or not {INPUT, OUTPUT, *(f"inter{k}" for k in range(1, len(found)))} <= names:
        raise InputError(f"{rule}: circuit", f"of {', '.join(sorted(names))}", "needs a dendritic microcircuit")
    layers = []
    for k, (below, name) in enumerate(zip(heard, found, strict=True), start=1):
        if name == OUTPUT:
            layers.append(Layer(name, below, _mix(circuit, name, "g_B", "g_som", leaves=True)))
        else:
            inter = _mix(circuit, f"inter{k}", "g_D", "g_som", leaves=True)
            layers.append(Layer(name, below, _mix(circuit, name, "g_B", "g_A", leaves=False), f"inter{k}", inter))
    return Anatomy(tuple(layers), activation_of(cells(circuit, OUTPUT)), way_up(circuit, rule))


def _mix(circuit: Circuit, name: str, own: str, above: str, *, leaves: bool) -> Mix:
    """`leaves` says whether what pulls from above may leave off, as a teacher does and an apical dendrite does not."""
    population = cells(circuit, name)
    leak, mine, theirs = (number(population, one, "hertz") for one in ("g_L", own, above))
    total = leak + mine + theirs
    return Mix(mine / total, theirs / total, mine / (leak + mine) if leaves else mine / total)


def check_rates(phi: Activation, where: str, **wanted: float) -> None:
    """Raises InputError for a rate that no potential leads to, named by its option below `where`."""
    for name, rate in wanted.items():
        if not phi.lowest < rate < phi.highest:
            right = f"needs a rate that cells can have, above {phi.lowest:g} and below {phi.highest:g}"
            raise InputError(f"{where}.{name}", f"found {rate}", right)


def pairs(body: Anatomy) -> list[tuple[Layer, Layer]]:
    """Each hidden layer with the layer above."""
    return list(zip(body.layers, body.layers[1:], strict=False))


def at_random(
    circuit: Circuit, body: Anatomy, spreads: Sequence[float], top_down_spread: float, rng: np.random.Generator
) -> dict[str, Values]:
    """All weights drawn uniformly.

    spreads          of basal weights, up to which either way, for each layer; so are those onto the interneurons that
                     are to predict it
    top_down_spread  of weights from the layer above, and of those from interneurons
    """
    shapes = {one.name: one.weights.shape for one in circuit.projections}
    widest = {layer.basal: spread for layer, spread in zip(body.layers, spreads, strict=True)}
    for (layer, above), spread in zip(pairs(body), spreads[1:], strict=True):
        widest |= {layer.dendrite: spread, layer.apical(above): top_down_spread, layer.inhibition: top_down_spread}
    widest |= {with_bias(name): spread for name, spread in widest.items() if with_bias(name) in shapes}
    return {name: rng.uniform(-spread, spread, shapes[name]) for name, spread in widest.items()}


def predicting(body: Anatomy, weights: Mapping[str, Values]) -> dict[str, Values]:
    """The weights of interneurons that predict the layer above, and take away what it sends down (self-prediction)."""
    found = {}
    for layer, above in pairs(body):
        copied = above.mix.alone / layer.between_mix.alone
        found[layer.inhibition] = -weights[layer.apical(above)]
        for name, of in ((layer.dendrite, above.basal), (with_bias(layer.dendrite), with_bias(above.basal))):
            if of in weights:
                found[name] = copied * weights[of]
    return found
