"""NormAD: normalised approximate descent on the membrane potential, for target spike times.

Anwani and Rajendran, IJCNN 2015 (doi:10.1109/IJCNN.2015.7280618); multilayer: arXiv:1811.10678, Neurocomputing 380:67,
2020.

The error of an output neuron is

    e(t) = S_target(t) - S_out(t)

At these times its potential should move by sign e(t): descent on 1/2 integral |e| (V_target - V)^2 dt. The derivative
of the potential by the weights is approximated by d(t), the input spikes filtered by the synapse alpha and a leak h,
whose time constant is a tenth of the membrane's to account for the resets,

    d(t) = (S_in * alpha * h)(t),   h(t) = exp(-t/tau_L)/C

V_target is unknown, so the step is normalised:

    dW = r sum over error times t of  e(t) d(t)/||d(t)||

In hidden layers the derivative of a spike train by its own potential is approximated by the train itself; errors are
filtered backwards in time,

    eps(t) = e(t)/||d(t)||
    delta_h(t) = S_h(t) [W_o^T (eps * alpha(-t) * h(-t))](t)
    dW_h = r_h sum over hidden spikes t of  delta_h(t) d_in(t)

and so on for lower layers. The authors' normalisation of the hidden step is not known: only the abstract of the second
paper was available. Of the three variants of `hidden_normalisation`, "rescaled" solves most problems in the fewest
epochs, each at its best rate: 19 of 20 in a median of 84 epochs; "plain" 18 in 204; "normalised" 16 in 167; see
docs/spike_times.md.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from snnlab import engine
from snnlab.brian.quantities import to_si
from snnlab.data.fields import option
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Kernel
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.chain import chain, layer
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_positive, check_share
from snnlab.rules.spike_time.base import SpikeTimeRule, Weights

HiddenNormalisation = Literal["rescaled", "normalised", "plain"]

_SYNAPSE = ("tau_1", "tau_2")  # parameters of the synapse card


@dataclass(frozen=True)
class NormAD(SpikeTimeRule):
    """NormAD; `learning_rate` is the length of the output weights' step per error, in ampere."""

    learning_rate: float = option(1e-9, "length of the step per error of the output weights, in ampere")
    hidden_learning_rate: float = option(3e-9, "the same for hidden weights, in the units of hidden_normalisation")
    hidden_normalisation: HiddenNormalisation = option(
        "rescaled",
        '"rescaled": the hidden step has the length of the root of the errors per sample; "normalised": '
        'd_in(t)/||d_in(t)|| in place of d_in(t); "plain": none',
    )
    tau_L: float = option(1e-3, "time constant of the leak h, in seconds")
    min_norm: float = option(
        0.01, "errors are ignored where ||d(t)|| is below this share of its mean over the sample's errors; so are "
        "hidden spikes that are divided by ||d_in(t)||"
    )  # fmt: skip
    hidden_init_scale: float = option(
        14e-9,
        "standard deviation of a hidden neuron's initial normal weights, times the root of their number, in ampere",
    )
    hidden_init_mean: float = option(0.3, "mean of the initial hidden weights, in standard deviations")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_not_negative(self, "hidden_learning_rate", "hidden_init_scale")
        check_positive(self, "tau_L")
        check_share(self, "min_norm")
        check_one_of(self, hidden_normalisation=HiddenNormalisation)
        if not math.isfinite(self.hidden_init_mean):
            raise InputError("NormAD.hidden_init_mean", f"got {self.hidden_init_mean}", "must be finite")

    def init_weights(self, circuit: Circuit, rng: np.random.Generator) -> Weights:
        weights: Weights = {}
        for projection in chain(circuit, self.name):
            self.kernel(circuit, projection.post, projection.receptor)  # raises InputError for other cells
            shape = projection.weights.shape
            if projection.post == circuit.output.name:
                weights[projection.name] = self.init_scale * rng.normal(size=shape)
            else:
                deviation = self.hidden_init_scale / np.sqrt(shape[0])
                weights[projection.name] = deviation * rng.normal(self.hidden_init_mean, 1, shape)
        return weights

    def weight_changes(
        self, circuit: Circuit, weights: Weights, trains: Sequence[SpikeTrains], errors: Events
    ) -> Weights:
        layers = chain(circuit, self.name)
        _check_active(trains, [projection.post for projection in layers[:-1]])
        kernels = [self.kernel(circuit, projection.post, projection.receptor) for projection in layers]
        step, norms = engine.error_products(trains[-2], errors, trains[-1].size, kernels[-1], floor=self.min_norm)
        changes: Weights = {layers[-1].name: self.learning_rate * step}
        events = errors.normalised(norms, self.min_norm)  # eps
        normalised = self.hidden_normalisation == "normalised"
        for k in reversed(range(len(layers) - 1)):
            delta = engine.backpropagate(events, weights[layers[k + 1].name], trains[k + 1], kernels[k + 1])
            events = Events.at_spikes(trains[k + 1], delta)
            step, _ = engine.error_products(
                trains[k], events, trains[k + 1].size, kernels[k],
                normalised=normalised, floor=self.min_norm if normalised else 0.0,
            )  # fmt: skip
            length = float(np.linalg.norm(step))
            if self.hidden_normalisation == "rescaled" and length > 0:
                # for a batch of equal samples, the mean step is that of one sample
                step *= math.sqrt(len(errors) * trains[0].samples) / length
            changes[layers[k].name] = self.hidden_learning_rate * step
        return changes

    def kernel(self, circuit: Circuit, post: str, receptor: str) -> Kernel:
        """alpha * h of a receptor: the approximate effect of a spike on the membrane.

        Raises InputError for cells without a capacitance C, and for synapses without tau_1 and tau_2.
        """
        population = layer(circuit, post, self.name)
        target = population.receptors.get(receptor)
        if target is None or not set(_SYNAPSE) <= target.synapse.parameters.keys():
            hint = "must be a synapse with tau_1 and tau_2, such as double_exponential_current"
            raise InputError(f"{self.name}: {post}", f"no such synapse at {receptor!r}", hint)
        if "C" not in population.cell.parameters:
            problem = f"no capacitance C on {population.cell.path}"
            raise InputError(f"{self.name}: {post}", problem, "must be a cell with C, such as lif_normad")
        synapse = {**target.synapse.parameters, **target.parameters}
        decay, rise = (to_si(synapse[name], "second", f"{post}: {name}") for name in _SYNAPSE)
        capacitance = {**population.cell.parameters, **population.parameters}["C"]
        return Kernel(decay, rise, self.tau_L, to_si(capacitance, "farad", f"{post}: C"))


def _check_active(trains: Sequence[SpikeTrains], hidden: Sequence[str]) -> None:
    """Raises InputError for a batch in which a hidden layer is silent: without spikes it can never learn."""
    for name, train in zip(hidden, trains[1:], strict=False):
        if not len(train):
            hint = "increase hidden_init_scale or reduce rule.hidden_learning_rate"
            raise InputError("rule.hidden_init_scale", f"{name} fires no spike in a whole batch", hint)
