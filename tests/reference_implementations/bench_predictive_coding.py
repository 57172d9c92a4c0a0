#!/usr/bin/env python3
"""What an update by Z-IL costs beside one by backpropagation: the same graph, parameters and samples, in one run.

All begin with the same feed-forward pass, which is counted. Backpropagation then sweeps back through the graph; Z-IL
takes the steps of inference of the levelled graph, once worked out for the nodes alone that errors have just come to
("front"), and once for all nodes, as it is defined. Inference learning (IL) takes as many steps of 0.1 as are asked
for. Times are processor time in milliseconds for one update of a batch, float64, on one thread: the median of rounds in
which all run, in random order. A ratio is the median of those of each round.

Stops with an error where an update by Z-IL differs from the gradient by more than 1e-10 of its largest number.
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
    """Each way to an update, from the samples on."""
    rng = np.random.default_rng(seed)
    parameters, inputs, level = nets.drawn(graph, rng), nets.shown(graph, BATCH, rng), graph.levelled()
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


def apart(ways: dict[str, Callable[[], dict[str, Values]]]) -> float:
    """The largest difference of a number of Z-IL's, relative to the largest of its parameter."""
    right = ways["backpropagation"]()
    found = [ways[name]() for name in ways if name.startswith("Z-IL")]
    return float(np.max([np.abs(one[k] - right[k]).max() / np.abs(right[k]).max() for one in found for k in right]))


def timed(ways: dict[str, Callable[[], dict[str, Values]]], rounds: int, seed: int) -> dict[str, np.ndarray]:
    """Seconds of each way in each round (rounds,), the first round thrown away; each has an order of its own."""
    took = {name: np.zeros(rounds + 1) for name in ways}
    rng, names = np.random.default_rng(seed), list(ways)
    for k in range(rounds + 1):
        for name in rng.permutation(names):  # who comes after IL finds memory and caches as that left them
            begun = time.process_time()
            with np.errstate(all="ignore"):  # IL may run away, which costs it nothing
                ways[name]()
            took[name][k] = time.process_time() - begun
    return {name: seconds[1:] for name, seconds in took.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30, help="that count (default: %(default)s)")
    parser.add_argument("--il-steps", type=int, default=20, help="of inference learning (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of parameters, samples and orders (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    for name in ("rounds", "il_steps"):
        if getattr(options, name) < 1:
            parser.error(f"--{name.replace('_', '-')}: needs at least 1")
    rows = []
    with one_blas_thread():
        for net, graph in NETS.items():
            ways = updates(graph, options.il_steps, options.seed)
            if not (difference := apart(ways)) < CLOSE:
                parser.exit(1, f"{net}: Z-IL differs from the gradient by {difference:.3g}\n")
            took = timed(ways, options.rounds, options.seed)
            row: dict[str, object] = {"net": net, "levels": max(graph.levels.values()), "difference": difference}
            row |= {f"{way}: s": float(np.median(seconds)) for way, seconds in took.items()}
            reference = took["backpropagation"]
            row |= {f"{way}: ratio": float(np.median(seconds / reference)) for way, seconds in took.items()}
            rows.append(row)
            if not options.json:
                print(f"{net}: {row['levels']} levels, largest difference {difference:.1g}")
                for way, seconds in took.items():
                    ratio = row[f"{way}: ratio"]
                    print(f"    {way:18} {1e3 * np.median(seconds):8.2f} ms  {ratio:6.2f} times as long")
    busy = os.getloadavg()[0] > 1.5
    if options.json:
        print(json.dumps({"batch": BATCH, "il_steps": options.il_steps, "rows": rows, "busy": busy}, indent=2))
    elif busy:
        print("other programs were running: times are longer than on a machine of its own, and ratios less sure")


if __name__ == "__main__":
    main()
