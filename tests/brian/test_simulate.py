"""Simulations in Brian2 agree with formulas, with the equations stepped in Python, and with plain Brian2."""

from __future__ import annotations

from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2 import amp, nS, second
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab import cards
from snnlab.brian import Pulse, simulate, simulate_batch
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected
from snnlab.networks.feedforward import feedforward

LIF = cards.cell("lif")
TAU, RESISTANCE, REST, THRESHOLD, REFRACTORY = 20e-3, 1e8, -60e-3, -50e-3, 5e-3  # of the card lif


def spikes_of(*trains: list[int], steps: int, dt: float = 1e-3) -> SpikeTrains:
    """One sample in which neuron k fires in the steps `trains[k]`."""
    pairs = [(step, neuron) for neuron, train in enumerate(trains) for step in train]
    step, neuron = np.array(pairs, dtype=int).reshape(-1, 2).T
    sample = np.zeros_like(step)
    return SpikeTrains.from_events(sample, step, neuron, samples=1, steps=steps, size=len(trains), dt=dt)


def relay(weights: NDArray[np.float64], *, delay: float = 0.0, dt: float = 1e-3) -> Circuit:
    """A source that projects to cells whose threshold is too high to fire."""
    pre, post = weights.shape
    cells = Population("cells", cards.cell("lif_exp"), post, {"v_th": 1e30})
    projection = Projection("eye", "cells", "synapse", weights, delay)
    return Circuit((Source("eye", pre), cells), (projection,), dt)


# Against formulas ----------------------------------------------------------------------------------------------------


def test_subthreshold_potential_is_exponential() -> None:
    current = 90e-12
    recording = simulate(unconnected(LIF), {"cell.soma": Pulse(current)}, "100 ms", record={"cell": ["v"]})
    trace = recording.trace("cell", "v")
    expected = REST + RESISTANCE * current * (1 - np.exp(-trace.times / TAU))
    assert trace.unit == "V"
    np.testing.assert_allclose(trace.values[:, 0], expected, atol=1e-12)
    assert len(recording.spikes["cell"]) == 0


@pytest.mark.slow
def test_firing_rate_is_the_formula_of_the_current() -> None:
    currents = np.array([90, 99, 101, 110, 150, 300, 1000]) * 1e-12
    dt, steps = 1e-5, 50_000
    recording = simulate(
        unconnected(LIF, size=len(currents), dt=dt), {"cell.soma": np.tile(currents, (steps, 1))}, steps * dt
    )
    for neuron, current in enumerate(currents):
        train = recording.spikes["cell"].train(neuron)
        drive = RESISTANCE * current
        if drive <= THRESHOLD - REST:
            assert len(train) == 0
            continue
        period = REFRACTORY + TAU * np.log(drive / (drive - (THRESHOLD - REST)))
        # threshold crossings and the end of the refractory period are rounded to steps
        np.testing.assert_allclose(np.diff(train), period, atol=1.5 * dt)


def test_noise_has_the_variance_of_an_ornstein_uhlenbeck_process(tmp_path: Path) -> None:
    values = simulate(noisy(tmp_path, size=2000), {}, "100 ms", record={"cell": ["x"]},
                      neurons={"cell": range(2000)}).trace("cell", "x").values  # fmt: skip
    # sigma**2/2 * (1 - exp(-2 t/tau)) with sigma = 2 and tau = 10 ms; Euler's own bias is dt/(2 tau), half a percent
    assert values[-1].var() == pytest.approx(2.0, rel=0.1)
    assert values[20].var() == pytest.approx(2 * (1 - np.exp(-2 * 2e-3 / 10e-3)), rel=0.1)


# The order of operations in a step -----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 1, 2, 7])
def test_a_spike_raises_the_receptor_after_its_step_and_the_potential_one_step_later(delay: int) -> None:
    fired, steps = 5, 20
    circuit = relay(np.ones((1, 1)), delay=delay * 1e-3)
    inputs = {"eye": spikes_of([fired], steps=steps)}
    recording = simulate(circuit, inputs, steps * 1e-3, record={"cells": ["q", "v"]})
    raised, changed = (np.flatnonzero(recording.trace("cells", name).values[:, 0])[0] for name in ("q", "v"))
    # traces show the start of a step
    assert (raised, changed) == (fired + delay + 1, fired + delay + 2)


