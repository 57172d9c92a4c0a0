"""Base of the rules that propagate the output's error backward through a feed-forward network, layer by layer.

The error of the output is that of E = 1/2 sum_i (r_i - y_i)^2. Weights change by the error of the postsynaptic
potential times the presynaptic rate; rules differ in how the error of a layer becomes that of the layer below.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from snnlab.data.fields import option
from snnlab.engine import Precision, one_blas_thread
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_target_rates
from snnlab.rules.rate import forward_pass as forward
from snnlab.rules.rate.forward_pass import Layer, forward_path
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

WeightInit = Literal["uniform", "glorot", "he"]


@dataclass(frozen=True)
class BackwardPassRule(ABC):
    """A rule for the forward weights of rate cells, with one output per class."""

    title: ClassVar[str] = "backward-pass rule"

    learning_rate: float = option(0.1, "learning rate of all weights, for updates that are means over the batch")
    schedule: Schedule = option(Schedule(), "schedule of the learning rate")
    weight_decay: float = option(
        0.0, "share of the weights, except those of the bias, that a step subtracts, times the learning rate"
    )
    weight_init: WeightInit = option(
        "uniform",
        '"uniform" in [-init_scale, init_scale]; "glorot", uniform with the variance 2/(pre + post), or "he", '
        "normal with the variance 2/pre, both with biases of 0",
    )
    init_scale: tuple[float, ...] = option((0.1,), 'scale of "uniform": one per layer, or one for all')
    low: float = option(0.1, "target rate of the other outputs")
    high: float = option(0.8, "target rate of the label's output")
    precision: Precision = option("float32", 'precision of weights and rates, "float32" or "float64"')

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "weight_decay", "init_scale")
        check_one_of(self, weight_init=WeightInit, precision=Precision)
        check_target_rates(self)

    @abstractmethod
    def error_below(self, circuit: Circuit, state: State, layer: Layer, delta: Values) -> Values:
        """The error of the rates of the layer below (samples, cells), given that of a layer's potentials, `delta`."""

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        path = forward_path(circuit, self.title)
        forward.check_steady_state(circuit)
        forward.check_classes(circuit, classes)
        shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
        scales = self.init_scales(circuit)
        return State({name: self.random_weights(shapes[name], rng, scales[name], bias=name not in path.weights)
                      for name in path.projections})  # fmt: skip

    def init_scales(self, circuit: Circuit) -> dict[str, float]:
        """The init_scale of every projection."""
        layers = forward_path(circuit, self.title).layers
        scales = zip(layers, forward.per_layer(self.init_scale, len(layers), "init_scale"), strict=True)
        return {name: scale for layer, scale in scales for name in (layer.weights, layer.bias) if name}

    def random_weights(
        self, shape: tuple[int, int], rng: np.random.Generator, scale: float, *, bias: bool = False
    ) -> Values:
        """Initial weights (pre, post)."""
        pre, post = shape
        if self.weight_init == "uniform":
            weights = rng.uniform(-scale, scale, shape)
        elif bias:
            weights = np.zeros(shape)
        elif self.weight_init == "glorot":
            bound = np.sqrt(6 / (pre + post))
            weights = rng.uniform(-bound, bound, shape)
        else:
            weights = rng.normal(0, np.sqrt(2 / pre), shape)
        return weights.astype(self.precision)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        rates, targets, error = self._forward(circuit, state, batch)
        learning_rate = self.learning_rate * self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        self.learn(circuit, state, rates, error, learning_rate)
        state.steps += 1
        return state, forward.batch_metrics(rates[-1], targets, batch.labels)

    def learn(self, circuit: Circuit, state: State, rates: list[Values], error: Values, learning_rate: float) -> None:
        """Apply weight decay and the updates of a batch.

        rates  of the input and every layer, each (samples, cells)
        error  -dE/dr of the output (samples, classes)
        """
        updates = self.weight_updates(circuit, state, rates, error, learning_rate)
        if self.weight_decay:
            for name in self.decaying(circuit):
                state.weights[name] *= np.asarray(1 - learning_rate * self.weight_decay, dtype=self.precision)
        apply_updates(list(updates.values()))

    def decaying(self, circuit: Circuit) -> tuple[str, ...]:
        """The projections with weight decay."""
        return forward_path(circuit, self.title).weights

    def weight_updates(
        self, circuit: Circuit, state: State, rates: list[Values], error: Values, learning_rate: float
    ) -> dict[str, WeightUpdate]:
        """The updates of all projections, before weight decay; arguments as for `learn`."""
        return self._backward(
            circuit, state, rates, error, learning_rate,
            lambda layer, delta: self.error_below(circuit, state, layer, delta),
        )  # fmt: skip

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        rates, _, error = self._forward(circuit, state, batch)
        return outer_products(self.weight_updates(circuit, state, rates, error, 1.0))

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        rates, _, error = self._forward(circuit, state, batch)
        return outer_products(self._backward(
            circuit, state, rates, error, 1.0, lambda layer, delta: backpropagated(state, layer, delta)
        ))  # fmt: skip

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        path = forward_path(circuit, self.title)
        return forward.predict(circuit, path, state.weights, constant_rates(inputs, self.title))

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(forward_path(circuit, self.title).projections)

    def _forward(self, circuit: Circuit, state: State, batch: Batch) -> tuple[list[Values], Values, Values]:
        """Rates of the input and every layer, target rates, and the output's error weighted by sample."""
        inputs = constant_rates(batch.inputs, self.title).astype(self.precision, copy=False)
        _, rates = forward.forward_pass(forward_path(circuit, self.title), state.weights, inputs)
        targets = forward.target_rates(batch.labels, rates[-1].shape, self.low, self.high, self.title)
        targets = targets.astype(self.precision)
        sample_weights = 1.0 if batch.weights is None else batch.weights[:, None].astype(self.precision)
        return rates, targets, sample_weights * (targets - rates[-1])

    def _backward(
        self, circuit: Circuit, state: State, rates: list[Values], error: Values, learning_rate: float,
        error_below: Callable[[Layer, Values], Values],
    ) -> dict[str, WeightUpdate]:  # fmt: skip
        """The updates of all projections, from the output to the first layer."""
        updates: dict[str, WeightUpdate] = {}
        scale, ones = learning_rate / len(error), np.ones((len(error), 1), dtype=error.dtype)
        layers = forward_path(circuit, self.title).layers
        for layer, before, after in reversed(list(zip(layers, rates, rates[1:], strict=False))):
            delta = layer.gain * layer.activation.derivative(after) * error
            updates[layer.weights] = WeightUpdate(state.weights[layer.weights], before, delta, scale)
            if layer.bias:
                updates[layer.bias] = WeightUpdate(state.weights[layer.bias], ones, delta, scale)
            if layer is not layers[0]:
                with one_blas_thread():
                    error = error_below(layer, delta)
        return updates


def backpropagated(state: State, layer: Layer, delta: Values) -> Values:
    """The error of the rates of the layer below, by the transposed forward weights."""
    return delta @ state.weights[layer.weights].T
