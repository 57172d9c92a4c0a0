"""Base of the rules that train output neurons to fire at target times.

An error is a missing or a superfluous spike, e(t) = S_target(t) - S_out(t). A rule defines the weight change for the
errors of a batch; the mean over samples is applied after the batch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from snnlab import engine
from snnlab.analysis.distances import correlation
from snnlab.brian.quantities import to_seconds, to_si
from snnlab.data.fields import option
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Precision
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.common.chain import chain, layer
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_share
from snnlab.rules.rule import Batch, BatchMetrics, Inputs, Prediction, State, spike_inputs
from snnlab.rules.spike_time.target_trains import PoissonTrains, RegularTrains, TargetTrains

Decision = Literal["correlation", "count"]
Weights = dict[str, NDArray[np.floating]]

_TARGETS = "target spikes"  # class, neuron and time of each (spikes, 3), in State.constants
_MIN_SCALING = 0.1  # of learning rates by the loss


@dataclass(frozen=True)
class SpikeTimeRule(ABC):
    """Base class of rules for target spike times; a subclass defines the weight change.

    Raises InputError for invalid options.
    """

    targets: TargetTrains = option(PoissonTrains(), "target spike trains of the output")
    learning_rate: float = option(0.0, "weight change per error, in ampere")
    schedule: Schedule = option(Schedule(), "schedule of all learning rates")
    loss_scaling: float = option(
        0.0, "learning rates are multiplied by loss_scaling * loss, limited to 0.1 to 1; 0 for no scaling. Ours"
    )
    init_scale: float = option(0.0, "standard deviation of the output's initial normal weights, in ampere")
    decision: Decision = option(
        "correlation",
        '"correlation": the class whose target trains correlate best with the output; "count": the neuron that fires '
        "most, for RegularTrains only",
    )
    min_correlation: float = option(
        0.0, "below this best correlation the predicted class is the one after all classes with target trains"
    )
    precision: Precision = option("float64", 'of the network, "float32" or "float64"; weight changes are float64')

    def __post_init__(self) -> None:
        check_not_negative(self, "learning_rate", "loss_scaling", "init_scale")
        check_share(self, "min_correlation")
        check_one_of(self, decision=Decision)
        if self.decision == "count" and not isinstance(self.targets, RegularTrains):
            problem = f"got 'count' with {type(self.targets).__name__}"
            raise InputError(f"{self.name}.decision", problem, "must be 'correlation', or the targets RegularTrains")

    @property
    def name(self) -> str:
        return type(self).__name__

    @abstractmethod
    def weight_changes(
        self, circuit: Circuit, weights: Weights, trains: Sequence[SpikeTrains], errors: Events
    ) -> Weights:
        """The weight change of each projection, summed over the batch: name -> (pre, post).

        trains  spikes of every layer, the input's first
        errors  of the output
        """

    def init_weights(self, circuit: Circuit, rng: np.random.Generator) -> Weights:
        """Initial weights of a rule for a single layer; rules for several layers override it.

        Raises InputError for a circuit with hidden layers.
        """
        layers = chain(circuit, self.name)
        if len(layers) > 1:
            problem = f"got {len(layers) - 1} hidden layers"
            raise InputError(f"{self.name}: network.hidden", problem, "must be empty: the rule is for a single layer")
        return {layers[0].name: self.init_scale * rng.normal(size=layers[0].weights.shape)}

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        if classes is not None:
            self._check_classes(circuit, classes)
        self._check_projections(circuit)
        output = layer(circuit, circuit.output.name, self.name)
        # before the weights, so that the targets depend only on the seed, not on network and rule
        times = self.targets.times(output.size, rng)
        _check_refractory(times, output, to_seconds(circuit.dt, "circuit: dt"))
        weights = {name: values.astype(self.precision) for name, values in self.init_weights(circuit, rng).items()}
        return State(weights, constants={_TARGETS: times})

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        inputs = spike_inputs(batch.inputs, self.name)
        trains = self._run(circuit, state, inputs)
        output = trains[-1]
        target = self.target_trains(state, batch.labels, output)
        if not state.steps:
            _check_input_precedes_targets(target, inputs)
        if self.decision == "count":
            similarity, predicted = correlation(target, output).mean(), _most_active(output)
        else:
            correlations = self._correlations(state, output)
            similarity = correlations[np.arange(output.samples), batch.labels].mean()
            predicted = self._most_correlated(correlations)
        loss = 1 - float(similarity)
        factor = self.rate_factor(batch, state.steps, loss) / output.samples
        errors = spike_errors(target, output)
        if batch.weights is not None:
            errors = replace(errors, value=errors.value * batch.weights[errors.sample])
        for name, change in self.weight_changes(circuit, state.weights, trains, errors).items():
            state.weights[name] += (factor * change).astype(self.precision)
        state.steps += 1
        return state, BatchMetrics(loss, predicted == batch.labels, sum(map(len, trains[1:])))

    def rate_factor(self, batch: Batch, steps: int, loss: float) -> float:
        """Factor of all learning rates for a batch of this loss after so many steps."""
        scaling = min(1.0, max(_MIN_SCALING, self.loss_scaling * loss)) if self.loss_scaling else 1.0
        return self.schedule.factor(batch.epoch, batch.epochs, steps) * scaling

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        _, *trains = self._run(circuit, state, spike_inputs(inputs, self.name))
        names = [node.name for node in circuit.nodes[1:]]
        activity = {name: train.counts().astype(np.int32) for name, train in zip(names, trains, strict=True)}
        return Prediction(activity[names[-1]], self.classify(state, trains[-1]), activity)

    def classify(self, state: State, output: SpikeTrains) -> NDArray[np.int64]:
        if self.decision == "count":
            return _most_active(output)
        return self._most_correlated(self._correlations(state, output))

    def target_trains(self, state: State, labels: NDArray[np.int64], output: SpikeTrains) -> SpikeTrains:
        """The target trains of samples with these labels, on the time grid of `output`.

        Raises InputError for a target spike after the end of the samples, and for a class without target trains.
        """
        self._check_labels(labels, output)
        label, neuron, time = state.constants[_TARGETS].T
        step = np.rint(time / output.dt)
        if len(step) and step.max() >= output.steps:
            problem = f"a spike at {time.max() * 1e3:g} ms in samples of {output.duration * 1e3:g} ms"
            raise InputError("rule.targets", problem, "must be times within a sample")
        sample, row = np.nonzero(labels[:, None] == label)
        return SpikeTrains.from_events(
            sample, step[row], neuron[row],
            samples=output.samples, steps=output.steps, size=output.size, dt=output.dt,
        )  # fmt: skip

    def _run(self, circuit: Circuit, state: State, inputs: SpikeTrains) -> list[SpikeTrains]:
        """The spikes of every layer, the input's first."""
        sources = {circuit.input.name: inputs}
        responses = engine.run(circuit, sources, weights=state.weights, precision=self.precision)
        return [inputs, *(responses[projection.post].spikes for projection in chain(circuit, self.name))]

    def _correlations(self, state: State, output: SpikeTrains) -> NDArray[np.float64]:
        """Correlation of each sample's output with the target trains of each class (samples, classes)."""
        classes = range(self.targets.classes(output.size))
        targets = (self.target_trains(state, np.full(output.samples, label), output) for label in classes)
        return np.column_stack([correlation(output, target).mean(axis=1) for target in targets])

    def _most_correlated(self, correlations: NDArray[np.float64]) -> NDArray[np.int64]:
        enough = correlations.max(axis=1) >= self.min_correlation
        return np.where(enough, correlations.argmax(axis=1), correlations.shape[1])

    def _check_classes(self, circuit: Circuit, classes: int) -> None:
        known = self.targets.classes(circuit.output.size)
        if known > classes:
            raise InputError("rule.targets", f"trains for {known} classes", f"the samples have {classes} classes")
        if self.min_correlation == 0 and known == 1:
            hint = "must be above 0, or every prediction is correct"
            raise InputError("rule.min_correlation", "got 0 with target trains for a single class", hint)
        if self.min_correlation > 0 and known == classes:
            problem = f"got {self.min_correlation} with target trains for each of the {classes} classes"
            raise InputError("rule.min_correlation", problem, "must be 0, or the samples need one further class")

    def _check_projections(self, circuit: Circuit) -> None:
        for projection in chain(circuit, self.name):
            if not isinstance(projection.weights, np.ndarray):
                problem = f"got shared weights onto {projection.post}"
                raise InputError(f"{self.name}: network.hidden", problem, "must be fully connected layers, such as 50")
            if to_si(projection.delay, "second", f"{projection.name}: delay"):
                raise InputError(f"{self.name}: {projection.name}", f"a delay of {projection.delay}", "must be 0")

    def _check_labels(self, labels: NDArray[np.int64], output: SpikeTrains) -> None:
        if labels.shape != (output.samples,) or labels.dtype.kind not in "iu":
            hint = f"expected integers ({output.samples},), one per sample"
            raise InputError("labels", f"got {labels.dtype} {labels.shape}", hint)
        known = self.targets.classes(output.size)
        if len(labels) and not 0 <= labels.min() <= labels.max() < known:
            problem = f"trains for {known} classes, and labels from {labels.min()} to {labels.max()}"
            raise InputError("rule.targets", problem, f"labels must be 0 to {known - 1}")


