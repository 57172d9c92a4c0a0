"""Sample boosting by its definition, sample by sample, and in a run that is killed and resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import BATCHES, EXPERIMENT, arrays, begun, leave_and_go_on, same_bits
from test_hm2bp import network

from snnlab.errors import InputError
from snnlab.rules.common.adam import Adam
from snnlab.rules.rule import Batch, State
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.training import boosting
from snnlab.training.loop import initial_state, learn, train

BOOSTED = EXPERIMENT.with_options({"boosting": 0.5})


def boosted_one_by_one(weights, wrong, labels, strength):
    """The published step, class by class and sample by sample."""
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
def test_a_wrong_answer_multiplies_a_weight_by_the_error_of_its_class(samples, strength):
    labels, *rounds = (np.array(column) for column in zip(*samples, strict=True))
    state, expected = State({}), np.ones(len(labels))
    boosting.start(state, len(labels))
    for wrong in rounds:
        half = len(labels) // 2
        for part in (np.arange(half, len(labels)), np.arange(half)):  # answers come batch by batch, in any order
            boosting.note(state, part, ~wrong[part])
        boosting.boost(state, labels, strength)
        expected = boosted_one_by_one(expected, wrong, labels.tolist(), strength)
    assert np.allclose(boosting.weights(state), expected, rtol=1e-12)


def test_weights_multiply_the_error_of_their_samples_and_not_the_loss():
    circuit, spikes = network()
    labels, counted, seen = np.array([0, 1, 2, 3, 1]), np.array([1.0, 0.0, 2.0, 1.0, 0.0]), []

    class Kept(Adam):
        def step(self, state, gradients, rate, **more):
            seen.append({name: gradient.copy() for name, gradient in gradients.items()})

    rule = HM2BP(precision="float64", optimiser=Kept())
    state = rule.init(circuit, np.random.default_rng(0))
    _, score = rule.step(circuit, state, Batch(spikes, labels, weights=counted))
    for sample, label in enumerate(labels):
        rule.step(circuit, state, Batch(spikes.sample(sample), np.array([label])))
    for name, found in seen[0].items():
        expected = sum(weight * one[name] for weight, one in zip(counted, seen[1:], strict=True)) / len(labels)
        assert np.abs(expected).max() > 0
        assert np.allclose(found, expected, rtol=1e-9, atol=1e-12)
    _, alike = rule.step(circuit, state, Batch(spikes, labels))
    assert score.loss == alike.loss and np.array_equal(score.correct, alike.correct)


def test_an_epoch_boosts_what_was_answered_wrongly_as_it_was_learned_from(tmp_path: Path):
    study = begun(tmp_path / "run", experiment=BOOSTED)
    config = study.config
    alone, wrong = initial_state(config), np.zeros(len(config.train), dtype=bool)
    order, first = config.order(1), 0
    for _, score in learn(config.rule, config.circuit, alone, config.batches(1)):
        wrong[order[first : first + score.samples]] = ~score.correct
        first += score.samples
    assert 0 < wrong.sum() < len(wrong)
    expected = boosted_one_by_one(np.ones(len(wrong)), wrong, config.train.labels.tolist(), 0.5)
    for report in train(config, study.directory):
        if report.row:
            assert np.allclose(boosting.weights(report.state), expected, rtol=1e-12)
            break
    batch = next(config.batches(2, weights=np.array(expected)))
    assert np.array_equal(batch.weights, np.array(expected)[config.order(2)[:240]])


@pytest.mark.parametrize("stop", [2, BATCHES + 2])
def test_boosting_left_after_any_batch_goes_on_to_the_same_bits(stop: int, tmp_path: Path):
    whole = begun(tmp_path / "whole", experiment=BOOSTED)
    for _ in train(whole.config, whole.directory):
        pass
    leave_and_go_on(tmp_path / "run", stop, experiment=BOOSTED)
    assert same_bits(tmp_path / "run", tmp_path / "whole")
    plain = begun(tmp_path / "plain")
    for _ in train(plain.config, plain.directory):
        pass
    boosted, alike = arrays(tmp_path / "whole"), arrays(tmp_path / "plain")
    assert boosted.keys() - alike.keys() == {"optimizer_state/boosting:weights", "optimizer_state/boosting:wrong"}
    assert any(not np.array_equal(boosted[name], alike[name]) for name in alike)


def test_a_strength_below_zero_is_refused():
    with pytest.raises(InputError, match="boosting: found -0.1; needs a number, at least 0"):
        replace(EXPERIMENT, boosting=-0.1)


def test_weights_beyond_all_numbers_are_refused_and_never_kept(tmp_path: Path):
    study = begun(tmp_path / "run", experiment=EXPERIMENT.with_options({"boosting": 1e6}))
    with pytest.raises(InputError, match="boosting: weights of samples beyond all numbers at 1e\\+06; needs a smaller"):
        for _ in train(study.config, study.directory):
            pass
    assert all(np.isfinite(values).all() for values in arrays(tmp_path / "run").values())
    study.restore()


def test_a_trial_refuses_a_strength_below_zero_too():
    with pytest.raises(InputError, match="boosting: found -0.1"):
        replace(EXPERIMENT.config(seed=0), boosting=-0.1)
