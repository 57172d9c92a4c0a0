"""The forward pass of a circuit of rate cells: an MLP, an ascending stream, or the basal path of a microcircuit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_si
from snnlab.engine.rate.dense import propagate
from snnlab.errors import InputError, one_of
from snnlab.networks.activations import Activation, Values, activation_of
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.common.validation import check_labels, check_outputs
from snnlab.rules.rule import BatchMetrics, Prediction


@dataclass(frozen=True)
class Layer:
    """A layer of the forward path: r = activation(gain (r_below W + b)).

    name        of the population
    weights     name of the projection from the layer below
    bias        name of the projection from the bias, "" if there is none
    gain        steady-state potential per basal potential
    activation  rate as a function of the potential
    """

    name: str
    weights: str
    bias: str
    gain: float
    activation: Activation


@dataclass(frozen=True)
class ForwardPath:
    """The layers from the first hidden layer to the output."""

    layers: tuple[Layer, ...]

    @property
    def weights(self) -> tuple[str, ...]:
        """The projections between layers."""
        return tuple(layer.weights for layer in self.layers)

    @property
    def projections(self) -> tuple[str, ...]:
        """The projections between layers, then those of the bias."""
        return (*self.weights, *(layer.bias for layer in self.layers if layer.bias))


@lru_cache(maxsize=8)
def forward_path(circuit: Circuit, rule: str) -> ForwardPath:
    """The forward path of a circuit. Raises InputError naming `rule` unless its layers are rate cells."""
    layers = []
    for projection, population in zip(circuit.forward, circuit.layers, strict=True):
        if population.cell.threshold:
            raise InputError(f"{rule}: circuit", f"{population.name!r} has spiking cells", "must have rate cells")
        gain, bias = _steady_state_gain(population), bias_projection(circuit, population.name)
        layers.append(Layer(population.name, projection.name, bias, gain, activation_of(population)))
    return ForwardPath(tuple(layers))


def bias_projection(circuit: Circuit, population: str) -> str:
    """Name of the projection from the bias to a population, "" if there is none."""
    bias = circuit.between(circuit.bias.name, population) if circuit.bias else ()
    return bias[0].name if bias else ""


def _steady_state_gain(population: Population) -> float:
    """The basal conductance as a share of all that are open without a teacher; 1 for cells without conductances."""
    parameters = population.cell.parameters
    if "g_B" not in parameters:
        return 1.0
    # the apical conductance is always open, that of the teacher is not
    leak, basal = (parameter(population, name, "hertz") for name in ("g_L", "g_B"))
    return basal / (leak + basal + (parameter(population, "g_A", "hertz") if "g_A" in parameters else 0.0))


def parameter(population: Population, name: str, unit: str) -> float:
    """A parameter in SI units. Raises InputError if the card has none of this name."""
    card = population.cell
    if name not in card.parameters:
        problem = f"no parameter {name!r} on {card.path}"
        raise InputError(f"population {population.name!r}", problem, one_of(name, card.parameters))
    return to_si(population.parameters.get(name, card.parameters[name]), unit, f"{population.name}: {name}")


def forward_pass(path: ForwardPath, weights: Mapping[str, Values], inputs: Values) -> tuple[list[Values], list[Values]]:
    """Basal potentials of every layer, and rates of the input and every layer (samples, cells)."""
    potentials, rates = [], [inputs]
    for layer in path.layers:
        potentials.append(potential(weights, layer.weights, layer.bias, rates[-1]))
        rates.append(layer.activation.function(layer.gain * potentials[-1]))
    return potentials, rates


def potential(weights: Mapping[str, Values], projection: str, bias: str, rates: Values) -> Values:
    """The potential (samples, post) from rates through a projection, plus that of the bias if there is one."""
    values = propagate(weights[projection], rates)
    if bias:
        values += weights[bias]
    return values


def predict(circuit: Circuit, path: ForwardPath, weights: Mapping[str, Values], inputs: Values) -> Prediction:
    """The prediction of a forward pass: the class whose output has the highest rate."""
    precision = weights[path.weights[0]].dtype
    _, rates = forward_pass(path, weights, inputs.astype(precision, copy=False))
    activity = {layer.name: values for layer, values in zip(path.layers, rates[1:], strict=True)}
    if circuit.bias:
        activity[circuit.bias.name] = np.ones((len(inputs), 1), dtype=precision)
    return Prediction(rates[-1], rates[-1].argmax(axis=1), activity)


def check_steady_state(circuit: Circuit) -> None:
    """Raises InputError for cells that have no steady state: noisy ones, and ones with latent equilibrium."""
    for population in circuit.populations:
        # first, as an afferent has latent equilibrium but no parameter of noise
        if "tau_r" in population.cell.parameters:
            raise InputError("network.latent", "got true", "must be false: the rule uses the steady state only")
        if "sigma" in population.cell.parameters and parameter(population, "sigma", "hertz**0.5"):
            raise InputError("network.noise", "got noise", "must be 0: the rule uses the steady state")


def check_classes(circuit: Circuit, classes: int | None) -> None:
    """Raises InputError unless there is one output per class; None skips the check."""
    check_outputs(circuit.output.size, classes)


def target_rates(
    labels: NDArray[np.int64], shape: tuple[int, int], low: float, high: float, rule: str
) -> NDArray[np.float64]:
    """Target rates of the output (samples, classes): `high` for the label's cell, `low` for the others.

    Raises InputError, naming `rule`, for labels that are not integers (samples,) from 0 to classes - 1.
    """
    samples, classes = shape
    check_labels(labels, samples, classes, rule)
    targets = np.full(shape, low)
    targets[np.arange(samples), labels] = high
    return targets


def batch_metrics(outputs: Values, targets: NDArray[np.floating], labels: NDArray[np.int64]) -> BatchMetrics:
    """Half the squared error of the output rates (samples, outputs), and which samples are classified correctly."""
    loss = 0.5 * float(np.square(outputs - targets).sum()) / len(outputs)
    return BatchMetrics(loss, outputs.argmax(axis=1) == labels, 0)


def per_layer(values: tuple[float, ...], layers: int, option: str) -> tuple[float, ...]:
    """A value for each layer. Raises InputError unless there is one value or one per layer."""
    if len(values) not in (1, layers):
        raise InputError(f"rule.{option}", f"got {len(values)} values", f"must be 1 value, or {layers}: one per layer")
    return values * layers if len(values) == 1 else values
