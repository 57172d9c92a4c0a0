"""HM2-BP: hybrid macro/micro level backpropagation (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

Macro level: the output neurons' spike counts o are driven to a count for the label and another for the rest,
E = 1/2 sum_i (o_i - y_i)^2, and a neuron's count is taken to be its total potential over its threshold, o_i = a_i / nu.

Micro level: a_i = sum_j w_ij e_ij, where the S-PSP e_ij is what the spikes of input j left on the membrane at the
spikes of neuron i. It grows with both counts, de_ij/do_j = e_ij/o_j and de_ij/do_i = e_ij/o_i, so that

    output  delta_i = (o_i - y_i) / nu
    hidden  delta_j = (1/nu) sum_i delta_i w_ij e_ij / o_j
    weight  dE/dw_ij = delta_i e_ij (1 + s_i),   s_i = (1/nu) sum_l w_il e_il / o_i = a_i / (nu o_i)

Output neurons may inhibit one another through fixed weights: a projection of the output to itself, see lateral.py.

The authors' code differs in small things. It learns from one sample at a time. Its S-PSP has input spikes arrive as
late as a refractory period lasts, and forgets them after four tau_m; here it is what the simulated membrane holds. And
it sends a quarter of the error through each pooling, where the derivative is 1/nu of the pooling layer, as here.

The engine sums e_ij over spikes without ever storing it; a_i is the sum of the potentials at the spikes, which the
forward pass has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Precision, Response
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Projection
from snnlab.networks.weights import Convolution, Weights, backward, forward, trainable_parameters
from snnlab.rules.common.adam import Adam
from snnlab.rules.common.chain import chain, lateral, layer, threshold
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_outputs, check_positive
from snnlab.rules.rule import Batch, BatchMetrics, Inputs, Prediction, State, spike_inputs
from snnlab.rules.spike_count.fake_spikes import with_fake_spikes
from snnlab.rules.spike_count.lateral import gamma, own_psp
from snnlab.rules.spike_count.regularisation import Penalty

_NAME = "HM2-BP"
_LEARNED = "learned:"
_SILENT_PSP = 0.1  # e_ij of a silent neuron with an active input, in the authors' code: lets it learn to fire
_SILENT_RATIO = 0.5  # e_il / o_i of a silent neuron in its own self term, likewise


@dataclass(frozen=True)
class HM2BP:
    """The rule for chains of layers, full, convolved or pooled, of cells linear between spikes, such as lif_exp.

    learning_rate   Adam's step size
    schedule        of the learning rate; as published 1/sqrt(epoch)
    target          spikes wanted of the label's output neuron
    other           spikes wanted of each other output neuron
    margin          counts this close to their target are right
    init_scale      initial weights are uniform in [-init_scale, init_scale]
    kernel_init_scale  the same for convolution kernels
    self_term       False drops s_i, the effect of a neuron's own spikes on its potential, from the weight gradient
    fake_spikes     a silent label neuron learns as if it had fired evenly, `target` times; its error stays that of 0
    averaging       0, or how much of the average of all weights so far a step keeps: the network is then that average,
                    not the weights that are being learned. It is the plain mean until 1/(1 - averaging) steps are done
    regularisation  a penalty on the weights that are being learned
    optimiser       what turns gradients into steps
    precision       of states, weights, sums and gradients: "float32" or "float64"

    Raises InputError for options that mean nothing, and as its parts do.
    """

    learning_rate: float = 1e-3
    schedule: Schedule = Schedule(decay="sqrt")
    target: int = 35
    other: int = 5
    margin: int = 5
    init_scale: float = 1.0
    kernel_init_scale: float = 0.5
    self_term: bool = True
    fake_spikes: bool = False
    averaging: float = 0.0
    regularisation: Penalty = field(default_factory=Penalty)
    optimiser: Adam = field(default_factory=Adam)
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check_positive(self, "learning_rate", "init_scale", "kernel_init_scale")
        for name in ("target", "other", "margin"):
            if getattr(self, name) < 0:
                raise InputError(f"HM2BP.{name}", f"found {getattr(self, name)}", "needs a count of spikes, at least 0")
        if not 0 <= self.averaging < 1:
            raise InputError("HM2BP.averaging", f"found {self.averaging}", "needs 0 to below 1")

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        check_outputs(circuit.nodes[-1].size, classes)
        weights = {}
        lateral(circuit)
        for projection in chain(circuit):
            engine.transition(layer(circuit, projection.post), circuit.dt)
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
        _check_labels(batch, circuit.nodes[-1].size)
        learner = self._learner(state)
        circuit = circuit.with_weights(learner.weights)
        responses = self._forward(circuit, spike_inputs(batch.inputs, _NAME))
        counts = responses[circuit.nodes[-1].name].counts
        error = self.error(counts, batch.labels)
        counted = error if batch.weights is None else error * batch.weights[:, None]
        with engine.one_blas_thread():
            gradients = self.gradients(circuit, batch, responses, counted)
            if self.regularisation.strength:
                for name, gradient in gradients.items():
                    gradient += self.regularisation.gradient(learner.weights[name])
        self.optimiser.step(
            learner,
            gradients,
            self.learning_rate * self.schedule.factor(batch.epoch, batch.epochs, state.steps),
        )
        state.steps = learner.steps
        if self.averaging:
            share = max(1 - self.averaging, 1 / state.steps)
            for name, weights in state.weights.items():
                weights += share * (learner.weights[name] - weights)
        fired = sum(len(response.spikes) for response in responses.values())
        loss = 0.5 * float(np.square(error).sum()) / len(error)
        return state, BatchMetrics(loss, _busiest(counts) == batch.labels, fired)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        responses = self._forward(circuit.with_weights(state.weights), spike_inputs(inputs, _NAME))
        counts = responses[circuit.nodes[-1].name].counts
        activity = {name: response.counts for name, response in responses.items()}
        return Prediction(counts, _busiest(counts), activity)

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        return _busiest(output.counts())

    def error(self, counts: NDArray[np.int32], labels: NDArray[np.int64]) -> NDArray[np.float64]:
        """o - y of every output neuron (samples, classes), zero inside the margin."""
        wanted = np.full(counts.shape, float(self.other))
        wanted[np.arange(len(labels)), labels] = self.target
        error = counts - wanted
        error[np.abs(error) <= self.margin] = 0
        return error

    def gradients(
        self, circuit: Circuit, batch: Batch, responses: dict[str, Response], error: NDArray[np.float64]
    ) -> dict[str, NDArray[np.floating]]:
        """dE/dw of every projection that learns, mean over the batch, from the error at the output."""
        layers = chain(circuit)
        output, factor = self._output(circuit, batch, responses)
        responses = {**responses, layers[-1].post: output}
        gradients: dict[str, NDArray[np.floating]] = {}
        delta: NDArray[np.floating] = (error / threshold(circuit, layers[-1].post)).astype(self.precision)
        for projection in reversed(layers):
            weights, post, first = projection.weights, responses[projection.post], projection is layers[0]
            pre = spike_inputs(batch.inputs, _NAME) if first else responses[projection.pre].spikes
            silent = post.counts == 0
            scale = delta * (1 + self._self_term(circuit, projection, post)) / len(delta)
            if projection is layers[-1]:
                scale = (scale * factor).astype(self.precision)
            credit = engine.products(
                projection, pre, post, scale, None if first else delta,
                silent=_SILENT_PSP, precision=self.precision,
            )  # fmt: skip
            if credit.gradient is not None:
                gradients[projection.name] = credit.gradient
            if not first and credit.backward is not None:
                down = _send_down(credit.backward, delta, silent, responses[projection.pre].counts, weights)
                delta = down / threshold(circuit, projection.pre)
        return gradients

    def _output(
        self, circuit: Circuit, batch: Batch, responses: dict[str, Response]
    ) -> tuple[Response, NDArray[np.float64] | float]:
        """The output as its weights see it, and gamma: its potential without what its neurons did to one another, and
        fake spikes where they are asked for."""
        output, among = responses[circuit.nodes[-1].name], lateral(circuit)
        factor: NDArray[np.float64] | float = 1.0
        if among is not None:
            weights = np.asarray(among.weights)
            psp = own_psp(among, output, engine.transition(layer(circuit, among.post), circuit.dt))
            factor = gamma(psp, output.counts, batch.labels, weights, threshold(circuit, among.post))
            potential = output.potential - np.einsum("bij,ij->bj", psp, weights)
            output = replace(output, potential=potential.astype(self.precision))
        if self.fake_spikes:
            output = self._faked(chain(circuit)[-1], batch, responses, output)
        return output, factor

    def _faked(self, last: Projection, batch: Batch, responses: dict[str, Response], output: Response) -> Response:
        output, faked = with_fake_spikes(output, batch.labels, self.target)
        if faked is None:
            return output
        pre = responses[last.pre].spikes if last.pre in responses else spike_inputs(batch.inputs, _NAME)
        wanted = faked.astype(self.precision)
        credit = engine.products(last, pre, output, np.zeros_like(wanted), wanted, precision=self.precision)
        total = np.asarray(credit.backward).sum(
            axis=1, keepdims=True
        )  # sum_j w_ij e_ij of the one neuron of each sample
        potential = np.where(faked, total, output.potential)
        return replace(output, potential=potential.astype(self.precision))

    def _learner(self, state: State) -> State:
        """The state with the weights that are being learned, which are not the network's where those are averages."""
        if not self.averaging:
            return state
        weights = {name: state.optimizer_state[f"{_LEARNED}{name}"] for name in state.weights}
        return State(weights, state.optimizer_state, steps=state.steps)

    def _self_term(self, circuit: Circuit, projection: Projection, post: Response) -> NDArray[np.floating] | float:
        """s_i of every neuron (samples, post): how a neuron's own spikes feed its total potential."""
        if not self.self_term:
            return 0.0
        nu = threshold(circuit, projection.post)
        own = post.potential / (nu * np.maximum(post.counts, 1).astype(post.potential.dtype))
        if post.counts.all():
            return own
        ones = np.ones((1, projection.weights.shape[0]), dtype=post.potential.dtype)
        return np.where(post.counts > 0, own, _SILENT_RATIO / nu * forward(projection.weights, ones))

    def _forward(self, circuit: Circuit, inputs: SpikeTrains) -> dict[str, Response]:
        return engine.run(circuit, {circuit.sources[0].name: inputs}, precision=self.precision)


