"""Tests of the comparison with Brian2: identical spikes are certified, and every difference is counted."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from command_line import error_line, snnlab
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st
from small_run import train_run

from snnlab import certify, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Circuit
from snnlab.training.loop import train


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_run(tmp_path_factory.mktemp("certify") / "run")


events = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 4), st.integers(0, 3)))


@given(first=events, second=events)
def test_identical_and_differing_are_intersection_and_symmetric_difference(
    first: set[tuple[int, int, int]], second: set[tuple[int, int, int]]
) -> None:
    def spikes(events: set[tuple[int, int, int]]) -> SpikeTrains:
        columns = np.array(sorted(events), dtype=int).reshape(-1, 3).T
        return SpikeTrains.from_events(*columns, samples=3, steps=5, size=4, dt=1e-3)

    agreement = certify.compare_spikes(spikes(first), spikes(second))
    assert (agreement.identical, agreement.differing) == (len(first & second), len(first ^ second))


@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 5, 4), (2, 6, 4)])
def test_spikes_of_different_shapes_are_not_compared(shape: tuple[int, int, int]) -> None:
    spikes = SpikeTrains.from_dense(np.zeros((2, 5, 4)), 1e-3)
    with raises_input_error("compare_spikes", "populations", "samples", "steps"):
        certify.compare_spikes(spikes, SpikeTrains.from_dense(np.zeros(shape), 1e-3))


def test_trained_network_is_certified_and_progress_is_reported_across_chunks(run: Run) -> None:
    state, _ = run.restore()
    calls: list[None] = []
    certificate = certify.certify(run.config, state, 23, progress=lambda: calls.append(None))
    assert certificate.passed and len(calls) == 23
    inputs = run.config.encode(run.config.test.take(slice(23)), 0, TEST)
    circuit = run.config.circuit.with_weights(state.weights)
    responses = engine.run(circuit, {"input": inputs}, precision="float64")
    counts = {name: len(response.spikes) for name, response in responses.items()}
    assert {name: spikes.identical for name, spikes in certificate.engine_vs_brian.items()} == counts
    assert min(counts.values()) > 0


def with_changed_weight(circuit: Circuit, inputs: SpikeTrains) -> Circuit:
    """The circuit with one weight doubled, from the most active hidden neuron to the most active output neuron."""
    name = "hidden1->output.synapse"
    responses = engine.run(circuit, {"input": inputs})
    busiest = {population: response.counts.sum(axis=0).argmax() for population, response in responses.items()}
    weights = np.array(next(one.weights for one in circuit.projections if one.name == name))
    weights[busiest["hidden1"], busiest["output"]] *= 2
    return circuit.with_weights({name: weights})


def test_changed_weight_is_detected(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    simulate = certify.brian_spikes
    monkeypatch.setattr(
        certify,
        "brian_spikes",
        lambda circuit, inputs, progress: simulate(with_changed_weight(circuit, inputs), inputs, progress),
    )
    state, _ = run.restore()
    certificate = certify.certify(run.config, state, 10)
    output, hidden = certificate.engine_vs_brian["output"], certificate.engine_vs_brian["hidden1"]
    assert not certificate.passed and output.differing > 0
    # the population before the changed weight is not affected
    assert hidden.differing == 0 and hidden.identical > 0
    code, out, _ = snnlab(capsys, "certify", run.directory.path, "--samples", 10)
    assert code == 1
    assert f"{output.differing} differing" in out


def test_one_spike_a_step_late_counts_as_two_differing_spikes(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate = certify.brian_spikes

    def late(*arguments: object) -> dict[str, SpikeTrains]:
        spikes = simulate(*arguments)  # type: ignore[arg-type]
        dense = spikes["output"].dense()
        sample, step, neuron = np.argwhere(dense[:, :-1] & ~dense[:, 1:])[0]
        dense[sample, step : step + 2, neuron] = [False, True]
        return spikes | {"output": SpikeTrains.from_dense(dense, 1e-3)}

    monkeypatch.setattr(certify, "brian_spikes", late)
    certificate = certify.certify(run.config, run.restore()[0], 10)
    assert certificate.engine_vs_brian["output"].differing == 2


def test_silent_network_is_not_certified(run: Run) -> None:
    state, _ = run.restore()
    silent = replace(state, weights={name: np.zeros_like(values) for name, values in state.weights.items()})
    certificate = certify.certify(run.config, silent, 3)
    assert all((one.identical, one.differing) == (0, 0) for one in certificate.engine_vs_brian.values())
    assert not certificate.passed


def test_float32_is_compared_with_float64(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    precisions = []
    run_in_engine = engine.run

    def recorded(*arguments: object, precision: engine.Precision = "float32", **options: object) -> object:
        precisions.append(precision)
        return run_in_engine(*arguments, precision=precision, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "run", recorded)
    certify.certify(run.config, run.restore()[0], 2)
    assert sorted(precisions) == ["float32", "float64"]


def test_changed_predictions_are_counted(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    simulate = certify.engine_spikes

    def changed(
        circuit: Circuit, inputs: SpikeTrains, precision: engine.Precision, threads: int | None
    ) -> dict[str, SpikeTrains]:
        """In float32, an output neuron that was not the most active fires in every step of samples 0 and 2."""
        spikes = simulate(circuit, inputs, precision, threads)
        if precision == "float64":
            return spikes
        dense = spikes["output"].dense()
        for sample in (0, 2):
            dense[sample, :, (dense[sample].sum(axis=0).argmax() + 1) % 10] = True
        return spikes | {"output": SpikeTrains.from_dense(dense, inputs.dt)}

    state, _ = run.restore()
    assert certify.certify(run.config, state, 4).changed_predictions == 0
    monkeypatch.setattr(certify, "engine_spikes", changed)
    assert certify.certify(run.config, state, 4).changed_predictions == 2


@pytest.mark.parametrize("samples", [0, -1, 361])
def test_number_of_samples_outside_the_test_set_is_refused(
    samples: int, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    message = error_line(capsys, "certify", run.directory.path, "--samples", samples)
    assert message.startswith("--samples: ") and f"{samples}" in message and "360" in message


@pytest.mark.slow
def test_trained_mnist_network_is_certified(mnist_folder: Path, tmp_path: Path) -> None:
    """The full network, 784-800-10 for 400 steps, after five batches of learning."""
    experiment = EXPERIMENTS["hm2bp-mnist"]
    run = Run.create(tmp_path / "run", experiment, seed=1, folder=mnist_folder)
    learning = train(run.config, run.directory)
    state = [next(learning).state for _ in range(5)][-1]
    learning.close()
    certificate = certify.certify(run.config, state, 5)
    assert certificate.passed
    assert all(one.identical > 50 for one in certificate.engine_vs_brian.values())
    assert json.loads((tmp_path / "run" / "experiment.json").read_text(encoding="utf-8"))["data"] == str(mnist_folder)
