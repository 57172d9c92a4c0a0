"""The Poisson-spiking microcircuit: its parts, its limit of many spikes, and Brian2 against the engine."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate_batch
from snnlab.data.rates import RateInput
from snnlab.engine.rate.run import run_rates
from snnlab.networks.circuit import Circuit, Population, Source
from snnlab.networks.microcircuit import Microcircuit

DT = "0.1 ms"
INPUTS, HIDDEN, CLASSES = 6, 8, 3


def circuit(psi: float, eta: float = 0.0) -> Circuit:
    """A circuit with the same random weights for every psi; all plastic projections have this learning rate, in 1/s."""
    made = Microcircuit((HIDDEN,), mixing=(0.3,), interneuron_mixing=0.3, latent=True, spikes_per_ms=psi).circuit(
        (INPUTS,), CLASSES, DT
    )
    rng = np.random.default_rng(9)
    learning = []
    for one in made.projections:
        if one.plasticity:
            faster = replace(one.plasticity, parameters={**one.plasticity.parameters, "eta": eta})
            one = replace(one, weights=rng.uniform(-1, 1, one.weights.shape), plasticity=faster)
        learning.append(one)
    return replace(made, projections=tuple(learning))


def given(samples: int, rng: np.random.Generator | None = None) -> dict[str, RateInput]:
    """Inputs and targets, random for every sample if there is an `rng`, and a nudge of 1."""
    shared = np.random.default_rng(3)
    x, target = (
        rng.uniform(low, high, (samples, size)) if rng else np.tile(shared.uniform(low, high, size), (samples, 1))
        for low, high, size in ((0.1, 1, INPUTS), (-2, 1.5, CLASSES))
    )
    return {
        "input": RateInput.constant(x),
        "target": RateInput.constant(target),
        "nudge": RateInput.constant(np.ones((samples, 1))),
    }


def without_noise(spiking: Circuit, folder) -> Circuit:
    """The same circuit with every spike count at its mean."""
    nodes: list[Source | Population] = []
    for node in spiking.nodes:
        if isinstance(node, Population):
            name = node.cell.id
            text = (cards.library_folder("models") / f"{name}.toml").read_text(encoding="utf-8")
            mean = next(mean for mean in ("psi*phi(U)*dt", "psi*r*dt") if f"poisson({mean})" in text)
            path = folder / f"{name}.toml"
            path.write_text(text.replace(f"poisson({mean}) : 1 (constant over dt)", f"{mean} : 1"), encoding="utf-8")
            node = replace(node, cell=cards.cell(path))
            assert not node.cell.poisson_means
        nodes.append(node)
    return replace(spiking, nodes=tuple(nodes))


def potentials(simulator: str, of: Circuit, inputs: dict[str, RateInput], steps: int, seed: int) -> np.ndarray:
    """Potentials that determine the firing rates of all cells (samples, steps, cells)."""
    recorded = ("hidden1", "output", "inter1")
    if simulator == "engine":
        traces = run_rates(
            of, inputs, steps, learn=False, record={name: ["U"] for name in recorded}, precision="float64", seed=seed
        ).traces
        return np.concatenate([traces[name]["U"] for name in recorded], axis=2)
    runs = simulate_batch(
        of, inputs, steps * 1e-4, record={name: ["U"] for name in recorded}, plastic=False, seed=seed,
        neurons={name: range(of[name].size) for name in recorded},
    )  # fmt: skip
    return np.array([np.concatenate([run.trace(name, "U").values for name in recorded], axis=1) for run in runs])


# Its parts ------------------------------------------------------------------------------------------------------------


def test_the_spiking_circuit_has_the_same_populations_and_afferents():
    made = Microcircuit((4, 5), latent=True, bias=True, spikes_per_ms=7.0).circuit((2, 3), 2, DT)
    plain = Microcircuit((4, 5), latent=True, bias=True).circuit((2, 3), 2, DT)
    assert made.population("afferent").size == 6
    assert {one.name for one in made.nodes} == {one.name for one in plain.nodes} | {"afferent"}
    assert {one.name for one in made.projections} == {
        one.name.replace("input->", "afferent->") for one in plain.projections
    } | {"input->afferent.given"}
    for one in made.populations:
        assert one.cell.rate == "s"
        assert one.parameters["psi"] == "7.0 kHz"


def test_synapses_learn_from_spikes_and_those_of_a_bias_from_its_rate():
    made = Microcircuit((4,), latent=True, bias=True, spikes_per_ms=7.0).circuit((6,), 2, DT)
    read = {one.name: one.plasticity.card.pre for one in made.projections if one.plasticity}
    assert {name for name, pre in read.items() if pre == "r"} == {name for name in read if name.startswith("bias")}
    assert {pre for name, pre in read.items() if not name.startswith("bias")} == {"x"}
    smoothed = {one.plasticity.parameters.get("tau_w", "1 ms") for one in made.projections if one.plasticity}
    assert smoothed == {"1 ms"}


# Its limit ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("simulator, samples", [("engine", 16), pytest.param("brian", 3, marks=pytest.mark.slow)])
def test_the_deviation_from_continuous_rates_is_the_inverse_root_of_the_spike_rate(tmp_path, simulator, samples):
    """A hundred times as many spikes, a tenth of the deviation, known to 10 % from over 300 independent numbers."""
    inputs = given(samples, np.random.default_rng(1))
    limit = potentials(simulator, without_noise(circuit(100.0), tmp_path), inputs, 200, 0)
    off = [potentials(simulator, circuit(psi), inputs, 200, 5)[:, 50:] - limit[:, 50:] for psi in (1e2, 1e4)]
    low, high = (np.sqrt((deviation**2).mean()) for deviation in off)
    assert 8 < low / high < 12.5
    assert high < 0.01


# Both simulators ------------------------------------------------------------------------------------------------------


def standard_errors(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Difference of the means of two sets of runs, in standard errors."""
    return abs(a.mean(axis=0) - b.mean(axis=0)) / np.sqrt(a.var(axis=0) / len(a) + b.var(axis=0) / len(b))


