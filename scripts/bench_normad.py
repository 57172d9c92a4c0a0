#!/usr/bin/env python3
"""Time one epoch of normad-association (one output, 100 inputs, 5,000 steps) in snnlab and in Brian2's runtime.

Both start with the same weights, simulate the output spikes and compute the weight changes. In Brian2, the cell is
written by hand, the filtered inputs d are three more variables for each input, recorded in each step, and the update is
computed in NumPy. The network is built and compiled before the measurement, with Cython or, if that is not available,
NumPy. Rounds alternate between both, with 20 epochs of snnlab each; the results are medians. The time of the forward
simulation alone is measured in Brian2 too.

Exits with an error if the weight changes differ.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import brian2
import numpy as np
from brian2 import ms, mV, nA, nS, pF, second

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.experiments import EXPERIMENTS
from snnlab.training.loop import initial_state

EXPERIMENT = EXPERIMENTS["normad-association"]
EQUATIONS = """
dv/dt = slope + int(slope < fall)*(fall - slope) : volt (unless refractory)
slope = (g_L*(E_L - v) + I_syn)/C : volt/second
fall = (E_L - v)/dt : volt/second
dI_syn/dt = -I_syn/tau_1 + s*(1/tau_2 - 1/tau_1) : amp
ds/dt = -s/tau_2 : amp
"""
TRACES = """
dx/dt = -x/tau_1 : 1
dy/dt = -y/tau_2 : 1
dd/dt = -d/tau_L + (x - y)/C : ohm
"""
CONSTANTS = {"C": 300 * pF, "g_L": 30 * nS, "E_L": -70 * mV, "tau_1": 5 * ms, "tau_2": 1.25 * ms, "tau_L": 1 * ms}


Epoch = Callable[[], np.ndarray]


def in_snnlab(seed: int, after: int) -> tuple[Epoch, SpikeTrains, np.ndarray, SpikeTrains]:
    """A function that runs the epoch `after` others and returns the weight changes; its inputs, weights and targets."""
    config = EXPERIMENT.config(seed=seed, threads=1)
    state = initial_state(config)
    (name,) = state.weights
    for number in range(1, after + 1):
        for batch in config.batches(number):
            state, _ = config.rule.step(config.circuit, state, batch)
    batch = next(config.batches(after + 1))
    weights = state.weights[name].copy()

    def epoch() -> np.ndarray:
        state.weights[name] = weights.copy()
        for repeated in config.batches(after + 1):
            config.rule.step(config.circuit, state, repeated)
        return state.weights[name] - weights

    output = engine.run(config.circuit, {"input": batch.inputs}, precision="float64")["output"].spikes
    return epoch, batch.inputs, weights, config.rule.target_trains(state, batch.labels, output)


def in_brian(spikes: SpikeTrains, weights: np.ndarray, targets: SpikeTrains, target: str, learns: bool) -> Epoch:
    """The same epoch, or its forward simulation if `learns` is False."""
    brian2.prefs.codegen.target = target
    _, step, neuron = spikes.events()
    source = brian2.SpikeGeneratorGroup(spikes.size, neuron, (step + 0.5) * spikes.dt * second, dt=0.1 * ms)
    cell = brian2.NeuronGroup(
        1, EQUATIONS, method="rk2", threshold="v >= 20*mV", reset="v = E_L", refractory=3 * ms, namespace=CONSTANTS,
        dt=0.1 * ms,
    )  # fmt: skip
    cell.v = -70 * mV
    synapses = brian2.Synapses(source, cell, "w : amp", on_pre="s_post += w", dt=0.1 * ms)
    synapses.connect()
    synapses.w = weights[:, 0] * 1e9 * nA
    monitor = brian2.SpikeMonitor(cell)
    network = brian2.Network(source, cell, synapses, monitor)
    if learns:
        traces = brian2.NeuronGroup(spikes.size, TRACES, method="exact", namespace=CONSTANTS, dt=0.1 * ms)
        filtered = brian2.Synapses(source, traces, on_pre="x_post += 1; y_post += 1", dt=0.1 * ms)
        filtered.connect(j="i")
        d = brian2.StateMonitor(traces, "d", record=True, when="thresholds", dt=0.1 * ms)
        network.add(traces, filtered, d)
    network.run(0 * ms, namespace={})
    network.store()
    target_steps = set(targets.events()[1].tolist())

    def run() -> np.ndarray:
        network.restore()
        network.run(spikes.duration * second, namespace={})
        if not learns:
            return np.zeros(0)
        fired = set(np.rint(monitor.t / (0.1 * ms)).astype(int).tolist())
        change = np.zeros(spikes.size)
        norms = {at: np.linalg.norm(d.d[:, at]) for at in target_steps ^ fired}
        floor = EXPERIMENT.rule.min_norm * np.mean(list(norms.values()))
        for at in sorted(norms):
            if norms[at] > floor:
                change += (1 if at in target_steps else -1) * np.asarray(d.d[:, at]) / norms[at]
        return EXPERIMENT.rule.learning_rate * change[:, None]

    return run


def timed(call: Callable[[], Any], times: int = 1) -> float:
    """Mean seconds of a number of calls."""
    start = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - start) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="number of rounds (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the problem (default: %(default)s)")
    parser.add_argument("--after", type=int, default=5, help="epochs of training before (default: %(default)s)")
    parser.add_argument(
        "--target", choices=["cython", "numpy"], default="cython", help="code of Brian2 (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: must be at least 1")
    if options.after < 0:
        parser.error("--after: must be at least 0")
    epoch, spikes, weights, targets = in_snnlab(options.seed, options.after)
    brian = in_brian(spikes, weights, targets, options.target, learns=True)
    forward = in_brian(spikes, weights, targets, options.target, learns=False)
    forward()  # compiles, as the next line does
    if not np.allclose(brian(), epoch(), rtol=1e-6, atol=1e-6 * EXPERIMENT.rule.learning_rate) or not epoch().any():
        parser.exit(1, "the weight changes differ, or are zero\n")
    # several epochs of snnlab in a row, as in training
    rounds = [(timed(epoch, 20), timed(brian), timed(forward)) for _ in range(options.rounds)]
    ours, theirs, forward_only = (float(np.median(column)) for column in zip(*rounds, strict=True))
    result = {"epoch_s": ours, "brian_epoch_s": theirs, "brian_forward_s": forward_only, "target": options.target}
    result |= {"ratio": theirs / ours, "ratio_forward": forward_only / ours}
    result |= {"input_spikes": len(spikes), "steps": spikes.steps, "rounds": options.rounds, "after": options.after}
    if options.json:
        print(json.dumps(result, indent=2))
        return
    print(f"snnlab, an epoch              {1e3 * ours:9.2f} ms")
    print(f"Brian2 ({options.target}), an epoch     {1e3 * theirs:9.2f} ms   {theirs / ours:5.0f} times as long")
    ratio = forward_only / ours
    print(f"Brian2 ({options.target}), forward only {1e3 * forward_only:9.2f} ms   {ratio:5.0f} times as long")


if __name__ == "__main__":
    main()
