"""Learning by dendritic error in two sweeps (Sacramento, Costa, Bengio and Senn, NeurIPS 2018, arXiv:1810.11393).

The circuit of networks/microcircuit.py, not integrated over time but swept through twice for every sample, as the paper
does for MNIST.

    up      u_k = own v_B_k from the first layer to the output, whose soma hears nothing from above
    nudge   u_N = own v_B_N + above u_target
    down    u_I = own v_I + above u_k+1, then v_A = W_down r_k+1 + W_PI r_I, then u_k = own v_B_k + above v_A

`own` and `above` are the parts that conductances have in a soma's potential; the paper calls the second lambda and has
own = 1 - lambda, which is a leak of 0. Then all weights learn at once, from the mean over the batch, each rule from the
rates that its dendrite heard:

    basal       rate        (r_k - phi(own v_B)) r_k-1
    dendrite    rate        (r_I - phi(v_I)) r_k, of interneurons; v_I in the part that it has without a target
    inhibition  inhibition  (0 - v_A) r_I
    apical      top_down    (r_k - phi(v_TD)) r_k+1

An error shrinks by `above` from layer to layer, so that the rates of basal weights are divided by it, all the way down.

To first order in `above` a step is one of gradient descent on E = sum_i KL(r_i, r_target), the output's rates taken as
probabilities where the transfer is logistic: then -dE/dr is u_target - u, which is what the teacher's pull is made of.

One thing differs from the paper's words. They have u_k = v_B in the sweep up, and interneurons that copy the weights of
the layer above. But in the sweep down a cell is held back by its apical dendrite, also where this is at rest, which the
interneurons then do not expect: without any target there are apical potentials of 0.2 and more in the second hidden
layer from the top, and updates at right angles to the gradient. Here a hidden cell is held back in both sweeps, and
interneurons begin with weights in proportion; without a target apical potentials are then 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from snnlab.engine import Precision
from snnlab.engine.rate.dense import WeightUpdate, apply_updates, outer_products, propagate
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_target_rates
from snnlab.rules.dendritic import passes
from snnlab.rules.dendritic.passes import Anatomy, Start
from snnlab.rules.rate import forward
from snnlab.rules.rate.backprop import Backprop
from snnlab.rules.rate.forward import with_bias
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "the two-sweep rule"


@dataclass(frozen=True, eq=False)
class Swept:
    """Potentials (samples, cells) after the sweep down, in lists from the first layer up.

    heard     rates in the sweep up: of the input, and of every layer
    soma      of every layer
    apical    of every hidden layer
    top_down  what of it the layer above leads to
    dendrite  of the interneurons beside every hidden layer
    inter     their somata
    """

    heard: list[Values]
    soma: list[Values]
    apical: list[Values]
    top_down: list[Values]
    dendrite: list[Values]
    inter: list[Values]


@dataclass(frozen=True)
class TwoSweep:
    """The rule for microcircuits that settle: without noise, and as many outputs as classes.

    learning_rate    of basal weights onto the output, times its part from the teacher
    schedule         of all learning rates
    interneuron      rate of weights onto interneurons, as a multiple of that of the weights that they are to predict
    inhibition       rate of weights from interneurons, 0 for weights that stay as they are
    top_down         rate of weights from the layer above, 0 for weights that stay as they are
    start            of interneurons: "predicting" for what is sent down being taken away exactly, or "random"
    init_scale       bottom-up weights are uniform in [-init_scale, init_scale]; of each layer, or one for all.
                     Random weights onto interneurons have the scale of the layer that they predict
    top_down_init_scale  and weights from the layer above; so do random ones from interneurons
    low              rate wanted of all other outputs
    high             rate wanted of the output of the label
    precision        of weights and potentials: "float32" or "float64"

    Raises InputError for options that mean nothing.
    """

    learning_rate: float = 1e-3
    schedule: Schedule = field(default_factory=Schedule)
    interneuron: float = 2.0
    inhibition: float = 0.0
    top_down: float = 0.0
    start: Start = "predicting"
    init_scale: tuple[float, ...] = (0.1,)
    top_down_init_scale: float = 1.0
    low: float = 0.1
    high: float = 0.8
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        rates = ("learning_rate", "interneuron", "inhibition", "top_down")
        check_not_negative(self, *rates, "init_scale", "top_down_init_scale")
        check_one_of(self, start=Start, precision=Precision)
        check_target_rates(self)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        body = passes.anatomy(circuit, _NAME)
        forward.check_settles(circuit)
        forward.check_classes(circuit, classes)
        passes.check_rates(body.activation, "rule", low=self.low, high=self.high)
        spreads = forward.each(self.init_scale, len(body.layers), "init_scale")
        weights = passes.at_random(circuit, body, spreads, self.top_down_init_scale, rng)
        if self.start == "predicting":
            weights |= passes.predicting(body, weights)
        return State({name: values.astype(self.precision) for name, values in weights.items()})

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        found, swept, wanted = self._asked(
            circuit, state, batch, self.schedule.factor(batch.epoch, batch.epochs, state.steps)
        )
        apply_updates(list(found.values()))
        state.steps += 1
        return state, forward.scored(swept.heard[-1], wanted, batch.labels)

    def update(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        return outer_products(self._asked(circuit, state, batch, 1.0)[0])

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> dict[str, Values]:
        """Of the squared error, as that of all rules, and not of the E above."""
        exact = Backprop(low=self.low, high=self.high, precision=self.precision)
        return exact.update(circuit, state, batch)

    def _asked(
        self, circuit: Circuit, state: State, batch: Batch, eased: float
    ) -> tuple[dict[str, WeightUpdate], Swept, NDArray[np.float64]]:
        """What a batch is to change, what it was swept to, and the rates that were wanted."""
        body = passes.anatomy(circuit, _NAME)
        seen = constant_rates(batch.inputs, _NAME).astype(self.precision, copy=False)
        wanted = forward.targets(batch.labels, (len(seen), circuit[body.layers[-1].name].size), self.low, self.high)
        swept = self.sweeps(body, state, seen, body.activation.inverse(wanted))
        counts = np.ones(len(seen)) if batch.weights is None else batch.weights
        return self.changes(body, state, swept, counts, eased), swept, wanted

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        return forward.answer(passes.anatomy(circuit, _NAME).way, state, constant_rates(inputs, _NAME))

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(tuple(passes.anatomy(circuit, _NAME).way.names))

    def sweeps(self, body: Anatomy, state: State, seen: Values, wanted: NDArray[np.floating] | None) -> Swept:
        """Both sweeps, for rates of the input (samples, inputs).

        wanted  potentials that the output is nudged to (samples, outputs), None for no teacher
        """
        weights, phi, output = state.weights, body.activation.function, body.layers[-1].mix
        basal, rates = forward.up(body.way, weights, seen)
        if wanted is None:
            soma = [output.alone * basal[-1]]
        else:
            soma = [output.own * basal[-1] + (output.above * wanted).astype(seen.dtype)]
        swept = Swept(rates, soma, [], [], [], [])
        for k, (layer, above) in reversed(list(enumerate(passes.pairs(body)))):
            dendrite = forward.heard(weights, layer.dendrite, rates[k + 1])
            inter = layer.between_mix.own * dendrite + layer.between_mix.above * soma[0]
            top_down = propagate(weights[layer.apical(above)], phi(soma[0]))
            apical = top_down + propagate(weights[layer.inhibition], phi(inter))
            soma.insert(0, layer.mix.own * basal[k] + layer.mix.above * apical)
            for known, found in ((swept.dendrite, dendrite), (swept.inter, inter), (swept.top_down, top_down),
                                 (swept.apical, apical)):  # fmt: skip
                known.insert(0, found)
        return swept

    def changes(
        self, body: Anatomy, state: State, swept: Swept, counts: Values, eased: float
    ) -> dict[str, WeightUpdate]:
        """What every plastic connection is to learn, by its name.

        counts  how much each sample counts (samples,)
        eased   what all rates are multiplied by
        """
        phi, weights = body.activation.function, state.weights
        rates = [phi(soma) for soma in swept.soma]
        share = (counts / len(counts)).astype(swept.heard[0].dtype)[:, None]
        ones = np.ones_like(share)

        found: dict[str, WeightUpdate] = {}

        def learn(name: str, eta: float, error: Values, before: Values, bias: bool = False) -> None:
            if eta:
                asked = share * error
                found[name] = WeightUpdate(weights[name], before, asked, eased * eta)
                if bias and (beside := with_bias(name)) in weights:
                    found[beside] = WeightUpdate(weights[beside], ones, asked, eased * eta)

        eta, above = self.learning_rate, None
        for k, layer in reversed(list(enumerate(body.layers))):
            if above is not None:  # a hidden layer
                inter = phi(swept.inter[k])
                unseen = inter - phi(layer.between_mix.alone * swept.dendrite[k])
                learn(layer.dendrite, self.interneuron * eta, unseen, swept.heard[k + 1], bias=True)
                learn(layer.inhibition, self.inhibition, -swept.apical[k], inter)
                surprise = rates[k] - phi(swept.top_down[k]) if self.top_down else rates[k]
                learn(layer.apical(above), self.top_down, surprise, rates[k + 1])
            eta, above = eta / layer.mix.above, layer
            learn(layer.basal, eta, rates[k] - swept.heard[k + 1], swept.heard[k], bias=True)
        return found
