"""What rates the output of a network is to have: for each class of samples, or for each sample by another network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError
from snnlab.networks.activations import Activation, Values
from snnlab.rules.dendritic.passes import check_rates
from snnlab.rules.rate.forward import targets

Drawn = Mapping[str, Values]


class Teacher(Protocol):
    """What output neurons are to say to samples, as rates.

    drawn  the names of what is drawn
    """

    @property
    def drawn(self) -> tuple[str, ...]: ...

    def draw(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        """What it is, once and for all: kept in a State's memory."""

    def check(self, outputs: int, classes: int, phi: Activation) -> None:
        """Raises InputError where samples of so many classes cannot be answered, or by no rate that cells can have."""

    def rates(self, drawn: Drawn, seen: Values, labels: NDArray[np.int64], outputs: int, phi: Activation) -> Values:
        """The rates wanted (samples, outputs) for rates of the input (samples, inputs)."""

    def classify(self, drawn: Drawn, seen: Values, said: Values, phi: Activation) -> NDArray[np.int64]:
        """The class chosen (samples,) where the output says these rates (samples, outputs)."""


@dataclass(frozen=True)
class Labelled:
    """The neuron of the class has a high rate, all others a low one; the answer is the neuron that says most.

    low   rate wanted of all outputs but that of the class
    high  rate wanted of the output of the class

    Raises InputError for rates that are not in this order.
    """

    low: float = 0.1
    high: float = 0.8

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError("rule.teacher.high", f"found {self.high}", f"needs more than {self.low}, the others' rate")

    @property
    def drawn(self) -> tuple[str, ...]:
        return ()

    def draw(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        return {}

    def check(self, outputs: int, classes: int, phi: Activation) -> None:
        if outputs != classes:
            raise InputError(
                "rule.teacher", f"{outputs} outputs, and samples of {classes} classes", "needs one for each"
            )
        check_rates(phi, "rule.teacher", low=self.low, high=self.high)

    def rates(self, drawn: Drawn, seen: Values, labels: NDArray[np.int64], outputs: int, phi: Activation) -> Values:
        return targets(labels, (len(seen), outputs), self.low, self.high)

    def classify(self, drawn: Drawn, seen: Values, said: Values, phi: Activation) -> NDArray[np.int64]:
        return np.asarray(said.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class Network:
    """Another network with a hidden layer, phi(b W2 phi(a W1 r)), its weights uniform from -1 to 1, drawn by the seed.

    hidden  neurons in the teacher's hidden layer
    gains   a and b in the teacher's phi(b W2 phi(a W1 r))
    enough  an answer is of class 0, met, where its squared error summed over the outputs is below this, else of class 1

    Raises InputError for no neurons, and for gains and errors that are not above 0.
    """

    hidden: int = 20
    gains: tuple[float, ...] = (2.0, 10.0)
    enough: float = 0.02

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InputError("rule.teacher.hidden", f"found {self.hidden}", "needs at least 1 neuron")
        if len(self.gains) != 2 or not all(0 < value < float("inf") for value in (*self.gains, self.enough)):
            found = f"found gains {self.gains} and enough {self.enough}"
            raise InputError("rule.teacher", found, "needs two gains and an error, all above 0 and finite")

    @property
    def drawn(self) -> tuple[str, ...]:
        return ("weights1", "weights2")

    def draw(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        sizes = ((inputs, self.hidden), (self.hidden, outputs))
        return {name: rng.uniform(-1, 1, size) for name, size in zip(self.drawn, sizes, strict=True)}

    def check(self, outputs: int, classes: int, phi: Activation) -> None:
        if classes != 2:
            raise InputError("rule.teacher", f"samples of {classes} classes", "needs two: what was met, and missed")

    def rates(self, drawn: Drawn, seen: Values, labels: NDArray[np.int64], outputs: int, phi: Activation) -> Values:
        first, second = self.gains
        hidden = phi.function(first * (seen.astype(np.float64) @ drawn["weights1"]))
        return phi.function(second * (hidden @ drawn["weights2"]))

    def classify(self, drawn: Drawn, seen: Values, said: Values, phi: Activation) -> NDArray[np.int64]:
        wanted = self.rates(drawn, seen, np.zeros(len(said), dtype=np.int64), said.shape[1], phi)
        return np.where(np.square(said - wanted).sum(axis=1) < self.enough, 0, 1)
