#!/usr/bin/env python3
"""CorInfoMax and ablations of it: test accuracy, and the angle between forward and backward weights."""

from dataclasses import replace

import numpy as np

from snnlab.cli.script import positive_int, script_parser
from snnlab.experiments import EXPERIMENTS
from snnlab.plots import Curve, curves, figure, save
from snnlab.rules.corinfomax.rule import feedback_angles
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn

ABLATIONS = {
    "no lateral weights": {"network.lateral": False},
    "fixed backward weights": {"rule.backward_learning_rate": "0"},
}
LABELS = ("test accuracy (%)", "angle between forward and\nbackward weights (degrees)")


def training_curve(experiment, seed, every):
    """(3, times) updates, test accuracy in percent and angle in degrees, initially and every so many updates."""
    config = experiment.config(seed=seed, threads=1)
    state, rows = initial_state(config), []
    for epoch in range(experiment.epochs + 1):
        steps = learn(config.rule, config.circuit, state, config.batches(epoch)) if epoch else [(state, None)]
        for state, _ in steps:
            if state.steps % every == 0 or state.steps == epoch * config.batches_per_epoch:
                angle = feedback_angles(config.circuit, state)[-1]
                rows.append((state.steps, 100 * evaluate(config, state).accuracy, angle))
    return np.array(rows).T


parser = script_parser(__doc__, "corinfomax.png")
parser.add_argument("--dataset", default="mnist", help="dataset of images (%(default)s)")
parser.add_argument("--epochs", type=positive_int, default=3, help="epochs of training (%(default)s)")
parser.add_argument("--every", type=positive_int, default=500, help="updates between two tests (%(default)s)")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
experiment = replace(EXPERIMENTS["corinfomax-mnist"], dataset=options.dataset, epochs=options.epochs)
results = {name: training_curve(experiment.with_options(changes), options.seed, options.every)
         for name, changes in ({"full rule": {}} | ABLATIONS).items()}  # fmt: skip
for name, (_, accuracy, degrees) in results.items():
    print(f"{name:24} {accuracy[-1]:.2f} %, {degrees[-1]:.1f} degrees")
drawing, axes = figure(1, 2, size=(8, 3.4))
for k, (ax, label) in enumerate(zip(axes[0], LABELS, strict=True)):
    first = 1 - k  # without the initial accuracy, which is chance
    lines = {name: Curve(rows[0, first:] / 1000, rows[None, k + 1, first:]) for name, rows in results.items()}
    curves(lines, ax, names=list(results)).set(xlabel="updates (thousands)", ylabel=label)
axes[0, 0].legend(loc="lower right")
print(save(drawing, options.plot))
