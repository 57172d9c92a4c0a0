"""NormAD against its formulas written as plain sums, and on the tasks of its papers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from numpy.typing import NDArray

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.rules.rule import Batch, State
from snnlab.rules.spike_time.base import spike_errors
from snnlab.rules.spike_time.normad import NormAD
from snnlab.rules.spike_time.target_trains import PoissonTrains, SingleSpikes
from snnlab.training.config import TrainingConfig
from snnlab.training.loop import initial_state

DT, STEPS = 1e-4, 1200
TAU_1, TAU_2, TAU_L, C = 5e-3, 1.25e-3, 1e-3, 300e-12


def network(*sizes: int) -> Circuit:
    """Layers of lif_normad, all of its inputs through the double-exponential current."""
    synapse = {"synapse": Receptor(cards.synapse("double_exponential_current"), "soma")}
    nodes: list[Any] = [Source("input", sizes[0])]
    projections = []
    for k, size in enumerate(sizes[1:], start=1):
        nodes.append(Population(f"layer{k}", cards.cell("lif_normad"), size, {}, synapse))
        projections.append(Projection(nodes[-2].name, nodes[-1].name, "synapse", np.zeros((nodes[-2].size, size))))
    return Circuit(tuple(nodes), tuple(projections), DT)


def drawn(size: int, samples: int = 2, seed: int = 0, rate: float = 40.0) -> SpikeTrains:
    rng = np.random.default_rng(seed)
    return SpikeTrains.from_dense(rng.random((samples, STEPS, size)) < rate * DT, DT)


def kappa(lag: NDArray[np.float64]) -> NDArray[np.float64]:
    """alpha * h at some lags, by the integral of exp(-s/a) exp(-(t - s)/b) over s."""

    def convolved(a: float, b: float) -> NDArray[np.float64]:
        return (np.exp(-lag / a) - np.exp(-lag / b)) / (1 / b - 1 / a)

    return np.where(lag > 0, (convolved(TAU_1, TAU_L) - convolved(TAU_2, TAU_L)) / C, 0.0)


def filtered(train: NDArray[np.float64]) -> NDArray[np.float64]:
    """(train * kappa)(t) of each row (neurons, steps): one sum after another."""
    steps = np.arange(train.shape[1])
    table = kappa((steps[:, None] - steps[None, :]) * DT)
    return train @ table.T


def rows(spikes: SpikeTrains, sample: int) -> NDArray[np.float64]:
    return spikes.dense()[sample].T.astype(float)


def learned(
    rule: NormAD, circuit: Circuit, batch: Batch, seed: int = 3
) -> tuple[State, dict[str, Any], list[SpikeTrains]]:
    """The state after one batch, the weights before it, and the trains that it was learned from."""
    state = rule.init(circuit, np.random.default_rng(seed))
    before = {name: values.copy() for name, values in state.weights.items()}
    responses = engine.run(circuit.with_weights(before), {"input": batch.inputs}, precision="float64")
    trains = [batch.inputs, *(responses[one.post].spikes for one in circuit.projections)]
    state, _ = rule.step(circuit, state, batch)
    return state, before, trains


def test_a_single_layer_changes_by_the_papers_sum_over_error_times() -> None:
    rule = NormAD(
        targets=PoissonTrains(patterns=2, firing_rate=60.0, dead_time=8e-3, last=0.11),
        learning_rate=2e-10,
        init_scale=3e-9,
        min_norm=0.0,
    )
    circuit, batch = network(30, 3), Batch(drawn(30, samples=3), np.array([0, 1, 0]))
    state, before, trains = learned(rule, circuit, batch)
    target = rule.target_trains(state, batch.labels, trains[-1])
    expected = np.zeros((30, 3))
    for sample in range(3):
        error = rows(target, sample) - rows(trains[-1], sample)
        assert (error == 1).any() and (error == -1).any(), "some spikes are missing, others superfluous"
        d = filtered(rows(batch.inputs, sample))
        norm = np.linalg.norm(d, axis=0)
        expected += np.where(norm > 0, d / np.where(norm > 0, norm, 1), 0) @ error.T
    change = state.weights["input->layer1.synapse"] - before["input->layer1.synapse"]
    np.testing.assert_allclose(change, 2e-10 * expected / 3, rtol=1e-9, atol=1e-9 * 2e-10)


def test_the_step_of_a_single_error_has_the_length_of_the_learning_rate() -> None:
    """Whatever the inputs are."""
    rule = NormAD(targets=SingleSpikes(time=80e-3), learning_rate=7e-10)
    circuit = network(30, 1)
    for seed in range(5):
        batch = Batch(drawn(30, samples=1, seed=seed, rate=10.0 * (seed + 1)), np.array([1]))
        state, before, _ = learned(rule, circuit, batch)
        assert not before["input->layer1.synapse"].any()
        assert np.linalg.norm(state.weights["input->layer1.synapse"]) == pytest.approx(7e-10, rel=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", ["plain", "normalised", "rescaled"])
def test_hidden_layers_change_by_the_direct_form_with_one_filter_per_synapse(hidden: Any) -> None:
    """Form 1, sum_t eps_k(t) W_ik [(S_i d_j) * kappa](t), of two hidden layers, against backpropagated errors."""
    targets = SingleSpikes(time=100e-3)
    rule = NormAD(
        targets=targets,
        hidden_normalisation=hidden,
        hidden_learning_rate=1.0,
        init_scale=2e-9,
        hidden_init_scale=12e-9,
        min_norm=0.0,
    )
    circuit, batch = network(20, 6, 5, 2), Batch(drawn(20, samples=1, rate=60.0), np.array([1]))
    state, before, trains = learned(rule, circuit, batch)
    target, weights = rule.target_trains(state, batch.labels, trains[-1]), list(before.values())
    # not the difference of the weights, which would have few digits
    changes = rule.weight_changes(circuit, before, trains, spike_errors(target, trains[-1]))
    s = [rows(train, 0) for train in trains]
    d = [filtered(one) for one in s]
    unit = [one / np.where((n := np.linalg.norm(one, axis=0)) > 0, n, 1) for one in d]
    inputs = unit if hidden == "normalised" else d
    error = rows(target, 0) - s[3]
    norm = np.linalg.norm(d[2], axis=0)
    eps = error * np.where(norm > 0, 1 / np.where(norm > 0, norm, 1), 0)
    back = eps.T @ weights[2].T  # error of layer 2 before its filter (steps, neurons)
    upper, lower = np.zeros((6, 5)), np.zeros((20, 6))
    for i in range(5):
        upper[:, i] = filtered(s[2][i] * inputs[1]) @ back[:, i]
        for j in range(6):
            # one layer below: a spike of j moves the potential of i at the spikes of i
            lower[:, j] += filtered(s[2][i] * filtered(s[1][j] * inputs[0])) @ back[:, i] * weights[1][j, i]
    assert np.abs(upper).max() > 0 and np.abs(lower).max() > 0
    errors = float(np.abs(error).sum())
    names = list(before)
    for name, direct in ((names[1], upper), (names[0], lower)):
        if hidden == "rescaled":
            direct = direct * np.sqrt(errors) / np.linalg.norm(direct)
        np.testing.assert_allclose(changes[name], direct, rtol=1e-10, atol=1e-12 * np.abs(direct).max())


def test_an_output_that_matches_its_target_changes_nothing() -> None:
    rule = NormAD(targets=SingleSpikes(time=0.1), learning_rate=1e-9, init_scale=6e-9)
    circuit, inputs = network(30, 1), drawn(30, samples=1)
    state = rule.init(circuit, np.random.default_rng(3))
    fired = engine.run(circuit.with_weights(state.weights), {"input": inputs}, precision="float64")["layer1"].spikes
    assert len(fired) > 1
    _, step, neuron = fired.events()
    state.constants["target spikes"] = np.column_stack([np.zeros(len(step)), neuron, step * DT])
    before = {name: values.copy() for name, values in state.weights.items()}
    state, metrics = rule.step(circuit, state, Batch(inputs, np.array([0])))
    assert all(np.array_equal(before[name], state.weights[name]) for name in before)
    assert (metrics.loss, metrics.n_correct) == (pytest.approx(0, abs=1e-12), 1)


# Tasks ----------------------------------------------------------------------------------------------------------------


def solved(config: TrainingConfig, epochs: int) -> int | None:
    """The first epoch in which all predictions are correct, None without one."""
    state = initial_state(config)
    for epoch in range(1, epochs + 1):
        correct: list[bool] = []
        for batch in config.batches(epoch):
            state, metrics = config.rule.step(config.circuit, state, batch)
            correct += metrics.correct.tolist()
        if all(correct):
            return epoch
    return None


@pytest.mark.parametrize(("cell", "rate"), [("lif_normad", 1e-9), ("adex", 2e-10)])
def test_learning_makes_the_output_fire_at_the_target_times(cell: str, rate: float) -> None:
    """With the leaky and the adaptive exponential cell, both of the first paper."""
    experiment = EXPERIMENTS["normad-association"].with_options({"network.cell": cell, "network.v_th": ""})
    experiment = replace(experiment, rule=replace(experiment.rule, learning_rate=rate))
    frozen = replace(
        experiment, rule=experiment.rule.__class__(targets=PoissonTrains(), learning_rate=0.0, min_correlation=0.95)
    )
    for seed in (20, 21, 22):
        assert solved(experiment.config(seed=seed, threads=1), 200) is not None
        assert solved(frozen.config(seed=seed, threads=1), 5) is None


def test_exclusive_or_is_learned_only_with_a_hidden_layer() -> None:
    experiment = EXPERIMENTS["normad-xor"]
    flat = experiment.with_options({"network.hidden": "", "network.v_th": "0.02"})
    assert solved(experiment.config(seed=20, threads=1), 200) is not None
    assert solved(flat.config(seed=20, threads=1), 100) is None


# Invalid input -------------------------------------------------------------------------------------------------------


def test_a_silent_hidden_layer_is_refused_with_a_hint() -> None:
    rule = NormAD(targets=SingleSpikes(time=80e-3), hidden_init_scale=1e-12)
    circuit = network(30, 5, 1)
    state = rule.init(circuit, np.random.default_rng(0))
    with raises_input_error("rule.hidden_init_scale", "layer1", "rule.hidden_learning_rate"):
        rule.step(circuit, state, Batch(drawn(30, samples=1), np.array([1])))


@pytest.mark.parametrize(("begins", "says"), [(900, "input from 9"), (STEPS, "no input")])
def test_a_target_spike_before_all_input_is_refused(begins: int, says: str) -> None:
    """In all samples of the first batch; a single sample with earlier input is enough."""
    rule, circuit = NormAD(targets=SingleSpikes(time=80e-3)), network(30, 1)
    late = drawn(30, samples=2).dense()
    late[:, :begins] = False
    labels = np.array([1, 1])
    with raises_input_error("rule.targets", "80 ms", says):
        rule.step(
            circuit, rule.init(circuit, np.random.default_rng(0)), Batch(SpikeTrains.from_dense(late, DT), labels)
        )
    late[1] = drawn(30, samples=2).dense()[1]
    rule.step(circuit, rule.init(circuit, np.random.default_rng(0)), Batch(SpikeTrains.from_dense(late, DT), labels))


def test_a_silent_output_without_target_spikes_is_correct_and_changes_nothing() -> None:
    rule, circuit = NormAD(targets=SingleSpikes(time=80e-3)), network(30, 1)
    state = rule.init(circuit, np.random.default_rng(0))
    state, metrics = rule.step(circuit, state, Batch(drawn(30, samples=1), np.array([0])))
    assert not state.weights["input->layer1.synapse"].any()
    assert (metrics.loss, metrics.n_correct) == (0, 1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", -1.0),
        ("hidden_learning_rate", float("nan")),
        ("tau_L", 0.0),
        ("min_norm", 2.0),
        ("hidden_normalisation", "deep"),
        ("min_correlation", -0.1),
        ("decision", "vote"),
        ("hidden_init_mean", float("inf")),
    ],
)
def test_invalid_options_are_refused_by_field(name: str, value: Any) -> None:
    with raises_input_error(f"NormAD.{name}", value):
        NormAD(**{name: value})


def test_other_cells_and_synapses_are_refused_with_a_hint() -> None:
    other = EXPERIMENTS["normad-association"].with_options({"network.cell": "lif_exp", "network.synapse": ""})
    with raises_input_error("NormAD: output", "'synapse'", "double_exponential_current"):
        initial_state(other.config(seed=0, threads=1))
    one = EXPERIMENTS["normad-association"].with_options({"network.synapse": "exponential_current"})
    with raises_input_error("NormAD: output", "tau_1", "tau_2"):
        initial_state(one.config(seed=0, threads=1))


def test_shared_weights_are_refused() -> None:
    shared = EXPERIMENTS["normad-xor"].with_options(
        {"encoder.neurons": "9", "network.hidden": "2C3", "network.v_th": "0.02,0.02"}
    )
    with raises_input_error("NormAD: network.hidden", "hidden1"):
        initial_state(shared.config(seed=0, threads=1))


def test_target_spikes_within_the_refractory_period_are_refused() -> None:
    close = NormAD(targets=PoissonTrains(firing_rate=200.0, dead_time=1e-3, last=0.11))
    with raises_input_error("rule.targets", "neuron 0", "3 ms"):
        close.init(network(5, 1), np.random.default_rng(0))
    late = NormAD(targets=SingleSpikes(time=0.5))
    state = late.init(network(5, 1), np.random.default_rng(0))
    with raises_input_error("rule.targets", "500 ms", "120 ms"):
        late.step(network(5, 1), state, Batch(drawn(5, samples=1), np.array([1])))


def test_spike_errors_are_the_spikes_of_only_one_of_two_trains() -> None:
    rng = np.random.default_rng(0)
    target, fired = (SpikeTrains.from_dense(rng.random((2, 50, 3)) < 0.2, DT) for _ in range(2))
    found = spike_errors(target, fired)
    expected = target.dense().astype(int) - fired.dense()
    assert sorted(zip(found.sample, found.step, found.neuron, found.value, strict=True)) == sorted(
        (*place, expected[tuple(place)]) for place in np.argwhere(expected)
    )
