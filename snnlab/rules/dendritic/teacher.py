"""Teachers: the target rates of the output, from the label or from another network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.data.fields import option
from snnlab.errors import InputError
from snnlab.networks.activations import Activation, Values
from snnlab.rules.common.validation import check_outputs
from snnlab.rules.dendritic.steady_state import check_reachable
from snnlab.rules.rate.forward_pass import target_rates

Parameters = Mapping[str, Values]
"""The teacher's own weights, by name."""


class Teacher(Protocol):
    """Defines target rates and the class that output rates stand for."""

    def init(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        """The teacher's parameters, which never change."""

    def check(self, outputs: int, classes: int, activation: Activation) -> None:
        """Raises InputError for numbers of outputs and classes, or target rates, that do not fit the teacher."""

    def targets(
        self, parameters: Parameters, inputs: Values, labels: NDArray[np.int64], outputs: int, activation: Activation
    ) -> Values:
        """Target rates (samples, outputs) for rates of the input (samples, inputs)."""

    def classify(
        self, parameters: Parameters, inputs: Values, rates: Values, activation: Activation
    ) -> NDArray[np.int64]:
        """The class (samples,) of output rates (samples, outputs)."""


@dataclass(frozen=True)
class LabelTeacher:
    """A high target rate for the label's output and a low one for the others; the highest rate is the class.

    Raises InputError unless low is below high.
    """

    low: float = option(0.1, "target rate of the other outputs")
    high: float = option(0.8, "target rate of the label's output")

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise InputError("rule.teacher.high", f"got {self.high}", f"must be above low, {self.low}")

    def init(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        return {}

    def check(self, outputs: int, classes: int, activation: Activation) -> None:
        check_outputs(outputs, classes)
        check_reachable(activation, "rule.teacher", low=self.low, high=self.high)

    def targets(
        self, parameters: Parameters, inputs: Values, labels: NDArray[np.int64], outputs: int, activation: Activation
    ) -> Values:
        return target_rates(labels, (len(inputs), outputs), self.low, self.high, "teacher")

    def classify(
        self, parameters: Parameters, inputs: Values, rates: Values, activation: Activation
    ) -> NDArray[np.int64]:
        return np.asarray(rates.argmax(axis=1), dtype=np.int64)


@dataclass(frozen=True)
class NetworkTeacher:
    """A network phi(b W2 phi(a W1 r)) with random weights, uniform in [-1, 1]; class 0 is a correct output, else 1.

    Raises InputError unless there are neurons, and gains and tolerance are above 0.
    """

    hidden: int = option(20, "neurons of its hidden layer")
    gains: tuple[float, ...] = option((2.0, 10.0), "gains a and b")
    tolerance: float = option(0.02, "an output is correct if its squared error, summed over the outputs, is below this")

    def __post_init__(self) -> None:
        if self.hidden < 1:
            raise InputError("rule.teacher.hidden", f"got {self.hidden}", "must be at least 1")
        if len(self.gains) != 2 or not all(0 < value < float("inf") for value in (*self.gains, self.tolerance)):
            problem = f"got gains {self.gains} and tolerance {self.tolerance}"
            raise InputError("rule.teacher", problem, "must be two gains and a tolerance, finite and above 0")

    def init(self, inputs: int, outputs: int, rng: np.random.Generator) -> dict[str, Values]:
        shapes = {"weights1": (inputs, self.hidden), "weights2": (self.hidden, outputs)}
        return {name: rng.uniform(-1, 1, shape) for name, shape in shapes.items()}

    def check(self, outputs: int, classes: int, activation: Activation) -> None:
        if classes != 2:
            raise InputError("rule.teacher", f"{classes} classes", "must be 2 classes: correct or wrong output")

    def targets(
        self, parameters: Parameters, inputs: Values, labels: NDArray[np.int64], outputs: int, activation: Activation
    ) -> Values:
        first, second = self.gains
        hidden = activation.function(first * (inputs.astype(np.float64) @ parameters["weights1"]))
        return activation.function(second * (hidden @ parameters["weights2"]))

    def classify(
        self, parameters: Parameters, inputs: Values, rates: Values, activation: Activation
    ) -> NDArray[np.int64]:
        targets = self.targets(parameters, inputs, np.zeros(len(rates), dtype=np.int64), rates.shape[1], activation)
        return np.where(np.square(rates - targets).sum(axis=1) < self.tolerance, 0, 1)
