"""Learning by dendritic error: Sacramento, Costa, Bengio, Senn, NeurIPS 2018, arXiv:1810.11393.

The circuit runs, and learns while it runs: all its plastic connections follow their cards in every step, without
phases. A teacher pulls the somata of the output. What it changes there comes down into the apical dendrites, and is all
that is left in them once the interneurons take away what they predict; it nudges the somata, and each basal dendrite
learns to predict its soma. The samples of a batch run side by side, each through cells of its own, and weights change
by the mean of what they ask for.

Each sample begins with its cells at rest. The time in which they find their potentials teaches nothing true: the lag is
how long they are given before they learn (Haider et al., NeurIPS 2021, arXiv:2110.14549, whose latent equilibrium, an
option of the network, makes it short).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from snnlab.brian.quantities import to_seconds, to_si, to_steps
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording, Trace
from snnlab.engine import Precision, RunState, run_rates
from snnlab.errors import InputError
from snnlab.networks.activations import Values
from snnlab.networks.circuit import Circuit, Plastic, Projection
from snnlab.networks.populations import BIAS, INPUT, NUDGE, OUTPUT, TARGET
from snnlab.rules.common import seeding
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.common.validation import check_not_negative, check_one_of
from snnlab.rules.dendritic import passes
from snnlab.rules.dendritic.passes import Start
from snnlab.rules.dendritic.teacher import Labelled, Teacher
from snnlab.rules.rate import forward
from snnlab.rules.rule import Batch, BatchMetrics, Inference, Inputs, Prediction, State, constant_rates

_NAME = "dendritic error"
_WEIGHT = "w"
_FILTER = "change"  # what a plastic connection remembers of what its cells asked for
_TAUGHT = "teacher "
_NOISE = "noise"  # what noise and spikes are drawn from, beside the number of the batch


@dataclass(frozen=True)
class Dendritic:
    """Learning by dendritic error, in the running circuit.

    teacher           what the output is to say
    bottom_up         speed of the basal synapses of each layer, from the first hidden one to the output, in 1/s
    to_interneuron    speed of those from pyramidal cells to interneurons, in 1/s
    from_interneuron  speed of those from interneurons to apical dendrites, in 1/s
    top_down          speed of those from the layer above to apical dendrites, in 1/s
    smoothed          seconds over which plastic connections smooth what they follow
    lasts             seconds of each sample while it is learned from
    lag               seconds at the beginning of each in which nothing learns
    settles           seconds of each that is answered; what the output says in the last quarter is the answer
    start             of interneurons: "predicting" for what is sent down being taken away exactly, or "random"
    init_scale        basal weights are uniform in [-init_scale, init_scale]; of each layer, or one for all. So are
                      random ones onto the interneurons of the layer below
    top_down_init_scale  and weights from the layer above; so do random ones from interneurons
    schedule          of all speeds
    precision         of the circuit: "float32" or "float64"

    Raises InputError for options that mean nothing.
    """

    teacher: Teacher = field(default_factory=Labelled)
    bottom_up: tuple[float, ...] = (1.1875, 0.5)
    to_interneuron: float = 1.1875
    from_interneuron: float = 0.5
    top_down: float = 0.0
    smoothed: float = 30e-3
    lasts: float = 100e-3
    lag: float = 0.0
    settles: float = 20e-3
    start: Start = "predicting"
    init_scale: tuple[float, ...] = (1.0,)
    top_down_init_scale: float = 1.0
    schedule: Schedule = field(default_factory=Schedule)
    precision: Precision = "float32"

    def __post_init__(self) -> None:
        speeds = ("bottom_up", "to_interneuron", "from_interneuron", "top_down")
        check_not_negative(self, *speeds, "lag", "init_scale", "top_down_init_scale")
        for name in ("smoothed", "lasts", "settles"):
            if not 0 < getattr(self, name) < float("inf"):
                raise InputError(f"Dendritic.{name}", f"found {getattr(self, name)}", "needs seconds, above 0")
        if self.lag >= self.lasts:
            found = f"found {self.lag}, and samples of {self.lasts} s"
            raise InputError("Dendritic.lag", found, "needs less, or nothing is learned")
        check_one_of(self, start=Start, precision=Precision)

    def init(self, circuit: Circuit, rng: np.random.Generator, classes: int | None = None) -> State:
        body = passes.anatomy(circuit, _NAME)
        forward.each(self.bottom_up, len(body.layers), "bottom_up")
        if classes is not None:
            self.teacher.check(circuit[OUTPUT].size, classes, body.activation)
        sizes = circuit[INPUT].size, circuit[OUTPUT].size
        constants: dict[str, NDArray[np.floating]] = {
            f"{_TAUGHT}{name}": values for name, values in self.teacher.draw(*sizes, rng).items()
        }
        spreads = forward.each(self.init_scale, len(body.layers), "init_scale")
        weights = passes.at_random(circuit, body, spreads, self.top_down_init_scale, rng)
        if self.start == "predicting":
            weights |= passes.predicting(body, weights)
        constants[_NOISE] = seeding.new_seed(rng)
        weights = {name: values.astype(self.precision) for name, values in weights.items()}
        filters = {f"{name} {_FILTER}": np.zeros_like(values) for name, values in weights.items()}
        return State(weights, filters, constants)

    def step(self, circuit: Circuit, state: State, batch: Batch) -> tuple[State, BatchMetrics]:
        if batch.weights is not None:
            raise InputError("boosting", "samples that count more than others", "the circuit learns from all alike: 0")
        dt = to_seconds(circuit.dt, "circuit: dt")
        steps = to_steps(self.lasts, dt, "rule.lasts")
        learn = np.arange(steps) >= (to_steps(self.lag, dt, "rule.lag") if self.lag else 0)
        seen, phi = constant_rates(batch.inputs, _NAME), passes.anatomy(circuit, _NAME).activation
        wanted = self.teacher.rates(self._taught(state), seen, batch.labels, circuit[OUTPUT].size, phi)
        said = self._said(circuit, state, seen)[OUTPUT]
        response = run_rates(
            _at_speed(self, circuit, self.schedule.factor(batch.epoch, batch.epochs, state.steps)),
            _told(circuit, seen, phi.inverse(wanted), nudge=1.0),
            steps,
            learn=learn,
            state=_running(state),
            precision=self.precision,
            seed=(seeding.seed_of(state, _NOISE) << 32) + 1 + state.steps,
        )
        for name, values in response.final_state.synapses.items():
            state.weights[name], state.optimizer_state[f"{name} {_FILTER}"] = values[_WEIGHT], values[_FILTER]
        state.steps += 1
        right = self.teacher.classify(self._taught(state), seen, said, phi) == batch.labels
        return state, BatchMetrics(float(np.square(said - wanted).sum(axis=1).mean()), right, 0)

    def predict(self, circuit: Circuit, state: State, inputs: Inputs) -> Prediction:
        seen, phi = constant_rates(inputs, _NAME), passes.anatomy(circuit, _NAME).activation
        activity = self._said(circuit, state, seen)
        labels = self.teacher.classify(self._taught(state), seen, activity[OUTPUT], phi)
        return Prediction(activity[OUTPUT], labels, activity)

    def _steps(self, circuit: Circuit) -> int:
        """In which cells come to rest."""
        return to_steps(self.settles, to_seconds(circuit.dt, "circuit: dt"), "rule.settles")

    def _said(self, circuit: Circuit, state: State, seen: Values) -> dict[str, Values]:
        """The rates of every population (samples, neurons) that nobody teaches, once they have settled."""
        steps = self._steps(circuit)
        rates = {one.name: one.cell.rate for one in circuit.populations}
        try:
            response = run_rates(
                quiet(circuit),
                _told(circuit, seen, np.zeros((len(seen), circuit[OUTPUT].size)), nudge=0.0),
                steps,
                learn=False,
                state=_running(state),
                mean={name: [rate] for name, rate in rates.items()},
                mean_from=steps - max(1, steps // 4),
                precision=self.precision,
                seed=seeding.seed_of(state, _NOISE) << 32,
            )
        except InputError as refusal:
            if not (state.steps and refusal.field.startswith("states of")):
                raise
            right = "learn more slowly: weights have come too far"
            raise InputError(refusal.field, refusal.problem, right) from refusal
        return {name: response.means[name][rate] for name, rate in rates.items()}

    def recording(self, circuit: Circuit, state: State, inputs: Inputs, labels: NDArray[np.int64]) -> Recording:
        """One sample (a batch of one) shown twice as long as it takes to answer: without a teacher, and then with one.

        Nothing learns, and nothing is noisy. All potentials and rates of all cells are traced.
        """
        seen, phi = constant_rates(inputs, _NAME), passes.anatomy(circuit, _NAME).activation
        dt = to_seconds(circuit.dt, "circuit: dt")
        each = to_steps(self.settles, dt, "rule.settles")
        wanted = self.teacher.rates(self._taught(state), seen, labels, circuit[OUTPUT].size, phi)
        told = _told(circuit, seen, phi.inverse(wanted), nudge=1.0)
        told[NUDGE] = RateInput(np.array([[[0.0], [1.0]]]))
        variables = {
            one.name: [line.name for line in one.cell.equations if line.unit == "1"] for one in circuit.populations
        }
        response = run_rates(
            quiet(circuit), told, 2 * each, learn=False, state=_running(state), record=variables,
            precision=self.precision,
        )  # fmt: skip
        traces = {
            name: {
                one: Trace(values[0].astype(np.float64), np.arange(values.shape[2]), "", dt)
                for one, values in kept.items()
            }
            for name, kept in response.traces.items()
        }
        return Recording({}, traces, 2 * each * dt, dt)

    def inference(self, circuit: Circuit) -> Inference:
        return Inference(tuple(one.name for one in circuit.projections), self._steps(circuit))

    def _taught(self, state: State) -> dict[str, Values]:
        """What the teacher was drawn to be."""
        return {name: state.constants[f"{_TAUGHT}{name}"] for name in self.teacher.drawn}


@lru_cache(maxsize=8)
def _at_speed(rule: Dendritic, circuit: Circuit, eased: float) -> Circuit:
    """The circuit with its plastic connections as fast as the rule has them, times `eased`."""
    layers = passes.anatomy(circuit, _NAME).layers
    bottom_up = forward.each(rule.bottom_up, len(layers), "bottom_up")
    basal = dict(zip((layer.name for layer in layers), bottom_up, strict=True))
    speeds = {"dendrite": rule.to_interneuron, "inhibition": rule.from_interneuron, "apical": rule.top_down}

    def tuned(one: Projection) -> Projection:
        if one.plasticity is None:
            return one
        speed = basal[one.post] if one.receptor == "basal" else speeds[one.receptor]
        own = {"eta": eased * speed, "tau_w": rule.smoothed}
        return replace(one, plasticity=Plastic(one.plasticity.card, own))

    return replace(circuit, projections=tuple(map(tuned, circuit.projections)))


@lru_cache(maxsize=8)
def quiet(circuit: Circuit) -> Circuit:
    """The circuit without noise, to be asked; itself where it has none."""
    noisy = [one for one in circuit.populations if to_si(one.parameters.get("sigma", 0.0), "hertz**0.5", one.name)]
    if not noisy:
        return circuit
    silent = {one.name: replace(one, parameters={**one.parameters, "sigma": 0.0}) for one in noisy}
    return replace(circuit, nodes=tuple(silent.get(node.name, node) for node in circuit.nodes))


def _told(circuit: Circuit, seen: Values, wanted: Values, nudge: float) -> dict[str, RateInput]:
    """What the sources say: the samples, the potentials that the teacher wants, and whether it pulls."""
    ones = np.ones((len(seen), 1))
    said = {INPUT: seen, TARGET: np.asarray(wanted), NUDGE: nudge * ones, BIAS: ones}
    known = {source.name for source in circuit.sources}
    return {name: RateInput.constant(values) for name, values in said.items() if name in known}


def _running(state: State) -> RunState:
    """The synapses as the last batch left them; cells begin at rest."""
    synapses = {
        name: {_WEIGHT: values, _FILTER: state.optimizer_state[f"{name} {_FILTER}"]}
        for name, values in state.weights.items()
    }
    return RunState({}, synapses)