@pytest.mark.slow
@pytest.mark.parametrize("dt", [1e-3, 1e-4, 3e-4, 1e-3 / 3, 0.7e-4])
def test_rounding_moves_no_spike_of_a_source(dt: float) -> None:
    steps = 3000
    circuit = relay(np.eye(steps), dt=dt)
    inputs = {"eye": spikes_of(*([step] for step in range(steps)), steps=steps, dt=dt)}
    recording = simulate(circuit, inputs, steps * dt, record={"cells": ["q"]}, neurons={"cells": range(steps)})
    arrived = (recording.trace("cells", "q").values > 0.999).argmax(axis=0)
    np.testing.assert_array_equal(arrived[:-1], np.arange(1, steps))
    assert recording.spikes["eye"] == inputs["eye"]


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_simultaneous_weights_are_added_in_the_order_of_neurons(order: tuple[int, int, int]) -> None:
    weights = np.array([1e16, 1.0, -1e16])[list(order)]
    recording = simulate(relay(weights[:, None]), {"eye": spikes_of([3], [3], [3], steps=6)}, 6e-3,
                         record={"cells": ["q"]})  # fmt: skip
    in_order = ((0.0 + weights[0]) + weights[1]) + weights[2]
    assert recording.trace("cells", "q").values[4, 0] == in_order


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2), (1, 2, 0)])
def test_simultaneous_weights_are_added_in_the_order_of_projections(order: tuple[int, int, int]) -> None:
    weights = np.array([1e16, 1.0, -1e16])[list(order)]
    names = ("zebra", "ant", "mole")
    projections = tuple(
        Projection(name, "cells", "synapse", np.array([[w]])) for name, w in zip(names, weights, strict=True)
    )
    circuit = Circuit((*(Source(name, 1) for name in names), relay(np.ones((1, 1)))["cells"]), projections, "1 ms")
    recording = simulate(circuit, {name: spikes_of([3], steps=6) for name in names}, "6 ms", record={"cells": ["q"]})
    assert recording.trace("cells", "q").values[4, 0] == ((0.0 + weights[0]) + weights[1]) + weights[2]


def test_a_pulse_is_on_from_start_to_stop() -> None:
    recording = simulate(
        unconnected(LIF, dt="0.1 ms"), {"cell.soma": Pulse("50 pA", "2 ms", "3.5 ms")}, "6 ms", record={"cell": ["v"]}
    )
    changing = np.flatnonzero(np.diff(recording.trace("cell", "v").values[:, 0]) > 1e-9)
    assert (changing[0], changing[-1]) == (20, 34)


def test_each_neuron_receives_its_column_of_currents() -> None:
    currents = np.zeros((100, 3))  # 10 ms of 0.1 ms
    currents[:, 1] = 50e-12
    recording = simulate(
        unconnected(LIF, size=3, dt="0.1 ms"), {"cell.soma": currents}, "10 ms", record={"cell": ["v"]}
    )
    np.testing.assert_array_equal(recording.trace("cell", "v").values[-1] > REST + 1e-4, [False, True, False])


# Against the equations in Python --------------------------------------------------------------------