def _busiest(counts: NDArray[np.integer]) -> NDArray[np.int64]:
    """The class whose neuron fires most (samples,); a tie goes to the lowest, as published."""
    return counts.argmax(axis=1)


def _check_labels(batch: Batch, classes: int) -> None:
    labels = batch.labels
    if labels.dtype.kind not in "iu" or labels.shape != (batch.inputs.samples,):
        found, right = f"labels of {labels.dtype} {labels.shape}", f"needs int64 ({batch.inputs.samples},)"
        raise InputError("HM2-BP: batch", found, f"{right}, one for each sample")
    if not len(labels) or not 0 <= labels.min() <= labels.max() < classes:
        found = f"labels {labels.min()} to {labels.max()}" if len(labels) else "no samples"
        raise InputError("HM2-BP: batch", found, f"needs samples with labels from 0 to {classes - 1}")


def _send_down(
    sent: NDArray[np.floating],
    delta: NDArray[np.floating],
    silent: NDArray[np.bool_],
    counts: NDArray[np.int32],
    weights: Weights,
) -> NDArray[np.floating]:
    """sum_i delta_i w_ij e_ij / o_j (samples, pre); the ratio e_ij / o_j is 1 where either neuron is silent."""
    down = sent / np.maximum(counts, 1).astype(sent.dtype)
    if (asleep := np.where(silent, delta, 0)).any():
        down += backward(weights, asleep)
    return down if counts.all() else np.where(counts > 0, down, backward(weights, delta))