def spike_errors(target: SpikeTrains, output: SpikeTrains) -> Events:
    """e = S_target - S_out: +1 for a missing spike, -1 for a superfluous one, 0 for a spike in its time step."""
    expected, fired = target.keys(), output.keys()
    missing = np.setdiff1d(expected, fired, assume_unique=True)
    superfluous = np.setdiff1d(fired, expected, assume_unique=True)
    key = np.concatenate([missing, superfluous])
    row, neuron = key // output.size, key % output.size
    value = np.repeat([1.0, -1.0], [len(missing), len(superfluous)])
    return Events.from_columns(row // output.steps, row % output.steps, neuron, value)


def _most_active(output: SpikeTrains) -> NDArray[np.int64]:
    return output.counts().argmax(axis=1)


def _check_refractory(times: NDArray[np.float64], output: Population, dt: float) -> None:
    """Raises InputError for two target spikes of a neuron within its refractory period."""
    period = max(engine.refractory_steps(output, dt), 1)
    label, neuron, time = times[np.lexsort(times.T[::-1])].T
    close = (np.diff(label) == 0) & (np.diff(neuron) == 0) & (np.diff(np.rint(time / dt)) < period)
    if close.any():
        first = int(np.argmax(close))
        problem = f"neuron {neuron[first]:.0f} at {time[first] * 1e3:g} and {time[first + 1] * 1e3:g} ms"
        hint = f"must be {period * dt * 1e3:g} ms apart, the refractory period of {output.name}"
        raise InputError("rule.targets", problem, hint)


def _check_input_precedes_targets(target: SpikeTrains, inputs: SpikeTrains) -> None:
    """Raises InputError if all target spikes of the first batch precede its input: no weights could produce them."""
    targets, given = (_first_spikes(spikes) * inputs.dt * 1e3 for spikes in (target, inputs))
    known = np.isfinite(targets)
    targets, given = targets[known], given[known]
    if known.any() and (targets <= given).all():
        inputs_from = f"input from {given.min():g} ms" if np.isfinite(given).any() else "no input at all"
        problem = f"a spike at {targets.min():g} ms, and {inputs_from} in the first batch"
        raise InputError("rule.targets", problem, "input must precede the first target spike")


def _first_spikes(spikes: SpikeTrains) -> NDArray[np.float64]:
    """The step of each sample's first spike, infinite without spikes (samples,)."""
    fired = np.diff(spikes.offsets, axis=1) > 0
    return np.where(fired.any(axis=1), fired.argmax(axis=1), np.inf)
