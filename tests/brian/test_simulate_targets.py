"""The same spikes whatever computes them, and nothing left behind."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import brian2
import numpy as np
import pytest
from brian2.devices.device import get_device, reset_device

from snnlab import cards
from snnlab.brian import Pulse, run, simulate
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected
from snnlab.networks.weights import random_connections


def network(seed: int) -> tuple[Circuit, dict[str, SpikeTrains | Pulse | np.ndarray]]:
    """Cells of two cards and a source, wired at random with delays, driven by spikes and by a current."""
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
    wires = (
        Projection("eye", "pyramids", "ampa", random_connections(20, 80, 0.3, 6e-9, rng), "0.4 ms"),
        Projection("pyramids", "pyramids", "ampa", random_connections(80, 80, 0.1, 3e-9, rng)),
        Projection("layer", "pyramids", "gaba", random_connections(30, 80, 0.5, 9e-9, rng), "1 ms"),
        Projection("pyramids", "layer", "synapse", rng.normal(3, 5, (80, 30))),
        Projection("baskets", "layer", "synapse", rng.normal(0, 90, (5, 30))),
    )
    seen = SpikeTrains.from_dense(rng.random((1, 900, 20)) < 0.01, 1e-4)
    inputs = {
        "eye": seen,
        "baskets.soma": Pulse("1 uA/cm**2", "10 ms"),
        "pyramids.soma": rng.normal(1e-10, 5e-11, (1000, 80)),
    }
    return Circuit((Source("eye", 20), pyramids, baskets, layer), wires, "0.1 ms"), inputs


def recorded(circuit: Circuit, inputs: dict[str, SpikeTrains | Pulse | np.ndarray], target: str) -> Recording:
    record = {"pyramids": ["v", "g_ampa", "I"], "layer": ["q"], "baskets": ["v"]}
    return simulate(circuit, inputs, "100 ms", record=record, neurons={"pyramids": [3, 70]}, target=target)


def assert_same(one: Recording, other: Recording) -> None:
    assert one.spikes == other.spikes
    for name in ("v", "g_ampa", "I"):
        np.testing.assert_allclose(
            one.trace("pyramids", name).values, other.trace("pyramids", name).values, rtol=1e-9, atol=1e-25
        )
    np.testing.assert_array_equal(one.trace("layer", "q").values, other.trace("layer", "q").values)
    np.testing.assert_allclose(one.trace("baskets", "v").values, other.trace("baskets", "v").values, rtol=1e-6)


@pytest.mark.slow
def test_compiled_programs_and_numpy_agree_in_any_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = (dict(brian2.prefs), get_device())
    first, second = network(1), network(2)
    assert_same(recorded(*first, "cpp"), expected := recorded(*first, "numpy"))
    assert [len(expected.spikes[name]) > 20 for name in ("pyramids", "baskets", "layer")] == [True] * 3
    other = recorded(*second, "numpy")
    assert other.spikes != expected.spikes
    step = {"cell.soma": Pulse("1 nA")}
    alone_ = [simulate(unconnected(cards.cell("lif")), step, "50 ms", target=one) for one in ("cpp", "numpy")]
    assert alone_[0].spikes == alone_[1].spikes
    assert len(alone_[0].spikes["cell"]) > 3
    assert_same(recorded(*second, "numpy"), other)
    assert list(tmp_path.glob("snnlab-*")) == []
    assert before == (dict(brian2.prefs), get_device())


@pytest.mark.slow
def test_a_compiled_program_reports_progress_on_stderr_and_leaves_stdout_alone(
    capfd: pytest.CaptureFixture[str],
) -> None:
    simulate(unconnected(cards.cell("lif")), {}, "5 ms", target="cpp", progress=True)
    told = capfd.readouterr()
    assert told.out == ""
    assert "simulated 100 %" in told.err


@pytest.mark.slow
def test_a_variable_lost_in_a_compiled_program_is_named_with_its_time() -> None:
    circuit = unconnected(cards.cell("hodgkin_huxley"), dt="1 ms")  # far too long a step for its sodium channels
    said = []
    for target in ("numpy", "cpp"):
        with pytest.raises(
            InputError, match=r"^population 'cell': '[hmnv]' is no finite number from 0\.\d+ s on"
        ) as refusal:
            simulate(circuit, {"cell.membrane": Pulse("10 uA/cm**2")}, "50 ms", target=target)
        said.append(str(refusal.value))
    assert said[0] == said[1]


def test_without_a_compiler_cpp_is_refused_and_numpy_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "/nonexistent")
    before = (dict(brian2.prefs), get_device())
    with pytest.raises(InputError, match=r"^CXX: no program '/nonexistent'"):
        simulate(unconnected(cards.cell("lif")), {}, "5 ms", target="cpp")
    assert before == (dict(brian2.prefs), get_device())
    simulate(unconnected(cards.cell("lif")), {}, "5 ms")


def test_a_person_in_the_midst_of_their_own_standalone_simulation_keeps_it() -> None:
    brian2.set_device("cpp_standalone", build_on_run=False)
    try:
        mine = brian2.NeuronGroup(1, "x : 1")
        with pytest.raises(InputError, match=r"^target: Brian2's C\+\+ device is in use"):
            simulate(unconnected(cards.cell("lif")), {}, "5 ms", target="cpp")
        found = simulate(unconnected(cards.cell("lif")), {"cell.soma": Pulse("0.5 nA")}, "50 ms")
        assert len(found.spikes["cell"]) > 0
        assert get_device() is brian2.all_devices["cpp_standalone"]
        assert mine.variables["x"].device is get_device()
    finally:
        get_device().reinit()
        reset_device()


@pytest.mark.parametrize(
    ("card", "size", "duration", "compiler", "chosen"),
    [
        ("lif", 1, "0.5 s", True, "numpy"),
        ("lif", 4000, "60 s", True, "cpp"),
        ("lif", 4000, "60 s", False, "numpy"),
        ("pinsky_rinzel", 1, "1.5 s", True, "cpp"),
        ("lif", 10**6, "5 s", True, "cpp"),
    ],
)
def test_auto_compiles_what_would_take_numpy_long(
    card: str, size: int, duration: str, compiler: bool, chosen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def instead(name: str) -> Callable[..., list[Recording]]:
        def ran(*arguments: object) -> list[Recording]:
            asked.append(name)
            return [Recording({}, {}, 1.0, 1.0)]

        return ran

    monkeypatch.setattr(run.native, "has_compiler", lambda: compiler)
    monkeypatch.setattr(run, "_run_compiled", instead("cpp"))
    monkeypatch.setattr(run, "_run_here", instead("numpy"))
    simulate(unconnected(cards.cell(card), size=size), {}, duration)
    assert asked == [chosen]
