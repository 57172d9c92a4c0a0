"""What rules share that learn the weights of a feed-forward network from errors of its layers.

The error of the output is that of E = 1/2 sum_i (r_i - y_i)^2 of its rates. A rule says what errors the layers below
then have, most of them layer by layer; weights change by the error of the cell after times the rate of the cell before.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from snnlab.engine import Precision, one_blas_thread
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_target_rates
from snnlab.rules.rate import forward
from snnlab.rules.rate.forward import Forward, Link, way_up, with_bias
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

Initial = Literal["uniform", "glorot", "he"]


class Asked(NamedTuple):
    """What a batch asks of a projection: a change by before.T @ after, summed over samples."""

    name: str
    before: Values
    after: Values


@dataclass(frozen=True)
class Descent(ABC):
    """A rule for the basal weights of layers, with as many outputs as classes; what is asked of them is left to each.

    learning_rate  a weight changes by the rate times what is asked of it, the mean over the batch
    schedule      of the learning rate
    weight_decay  weights, but for those of a bias, also lose so much of themselves, times the rate
    initial       how weights begin: "uniform" in [-init_scale, init_scale]; "glorot", uniform with the variance
                  2/(pre + post), and "he", normal with the variance 2/pre, both with biases of 0
    init_scale    see `initial`; of each layer, or one for all
    low           rate wanted of all other outputs
    high          rate wanted of the output of the label
    precision     of weights and rates: "float32" or "float64"

    Raises InputError for options that mean nothing.
    """

    title: ClassVar[str] = "descent"

    learning_rate: float = 0.1
    schedule: Schedule = field(default_factory=Schedule)
    weight_decay: float = 0.0
    initial: Initial = "uniform"
    init_scale: tuple[float, ...] = (0.1,)
    low: float = 0.1
    high: float = 0.8
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "weight_decay", "init_scale")
        check_one_of(self, initial=Initial, precision=Precision)
        check_target_rates(self)

    @abstractmethod
    def asked(self, way: Forward, state: State, rates: list[Values], error: Values) -> list[Asked]:
        """What is asked of all weights.

        rates  of the input and every layer, each (samples, cells)
        error  -dE/dr of the output (samples, classes)
        """

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        way = way_up(circuit, self.title)
        forward.check_settles(circuit)
        forward.check_classes(circuit, classes)
        shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
        spreads = self.spreads(way)
        return State({name: self.drawn(shapes[name], rng, name not in way.basal, spreads[name]) for name in way.names})

    def spreads(self, way: Forward) -> dict[str, float]:
        """The spread of every projection."""
        each = forward.each(self.init_scale, len(way.links), "init_scale")
        found = dict(zip(way.basal, each, strict=True))
        return found | {with_bias(name): spread for name, spread in found.items()}

    def drawn(self, shape: tuple[int, int], rng: np.random.Generator, bias: bool, spread: float) -> Values:
        """Weights (pre, post) before learning."""
        pre, post = shape
        if self.initial == "uniform":
            found = rng.uniform(-spread, spread, shape)
        elif bias:
            found = np.zeros(shape)
        elif self.initial == "glorot":
            widest = np.sqrt(6 / (pre + post))
            found = rng.uniform(-widest, widest, shape)
        else:
            found = rng.normal(0, np.sqrt(2 / pre), shape)
        return found.astype(self.precision)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        way = way_up(circuit, self.title)
        rates, wanted, error = self._errors(way, state, batch)
        eta = self.learning_rate * self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        asked = self.asked(way, state, rates, error)
        self.learn(way, state, asked, eta)
        state.steps += 1
        return state, forward.scored(rates[-1], wanted, batch.labels)

    def learn(self, way: Forward, state: State, asked: list[Asked], eta: float) -> None:
        """Change the weights: decay, and what is asked of them."""
        if self.weight_decay:
            for name in way.basal:
                state.weights[name] *= np.asarray(1 - eta * self.weight_decay, dtype=self.precision)
        apply_updates(list(_changes(state, asked, eta).values()))

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, NDArray[np.floating]]:
        way = way_up(circuit, self.title)
        rates, _, error = self._errors(way, state, batch)
        return outer_products(_changes(state, self.asked(way, state, rates, error), 1.0))

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, NDArray[np.floating]]:
        way = way_up(circuit, self.title)
        rates, _, error = self._errors(way, state, batch)
        descents = list(came_down(way, rates, error, lambda link, delta: back(state, link, delta)))
        return outer_products(_changes(state, descents, 1.0))

    def _errors(self, way: Forward, state: State, batch: Batch) -> tuple[list[Values], Values, Values]:
        """Rates of the input and every layer, those wanted of the output, and its error by how much samples count."""
        seen = constant_rates(batch.inputs, self.title).astype(self.precision, copy=False)
        _, rates = forward.up(way, state.weights, seen)
        wanted = forward.targets(batch.labels, rates[-1].shape, self.low, self.high).astype(self.precision)
        counts = 1.0 if batch.weights is None else batch.weights[:, None].astype(self.precision)
        return rates, wanted, counts * (wanted - rates[-1])

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        return forward.answer(way_up(circuit, self.title), state, constant_rates(inputs, self.title))

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(tuple(way_up(circuit, self.title).names))


class LayerByLayer(Descent):
    """A Descent whose errors come down from the output, from layer to layer."""

    @abstractmethod
    def sent_down(self, way: Forward, state: State, link: Link, delta: Values) -> Values:
        """What the error of a layer's potentials (samples, cells) is in the rates of the layer below."""

    def asked(self, way: Forward, state: State, rates: list[Values], error: Values) -> list[Asked]:
        return list(came_down(way, rates, error, lambda link, delta: self.sent_down(way, state, link, delta)))


def came_down(
    way: Forward, rates: list[Values], error: Values, down: Callable[[Link, Values], Values]
) -> Iterator[Asked]:
    """What an error of the output's rates asks of all weights, from the output down.

    down  what the error of a layer's potentials is in the rates of the layer below
    """
    ones = np.ones((len(error), 1), dtype=error.dtype)
    for link, before, after in reversed(list(zip(way.links, rates, rates[1:], strict=False))):
        delta = link.gain * link.activation.derivative(after) * error
        yield Asked(link.basal, before, delta)
        if way.bias:
            yield Asked(with_bias(link.basal), ones, delta)
        if link is not way.links[0]:
            with one_blas_thread():
                error = down(link, delta)


def back(state: State, link: Link, delta: Values) -> Values:
    """An error of a layer's potentials in the rates of the layer below: by the weights that it hears with."""
    return delta @ state.weights[link.basal].T


def _changes(state: State, asked: list[Asked], eta: float) -> dict[str, WeightUpdate]:
    """What is asked, the mean over samples, times the rate."""
    return {
        one.name: WeightUpdate(state.weights[one.name], one.before, one.after, eta / len(one.before)) for one in asked
    }
