#!/usr/bin/env python3
"""Predictive coding on graphs: errors come down a level in each step, and when inference learning is the gradient."""

import numpy as np
from computation_graph import nets
from predictive_coding import arrivals, il, z_il

from snnlab.cli.script import script_parser
from snnlab.plots import figure, save

SCALES = 10.0 ** -np.arange(5)


def made(graph, rng, scale=1.0):
    """Values of the feed-forward pass, parameters, and what the output should have been."""
    parameters = {name: scale * one for name, one in nets.drawn(graph, rng).items()}
    target = rng.normal(size=(10, *graph.shapes["output"]))
    return graph.forward(nets.shown(graph, 10, rng), parameters), parameters, target


def main():
    parser = script_parser(__doc__, "predictive_coding.png")
    options, rng = parser.parse_args(), np.random.default_rng(0)
    picture, ((left, right),) = figure(1, 2, size=(8, 3.4))
    graph, sizes = nets.residual(5, 6, 3, 3).levelled(), np.full((11, 11), np.nan)
    for step, (inference, _) in enumerate(arrivals(graph, *made(graph, rng), 0.5)):
        for name, error in inference.errors.items():
            sizes[graph.levels[name], step] = np.log10(np.linalg.norm(error))
    left.set(xlabel="step of inference", ylabel="level of the node", title="errors in a residual net, gamma 0.5")
    picture.colorbar(left.imshow(sizes, origin="lower"), ax=left, label="log10 of their size", shrink=0.8)
    graph = nets.perceptron((8, 10, 9, 7, 4))
    values, parameters, target = made(graph, rng, 0.4)
    exact = z_il(graph, values, parameters, target)
    for label, marker, a, b in (("of a smaller weight", "o", 1, 0), ("of a nearer target", "s", 0, 1)):
        apart = []
        for scale in SCALES:
            found = il(graph, values, parameters, scale**b * target, 0.1, 1000, scale**a)
            apart.append(max(np.abs(found[k] / scale - one).max() / np.abs(one).max() for k, one in exact.items()))
        right.loglog(SCALES, apart, marker=marker, label=label)
        print(f"IL {label}: {', '.join(f'{one:.2g}' for one in apart)} from the gradient")
    right.set(xlabel="scale of the output's error", ylabel="largest relative difference", title="IL and the gradient")
    right.legend(loc="lower right")
    print(save(picture, options.plot))


if __name__ == "__main__":
    main()
