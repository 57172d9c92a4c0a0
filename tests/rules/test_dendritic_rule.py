"""Learning by dendritic error as a rule: how it begins, what a step of it is, and what it says no to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import error_line
from small_microcircuit import built, told

from snnlab import engine
from snnlab.data.rates import RateInput
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import RunState, run_rates
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.dendritic.continuous import Dendritic
from snnlab.rules.dendritic.teacher import Labelled, Network
from snnlab.rules.rule import Batch, State
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn, train

INPUTS, CLASSES = 5, 3
NETWORK = Microcircuit((6, 4), mixing=(0.3, 0.2, 0.1), interneuron_mixing=0.15, leak=0.2)
SPEEDS = {"hidden1": 300.0, "hidden2": 200.0, "output": 100.0}
RULE = Dendritic(
    bottom_up=(300.0, 200.0, 100.0), to_interneuron=50.0, from_interneuron=40.0, top_down=30.0, smoothed=2e-3,
    lasts=8e-3, lag=3e-3, settles=20e-3, init_scale=(0.5, 1.0, 2.0), top_down_init_scale=0.7, precision="float64",

)  # fmt: skip


@cache
def circuit(network: Microcircuit = NETWORK, inputs: int = INPUTS) -> Circuit:
    return network.circuit((inputs,), CLASSES, 1e-4)


def batch(samples: int = 6, seed: int = 0, epoch: int = 1, inputs: int = INPUTS) -> Batch:
    rng = np.random.default_rng(seed)
    return Batch(RateInput.constant(rng.uniform(0, 1, (samples, inputs))), np.arange(samples) % CLASSES, epoch)


def begun(rule: Dendritic = RULE, network: Microcircuit = NETWORK, seed: int = 1) -> State:
    return rule.init(circuit(network), np.random.default_rng(seed))


def logistic(u: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-u))


def logit(r: np.ndarray) -> np.ndarray:
    return np.log(r / (1 - r))


def wanted(labels: np.ndarray) -> np.ndarray:
    return np.where(np.eye(CLASSES)[labels] == 1, 0.8, 0.1)


# How it begins --------------------------------------------------------------------------------------------------------


def test_weights_begin_as_wide_as_they_are_told_and_interneurons_with_a_prediction() -> None:
    """Exactly, by the conductances: leak 0.2, dendrite 1, and 0.2/0.8 * 1.2 for the apical one of hidden2."""
    w = begun().weights
    for name, spread in (("input->hidden1.basal", 0.5), ("hidden1->hidden2.basal", 1.0), ("hidden2->output.basal", 2.0),
                         ("hidden2->hidden1.apical", 0.7), ("output->hidden2.apical", 0.7)):  # fmt: skip
        assert 0.6 * spread < np.abs(w[name]).max() <= spread, name
        assert w[name].min() < 0 < w[name].max()
    np.testing.assert_array_equal(w["inter1->hidden1.inhibition"], -w["hidden2->hidden1.apical"])
    np.testing.assert_array_equal(w["inter2->hidden2.inhibition"], -w["output->hidden2.apical"])
    factor = (1 / (1.2 + 0.3)) / (1 / 1.2)
    np.testing.assert_allclose(w["hidden1->inter1.dendrite"], factor * w["hidden1->hidden2.basal"], rtol=1e-12)
    np.testing.assert_allclose(w["hidden2->inter2.dendrite"], w["hidden2->output.basal"], rtol=1e-12)


def test_random_interneurons_begin_as_wide_as_what_they_are_to_predict_and_the_rest_with_the_same_weights() -> None:
    random, exact = begun(replace(RULE, start="random")).weights, begun().weights
    for name, spread in (("hidden1->inter1.dendrite", 1.0), ("hidden2->inter2.dendrite", 2.0),
                         ("inter1->hidden1.inhibition", 0.7), ("inter2->hidden2.inhibition", 0.7)):  # fmt: skip
        assert 0.6 * spread < np.abs(random[name]).max() <= spread, name
        assert not np.allclose(random[name], exact[name])
    for name in random:
        if "inter" not in name:
            np.testing.assert_array_equal(random[name], exact[name])


def test_what_connections_remember_begins_at_nothing_and_all_is_of_the_precision_asked_for() -> None:
    for precision in ("float32", "float64"):
        state = begun(replace(RULE, precision=precision))
        noise = state.constants.pop("noise")
        assert {values.dtype.name for values in (*state.weights.values(), *state.optimizer_state.values())} == {
            precision
        }
        assert state.optimizer_state.keys() == {f"{name} change" for name in state.weights}
        assert noise != begun(seed=9).constants["noise"]
        assert not any(values.any() for values in state.optimizer_state.values())


def test_another_seed_draws_other_weights_and_the_same_seed_the_same() -> None:
    one, again, other = begun(seed=1), begun(seed=1), begun(seed=2)
    assert all(np.array_equal(one.weights[name], again.weights[name]) for name in one.weights)
    assert not any(np.array_equal(one.weights[name], other.weights[name]) for name in one.weights)


# A step ---------------------------------------------------------------------------------------------------------------


@cache
def at_speed(eased: float) -> Circuit:
    speeds = {f"{name}.basal": eased * speed for name, speed in SPEEDS.items()}
    speeds |= {"dendrite": eased * 50.0, "inhibition": eased * 40.0, "apical": eased * 30.0}
    return built(NETWORK, INPUTS, CLASSES, speeds, 2e-3)


def direct(batches: list[Batch], lag: int = 30, eased: float = 1.0, carried: bool = True) -> RunState:
    """The same steps without the rule: the circuit with these speeds, run for 80 steps a batch from rest."""
    made = at_speed(eased)
    weights = begun().weights
    running = RunState({}, {name: {"w": one, "change": np.zeros_like(one)} for name, one in weights.items()})
    for one in batches:
        inputs = told(one.inputs.values[:, 0], CLASSES, logit(wanted(one.labels)))  # type: ignore[union-attr]
        if not carried:
            kept = {name: {"w": got["w"], "change": 0 * got["change"]} for name, got in running.synapses.items()}
            running = RunState({}, kept)
        running = run_rates(
            made, inputs, 80, learn=np.arange(80) >= lag, state=RunState({}, running.synapses), precision="float64"
        ).final_state
    return running


def strayed(state: State, running: RunState) -> float:
    found = [np.abs(state.weights[name] - kept["w"]).max() for name, kept in running.synapses.items()]
    found += [
        np.abs(state.optimizer_state[f"{name} change"] - kept["change"]).max()
        for name, kept in running.synapses.items()
    ]
    return float(max(found))


def after(batches: list[Batch], rule: Dendritic = RULE) -> State:
    state = begun(rule)
    for one in batches:
        state, _ = rule.step(circuit(), state, one)
    return state


def test_a_step_is_a_run_of_the_circuit_with_these_speeds_from_the_lag_on() -> None:
    state, first = after([batch()]), begun().weights
    assert strayed(state, direct([batch()])) < 1e-13
    assert strayed(state, direct([batch()], lag=29)) > 1e-6
    assert min(np.abs(state.weights[name] - first[name]).max() for name in first) > 1e-6  # all families learn
    assert state.steps == 1


def test_what_connections_smooth_goes_on_from_batch_to_batch() -> None:
    two = [batch(seed=1), batch(seed=2)]
    state = after(two)
    assert strayed(state, direct(two)) < 1e-13
    assert strayed(state, direct(two, carried=False)) > 1e-5
    assert state.steps == 2


def test_speeds_ease_off_from_epoch_to_epoch() -> None:
    """1/(1 + 0.5 * 2) in the third."""
    eased = replace(RULE, schedule=Schedule("inverse", gamma=(0.5,)))
    assert strayed(after([batch(epoch=3)], eased), direct([batch()], eased=0.5)) < 1e-13
    assert strayed(after([batch(epoch=1)], eased), direct([batch()])) < 1e-13


def test_the_order_of_a_batch_teaches_nothing() -> None:
    one, order = batch(), np.array([4, 0, 5, 2, 1, 3])
    mixed = Batch(RateInput(one.inputs.values[order]), one.labels[order])  # type: ignore[union-attr]
    ahead, behind = after([one]), after([mixed])
    assert max(np.abs(ahead.weights[name] - behind.weights[name]).max() for name in ahead.weights) < 1e-13
    wrong = after([Batch(one.inputs, one.labels[order])])
    assert max(np.abs(ahead.weights[name] - wrong.weights[name]).max() for name in ahead.weights) > 1e-6


def test_threads_do_not_change_a_bit() -> None:
    """Enough samples for threads to be used."""
    many = circuit(Microcircuit((120,), noise=0.1), 20)
    told_ = batch(100, inputs=20)
    states = []
    rule = replace(RULE, bottom_up=(30.0, 20.0), init_scale=(1.0,), precision="float32")
    for count in (1, 3):
        state = rule.init(many, np.random.default_rng(0))
        with engine.threads(count):
            states.append(rule.step(many, state, told_)[0])
    for name, values in states[0].weights.items():
        assert values.tobytes() == states[1].weights[name].tobytes()


def test_noise_is_another_in_each_batch_and_the_same_in_each_run() -> None:
    noisy = circuit(replace(NETWORK, noise=0.3))

    def moved(steps: int) -> np.ndarray:
        state = RULE.init(noisy, np.random.default_rng(0))
        state.steps = steps
        return RULE.step(noisy, state, batch())[0].weights["input->hidden1.basal"]

    assert np.array_equal(moved(4), moved(4))
    assert not np.array_equal(moved(4), moved(5))


def said(weights: dict[str, Any], seen: np.ndarray) -> np.ndarray:
    """The feedforward network's rates, by the conductances."""
    hidden1 = logistic(seen @ weights["input->hidden1.basal"] / (1.2 + 0.3 / 0.7 * 1.2))
    hidden2 = logistic(hidden1 @ weights["hidden1->hidden2.basal"] / (1.2 + 0.2 / 0.8 * 1.2))
    return np.asarray(logistic(hidden2 @ weights["hidden2->output.basal"] / 1.2))


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_the_loss_is_the_squared_error_before_learning_without_a_teacher_and_without_noise(noise: float) -> None:
    noisy = circuit(replace(NETWORK, noise=noise))
    state, told_ = begun(), batch()
    expected = said(state.weights, told_.inputs.values[:, 0])  # type: ignore[union-attr]
    error = np.square(expected - wanted(told_.labels)).sum(axis=1).mean()
    _, score = RULE.step(noisy, state, told_)
    assert score.loss == pytest.approx(error, abs=1e-4)  # 20 ms are 30 times what the slowest soma takes
    np.testing.assert_array_equal(score.correct, expected.argmax(axis=1) == told_.labels)
    assert score.spikes == 0
    fresh = begun()
    answer = RULE.predict(noisy, fresh, told_.inputs)
    np.testing.assert_allclose(answer.counts, expected, atol=1e-4)
    np.testing.assert_array_equal(answer.labels, expected.argmax(axis=1))
    assert answer.activity.keys() == {"hidden1", "hidden2", "inter1", "inter2", "output"}


