#!/usr/bin/env python3
"""Time `simulate` and the same network written in Brian2: 4,000 cells for one second, compiled to C++.

Both use the equations of models/lif.toml with the same conductance synapses, compile with the same flags in two jobs,
and return their spikes. A simulation of one step measures code generation and compilation; the difference is the run
time. Rounds alternate between both; all numbers are medians, and ratios are snnlab to the handwritten network.
"""

import argparse
import json
import os
import tempfile
import time
from typing import Any

import brian2
import numpy as np
from brian2 import ms, mV, nS, pF, second
from brian2.devices.device import get_device, reset_device

from snnlab import Circuit, Population, Projection, Receptor, SpikeTrains, cell, random_connections, synapse
from snnlab.brian import Pulse, simulate
from snnlab.native import PROGRAM_FLAGS

SIZES = {"exc": 3200, "inh": 800}
WEIGHTS = {"exc": 6e-9, "inh": 67e-9}  # siemens
STIMULUS = 0.3e-9  # amperes, for the first 50 ms
STEPS = 10_000  # of 0.1 ms
METHOD = cell("lif").method

EQUATIONS = """
dv/dt = (g_L*(E_L - v) + I)/C : volt (unless refractory)
I = g_exc*(E_exc - v) + g_inh*(E_inh - v) + I_stimulus : amp
I_stimulus = stimulus(t) : amp (constant over dt)
dg_exc/dt = -g_exc/tau_exc : siemens
dg_inh/dt = -g_inh/tau_inh : siemens
"""
CONSTANTS = {
    "C": 200 * pF, "g_L": 10 * nS, "E_L": -60 * mV, "v_th": -50 * mV, "v_reset": -60 * mV, "t_ref": 5 * ms,
    "E_exc": 0 * mV, "E_inh": -80 * mV, "tau_exc": 5 * ms, "tau_inh": 10 * ms,
}  # fmt: skip


def circuit() -> Circuit:
    rng = np.random.default_rng(1)
    card = synapse("exponential_conductance")
    receptors = {
        "exc": Receptor(card, "soma", {"tau_syn": "5 ms", "E_syn": "0 mV"}),
        "inh": Receptor(card, "soma", {"tau_syn": "10 ms", "E_syn": "-80 mV"}),
    }
    start = {name: {"v": rng.uniform(-60e-3, -50e-3, size)} for name, size in SIZES.items()}
    cells = [Population(name, cell("lif"), SIZES[name], receptors=receptors, initial=start[name]) for name in SIZES]
    pairs = [(pre, post) for pre in SIZES for post in SIZES]
    weights = [random_connections(SIZES[pre], SIZES[post], 0.02, WEIGHTS[pre], rng) for pre, post in pairs]
    projections = [Projection(pre, post, pre, values) for (pre, post), values in zip(pairs, weights, strict=True)]
    return Circuit(tuple(cells), tuple(projections), "0.1 ms")


def with_snnlab(network: Circuit, steps: int) -> dict[str, SpikeTrains]:
    stimulus = {f"{name}.soma": Pulse(STIMULUS, 0, "50 ms") for name in SIZES}
    return dict(simulate(network, stimulus, steps * 1e-4, target="cpp").spikes)


def handwritten(network: Circuit, steps: int) -> dict[str, SpikeTrains]:
    with tempfile.TemporaryDirectory() as folder:
        brian2.set_device("cpp_standalone", build_on_run=False)
        brian2.prefs.codegen.cpp.extra_compile_args_gcc = PROGRAM_FLAGS
        brian2.prefs.devices.cpp_standalone.extra_make_args_unix = ["-j2"]
        brian2.defaultclock.dt = 0.1 * ms
        stimulus = brian2.TimedArray(np.where(np.arange(STEPS) < 500, STIMULUS, 0) * brian2.amp, dt=0.1 * ms)
        groups = {}
        for name, size in SIZES.items():
            groups[name] = brian2.NeuronGroup(
                size,
                EQUATIONS,
                threshold="v > v_th",
                reset="v = v_reset",
                refractory="t_ref",
                method=METHOD,
                namespace={**CONSTANTS, "stimulus": stimulus},
            )
            groups[name].v = network[name].initial["v"] * brian2.volt
        synapses = []
        for projection in network.projections:
            group = brian2.Synapses(
                groups[projection.pre],
                groups[projection.post],
                "w : siemens",
                on_pre=f"g_{projection.receptor}_post += w",
            )
            source, target = projection.weights.coords
            group.connect(i=source, j=target)
            group.w = projection.weights.data * brian2.siemens
            synapses.append(group)
        monitors = {name: brian2.SpikeMonitor(group) for name, group in groups.items()}
        net = brian2.Network(*groups.values(), *synapses, *monitors.values())
        net.run(steps * 1e-4 * second, namespace={})
        get_device().build(directory=folder, with_output=False)
        spikes = {name: _spikes(monitor, steps, SIZES[name]) for name, monitor in monitors.items()}
        get_device().reinit()
        reset_device()
    return spikes


def _spikes(monitor: brian2.SpikeMonitor, steps: int, size: int) -> SpikeTrains:
    step = np.rint(np.asarray(monitor.t_[:]) / 1e-4).astype(int)
    return SpikeTrains.from_events(np.zeros_like(step), step, monitor.i[:], samples=1, steps=steps, size=size, dt=1e-4)


def measure(rounds: int) -> dict[str, Any]:
    """Median seconds of both, in total, for code generation and compilation, and for the run."""
    network, runs, spikes_of = circuit(), {"snnlab": with_snnlab, "handwritten": handwritten}, {}
    clocks = {"wall": time.perf_counter, "cpu": lambda: sum(os.times()[:4])}  # including the compiler
    seconds = {(clock, name, steps): [] for clock in clocks for name in runs for steps in (1, STEPS)}
    for k in range(rounds):
        for name in list(runs)[:: 1 if k % 2 else -1]:
            for steps in (1, STEPS):
                start = {clock: read() for clock, read in clocks.items()}
                spikes_of[name] = runs[name](network, steps)
                for clock, read in clocks.items():
                    seconds[clock, name, steps].append(read() - start[clock])
    result: dict[str, Any] = {"brian2": brian2.__version__, "cores": os.cpu_count(), "rounds": rounds}
    for clock in clocks:
        for name in runs:
            total, build = seconds[clock, name, STEPS], seconds[clock, name, 1]
            parts = {"total": total, "build": build, "run": np.subtract(total, build)}
            result[f"{name}, {clock} s"] = {part: float(np.median(values)) for part, values in parts.items()}
        ratios = np.divide(seconds[clock, "snnlab", STEPS], seconds[clock, "handwritten", STEPS])
        result[f"ratio, {clock}"] = float(np.median(ratios))
        result[f"ratios, {clock}"] = [round(float(ratio), 3) for ratio in ratios]
    result["same spikes"] = spikes_of["snnlab"] == spikes_of["handwritten"]
    result["spikes"] = {name: len(spikes) for name, spikes in spikes_of["snnlab"].items()}
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the numbers as JSON")
    options = parser.parse_args()
    result = measure(options.rounds)
    if options.json:
        print(json.dumps(result, indent=2))
        return
    for key, value in result.items():
        shown = value if not isinstance(value, dict) else ", ".join(f"{part} {x:.4g}" for part, x in value.items())
        print(f"{key:18} {shown:.3f}" if isinstance(value, float) else f"{key:18} {shown}")


if __name__ == "__main__":
    main()