def reference_layer(spikes: NDArray[np.bool_], weights: NDArray[np.float64], tau_m: float, tau_s: float, v_th: float,
            rest: int, *, exact: bool) -> NDArray[np.bool_]:  # fmt: skip
    """Spikes of one layer by Euler's method in the order of the HM2-BP authors, or by the exact solution of a step."""
    leak, decay, gain = 1 - 1 / tau_m, 1 - 1 / tau_s, 1 / tau_s
    if exact:
        leak, decay = np.exp(-1 / tau_m), np.exp(-1 / tau_s)
        gain = (leak - decay) / (1 - tau_s / tau_m)
    v, q, held = np.zeros(weights.shape[1]), np.zeros(weights.shape[1]), np.zeros(weights.shape[1], dtype=int)
    out = np.zeros((len(spikes), weights.shape[1]), dtype=bool)
    for t in range(1, len(spikes)):
        # spikes of the last step act in this one; the old input decays before they are added
        arrived = spikes[t - 1].astype(float) @ weights
        q = q * decay + arrived
        v = v * leak + q * gain
        v[held > 0] = 0
        held = np.maximum(held - 1, 0)
        out[t] = v > (v_th if exact else v_th - 1e-6)
        v[out[t]] = 0
        held[out[t]] = rest
    return out


@pytest.mark.thorough
@pytest.mark.parametrize("card", ["lif_exp", "lif_exp_euler"])
@settings(max_examples=examples(8))
@given(
    seed=st.integers(0, 2**32 - 1), sizes=st.tuples(*[st.integers(1, 12)] * 3), tau_m=st.floats(5, 80),
    tau_s=st.floats(1.5, 4.5), v_th=st.floats(0.2, 5), rest=st.integers(0, 4),
)  # fmt: skip
def test_two_layers_spike_as_in_python(
    card: str, seed: int, sizes: tuple[int, int, int], tau_m: float, tau_s: float, v_th: float, rest: int
) -> None:
    rng = np.random.default_rng(seed)
    own = {"tau_m": tau_m * 1e-3, "tau_s": tau_s * 1e-3, "v_th": v_th, "t_ref": (rest + 1) * 1e-3}
    layers = [Population(name, cards.cell(card), size, own) for name, size in zip("ab", sizes[1:], strict=True)]
    circuit = feedforward(Source("eye", sizes[0]), layers, "synapse", "1 ms")
    weights = [rng.normal(1.0, 3.0, one.weights.shape) for one in circuit.projections]
    circuit = circuit.with_weights({one.name: w for one, w in zip(circuit.projections, weights, strict=True)})
    spikes = rng.random((80, sizes[0])) < 0.15
    recording = simulate(circuit, {"eye": SpikeTrains.from_dense(spikes[None], 1e-3)}, "80 ms")
    for layer, w in zip("ab", weights, strict=True):
        spikes = reference_layer(spikes, w, tau_m, tau_s, v_th, rest, exact=card == "lif_exp")
        np.testing.assert_array_equal(recording.spikes[layer].dense()[0], spikes)


def test_the_python_reference_distinguishes_a_shift_of_one_step() -> None:
    spikes = np.zeros((80, 3), dtype=bool)
    spikes[[5, 20, 40], [0, 1, 2]] = True
    weights = np.full((3, 1), 100.0)
    outputs = [reference_layer(np.roll(spikes, -k, axis=0), weights, 64, 8, 20, 2, exact=True) for k in (0, 1)]
    circuit = feedforward(Source("eye", 3), [Population("cells", cards.cell("lif_exp"), 1)], "synapse", "1 ms")
    circuit = circuit.with_weights({"eye->cells.synapse": weights})
    recording = simulate(circuit, {"eye": SpikeTrains.from_dense(spikes[None], 1e-3)}, "80 ms")
    assert len(recording.spikes["cells"]) > 3
    simulated = recording.spikes["cells"].dense()[0]
    assert [np.array_equal(simulated, output) for output in outputs] == [True, False]


# Against plain Brian2 ----------------------------------------------------------------------------------------------


