"""Correlative information maximization (Bozkurt, Pehlevan and Erdogan, NeurIPS 2023, arXiv:2306.04810).

Every layer is to know as much as it can of the next, with its rates kept between 0 and 1 (or sparse). As information is
symmetric, it can be written with errors of predicting upwards, r_k+1 - W_k r_k, or downwards, r_k - C_k r_k+1: forward
and backward weights are two regressions, and none needs the other's numbers. Cells follow the gradient of it all, which
is what the three-compartment cells of snnlab/networks/corinfomax.py do. For every batch there are two phases:

    free    all cells begin at 0; there is no teacher
    nudged  somata begin at the rates that they came to; the output is pulled to the label with strength beta

beta is +1 or -1, by chance. With the errors of both phases, each at its end, and the mean < > over the batch,

    forward   W_k += rate/beta [<error up   * r_k  > nudged - < > free]
    backward  C_k += rate/beta [<error down * r_k+1> nudged - < > free]
    lateral   B_k <- (B_k - gamma <z z'>)/forgetting, with z = B_k r_k of the nudged phase

and gamma = (1 - forgetting)/forgetting. The lateral rule keeps B_k the inverse of the correlations of r_k as they are
remembered. There are no biases. Tests are free phases: the class is that of the output with the highest rate.

One thing differs from the authors' code. There a layer hears the rates that the layer below has come to in the same
step; here, and on the cards, all layers move at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from snnlab.engine import Precision
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products, propagate
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common import seeding
from snnlab.rules.common.gradient_angle import angle
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of
from snnlab.rules.corinfomax import relaxation
from snnlab.rules.corinfomax.relaxation import Body, NetworkState
from snnlab.rules.corinfomax.unrolled import descent
from snnlab.rules.rate.forward import check_classes, each, scored, targets
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "CorInfoMax"
_SIGNS = "signs"  # what the sign of beta is drawn from, beside the number of the batch


@dataclass(frozen=True)
class CorInfoMax:
    """The rule for networks of CorInfoMaxNetwork, with as many outputs as classes.

    learning_rate  of forward weights onto each layer, the output's last; one number for all alike
    backward_learning_rate  of weights onto each hidden layer from above; 0 for weights that stay
    schedule   of both
    free       steps without a teacher; so many lead to an answer
    nudged     steps with one
    nudge      strength of the teacher, |beta|
    signs      whether beta is below 0 in half of the batches, by chance
    precision  of weights and rates: "float32" or "float64"

    Raises InputError for options that mean nothing.
    """

    learning_rate: tuple[float, ...] = (1.0, 0.7)
    backward_learning_rate: tuple[float, ...] = (0.15,)
    schedule: Schedule = Schedule("exponential", gamma=(0.95, 0.9), milestones=(15,))
    free: int = 30
    nudged: int = 10
    nudge: float = 1.0
    signs: bool = True
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "backward_learning_rate")
        for name in ("free", "nudged"):
            if getattr(self, name) < 1:
                raise InputError(f"{_NAME}.{name}", f"found {getattr(self, name)}", "needs at least one step")
        if not 0 < self.nudge < float("inf"):
            raise InputError(f"{_NAME}.nudge", f"found {self.nudge}", "needs a strength above 0; its sign is drawn")
        check_one_of(self, precision=Precision)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        body = relaxation.body(circuit, _NAME)
        check_classes(circuit, classes)
        each(self.learning_rate, len(body.layers), "learning_rate")
        each(self.backward_learning_rate, len(body.layers) - 1, "backward_learning_rate")
        relaxation.check_steps(body)
        shapes = {one.name: one.weights.shape for one in circuit.projections}
        weights = {name: _xavier(shapes[name], rng) for name in (*body.forward, *body.backward)}
        constants: dict[str, Values] = {_SIGNS: seeding.new_seed(rng)}
        # last, so that all else begins alike without them
        for name in body.beside:
            half = _xavier(shapes[name], rng)
            weights[name] = half @ half.T
        return State({name: values.astype(self.precision) for name, values in weights.items()}, constants=constants)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        body = relaxation.body(circuit, _NAME)
        found, free, wanted = self._asked(
            circuit, state, batch, self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        )
        apply_updates(list(found.values()))
        for name in body.beside:
            state.weights[name] /= state.weights[name].dtype.type(body.forgetting)
        state.steps += 1
        return state, scored(free.r[-1], wanted, batch.labels)

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        return outer_products(self._asked(circuit, state, batch, 1.0)[0])

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        """Of forward weights, through the steps of the free phase; of none where multipliers keep rates sparse."""
        body = relaxation.body(circuit, _NAME)
        if body.speeds:
            return {}
        return descent(body, state.weights, *self._given(circuit, body, batch), self.free)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        body = relaxation.body(circuit, _NAME)
        seen = constant_rates(inputs, _NAME).astype(self.precision, copy=False)
        below = relaxation.drive(body, state.weights, seen)
        rates = relaxation.settled(body, state.weights, below, self.free).r
        activity = dict(zip(body.layers, rates, strict=True))
        return Prediction(rates[-1], rates[-1].argmax(axis=1), activity)

    def _asked(
        self, circuit: Circuit, state: State, batch: Batch, factor: float
    ) -> tuple[dict[str, WeightUpdate], NetworkState, Values]:
        """What a batch is to change, where it came to without a teacher, and the rates that were wanted."""
        body = relaxation.body(circuit, _NAME)
        seen, wanted, counts = self._given(circuit, body, batch)
        beta = self.beta(state)
        free, nudged = self.phases(body, state, seen, wanted, beta)
        return self.changes(body, state, seen, free, nudged, counts, factor / beta), free, wanted

    def _given(self, circuit: Circuit, body: Body, batch: Batch) -> tuple[Values, Values, Values]:
        """Rates of the input, those wanted of the output, and how much each sample counts."""
        seen = constant_rates(batch.inputs, _NAME).astype(self.precision, copy=False)
        wanted = targets(batch.labels, (len(seen), circuit[body.layers[-1]].size), 0.0, 1.0).astype(self.precision)
        return seen, wanted, np.ones(len(seen)) if batch.weights is None else batch.weights

    def inference(self, circuit: Circuit) -> Inference:
        body = relaxation.body(circuit, _NAME)
        return Inference((*body.forward, *body.backward, *body.beside), self.free)

    def beta(self, state: State) -> float:
        """The strength of the teacher for the next batch, with its sign: the same whenever the batch is come to."""
        if not self.signs:
            return self.nudge
        return self.nudge if seeding.generator(state, _SIGNS).integers(2) else -self.nudge

    def phases(
        self, body: Body, state: State, seen: Values, wanted: Values, beta: float
    ) -> tuple[NetworkState, NetworkState]:
        """Where the cells come to without a teacher, and with one."""
        below = relaxation.drive(body, state.weights, seen)
        free = relaxation.settled(body, state.weights, below, self.free)
        nudged = relaxation.settled(body, state.weights, below, self.nudged, after=free, nudge=beta, target=wanted)
        return free, nudged

    def changes(
        self,
        body: Body,
        state: State,
        seen: Values,
        free: NetworkState,
        nudged: NetworkState,
        counts: Values,
        eased: float,
    ) -> dict[str, WeightUpdate]:
        """What every weight is to learn of both phases; lateral ones are to be divided by the forgetting after it.

        counts  how much each sample counts (samples,)
        eased   factor of the learning rates, over beta
        """
        weights, many = state.weights, len(body.layers)
        share = (counts / len(counts)).astype(seen.dtype)[:, None]
        first, *others = each(self.learning_rate, many, "learning_rate")
        found: dict[str, WeightUpdate] = {}
        if first:
            # the input is the same in both phases, and so is what it predicts
            apart = share * (nudged.r[0] - free.r[0])
            found[body.forward[0]] = WeightUpdate(weights[body.forward[0]], seen, apart, eased * first)

        rates = [np.concatenate(phases) for phases in zip(nudged.r, free.r, strict=True)]
        signed = np.concatenate((share, -share))

        def contrast(name: str, rate: float, before: int, after: int) -> None:
            """Of the error in predicting the rates of one layer from those of another."""
            if rate:
                error = rates[after] - propagate(weights[name], rates[before])
                found[name] = WeightUpdate(weights[name], rates[before], signed * error, eased * rate)

        for k, rate in enumerate(others, start=1):
            contrast(body.forward[k], rate, k - 1, k)
        for k, rate in enumerate(each(self.backward_learning_rate, many - 1, "backward_learning_rate")):
            contrast(body.backward[k], rate, k + 1, k)
        for name, said in zip(body.beside, nudged.r, strict=False):
            z = propagate(weights[name], said)
            found[name] = WeightUpdate(weights[name], z, share * z, -body.gamma)
        return found


def feedback_angles(circuit: Circuit, state: State) -> list[float]:
    """Degrees between the forward weights onto every layer but the first, and the backward weights beside them.

    90 for weights that have nothing to do with one another, 0 for those that are each other's transpose.
    """
    body = relaxation.body(circuit, _NAME)
    pairs = zip(body.forward[1:], body.backward, strict=True)
    return [angle(state.weights[up], state.weights[down].T) for up, down in pairs]


def _xavier(shape: tuple[int, ...], rng: np.random.Generator) -> Values:
    """Uniform with the variance 2/(pre + post) (Glorot and Bengio, AISTATS 2010)."""
    widest = np.sqrt(6 / sum(shape))
    return rng.uniform(-widest, widest, shape)
