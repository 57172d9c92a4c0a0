"""ReSuMe: remote supervision (Ponulak and Kasinski, Neural Computation 22:467, 2010, doi:10.1162/neco.2009.11-08-901).

The weight of an input grows where a spike is missing, and shrinks where one is too many, by how lately the input fired,
and by an amount that is the same for all inputs:

    dw_j = r sum over error instants t of  e(t) (a + sum over spikes s < t of input j of exp(-(t - s)/tau))

It is for one layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Window
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit
from snnlab.rules.common.chain import chain
from snnlab.rules.common.validation import check_not_negative
from snnlab.rules.spike_time.base import Timed


@dataclass(frozen=True)
class ReSuMe(Timed):
    """The rule; `learning_rate` is what an error adds to the weight of an input that has fired just before, in ampere.

    tau        of the learning window, in seconds
    unhebbian  a, the part that does not depend on the input
    """

    learning_rate: float = 1e-10
    tau: float = 5e-3
    unhebbian: float = 0.05

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.tau < float("inf"):
            raise InputError("ReSuMe.tau", f"found {self.tau}", "needs seconds, above 0")
        check_not_negative(self, "unhebbian")

    def changes(
        self, circuit: Circuit, trains: Sequence[SpikeTrains], errors: Events
    ) -> dict[str, NDArray[np.float64]]:
        inputs, output = trains
        window = Window(self.tau)
        summed, _ = engine.error_products(inputs, errors, output.size, window, normalised=False)
        net = np.bincount(errors.neuron, errors.value, minlength=output.size)
        (projection,) = chain(circuit, self.name)
        return {projection.name: self.learning_rate * (summed + self.unhebbian * net)}
