"""Feed-forward networks of rates as rules see them: the basal dendrites of a microcircuit, or layers of rate cells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_si
from snnlab.engine.rate import dense
from snnlab.errors import InputError
from snnlab.networks.activations import Activation, Values, activation_of
from snnlab.networks.circuit import Circuit, Population, Source
from snnlab.networks.populations import AFFERENT, BIAS, INPUT, OUTPUT
from snnlab.rules.common.validation import check_outputs
from snnlab.rules.rule import BatchMetrics, Prediction, State


@dataclass(frozen=True)
class Link:
    """One layer, and how it hears the layer below.

    name      of the population
    basal     projection from the layer below
    gain      part of what is heard in the potential, once it has settled and nothing comes from above
    activation  the rate of a potential
    """

    name: str
    basal: str
    gain: float
    activation: Activation


@dataclass(frozen=True)
class Forward:
    """The layers from the first hidden one to the output.

    bias  whether they hear a source of rate 1
    """

    links: tuple[Link, ...]
    bias: bool

    @property
    def basal(self) -> list[str]:
        """The projections from layer to layer."""
        return [link.basal for link in self.links]

    @property
    def names(self) -> list[str]:
        """The projections that lead to an answer, those of the bias last."""
        return self.basal + ([with_bias(name) for name in self.basal] if self.bias else [])


@lru_cache(maxsize=8)
def way_up(circuit: Circuit, rule: str) -> Forward:
    """The way up of the circuit that `rule` is asked of.

    Raises InputError for a circuit without one: of other names, of cells that fire or have no basal dendrite.
    """
    names = {node.name for node in circuit.nodes}
    known = {projection.name for projection in circuit.projections}
    below, layers = layers_up(circuit)
    links = [(f"{pre}->{name}.basal", name) for pre, name in zip(below, layers, strict=True)]
    if not {basal for basal, _ in links} <= known:
        right = "needs layers of rate cells, or a dendritic microcircuit"
        raise InputError(f"{rule}: circuit", f"of {', '.join(sorted(names))}", right)
    found = []
    for basal, name in links:
        population = cells(circuit, name)
        if population.cell.threshold:
            right = "needs cells that are heard by a rate; of two streams, network.spiking=false"
            raise InputError(f"{rule}: {name!r}", "cells that fire", right)
        found.append(Link(name, basal, _gain(population), activation_of(population)))
    return Forward(tuple(found), BIAS in names)


def layers_up(circuit: Circuit) -> tuple[list[str], list[str]]:
    """Names of what each layer hears from below, and of the layers, hidden1 to the output (even if it is missing)."""
    names = {node.name for node in circuit.nodes}
    hidden = [f"hidden{k}" for k in range(1, len(names)) if f"hidden{k}" in names]
    return [AFFERENT if AFFERENT in names else INPUT, *hidden], [*hidden, OUTPUT]


def cells(circuit: Circuit, name: str) -> Population:
    """The population of this name. Raises InputError for a source."""
    node = circuit[name]
    if isinstance(node, Source):
        raise InputError(f"circuit: {name!r}", "a source", "needs cells that are heard by a rate")
    return node


def number(population: Population, name: str, unit: str) -> float:
    """A parameter in SI units. Raises InputError for a card that has none of this name."""
    card = population.cell
    if name not in card.parameters:
        raise InputError(f"population {population.name!r}", f"no {name} on {card.path}", "needs a microcircuit's cells")
    return to_si(population.parameters.get(name, card.parameters[name]), unit, f"{population.name}: {name}")


def _gain(population: Population) -> float:
    """A cell without conductances comes to what it hears; another is held back by all that are open."""
    known = population.cell.parameters
    if "g_B" not in known:
        return 1.0
    # a teacher leaves off, and an apical dendrite does not
    leak, own = (number(population, name, "hertz") for name in ("g_L", "g_B"))
    return own / (leak + own + (number(population, "g_A", "hertz") if "g_A" in known else 0.0))


def up(way: Forward, weights: Mapping[str, Values], seen: Values) -> tuple[list[Values], list[Values]]:
    """What every layer hears (samples, cells), and rates of the input and every layer."""
    arrived, rates = [], [seen]
    for link in way.links:
        arrived.append(heard(weights, link.basal, rates[-1]))
        rates.append(link.activation.function(link.gain * arrived[-1]))
    return arrived, rates


def heard(weights: Mapping[str, Values], name: str, rates: Values) -> Values:
    """The potential (samples, post) that rates lead to through a projection, and through the bias beside it, if any."""
    potential = dense.propagate(weights[name], rates)
    if (beside := with_bias(name)) in weights:
        potential += weights[beside]
    return potential


def with_bias(name: str) -> str:
    """The projection of the bias to where the projection of this name ends."""
    return f"{BIAS}->{name.partition('->')[2]}"


def answer(way: Forward, state: State, seen: Values) -> Prediction:
    """What the way up says of rates of the input (samples, inputs): the class whose cell has the highest rate."""
    precision = state.weights[way.links[0].basal].dtype
    _, rates = up(way, state.weights, seen.astype(precision, copy=False))
    activity = {link.name: rate for link, rate in zip(way.links, rates[1:], strict=True)}
    if way.bias:
        activity[BIAS] = np.ones((len(seen), 1), dtype=precision)
    return Prediction(rates[-1], rates[-1].argmax(axis=1), activity)


def check_settles(circuit: Circuit) -> None:
    """Raises InputError for cells with noise or that run ahead of themselves, as a steady state has neither."""
    for population in circuit.populations:
        # first, for an afferent has this and no noise of its own
        if "tau_r" in population.cell.parameters:
            raise InputError(
                "network.latent", "found true", "needs false: a steady state takes no time to hurry through"
            )
        if "sigma" in population.cell.parameters and number(population, "sigma", "hertz**0.5"):
            raise InputError("network.noise", "found some", "needs 0: a steady state has no noise")


def check_classes(circuit: Circuit, classes: int | None) -> None:
    """Raises InputError unless there is one output per class; None skips the check."""
    check_outputs(cells(circuit, OUTPUT).size, classes)


def targets(labels: NDArray[np.int64], shape: tuple[int, int], low: float, high: float) -> NDArray[np.float64]:
    """The rates wanted of the output (samples, classes): `high` of the label's cell and `low` of the others.

    Raises InputError for labels that are none.
    """
    samples, classes = shape
    if labels.dtype.kind not in "iu" or labels.shape != (samples,):
        raise InputError("batch", f"labels of {labels.dtype} {labels.shape}", f"needs int64 ({samples},)")
    if not 0 <= labels.min() <= labels.max() < classes:
        raise InputError("batch", f"labels {labels.min()} to {labels.max()}", f"needs labels from 0 to {classes - 1}")
    wanted = np.full(shape, low)
    wanted[np.arange(samples), labels] = high
    return wanted


def scored(answer: Values, wanted: NDArray[np.floating], labels: NDArray[np.int64]) -> BatchMetrics:
    """How a batch went: half the squared error of the output's rates (samples, outputs), and the labels it chose."""
    loss = 0.5 * float(np.square(answer - wanted).sum()) / len(answer)
    return BatchMetrics(loss, answer.argmax(axis=1) == labels, 0)


def each(values: tuple[float, ...], layers: int, name: str) -> tuple[float, ...]:
    """One of the values for each layer. Raises InputError for as many as there are not."""
    if len(values) not in (1, layers):
        raise InputError(
            f"rule.{name}", f"found {len(values)} numbers", f"needs one, or one for each of {layers} layers"
        )
    return values * layers if len(values) == 1 else values
