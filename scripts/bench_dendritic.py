#!/usr/bin/env python3
"""How fast a dendritic microcircuit learns: 30 inputs, 50 hidden cells, 10 outputs, beside the same in Brian2's C++.

The circuit is that of the regression of Sacramento et al. (2018), its four families of connections all plastic, with a
new pattern every 100 ms. Numbers are seconds of simulated time, of all samples of the batch together, for each second
on the processor, of all threads together. Of Brian2, whose program runs on one core, it is what a longer run takes more
than a shorter one, so that neither writing nor compiling counts; of snnlab the best of some runs, everything counted
but generating and compiling its code. Without noise.

Stops with an error where the two disagree on the weights at the end of either run by more than 1e-9.
"""

import argparse
import json
import resource
import time
from collections.abc import Mapping

import numpy as np

from snnlab.circuit import Circuit
from snnlab.engine import Precision, run_rates
from snnlab.microcircuit import BIAS, NUDGE, Microcircuit
from snnlab.rates import Rates
from snnlab.simulate import simulate

DT = 1e-4
PATTERN = 1000  # steps
BATCHES = (1, 16, 64)
PRECISIONS: tuple[Precision, ...] = ("float64", "float32")
CLOSE = 1e-9


def regression(seed: int) -> Circuit:
    """The circuit with weights drawn as published."""
    rng = np.random.default_rng(seed)
    circuit = Microcircuit(hidden=(50,), transfer="soft_rectifier").circuit((30,), 10, DT)
    drawn = {one.name: rng.uniform(-1, 1, one.weights.shape) for one in circuit.projections if one.plasticity}
    return circuit.with_weights(drawn)


def patterns(circuit: Circuit, samples: int, steps: int, seed: int) -> dict[str, Rates]:
    """A new pattern with its target every 100 ms; the teacher speaks all the time."""
    rng = np.random.default_rng(seed)
    shape = (samples, steps // PATTERN)
    made = {one.name: Rates(rng.uniform(-1, 1, (*shape, one.size))) for one in circuit.sources}
    constant = {name: Rates(np.ones((*shape, 1))) for name in (NUDGE, BIAS) if name in made}
    return made | constant


def disagreement(circuit: Circuit, rates: dict[str, Rates], steps: int, theirs: Mapping[str, np.ndarray]) -> float:
    """The largest difference of a weight between Brian2's and ours, after so many steps; infinite if none learned."""
    ours = run_rates(circuit, rates, steps, precision="float64").weights(circuit)
    first = {one.name: one.weights for one in circuit.projections if one.plasticity}
    if not all(np.abs(theirs[name] - weights).max() > 1e3 * CLOSE for name, weights in first.items()):
        return np.inf
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in first)


def in_brian(circuit: Circuit, steps: int, seed: int) -> tuple[float, float]:
    """Simulated seconds a second, of one sample; and the largest disagreement."""
    took, apart = [], []
    for length in (10 * PATTERN, 10 * PATTERN + steps):
        rates = patterns(circuit, 1, length, seed)
        begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
        weights = simulate(circuit, rates, length * DT, target="cpp").weights
        took.append(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun)
        apart.append(disagreement(circuit, rates, length, weights))
    return steps * DT / (took[1] - took[0]), max(apart)


def in_snnlab(circuit: Circuit, samples: int, precision: Precision, options: argparse.Namespace) -> float:
    """Simulated seconds a second, of all samples together."""
    steps = max(PATTERN, 20 * PATTERN // samples // PATTERN * PATTERN)
    rates = patterns(circuit, samples, steps, options.seed)
    run_rates(circuit, rates, PATTERN * rates["input"].stretches, precision=precision)  # compiles
    best = np.inf
    for _ in range(options.rounds):
        begun = time.process_time()
        run_rates(circuit, rates, steps, precision=precision, threads=options.threads)
        best = min(best, time.process_time() - begun)
    return samples * steps * DT / best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="of which the best counts (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=1_000_000, help="of Brian2 that count (default: %(default)s)")
    parser.add_argument("--threads", type=int, default=1, help="of snnlab (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and patterns (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error("--rounds: needs at least 1")
    if options.steps < PATTERN or options.steps % PATTERN:
        parser.error(f"--steps: needs a multiple of {PATTERN}")
    circuit = regression(options.seed)
    theirs, apart = in_brian(circuit, options.steps, options.seed)
    if not apart < CLOSE:
        parser.exit(1, f"the two disagree on the weights by {apart:.3g}, or nothing was learned\n")
    ours = {f"{precision}, batch {samples}": in_snnlab(circuit, samples, precision, options)
            for precision in PRECISIONS for samples in BATCHES}  # fmt: skip
    if options.json:
        told = {"brian_s_per_s": theirs, "snnlab_s_per_s": ours, "disagreement": apart}
        print(json.dumps(told | {"ratio": {name: value / theirs for name, value in ours.items()}}, indent=2))
        return
    print(f"Brian2's C++               {theirs:9.2f} s of simulated time a second")
    for name, value in ours.items():
        print(f"snnlab, {name:18} {value:9.2f} s   {value / theirs:6.0f} times as fast")
    print(f"largest difference of a weight: {apart:.1g}")


if __name__ == "__main__":
    main()
