"""What rules for spike times share: the course of rates, the answer, and what they refuse to learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_normad import DT, drawn, learned, network

from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit, Population
from snnlab.rules.common.schedule import Schedule
from snnlab.rules.rule import Batch
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.resume import ReSuMe
from snnlab.rules.spike_time.span import SPAN
from snnlab.rules.spike_time.target_trains import Drawn, Marked, Paced
from snnlab.training.loop import start, train

RULES = [NormAD, ReSuMe, SPAN]


@pytest.mark.parametrize(
    ("alike", "share"), [(-1.0, 1.0), (0.2, 1.0), (0.75, 0.5), (0.9, 0.2), (0.99, 0.1), (1.0, 0.1)]
)
def test_rates_ease_as_the_output_becomes_like_the_desired_trains(alike: float, share: float) -> None:
    batch = replace(Batch(drawn(3), np.zeros(1, dtype=np.int64)), epoch=3)
    assert NormAD(loss_scaling=2.0).rate_factor(batch, 0, 1 - alike) == pytest.approx(share)
    halved = NormAD(loss_scaling=2.0, schedule=Schedule("step"))
    assert halved.rate_factor(batch, 0, 1 - alike) == pytest.approx(share / 4)


@pytest.mark.parametrize("rule", RULES)
def test_the_rate_scales_what_is_learned_by_the_epoch(rule: Any) -> None:
    circuit, inputs = network(30, 1), drawn(30)
    changes = []
    for epoch in (1, 2):
        one = rule(desired=Marked(at=80e-3), learning_rate=1e-9, schedule=Schedule("step"))
        state, before, _ = learned(one, circuit, Batch(inputs, np.array([1, 1]), epoch))
        changes.append(state.weights["input->layer1.synapse"] - before["input->layer1.synapse"])
    assert changes[0].any()
    np.testing.assert_allclose(changes[1], changes[0] / 2)


@pytest.mark.parametrize("rule", RULES)
def test_a_sample_that_counts_nothing_teaches_nothing(rule: Any) -> None:
    """Two samples of weights 1 and 0 teach half of what the first does alone; equal weights teach otherwise."""
    circuit, inputs = network(30, 1), drawn(30)
    one = rule(desired=Marked(at=80e-3), learning_rate=1e-9)

    def taught(batch: Batch) -> Any:
        state, before, _ = learned(one, circuit, batch)
        return state.weights["input->layer1.synapse"] - before["input->layer1.synapse"]

    both = taught(Batch(inputs, np.array([1, 1]), weights=np.array([1.0, 0.0])))
    np.testing.assert_allclose(both, taught(Batch(inputs.sample(0), np.array([1]))) / 2)
    assert not np.allclose(both, taught(Batch(inputs, np.array([1, 1]))), atol=0)


def test_the_answer_by_count_is_the_neuron_that_fires_most() -> None:
    rule = NormAD(desired=Paced(), decision="count")
    output = SpikeTrains.from_events(
        [0, 0, 0, 1, 1], [1, 5, 9, 3, 4], [2, 2, 0, 1, 1], samples=2, steps=20, size=3, dt=DT
    )
    state = rule.init(network(5, 3), np.random.default_rng(0))
    assert rule.classify(state, output).tolist() == [2, 1]


def test_the_answer_by_correlation_is_the_class_whose_trains_the_output_has() -> None:
    """And the class after all of them where it is like none."""
    rule = NormAD(desired=Drawn(patterns=4, rate=60.0, gap=8e-3, last=0.11), enough=0.9)
    state = rule.init(network(5, 2), np.random.default_rng(0))
    shape = drawn(2, samples=4)
    wanted = rule.target_trains(state, np.array([3, 1, 0, 2]), shape)
    assert rule.classify(state, wanted).tolist() == [3, 1, 0, 2]
    assert rule.classify(state, drawn(2, samples=4, rate=1.0)).tolist() == [4] * 4


@pytest.mark.parametrize("name", ["normad-association-hidden", "resume-association", "span-association"])
def test_a_seed_is_the_same_problem_for_every_rule_and_network(name: str) -> None:
    """Single or hidden layer, and each of several outputs; another seed is another."""

    def problem(experiment: Any, seed: int) -> list[list[float]]:
        trial = experiment.trial(seed=seed, threads=1)
        (spikes, *_) = (batch.inputs for batch in trial.batches(1))
        return [*start(trial).constants["desired"].tolist(), spikes.ids.tolist()]

    single, other = EXPERIMENTS["normad-association"], EXPERIMENTS[name]
    assert problem(other, 3) == problem(single, 3) != problem(single, 4)
    three = problem(single.with_options({"network.outputs": "3"}), 3)
    assert [row for row in three[:-1] if row[1] == 0] == problem(single, 3)[:-1]


def delayed(circuit: Circuit) -> Circuit:
    return replace(circuit, projections=tuple(replace(one, delay="5 ms") for one in circuit.projections))


def held(circuit: Circuit, period: str) -> Circuit:
    """The same cells, whose card has the refractory period as a number and not as a parameter."""
    nodes = tuple(
        replace(one, cell=replace(one.cell, refractory=period)) if isinstance(one, Population) else one
        for one in circuit.nodes
    )
    return replace(circuit, nodes=nodes)


@pytest.mark.parametrize(
    ("circuit", "desired", "says"),
    [
        (delayed(network(5, 1)), Drawn(), r"^NormAD: input->layer1.synapse: a delay of 5 ms; needs none"),
        (held(network(5, 1), "3 ms"), Drawn(rate=200.0, gap=1e-3, last=0.11), r"ms; needs 3 ms between them"),
        (replace(network(5, 1), dt=2e-3), Drawn(rate=150.0, gap=1e-3), r"ms; needs 2 ms between them"),
    ],
)
def test_what_cannot_be_learned_is_refused_before_it_begins(circuit: Circuit, desired: Drawn, says: str) -> None:
    """On a grid of 2 ms the refractory period of 3 ms is one step, and times 1 ms apart may fall into the same."""
    with pytest.raises(InputError, match=says):
        NormAD(desired=desired).init(circuit, np.random.default_rng(1))


@pytest.mark.parametrize(
    ("rule", "classes", "says"),
    [
        (
            NormAD(desired=Drawn(patterns=5), enough=0.5),
            5,
            "rule.enough: found 0.5, and trains for each of the 5 classes",
        ),
        (NormAD(desired=Drawn(patterns=5)), 4, "rule.desired: trains for 5 classes; the samples are of 4"),
        (ReSuMe(desired=Drawn()), 2, "rule.enough: found 0, and trains for one class alone; needs"),
    ],
)
def test_classes_that_cannot_be_answered_are_refused(rule: Any, classes: int, says: str) -> None:
    with pytest.raises(InputError, match=f"^{says}"):
        rule.init(network(5, 1), np.random.default_rng(0), classes)
    rule.init(network(5, 1), np.random.default_rng(0), 6) if "one class" not in says else None


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ([2], "trains for 2 classes, and samples of classes 2 to 2"),
        ([-1], "samples of classes -1 to -1"),
        ([0.5], "labels: float64"),
        ([1, 0], r"labels: int64 of shape \(2,\); needs a whole number for each of the 1 samples"),
    ],
)
def test_labels_without_trains_are_refused(labels: list[Any], says: str) -> None:
    rule = NormAD(desired=Marked())
    state = rule.init(network(5, 1), np.random.default_rng(0))
    with pytest.raises(InputError, match=says):
        rule.step(network(5, 1), state, Batch(drawn(5, samples=1), np.array(labels)))


@pytest.mark.parametrize("desired", [Marked(), Drawn(patterns=3)])
def test_counting_is_refused_where_classes_have_no_neuron_of_their_own(desired: Any) -> None:
    with pytest.raises(InputError, match=r"^NormAD.decision: found 'count', and desired trains that are \w+; needs"):
        NormAD(desired=desired, decision="count")


def test_desired_times_that_are_not_the_seeds_are_refused_with_their_checkpoint(tmp_path: Path) -> None:
    study = Run.begin(tmp_path / "run", EXPERIMENTS["normad-xor"].with_options({"epochs": "2"}), threads=1)
    for _ in train(study.trial, study.run):
        pass
    state, progress = study.restored()
    with study.run.locked():
        study.run.save(state, progress)
    study.restored()
    state.constants["desired"][0, 2] += 1e-3
    with study.run.locked():
        study.run.save(state, progress)
    with pytest.raises(InputError, match=r"npz: memory of desired: other than this seed draws"):
        study.restored()
