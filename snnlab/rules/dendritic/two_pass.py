"""Dendritic error learning in two passes (Sacramento, Costa, Bengio and Senn, NeurIPS 2018, arXiv:1810.11393).

The rule computes the steady state of the circuit of networks/microcircuit.py in two passes per sample, instead of a
simulation in time, as in the paper's MNIST experiments. `own` and `above` are the shares of conductances in a somatic
potential (`Mixing.dendrite` and `.nudging`); the paper calls the second lambda and has own = 1 - lambda, which is a
leak of 0.

    forward   u_k = own v_B_k, from the first layer to the output, without a teacher
    nudge     u_N = own v_B_N + above u_target
    backward  u_I = own v_I + above u_k+1, then v_A = W_down r_k+1 + W_PI r_I, then u_k = own v_B_k + above v_A

Then all weights learn simultaneously from the batch mean, each from the rates that its dendrite received:

    basal             learning_rate      (r_k - phi(own v_B)) r_k-1
    to interneuron    learning_rate      (r_I - phi(v_I)) r_k, with v_I scaled as without a target cell
    from interneuron  from_interneuron   (0 - v_A) r_I
    top-down          top_down           (r_k - phi(v_TD)) r_k+1

Since an error shrinks by `above` from layer to layer, the learning rate of basal weights is divided by it, layer by
layer. To first order in `above`, a step is gradient descent on E = sum_i KL(r_i, r_target) of the output rates as
probabilities, for the logistic activation: -dE/dr is then u_target - u, which is what the teacher adds.

The paper has u_k = v_B in the forward pass, and interneurons that copy the weights of the layer above. But in the
backward pass the conductance of the apical dendrite, even at rest, reduces the somatic potential, which interneurons
then do not predict: without a target there are apical potentials above 0.2 in the second hidden layer from the top,
and updates orthogonal to the gradient. Here the apical conductance acts in both passes, and self-predicting
interneurons have proportional weights; without a target, apical potentials are then 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.engine import Precision
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products, propagate
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_target_rates
from snnlab.rules.dendritic.steady_state import (
    InterneuronInit,
    SteadyState,
    check_reachable,
    random_weights,
    self_predicting_weights,
    steady_state,
)
from snnlab.rules.rate import forward_pass as forward
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "two-pass rule"


@dataclass(frozen=True, eq=False)
class Potentials:
    """Potentials (samples, cells) after both passes, in lists from the first layer to the last.

    forward_rates  rates in the forward pass: of the input, and of every layer
    soma           of every layer
    apical         of every hidden layer
    top_down       the part of it from the layer above
    dendrite       of the interneurons of every hidden layer
    interneuron    their somata
    """

    forward_rates: list[Values]
    soma: list[Values]
    apical: list[Values]
    top_down: list[Values]
    dendrite: list[Values]
    interneuron: list[Values]


@dataclass(frozen=True)
class TwoPass:
    """The two-pass rule, for microcircuits without noise or latent equilibrium, with one output per class."""

    learning_rate: float = option(
        1e-3, "learning rate of the output's basal weights, times the teacher's share of its potential"
    )
    schedule: Schedule = option(Schedule(), "schedule of all learning rates")
    to_interneuron: float = option(
        2.0, "learning rate of weights onto interneurons, relative to that of the weights that they predict"
    )
    from_interneuron: float = option(0.0, "learning rate of weights from interneurons, 0 for fixed weights")
    top_down: float = option(0.0, "learning rate of weights from the layer above, 0 for fixed weights")
    interneuron_init: InterneuronInit = option(
        "self_predicting", '"self_predicting", which exactly cancels top-down input, or "random"'
    )
    init_scale: tuple[float, ...] = option(
        (0.1,),
        "bottom-up weights are uniform in [-init_scale, init_scale]; one per layer, or one for all. Random "
        "weights onto interneurons have the scale of the layer that they predict",
    )
    top_down_init_scale: float = option(
        1.0, "scale of weights from the layer above, and of random weights from interneurons"
    )
    low: float = option(0.1, "target rate of the other outputs")
    high: float = option(0.8, "target rate of the label's output")
    precision: Precision = option("float32", 'precision of weights and potentials, "float32" or "float64"')

    def __post_init__(self) -> None:
        rates = ("learning_rate", "to_interneuron", "from_interneuron", "top_down")
        check_not_negative(self, *rates, "init_scale", "top_down_init_scale")
        check_one_of(self, interneuron_init=InterneuronInit, precision=Precision)
        check_target_rates(self)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        steady = steady_state(circuit, _NAME)
        forward.check_steady_state(circuit)
        forward.check_classes(circuit, classes)
        check_reachable(steady.activation, "rule", low=self.low, high=self.high)
        scales = forward.per_layer(self.init_scale, len(steady.mixing), "init_scale")
        weights = random_weights(circuit, steady, scales, self.top_down_init_scale, rng)
        if self.interneuron_init == "self_predicting":
            weights |= self_predicting_weights(steady, weights)
        return State({name: values.astype(self.precision) for name, values in weights.items()})

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        factor = self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        updates, outputs, targets = self._updates(circuit, state, batch, factor)
        apply_updates(list(updates.values()))
        state.steps += 1
        return state, forward.batch_metrics(outputs, targets, batch.labels)

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        return outer_products(self._updates(circuit, state, batch, 1.0)[0])

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        """The gradient of the squared error, as for all rules, not of E of the module docstring."""
        return Backprop(low=self.low, high=self.high, precision=self.precision).update(circuit, state, batch)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        path = steady_state(circuit, _NAME).path
        return forward.predict(circuit, path, state.weights, constant_rates(inputs, _NAME))

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(steady_state(circuit, _NAME).path.projections)

    def _updates(
        self, circuit: Circuit, state: State, batch: Batch, factor: float
    ) -> tuple[dict[str, WeightUpdate], Values, NDArray[np.float64]]:
        """The updates of a batch, the output rates of the forward pass, and the target rates."""
        steady = steady_state(circuit, _NAME)
        inputs = constant_rates(batch.inputs, _NAME).astype(self.precision, copy=False)
        shape = (len(inputs), circuit.output.size)
        targets = forward.target_rates(batch.labels, shape, self.low, self.high, _NAME)
        potentials = two_passes(steady, state, inputs, steady.activation.inverse(targets))
        sample_weights: Values = np.ones(len(inputs)) if batch.weights is None else batch.weights
        updates = self.weight_updates(steady, state, potentials, sample_weights, factor)
        return updates, potentials.forward_rates[-1], targets

    def weight_updates(
        self, steady: SteadyState, state: State, potentials: Potentials, sample_weights: Values, factor: float
    ) -> dict[str, WeightUpdate]:
        """The updates of all learning projections, from the output down.

        sample_weights  weight of each sample (samples,)
        factor          of all learning rates
        """
        phi, weights = steady.activation.function, state.weights
        rates, forward_rates = [phi(soma) for soma in potentials.soma], potentials.forward_rates
        share = (sample_weights / len(sample_weights)).astype(forward_rates[0].dtype)[:, None]
        ones = np.ones_like(share)
        updates: dict[str, WeightUpdate] = {}

        def learn(name: str, learning_rate: float, error: Values, presynaptic: Values, bias: str = "") -> None:
            if learning_rate:
                scaled = share * error
                updates[name] = WeightUpdate(weights[name], presynaptic, scaled, factor * learning_rate)
                if bias:
                    updates[bias] = WeightUpdate(weights[bias], ones, scaled, factor * learning_rate)

        error: Values
        basal_rate = self.learning_rate
        for k, (layer, mixing) in reversed(list(enumerate(zip(steady.path.layers, steady.mixing, strict=True)))):
            if k < len(steady.hidden):
                hidden = steady.hidden[k]
                interneuron = phi(potentials.interneuron[k])
                error = interneuron - phi(hidden.interneurons.unnudged * potentials.dendrite[k])
                learn(hidden.dendrite, self.to_interneuron * basal_rate, error, forward_rates[k + 1],
                      hidden.dendrite_bias)  # fmt: skip
                learn(hidden.inhibition, self.from_interneuron, -potentials.apical[k], interneuron)
                error = rates[k] - phi(potentials.top_down[k]) if self.top_down else rates[k]
                learn(hidden.apical, self.top_down, error, rates[k + 1])
            basal_rate /= mixing.nudging
            learn(layer.weights, basal_rate, rates[k] - forward_rates[k + 1], forward_rates[k], layer.bias)
        return updates


def two_passes(steady: SteadyState, state: State, inputs: Values, targets: NDArray[np.floating] | None) -> Potentials:
    """Both passes, for rates of the input (samples, inputs).

    targets  potentials that nudge the output (samples, outputs), None for no teacher
    """
    weights, phi, output = state.weights, steady.activation.function, steady.mixing[-1]
    basal, rates = forward.forward_pass(steady.path, weights, inputs)
    if targets is None:
        soma = [output.unnudged * basal[-1]]
    else:
        soma = [output.dendrite * basal[-1] + (output.nudging * targets).astype(inputs.dtype)]
    potentials = Potentials(rates, soma, [], [], [], [])
    for k, hidden in reversed(list(enumerate(steady.hidden))):
        dendrite = forward.potential(weights, hidden.dendrite, hidden.dendrite_bias, rates[k + 1])
        interneuron = hidden.interneurons.dendrite * dendrite + hidden.interneurons.nudging * soma[0]
        top_down = propagate(weights[hidden.apical], phi(soma[0]))
        apical = top_down + propagate(weights[hidden.inhibition], phi(interneuron))
        soma.insert(0, steady.mixing[k].dendrite * basal[k] + steady.mixing[k].nudging * apical)
        potentials.dendrite.insert(0, dendrite)
        potentials.interneuron.insert(0, interneuron)
        potentials.top_down.insert(0, top_down)
        potentials.apical.insert(0, apical)
    return potentials
