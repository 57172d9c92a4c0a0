"""SPAN: the delta rule on filtered spike trains.

Mohemmed, Schliebs, Matsuda, Kasabov, International Journal of Neural Systems 22:1250012, 2012,
doi:10.1142/S0129065712500128.

The delta rule changes a weight by input times error. In SPAN both are spike trains, filtered by the kernel
alpha(t) ~ t exp(-t/tau):

    dw_j ~ integral (S_j * alpha)(t) (S_target * alpha - S_out * alpha)(t) dt

over all time, also after the sample. The integral over a pair of spikes depends only on their interval, and is tau^3/4
times

    K(t) = (1 + |t|/tau) exp(-|t|/tau)

so that, with all constants in r,

    dw_j = r sum over error times t of  e(t) sum over all spikes s of input j of K(t - s)

Unlike ReSuMe and NormAD, the sum includes input spikes after the error. It is defined for a single layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snnlab.data.fields import option
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.chain import chain
from snnlab.rules.common.validation import check_positive
from snnlab.rules.spike_time.base import SpikeTimeRule, Weights


@dataclass(frozen=True)
class SPAN(SpikeTimeRule):
    """SPAN, for a single layer."""

    learning_rate: float = option(1e-10, "weight change per error of an input that fires at the same time, in ampere")
    tau: float = option(5e-3, "time constant of the filter, in seconds")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "tau")

    def weight_changes(
        self, circuit: Circuit, weights: Weights, trains: Sequence[SpikeTrains], errors: Events
    ) -> Weights:
        inputs, output = trains
        change = np.zeros((inputs.size, output.size))
        for number in range(inputs.samples):
            _, step, source = inputs.sample(number).events()
            own = slice(*np.searchsorted(errors.sample, [number, number + 1]))
            lag = np.abs(step[:, None] - errors.step[own]) * inputs.dt / self.tau
            np.add.at(change, (source[:, None], errors.neuron[own]), errors.value[own] * (1 + lag) * np.exp(-lag))
        (projection,) = chain(circuit, self.name)
        return {projection.name: self.learning_rate * change}
