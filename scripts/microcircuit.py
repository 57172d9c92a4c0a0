#!/usr/bin/env python3
"""A dendritic microcircuit learns one association in Brian2: the output reaches its target, apical potentials 0."""

import numpy as np

from snnlab.brian import simulate
from snnlab.cli.script import script_parser
from snnlab.data.rates import RateInput
from snnlab.networks.microcircuit import Microcircuit
from snnlab.plots import figure, neuron_traces, save

ROWS = {"output rate": ("output", "r"), "output soma": ("output", "u"), "hidden soma": ("hidden1", "u"),
        "basal dendrite": ("hidden1", "v_B"), "apical dendrite": ("hidden1", "v_A")}  # fmt: skip


def main():
    parser = script_parser(__doc__, "microcircuit.png")
    parser.add_argument("--seconds", type=int, default=20, help="duration; no teacher in the first and last second")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    circuit = Microcircuit(hidden=(20,), noise=0.1).circuit((30,), 10, "0.1 ms")
    # all weights are random, and all four kinds of projections learn with the rates of their cards
    learning = [one for one in circuit.projections if one.plasticity]
    circuit = circuit.with_weights({one.name: rng.uniform(-1, 1, one.weights.shape) for one in learning})
    targets = rng.uniform(0.2, 0.8, 10)
    teacher = np.ones(options.seconds)
    teacher[[0, -1]] = 0
    inputs = {
        "input": RateInput.constant(rng.uniform(size=(1, 30))),
        "target": RateInput.constant(np.log(targets / (1 - targets))[None]),  # as potentials
        "nudge": RateInput(teacher[None, :, None]),
    }
    record = {"output": ["r", "u"], "hidden1": ["u", "v_B", "v_A"]}
    run = simulate(circuit, inputs, f"{options.seconds} s", record=record, progress=True)
    drawing, axes = figure(len(ROWS), size=(8, 10), shared_time=True)
    for ax, (label, (population, variable)) in zip(axes[:, 0], ROWS.items(), strict=True):
        own_targets = targets[:4].tolist() if variable == "r" else None
        neuron_traces(
            run, ax, population, variable, range(4), label=label, targets=own_targets, shaded=(1, options.seconds - 1)
        )
    rates = run.trace("output", "r").values[:, :10]
    for when, part in (("before", rates[5000:10000]), ("after", rates[-5000:])):
        print(f"without the teacher, {when}: mean error of a rate {np.abs(part.mean(axis=0) - targets).mean():.3f}")
    print(save(drawing, options.plot))


if __name__ == "__main__":
    main()
