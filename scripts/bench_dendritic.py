#!/usr/bin/env python3
"""How fast a dendritic microcircuit learns: 30 inputs, 50 hidden cells, 10 outputs, beside the same in Brian2's C++.

The circuit is that of the regression of Sacramento et al. (2018), its four families of connections all plastic, with a
new pattern every 100 ms, without noise. Numbers are microseconds for one step of one sample. Of Brian2, whose program
runs on one core, it is processor time, and what a longer run takes more than a shorter one, so that neither writing nor
compiling counts. Of snnlab it is time on the wall, the best of some runs, everything counted but generating and
compiling its code; where other programs want the processors too, that of two threads says little.

Stops with an error where the two disagree on the weights at the end of either run by more than 1e-9.
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
CLOSE = 1e-9


def regression(seed: int) -> Circuit:
    """The circuit with weights drawn as published."""
    rng = np.random.default_rng(seed)
    circuit = Microcircuit(hidden=(50,), activation="soft_rectifier").circuit((30,), 10, DT)
    drawn = {one.name: rng.uniform(-1, 1, one.weights.shape) for one in circuit.projections if one.plasticity}
    return circuit.with_weights(drawn)


def patterns(circuit: Circuit, samples: int, steps: int, seed: int) -> dict[str, RateInput]:
    """A new pattern with its target every 100 ms; the teacher speaks all the time."""
    rng = np.random.default_rng(seed)
    shape = (samples, steps // PATTERN)
    made = {one.name: RateInput(rng.uniform(-1, 1, (*shape, one.size))) for one in circuit.sources}
    constant = {name: RateInput(np.ones((*shape, 1))) for name in (NUDGE, BIAS) if name in made}
    return made | constant


def disagreement(circuit: Circuit, rates: dict[str, RateInput], steps: int, theirs: Mapping[str, np.ndarray]) -> float:
    """The largest difference of a weight between Brian2's and ours, after so many steps; infinite if none learned."""
    ours = run_rates(circuit, rates, steps, precision="float64").weights(circuit)
    first = {one.name: one.weights for one in circuit.projections if one.plasticity}
    if not all(np.abs(theirs[name] - weights).max() > 1e3 * CLOSE for name, weights in first.items()):
        return np.inf
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in first)


def in_brian(circuit: Circuit, steps: int, seed: int) -> tuple[float, float]:
    """Seconds of a step of one sample; and the largest disagreement."""
    took, apart = [], []
    for length in (10 * PATTERN, 10 * PATTERN + steps):
        rates = patterns(circuit, 1, length, seed)
        begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        weights = simulate(circuit, rates, length * DT, target="cpp").weights
        took.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun)
        apart.append(disagreement(circuit, rates, length, weights))
    return (took[1] - took[0]) / steps, max(apart)


def in_snnlab(circuit: Circuit, samples: int, precision: Precision, threads: int, options: argparse.Namespace) -> float:
    """Seconds of a step of one sample."""
    steps = max(PATTERN, 20 * PATTERN // samples // PATTERN * PATTERN)
    rates = patterns(circuit, samples, steps, options.seed)
    best = np.inf
    for _ in range(options.rounds):
        begun = time.perf_counter()
        with threads_of(threads):
            run_rates(circuit, rates, steps, precision=precision)
        best = min(best, time.perf_counter() - begun)
    return best / (samples * steps)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="of which the best counts (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=400_000, help="of Brian2 that count (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and patterns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("--rounds: needs at least 2, for the first compiles")
    if options.steps < PATTERN or options.steps % PATTERN:
        parser.error(f"--steps: needs a multiple of {PATTERN}")
    circuit = regression(options.seed)
    theirs, apart = in_brian(circuit, options.steps, options.seed)
    if not apart < CLOSE:
        parser.exit(1, f"the two disagree on the weights by {apart:.3g}, or nothing was learned\n")
    ours = [(precision, samples, threads, in_snnlab(circuit, samples, precision, threads, options))
            for precision in PRECISIONS for samples in BATCHES for threads in THREADS]  # fmt: skip
    busy = os.getloadavg()[0] > 1.5
    if options.json:
        rows = [
            {"precision": precision, "batch": samples, "threads": threads, "step_s": step, "ratio": theirs / step}
            for precision, samples, threads, step in ours
        ]
        print(json.dumps({"brian_step_s": theirs, "snnlab": rows, "disagreement": apart, "busy": busy}, indent=2))
        return
    print(f"Brian2's C++, float64, one sample      {1e6 * theirs:7.3f} us a step")
    for precision, samples, threads, step in ours:
        what = f"{precision}, batch {samples:3}, {threads} thread{'s' * (threads > 1)}"
        print(f"snnlab, {what:30} {1e6 * step:7.3f} us   {theirs / step:5.1f} times as fast")
    print(f"largest difference of a weight: {apart:.1g}")
    if busy:
        print("other programs were running: times are longer than on a machine of its own")


if __name__ == "__main__":
    main()