# Bars -----------------------------------------------------------------------------------------------------------------

BARS = EXPERIMENTS["dendritic-bars"]


def on_bars(bottom_up: tuple[float, ...]) -> tuple[float, float]:
    """Loss of the last epoch, and accuracy at the end."""
    config = replace(BARS, rule=replace(BARS.rule, bottom_up=bottom_up)).config(seed=1, threads=1)  # type: ignore[type-var]
    state, loss = initial_state(config), 0.0
    for epoch in range(1, config.epochs + 1):
        loss = 0.0
        for after_it, score in learn(config.rule, config.circuit, state, config.batches(epoch)):
            state, loss = after_it, loss + score.loss * score.samples / len(config.train)
    return loss, evaluate(config, state).accuracy


def test_it_learns_the_bars_and_without_learning_in_its_hidden_layer_it_does_not() -> None:
    registered = BARS.rule.bottom_up  # type: ignore[attr-defined]
    loss, accuracy = on_bars(registered)
    shallow, missed = on_bars((0.0, *registered[1:]))
    assert accuracy == 1.0 > missed
    assert loss < shallow / 2


# To look at -----------------------------------------------------------------------------------------------------------


def test_a_recording_is_silent_at_first_and_then_the_teacher_pulls() -> None:
    state, one = begun(), batch(1)
    seen = RULE.recording(circuit(), state, one.inputs, one.labels)
    assert seen.duration == pytest.approx(2 * RULE.settles)
    half = 200
    apical = seen.trace("hidden2", "v_A").values
    assert apical.shape == (2 * half, 4)
    assert np.abs(apical[half - 1]).max() < 1e-9 < 1e-3 < np.abs(apical[-1]).max()
    u, goal = (seen.trace("output", name).values for name in ("u", "u_trg"))
    np.testing.assert_allclose(goal[-1], logit(wanted(one.labels)[0]), rtol=1e-12)
    before, last = np.abs(u[half - 1] - goal[-1]), np.abs(u[-1] - goal[-1])
    np.testing.assert_allclose(last / before, 0.9, atol=0.01)  # a tenth of the way, as the mixing has it, and feedback
    alone = said(state.weights, one.inputs.values[:, 0])[0]  # type: ignore[union-attr]
    np.testing.assert_allclose(logistic(u[half - 1]), alone, atol=1e-6)


