"""Backpropagation (Rumelhart, Hinton and Williams, Nature 323:533, 1986): the control for learning by dendritic error.

Plain stochastic gradient descent on E = 1/2 sum_i (r_i - y_i)^2 of the output's rates, in the basal weights of a
microcircuit and nothing else. Its forward pass is the sweep up of the two-sweep rule, with hidden cells held back by
apical dendrites at rest: of the same weights both make the same rates, and a difference in what is learned is one in
the learning.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self, get_args

import numpy as np

from snnlab.circuit import Circuit
from snnlab.engine import Precision, one_blas_thread
from snnlab.engine.dense import Change, changed
from snnlab.errors import Refused, one_of
from snnlab.rules import sweep
from snnlab.rules.decay import Decay, decayed
from snnlab.rules.rule import Answer, Batch, Inputs, Score, State, steady
from snnlab.rules.sweep import Anatomy, with_bias
from snnlab.rules.transfer import Values

_NAME = "backpropagation"


@dataclass(frozen=True)
class Backprop:
    """The rule for the basal weights of microcircuits, with as many outputs as classes.

    rate       a weight falls by the rate times its gradient, the mean over the batch
    decay      of the rate: "none", "sqrt" for 1/sqrt(epoch), "cosine" for half a wave that comes to 0 after the last
               epoch, "late" for one that stays for two thirds of the epochs and then falls evenly to 0
    spread     weights begin uniform in [-spread, spread]
    low        rate wanted of all other outputs
    high       rate wanted of the output of the label
    precision  of weights and rates: "float32" or "float64"
    threads    None for all cores; what is learned does not depend on it

    Raises Refused for options that mean nothing.
    """

    rate: float = 0.1
    decay: Decay = "none"
    spread: float = 0.1
    low: float = 0.1
    high: float = 0.8
    precision: Precision = "float32"
    threads: int | None = None

    def __post_init__(self) -> None:
        for name in ("rate", "spread"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise Refused(f"Backprop.{name}", f"found {getattr(self, name)}", "needs a number, at least 0")
        for name, kind in (("decay", Decay), ("precision", Precision)):
            if getattr(self, name) not in get_args(kind):
                found = str(getattr(self, name))
                raise Refused(f"Backprop.{name}", f"found {found!r}", one_of(found, get_args(kind)))
        if not self.low < self.high:
            raise Refused("Backprop.high", f"found {self.high}", f"needs more than {self.low}, the rate of the others")

    @property
    def fixed(self) -> tuple[str, ...]:
        return ()

    def init(self, circuit: Circuit, rng: np.random.Generator) -> State:
        body = sweep.anatomy(circuit, _NAME)
        names = [layer.basal for layer in body.layers]
        names += [with_bias(name) for name in names] if body.bias else []
        shapes = {projection.name: projection.weights.shape for projection in circuit.projections}
        spread = self.spread
        return State({name: rng.uniform(-spread, spread, shapes[name]).astype(self.precision) for name in names})

    def check(self, circuit: Circuit, classes: int) -> None:
        sweep.check_settles(circuit)
        sweep.check_classes(circuit, classes)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, Score]:
        body = sweep.anatomy(circuit, _NAME)
        seen = steady(batch.inputs, _NAME).astype(self.precision, copy=False)
        _, rates = sweep.up(body, state.weights, seen, self.threads)
        wanted = sweep.targets(batch.labels, (len(seen), rates[-1].shape[1]), self.low, self.high)
        error = (rates[-1] - wanted).astype(self.precision)
        counts = 1.0 if batch.weights is None else batch.weights[:, None].astype(self.precision)
        eta = decayed(self.rate, self.decay, batch.epoch, batch.epochs) / len(seen)
        descents = [Change(state.weights[name], before, delta, -eta)
                    for name, before, delta in self.gradients(body, state, rates, counts * error)]  # fmt: skip
        changed(descents, threads=self.threads)
        state.steps += 1
        right = rates[-1].argmax(axis=1) == batch.labels
        return state, Score(0.5 * float(np.square(error).sum()) / len(seen), right, 0)

    def gradients(
        self, body: Anatomy, state: State, rates: list[Values], error: Values
    ) -> list[tuple[str, Values, Values]]:
        """(projection, before, delta) of all weights: before.T @ delta is the gradient, summed over samples.

        rates  of the input and every layer
        error  dE/dr of the output (samples, classes)
        """
        found: list[tuple[str, Values, Values]] = []
        ones = np.ones((len(error), 1), dtype=error.dtype)
        for layer, before, after in reversed(list(zip(body.layers, rates, rates[1:], strict=False))):
            delta = layer.mix.alone * body.transfer.slope(after) * error
            found.append((layer.basal, before, delta))
            if body.bias:
                found.append((with_bias(layer.basal), ones, delta))
            if layer is not body.layers[0]:
                with one_blas_thread():
                    error = delta @ state.weights[layer.basal].T
        return found

    def respond(self, circuit: Circuit, state: State, inputs: Inputs) -> Answer:
        return sweep.answer(sweep.anatomy(circuit, _NAME), state, steady(inputs, _NAME), self.threads)

    def on(self, threads: int | None) -> Self:
        return replace(self, threads=threads)
