#!/usr/bin/env python3
"""What an epoch of normad-association costs: one output, 100 inputs, 5,000 steps, beside the same in Brian2's runtime.

Ours is the whole epoch: forward in the engine, errors, credit and new weights. Brian2's is the forward run alone of the
same equations by hand, its network built and compiled beforehand, for the same spikes; with generated Cython where that
can be compiled, else with NumPy. Both take turns; numbers are medians of the rounds.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

import brian2
import numpy as np
from brian2 import ms, mV, nA, nS, pF, second

from snnlab.experiments import EXPERIMENTS
from snnlab.spikes import Spikes
from snnlab.train import start

EXPERIMENT = EXPERIMENTS["normad-association"]
EQUATIONS = """
dv/dt = (g_L*(E_L - v) + I_syn)/C*int(v > E_L or I_syn > 0*amp) : volt (unless refractory)
dI_syn/dt = -I_syn/tau_1 + s*(1/tau_2 - 1/tau_1) : amp
ds/dt = -s/tau_2 : amp
"""
CONSTANTS = {"C": 300 * pF, "g_L": 30 * nS, "E_L": -70 * mV, "tau_1": 5 * ms, "tau_2": 1.25 * ms}


def in_snnlab(seed: int) -> tuple[Callable[[], Any], Spikes, np.ndarray]:
    """An epoch after 20 others; the inputs, and the weights that it begins with."""
    trial = EXPERIMENT.trial(seed=seed, threads=1)
    state = start(trial)
    batch = next(trial.batches(1))
    for _ in range(20):
        state, _ = trial.rule.step(trial.circuit, state, batch)
    weights = next(iter(state.weights.values())).copy()

    def epoch() -> None:
        for one in trial.batches(1):
            trial.rule.step(trial.circuit, state, one)

    return epoch, batch.inputs, weights


def in_brian(spikes: Spikes, weights: np.ndarray, target: str) -> Callable[[], int]:
    """The forward run, from the beginning each time; gives the output's spikes."""
    brian2.prefs.codegen.target = target
    _, step, neuron = spikes.events()
    source = brian2.SpikeGeneratorGroup(spikes.size, neuron, (step + 0.5) * spikes.dt * second, dt=0.1 * ms)
    cell = brian2.NeuronGroup(
        1, EQUATIONS, method="rk2", threshold="v > 20*mV", reset="v = E_L", refractory=3 * ms, namespace=CONSTANTS,
        dt=0.1 * ms,
    )  # fmt: skip
    cell.v = -70 * mV
    synapses = brian2.Synapses(source, cell, "w : amp", on_pre="s_post += w", dt=0.1 * ms)
    synapses.connect()
    synapses.w = weights[:, 0] * 1e9 * nA
    monitor = brian2.SpikeMonitor(cell)
    network = brian2.Network(source, cell, synapses, monitor)
    network.run(0 * ms, namespace={})
    network.store()

    def run() -> int:
        network.restore()
        network.run(spikes.duration * second, namespace={})
        return int(monitor.num_spikes)

    return run


def timed(call: Callable[[], Any]) -> float:
    begun = time.perf_counter()
    call()
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the problem (default: %(default)s)")
    parser.add_argument("--target", choices=["cython", "numpy"], default="cython", help="(default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: needs at least 1")
    epoch, spikes, weights = in_snnlab(options.seed)
    brian = in_brian(spikes, weights, options.target)
    brian()  # compiles
    pairs = [(timed(epoch), timed(brian)) for _ in range(options.rounds)]
    ours, theirs = (float(np.median(column)) for column in zip(*pairs, strict=True))
    told = {"epoch_s": ours, "brian_forward_s": theirs, "ratio": theirs / ours, "target": options.target}
    told |= {"input_spikes": len(spikes), "steps": spikes.steps, "rounds": options.rounds}
    if options.json:
        print(json.dumps(told, indent=2))
        return
    print(f"snnlab, a whole epoch        {1e3 * ours:9.2f} ms")
    print(f"Brian2 ({options.target}), forward only {1e3 * theirs:9.2f} ms")
    print(f"ratio                        {theirs / ours:9.0f}")


if __name__ == "__main__":
    main()
