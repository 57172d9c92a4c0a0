"""HM2-BP: hybrid macro/micro level backpropagation (Jin, Zhang and Li, NeurIPS 2018, arXiv:1805.07866).

Macro level: the output neurons' spike counts o are driven to a count for the label and another for the rest,
E = 1/2 sum_i (o_i - y_i)^2, and a neuron's count is taken to be its total potential over its threshold, o_i = a_i / nu.

Micro level: a_i = sum_j w_ij e_ij, where the S-PSP e_ij is what the spikes of input j left on the membrane at the
spikes of neuron i. It grows with both counts, de_ij/do_j = e_ij/o_j and de_ij/do_i = e_ij/o_i, so that

    output  delta_i = (o_i - y_i) / nu
    hidden  delta_j = (1/nu) sum_i delta_i w_ij e_ij / o_j
    weight  dE/dw_ij = delta_i e_ij (1 + s_i),   s_i = (1/nu) sum_l w_il e_il / o_i = a_i / (nu o_i)

Output neurons may inhibit one another through fixed weights: a projection of the output to itself, see lateral.py.

The engine sums e_ij over spikes without ever storing it; a_i is the sum of the potentials at the spikes, which the
forward pass has.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import issparse

from snnlab import engine
from snnlab.circuit import Circuit, Population, Projection
from snnlab.engine import Precision, Response
from snnlab.equations import si
from snnlab.errors import Refused
from snnlab.rules.adam import Adam
from snnlab.rules.lateral import gamma, own_psp
from snnlab.rules.penalty import Penalty
from snnlab.rules.rule import Answer, Batch, Score, State
from snnlab.spikes import Spikes
from snnlab.weights import Convolution, Weights, backward, forward, learned, outer

_SILENT_PSP = 0.1  # e_ij of a silent neuron with an active input, in the authors' code: lets it learn to fire
_SILENT_RATIO = 0.5  # e_il / o_i of a silent neuron in its own self term, likewise


@dataclass(frozen=True)
class HM2BP:
    """The rule for chains of layers, full, convolved or pooled, of cells linear between spikes, such as lif_exp.

    learning_rate   Adam's step in epoch 1; it falls with 1/sqrt(epoch) if `decay`
    target, other   spikes wanted of the label's neuron and of the rest
    margin          counts this close to their target are right
    spread          weights begin uniform in [-spread, spread]
    kernel_spread   and those of convolutions in [-kernel_spread, kernel_spread]
    self_term       False drops s_i from the weight gradient
    """

    learning_rate: float = 1e-3
    decay: bool = True
    target: int = 35
    other: int = 5
    margin: int = 5
    spread: float = 1.0
    kernel_spread: float = 0.5
    self_term: bool = True
    regularisation: Penalty = field(default_factory=Penalty)
    optimiser: Adam = field(default_factory=Adam)
    precision: Precision = "float32"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("learning_rate", "spread", "kernel_spread"):
            if not 0 < getattr(self, name) < float("inf"):
                raise Refused(f"HM2BP.{name}", f"found {getattr(self, name)}", "needs a number above 0")
        for name in ("target", "other", "margin"):
            if getattr(self, name) < 0:
                raise Refused(f"HM2BP.{name}", f"found {getattr(self, name)}", "needs a count of spikes, at least 0")

    def init(self, circuit: Circuit, rng: np.random.Generator) -> State:
        weights = {}
        _lateral(circuit)
        for projection in _chain(circuit):
            engine.transition(_population(circuit, projection.post), circuit.dt)
            if issparse(projection.weights):
                raise Refused(f"projection {projection.name!r}", "sparse weights", "HM2-BP learns full and shared ones")
            values = learned(projection.weights)
            if values is not None:
                spread = self.kernel_spread if isinstance(projection.weights, Convolution) else self.spread
                weights[projection.name] = rng.uniform(-spread, spread, values.shape).astype(self.precision)
        state = State(weights)
        self.optimiser.start(state)
        return state

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, Score]:
        responses = self._forward(circuit, state, batch.inputs)
        counts = responses[_chain(circuit)[-1].post].counts
        error = self.error(counts, batch.labels)
        with engine.one_blas_thread():
            gradients = self.gradients(circuit.with_weights(state.weights), batch, responses, error)
            if self.regularisation.strength:
                for name, gradient in gradients.items():
                    gradient += self.regularisation.gradient(state.weights[name])
        rate = self.learning_rate / np.sqrt(batch.epoch) if self.decay else self.learning_rate
        self.optimiser.step(state, gradients, rate)
        spikes = sum(len(response.spikes) for response in responses.values())
        correct = int(np.count_nonzero(counts.argmax(axis=1) == batch.labels))
        loss = 0.5 * float(np.square(error).sum()) / len(error)
        return state, Score(loss, correct, len(error), spikes)

    def respond(self, circuit: Circuit, state: State, inputs: Spikes) -> Answer:
        responses = self._forward(circuit, state, inputs)
        counts = responses[_chain(circuit)[-1].post].counts
        activity = {name: response.counts for name, response in responses.items()}
        # a tie goes to the lowest class, as published
        return Answer(counts, counts.argmax(axis=1), activity)

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
        chain = _chain(circuit)
        output, factor = self._output(circuit, batch, responses)
        responses = {**responses, chain[-1].post: output}
        gradients: dict[str, NDArray[np.floating]] = {}
        delta: NDArray[np.floating] = (error / _threshold(circuit, chain[-1])).astype(self.precision)
        for projection in reversed(chain):
            weights, post, first = projection.weights, responses[projection.post], projection is chain[0]
            pre = batch.inputs if first else responses[projection.pre].spikes
            silent = post.counts == 0
            scale = delta * (1 + self._self_term(circuit, projection, post)) / len(delta)
            if projection is chain[-1]:
                scale = (scale * factor).astype(self.precision)
            credit = engine.products(
                projection, pre, post, scale, None if first else delta, precision=self.precision, threads=self.threads
            )
            if credit.summed is not None:
                gradients[projection.name] = credit.summed
                if (asleep := np.where(silent, _SILENT_PSP * scale, 0)).any():
                    gradients[projection.name] += outer(weights, _active(pre).astype(self.precision), asleep)
            if not first and credit.sent is not None:
                down = _send_down(credit.sent, delta, silent, responses[projection.pre].counts, weights)
                delta = down / _threshold(circuit, projection, pre=True)
        return gradients

    def _output(
        self, circuit: Circuit, batch: Batch, responses: dict[str, Response]
    ) -> tuple[Response, NDArray[np.float64] | float]:
        """The output as its weights see it: its potential without what its neurons did to one another; and gamma."""
        output = responses[circuit.nodes[-1].name]
        among = _lateral(circuit)
        if among is None:
            return output, 1.0
        weights = np.asarray(among.weights)
        psp = own_psp(among, output, engine.transition(_population(circuit, among.post), circuit.dt))
        factor = gamma(psp, output.counts, batch.labels, weights, _threshold(circuit, among))
        potential = output.potential - np.einsum("bij,ij->bj", psp, weights)
        return replace(output, potential=potential.astype(self.precision)), factor

    def _self_term(self, circuit: Circuit, projection: Projection, post: Response) -> NDArray[np.floating] | float:
        """s_i of every neuron (samples, post): how a neuron's own spikes feed its total potential."""
        if not self.self_term:
            return 0.0
        nu = _threshold(circuit, projection)
        own = post.potential / (nu * np.maximum(post.counts, 1).astype(post.potential.dtype))
        if post.counts.all():
            return own
        ones = np.ones((1, projection.weights.shape[0]), dtype=post.potential.dtype)
        return np.where(post.counts > 0, own, _SILENT_RATIO / nu * forward(projection.weights, ones))

    def _forward(self, circuit: Circuit, state: State, inputs: Spikes) -> dict[str, Response]:
        source = circuit.sources[0].name
        return engine.run(
            circuit.with_weights(state.weights), {source: inputs}, precision=self.precision, threads=self.threads
        )


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


