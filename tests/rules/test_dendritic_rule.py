"""Dendritic error learning in continuous time as a rule: initial weights, steps, recordings and errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import error_line
from errors_in_tests import raises_input_error
from small_microcircuit import build_circuit, source_rates

from snnlab import engine
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import RunState, run_rates
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.teacher import LabelTeacher, NetworkTeacher
from snnlab.rules.rule import Batch, State
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn, train

INPUTS, CLASSES = 5, 3
NETWORK = Microcircuit((6, 4), mixing=(0.3, 0.2, 0.1), interneuron_mixing=0.15, leak=0.2)
LEARNING_RATES = {"hidden1": 300.0, "hidden2": 200.0, "output": 100.0}
RULE = Dendritic(
    bottom_up=(300.0, 200.0, 100.0), to_interneuron=50.0, from_interneuron=40.0, top_down=30.0, filter_time=2e-3,
    learning_time=8e-3, learning_lag=3e-3, prediction_time=20e-3, init_scale=(0.5, 1.0, 2.0), top_down_init_scale=0.7,
    precision="float64",
)  # fmt: skip


@cache
def circuit(network: Microcircuit = NETWORK, inputs: int = INPUTS) -> Circuit:
    return network.circuit((inputs,), CLASSES, 1e-4)


def batch(samples: int = 6, seed: int = 0, epoch: int = 1, inputs: int = INPUTS) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(RateInput.constant(rng.uniform(0, 1, (samples, inputs))), np.arange(samples) % CLASSES, epoch)


def initialised(rule: Dendritic = RULE, network: Microcircuit = NETWORK, seed: int = 1) -> State:
    return rule.init(circuit(network), np.random.default_rng(seed))


def logistic(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-u))


def logit(r: np.ndarray) -> np.ndarray:
    return np.log(r / (1 - r))


def targets(labels: np.ndarray) -> np.ndarray:
    return np.where(np.eye(CLASSES)[labels] == 1, 0.8, 0.1)


# Initial state --------------------------------------------------------------------------------------------------------


def test_weights_have_their_init_scale_and_interneurons_predict_the_layer_above() -> None:
    """The factor follows from the conductances: leak 0.2, basal 1, and 0.2/0.8 * 1.2 apical for hidden2."""
    w = initialised().weights
    for name, scale in (("input->hidden1.basal", 0.5), ("hidden1->hidden2.basal", 1.0), ("hidden2->output.basal", 2.0),
                         ("hidden2->hidden1.apical", 0.7), ("output->hidden2.apical", 0.7)):  # fmt: skip
        assert 0.6 * scale < np.abs(w[name]).max() <= scale, name
        assert w[name].min() < 0 < w[name].max()
    np.testing.assert_array_equal(w["inter1->hidden1.inhibition"], -w["hidden2->hidden1.apical"])
    np.testing.assert_array_equal(w["inter2->hidden2.inhibition"], -w["output->hidden2.apical"])
    factor = (1 / (1.2 + 0.3)) / (1 / 1.2)
    np.testing.assert_allclose(w["hidden1->inter1.dendrite"], factor * w["hidden1->hidden2.basal"], rtol=1e-12)
    np.testing.assert_allclose(w["hidden2->inter2.dendrite"], w["hidden2->output.basal"], rtol=1e-12)


def test_random_interneurons_have_the_scale_of_the_layer_that_they_predict() -> None:
    random, exact = initialised(replace(RULE, interneuron_init="random")).weights, initialised().weights
    for name, scale in (("hidden1->inter1.dendrite", 1.0), ("hidden2->inter2.dendrite", 2.0),
                         ("inter1->hidden1.inhibition", 0.7), ("inter2->hidden2.inhibition", 0.7)):  # fmt: skip
        assert 0.6 * scale < np.abs(random[name]).max() <= scale, name
        assert not np.allclose(random[name], exact[name])
    for name in random:
        if "inter" not in name:
            np.testing.assert_array_equal(random[name], exact[name])


def test_filters_are_initially_zero_and_all_arrays_have_the_precision_of_the_rule() -> None:
    for precision in ("float32", "float64"):
        state = initialised(replace(RULE, precision=precision))
        noise = state.constants.pop("noise")
        assert {values.dtype.name for values in (*state.weights.values(), *state.optimizer_state.values())} == {
            precision
        }
        assert state.optimizer_state.keys() == {f"{name} change" for name in state.weights}
        assert noise != initialised(seed=9).constants["noise"]
        assert not any(values.any() for values in state.optimizer_state.values())


def test_initial_weights_depend_on_the_seed_only() -> None:
    first, again, different = initialised(seed=1), initialised(seed=1), initialised(seed=2)
    assert all(np.array_equal(first.weights[name], again.weights[name]) for name in first.weights)
    assert not any(np.array_equal(first.weights[name], different.weights[name]) for name in first.weights)


# A step ---------------------------------------------------------------------------------------------------------------


@cache
def learning_circuit(factor: float) -> Circuit:
    rates = {f"{name}.basal": factor * rate for name, rate in LEARNING_RATES.items()}
    rates |= {"dendrite": factor * 50.0, "inhibition": factor * 40.0, "apical": factor * 30.0}
    return build_circuit(NETWORK, INPUTS, CLASSES, rates, 2e-3)


def simulated(batches: list[Batch], lag: int = 30, factor: float = 1.0, keep_filters: bool = True) -> RunState:
    """The same steps without the rule: the circuit with these learning rates, 80 steps per batch from rest."""
    learning = learning_circuit(factor)
    weights = initialised().weights
    running = RunState({}, {name: {"w": w, "change": np.zeros_like(w)} for name, w in weights.items()})
    for one in batches:
        inputs = source_rates(one.inputs.values[:, 0], CLASSES, logit(targets(one.labels)))  # type: ignore[union-attr]
        if not keep_filters:
            reset = {name: {"w": s["w"], "change": 0 * s["change"]} for name, s in running.synapses.items()}
            running = RunState({}, reset)
        running = run_rates(
            learning, inputs, 80, learn=np.arange(80) >= lag, state=RunState({}, running.synapses), precision="float64"
        ).final_state
    return running


def difference(state: State, running: RunState) -> float:
    return max(
        float(max(
            np.abs(state.weights[name] - synapses["w"]).max(),
            np.abs(state.optimizer_state[f"{name} change"] - synapses["change"]).max(),
        ))
        for name, synapses in running.synapses.items()
    )  # fmt: skip


def after(batches: list[Batch], rule: Dendritic = RULE) -> State:
    state = initialised(rule)
    for one in batches:
        state, _ = rule.step(circuit(), state, one)
    return state


@pytest.mark.thorough
def test_a_step_is_a_simulation_of_the_circuit_that_learns_after_the_lag() -> None:
    state, first = after([batch()]), initialised().weights
    assert difference(state, simulated([batch()])) < 1e-13
    assert difference(state, simulated([batch()], lag=29)) > 1e-6
    assert min(np.abs(state.weights[name] - first[name]).max() for name in first) > 1e-6  # all projections learn
    assert state.steps == 1


def test_filters_of_weight_changes_continue_from_batch_to_batch() -> None:
    two = [batch(seed=1), batch(seed=2)]
    state = after(two)
    assert difference(state, simulated(two)) < 1e-13
    assert difference(state, simulated(two, keep_filters=False)) > 1e-5
    assert state.steps == 2


@pytest.mark.slow
def test_learning_rates_follow_the_schedule() -> None:
    """By 1/(1 + 0.5 * 2) in the third epoch."""
    rule = replace(RULE, schedule=Schedule("inverse", gamma=(0.5,)))
    assert difference(after([batch(epoch=3)], rule), simulated([batch()], factor=0.5)) < 1e-13
    assert difference(after([batch(epoch=1)], rule), simulated([batch()])) < 1e-13


def test_learning_does_not_depend_on_the_order_of_the_samples() -> None:
    one, order = batch(), np.array([4, 0, 5, 2, 1, 3])
    mixed = Batch(RateInput(one.inputs.values[order]), one.labels[order])  # type: ignore[union-attr]
    original, permuted = after([one]), after([mixed])
    assert max(np.abs(original.weights[name] - permuted.weights[name]).max() for name in original.weights) < 1e-13
    wrong = after([Batch(one.inputs, one.labels[order])])
    assert max(np.abs(original.weights[name] - wrong.weights[name]).max() for name in original.weights) > 1e-6


@pytest.mark.thorough
def test_learning_does_not_depend_on_the_number_of_threads() -> None:
    """With enough samples for several threads."""
    wide = circuit(Microcircuit((120,), noise=0.1), 20)
    samples = batch(100, inputs=20)
    states = []
    rule = replace(RULE, bottom_up=(30.0, 20.0), init_scale=(1.0,), precision="float32")
    for count in (1, 3):
        state = rule.init(wide, np.random.default_rng(0))
        with engine.threads(count):
            states.append(rule.step(wide, state, samples)[0])
    for name, values in states[0].weights.items():
        assert values.tobytes() == states[1].weights[name].tobytes()


@pytest.mark.thorough
def test_noise_depends_on_the_number_of_the_batch_only() -> None:
    noisy = circuit(replace(NETWORK, noise=0.3))

    def weights_after(steps: int) -> np.ndarray:
        state = RULE.init(noisy, np.random.default_rng(0))
        state.steps = steps
        return RULE.step(noisy, state, batch())[0].weights["input->hidden1.basal"]

    assert np.array_equal(weights_after(4), weights_after(4))
    assert not np.array_equal(weights_after(4), weights_after(5))


def outputs(weights: dict[str, Any], inputs: np.ndarray) -> np.ndarray:
    """Output rates of the feed-forward network, from the conductances."""
    hidden1 = logistic(inputs @ weights["input->hidden1.basal"] / (1.2 + 0.3 / 0.7 * 1.2))
    hidden2 = logistic(hidden1 @ weights["hidden1->hidden2.basal"] / (1.2 + 0.2 / 0.8 * 1.2))
    return np.asarray(logistic(hidden2 @ weights["hidden2->output.basal"] / 1.2))


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_loss_is_the_squared_error_before_the_step_without_teacher_and_noise(noise: float) -> None:
    noisy = circuit(replace(NETWORK, noise=noise))
    state, samples = initialised(), batch()
    expected = outputs(state.weights, samples.inputs.values[:, 0])  # type: ignore[union-attr]
    error = np.square(expected - targets(samples.labels)).sum(axis=1).mean()
    _, metrics = RULE.step(noisy, state, samples)
    assert metrics.loss == pytest.approx(error, abs=1e-4)  # 20 ms are 30 time constants of the slowest soma
    np.testing.assert_array_equal(metrics.correct, expected.argmax(axis=1) == samples.labels)
    assert metrics.spikes == 0
    prediction = RULE.predict(noisy, initialised(), samples.inputs)
    np.testing.assert_allclose(prediction.counts, expected, atol=1e-4)
    np.testing.assert_array_equal(prediction.labels, expected.argmax(axis=1))
    assert prediction.activity.keys() == {"hidden1", "hidden2", "inter1", "inter2", "output"}


# Bars -----------------------------------------------------------------------------------------------------------------

BARS = EXPERIMENTS["dendritic-bars"]


def on_bars(bottom_up: tuple[float, ...]) -> tuple[float, float]:
    """The loss of the last epoch, and the final accuracy."""
    config = replace(BARS, rule=replace(BARS.rule, bottom_up=bottom_up)).config(seed=1, threads=1)  # type: ignore[type-var]
    state, loss = initial_state(config), 0.0
    for epoch in range(1, config.epochs + 1):
        loss = 0.0
        for after_batch, metrics in learn(config.rule, config.circuit, state, config.batches(epoch)):
            state, loss = after_batch, loss + metrics.loss * metrics.samples / len(config.train)
    return loss, evaluate(config, state).accuracy


@pytest.mark.thorough
def test_the_rule_learns_the_bars_only_if_its_hidden_layer_learns() -> None:
    learning_rates = BARS.rule.bottom_up  # type: ignore[attr-defined]
    loss, accuracy = on_bars(learning_rates)
    shallow, control = on_bars((0.0, *learning_rates[1:]))
    assert accuracy == 1.0 > control
    assert loss < shallow / 2


# Recordings ----------------------------------------------------------------------------------------------------------


def test_a_recording_has_no_teacher_in_its_first_half_and_one_in_its_second() -> None:
    state, one = initialised(), batch(1)
    recording = RULE.recording(circuit(), state, one.inputs, one.labels)
    assert recording.duration == pytest.approx(2 * RULE.prediction_time)
    half = 200
    apical = recording.trace("hidden2", "v_A").values
    assert apical.shape == (2 * half, 4)
    assert np.abs(apical[half - 1]).max() < 1e-9 < 1e-3 < np.abs(apical[-1]).max()
    u, goal = (recording.trace("output", name).values for name in ("u", "u_trg"))
    np.testing.assert_allclose(goal[-1], logit(targets(one.labels)[0]), rtol=1e-12)
    before, last = np.abs(u[half - 1] - goal[-1]), np.abs(u[-1] - goal[-1])
    np.testing.assert_allclose(last / before, 0.9, atol=0.01)  # the mixing of 0.1, and feedback
    alone = outputs(state.weights, one.inputs.values[:, 0])[0]  # type: ignore[union-attr]
    np.testing.assert_allclose(logistic(u[half - 1]), alone, atol=1e-6)


def test_recordings_and_predictions_do_not_change_the_state() -> None:
    state, one = initialised(), batch(1)
    RULE.recording(circuit(), state, one.inputs, one.labels)
    RULE.predict(circuit(), state, one.inputs)
    assert all(np.array_equal(values, initialised().weights[name]) for name, values in state.weights.items())


# Divergence -----------------------------------------------------------------------------------------------------------

WILD = {"network.activation": "softplus", "rule.bottom_up": "6000,20000"}


@pytest.mark.slow
def test_diverging_weights_stop_a_run_and_its_last_checkpoint_stays_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = Run.create(tmp_path / "run", BARS.with_options(WILD), seed=1, threads=1)
    reports = 0
    with raises_input_error("s of '", "finite"):
        for _ in train(run.config, run.directory, checkpoint_interval=0.0):
            reports += 1
    assert reports > 1
    state, progress = Run.open(tmp_path / "run", threads=1).restore()
    assert state.steps > 1 and (progress.epoch, progress.batch) != (1, 0)
    assert all(np.isfinite(values).all() for values in state.weights.values())
    line = error_line(capsys, "train", BARS.name, "--out", tmp_path / "run", "--resume", "--threads", 1)
    assert "finite" in line
    again, _ = Run.open(tmp_path / "run", threads=1).restore()
    assert all(np.array_equal(values, again.weights[name]) for name, values in state.weights.items())


# Errors -------------------------------------------------------------------------------------------------------------


def rates(values: np.ndarray) -> Batch:
    return Batch(RateInput(values), np.zeros(len(values), dtype=np.int64))


def step(rule: Dendritic = RULE, network: Microcircuit = NETWORK, samples: Batch | None = None) -> Callable[[], Any]:
    return lambda: rule.step(circuit(network), initialised(network=network), samples or batch())


def with_options(**options: Any) -> Callable[[], Any]:
    return lambda: replace(RULE, **options)


SPIKES = SpikeTrains.from_dense(np.zeros((6, 10, INPUTS)), 1e-4)
OPTIONS: list[tuple[str, Any]] = [
    ("bottom_up", ()), ("bottom_up", (1.0, -1.0)), ("init_scale", (float("nan"),)), ("learning_lag", -1e-3),
    ("to_interneuron", -1.0), ("from_interneuron", float("inf")), ("top_down", -0.1), ("top_down_init_scale", -1.0),
    ("filter_time", 0.0), ("learning_time", 0.0), ("prediction_time", 0.0), ("learning_lag", 8e-3),
    ("interneuron_init", "zero"), ("precision", "float16"),
]  # fmt: skip
INVALID: list[tuple[Callable[[], Any], str, tuple[object, ...]]] = [
    *((with_options(**{name: value}), f"Dendritic.{name}", (value,)) for name, value in OPTIONS),
    (lambda: initialised(replace(RULE, init_scale=(1.0, 1.0))), "rule.init_scale", (2, 3)),
    (lambda: initialised(replace(RULE, bottom_up=(1.0, 2.0))), "rule.bottom_up", (2, 3)),
    (step(replace(RULE, bottom_up=(1.0,) * 4)), "rule.bottom_up", (4, 3)),
    (lambda: RULE.init(circuit(), np.random.default_rng(0), 4), "network", (3, 4)),
    (step(samples=replace(batch(), weights=np.ones(6))), "boosting", ()),
    (step(samples=Batch(SPIKES, np.zeros(6, dtype=np.int64))), "encoder", ("spikes", "intensity")),
    (step(samples=rates(np.ones((6, 2, INPUTS)))), "encoder", (2,)),
    (step(replace(RULE, learning_time=8.05e-3)), "rule.learning_time", ()),
    (step(replace(RULE, prediction_time=1.05e-3)), "rule.prediction_time", ()),
    (step(samples=Batch(batch().inputs, np.full(6, 3))), "batch", (3, 2)),
    (lambda: RULE.init(replace(circuit(), nodes=circuit().sources, projections=()), np.random.default_rng(0)),
     "dendritic error: circuit", ("input",)),
]  # fmt: skip


@pytest.mark.parametrize(("attempt", "field", "values"), INVALID)
def test_invalid_options_samples_and_circuits_raise_errors(
    attempt: Callable[[], Any], field: str, values: tuple[object, ...]
) -> None:
    with raises_input_error(field, *values):
        attempt()


def test_the_parameters_of_the_teacher_are_constants_of_the_state() -> None:
    step()()
    rng = np.random.default_rng(0)
    state = replace(RULE, teacher=NetworkTeacher()).init(circuit(), rng)
    assert state.constants.keys() == {"noise", "teacher weights1", "teacher weights2"}
    assert replace(RULE, teacher=LabelTeacher()).init(circuit(), rng, 3).constants.keys() == {"noise"}