def recurrent_network(rng: np.random.Generator) -> tuple[Circuit, dict[str, Pulse], dict[str, NDArray[np.float64]]]:
    """Two populations of conductance-based cells that excite and inhibit each other, and their weights in nS."""
    conductance = cards.synapse("exponential_conductance")
    receptors = {
        "ampa": Receptor(conductance, "soma", {"tau_syn": "5 ms", "E_syn": "0 mV"}),
        "gaba": Receptor(conductance, "soma", {"tau_syn": "10 ms", "E_syn": "-80 mV"}),
    }
    start = {"v": rng.uniform(-60e-3, -50e-3, 40)}
    nodes = [Population(name, LIF, 40, receptors=receptors, initial=start) for name in ("pyramids", "baskets")]
    weights = {name: rng.random((40, 40)) * (rng.random((40, 40)) < 0.3) for name in ("pp", "pb", "bp")}
    places = {
        "pp": ("pyramids", "pyramids", "ampa"),
        "pb": ("pyramids", "baskets", "ampa"),
        "bp": ("baskets", "pyramids", "gaba"),
    }
    projections = [
        Projection(*places[name], w * (60e-9 if name == "bp" else 6e-9), "0.5 ms") for name, w in weights.items()
    ]
    return Circuit(tuple(nodes), tuple(projections), "0.1 ms"), {"pyramids.soma": Pulse("0.2 nA")}, weights


def plain_brian(
    circuit: Circuit, weights: dict[str, NDArray[np.float64]]
) -> tuple[list[NDArray[np.int64]], NDArray[np.float64]]:
    """The same network in plain Brian2: steps and ids of both populations' spikes, and potentials."""
    brian2.prefs.codegen.target = "numpy"
    equations = """
    dv/dt = (10*nS*(-60*mV - v) + g_a*(0*mV - v) + g_g*(-80*mV - v) + I)/(200*pF) : volt (unless refractory)
    dg_a/dt = -g_a/(5*ms) : siemens
    dg_g/dt = -g_g/(10*ms) : siemens
    I : amp
    """
    groups = {}
    for name in ("pyramids", "baskets"):
        groups[name] = brian2.NeuronGroup(40, equations, threshold="v > -50*mV", reset="v = -60*mV",
                                          refractory=5e-3 * second, method=LIF.method, dt=1e-4 * second)  # fmt: skip
        groups[name].v_ = circuit[name].initial["v"]
    groups["pyramids"].I = 0.2e-9 * amp
    synapses = []
    for name, (pre, post, variable, unit) in {
        "pp": ("pyramids", "pyramids", "g_a", 6 * nS), "pb": ("pyramids", "baskets", "g_a", 6 * nS),
        "bp": ("baskets", "pyramids", "g_g", 60 * nS),
    }.items():  # fmt: skip
        source, target = np.nonzero(weights[name])
        synapse = brian2.Synapses(groups[pre], groups[post], "w : siemens", on_pre=f"{variable}_post += w",
                               delay=5e-4 * second, clock=groups[pre].clock)  # fmt: skip
        synapse.connect(i=source, j=target)
        synapse.w = weights[name][source, target] * unit
        synapses.append(synapse)
    spikes = [brian2.SpikeMonitor(group) for group in groups.values()]
    traces = brian2.StateMonitor(groups["pyramids"], "v", record=range(10), dt=1e-4 * second)
    brian2.Network(*groups.values(), *synapses, *spikes, traces).run(0.2 * second, namespace={})
    return [np.array([np.rint(one.t / second / 1e-4), one.i]).astype(int) for one in spikes], np.array(traces.v_).T


@pytest.mark.slow
def test_a_network_spikes_as_in_plain_brian() -> None:
    circuit, inputs, weights = recurrent_network(np.random.default_rng(5))
    recording = simulate(circuit, inputs, "200 ms", record={"pyramids": ["v"]})
    spikes, potential = plain_brian(circuit, weights)
    for name, (step, neuron) in zip(("pyramids", "baskets"), spikes, strict=True):
        _, found_step, found = recording.spikes[name].events()
        assert len(found) > 100
        np.testing.assert_array_equal(found_step, step)
        np.testing.assert_array_equal(found, neuron)
    # the sums of the two are bracketed differently
    np.testing.assert_allclose(recording.trace("pyramids", "v").values, potential, rtol=1e-12)


