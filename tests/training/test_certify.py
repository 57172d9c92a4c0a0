"""Certificates: what agrees with Brian2 is said to agree, and what does not is not."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_run import refusal, snnlab, trained

from snnlab import certify, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit
from snnlab.rules.rule import State
from snnlab.training.loop import TrainingConfig, train


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return trained(tmp_path_factory.mktemp("certify") / "run")


@given(
    one=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3))),
    other=st.sets(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3))),
)
def test_identical_and_differing_are_intersection_and_symmetric_difference(
    one: set[tuple[int, int, int]], other: set[tuple[int, int, int]]
) -> None:
    def spikes(events: set[tuple[int, int, int]]) -> SpikeTrains:
        columns = np.array(sorted(events), dtype=int).reshape(-1, 3).T
        return SpikeTrains.from_events(*columns, samples=3, steps=5, size=4, dt=1e-3)

    agreement = certify.compare(spikes(one), spikes(other))
    assert (agreement.identical, agreement.differing) == (len(one & other), len(one ^ other))


def test_simulations_of_different_things_are_not_compared() -> None:
    one = SpikeTrains.from_dense(np.zeros((2, 5, 4)), 1e-3)
    for other in (np.zeros((2, 5, 3)), np.zeros((1, 5, 4)), np.zeros((2, 6, 4))):
        with pytest.raises(InputError, match="different populations, samples or steps"):
            certify.compare(one, SpikeTrains.from_dense(other, 1e-3))


def test_a_trained_network_fires_the_same_in_brian(study: Run) -> None:
    state, _ = study.restored()
    found = certify.certify(study.trial, state, 7)
    assert found.holds
    inputs = study.trial.encode(study.trial.test.take(slice(7)), 0, TEST)
    circuit = study.trial.circuit.with_weights(state.weights)
    fired = {name: len(one.spikes) for name, one in engine.run(circuit, {"input": inputs}, precision="float64").items()}
    assert {name: one.identical for name, one in found.brian.items()} == fired
    assert min(fired.values()) > 0


def test_samples_are_counted_as_they_are_done_also_beyond_one_batch(study: Run) -> None:
    state, _ = study.restored()
    done: list[None] = []
    found = certify.certify(study.trial, state, 23, done=lambda: done.append(None))
    assert len(done) == 23
    inputs = study.trial.encode(study.trial.test.take(slice(23)), 0, TEST)
    fired = certify.engine_spikes(study.trial, state, inputs, "float64")
    assert {name: one.identical for name, one in found.brian.items()} == {name: len(one) for name, one in fired.items()}


def other_weight(circuit: Circuit, inputs: SpikeTrains) -> Circuit:
    """The circuit with one weight doubled, from the busiest hidden neuron to the busiest output."""
    name = "hidden1->output.synapse"
    counts = {population: one.counts.sum(axis=0) for population, one in engine.run(circuit, {"input": inputs}).items()}
    weights = np.array(next(one.weights for one in circuit.projections if one.name == name))
    weights[counts["hidden1"].argmax(), counts["output"].argmax()] *= 2
    return circuit.with_weights({name: weights})


def test_one_weight_that_differs_is_found(
    study: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right = certify.brian_spikes
    monkeypatch.setattr(
        certify, "brian_spikes", lambda circuit, inputs, done: right(other_weight(circuit, inputs), inputs, done)
    )
    state, _ = study.restored()
    found = certify.certify(study.trial, state, 10)
    assert not found.holds
    assert found.brian["output"].differing > 0
    # what lies before the weight is as it was
    assert found.brian["hidden1"].differing == 0 and found.brian["hidden1"].identical > 0
    code, out, _ = snnlab(capsys, "certify", study.run.path, "--samples", 10)
    assert code == 1
    assert f"{found.brian['output'].differing} differing" in out


def test_one_spike_a_step_late_is_two_that_differ(study: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = certify.brian_spikes

    def late(*arguments: object) -> dict[str, SpikeTrains]:
        found = right(*arguments)  # type: ignore[arg-type]
        dense = found["output"].dense()
        sample, step, neuron = np.argwhere(dense[:, :-1] & ~dense[:, 1:])[0]
        dense[sample, step : step + 2, neuron] = [False, True]
        return found | {"output": SpikeTrains.from_dense(dense, 1e-3)}

    monkeypatch.setattr(certify, "brian_spikes", late)
    found = certify.certify(study.trial, study.restored()[0], 10)
    assert found.brian["output"].differing == 2


def test_a_network_that_never_fires_is_not_certified(study: Run) -> None:
    state, _ = study.restored()
    silent = replace(state, weights={name: np.zeros_like(values) for name, values in state.weights.items()})
    found = certify.certify(study.trial, silent, 3)
    assert all((one.identical, one.differing) == (0, 0) for one in found.brian.values())
    assert not found.holds


def test_float32_is_compared_with_float64_and_not_with_itself(study: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    right = engine.run

    def asking(*arguments: object, precision: engine.Precision = "float32", **words: object) -> object:
        asked.append(precision)
        return right(*arguments, precision=precision, **words)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "run", asking)
    certify.certify(study.trial, study.restored()[0], 2)
    assert sorted(asked) == ["float32", "float64"]


def test_a_changed_answer_is_counted(study: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    right = certify.engine_spikes

    def wrong(
        trial: TrainingConfig, state: State, inputs: SpikeTrains, precision: engine.Precision
    ) -> dict[str, SpikeTrains]:
        """In float32, samples 0 and 2 are answered by another class than the busiest: it fires in every step."""
        found = right(trial, state, inputs, precision)
        if precision == "float64":
            return found
        dense = found["output"].dense()
        for sample in (0, 2):
            dense[sample, :, (dense[sample].sum(axis=0).argmax() + 1) % 10] = True
        return found | {"output": SpikeTrains.from_dense(dense, inputs.dt)}

    state, _ = study.restored()
    assert certify.certify(study.trial, state, 4).changed_answers == 0
    monkeypatch.setattr(certify, "engine_spikes", wrong)
    assert certify.certify(study.trial, state, 4).changed_answers == 2


@pytest.mark.parametrize("samples", [0, -1, 361])
def test_more_samples_than_there_are_are_refused(samples: int, study: Run, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "certify", study.run.path, "--samples", samples)
    assert said == f"--samples: found {samples}; the test set has 1 to 360"


@pytest.mark.slow
def test_mnist_fires_the_same_in_brian(mnist_folder: Path, tmp_path: Path) -> None:
    """The full network, 784-800-10 for 400 steps, after a few batches of learning."""
    experiment = EXPERIMENTS["hm2bp-mnist"]
    study = Run.begin(tmp_path / "run", experiment, seed=1, folder=mnist_folder)
    learning = train(study.trial, study.run)
    state = [next(learning).state for _ in range(5)][-1]
    learning.close()
    found = certify.certify(study.trial, state, 5)
    assert found.holds
    assert all(one.identical > 50 for one in found.brian.values())
    assert json.loads((tmp_path / "run" / "experiment.json").read_text(encoding="utf-8"))["data"] == str(mnist_folder)
