#!/usr/bin/env python3
"""CorInfoMax and what it does without parts of itself: accuracy, and the angle of forward and backward weights."""

from dataclasses import replace

import numpy as np

from snnlab.cli.script import positive_int, script_parser
from snnlab.experiments import EXPERIMENTS
from snnlab.plots import Curve, curves, figure, save
from snnlab.rules.corinfomax.rule import feedback_angles
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn

LESS = {
    "no lateral weights": {"network.lateral": False},
    "backward weights frozen": {"rule.backward_learning_rate": "0"},
}
LABELS = ("test accuracy (%)", "angle of forward and\nbackward weights (degrees)")


def trained(experiment, seed, every):
    """(3, times) updates, test accuracy in percent and degrees, before it learns and every so many updates."""
    config = experiment.config(seed=seed, threads=1)
    state, found = initial_state(config), []
    for epoch in range(experiment.epochs + 1):
        steps = learn(config.rule, config.circuit, state, config.batches(epoch)) if epoch else [(state, None)]
        for state, _ in steps:
            if state.steps % every == 0 or state.steps == epoch * config.batches_per_epoch:
                angle = feedback_angles(config.circuit, state)[-1]
                found.append((state.steps, 100 * evaluate(config, state).accuracy, angle))
    return np.array(found).T


parser = script_parser(__doc__, "corinfomax.png")
parser.add_argument("--dataset", default="mnist", help="of images (%(default)s)")
parser.add_argument("--epochs", type=positive_int, default=3, help="of training (%(default)s)")
parser.add_argument("--every", type=positive_int, default=500, help="updates from one test to the next (%(default)s)")
parser.add_argument("--seed", type=int, default=0)
options = parser.parse_args()
experiment = replace(EXPERIMENTS["corinfomax-mnist"], dataset=options.dataset, epochs=options.epochs)
found = {name: trained(experiment.with_options(of), options.seed, options.every)
         for name, of in ({"full rule": {}} | LESS).items()}  # fmt: skip
for name, (_, accuracy, degrees) in found.items():
    print(f"{name:24} {accuracy[-1]:.2f} %, {degrees[-1]:.1f} degrees")
picture, axes = figure(1, 2, size=(8, 3.4))
for k, (ax, label) in enumerate(zip(axes[0], LABELS, strict=True)):
    begin = 1 - k  # accuracy without the chance that it begins at
    lines = {name: Curve(one[0, begin:] / 1000, one[None, k + 1, begin:]) for name, one in found.items()}
    curves(lines, ax, names=list(found)).set(xlabel="updates (thousands)", ylabel=label)
axes[0, 0].legend(loc="lower right")
print(save(picture, options.plot))