def test_brian_is_left_as_it_was_found() -> None:
    brian2.prefs.codegen.target = "cython"
    brian2.seed(3)
    expected = np.random.random(3)  # noqa: NPY002 - the state that Brian2 shares with everybody
    before = (dict(brian2.prefs), brian2.get_device(), float(brian2.defaultclock.dt))
    brian2.seed(3)
    simulate(unconnected(LIF), {}, "5 ms", target="numpy")
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002
    assert before == (dict(brian2.prefs), brian2.get_device(), float(brian2.defaultclock.dt))
    brian2.prefs.codegen.target = "numpy"


# Seeds, batches, what is recorded ------------------------------------------------------------------------------------


def noisy(folder: Path, size: int = 20) -> Circuit:
    card = folder / "noisy.toml"
    card.write_text(
        """
        kind = "cell"
        name = "Ornstein-Uhlenbeck"
        summary = "White noise through a leak."
        reference = "Uhlenbeck and Ornstein, Phys. Rev. 36:823, 1930"
        equations = "dx/dt = -x/tau + 2*xi/sqrt(tau) : 1"
        method = "euler"
        dt = "0.1 ms"
        [parameters]
        tau = "10 ms"
        """
    )
    return unconnected(cards.cell(card), size=size)


def test_noise_depends_only_on_the_seed(tmp_path: Path) -> None:
    circuit = noisy(tmp_path)
    runs = [
        simulate(circuit, {}, "5 ms", record={"cell": ["x"]}, seed=seed).trace("cell", "x").values for seed in (7, 7, 8)
    ]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0][1:], runs[2][1:])


@pytest.mark.slow
def test_each_sample_of_a_batch_equals_its_own_simulation() -> None:
    rng = np.random.default_rng(2)
    batch = stack([SpikeTrains.from_dense(rng.random((1, 60, 8)) < p, 1e-3) for p in (0.3, 0.0, 0.1)])
    circuit = feedforward(
        Source("eye", 8), [Population(name, cards.cell("lif_exp"), 5) for name in "ab"], "synapse", "1 ms"
    )
    weights = {one.name: rng.normal(8, 5, one.weights.shape) for one in circuit.projections}
    circuit = circuit.with_weights(weights)
    recordings = list(simulate_batch(circuit, {"eye": batch}, "60 ms", record={"b": ["v", "q"]}))
    assert [len(recording.spikes["b"]) > 0 for recording in recordings] == [True, False, True]
    for sample, recording in enumerate(recordings):
        single = simulate(circuit, {"eye": batch.sample(sample)}, "60 ms", record={"b": ["v", "q"]})
        assert recording.spikes == single.spikes
        for name in ("v", "q"):
            np.testing.assert_array_equal(recording.trace("b", name).values, single.trace("b", name).values)


@pytest.mark.slow
def test_each_sample_of_a_batch_has_its_own_noise(tmp_path: Path) -> None:
    circuit = noisy(tmp_path)
    circuit = Circuit((*circuit.nodes, Source("eye", 1)), (), circuit.dt)
    silent = spikes_of([], steps=50, dt=1e-4)
    runs = [one.trace("cell", "x").values for one in
            simulate_batch(circuit, {"eye": stack([silent] * 3)}, "5 ms", record={"cell": ["x"]}, seed=5)]  # fmt: skip
    for k, values in enumerate(runs):
        single = simulate(circuit, {"eye": silent}, "5 ms", record={"cell": ["x"]}, seed=5 + k)
        np.testing.assert_array_equal(values, single.trace("cell", "x").values)


def test_the_first_ten_neurons_are_recorded_by_default() -> None:
    recordings: list[Recording] = [
        simulate(unconnected(LIF, size=30, dt="0.1 ms"), {}, "1 ms", record={"cell": ["v"]}, neurons=neurons)
        for neurons in ({}, {"cell": [29, 3]})
    ]
    assert [one.trace("cell", "v").neurons.tolist() for one in recordings] == [list(range(10)), [3, 29]]
    assert [one.trace("cell", "v").values.shape for one in recordings] == [(10, 10), (10, 2)]


def test_progress_is_reported_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    simulate(unconnected(LIF), {}, "5 ms", progress=True)
    assert capsys.readouterr().out == ""
