"""SPAN: the delta rule on filtered spike trains.

Mohemmed, Schliebs, Matsuda, Kasabov, International Journal of Neural Systems 22:1250012, 2012,
doi:10.1142/S0129065712500128.

Widrow and Hoff change a weight by input times error. SPAN does so with spike trains, each spike of which it replaces by
a function of time, alpha(t) = t exp(-t/tau), times a constant:

    dw_j ~ integral (S_j * alpha)(t) (S_des * alpha - S_out * alpha)(t) dt

over all time, also after the sample. The integral over a pair of spikes depends on what lies between them alone, and is
tau^3/4 times

    K(t) = (1 + |t|/tau) exp(-|t|/tau)

so that, with all constants in r,

    dw_j = r sum over error instants t of  e(t) sum over all spikes s of input j of K(t - s)

Unlike those of ReSuMe and NormAD the sum has spikes after the error, too. It is for one layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.chain import chain
from snnlab.rules.spike_time.base import Timed


@dataclass(frozen=True)
class SPAN(Timed):
    """The rule; `learning_rate` is what an error adds to the weight of an input that fires at the same time, in ampere.

    tau  of the filter, in seconds
    """

    learning_rate: float = 1e-10
    tau: float = 5e-3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tau < float("inf"):
            raise InputError("SPAN.tau", f"found {self.tau}", "needs seconds, above 0")

    def changes(
        self, circuit: Circuit, trains: Sequence[SpikeTrains], errors: Events
    ) -> dict[str, NDArray[np.float64]]:
        inputs, output = trains
        summed = np.zeros((inputs.size, output.size))
        for number in range(inputs.samples):
            _, fired, source = inputs.sample(number).events()
            mine = slice(*np.searchsorted(errors.sample, [number, number + 1]))
            lag = np.abs(fired[:, None] - errors.step[mine]) * inputs.dt / self.tau
            np.add.at(summed, (source[:, None], errors.neuron[mine]), errors.value[mine] * (1 + lag) * np.exp(-lag))
        (projection,) = chain(circuit, self.name)
        return {projection.name: self.learning_rate * summed}
