"""A dendritic microcircuit as rules for its steady state see it: how its somata mix, and the sweep up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snnlab.circuit import Circuit, Population, Source
from snnlab.engine import dense
from snnlab.equations import si
from snnlab.errors import Refused
from snnlab.microcircuit import AFFERENT, BIAS, INPUT, OUTPUT
from snnlab.rules.rule import Answer, State
from snnlab.rules.transfer import Transfer, Values, transfer

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

    bias  whether basal dendrites and interneurons hear a source of rate 1
    """

    layers: tuple[Layer, ...]
    transfer: Transfer
    bias: bool


@lru_cache(maxsize=8)
def anatomy(circuit: Circuit, rule: str) -> Anatomy:
    """What `rule` needs to know of the circuit. Raises Refused for one that is no microcircuit, or never settles."""
    names = {node.name for node in circuit.nodes}
    hidden = [f"hidden{k}" for k in range(1, len(names)) if f"hidden{k}" in names]
    if not hidden or not {INPUT, OUTPUT, *(f"inter{k + 1}" for k in range(len(hidden)))} <= names:
        raise Refused(f"{rule}: circuit", f"of {', '.join(sorted(names))}", "needs a dendritic microcircuit")
    layers = []
    first = AFFERENT if AFFERENT in names else INPUT
    for k, (below, name) in enumerate(zip([first, *hidden], [*hidden, OUTPUT], strict=True), start=1):
        if name == OUTPUT:
            layers.append(Layer(name, below, _mix(circuit, name, "g_B", "g_som", leaves=True)))
        else:
            inter = _mix(circuit, f"inter{k}", "g_D", "g_som", leaves=True)
            layers.append(Layer(name, below, _mix(circuit, name, "g_B", "g_A", leaves=False), f"inter{k}", inter))
    return Anatomy(tuple(layers), transfer(_population(circuit, OUTPUT)), BIAS in names)


def up(
    body: Anatomy, weights: dict[str, Values], seen: Values, threads: int | None
) -> tuple[list[Values], list[Values]]:
    """The sweep up, with nothing from above: basal potentials of every layer, and rates of the input and every layer.

    An apical dendrite at rest pulls its soma to rest: a hidden cell's potential is less than its basal dendrite's.
    """
    basal, rates = [], [seen]
    for layer in body.layers:
        basal.append(heard(body, weights, layer.basal, rates[-1], threads))
        rates.append(body.transfer.rate(layer.mix.alone * basal[-1]))
    return basal, rates


def heard(body: Anatomy, weights: dict[str, Values], name: str, rates: Values, threads: int | None) -> Values:
    """The potential (samples, post) that rates lead to through a projection, and through the bias beside it."""
    potential = dense.heard(weights[name], rates, threads=threads)
    if body.bias and (beside := with_bias(name)) in weights:
        potential += weights[beside]
    return potential


def with_bias(name: str) -> str:
    """The projection of the bias to where the projection of this name ends."""
    return f"{BIAS}->{name.partition('->')[2]}"


def answer(body: Anatomy, state: State, seen: Values, threads: int | None) -> Answer:
    """What the sweep up says of rates of the input (samples, inputs): the class whose cell has the highest rate."""
    precision = state.weights[body.layers[0].basal].dtype
    _, rates = up(body, state.weights, seen.astype(precision, copy=False), threads)
    names = [layer.basal for layer in body.layers]
    activity = {layer.name: rate for layer, rate in zip(body.layers, rates[1:], strict=True)}
    if body.bias:
        names += [with_bias(name) for name in names]
        activity[BIAS] = np.ones((len(seen), 1), dtype=precision)
    return Answer(rates[-1], rates[-1].argmax(axis=1), activity, tuple(names))


def _mix(circuit: Circuit, name: str, own: str, above: str, *, leaves: bool) -> Mix:
    """`leaves` says whether what pulls from above may leave off, as a teacher does and an apical dendrite does not."""
    population = _population(circuit, name)
    leak, mine, theirs = (_number(population, one, "hertz") for one in ("g_L", own, above))
    total = leak + mine + theirs
    return Mix(mine / total, theirs / total, mine / (leak + mine) if leaves else mine / total)


def _population(circuit: Circuit, name: str) -> Population:
    node = circuit[name]
    if isinstance(node, Source):
        raise Refused(f"circuit: {name!r}", "a source", "needs cells of a dendritic microcircuit")
    return node


def _number(population: Population, name: str, unit: str) -> float:
    card = population.cell
    if name not in card.parameters:
        raise Refused(f"population {population.name!r}", f"no {name} on {card.path}", "needs a microcircuit's cells")
    return si(population.parameters.get(name, card.parameters[name]), unit, f"{population.name}: {name}")


def check_settles(circuit: Circuit) -> None:
    """Raises Refused for cells with noise or that run ahead of themselves, as a steady state has neither."""
    for population in circuit.populations:
        # first, for an afferent has this and no noise of its own
        if "tau_r" in population.cell.parameters:
            raise Refused("network.latent", "found true", "needs false: a steady state takes no time to hurry through")
        if _number(population, "sigma", "hertz**0.5"):
            raise Refused("network.noise", "found some", "needs 0: a steady state has no noise")


def check_classes(circuit: Circuit, classes: int) -> None:
    """Raises Refused unless there is an output for each class."""
    outputs = _population(circuit, OUTPUT).size
    if outputs != classes:
        raise Refused("network", f"{outputs} outputs, and samples of {classes} classes", "needs one for each")


def check_rates(phi: Transfer, where: str, **wanted: float) -> None:
    """Raises Refused for a rate that no potential leads to, named by its option below `where`."""
    for name, rate in wanted.items():
        if not phi.lowest < rate < phi.highest:
            right = f"needs a rate that cells can have, above {phi.lowest:g} and below {phi.highest:g}"
            raise Refused(f"{where}.{name}", f"found {rate}", right)


def targets(labels: NDArray[np.int64], shape: tuple[int, int], low: float, high: float) -> NDArray[np.float64]:
    """The rates wanted of the output (samples, classes): `high` of the label's cell and `low` of the others.

    Raises Refused for labels that are none.
    """
    samples, classes = shape
    if labels.dtype.kind not in "iu" or labels.shape != (samples,):
        raise Refused("batch", f"labels of {labels.dtype} {labels.shape}", f"needs int64 ({samples},)")
    if not 0 <= labels.min() <= labels.max() < classes:
        raise Refused("batch", f"labels {labels.min()} to {labels.max()}", f"needs labels from 0 to {classes - 1}")
    wanted = np.full(shape, low)
    wanted[np.arange(samples), labels] = high
    return wanted


def each(values: tuple[float, ...], layers: int, name: str) -> tuple[float, ...]:
    """One of the values for each layer. Raises Refused for as many as there are not."""
    if len(values) not in (1, layers):
        raise Refused(f"rule.{name}", f"found {len(values)} numbers", f"needs one, or one for each of {layers} layers")
    return values * layers if len(values) == 1 else values


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
