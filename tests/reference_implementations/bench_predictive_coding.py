#!/usr/bin/env python3
"""The cost of an update by Z-IL and by backpropagation, on the same graph, parameters and samples.

All start with the same forward pass, which is included. Backpropagation is reverse mode on the graph. Z-IL runs
inference on the levelled graph, once computed only for the nodes that errors reach in a step ("front"), and once for
all nodes, as defined. Inference learning (IL) takes --il-steps steps of 0.1. Times are processor time in milliseconds
for one update of a batch, float64, on one thread: the median of rounds in which all run, in random order. A ratio is
the median of the ratios of the rounds.

Exits with an error if an update by Z-IL differs from the gradient by more than 1e-10 of its largest number.
"""

import argparse
import json
import os
import time
from collections.abc import Callable

import numpy as np
from computation_graph import Graph, Values, nets
from predictive_coding import il, z_il

from snnlab.engine import one_blas_thread

CLOSE = 1e-10
BATCH = 64

NETS = {
    "perceptron 784-500-500-10": nets.perceptron((784, 500, 500, 10)),
    "convolutional 28x28, 8C5-16C5-10, stride 2": nets.convolutional((28, 28, 1), (8, 16), 10, kernel=5, stride=2),
    "recurrent, 28 steps of 28, 128 cells": nets.recurrent(28, 28, 128, 10),
    "residual, 784, 8 blocks of 128": nets.residual(784, 128, 8, 10),
    "attention, 28 x 28, width 64, hidden 256": nets.attention(28, 28, 64, 256, 10),
}


def updates(graph: Graph, il_steps: int, seed: int) -> dict[str, Callable[[], dict[str, Values]]]:
    """A function for each algorithm that computes its update from the inputs."""
    rng = np.random.default_rng(seed)
    parameters, inputs, level = (
        nets.random_parameters(graph, rng),
        nets.random_inputs(graph, BATCH, rng),
        graph.levelled(),
    )
    target = rng.normal(size=(BATCH, *graph.shapes[graph.output]))

    def backpropagation() -> dict[str, Values]:
        return graph.gradients(graph.forward(inputs, parameters), parameters, target)

    def front() -> dict[str, Values]:
        return z_il(level, level.forward(inputs, parameters), parameters, target, front=True)

    def everywhere() -> dict[str, Values]:
        return z_il(level, level.forward(inputs, parameters), parameters, target)

    def inference() -> dict[str, Values]:
        return il(graph, graph.forward(inputs, parameters), parameters, target, 0.1, il_steps)

    return {"backpropagation": backpropagation, "Z-IL, front": front, "Z-IL, all nodes": everywhere, "IL": inference}


def largest_difference(algorithms: dict[str, Callable[[], dict[str, Values]]]) -> float:
    """The largest difference between Z-IL and backpropagation, relative to the largest number of the parameter."""
    exact = algorithms["backpropagation"]()
    updates = [algorithms[name]() for name in algorithms if name.startswith("Z-IL")]
    return float(np.max([np.abs(one[k] - exact[k]).max() / np.abs(exact[k]).max() for one in updates for k in exact]))


def measure(algorithms: dict[str, Callable[[], dict[str, Values]]], rounds: int, seed: int) -> dict[str, np.ndarray]:
    """Seconds of each algorithm in each round (rounds,), in random order, without a first round for warm-up."""
    times = {name: np.zeros(rounds + 1) for name in algorithms}
    rng, names = np.random.default_rng(seed), list(algorithms)
    for k in range(rounds + 1):
        for name in rng.permutation(names):
            start = time.process_time()
            with np.errstate(all="ignore"):  # IL may diverge
                algorithms[name]()
            times[name][k] = time.process_time() - start
    return {name: seconds[1:] for name, seconds in times.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="rounds that are measured (default: %(default)s)")
    parser.add_argument("--il-steps", type=int, default=20, help="steps of inference learning (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of parameters, inputs, orders (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    for name in ("rounds", "il_steps"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: must be at least 1")
    rows = []
    with one_blas_thread():
        for net, graph in NETS.items():
            algorithms = updates(graph, options.il_steps, options.seed)
            if not (difference := largest_difference(algorithms)) < CLOSE:
                parser.exit(1, f"{net}: Z-IL differs from the gradient by {difference:.3g}\n")
            times = measure(algorithms, options.rounds, options.seed)
            row: dict[str, object] = {"net": net, "levels": max(graph.levels.values()), "difference": difference}
            row |= {f"{name}: s": float(np.median(seconds)) for name, seconds in times.items()}
            reference = times["backpropagation"]
            row |= {f"{name}: ratio": float(np.median(seconds / reference)) for name, seconds in times.items()}
            rows.append(row)
            if not options.json:
                print(f"{net}: {row['levels']} levels, largest difference {difference:.1g}")
                for name, seconds in times.items():
                    ratio = row[f"{name}: ratio"]
                    print(f"    {name:18} {1e3 * np.median(seconds):8.2f} ms  {ratio:6.2f} times as long")
    busy = os.getloadavg()[0] > 1.5
    if options.json:
        print(json.dumps({"batch": BATCH, "il_steps": options.il_steps, "rows": rows, "busy": busy}, indent=2))
    elif busy:
        print("the machine was busy: times are longer than on an idle machine, and ratios less certain")


if __name__ == "__main__":
    main()
