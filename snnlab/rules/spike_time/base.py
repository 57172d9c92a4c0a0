"""What rules share that teach neurons to fire at desired times: the error, the loop of a batch, and the answer.

An error is a spike that is missing or one too many, e(t) = S_des(t) - S_out(t). A rule says how weights are to change
for the errors of a batch; the changes are averaged over its samples and applied after it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.analysis.distances import correlation
from snnlab.brian.quantities import to_seconds, to_si
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Precision
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.common.chain import chain, layer
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of
from snnlab.rules.rule import Batch, BatchMetrics, Inputs, Prediction, State, spike_inputs
from snnlab.rules.spike_time.target_trains import Desired, Drawn, Paced

Decision = Literal["correlation", "count"]

_DESIRED = "desired"  # class, neuron and time of every desired spike, in a State's memory
_LEAST = 0.1  # that rates are multiplied by while they are eased


@dataclass(frozen=True)
class Timed(ABC):
    """A rule for desired spike times, but for how weights change.

    desired      when the output is to fire
    learning_rate  by which an error moves weights, in ampere
    schedule     of all learning rates
    loss_scaling  learning rates are multiplied by loss_scaling * loss, limited to 0.1 to 1; 0 for no scaling. Ours
    init_scale   weights of the output begin normal, with this deviation, in ampere
    decision     "correlation": the class whose desired trains the output's are most like; "count": the neuron that
                 fires most, for `Paced` trains alone, of which each class has a neuron of its own
    enough       where the best correlation is below this, the answer is the class after all those that have trains
    precision    of the network: "float32" or "float64"; changes are float64

    Raises InputError for options that mean nothing.
    """

    desired: Desired = field(default_factory=Drawn)
    learning_rate: float = 0.0
    schedule: Schedule = field(default_factory=Schedule)
    loss_scaling: float = 0.0
    init_scale: float = 0.0
    decision: Decision = "correlation"
    enough: float = 0.0
    precision: Precision = "float64"

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "loss_scaling", "init_scale")
        if not 0 <= self.enough <= 1:
            raise InputError(f"{self.name}.enough", f"found {self.enough}", "needs a correlation, 0 to 1")
        check_one_of(self, decision=Decision)
        if self.decision == "count" and not isinstance(self.desired, Paced):
            found = f"found 'count', and desired trains that are {type(self.desired).__name__}"
            raise InputError(f"{self.name}.decision", found, "needs 'correlation', or Paced trains")

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def changes(
        self, circuit: Circuit, trains: Sequence[SpikeTrains], errors: Events
    ) -> dict[str, NDArray[np.float64]]:
        """How the weights of each projection are to change, summed over the batch: name -> (pre, post).

        trains  the spikes of every layer, the input's first
        errors  of the output
        """

    def start(self, circuit: Circuit, rng: np.random.Generator) -> dict[str, NDArray[np.floating]]:
        """Weights before learning, by projection. Raises InputError for a circuit that the rule is not defined on.

        That of a rule that is defined for one layer alone; others have their own.
        """
        layers = chain(circuit, self.name)
        if len(layers) > 1:
            found = f"{len(layers) - 1} hidden layer{'s' if len(layers) > 2 else ''}"
            raise InputError(f"{self.name}: network.hidden", found, "needs none: it is defined for one layer")
        return {layers[0].name: self.init_scale * rng.normal(size=layers[0].weights.shape)}

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        if classes is not None:
            self._check_classes(circuit, classes)
        for projection in chain(circuit, self.name):
            if not isinstance(projection.weights, np.ndarray):
                found = f"shared weights onto {projection.post}"
                right = "needs layers with a weight for each pair, such as 50"
                raise InputError(f"{self.name}: network.hidden", found, right)
            if to_si(projection.delay, "second", f"{projection.name}: delay"):
                raise InputError(f"{self.name}: {projection.name}", f"a delay of {projection.delay}", "needs none")
        output = layer(circuit, circuit.nodes[-1].name, self.name)
        # before the weights, so that a seed's times are the same whatever the network and the rule
        times = self.desired.times(output.size, rng)
        _check_gaps(times, output, to_seconds(circuit.dt, "circuit: dt"))
        weights = {name: values.astype(self.precision) for name, values in self.start(circuit, rng).items()}
        return State(weights, constants={_DESIRED: times})

    def _check_classes(self, circuit: Circuit, classes: int) -> None:
        known = self.desired.classes(circuit.nodes[-1].size)
        if known > classes:
            raise InputError("rule.desired", f"trains for {known} classes", f"the samples are of {classes}")
        if self.enough == 0 and known == 1:
            right = "needs a correlation above 0, or every answer is right"
            raise InputError("rule.enough", "found 0, and trains for one class alone", right)
        if self.enough > 0 and known == classes:
            found = f"found {self.enough}, and trains for each of the {classes} classes"
            raise InputError("rule.enough", found, "needs 0, or samples with a class more, for what is like none")

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        circuit = circuit.with_weights(state.weights)
        inputs = spike_inputs(batch.inputs, self.name)
        trains = self._trains(circuit, inputs)
        output = trains[-1]
        wanted = self.target_trains(state, batch.labels, output)
        if not state.steps:
            _check_heard(wanted, inputs)
        if self.decision == "count":
            alike, answer = correlation(wanted, output).mean(), self._busiest(output)
        else:
            every = self._alike(state, output)
            alike, answer = every[np.arange(output.samples), batch.labels].mean(), self._likest(every)
        share = self.rate_factor(batch, state.steps, 1 - float(alike)) / output.samples
        errors = mistakes(wanted, output)
        if batch.weights is not None:
            errors = replace(errors, value=errors.value * batch.weights[errors.sample])
        for name, change in self.changes(circuit, trains, errors).items():
            state.weights[name] += (share * change).astype(self.precision)
        state.steps += 1
        return state, BatchMetrics(1 - float(alike), answer == batch.labels, sum(map(len, trains[1:])))

    def rate_factor(self, batch: Batch, steps: int, loss: float) -> float:
        """Factor of all learning rates, for a batch with this loss after so many steps."""
        scaled = min(1.0, max(_LEAST, self.loss_scaling * loss)) if self.loss_scaling else 1.0
        return self.schedule.factor(batch.epoch, batch.epochs, steps) * scaled

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        trains = self._trains(circuit.with_weights(state.weights), spike_inputs(inputs, self.name))
        activity = {node.name: one.counts().astype(np.int32) for node, one in zip(circuit.nodes, trains, strict=True)}
        activity.pop(circuit.sources[0].name)
        return Prediction(activity[circuit.nodes[-1].name], self.classify(state, trains[-1]), activity)

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        return self._busiest(output) if self.decision == "count" else self._likest(self._alike(state, output))

    def _busiest(self, output: SpikeTrains) -> NDArray[np.int64]:
        return output.counts().argmax(axis=1)

    def _alike(self, state: State, output: SpikeTrains) -> NDArray[np.float64]:
        """The correlation of each sample's output with what is desired of each class (samples, classes)."""
        classes = range(self.desired.classes(output.size))
        wanted = (self.target_trains(state, np.full(output.samples, label), output) for label in classes)
        return np.column_stack([correlation(output, one).mean(axis=1) for one in wanted])

    def _likest(self, alike: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.where(alike.max(axis=1) >= self.enough, alike.argmax(axis=1), alike.shape[1])

    def target_trains(self, state: State, labels: NDArray[np.int64], output: SpikeTrains) -> SpikeTrains:
        """The desired trains of samples with these labels, on the grid of the output's.

        Raises InputError for a time after the end of the samples, and for a class that has none.
        """
        known = self.desired.classes(output.size)
        if labels.shape != (output.samples,) or labels.dtype.kind not in "iu":
            right = f"needs a whole number for each of the {output.samples} samples"
            raise InputError("labels", f"{labels.dtype} of shape {labels.shape}", right)
        if len(labels) and not 0 <= labels.min() <= labels.max() < known:
            found = f"trains for {known} classes, and samples of classes {labels.min()} to {labels.max()}"
            raise InputError("rule.desired", found, f"needs samples of classes 0 to {known - 1}")
        label, neuron, time = state.constants[_DESIRED].T
        step = np.rint(time / output.dt)
        if len(step) and step.max() >= output.steps:
            found = f"a spike at {time.max() * 1e3:g} ms, and samples of {output.duration * 1e3:g} ms"
            raise InputError("rule.desired", found, "needs times within a sample")
        sample, row = np.nonzero(labels[:, None] == label)
        return SpikeTrains.from_events(
            sample, step[row], neuron[row],
            samples=output.samples, steps=output.steps, size=output.size, dt=output.dt,
        )  # fmt: skip

    def _trains(self, circuit: Circuit, inputs: SpikeTrains) -> list[SpikeTrains]:
        """The spikes of every layer, the input's first."""
        found = engine.run(circuit, {circuit.sources[0].name: inputs}, precision=self.precision)
        return [inputs, *(found[projection.post].spikes for projection in chain(circuit, self.name))]


def mistakes(wanted: SpikeTrains, fired: SpikeTrains) -> Events:
    """e = S_des - S_out: +1 where a spike is missing, -1 where one is too many. A spike in its step is no mistake."""
    asked, given = wanted.keys(), fired.keys()
    missing, extra = np.setdiff1d(asked, given, assume_unique=True), np.setdiff1d(given, asked, assume_unique=True)
    key = np.concatenate([missing, extra])
    row, neuron = key // fired.size, key % fired.size
    value = np.repeat([1.0, -1.0], [len(missing), len(extra)])
    return Events.from_columns(row // fired.steps, row % fired.steps, neuron, value)


# What cannot be learned ---------------------------------------------------------------------------------------------


def _check_gaps(times: NDArray[np.float64], output: Population, dt: float) -> None:
    """Refuse two desired spikes of a neuron that are closer than it can fire."""
    period = engine.refractory_steps(output, dt)
    label, neuron, time = times[np.lexsort(times.T[::-1])].T
    close = (np.diff(label) == 0) & (np.diff(neuron) == 0) & (np.diff(np.rint(time / dt)) < max(period, 1))
    if close.any():
        first = int(np.argmax(close))
        found = f"neuron {neuron[first]:.0f} at {time[first] * 1e3:g} and {time[first + 1] * 1e3:g} ms"
        right = f"needs {max(period, 1) * dt * 1e3:g} ms between them, for which {output.name} is refractory"
        raise InputError("rule.desired", found, right)


def _check_heard(wanted: SpikeTrains, inputs: SpikeTrains) -> None:
    """Refuse a first batch in which no sample has had input when it is to answer: that is no question of weights."""
    asked, heard = (_begins(spikes) * inputs.dt * 1e3 for spikes in (wanted, inputs))
    answers = np.isfinite(asked)
    asked, heard = asked[answers], heard[answers]
    if answers.any() and (asked <= heard).all():
        inputs_begin = f"input from {heard.min():g} ms on" if np.isfinite(heard).any() else "no input at all"
        found = f"a spike at {asked.min():g} ms, and {inputs_begin} in the first batch"
        raise InputError("rule.desired", found, "needs input before the first desired spike")


def _begins(spikes: SpikeTrains) -> NDArray[np.float64]:
    """The step of each sample's first spike, infinite where there is none (samples,)."""
    fired = np.diff(spikes.offsets, axis=1) > 0
    return np.where(fired.any(axis=1), fired.argmax(axis=1), np.inf)
