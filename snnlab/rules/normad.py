"""NormAD: normalised approximate descent on the membrane potential, for spikes at desired times.

Anwani and Rajendran, IJCNN 2015 (doi:10.1109/IJCNN.2015.7280618); of several layers: arXiv:1811.10678, Neurocomputing
380:67, 2020.

An output neuron is wrong at the instants in which it fires and should not, or should and does not:

    e(t) = S_des(t) - S_out(t)

There its potential is to move by sign e(t), a descent on 1/2 integral |e| (V_des - V)^2 dt. The derivative of the
potential by the weights is taken to be d(t), the inputs through the synapse alpha and a leak h, whose time constant is a
tenth of the membrane's to allow for the resets,

    d(t) = (S_in * alpha * h)(t),   h(t) = exp(-t/tau_L)/C

and since V_des is not known, the step is of one length whatever d is:

    dW = r sum over error instants t of  e(t) d(t)/||d(t)||

A hidden spike is answerable for the errors that it could have moved. The derivative of a hidden train by its own
potential is taken to be that train; the filters of the error then run backwards in time,

    eps(t) = e(t)/||d(t)||
    delta_h(t) = S_h(t) [W_o^T (eps * alpha(-t) * h(-t))](t)
    dW_h = r_h sum over hidden spikes t of  delta_h(t) d_in(t)

and so on, from layer to layer. How the hidden step is normalised could not be established from the abstracts, which are
all that was at hand of the second paper; `hidden` has three ways, and scripts/normad_hidden.py compares them.

All is summed over the time of a sample, averaged over the samples of a batch, and applied after it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.circuit import Circuit, Population, Projection
from snnlab.distances import correlation
from snnlab.engine import Events, Kernel, Precision
from snnlab.equations import si
from snnlab.errors import Refused, one_of
from snnlab.rules.chain import chain, layer
from snnlab.rules.desired import Desired, Drawn
from snnlab.rules.rule import Answer, Batch, Score, State
from snnlab.spikes import Spikes

Hidden = Literal["rescaled", "normalised", "plain"]
Decision = Literal["correlation", "count"]

_NAME = "NormAD"
_DESIRED = "desired"  # class, neuron and time of every desired spike, in a State's memory
_SYNAPSE = ("tau_1", "tau_2")  # of the synapse card


@dataclass(frozen=True)
class NormAD:
    """The rule, with what it wants of the output.

    desired       when the output is to fire
    rate          ampere by which an error moves the output's weights, as the length of a step
    hidden_rate   the same for hidden layers, in the units of `hidden`
    hidden        how a hidden step is normalised. "rescaled": to a length of the square root of the number of errors;
                  "normalised": d_in(t)/||d_in(t)|| instead of d_in(t); "plain": not at all
    halve_every   epochs after which rates are halved, 0 for never
    ease          rates are multiplied by ease * (1 - C), at least by 0.1 and at most by 1, where C is the correlation
                  of the batch with what is desired; 0 for rates that stay. Ours, not the authors'
    tau_L         of the leak h, in seconds
    floor         an error counts nothing where ||d(t)|| is below this part of its mean over the sample's errors
    spread        output weights begin normal, with this deviation, in ampere
    hidden_spread hidden weights begin normal, with this deviation times the inverse root of their number, in ampere
    hidden_mean   and a mean of this many deviations
    decision      "correlation": the class whose desired trains the output's are most like; "count": the neuron that
                  fires most
    enough        where the best correlation is below this, the answer is the class after all those that have trains
    precision     of states and weights of the network: "float32" or "float64"; gradients are float64
    threads       None for all cores; what is learned does not depend on it

    Raises Refused for options that mean nothing.
    """

    desired: Desired = field(default_factory=Drawn)
    rate: float = 1e-9
    hidden_rate: float = 1e-9
    hidden: Hidden = "rescaled"
    halve_every: int = 0
    ease: float = 0.0
    tau_L: float = 1e-3
    floor: float = 0.01
    spread: float = 0.0
    hidden_spread: float = 14e-9
    hidden_mean: float = 0.3
    decision: Decision = "correlation"
    enough: float = 0.0
    precision: Precision = "float64"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "hidden_rate", "spread", "hidden_spread", "halve_every", "ease"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise Refused(f"NormAD.{name}", f"found {getattr(self, name)}", "needs a number, at least 0")
        if not 0 < self.tau_L < float("inf"):
            raise Refused("NormAD.tau_L", f"found {self.tau_L}", "needs seconds, above 0")
        for name in ("floor", "enough"):
            if not 0 <= getattr(self, name) <= 1:
                raise Refused(f"NormAD.{name}", f"found {getattr(self, name)}", "needs 0 to 1")
        for name, known in (("hidden", get_args(Hidden)), ("decision", get_args(Decision))):
            if getattr(self, name) not in known:
                raise Refused(f"NormAD.{name}", f"found {getattr(self, name)!r}", one_of(getattr(self, name), known))

    def init(self, circuit: Circuit, rng: np.random.Generator) -> State:
        layers = chain(circuit, _NAME)
        weights: dict[str, NDArray[np.floating]] = {}
        for projection in layers:
            self.kernel(circuit, projection.post, projection.receptor)
            pre, post = projection.weights.shape
            if projection is layers[-1]:
                values = self.spread * rng.normal(size=(pre, post))
            else:
                values = self.hidden_spread / np.sqrt(pre) * rng.normal(self.hidden_mean, size=(pre, post))
            weights[projection.name] = values.astype(self.precision)
        output = layer(circuit, layers[-1].post, _NAME)
        times = self.desired.times(output.size, rng)
        _check_gaps(times, output)
        return State(weights, {_DESIRED: times})

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, Score]:
        circuit = circuit.with_weights(state.weights)
        layers, samples = chain(circuit, _NAME), batch.inputs.samples
        trains = self._trains(circuit, batch.inputs)
        wanted = self.wanted(state, batch.labels, trains[-1])
        _check_active(trains, layers)
        changes = self.changes(circuit, trains, mistakes(wanted, trains[-1]))
        alike = float(correlation(wanted, trains[-1]).mean())
        eased = self._eased(batch.epoch, alike)
        for projection in layers:
            rate = self.rate if projection is layers[-1] else self.hidden_rate
            state.weights[projection.name] += eased * rate / samples * changes[projection.name]
        state.steps += 1
        right = self.decide(state, trains[-1]) == batch.labels
        return state, Score(1 - alike, right, sum(map(len, trains[1:])))

    def _eased(self, epoch: int, alike: float) -> float:
        """What rates are multiplied by in this epoch, with outputs so much like the desired ones."""
        halved = 0.5 ** ((epoch - 1) // self.halve_every) if self.halve_every else 1.0
        return halved * (min(1.0, max(0.1, self.ease * (1 - alike))) if self.ease else 1.0)

    def changes(self, circuit: Circuit, trains: Sequence[Spikes], errors: Events) -> dict[str, NDArray[np.float64]]:
        """The step of every projection before its rate, summed over the batch: name -> (pre, post).

        trains  the spikes of every layer, the input's first
        errors  of the output
        """
        found: dict[str, NDArray[np.float64]] = {}
        events, layers = errors, chain(circuit, _NAME)
        for k in reversed(range(len(layers))):
            projection, pre, post = layers[k], trains[k], trains[k + 1]
            kernel, last = self.kernel(circuit, projection.post, projection.receptor), projection is layers[-1]
            if not last:
                above = layers[k + 1]
                through = self.kernel(circuit, above.post, above.receptor)
                sent = engine.sent_back(events, np.asarray(above.weights), post, through, threads=self.threads)
                events = Events.at_spikes(post, sent)
            summed, norms = engine.error_products(
                pre, events, post.size, kernel,
                normalised=last or self.hidden == "normalised", floor=self.floor, threads=self.threads,
            )  # fmt: skip
            if last:
                events = events.over(norms, self.floor)
            elif self.hidden == "rescaled" and (length := float(np.linalg.norm(summed))) > 0:
                summed *= math.sqrt(len(errors)) / length
            found[projection.name] = summed
        return found

    def kernel(self, circuit: Circuit, post: str, receptor: str) -> Kernel:
        """What a spike that arrives there is taken to leave on the membrane.

        Raises Refused for cells without a capacitance C, and for synapses without tau_1 and tau_2.
        """
        population = layer(circuit, post, _NAME)
        found = population.receptors.get(receptor)
        if found is None or not set(_SYNAPSE) <= found.synapse.parameters.keys():
            right = "needs a synapse with tau_1 and tau_2, such as double_exponential_current"
            raise Refused(f"{_NAME}: {post}", f"no such synapse at {receptor!r}", right)
        if "C" not in population.cell.parameters:
            raise Refused(
                f"{_NAME}: {post}", f"no capacitance C on {population.cell.path}", "needs one, as on lif_normad"
            )
        own = {**found.synapse.parameters, **found.parameters}
        decay, rise = (si(own[name], "second", f"{post}: {name}") for name in _SYNAPSE)
        capacitance = {**population.cell.parameters, **population.parameters}["C"]
        return Kernel(decay, rise, self.tau_L, si(capacitance, "farad", f"{post}: C"))

    # Answering --------------------------------------------------------------------------------------------------------

    def respond(self, circuit: Circuit, state: State, inputs: Spikes) -> Answer:
        trains = self._trains(circuit.with_weights(state.weights), inputs)
        activity = {node.name: one.counts().astype(np.int32) for node, one in zip(circuit.nodes, trains, strict=True)}
        activity.pop(circuit.sources[0].name)
        return Answer(activity[circuit.nodes[-1].name], self.decide(state, trains[-1]), activity)

    def decide(self, state: State, output: Spikes) -> NDArray[np.int64]:
        if self.decision == "count":
            return output.counts().argmax(axis=1)
        classes = self.desired.classes(output.size)
        alike = np.empty((output.samples, classes))
        for label in range(classes):
            wanted = self.wanted(state, np.full(output.samples, label), output)
            alike[:, label] = correlation(output, wanted).mean(axis=1)
        best = alike.argmax(axis=1)
        return np.where(alike.max(axis=1) >= self.enough, best, classes)

    def wanted(self, state: State, labels: NDArray[np.int64], output: Spikes) -> Spikes:
        """The desired trains of samples with these labels, on the grid of the output's.

        Raises Refused for a time after the end of the samples.
        """
        label, neuron, time = state.memory[_DESIRED].T
        step = np.rint(time / output.dt)
        if len(step) and step.max() >= output.steps:
            found = f"a spike at {time.max() * 1e3:g} ms, and samples of {output.duration * 1e3:g} ms"
            raise Refused("rule.desired", found, "needs times within a sample")
        sample, row = np.nonzero(labels[:, None] == label)
        return Spikes.from_events(
            sample, step[row], neuron[row],
            samples=output.samples, steps=output.steps, size=output.size, dt=output.dt,
        )  # fmt: skip

    def on(self, threads: int | None) -> Self:
        return replace(self, threads=threads)

    def _trains(self, circuit: Circuit, inputs: Spikes) -> list[Spikes]:
        """The spikes of every layer, the input's first."""
        found = engine.run(circuit, {circuit.sources[0].name: inputs}, precision=self.precision, threads=self.threads)
        return [inputs, *(found[projection.post].spikes for projection in chain(circuit, _NAME))]


