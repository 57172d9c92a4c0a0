"""Invalid simulations raise an InputError that names the field, the value and what would be valid."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error

from snnlab import cards
from snnlab.brian import Pulse, simulate, simulate_batch
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected

LIF = cards.cell("lif")


def eye(**changed: Any) -> Circuit:
    """Two source neurons onto three cells, in steps of 1 ms."""
    cells = Population("cells", cards.cell("lif_exp"), 3)
    synapses = Projection("eye", "cells", "synapse", changed.pop("weights", np.ones((2, 3))), changed.pop("delay", 0.0))
    return Circuit((Source("eye", 2), cells), (synapses,), changed.pop("dt", "1 ms"))


def spikes(samples: int = 1, steps: int = 10, size: int = 2, dt: float = 1e-3) -> SpikeTrains:
    return SpikeTrains.from_dense(np.zeros((samples, steps, size), dtype=bool), dt)


def run(circuit: Circuit | None = None, inputs: Any = None, duration: Any = "10 ms", **options: Any) -> None:
    simulate(circuit or eye(), {"eye": spikes()} if inputs is None else inputs, duration, **options)


def current(values: Any) -> dict[str, Any]:
    return {"eye": spikes(), "cells.soma": values}


CELLS_SOMA = "inputs: cells.soma"
EYE = "inputs: source 'eye'"
DELAY = "projection 'eye->cells.synapse': delay"
CASES: dict[str, tuple[Callable[[], object], str, list[object]]] = {
    "duration 0": (lambda: run(duration=0), "duration", [0]),
    "negative duration": (lambda: run(duration="-5 ms"), "duration", ["-5 ms"]),
    "duration in volts": (lambda: run(duration="5 mV"), "duration", ["5 mV", "second"]),
    "duration without a number": (lambda: run(duration="soon"), "duration", ["soon"]),
    "infinite duration": (lambda: run(duration=np.inf), "duration", ["inf"]),
    "duration of half a step": (lambda: run(duration="10.4 ms"), "duration", ["0.0104 s", "0.001 s", "0.01 s"]),
    "duration far below a step": (lambda: run(duration=1e-12), "duration", ["1e-12 s", "0.001 s"]),
    "too many steps": (lambda: run(duration=1e300), "duration", ["1e+300 s", "1e+303 steps", "2**31"]),
    "time step 0": (lambda: run(eye(dt=0.0)), "circuit: dt", [0]),
    "time step in volts": (lambda: run(eye(dt="1 mV")), "circuit: dt", ["1 mV"]),
    "negative seed": (lambda: run(seed=-1), "seed", [-1]),
    "seed without a number": (lambda: run(seed="lucky"), "seed", ["lucky"]),
    "unknown target": (lambda: run(target="cuda"), "target", ["cuda", "auto, cpp, numpy"]),
    "batch": (lambda: run(inputs={"eye": spikes(samples=2)}), "inputs", ["2 samples", "simulate_batch"]),
    "unknown source": (lambda: run(inputs={"eyes": spikes()}), "inputs", ["'eyes'", "'eye'"]),
    "unknown compartment": (lambda: run(inputs={"cells.axon": Pulse(1)}), "inputs", ["'cells.axon'", "'cells.soma'"]),
    "missing spikes": (lambda: run(inputs={}), EYE, ["missing", "SpikeTrains"]),
    "current into a source": (lambda: run(inputs={"eye": Pulse(1)}), EYE, ["Pulse", "SpikeTrains"]),
    "spikes into a compartment": (lambda: run(inputs=current(spikes())), CELLS_SOMA, ["SpikeTrains", "Pulse"]),
    "spikes of another size": (lambda: run(inputs={"eye": spikes(size=3)}), EYE, ["3 neurons", 2]),
    "spikes at another time step": (lambda: run(inputs={"eye": spikes(dt=1e-4)}), EYE, ["0.0001 s", "0.001 s"]),
    "spikes after the end": (lambda: run(inputs={"eye": spikes(steps=11)}), EYE, ["11 steps", 10]),
    "current in volts": (lambda: run(inputs=current(Pulse("1 mV"))), f"{CELLS_SOMA}: amplitude", ["1 mV"]),
    "current that is NaN": (lambda: run(inputs=current(Pulse(np.nan))), f"{CELLS_SOMA}: amplitude", ["nan"]),
    "pulse that stops before it starts": (
        lambda: run(inputs=current(Pulse(1, "5 ms", "2 ms"))), CELLS_SOMA, ["0.005 s", "0.002 s"],
    ),
    "pulse before the run": (lambda: run(inputs=current(Pulse(1, -1e-3))), CELLS_SOMA, ["-0.001 s"]),
    "pulse start in volts": (lambda: run(inputs=current(Pulse(1, "1 mV"))), f"{CELLS_SOMA}: start", ["1 mV"]),
    "too few currents": (lambda: run(inputs=current(np.zeros(9))), CELLS_SOMA, ["(9,)", "(10,)", "(10, 3)"]),
    "transposed currents": (lambda: run(inputs=current(np.zeros((3, 10)))), CELLS_SOMA, ["(3, 10)", "(10, 3)"]),
    "currents as text": (lambda: run(inputs=current(np.array(["1"] * 10))), CELLS_SOMA, ["<U1"]),
    "currents with NaN": (
        lambda: run(inputs=current(np.where(np.arange(10) == 4, np.nan, 0))), CELLS_SOMA, ["step 4"],
    ),
    "record an unknown population": (lambda: run(record={"cell": ["v"]}), "circuit", ["'cell'", "'cells'"]),
    "record a source": (lambda: run(record={"eye": ["v"]}), "record", ["'eye'"]),
    "record an unknown variable": (lambda: run(record={"cells": ["u"]}), "record: cells", ["'u'", "q, v"]),
    "record a text": (lambda: run(record={"cells": "v"}), "record: cells", ["'v'", "['v']"]),
    "record an unknown neuron": (
        lambda: run(record={"cells": ["v"]}, neurons={"cells": [3]}), "neurons: cells", ["neuron 3"],
    ),
    "record half a neuron": (
        lambda: run(record={"cells": ["v"]}, neurons={"cells": [0.5]}), "neurons: cells", ["float64"],
    ),
    "delay of too many steps": (lambda: run(eye(delay="1e300 ms")), DELAY, ["1e+297 s", "1e+300 steps", "2**31"]),
    "delay of half a step": (lambda: run(eye(delay="0.5 ms")), DELAY, ["0.0005 s"]),
    "negative delay": (lambda: run(eye(delay="-1 ms")), DELAY, ["-1 ms"]),
    "infinite delay": (lambda: run(eye(delay=np.inf)), DELAY, ["inf"]),
    "initial values of another size": (
        lambda: run(Circuit((Population("cells", LIF, 3, initial={"v": np.zeros(2)}),), (), "1 ms"), {}),
        "population 'cells'", [],
    ),
    "initial value in amperes": (
        lambda: run(Circuit((Population("cells", LIF, 3, initial={"v": "1 nA"}),), (), "1 ms"), {}),
        "population 'cells'", [],
    ),
    "parameter in volts": (
        lambda: run(Circuit((Population("cells", LIF, 3, {"C": "1 mV"}),), (), "1 ms"), {}),
        "models/lif.toml: parameters.C", ["1 mV", "pF"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("attempt", "field", "values"), CASES.values(), ids=CASES)
def test_invalid_arguments_are_refused_in_one_line(
    attempt: Callable[[], object], field: str, values: list[object]
) -> None:
    with raises_input_error(field, *values):
        attempt()


@pytest.mark.slow
def test_the_same_calls_with_valid_arguments_run() -> None:
    run()
    run(eye(weights=scipy.sparse.coo_array(np.eye(2, 3)), delay="2 ms"), current(np.zeros((10, 3))), seed=2**32 - 1)
    run(
        eye(weights=scipy.sparse.coo_array((2, 3))),
        current(Pulse(1, "1 ms", "20 ms")),
        record={"cells": ["v", "v", "q"]},
    )


def test_a_cell_without_a_threshold_cannot_project(tmp_path: Path) -> None:
    graded = replace(LIF, threshold="", reset="", refractory="", id="graded")
    cells = [Population("graded", replace(graded, equations=graded.equations), 1), eye()["cells"]]
    synapses = Projection("graded", "cells", "synapse", np.ones((1, 3)))
    with raises_input_error("projection 'graded->cells.synapse'", "'graded'", "threshold"):
        simulate(Circuit(tuple(cells), (synapses,), "1 ms"), {}, "5 ms")


def test_a_method_that_cannot_integrate_the_receptors_is_refused() -> None:
    receptor = Receptor(cards.synapse("exponential_conductance"), "soma")
    cells = Population("cells", LIF, 1, receptors={"ampa": receptor}, method="exact")
    with raises_input_error("circuit", "could not be separated", "exponential_euler"):
        simulate(Circuit((cells,), (), "0.1 ms"), {}, "5 ms")


def test_a_missing_parameter_is_not_taken_from_the_callers_variables() -> None:
    g_L = 10e-9 * brian2.siemens  # noqa: N806 - Brian2 would find this name in the caller's frame
    incomplete = replace(LIF, parameters={name: text for name, text in LIF.parameters.items() if name != "g_L"})
    with pytest.raises(InputError, match="g_L"):
        simulate(unconnected(incomplete), {}, "1 ms")
    # Brian2 itself takes the variable
    group = brian2.NeuronGroup(1, "dv/dt = -g_L*v/(200*pF) : volt", method="euler")
    brian2.Network(group).run(0 * brian2.second)
    assert g_L > 0 * brian2.siemens


def runaway(folder: Path) -> Circuit:
    card = folder / "runaway.toml"
    card.write_text(
        """
        kind = "cell"
        name = "A pole"
        summary = "x = 1/(c - t) becomes infinite."
        reference = "Any book on differential equations"
        equations = \"""
        dx/dt = x**2/second + I : 1
        dy/dt = -y/second : 1
        \"""
        method = "rk4"
        dt = "1 ms"
        [start]
        x = "10"
        [compartments.point]
        potential = "x"
        current = "I"
        unit = "hertz"
        """
    )
    return unconnected(cards.cell(card), size=2)


