"""Dendritic error learning in continuous time (Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393).

The circuit runs and learns simultaneously: all plastic connections follow their cards in every step, without phases. A
teacher nudges the somata of the output. The change propagates to the apical dendrites, where interneurons cancel what
they predict of the top-down input, so that the error remains; it nudges the somata, and each basal dendrite learns to
predict its soma. The samples of a batch run in parallel, and weights change by the mean over the batch.

Each sample starts from cells at rest. Updates are wrong until potentials have converged, so learning starts after
`learning_lag` (Haider et al., NeurIPS 2021, arXiv:2110.14549; their latent equilibrium, an option of the network, makes
a short lag sufficient).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds, to_si, to_steps
from snnlab.data.fields import option
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording, Trace
from snnlab.engine import Precision, RunState, run_rates
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit, Plastic, Projection
from snnlab.rules.common import seeding
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of, check_positive
from snnlab.rules.dendritic.steady_state import (
    InterneuronInit,
    random_weights,
    self_predicting_weights,
    steady_state,
)
from snnlab.rules.dendritic.teacher import LabelTeacher, Teacher
from snnlab.rules.rate.forward_pass import per_layer
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "dendritic error"
_WEIGHT, _FILTER = "w", "change"  # variables of plastic connections
_TEACHER = "teacher "  # prefix of the teacher's parameters
_NOISE = "noise"  # seed of noise and Poisson spikes


@dataclass(frozen=True)
class Dendritic:
    """Dendritic error learning in continuous time, for microcircuits."""

    teacher: Teacher = option(LabelTeacher(), "teacher of the output")
    bottom_up: tuple[float, ...] = option(
        (1.1875, 0.5), "learning rate of the basal synapses of each layer, from the first to the output, in 1/s"
    )
    to_interneuron: float = option(1.1875, "learning rate of synapses from pyramidal cells to interneurons, in 1/s")
    from_interneuron: float = option(0.5, "learning rate of synapses from interneurons to apical dendrites, in 1/s")
    top_down: float = option(0.0, "learning rate of synapses from the layer above to apical dendrites, in 1/s")
    schedule: Schedule = option(Schedule(), "schedule of all learning rates")
    filter_time: float = option(30e-3, "time constant of the low-pass filter of all weight changes, in s")
    learning_time: float = option(100e-3, "duration of a sample during learning, in s")
    learning_lag: float = option(0.0, "initial part of it without learning, in s")
    prediction_time: float = option(
        20e-3, "duration of a sample for a prediction, the mean rate of its last quarter, in s"
    )
    interneuron_init: InterneuronInit = option(
        "self_predicting", '"self_predicting", which exactly cancels top-down input, or "random"'
    )
    init_scale: tuple[float, ...] = option(
        (1.0,),
        "basal weights are uniform in [-init_scale, init_scale]; one per layer, or one for all. Random "
        "weights onto interneurons have the scale of the layer that they predict",
    )
    top_down_init_scale: float = option(
        1.0, "scale of weights from the layer above, and of random weights from interneurons"
    )
    precision: Precision = option("float32", 'precision of the circuit, "float32" or "float64"')

    def __post_init__(self) -> None:
        rates = ("bottom_up", "to_interneuron", "from_interneuron", "top_down")
        check_not_negative(self, *rates, "learning_lag", "init_scale", "top_down_init_scale")
        check_positive(self, "filter_time", "learning_time", "prediction_time")
        if self.learning_lag >= self.learning_time:
            hint = f"must be below learning_time, {self.learning_time} s"
            raise InputError("Dendritic.learning_lag", f"got {self.learning_lag}", hint)
        check_one_of(self, interneuron_init=InterneuronInit, precision=Precision)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        steady = steady_state(circuit, _NAME)
        per_layer(self.bottom_up, len(steady.mixing), "bottom_up")
        if classes is not None:
            self.teacher.check(circuit.output.size, classes, steady.activation)
        parameters = self.teacher.init(circuit.input.size, circuit.output.size, rng)
        constants = {f"{_TEACHER}{name}": values for name, values in parameters.items()}
        scales = per_layer(self.init_scale, len(steady.mixing), "init_scale")
        weights = random_weights(circuit, steady, scales, self.top_down_init_scale, rng)
        if self.interneuron_init == "self_predicting":
            weights |= self_predicting_weights(steady, weights)
        constants[_NOISE] = seeding.new_seed(rng)
        weights = {name: values.astype(self.precision) for name, values in weights.items()}
        filters = {f"{name} {_FILTER}": np.zeros_like(values) for name, values in weights.items()}
        return State(weights, filters, constants)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        if batch.weights is not None:
            raise InputError("boosting", "weighted samples", "must be 0: the rule weights all samples equally")
        dt = to_seconds(circuit.dt, "circuit: dt")
        steps = to_steps(self.learning_time, dt, "rule.learning_time")
        lag = to_steps(self.learning_lag, dt, "rule.learning_lag") if self.learning_lag else 0
        inputs, activation = constant_rates(batch.inputs, _NAME), steady_state(circuit, _NAME).activation
        targets = self._targets(circuit, state, inputs, batch.labels)
        outputs = self._rates(circuit, state, inputs)[circuit.output.name]
        response = run_rates(
            _with_learning_rates(self, circuit, self.schedule.factor(batch.epoch, batch.epochs, state.steps)),
            _source_rates(circuit, inputs, activation.inverse(targets), nudge=1.0),
            steps,
            learn=np.arange(steps) >= lag,
            state=_run_state(state),
            precision=self.precision,
            seed=(seeding.seed_of(state, _NOISE) << 32) + 1 + state.steps,
        )
        for name, values in response.final_state.synapses.items():
            state.weights[name], state.optimizer_state[f"{name} {_FILTER}"] = values[_WEIGHT], values[_FILTER]
        state.steps += 1
        correct = self._classes(circuit, state, inputs, outputs) == batch.labels
        return state, BatchMetrics(float(np.square(outputs - targets).sum(axis=1).mean()), correct, 0)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        rates = constant_rates(inputs, _NAME)
        activity = self._rates(circuit, state, rates)
        outputs = activity[circuit.output.name]
        return Prediction(outputs, self._classes(circuit, state, rates, outputs), activity)

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(tuple(projection.name for projection in circuit.projections), self._prediction_steps(circuit))

    def recording(self, circuit: Circuit, state: State, inputs: Inputs, labels: NDArray[np.int64]) -> Recording:
        """Record a sample (a batch of one) for `prediction_time` without a teacher, then for as long with one.

        Learning and noise are off. All potentials and rates of all cells are recorded.
        """
        rates, activation = constant_rates(inputs, _NAME), steady_state(circuit, _NAME).activation
        dt, steps = to_seconds(circuit.dt, "circuit: dt"), self._prediction_steps(circuit)
        targets = self._targets(circuit, state, rates, labels)
        sources = _source_rates(circuit, rates, activation.inverse(targets), nudge=1.0)
        sources |= {source.name: RateInput(np.array([[[0.0], [1.0]]])) for source in circuit.sources_of("nudge")}
        variables = {
            population.name: [line.name for line in population.cell.equations if line.unit == "1"]
            for population in circuit.populations
        }
        response = run_rates(
            without_noise(circuit), sources, 2 * steps, learn=False, state=_run_state(state), record=variables,
            precision=self.precision,
        )  # fmt: skip
        traces = {
            population: {
                variable: Trace(values[0].astype(np.float64), np.arange(values.shape[2]), "", dt)
                for variable, values in recorded.items()
            }
            for population, recorded in response.traces.items()
        }
        return Recording({}, traces, 2 * steps * dt, dt)

    def _prediction_steps(self, circuit: Circuit) -> int:
        return to_steps(self.prediction_time, to_seconds(circuit.dt, "circuit: dt"), "rule.prediction_time")

    def _rates(self, circuit: Circuit, state: State, inputs: Values) -> dict[str, Values]:
        """The rates of every population (samples, neurons) without a teacher, once they have converged."""
        steps = self._prediction_steps(circuit)
        rates = {population.name: population.rate for population in circuit.populations}
        try:
            response = run_rates(
                without_noise(circuit),
                _source_rates(circuit, inputs, np.zeros((len(inputs), circuit.output.size)), nudge=0.0),
                steps,
                learn=False,
                state=_run_state(state),
                mean={name: [rate] for name, rate in rates.items()},
                mean_from=steps - max(1, steps // 4),
                precision=self.precision,
                seed=seeding.seed_of(state, _NOISE) << 32,
            )
        except InputError as error:
            if not (state.steps and error.field.startswith("states of")):
                raise
            raise InputError(error.field, error.problem, "training diverged: reduce the learning rates") from error
        return {name: response.means[name][rate] for name, rate in rates.items()}

    def _targets(self, circuit: Circuit, state: State, inputs: Values, labels: NDArray[np.int64]) -> Values:
        activation = steady_state(circuit, _NAME).activation
        return self.teacher.targets(_teacher_parameters(state), inputs, labels, circuit.output.size, activation)

    def _classes(self, circuit: Circuit, state: State, inputs: Values, outputs: Values) -> NDArray[np.int64]:
        activation = steady_state(circuit, _NAME).activation
        return self.teacher.classify(_teacher_parameters(state), inputs, outputs, activation)


@lru_cache(maxsize=8)
def _with_learning_rates(rule: Dendritic, circuit: Circuit, factor: float) -> Circuit:
    """The circuit with the rule's learning rates, times `factor`, and its filter time."""
    rates = per_layer(rule.bottom_up, len(circuit.layers), "bottom_up")
    bottom_up = dict(zip((layer.name for layer in circuit.layers), rates, strict=True))
    other = {"dendrite": rule.to_interneuron, "inhibition": rule.from_interneuron, "apical": rule.top_down}

    def with_rate(projection: Projection) -> Projection:
        if projection.plasticity is None:
            return projection
        basal = projection.receptor == "basal"
        rate = bottom_up[projection.post] if basal else other[projection.receptor]
        parameters = {"eta": factor * rate, "tau_w": rule.filter_time}
        return replace(projection, plasticity=Plastic(projection.plasticity.card, parameters))

    return replace(circuit, projections=tuple(map(with_rate, circuit.projections)))


