"""NumPy and compiled C++ give the same spikes, and leave Brian2's settings and the disk unchanged."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2.devices.device import get_device, reset_device
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.brian import Pulse, run, simulate
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected
from snnlab.networks.weights import random_connections


def network(seed: int) -> tuple[Circuit, dict[str, SpikeTrains | Pulse | np.ndarray]]:
    """Cells of two cards and a source, connected at random with delays, driven by spikes and by currents."""
    rng = np.random.default_rng(seed)
    conductance = cards.synapse("exponential_conductance")
    receptors = {
        "ampa": Receptor(conductance, "soma", {"tau_syn": "5 ms", "E_syn": "0 mV"}),
        "gaba": Receptor(conductance, "soma", {"tau_syn": "10 ms", "E_syn": "-80 mV"}),
    }
    pyramids = Population(
        "pyramids", cards.cell("lif"), 80, receptors=receptors, initial={"v": rng.uniform(-0.06, -0.05, 80)}
    )
    baskets = Population("baskets", cards.cell("wang_buzsaki"), 5)
    layer = Population("layer", cards.cell("lif_exp"), 30)
    projections = (
        Projection("eye", "pyramids", "ampa", random_connections(20, 80, 0.3, 6e-9, rng), "0.4 ms"),
        Projection("pyramids", "pyramids", "ampa", random_connections(80, 80, 0.1, 3e-9, rng)),
        Projection("layer", "pyramids", "gaba", random_connections(30, 80, 0.5, 9e-9, rng), "1 ms"),
        Projection("pyramids", "layer", "synapse", rng.normal(3, 5, (80, 30))),
        Projection("baskets", "layer", "synapse", rng.normal(0, 90, (5, 30))),
    )
    spikes = SpikeTrains.from_dense(rng.random((1, 900, 20)) < 0.01, 1e-4)
    inputs = {
        "eye": spikes,
        "baskets.soma": Pulse("1 uA/cm**2", "10 ms"),
        "pyramids.soma": rng.normal(1e-10, 5e-11, (1000, 80)),
    }
    return Circuit((Source("eye", 20), pyramids, baskets, layer), projections, "0.1 ms"), inputs


def recorded(
    circuit: Circuit, inputs: dict[str, SpikeTrains | Pulse | np.ndarray], target: str, **options
) -> Recording:
    record = {"pyramids": ["v", "g_ampa", "I"], "layer": ["q"], "baskets": ["v"]}
    return simulate(circuit, inputs, "100 ms", record=record, neurons={"pyramids": [3, 70]}, target=target, **options)


def assert_same(first: Recording, second: Recording) -> None:
    assert first.spikes == second.spikes
    tolerances = [("pyramids", name, {"rtol": 1e-9, "atol": 1e-25}) for name in ("v", "g_ampa", "I")]
    for population, name, tolerance in [*tolerances, ("baskets", "v", {"rtol": 1e-6})]:
        values = (recording.trace(population, name).values for recording in (first, second))
        np.testing.assert_allclose(*values, **tolerance)
    np.testing.assert_array_equal(first.trace("layer", "q").values, second.trace("layer", "q").values)


@pytest.mark.slow
def test_compiled_and_numpy_simulations_agree_in_any_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The compiled program also reports its progress on stderr only."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = (dict(brian2.prefs), get_device())
    first, second = network(1), network(2)
    compiled = recorded(*first, "cpp", progress=True)
    output = capfd.readouterr()
    assert output.out == "" and "simulated 100 %" in output.err
    expected = recorded(*first, "numpy")
    assert_same(compiled, expected)
    assert all(len(expected.spikes[name]) > 20 for name in ("pyramids", "baskets", "layer"))
    other = recorded(*second, "numpy")
    assert other.spikes != expected.spikes
    # a second compiled program in the same process
    step = {"cell.soma": Pulse("1 nA")}
    pair = [simulate(unconnected(cards.cell("lif")), step, "50 ms", target=target) for target in ("cpp", "numpy")]
    assert pair[0].spikes == pair[1].spikes
    assert len(pair[0].spikes["cell"]) > 3
    assert_same(recorded(*second, "numpy"), other)
    assert list(tmp_path.glob("snnlab-*")) == []
    assert before == (dict(brian2.prefs), get_device())


@pytest.mark.slow
def test_a_variable_that_becomes_infinite_in_a_compiled_program_is_named_with_its_time() -> None:
    circuit = unconnected(cards.cell("hodgkin_huxley"), dt="1 ms")  # far too long a step for its sodium channels
    messages = []
    for target in ("numpy", "cpp"):
        with raises_input_error("population 'cell'", "from 0.", "dt") as error:
            simulate(circuit, {"cell.membrane": Pulse("10 uA/cm**2")}, "50 ms", target=target)
        assert re.match(r"'[hmnv]'", error.value.problem)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


def test_without_a_compiler_only_the_target_cpp_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    before = (dict(brian2.prefs), get_device())
    with raises_input_error("CXX", "/nonexistent"):
        simulate(unconnected(cards.cell("lif")), {}, "5 ms", target="cpp")
    assert before == (dict(brian2.prefs), get_device())
    simulate(unconnected(cards.cell("lif")), {}, "5 ms")


def test_a_callers_own_standalone_simulation_is_not_disturbed() -> None:
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        group = brian2.NeuronGroup(1, "x : 1")
        with raises_input_error("target", "in use"):
            simulate(unconnected(cards.cell("lif")), {}, "5 ms", target="cpp")
        recording = simulate(unconnected(cards.cell("lif")), {"cell.soma": Pulse("0.5 nA")}, "50 ms")
        assert len(recording.spikes["cell"]) > 0
        assert get_device() is brian2.all_devices["cpp_standalone"]
        assert group.variables["x"].device is get_device()
    finally:
        get_device().reinit()
        reset_device()


@pytest.mark.parametrize(
    ("card", "size", "duration", "compiler", "expected"),
    [
        ("lif", 1, "0.5 s", True, "numpy"),
        ("lif", 4000, "60 s", True, "cpp"),
        ("lif", 4000, "60 s", False, "numpy"),
        ("pinsky_rinzel", 1, "1.5 s", True, "cpp"),
        ("lif", 10**6, "5 s", True, "cpp"),
    ],
)
def test_auto_compiles_long_simulations_if_there_is_a_compiler(
    card: str, size: int, duration: str, compiler: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets: list[str] = []

    def record_call(name: str) -> Callable[..., list[Recording]]:
        def replacement(*arguments: object) -> list[Recording]:
            targets.append(name)
            return [Recording({}, {}, 1.0, 1.0)]

        return replacement

    monkeypatch.setattr(run.native, "has_compiler", lambda: compiler)
    monkeypatch.setattr(run, "_run_compiled", record_call("cpp"))
    monkeypatch.setattr(run, "_run_numpy", record_call("numpy"))
    simulate(unconnected(cards.cell(card), size=size), {}, duration)
    assert targets == [expected]