def mistakes(wanted: Spikes, fired: Spikes) -> Events:
    """e = S_des - S_out: +1 where a spike is missing, -1 where one is too many. A spike in its step is no mistake."""
    asked, given = _keys(wanted), _keys(fired)
    missing, extra = np.setdiff1d(asked, given, assume_unique=True), np.setdiff1d(given, asked, assume_unique=True)
    key = np.concatenate([missing, extra])
    row, neuron = key // fired.size, key % fired.size
    value = np.repeat([1.0, -1.0], [len(missing), len(extra)])
    return Events.from_columns(row // fired.steps, row % fired.steps, neuron, value)


def _keys(spikes: Spikes) -> NDArray[np.int64]:
    sample, step, neuron = spikes.events()
    return (sample * spikes.steps + step) * spikes.size + neuron


# What cannot be learned ---------------------------------------------------------------------------------------------


def _check_gaps(times: NDArray[np.float64], output: Population) -> None:
    """Refuse two desired spikes of a neuron that are closer than it can fire."""
    values = {**output.cell.parameters, **output.parameters}
    period = si(values.get(output.cell.refractory, "0 ms"), "second", f"{output.name}: refractory")
    label, neuron, time = times[np.lexsort(times.T[::-1])].T
    close = (np.diff(label) == 0) & (np.diff(neuron) == 0) & (np.diff(time) < period)
    if close.any():
        first = int(np.argmax(close))
        found = f"neuron {neuron[first]:.0f} at {time[first] * 1e3:g} and {time[first + 1] * 1e3:g} ms"
        right = f"needs {period * 1e3:g} ms between them, for which {output.name} is refractory"
        raise Refused("rule.desired", found, right)


def _check_active(trains: Sequence[Spikes], layers: Sequence[Projection]) -> None:
    """Refuse a batch in which a hidden layer fires nowhere: only its spikes can learn, and none ever would."""
    for projection, fired in zip(layers[:-1], trains[1:-1], strict=True):
        if not len(fired):
            right = "a larger rule.hidden_spread wakes it, and a smaller rule.hidden_rate keeps it awake"
            raise Refused(f"{_NAME}: {projection.post}", "no spike in a whole batch", right)