def test_looking_teaches_nothing() -> None:
    state, one = begun(), batch(1)
    RULE.recording(circuit(), state, one.inputs, one.labels)
    RULE.predict(circuit(), state, one.inputs)
    assert all(np.array_equal(values, begun().weights[name]) for name, values in state.weights.items())


# Divergence -----------------------------------------------------------------------------------------------------------

WILD = {"network.activation": "softplus", "rule.bottom_up": "6000,20000"}


def test_weights_that_diverge_stop_the_run_and_what_was_written_before_can_be_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = Run.create(tmp_path / "run", BARS.with_options(WILD), seed=1, threads=1)
    reports = 0
    with pytest.raises(InputError, match=r"^(weights|states) of '.*': not finite.*learn"):
        for _ in train(study.config, study.directory, checkpoint_interval=0.0):
            reports += 1
    assert reports > 1
    state, progress = Run.open(tmp_path / "run", threads=1).restore()
    assert state.steps > 1 and (progress.epoch, progress.batch) != (1, 0)
    assert all(np.isfinite(values).all() for values in state.weights.values())
    line = error_line(capsys, "train", BARS.name, "--out", tmp_path / "run", "--resume", "--threads", 1)
    assert "learn" in line
    again, _ = Run.open(tmp_path / "run", threads=1).restore()
    assert all(np.array_equal(values, again.weights[name]) for name, values in state.weights.items())