def test_a_variable_that_becomes_infinite_is_named_with_its_time(tmp_path: Path) -> None:
    """x = 1/(0.1 - t/s): the pole lies at 100 ms, and x is not finite a few steps after it."""
    with raises_input_error("population 'cell'", "'x'", "from 0.1", "dt"):
        simulate(runaway(tmp_path), {}, "200 ms")
    assert np.isfinite(simulate(runaway(tmp_path), {}, "90 ms", record={"cell": ["x"]}).trace("cell", "x").values).all()


@pytest.mark.slow
def test_samples_of_a_batch_before_an_invalid_one_are_returned(tmp_path: Path) -> None:
    cell = runaway(tmp_path)["cell"]
    assert isinstance(cell, Population)
    cell = replace(cell, cell=replace(cell.cell, receptors={"x": "x"}), initial={"x": 0.0})
    circuit = Circuit((Source("eye", 1), cell), (Projection("eye", "cell", "x", np.full((1, 2), 50.0)),), "1 ms")
    fires = np.zeros((3, 100, 1), dtype=bool)
    fires[1, 5] = True
    runs = simulate_batch(circuit, {"eye": SpikeTrains.from_dense(fires, 1e-3)}, "100 ms")
    assert len(next(runs).spikes["eye"]) == 0
    with raises_input_error("population 'cell'", "'x'", "from 0.0"):
        next(runs)