@lru_cache(maxsize=8)
def without_noise(circuit: Circuit) -> Circuit:
    """The circuit without noise; the same object if it has none."""
    noiseless = {
        one.name: replace(one, parameters={**one.parameters, "sigma": 0.0})
        for one in circuit.populations
        if to_si(one.parameters.get("sigma", 0.0), "hertz**0.5", one.name)
    }
    if not noiseless:
        return circuit
    return replace(circuit, nodes=tuple(noiseless.get(node.name, node) for node in circuit.nodes))


def _source_rates(circuit: Circuit, inputs: Values, targets: Values, nudge: float) -> dict[str, RateInput]:
    """Constant rates of every source.

    targets  potentials that the teacher nudges the output to (samples, outputs)
    nudge    1 with a teacher, 0 without
    """
    ones = np.ones((len(inputs), 1))
    by_role = {"input": inputs, "target": np.asarray(targets), "nudge": nudge * ones, "bias": ones}
    return {source.name: RateInput.constant(by_role[source.role]) for source in circuit.sources}


def _run_state(state: State) -> RunState:
    """The synapses after the last batch; cells start at rest."""
    synapses = {
        name: {_WEIGHT: values, _FILTER: state.optimizer_state[f"{name} {_FILTER}"]}
        for name, values in state.weights.items()
    }
    return RunState({}, synapses)


def _teacher_parameters(state: State) -> dict[str, Values]:
    return {
        name.removeprefix(_TEACHER): values for name, values in state.constants.items() if name.startswith(_TEACHER)
    }