def _active(spikes: Spikes) -> NDArray[np.bool_]:
    """Which neurons fire at all (samples, neurons)."""
    active = np.zeros((spikes.samples, spikes.size), dtype=bool)
    for row, begins in zip(active, spikes.offsets, strict=True):
        row[spikes.ids[begins[0] : begins[-1]]] = True
    return active


def _chain(circuit: Circuit) -> tuple[Projection, ...]:
    """The projections from the source to the output, in order; of those within a layer, the output's may be left out.

    Raises Refused for anything else.
    """
    names = [node.name for node in circuit.nodes]
    chain = tuple(one for one in circuit.projections if not one.pre == one.post == names[-1])
    steps = [(projection.pre, projection.post) for projection in chain]
    if len(circuit.sources) != 1 or steps != list(zip(names, names[1:], strict=False)):
        raise Refused("HM2-BP", f"a circuit {steps}", "needs one source and a chain of layers, each on the next")
    return chain


def _lateral(circuit: Circuit) -> Projection | None:
    """The projection from the output to itself. Raises Refused for more than one, and for any but full weights."""
    output = circuit.nodes[-1].name
    found = [one for one in circuit.projections if one.pre == one.post == output]
    if len(found) > 1 or any(not isinstance(one.weights, np.ndarray) for one in found):
        raise Refused(
            f"HM2-BP: {output!r} onto itself", "not one full projection", "needs one array of weights, or none"
        )
    return found[0] if found else None


def _population(circuit: Circuit, name: str) -> Population:
    population = circuit[name]
    if not isinstance(population, Population) or "v_th" not in population.cell.parameters:
        raise Refused("HM2-BP", f"no parameter v_th in {name!r}", "needs cells with a threshold v_th")
    return population


def _threshold(circuit: Circuit, projection: Projection, *, pre: bool = False) -> float:
    """nu of the layer after (or before) a projection."""
    population = _population(circuit, projection.pre if pre else projection.post)
    return si(population.parameters.get("v_th", population.cell.parameters["v_th"]), "1", f"{population.name}: v_th")
