"""HM2-BP: hybrid macro/micro level backpropagation (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

Macro level: the output neurons' spike counts o are driven to a target count of the label and another of all others,
E = 1/2 sum_i (o_i - y_i)^2, and a neuron's count is approximated by its total potential over its threshold,
o_i = a_i / nu.

Micro level: a_i = sum_j w_ij e_ij, where the S-PSP e_ij is the effect of the spikes of input j on the membrane at the
spikes of neuron i. It grows with both counts, de_ij/do_j = e_ij/o_j and de_ij/do_i = e_ij/o_i, so that

    output  delta_i = (o_i - y_i) / nu
    hidden  delta_j = (1/nu) sum_i delta_i w_ij e_ij / o_j
    weight  dE/dw_ij = delta_i e_ij (1 + s_i),   s_i = (1/nu) sum_l w_il e_il / o_i = a_i / (nu o_i)

Output neurons may inhibit each other through fixed weights, a projection of the output onto itself: see lateral.py.

Differences from the authors' code: it learns from one sample at a time; its S-PSP delays input spikes by a refractory
period and drops them after four tau_m, where ours is that of the simulated membrane. Like ours, it backpropagates
through pooling with the factor 1/nu of the pooling layer.

The engine sums e_ij over spikes without storing it; a_i is the sum of the potentials at the spikes, known from the
forward pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.fields import option
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Precision, Response
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Projection
from snnlab.networks.weights import Convolution, Weights, backward, forward, trainable_parameters, with_parameters
from snnlab.rules.common.adam import Adam
from snnlab.rules.common.chain import chain, lateral, layer, threshold
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_labels, check_outputs, check_positive
from snnlab.rules.rule import Batch, BatchMetrics, Inputs, Prediction, State, spike_inputs
from snnlab.rules.spike_count.fake_spikes import with_fake_spikes
from snnlab.rules.spike_count.lateral import gamma, own_psp
from snnlab.rules.spike_count.regularisation import Penalty

_NAME = "HM2-BP"
_LEARNED = "learned:"  # prefix of the learned weights in the optimizer state, where the network has their average
_SILENT_PSP = 0.1  # e_ij of a silent neuron with an active input, in the authors' code: lets it learn to fire
_SILENT_RATIO = 0.5  # e_il / o_i of a silent neuron in its self term, likewise

Gradients = dict[str, NDArray[np.floating]]


@dataclass(frozen=True)
class HM2BP:
    """HM2-BP for chains of layers (full, convolution or pooling) of cells that are linear between spikes.

    Raises InputError for invalid options.
    """

    learning_rate: float = option(1e-3, "Adam's step size in the first epoch")
    schedule: Schedule = option(Schedule("sqrt"), "schedule of the learning rate; as published 1/sqrt(epoch)")
    target: int = option(35, "target spike count of the label's output neuron")
    non_target: int = option(5, "target spike count of every other output neuron")
    margin: int = option(5, "counts this close to their target have no error")
    init_scale: float = option(1.0, "initial weights are uniform in [-init_scale, init_scale]")
    kernel_init_scale: float = option(0.5, "the same for the kernels of convolutions")
    self_term: bool = option(
        True, "false drops s_i, the effect of a neuron's own spikes on its potential, from the weight gradient"
    )
    fake_spikes: bool = option(
        False, "a silent label neuron learns as if it had fired `target` regular spikes; its error remains that of 0"
    )
    averaging: float = option(
        0.0, "decay of a running average of all weights, which the network then uses; the plain mean in the first "
        "1/(1 - averaging) steps; 0 for none"
    )  # fmt: skip
    regularisation: Penalty = option(Penalty(), "penalty on the learned weights")
    optimiser: Adam = option(Adam(), "optimiser of the weights")
    precision: Precision = option("float32", 'of states, weights and gradients, "float32" or "float64"')

    def __post_init__(self) -> None:
        check_positive(self, "learning_rate", "init_scale", "kernel_init_scale")
        for name in ("target", "non_target", "margin"):
            if getattr(self, name) < 0:
                raise InputError(f"HM2BP.{name}", f"got {getattr(self, name)}", "must be at least 0 spikes")
        if not 0 <= self.averaging < 1:
            raise InputError("HM2BP.averaging", f"got {self.averaging}", "must be at least 0 and below 1")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        check_outputs(circuit.output.size, classes)
        lateral(circuit)  # raises InputError unless it is a full projection
        weights = {}
        for projection in chain(circuit):
            engine.transition(layer(circuit, projection.post), circuit.dt)  # raises for cells that are not linear
            threshold(circuit, projection.post)
            values = trainable_parameters(projection.weights)
            if values is not None:
                convolution = isinstance(projection.weights, Convolution)
                scale = self.kernel_init_scale if convolution else self.init_scale
                weights[projection.name] = rng.uniform(-scale, scale, values.shape).astype(self.precision)
        state = State(weights)
        self.optimiser.start(state)
        if self.averaging:
            state.optimizer_state |= {f"{_LEARNED}{name}": values.copy() for name, values in weights.items()}
        return state

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        check_labels(batch.labels, batch.inputs.samples, circuit.output.size, _NAME)
        learned = self._learned(state)
        responses = self._run(circuit, learned.weights, spike_inputs(batch.inputs, _NAME))
        counts = responses[circuit.output.name].counts
        error = self.error(counts, batch.labels)
        weighted = error if batch.weights is None else error * batch.weights[:, None]
        with engine.one_blas_thread():
            gradients = self.gradients(circuit, batch, responses, weighted, learned.weights)
            if self.regularisation.strength:
                for name, gradient in gradients.items():
                    gradient += self.regularisation.gradient(learned.weights[name])
        factor = self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        self.optimiser.step(learned, gradients, self.learning_rate * factor)
        state.steps = learned.steps
        if self.averaging:
            share = max(1 - self.averaging, 1 / state.steps)
            for name, weights in state.weights.items():
                weights += share * (learned.weights[name] - weights)
        spikes = sum(len(response.spikes) for response in responses.values())
        loss = 0.5 * float(np.square(error).sum()) / len(error)
        return state, BatchMetrics(loss, _most_active(counts) == batch.labels, spikes)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        responses = self._run(circuit, state.weights, spike_inputs(inputs, _NAME))
        counts = responses[circuit.output.name].counts
        activity = {name: response.counts for name, response in responses.items()}
        return Prediction(counts, _most_active(counts), activity)

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        return _most_active(output.counts())

    def error(self, counts: NDArray[np.int32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """o - y of every output neuron (samples, classes), zero inside the margin."""
        target = np.full(counts.shape, float(self.non_target))
        target[np.arange(len(labels)), labels] = self.target
        error = counts - target
        error[np.abs(error) <= self.margin] = 0
        return error

    def gradients(
        self,
        circuit: Circuit,
        batch: Batch,
        responses: Mapping[str, Response],
        error: NDArray[np.float64],
        weights: Mapping[str, Weights] | None = None,
    ) -> Gradients:
        """dE/dw of every trainable projection, mean over the batch, for an error at the output.

        weights  trained weights by projection; None for the circuit's own
        """
        layers = _with_weights(chain(circuit), weights or {})
        spikes = {circuit.input.name: spike_inputs(batch.inputs, _NAME)}
        spikes |= {name: response.spikes for name, response in responses.items()}
        output, factor = self._output(circuit, layers[-1], batch.labels, responses, spikes)
        responses = {**responses, layers[-1].post: output}
        gradients: Gradients = {}
        delta: NDArray[np.floating] = (error / threshold(circuit, layers[-1].post)).astype(self.precision)
        for projection in reversed(layers):
            post, first = responses[projection.post], projection is layers[0]
            scale = delta * (1 + self._self_term(circuit, projection, post)) / len(delta)
            if projection is layers[-1]:
                scale = (scale * factor).astype(self.precision)
            psp = engine.products(
                projection, spikes[projection.pre], post, scale, None if first else delta,
                silent=_SILENT_PSP, precision=self.precision,
            )  # fmt: skip
            if psp.gradient is not None:
                gradients[projection.name] = psp.gradient
            if psp.backward is not None:
                backward_delta = _hidden_delta(psp.backward, delta, post, responses[projection.pre], projection.weights)
                delta = backward_delta / threshold(circuit, projection.pre)
        return gradients

    def _output(
        self,
        circuit: Circuit,
        last: Projection,
        labels: NDArray[np.int64],
        responses: Mapping[str, Response],
        spikes: Mapping[str, SpikeTrains],
    ) -> tuple[Response, NDArray[np.float64] | float]:
        """The output's response as its forward weights see it, and gamma.

        Its potential is without the lateral effects, and fake spikes are added.
        """
        output, inhibition = responses[last.post], lateral(circuit)
        factor: NDArray[np.float64] | float = 1.0
        if inhibition is not None:
            weights = np.asarray(inhibition.weights)
            psp = own_psp(inhibition, output, engine.transition(layer(circuit, last.post), circuit.dt))
            factor = gamma(psp, output.counts, labels, weights, threshold(circuit, last.post))
            potential = output.potential - np.einsum("bij,ij->bj", psp, weights)
            output = replace(output, potential=potential.astype(self.precision))
        if self.fake_spikes:
            output = with_fake_spikes(output, labels, self.target, last, spikes[last.pre], self.precision)
        return output, factor

    def _learned(self, state: State) -> State:
        """The state whose weights are learned: not the network's if those are an average."""
        if not self.averaging:
            return state
        weights = {name: state.optimizer_state[f"{_LEARNED}{name}"] for name in state.weights}
        return State(weights, state.optimizer_state, steps=state.steps)

    def _self_term(self, circuit: Circuit, projection: Projection, post: Response) -> NDArray[np.floating] | float:
        """s_i of every neuron (samples, post)."""
        if not self.self_term:
            return 0.0
        nu = threshold(circuit, projection.post)
        own = post.potential / (nu * np.maximum(post.counts, 1).astype(post.potential.dtype))
        if post.counts.all():
            return own
        ones = np.ones((1, projection.weights.shape[0]), dtype=post.potential.dtype)
        return np.where(post.counts > 0, own, _SILENT_RATIO / nu * forward(projection.weights, ones))

    def _run(self, circuit: Circuit, weights: Mapping[str, Weights], inputs: SpikeTrains) -> dict[str, Response]:
        sources = {circuit.input.name: inputs}
        return engine.run(circuit, sources, weights=weights, precision=self.precision)


def _with_weights(layers: Sequence[Projection], weights: Mapping[str, Weights]) -> list[Projection]:
    """The projections with their trained weights."""
    trained = [weights.get(projection.name, projection.weights) for projection in layers]
    return [
        replace(projection, weights=with_parameters(projection.weights, values))
        for projection, values in zip(layers, trained, strict=True)
    ]


def _most_active(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The class whose neuron fires most (samples,); the lowest in a tie, as published."""
    return counts.argmax(axis=1)


def _hidden_delta(
    backpropagated: NDArray[np.floating], delta: NDArray[np.floating], post: Response, pre: Response, weights: Weights
) -> NDArray[np.floating]:
    """sum_i delta_i w_ij e_ij / o_j (samples, pre); the ratio e_ij / o_j is 1 if either neuron is silent."""
    result = backpropagated / np.maximum(pre.counts, 1).astype(backpropagated.dtype)
    if (silent := np.where(post.counts == 0, delta, 0)).any():
        result += backward(weights, silent)
    return result if pre.counts.all() else np.where(pre.counts > 0, result, backward(weights, delta))
