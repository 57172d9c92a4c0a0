"""NormAD: normalised approximate descent on the membrane potential, for spikes at desired times.

Anwani and Rajendran, IJCNN 2015 (doi:10.1109/IJCNN.2015.7280618); of several layers: arXiv:1811.10678, Neurocomputing
380:67, 2020.

An output neuron is wrong at the instants in which it fires and should not, or should and does not:

    e(t) = S_des(t) - S_out(t)

There its potential is to move by sign e(t), so that dW is a descent on 1/2 integral |e| (V_des - V)^2 dt. The derivative
of the potential by the weights is taken to be d(t), the inputs through the synapse alpha and a leak h,

    d(t) = (S_in * alpha * h)(t),   h(t) = exp(-t/tau_L)/C,   tau_L a tenth of the membrane's, for resets it knows not of

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

import warnings
from dataclasses import dataclass, field, replace
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.circuit import Circuit, Projection
from snnlab.distances import correlation
from snnlab.engine import Events, Kernel, Precision, Response
from snnlab.equations import si
from snnlab.errors import Refused, one_of
from snnlab.rules.chain import chain
from snnlab.rules.desired import Desired, Drawn
from snnlab.rules.rule import Answer, Batch, Score, State
from snnlab.spikes import Spikes

Hidden = Literal["rescaled", "normalised", "plain"]
Decision = Literal["correlation", "count"]

_DESIRED = "desired"


@dataclass(frozen=True)
class NormAD:
    """The rule, with what it wants of the output.

    desired       when the output is to fire
    rate          ampere by which an error moves the output's weights, as the length of a step
    hidden_rate   the same for hidden layers, in the units of `hidden`
    hidden        how a hidden step is normalised. "rescaled": to a length of the square root of the number of errors;
                  "normalised": d_in(t)/||d_in(t)|| instead of d_in(t); "plain": not at all
    halve_every   epochs after which rates are halved, 0 for never
    tau_L         of the leak h, in seconds
    floor         an error counts nothing where ||d(t)|| is below this part of its mean over the sample's errors
    spread        output weights begin normal, with this deviation, in ampere
    hidden_spread hidden weights begin normal, with this deviation times the inverse root of their number, in ampere
    hidden_mean   and a mean of this many deviations
    decision      "correlation": the class whose desired trains the output's are most like; "count": the neuron that
                  fires most
    enough        a correlation below this is no answer, and counts as the last class
    precision     of states and weights of the network: "float32" or "float64"; gradients are float64
    threads       None for all cores; what is learned does not depend on it

    Raises Refused for options that mean nothing.
    """

    desired: Desired = field(default_factory=Drawn)
    rate: float = 1e-9
    hidden_rate: float = 1e-9
    hidden: Hidden = "rescaled"
    halve_every: int = 0
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
        for name in ("rate", "hidden_rate", "spread", "hidden_spread", "halve_every"):
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
        layers = chain(circuit)
        weights: dict[str, NDArray[np.floating]] = {}
        for projection in layers:
            _check_full(projection)
            self.kernel(circuit, projection.post)
            pre, post = projection.weights.shape
            if projection is layers[-1]:
                values = self.spread * rng.normal(size=(pre, post))
            else:
                values = self.hidden_spread / np.sqrt(pre) * rng.normal(self.hidden_mean, size=(pre, post))
            weights[projection.name] = values.astype(self.precision)
        output = layer(circuit, layers[-1].post)
        times = self.desired.times(self.classes or output.size, output.size, rng)
        _check_apart(times, held(output), output.name)
        return State(weights, {_DESIRED: times})

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, Score]:
        circuit = circuit.with_weights(state.weights)
        layers, samples = chain(circuit), batch.inputs.samples
        trains = self._trains(circuit, batch.inputs)
        wanted = self.wanted(state, batch.labels, trains[-1])
        changes = self.changes(circuit, trains, mistakes(wanted, trains[-1]))
        halved = 0.5 ** ((batch.epoch - 1) // self.halve_every) if self.halve_every else 1.0
        for projection in layers:
            rate = self.rate if projection is layers[-1] else self.hidden_rate
            state.weights[projection.name] += halved * rate / samples * changes[projection.name]
        state.steps += 1
        alike = correlation(wanted, trains[-1]).mean(axis=1)
        right = self.decide(state, trains[-1]) == batch.labels
        return state, Score(1 - float(alike.mean()), right, sum(map(len, trains[1:])))

    def changes(self, circuit: Circuit, trains: Sequence[Spikes], errors: Events) -> dict[str, NDArray[np.float64]]:
        """The step of every projection before its rate, summed over the batch: name -> (pre, post).

        trains  the spikes of every layer, the input's first
        errors  of the output
        """
        found: dict[str, NDArray[np.float64]] = {}
        events, layers = errors, chain(circuit)
        for k in reversed(range(len(layers))):
            projection, pre, post = layers[k], trains[k], trains[k + 1]
            kernel, last = self.kernel(circuit, projection.post), projection is layers[-1]
            if not last:
                above = layers[k + 1]
                sent = engine.sent_back(
                    events, np.asarray(above.weights), post, self.kernel(circuit, above.post), threads=self.threads
                )
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
