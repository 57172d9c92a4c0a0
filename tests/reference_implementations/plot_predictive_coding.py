#!/usr/bin/env python3
"""Predictive coding on graphs: errors by level and step, and how far inference learning is from the gradient."""

import numpy as np
from computation_graph import nets
from predictive_coding import arrivals, il, z_il

from snnlab.cli.script import script_parser
from snnlab.plots import figure, save

SCALES = 10.0 ** -np.arange(5)


def problem(graph, rng, scale=1.0):
    """Values of the forward pass, parameters, and target minus output."""
    parameters = {name: scale * values for name, values in nets.random_parameters(graph, rng).items()}
    target = rng.normal(size=(10, *graph.shapes["output"]))
    return graph.forward(nets.random_inputs(graph, 10, rng), parameters), parameters, target


def main():
    parser = script_parser(__doc__, "predictive_coding.png")
    options, rng = parser.parse_args(), np.random.default_rng(0)
    drawing, ((left, right),) = figure(1, 2, size=(8, 3.4))
    graph, norms = nets.residual(5, 6, 3, 3).levelled(), np.full((11, 11), np.nan)
    for step, (inference, _) in enumerate(arrivals(graph, *problem(graph, rng), 0.5)):
        for name, error in inference.errors.items():
            norms[graph.levels[name], step] = np.log10(np.linalg.norm(error))
    left.set(xlabel="step of inference", ylabel="level of the node", title="errors in a residual net, gamma 0.5")
    drawing.colorbar(left.imshow(norms, origin="lower"), ax=left, label="log10 of their norm", shrink=0.8)
    graph = nets.perceptron((8, 10, 9, 7, 4))
    values, parameters, target = problem(graph, rng, 0.4)
    exact = z_il(graph, values, parameters, target)
    for label, marker, a, b in (("with a smaller weight", "o", 1, 0), ("with a nearer target", "s", 0, 1)):
        differences = []
        for scale in SCALES:
            updates = il(graph, values, parameters, scale**b * target, 0.1, 1000, scale**a)
            relative = [np.abs(updates[k] / scale - one).max() / np.abs(one).max() for k, one in exact.items()]
            differences.append(max(relative))
        right.loglog(SCALES, differences, marker=marker, label=label)
        print(f"IL {label}: {', '.join(f'{value:.2g}' for value in differences)} from the gradient")
    right.set(xlabel="scale of the output's error", ylabel="largest relative difference", title="IL and the gradient")
    right.legend(loc="lower right")
    print(save(drawing, options.plot))


if __name__ == "__main__":
    main()
