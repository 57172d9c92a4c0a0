"""ReSuMe: the remote supervised method.

Ponulak, Kasinski, Neural Computation 22:467, 2010, doi:10.1162/neco.2009.11-08-901.

An input's weight grows at a missing spike and shrinks at a superfluous one: by how recently the input fired, plus an
amount that is the same for all inputs:

    dw_j = r sum over error times t of  e(t) (a + sum over spikes s < t of input j of exp(-(t - s)/tau))

It is defined for a single layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from snnlab import engine
from snnlab.data.fields import option
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Window
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.chain import chain
from snnlab.rules.common.validation import check_not_negative, check_positive
from snnlab.rules.spike_time.base import SpikeTimeRule, Weights


@dataclass(frozen=True)
class ReSuMe(SpikeTimeRule):
    """ReSuMe, for a single layer."""

    learning_rate: float = option(1e-10, "weight change per error of an input that fired immediately before, in ampere")
    tau: float = option(5e-3, "time constant of the learning window, in seconds")
    non_hebbian: float = option(0.05, "a, the term that does not depend on the input")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_positive(self, "tau")
        check_not_negative(self, "non_hebbian")

    def weight_changes(
        self, circuit: Circuit, weights: Weights, trains: Sequence[SpikeTrains], errors: Events
    ) -> Weights:
        inputs, output = trains
        hebbian, _ = engine.error_products(inputs, errors, output.size, Window(self.tau), normalised=False)
        total = np.bincount(errors.neuron, errors.value, minlength=output.size)
        (projection,) = chain(circuit, self.name)
        return {projection.name: self.learning_rate * (hebbian + self.non_hebbian * total)}
