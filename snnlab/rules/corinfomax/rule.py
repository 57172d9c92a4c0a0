"""Correlative information maximization (Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810).

Each layer maximises the correlative information with the next, with rates bounded by 0 and 1 (or sparse). As this
information is symmetric, its gradient can be written with errors of a forward prediction, r_k+1 - W_k r_k, or of a
backward prediction, r_k - C_k r_k+1: forward and backward weights are independent regressions, without weight
transport. The three-compartment cells of snnlab/networks/corinfomax.py follow this gradient. Each batch has two phases:

    free    from potentials of 0, without a teacher
    nudged  somata start at the rates of the free phase; the output is nudged to the label with strength beta

The sign of beta is random. With the errors at the end of both phases, and the mean < > over the batch,

    forward   W_k += learning_rate/beta [<forward error * r_k> nudged - < > free]
    backward  C_k += learning_rate/beta [<backward error * r_k+1> nudged - < > free]
    lateral   B_k <- (B_k - gamma <z z'>)/forgetting, with z = B_k r_k of the nudged phase

and gamma = (1 - forgetting)/forgetting. The lateral rule keeps B_k the inverse of the running correlations of r_k.
There are no biases. A prediction is a free phase: the class is the output with the highest rate.

Unlike in the authors' code, where a layer receives the rates that the layer below reaches in the same step, here and on
the cards all layers change simultaneously.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab.data.fields import option
from snnlab.engine import Precision
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products, propagate
from snnlab.engine.rate.relax import NetworkState
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common import seeding
from snnlab.rules.common.gradient_angle import angle
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_positive
from snnlab.rules.corinfomax.gradient import exact_gradient
from snnlab.rules.corinfomax.relaxation import (
    Dynamics,
    check_step_size,
    dynamics,
    free_phase,
    input_drive,
    nudged_phase,
)
from snnlab.rules.rate.forward_pass import batch_metrics, check_classes, per_layer, target_rates
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "CorInfoMax"
_SIGNS = "signs"  # seed of the sign of beta


@dataclass(frozen=True)
class CorInfoMax:
    """Correlative information maximization, for a CorInfoMaxNetwork with one output per class."""

    learning_rate: tuple[float, ...] = option(
        (1.0, 0.7),
        "learning rate of the forward weights onto each layer, the output's last; one per layer, or one for all",
    )
    backward_learning_rate: tuple[float, ...] = option(
        (0.15,), "learning rate of the backward weights onto each hidden layer, likewise; 0 fixes them"
    )
    schedule: Schedule = option(
        Schedule("exponential", gamma=(0.95, 0.9), milestones=(15,)), "schedule of both learning rates"
    )
    free_steps: int = option(30, "steps of the free phase, and of a prediction")
    nudged_steps: int = option(10, "steps of the nudged phase")
    beta: float = option(1.0, "strength of the nudging, |beta|")
    random_sign: bool = option(True, "whether beta is negative for a random half of the batches")
    precision: Precision = option("float32", 'precision of weights and rates, "float32" or "float64"')

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "backward_learning_rate")
        check_positive(self, "beta")
        for name in ("free_steps", "nudged_steps"):
            if getattr(self, name) < 1:
                raise InputError(f"{_NAME}.{name}", f"got {getattr(self, name)}", "must be at least 1")
        check_one_of(self, precision=Precision)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        model = dynamics(circuit, _NAME)
        check_classes(circuit, classes)
        self._learning_rates(model)
        check_step_size(model)
        shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
        weights = {name: _xavier(shapes[name], rng) for name in (*model.forward, *model.backward)}
        constants: dict[str, Values] = {_SIGNS: seeding.new_seed(rng)}
        # lateral weights last, so that the others are the same without them
        for name in model.lateral:
            factor = _xavier(shapes[name], rng)
            weights[name] = factor @ factor.T
        return State({name: values.astype(self.precision) for name, values in weights.items()}, constants=constants)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        model, factor = dynamics(circuit, _NAME), self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        updates, outputs, targets = self._updates(circuit, state, batch, factor)
        apply_updates(list(updates.values()))
        for name in model.lateral:
            state.weights[name] /= state.weights[name].dtype.type(model.forgetting)
        state.steps += 1
        return state, batch_metrics(outputs, targets, batch.labels)

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        return outer_products(self._updates(circuit, state, batch, 1.0)[0])

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        """-dE/dw of forward weights, through the steps of the free phase; empty for sparse rates."""
        model = dynamics(circuit, _NAME)
        if model.multiplier_rates:
            return {}
        return exact_gradient(model, state.weights, *self._samples(circuit, batch), self.free_steps)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        model = dynamics(circuit, _NAME)
        drive = input_drive(model, state.weights, constant_rates(inputs, _NAME).astype(self.precision, copy=False))
        rates = free_phase(model, state.weights, drive, self.free_steps).r
        return Prediction(rates[-1], rates[-1].argmax(axis=1), dict(zip(model.layers, rates, strict=True)))

    def inference(self, circuit: Circuit) -> Inference:
        model = dynamics(circuit, _NAME)
        return Inference((*model.forward, *model.backward, *model.lateral), self.free_steps)

    def signed_beta(self, state: State) -> float:
        """Beta of the next batch; it depends on the seed and the number of the batch only."""
        if not self.random_sign:
            return self.beta
        return self.beta if seeding.generator(state, _SIGNS).integers(2) else -self.beta

    def phases(
        self, model: Dynamics, state: State, inputs: Values, targets: Values, beta: float
    ) -> tuple[NetworkState, NetworkState]:
        """The states at the end of the free and the nudged phase."""
        drive = input_drive(model, state.weights, inputs)
        free = free_phase(model, state.weights, drive, self.free_steps)
        return free, nudged_phase(model, state.weights, drive, self.nudged_steps, free, beta, targets)

    def weight_updates(
        self,
        model: Dynamics,
        state: State,
        inputs: Values,
        free: NetworkState,
        nudged: NetworkState,
        sample_weights: Values,
        factor: float,
    ) -> dict[str, WeightUpdate]:
        """The updates from both phases; lateral weights are to be divided by the forgetting afterwards.

        sample_weights  weight of each sample (samples,)
        factor          of the learning rates, over beta
        """
        weights = state.weights
        share = (sample_weights / len(sample_weights)).astype(inputs.dtype)[:, None]
        (first, *other), backward = self._learning_rates(model)
        updates: dict[str, WeightUpdate] = {}
        if first:
            # the prediction from the input is the same in both phases
            difference = share * (nudged.r[0] - free.r[0])
            name = model.forward[0]
            updates[name] = WeightUpdate(weights[name], inputs, difference, factor * first)

        rates = [np.concatenate(phases) for phases in zip(nudged.r, free.r, strict=True)]
        signed_share = np.concatenate((share, -share))

        def regress(name: str, learning_rate: float, pre: int, post: int) -> None:
            """Contrast the errors of predicting the rates of layer `post` from those of layer `pre`."""
            if learning_rate:
                error = rates[post] - propagate(weights[name], rates[pre])
                updates[name] = WeightUpdate(weights[name], rates[pre], signed_share * error, factor * learning_rate)

        for k, learning_rate in enumerate(other, start=1):
            regress(model.forward[k], learning_rate, k - 1, k)
        for k, learning_rate in enumerate(backward):
            regress(model.backward[k], learning_rate, k + 1, k)
        for name, layer_rates in zip(model.lateral, nudged.r, strict=False):
            z = propagate(weights[name], layer_rates)
            updates[name] = WeightUpdate(weights[name], z, share * z, -model.gamma)
        return updates

    def _updates(
        self, circuit: Circuit, state: State, batch: Batch, factor: float
    ) -> tuple[dict[str, WeightUpdate], Values, Values]:
        """The updates of a batch, the output rates of the free phase, and the target rates."""
        model, beta = dynamics(circuit, _NAME), self.signed_beta(state)
        inputs, targets, sample_weights = self._samples(circuit, batch)
        free, nudged = self.phases(model, state, inputs, targets, beta)
        updates = self.weight_updates(model, state, inputs, free, nudged, sample_weights, factor / beta)
        return updates, free.r[-1], targets

    def _samples(self, circuit: Circuit, batch: Batch) -> tuple[Values, Values, Values]:
        """Rates of the input, target rates, and weights of the samples."""
        inputs = constant_rates(batch.inputs, _NAME).astype(self.precision, copy=False)
        shape = (len(inputs), circuit.output.size)
        targets = target_rates(batch.labels, shape, 0.0, 1.0, _NAME).astype(self.precision)
        return inputs, targets, np.ones(len(inputs)) if batch.weights is None else batch.weights

    def _learning_rates(self, model: Dynamics) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The learning rates of forward and backward weights, per layer."""
        layers = len(model.layers)
        forward = per_layer(self.learning_rate, layers, "learning_rate")
        return forward, per_layer(self.backward_learning_rate, layers - 1, "backward_learning_rate")


def feedback_angles(circuit: Circuit, state: State) -> list[float]:
    """Degrees between the forward weights onto each layer but the first and the transposed backward weights.

    90 for unrelated weights, 0 for weights that are each other's transpose.
    """
    model = dynamics(circuit, _NAME)
    pairs = zip(model.forward[1:], model.backward, strict=True)
    return [angle(state.weights[forward], state.weights[backward].T) for forward, backward in pairs]


def _xavier(shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Uniform with the variance 2/(pre + post) (Glorot and Bengio, AISTATS 2010)."""
    bound = np.sqrt(6 / sum(shape))
    return rng.uniform(-bound, bound, shape)
