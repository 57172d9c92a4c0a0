"""The common part of spike-time rules: learning-rate factors, decisions and errors."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from test_normad import DT, drawn, learned, network

from snnlab.data.spikes import SpikeTrains
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rule import Batch
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.resume import ReSuMe
from snnlab.rules.spike_time.span import SPAN
from snnlab.rules.spike_time.target_trains import PoissonTrains, RegularTrains, SingleSpikes
from snnlab.training.loop import initial_state, train

RULES = [NormAD, ReSuMe, SPAN]


@pytest.mark.parametrize(
    ("similarity", "factor"), [(-1.0, 1.0), (0.2, 1.0), (0.75, 0.5), (0.9, 0.2), (0.99, 0.1), (1.0, 0.1)]
)
def test_learning_rates_fall_with_the_loss_within_their_limits(similarity: float, factor: float) -> None:
    batch = replace(Batch(drawn(3), np.zeros(1, dtype=np.int64)), epoch=3)
    assert NormAD(loss_scaling=2.0).rate_factor(batch, 0, 1 - similarity) == pytest.approx(factor)
    halved = NormAD(loss_scaling=2.0, schedule=Schedule("step"))
    assert halved.rate_factor(batch, 0, 1 - similarity) == pytest.approx(factor / 4)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_the_rate_scales_what_is_learned_by_the_epoch(rule: Any) -> None:
    circuit, inputs = network(30, 1), drawn(30)
    changes = []
    for epoch in (1, 2):
        one = rule(targets=SingleSpikes(time=80e-3), learning_rate=1e-9, schedule=Schedule("step"))
        state, before, _ = learned(one, circuit, Batch(inputs, np.array([1, 1]), epoch))
        changes.append(state.weights["input->layer1.synapse"] - before["input->layer1.synapse"])
    assert changes[0].any()
    np.testing.assert_allclose(changes[1], changes[0] / 2)


@pytest.mark.slow
@pytest.mark.parametrize("rule", RULES)
def test_a_sample_of_weight_0_changes_nothing(rule: Any) -> None:
    """Two samples of weights 1 and 0 give half of the change of the first alone."""
    circuit, inputs = network(30, 1), drawn(30)
    one = rule(targets=SingleSpikes(time=80e-3), learning_rate=1e-9)

    def taught(batch: Batch) -> Any:
        state, before, _ = learned(one, circuit, batch)
        return state.weights["input->layer1.synapse"] - before["input->layer1.synapse"]

    both = taught(Batch(inputs, np.array([1, 1]), weights=np.array([1.0, 0.0])))
    np.testing.assert_allclose(both, taught(Batch(inputs.sample(0), np.array([1]))) / 2)
    assert not np.allclose(both, taught(Batch(inputs, np.array([1, 1]))), atol=0)


def test_decision_by_count_is_the_most_active_neuron() -> None:
    rule = NormAD(targets=RegularTrains(), decision="count")
    output = SpikeTrains.from_events(
        [0, 0, 0, 1, 1], [1, 5, 9, 3, 4], [2, 2, 0, 1, 1], samples=2, steps=20, size=3, dt=DT
    )
    state = rule.init(network(5, 3), np.random.default_rng(0))
    assert rule.classify(state, output).tolist() == [2, 1]


def test_decision_by_correlation_is_the_class_of_the_most_similar_trains() -> None:
    """Below min_correlation it is the class after all classes with target trains."""
    rule = NormAD(targets=PoissonTrains(patterns=4, firing_rate=60.0, dead_time=8e-3, last=0.11), min_correlation=0.9)
    state = rule.init(network(5, 2), np.random.default_rng(0))
    shape = drawn(2, samples=4)
    target = rule.target_trains(state, np.array([3, 1, 0, 2]), shape)
    assert rule.classify(state, target).tolist() == [3, 1, 0, 2]
    assert rule.classify(state, drawn(2, samples=4, rate=1.0)).tolist() == [4] * 4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["normad-association-hidden", "resume-association", "span-association"])
def test_a_seed_gives_the_same_problem_for_every_rule_and_network(name: str) -> None:
    """With and without hidden layer, and for each of several outputs; another seed gives another problem."""

    def problem(experiment: Any, seed: int) -> list[list[float]]:
        config = experiment.config(seed=seed, threads=1)
        (spikes, *_) = (batch.inputs for batch in config.batches(1))
        return [*initial_state(config).constants["target spikes"].tolist(), spikes.ids.tolist()]

    single, other = EXPERIMENTS["normad-association"], EXPERIMENTS[name]
    assert problem(other, 3) == problem(single, 3) != problem(single, 4)
    three = problem(single.with_options({"network.outputs": "3"}), 3)
    assert [row for row in three[:-1] if row[1] == 0] == problem(single, 3)[:-1]


def delayed(circuit: Circuit) -> Circuit:
    return replace(circuit, projections=tuple(replace(one, delay="5 ms") for one in circuit.projections))


def held(circuit: Circuit, period: str) -> Circuit:
    """The same cells with the refractory period as a number on the card, not as a parameter."""
    nodes = tuple(
        replace(one, cell=replace(one.cell, refractory=period)) if isinstance(one, Population) else one
        for one in circuit.nodes
    )
    return replace(circuit, nodes=nodes)


@pytest.mark.parametrize(
    ("circuit", "targets", "field", "value"),
    [
        (delayed(network(5, 1)), PoissonTrains(), "NormAD: input->layer1.synapse", "5 ms"),
        (
            held(network(5, 1), "3 ms"),
            PoissonTrains(firing_rate=200.0, dead_time=1e-3, last=0.11),
            "rule.targets",
            "3 ms",
        ),
        (
            replace(network(5, 1), dt=2e-3),
            PoissonTrains(firing_rate=150.0, dead_time=1e-3),
            "rule.targets",
            "2 ms",
        ),
    ],
)
def test_invalid_projections_and_targets_are_refused_by_init(
    circuit: Circuit, targets: PoissonTrains, field: str, value: str
) -> None:
    """With steps of 2 ms the refractory period of 3 ms is one step; times 1 ms apart may fall into one step."""
    with raises_input_error(field, value):
        NormAD(targets=targets).init(circuit, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("rule", "classes", "field"),
    [
        (NormAD(targets=PoissonTrains(patterns=5), min_correlation=0.5), 5, "rule.min_correlation"),
        (NormAD(targets=PoissonTrains(patterns=5)), 4, "rule.targets"),
        (ReSuMe(targets=PoissonTrains()), 2, "rule.min_correlation"),
    ],
)
def test_a_number_of_classes_without_a_valid_decision_is_refused(rule: Any, classes: int, field: str) -> None:
    with raises_input_error(field):
        rule.init(network(5, 1), np.random.default_rng(0), classes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "field", "value"),
    [
        ([2], "rule.targets", "2 to 2"),
        ([-1], "rule.targets", "-1"),
        ([0.5], "labels", "float64"),
        ([1, 0], "labels", "(2,)"),
    ],
)
def test_labels_without_target_trains_are_refused(labels: list[Any], field: str, value: str) -> None:
    rule = NormAD(targets=SingleSpikes())
    state = rule.init(network(5, 1), np.random.default_rng(0))
    with raises_input_error(field, value):
        rule.step(network(5, 1), state, Batch(drawn(5, samples=1), np.array(labels)))


@pytest.mark.parametrize("targets", [SingleSpikes(), PoissonTrains(patterns=3)])
def test_decision_by_count_requires_one_neuron_per_class(targets: Any) -> None:
    with raises_input_error("NormAD.decision", "count", type(targets).__name__):
        NormAD(targets=targets, decision="count")


def test_a_checkpoint_with_other_target_times_than_the_seeds_is_refused(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", EXPERIMENTS["normad-xor"].with_options({"epochs": "2"}), threads=1)
    for _ in train(run.config, run.directory):
        pass
    state, progress = run.restore()
    with run.directory.locked():
        run.directory.save(state, progress)
    run.restore()
    state.constants["target spikes"][0, 2] += 1e-3
    with run.directory.locked():
        run.directory.save(state, progress)
    with raises_input_error("npz: constants of target spikes"):
        run.restore()