# What is refused ------------------------------------------------------------------------------------------------------


def rates(values: np.ndarray) -> Batch:
    return Batch(RateInput(values), np.zeros(len(values), dtype=np.int64))


def stepped(rule: Dendritic = RULE, network: Microcircuit = NETWORK, told_: Batch | None = None) -> Callable[[], Any]:
    return lambda: rule.step(circuit(network), begun(network=network), told_ or batch())


def told_as(**options: Any) -> Callable[[], Any]:
    return lambda: replace(RULE, **options)


SPIKES = SpikeTrains.from_dense(np.zeros((6, 10, INPUTS)), 1e-4)
CASES: list[tuple[Callable[[], Any], str]] = [
    *((told_as(**{name: bad}), rf"^Dendritic\.{name}: found .*; needs numbers, at least 0")
      for name, bad in (("bottom_up", ()), ("bottom_up", (1.0, -1.0)), ("init_scale", (float("nan"),)))),
    *((told_as(**{name: bad}), rf"^Dendritic\.{name}: found .*; needs a number, at least 0")
      for name, bad in (("lag", -1e-3), ("to_interneuron", -1.0), ("from_interneuron", float("inf")),
                        ("top_down", -0.1), ("top_down_init_scale", -1.0))),
    *((told_as(**{name: 0.0}), rf"^Dendritic\.{name}: found 0\.0; needs seconds, above 0")
      for name in ("smoothed", "lasts", "settles")),
    (lambda: Dendritic(lasts=0.01, lag=0.01), r"^Dendritic\.lag: found 0\.01, and samples of 0\.01 s; needs less"),
    (lambda: Dendritic(start="zero"), r"^Dendritic\.start: found 'zero'"),  # type: ignore[arg-type]
    (lambda: Dendritic(precision="float16"), r"^Dendritic\.precision: found 'float16'"),  # type: ignore[arg-type]
    (lambda: begun(replace(RULE, init_scale=(1.0, 1.0))), r"^rule\.init_scale: found 2 numbers; needs one, or one for"),
    (lambda: begun(replace(RULE, bottom_up=(1.0, 2.0))), r"^rule\.bottom_up: found 2 numbers; needs one,"),
    (stepped(replace(RULE, bottom_up=(1.0,) * 4)), r"^rule\.bottom_up: found 4 numbers"),
    (lambda: RULE.init(circuit(), np.random.default_rng(0), 4),
     r"^rule\.teacher: 3 outputs, and samples of 4 classes; needs one for each"),
    (stepped(told_=replace(batch(), weights=np.ones(6))), r"^boosting: samples that count more than others"),
    (stepped(told_=Batch(SPIKES, np.zeros(6, dtype=np.int64))), r"^encoder: makes spikes; .*encoder=intensity"),
    (stepped(told_=rates(np.ones((6, 2, INPUTS)))), r"^encoder: makes rates of 2 stretches"),
    (stepped(replace(RULE, lasts=8.05e-3)), r"^rule\.lasts: "),
    (stepped(replace(RULE, settles=1.05e-3)), r"^rule\.settles: "),
    (stepped(told_=Batch(batch().inputs, np.full(6, 3))), r"^batch: labels 3 to 3; needs labels from 0 to 2"),
    (lambda: RULE.init(replace(circuit(), nodes=circuit().sources, projections=()), np.random.default_rng(0)),
     r"^dendritic error: circuit: of .*; needs a dendritic microcircuit"),
]  # fmt: skip


@pytest.mark.parametrize(("attempt", "said"), CASES, ids=[f"{k}: {said}" for k, (_, said) in enumerate(CASES)])
def test_what_means_nothing_is_refused_with_the_reason(attempt: Callable[[], Any], said: str) -> None:
    with pytest.raises(InputError, match=said):
        attempt()


def test_a_lag_and_teachers_of_the_right_kind_are_not_refused() -> None:
    RULE.init(circuit(), np.random.default_rng(0), 3)
    stepped()()
    rng = np.random.default_rng(0)
    state = Dendritic(teacher=Network()).init(circuit(), rng)
    assert state.constants.keys() == {"noise", "teacher weights1", "teacher weights2"}
    assert Dendritic(teacher=Labelled()).init(circuit(), rng).constants.keys() == {"noise"}
