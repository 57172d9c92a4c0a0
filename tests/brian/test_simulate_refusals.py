"""What cannot be simulated is refused in one line that says where, what was found and what would be right."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import brian2
import numpy as np
import pytest
import scipy.sparse

from snnlab import cards
from snnlab.brian import Pulse, simulate, simulate_batch
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source, unconnected

LIF = cards.cell("lif")


def eye(**changed: Any) -> Circuit:
    """Two source neurons onto three cells, in steps of 1 ms."""
    cells = Population("cells", cards.cell("lif_exp"), 3)
    wires = Projection("eye", "cells", "synapse", changed.pop("weights", np.ones((2, 3))), changed.pop("delay", 0.0))
    return Circuit((Source("eye", 2), cells), (wires,), changed.pop("dt", "1 ms"))


def spikes(samples: int = 1, steps: int = 10, size: int = 2, dt: float = 1e-3) -> SpikeTrains:
    return SpikeTrains.from_dense(np.zeros((samples, steps, size), dtype=bool), dt)


def run(circuit: Circuit | None = None, inputs: Any = None, duration: Any = "10 ms", **more: Any) -> None:
    simulate(circuit or eye(), {"eye": spikes()} if inputs is None else inputs, duration, **more)


def current(values: Any) -> dict[str, Any]:
    return {"eye": spikes(), "cells.soma": values}


CASES: dict[str, tuple[Callable[[], object], str]] = {
    "no time": (lambda: run(duration=0), r"^duration: found 0; needs a time above 0"),
    "negative time": (lambda: run(duration="-5 ms"), r"^duration: found '-5 ms'"),
    "time in volts": (lambda: run(duration="5 mV"), r"^duration: found '5 mV'; needs a value in second"),
    "no time at all": (lambda: run(duration="soon"), r"^duration: 'soon' is not a number with a unit"),
    "endless time": (lambda: run(duration=np.inf), r"^duration: found inf"),
    "half a step": (
        lambda: run(duration="10.4 ms"),
        r"^duration: 0.0104 s is no whole number of steps of 0.001 s; nearest: 0.01 s",
    ),
    "a step of no time": (lambda: run(eye(dt=0.0)), r"^circuit: dt: found 0"),
    "a step in volts": (lambda: run(eye(dt="1 mV")), r"^circuit: dt: found '1 mV'"),
    "negative seed": (lambda: run(seed=-1), r"^seed: found -1"),
    "seed of a word": (lambda: run(seed="lucky"), r"^seed: found 'lucky'"),
    "another target": (lambda: run(target="cuda"), r"^target: found 'cuda'; known: auto, cpp, numpy"),
    "a batch": (lambda: run(inputs={"eye": spikes(samples=2)}), r"^inputs: a batch of 2 samples; .*simulate_batch"),
    "nobody's input": (
        lambda: run(inputs={"eyes": spikes()}),
        r"^inputs: nothing is called 'eyes'; did you mean 'eye'",
    ),
    "nobody's compartment": (
        lambda: run(inputs={"cells.axon": Pulse(1)}),
        r"^inputs: nothing is called 'cells.axon'; did you mean 'cells.soma'",
    ),
    "no spikes": (lambda: run(inputs={}), r"^inputs: source 'eye': missing; needs Spikes"),
    "current into a source": (
        lambda: run(inputs={"eye": Pulse(1)}),
        r"^inputs: source 'eye': found Pulse; needs Spikes",
    ),
    "spikes into a cell": (lambda: run(inputs=current(spikes())), r"^inputs: cells.soma: found Spikes"),
    "spikes of another size": (
        lambda: run(inputs={"eye": spikes(size=3)}),
        r"^inputs: source 'eye': spikes of 3 neurons; needs 2",
    ),
    "spikes of another step": (
        lambda: run(inputs={"eye": spikes(dt=1e-4)}),
        r"spikes in steps of 0.0001 s; needs the circuit's 0.001 s",
    ),
    "spikes after the end": (lambda: run(inputs={"eye": spikes(steps=11)}), r"11 steps of spikes; the run has only 10"),
    "current in volts": (
        lambda: run(inputs=current(Pulse("1 mV"))),
        r"^inputs: cells.soma: amplitude: found '1 mV'; needs a plain number",
    ),
    "current without end": (lambda: run(inputs=current(Pulse(np.nan))), r"^inputs: cells.soma: amplitude: found nan"),
    "pulse backwards": (
        lambda: run(inputs=current(Pulse(1, "5 ms", "2 ms"))),
        r"^inputs: cells.soma: a pulse from 0.005 s to 0.002 s",
    ),
    "pulse before the run": (
        lambda: run(inputs=current(Pulse(1, -1e-3))),
        r"^inputs: cells.soma: a pulse from -0.001 s",
    ),
    "pulse in volts": (lambda: run(inputs=current(Pulse(1, "1 mV"))), r"^inputs: cells.soma: start: found '1 mV'"),
    "currents too few": (
        lambda: run(inputs=current(np.zeros(9))),
        r"^inputs: cells.soma: currents of shape \(9,\); needs \(10,\) or \(10, 3\)",
    ),
    "currents turned": (lambda: run(inputs=current(np.zeros((3, 10)))), r"currents of shape \(3, 10\)"),
    "currents of words": (
        lambda: run(inputs=current(np.array(["1"] * 10))),
        r"^inputs: cells.soma: an array of <U1; needs numbers",
    ),
    "currents with NaN": (
        lambda: run(inputs=current(np.where(np.arange(10) == 4, np.nan, 0))),
        r"not finite in step 4",
    ),
    "trace of nobody": (lambda: run(record={"cell": ["v"]}), r"^circuit: no population 'cell'; did you mean 'cells'"),
    "trace of a source": (lambda: run(record={"eye": ["v"]}), r"^record: 'eye' is a source"),
    "trace of no variable": (lambda: run(record={"cells": ["u"]}), r"^record: cells: no variable 'u'; known: q, v"),
    "trace of a text": (
        lambda: run(record={"cells": "v"}),
        r"^record: cells: found the text 'v'; needs a list, such as \['v'\]",
    ),
    "trace of no neuron": (
        lambda: run(record={"cells": ["v"]}, neurons={"cells": [3]}),
        r"^neurons: cells: got neuron 3; must be 0..2",
    ),
    "trace of half a neuron": (
        lambda: run(record={"cells": ["v"]}, neurons={"cells": [0.5]}),
        r"^neurons: cells: got numbers of type float64",
    ),
    "delay of an age": (lambda: run(eye(delay="1e300 ms")), r"delay: 1e\+297 s is 1e\+300 steps of 0.001 s; needs"),
    "a moment": (lambda: run(duration=1e-12), r"^duration: 1e-12 s is no whole number of steps .*nearest: 0.001 s"),
    "an age": (lambda: run(duration=1e300), r"^duration: 1e\+300 s is 1e\+303 steps of 0.001 s; needs fewer"),
    "delay of half a step": (
        lambda: run(eye(delay="0.5 ms")),
        r"^projection 'eye->cells.synapse': delay: 0.0005 s is no whole number",
    ),
    "delay backwards": (lambda: run(eye(delay="-1 ms")), r"^projection 'eye->cells.synapse': delay: found '-1 ms'"),
    "delay without end": (lambda: run(eye(delay=np.inf)), r"^projection 'eye->cells.synapse': delay: found inf"),
    "start of another size": (
        lambda: run(Circuit((Population("cells", LIF, 3, initial={"v": np.zeros(2)}),), (), "1 ms"), {}),
        r"^population 'cells': ",
    ),
    "start in amperes": (
        lambda: run(Circuit((Population("cells", LIF, 3, initial={"v": "1 nA"}),), (), "1 ms"), {}),
        r"^population 'cells': ",
    ),
    "parameter in volts": (
        lambda: run(Circuit((Population("cells", LIF, 3, {"C": "1 mV"}),), (), "1 ms"), {}),
        r"^models/lif.toml: parameters.C: found '1 mV'; needs a value in pF",
    ),
}


@pytest.mark.parametrize(("attempt", "said"), CASES.values(), ids=CASES)
def test_it_is_refused_in_one_line(attempt: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said) as refusal:
        attempt()
    assert "\n" not in str(refusal.value)


def test_the_same_calls_without_the_mistake_run() -> None:
    run()
    run(eye(weights=scipy.sparse.coo_array(np.eye(2, 3)), delay="2 ms"), current(np.zeros((10, 3))), seed=2**32 - 1)
    run(
        eye(weights=scipy.sparse.coo_array((2, 3))),
        current(Pulse(1, "1 ms", "20 ms")),
        record={"cells": ["v", "v", "q"]},
    )


def test_a_cell_without_threshold_cannot_project(tmp_path: Path) -> None:
    graded = replace(LIF, threshold="", reset="", refractory="", id="graded")
    cells = [Population("graded", replace(graded, equations=graded.equations), 1), eye()["cells"]]
    wires = Projection("graded", "cells", "synapse", np.ones((1, 3)))
    with pytest.raises(InputError, match=r"^projection 'graded->cells.synapse': 'graded' has no threshold"):
        simulate(Circuit(tuple(cells), (wires,), "1 ms"), {}, "5 ms")


def test_a_method_that_cannot_take_the_receptors_is_named() -> None:
    receptor = Receptor(cards.synapse("exponential_conductance"), "soma")
    cells = Population("cells", LIF, 1, receptors={"ampa": receptor}, method="exact")
    with pytest.raises(InputError, match=r"^circuit: .*could not be separated.* another method"):
        simulate(Circuit((cells,), (), "0.1 ms"), {}, "5 ms")


def test_a_missing_parameter_is_not_taken_from_the_callers_variables() -> None:
    g_L = 10e-9 * brian2.siemens  # noqa: N806 - the trap: the card's own name in the caller's frame
    lost = replace(LIF, parameters={name: text for name, text in LIF.parameters.items() if name != "g_L"})
    with pytest.raises(InputError, match="g_L"):
        simulate(unconnected(lost), {}, "1 ms")
    # the same trap, without the guard
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


def test_a_variable_that_stops_being_a_number_is_named_with_its_time(tmp_path: Path) -> None:
    """x = 1/(0.1 - t/s): the pole lies at 100 ms, and the numbers end a few steps after it."""
    with pytest.raises(
        InputError, match=r"^population 'cell': 'x' is no finite number from 0\.1\d* s on; use a smaller dt"
    ):
        simulate(runaway(tmp_path), {}, "200 ms")
    assert np.isfinite(simulate(runaway(tmp_path), {}, "90 ms", record={"cell": ["x"]}).trace("cell", "x").values).all()


def test_in_a_batch_the_samples_before_the_lost_one_are_handed_out(tmp_path: Path) -> None:
    cell = runaway(tmp_path)["cell"]
    assert isinstance(cell, Population)
    cell = replace(cell, cell=replace(cell.cell, receptors={"x": "x"}), initial={"x": 0.0})
    circuit = Circuit((Source("eye", 1), cell), (Projection("eye", "cell", "x", np.full((1, 2), 50.0)),), "1 ms")
    fires = np.zeros((3, 100, 1), dtype=bool)
    fires[1, 5] = True
    runs = simulate_batch(circuit, {"eye": SpikeTrains.from_dense(fires, 1e-3)}, "100 ms")
    assert len(next(runs).spikes["eye"]) == 0
    with pytest.raises(InputError, match="'x' is no finite number from 0.0"):
        next(runs)
