#!/usr/bin/env python3
"""Time per step of a learning dendritic microcircuit, 30-50-10: snnlab and Brian2's C++.

The circuit is that of the regression of Sacramento et al. (2018), with all four kinds of projections plastic, a new
pattern every 100 ms, and no noise. Numbers are microseconds per step and sample. For Brian2, which runs on one core, it
is the difference in processor time between a longer and a shorter run, which excludes code generation and compilation.
For snnlab it is wall time, the best of several runs, without generating and compiling code; on a busy machine, results
for two threads mean little.

Exits with an error if the final weights of either run differ by more than 1e-9.
"""

import argparse
import json
import os
import resource
import time
from collections.abc import Mapping

import numpy as np

from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.engine import Precision, run_rates
from snnlab.engine import threads as threads_of
from snnlab.networks.circuit import Circuit
from snnlab.networks.microcircuit import Microcircuit
from snnlab.networks.populations import BIAS, NUDGE

DT = 1e-4
PATTERN = 1000  # steps
BATCHES = (1, 16, 64, 256, 1024)
THREADS = (1, 2)
PRECISIONS: tuple[Precision, ...] = ("float64", "float32")
TOLERANCE = 1e-9


def regression(seed: int) -> Circuit:
    """The circuit with random weights as published."""
    rng = np.random.default_rng(seed)
    circuit = Microcircuit(hidden=(50,), activation="soft_rectifier").circuit((30,), 10, DT)
    weights = {one.name: rng.uniform(-1, 1, one.weights.shape) for one in circuit.projections if one.plasticity}
    return circuit.with_weights(weights)


def patterns(circuit: Circuit, samples: int, steps: int, seed: int) -> dict[str, RateInput]:
    """A new pattern with its target every 100 ms, always with a teacher."""
    rng = np.random.default_rng(seed)
    shape = (samples, steps // PATTERN)
    random = {one.name: RateInput(rng.uniform(-1, 1, (*shape, one.size))) for one in circuit.sources}
    constant = {name: RateInput(np.ones((*shape, 1))) for name in (NUDGE, BIAS) if name in random}
    return random | constant


def disagreement(circuit: Circuit, rates: dict[str, RateInput], steps: int, theirs: Mapping[str, np.ndarray]) -> float:
    """The largest difference between weights of Brian2 and snnlab after so many steps; infinite if none learned."""
    ours = run_rates(circuit, rates, steps, precision="float64").weights(circuit)
    first = {one.name: one.weights for one in circuit.projections if one.plasticity}
    if not all(np.abs(theirs[name] - weights).max() > 1e3 * TOLERANCE for name, weights in first.items()):
        return np.inf
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in first)


def in_brian(circuit: Circuit, steps: int, seed: int) -> tuple[float, float]:
    """Seconds per step of one sample, and the largest difference between weights."""
    times, differences = [], []
    for length in (10 * PATTERN, 10 * PATTERN + steps):
        rates = patterns(circuit, 1, length, seed)
        start = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        weights = simulate(circuit, rates, length * DT, target="cpp").weights
        times.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - start)
        differences.append(disagreement(circuit, rates, length, weights))
    return (times[1] - times[0]) / steps, max(differences)


def in_snnlab(circuit: Circuit, samples: int, precision: Precision, threads: int, options: argparse.Namespace) -> float:
    """Seconds per step and sample."""
    steps = max(PATTERN, 20 * PATTERN // samples // PATTERN * PATTERN)
    rates = patterns(circuit, samples, steps, options.seed)
    best = np.inf
    for _ in range(options.rounds):
        start = time.perf_counter()
        with threads_of(threads):
            run_rates(circuit, rates, steps, precision=precision)
        best = min(best, time.perf_counter() - start)
    return best / (samples * steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="runs, of which the best counts (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400_000, help="measured steps of Brian2 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and patterns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error(f"--rounds: got {options.rounds}; must be at least 2, as the first compiles")
    if options.steps < PATTERN or options.steps % PATTERN:
        parser.error(f"--steps: got {options.steps}; must be a multiple of {PATTERN}")
    circuit = regression(options.seed)
    brian, difference = in_brian(circuit, options.steps, options.seed)
    if not difference < TOLERANCE:
        parser.exit(1, f"weights differ by {difference:.3g}, or nothing was learned\n")
    rows = [(precision, samples, threads, in_snnlab(circuit, samples, precision, threads, options))
            for precision in PRECISIONS for samples in BATCHES for threads in THREADS]  # fmt: skip
    busy = os.getloadavg()[0] > 1.5
    if options.json:
        report = [
            {"precision": precision, "batch": samples, "threads": threads, "step_s": step, "ratio": brian / step}
            for precision, samples, threads, step in rows
        ]
        print(json.dumps({"brian_step_s": brian, "snnlab": report, "disagreement": difference, "busy": busy}, indent=2))
        return
    print(f"Brian2's C++, float64, one sample      {1e6 * brian:7.3f} us per step")
    for precision, samples, threads, step in rows:
        what = f"{precision}, batch {samples:3}, {threads} thread{'s' * (threads > 1)}"
        print(f"snnlab, {what:30} {1e6 * step:7.3f} us   {brian / step:5.1f} times as fast")
    print(f"largest difference of a weight: {difference:.1g}")
    if busy:
        print("the machine was busy: times are longer than on an idle machine")


if __name__ == "__main__":
    main()
