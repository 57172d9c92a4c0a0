"""What a learning rule is: a value that turns what a network did into weight changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit

Inputs: TypeAlias = SpikeTrains | RateInput
"""What an encoder makes of a batch of samples."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Stimuli and what they are.

    inputs   Spikes or Rates of the circuit's source
    labels   int64 (samples,)
    epoch    counted from 1
    epochs   how many there are to be
    weights  (samples,) how much each counts in what is learned, at least 0; None for all alike

    Raises InputError for weights of other numbers.
    """

    inputs: Inputs
    labels: NDArray[np.int64]
    epoch: int = 1
    epochs: int = 1
    weights: NDArray[np.floating] | None = None

    def __post_init__(self) -> None:
        if self.weights is None:
            return
        if self.weights.shape != self.labels.shape:
            raise InputError("batch", f"weights {self.weights.shape}", f"needs one for each label, {self.labels.shape}")
        if not (np.isfinite(self.weights) & (self.weights >= 0)).all():
            found = f"weights from {self.weights.min():g} to {self.weights.max():g}"
            raise InputError("batch", found, "needs numbers, at least 0")


@dataclass(eq=False)
class State:
    """All that a rule carries from batch to batch; a checkpoint holds exactly this.

    weights  projection -> (pre, post), in SI units of the receptor
    memory   what the optimiser remembers, by name
    steps    batches learned from
    """

    weights: dict[str, NDArray[np.floating]]
    memory: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    steps: int = 0


@dataclass(frozen=True, eq=False)
class BatchMetrics:
    """How one batch went, before the weights were changed.

    loss    mean over samples, in the rule's own terms
    right   bool (samples,)  whether the label was answered
    spikes  fired by all populations, summed over the batch; none by cells that are heard by a rate
    """

    loss: float
    right: NDArray[np.bool_]
    spikes: int

    @property
    def correct(self) -> int:
        return int(np.count_nonzero(self.right))

    @property
    def samples(self) -> int:
        return len(self.right)


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a network says to a batch.

    counts    (samples, outputs) spikes of each output neuron, or its rate
    labels    int64 (samples,)   the class chosen
    activity  population -> (samples, neurons) spikes of each of its neurons, whole numbers; or its rate
    crossed   the projections that the answer came through, None for all
    settling  steps in which cells heard one another until they rested: what populations say crossed its weights in each
              of them, what sources say, which stays, once
    """

    counts: NDArray[np.int32] | NDArray[np.floating]
    labels: NDArray[np.int64]
    activity: Mapping[str, NDArray[np.int32] | NDArray[np.floating]]
    crossed: tuple[str, ...] | None = None
    settling: int = 1


class Rule(Protocol):
    """A published learning rule. Its State is made by `init` and changed by `step` alone.

    fixed  what of a State's memory `init` draws and nothing changes
    """

    @property
    def fixed(self) -> tuple[str, ...]: ...

    def init(self, circuit: Circuit, rng: np.random.Generator) -> State:
        """Weights before learning. Raises InputError for a circuit that the rule is not defined on."""

    def check(self, circuit: Circuit, classes: int) -> None:
        """Raises InputError where samples of so many classes cannot be what it is to answer."""

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        """Learn from one batch. The arrays of `state` may be reused for the state returned."""

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        """Answer without learning."""

    def on(self, threads: int | None) -> Self:
        """The same rule, worked out on so many threads, None for all cores; it learns the same."""


@runtime_checkable
class CreditRule(Rule, Protocol):
    """A rule that says what a batch asks of the weights, so that it can be held against the gradient."""

    def updates(self, circuit: Circuit, state: State, batch: Batch) -> Mapping[str, NDArray[np.floating]]:
        """How the batch would change weights, the mean over its samples: projection -> (pre, post).

        Before schedules and decay, and of those weights alone that learn from the batch. Leaves `state` as it is.
        """

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> Mapping[str, NDArray[np.floating]]:
        """-dE/dw, exactly: of half the squared error of the output's rates, the mean over samples.

        Of weights that lead to the answer forwards; of none where the rule has no gradient.
        """


@runtime_checkable
class SpikingRule(Rule, Protocol):
    """A rule for cells that fire: its answers can be read from spikes, whoever simulated them."""

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        """The class chosen (samples,), from the spikes of the output."""

    def wanted(self, state: State, labels: NDArray[np.int64], output: SpikeTrains) -> SpikeTrains | None:
        """The spikes that the output is to fire for samples with these labels; None where times are of no matter.

        output  of as many samples and steps
        """


@runtime_checkable
class RunningRule(Rule, Protocol):
    """A rule whose circuit runs in time, so that potentials of its cells can be looked at."""

    def recording(self, circuit: Circuit, state: State, inputs: Inputs, labels: NDArray[np.int64]) -> Recording:
        """One sample, a batch of one: at first without a teacher, and from half of the time on with one."""


def spikes(inputs: Inputs, rule: str) -> SpikeTrains:
    """The inputs of a rule that learns from spikes. Raises InputError for rates."""
    if isinstance(inputs, SpikeTrains):
        return inputs
    raise InputError("encoder", "makes rates", f"{rule} learns from spikes: set encoder=poisson, or another that fires")


def steady(inputs: Inputs, rule: str) -> NDArray[np.floating]:
    """The rates (samples, neurons) of a rule that learns from such as stay as they are.

    Raises InputError for others.
    """
    if isinstance(inputs, SpikeTrains):
        raise InputError("encoder", "makes spikes", f"{rule} learns from steady rates: set encoder=intensity")
    if inputs.segments > 1:
        raise InputError("encoder", f"makes rates of {inputs.segments} stretches", f"{rule} learns from steady ones")
    return inputs.values[:, 0]