@pytest.mark.slow
def test_brian_and_the_engine_agree_in_the_mean_over_many_runs():
    """14 cells at four times, each within six standard errors: one false alarm in 50,000. Control: other inputs
    differ."""
    brian = potentials("brian", circuit(2.0), given(48), 60, 1)
    engine = potentials("engine", circuit(2.0), given(400), 60, 2)
    times = [4, 12, 30, 59]
    assert standard_errors(brian[:, times], engine[:, times]).max() < 6
    ratio = brian[:, 30:].var() / engine[:, 30:].var()
    assert 0.85 < ratio < 1.18
    inputs = given(400)
    inputs["input"] = RateInput(1.1 - inputs["input"].values)
    changed = potentials("engine", circuit(2.0), inputs, 60, 2)
    assert standard_errors(brian[:, times], changed[:, times]).max() > 10


@pytest.mark.slow
def test_brian_and_the_engine_learn_the_same_in_the_mean_over_many_runs():
    """Some 120 weights, each within six and a half standard errors: one false alarm in 100,000. Control: half the
    learning rate differs."""
    made = circuit(20.0, eta=50.0)
    names = [one.name for one in made.projections if one.plasticity]
    start = np.concatenate([one.weights.ravel() for one in made.projections if one.plasticity])

    def change(weights) -> np.ndarray:
        return np.concatenate([np.ravel(weights[name]) for name in names]) - start

    brian = np.array([change(run.weights) for run in simulate_batch(made, given(40), "8 ms", seed=1)])
    engine, slow = (
        np.array([
            change(run_rates(of, given(1), 80, precision="float64", seed=seed).weights(of)) for seed in range(150)
        ])
        for of in (made, circuit(20.0, eta=25.0))
    )  # fmt: skip
    assert standard_errors(brian, engine).max() < 6.5
    assert standard_errors(brian, slow).max() > 20
