"""Sample boosting by its definition, sample by sample, and in a run that is killed and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from small_run import BATCHES, EXPERIMENT, arrays, create_run, interrupt_and_resume, same_bits
from test_hm2bp import network

from snnlab.rules.common.adam import Adam
from snnlab.rules.rule import Batch, State
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training import boosting
from snnlab.training.loop import initial_state, learn, train

BOOSTED = EXPERIMENT.with_options({"boosting": 0.5})


def boosted_one_by_one(weights, wrong, labels, strength):
    """The published update, class by class and sample by sample."""
    after = list(weights)
    for c in set(labels):
        members = [n for n, label in enumerate(labels) if label == c]
        error = sum(weights[n] for n in members if wrong[n]) / sum(weights[n] for n in members)
        for n in members:
            after[n] = weights[n] * np.exp(strength * error * wrong[n])
    return after


@given(
    samples=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.booleans()), min_size=1, max_size=30),
    strength=st.floats(0, 2),
)
def test_a_misclassified_sample_is_weighted_by_the_error_of_its_class(samples, strength):
    labels, *rounds = (np.array(column) for column in zip(*samples, strict=True))
    state, expected = State({}), np.ones(len(labels))
    boosting.start(state, len(labels))
    for wrong in rounds:
        half = len(labels) // 2
        for part in (np.arange(half, len(labels)), np.arange(half)):  # batch by batch, in any order
            boosting.note(state, part, ~wrong[part])
        boosting.boost(state, labels, strength)
        expected = boosted_one_by_one(expected, wrong, labels.tolist(), strength)
    assert np.allclose(boosting.weights(state), expected, rtol=1e-12)


def test_sample_weights_multiply_the_error_but_not_the_loss():
    circuit, spikes = network()
    labels, weights, seen = np.array([0, 1, 2, 3, 1]), np.array([1.0, 0.0, 2.0, 1.0, 0.0]), []

    class Recorder(Adam):
        def step(self, state, gradients, rate, **more):
            seen.append({name: gradient.copy() for name, gradient in gradients.items()})

    rule = HM2BP(precision="float64", optimiser=Recorder())
    state = rule.init(circuit, np.random.default_rng(0))
    _, metrics = rule.step(circuit, state, Batch(spikes, labels, weights=weights))
    for sample, label in enumerate(labels):
        rule.step(circuit, state, Batch(spikes.sample(sample), np.array([label])))
    for name, found in seen[0].items():
        expected = sum(weight * one[name] for weight, one in zip(weights, seen[1:], strict=True)) / len(labels)
        assert np.abs(expected).max() > 0
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)
    _, unweighted = rule.step(circuit, state, Batch(spikes, labels))
    assert metrics.loss == unweighted.loss and np.array_equal(metrics.correct, unweighted.correct)


def test_an_epoch_boosts_the_samples_that_were_misclassified_in_it(tmp_path: Path):
    run = create_run(tmp_path / "run", experiment=BOOSTED)
    config = run.config
    alone, wrong = initial_state(config), np.zeros(len(config.train), dtype=bool)
    order, first = config.order(1), 0
    for _, metrics in learn(config.rule, config.circuit, alone, config.batches(1)):
        wrong[order[first : first + metrics.samples]] = ~metrics.correct
        first += metrics.samples
    assert 0 < wrong.sum() < len(wrong)
    expected = boosted_one_by_one(np.ones(len(wrong)), wrong, config.train.labels.tolist(), 0.5)
    for report in train(config, run.directory):
        if report.row:
            assert np.allclose(boosting.weights(report.state), expected, rtol=1e-12)
            break
    batch = next(config.batches(2, weights=np.array(expected)))
    assert np.array_equal(batch.weights, np.array(expected)[config.order(2)[:240]])


@pytest.mark.parametrize("stop", [2, BATCHES + 2])
def test_an_interrupted_boosted_run_resumes_to_the_same_bits(stop: int, tmp_path: Path):
    whole = create_run(tmp_path / "whole", experiment=BOOSTED)
    for _ in train(whole.config, whole.directory):
        pass
    interrupt_and_resume(tmp_path / "run", stop, experiment=BOOSTED)
    assert same_bits(tmp_path / "run", tmp_path / "whole")
    plain = create_run(tmp_path / "plain")
    for _ in train(plain.config, plain.directory):
        pass
    boosted, alike = arrays(tmp_path / "whole"), arrays(tmp_path / "plain")
    assert boosted.keys() - alike.keys() == {"optimizer_state/boosting:weights", "optimizer_state/boosting:wrong"}
    assert any(not np.array_equal(boosted[name], alike[name]) for name in alike)


def test_a_negative_strength_is_refused():
    with raises_input_error("boosting", -0.1):
        replace(EXPERIMENT, boosting=-0.1)


def test_overflowing_sample_weights_are_refused_and_never_saved(tmp_path: Path):
    run = create_run(tmp_path / "run", experiment=EXPERIMENT.with_options({"boosting": 1e6}))
    with raises_input_error("boosting", "1e+06"):
        for _ in train(run.config, run.directory):
            pass
    assert all(np.isfinite(values).all() for values in arrays(tmp_path / "run").values())
    run.restore()


def test_a_training_config_refuses_a_negative_strength():
    with raises_input_error("boosting", -0.1):
        replace(EXPERIMENT.config(seed=0), boosting=-0.1)
