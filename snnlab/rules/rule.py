"""The interface of learning rules, and the values that pass through it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit

Inputs: TypeAlias = SpikeTrains | RateInput
"""A batch of encoded samples."""


@dataclass(frozen=True, eq=False)
class Batch:
    """Encoded samples with their labels.

    inputs   activity of the circuit's source
    labels   int64 (samples,)
    epoch    current epoch, counted from 1
    epochs   total number of epochs
    weights  (samples,) weight of each sample in the loss, at least 0; None for 1

    Raises InputError for weights of another shape, negative or not finite.
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
            hint = f"expected one weight per label, {self.labels.shape}"
            raise InputError("batch", f"got weights of shape {self.weights.shape}", hint)
        if not (np.isfinite(self.weights) & (self.weights >= 0)).all():
            problem = f"got weights from {self.weights.min():g} to {self.weights.max():g}"
            raise InputError("batch", problem, "weights must be finite and at least 0")


@dataclass(eq=False)
class State:
    """Everything that a rule carries from batch to batch; a checkpoint stores exactly this.

    weights          projection -> (pre, post), in SI units of the receptor
    optimizer_state  name -> array that learning updates besides the weights, such as moments of gradients
    constants        name -> array that `init` samples and nothing changes, such as seeds and feedback weights
    steps            batches learned
    """

    weights: dict[str, NDArray[np.floating]]
    optimizer_state: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    constants: dict[str, NDArray[np.floating]] = field(default_factory=dict)
    steps: int = 0

    @property
    def parts(self) -> dict[str, dict[str, NDArray[np.floating]]]:
        """The three groups of arrays by their field's name."""
        return {name: getattr(self, name) for name in ("weights", "optimizer_state", "constants")}


@dataclass(frozen=True, eq=False)
class BatchMetrics:
    """Metrics of one batch, measured before the weights change.

    loss     mean over samples, as the rule defines it
    correct  bool (samples,)  whether the predicted class is the label
    spikes   spikes of all populations, summed over the batch; 0 for rate-based cells
    """

    loss: float
    correct: NDArray[np.bool_]
    spikes: int

    @property
    def n_correct(self) -> int:
        return int(np.count_nonzero(self.correct))

    @property
    def samples(self) -> int:
        return len(self.correct)


@dataclass(frozen=True, eq=False)
class Prediction:
    """A network's output for a batch.

    counts    (samples, outputs) spike count of each output neuron, or its rate
    labels    int64 (samples,)   predicted class
    activity  population -> (samples, neurons) spike counts (integers) or rates (floats)
    """

    counts: NDArray[np.int32] | NDArray[np.floating]
    labels: NDArray[np.int64]
    activity: Mapping[str, NDArray[np.int32] | NDArray[np.floating]]


class Rule(Protocol):
    """A published learning rule: `init` creates its State and only `step` changes it."""

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        """The state before learning.

        classes  number of classes of the samples, checked against the circuit's outputs; None to skip that check

        Raises InputError for circuits and numbers of classes for which the rule is not defined.
        """

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        """Learn from one batch. May reuse the arrays of `state` for the returned state."""

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        """Run the network without learning."""


@runtime_checkable
class GradientRule(Rule, Protocol):
    """A rule whose weight update can be compared with the gradient."""

    def update(self, circuit: Circuit, state: State, batch: Batch) -> Mapping[str, NDArray[np.floating]]:
        """The rule's weight change, mean over the batch: projection -> (pre, post).

        It excludes the learning-rate schedule and weight decay, and has only the weights that the batch changes.
        `state` is unchanged.
        """

    def gradient(self, circuit: Circuit, state: State, batch: Batch) -> Mapping[str, NDArray[np.floating]]:
        """The exact -dE/dw of E = half the squared error of the output rates, mean over the batch.

        Only for forward weights; empty if the rule has no gradient.
        """


@dataclass(frozen=True)
class Inference:
    """The part of a circuit that a prediction uses.

    projections  their names
    steps        relaxation steps, in each of which populations transmit; sources transmit once
    """

    projections: tuple[str, ...]
    steps: int = 1


@runtime_checkable
class RateRule(Rule, Protocol):
    """A rule for rate-based cells, whose predictions may use a part of the circuit or take several steps."""

    def inference(self, circuit: Circuit) -> Inference:
        """What a prediction uses, to count its synaptic operations."""


@runtime_checkable
class SpikingRule(Rule, Protocol):
    """A rule for spiking cells: it classifies output spikes of any simulator."""

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        """The predicted class (samples,) for spikes of the output population."""


@runtime_checkable
class RecordableRule(Rule, Protocol):
    """A rule whose circuit runs in continuous time, so that potentials of its cells can be recorded."""

    def recording(self, circuit: Circuit, state: State, inputs: Inputs, labels: NDArray[np.int64]) -> Recording:
        """Record one sample (a batch of one): the first half without a teacher, the second half with one."""


def spike_inputs(inputs: Inputs, rule: str) -> SpikeTrains:
    """The inputs of a rule that learns from spikes. Raises InputError for rates."""
    if isinstance(inputs, SpikeTrains):
        return inputs
    raise InputError(
        "encoder", "produces rates", f"{rule} requires spikes: set encoder=poisson or another spike encoder"
    )


def constant_rates(inputs: Inputs, rule: str) -> NDArray[np.floating]:
    """The rates (samples, neurons) for a rule that learns from constant rates.

    Raises InputError for spikes and for rates of several segments.
    """
    if isinstance(inputs, SpikeTrains):
        raise InputError("encoder", "produces spikes", f"{rule} requires constant rates: set encoder=intensity")
    if inputs.segments > 1:
        raise InputError("encoder", f"produces rates of {inputs.segments} segments", f"{rule} requires constant rates")
    return inputs.values[:, 0]
