#!/usr/bin/env python3
"""Accuracy of the spiking dendritic microcircuit on the bars task for several numbers of spikes per millisecond."""

from dataclasses import replace

import numpy as np

from snnlab.cli.script import script_parser
from snnlab.experiments import EXPERIMENTS
from snnlab.plots import figure, save
from snnlab.training.evaluation import evaluate
from snnlab.training.loop import initial_state, learn

SCALES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
REPETITIONS = 25  # test presentations of each pattern, with different spikes


def accuracy(scale, seed, epochs):
    """Test accuracy of one network with `scale` spikes per millisecond for a rate of 1."""
    experiment = EXPERIMENTS["dendritic-bars-spiking"].with_options({"network.spikes_per_ms": scale, "epochs": epochs})
    config = experiment.config(seed=seed)
    config = replace(config, test=config.test.take(np.tile(np.arange(len(config.test)), REPETITIONS)))
    state = initial_state(config)
    for epoch in range(1, epochs + 1):
        *_, (state, _) = learn(config.rule, config.circuit, state, config.batches(epoch))
    return evaluate(config, state).accuracy


def main():
    parser = script_parser(__doc__, "rate_scale.png")
    parser.add_argument("--seeds", type=int, default=3, help="networks for each scale (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=200, help="of training (default: %(default)s)")
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        default=SCALES,
        help="spikes per ms of a cell with rate 1 (default: %(default)s)",
    )
    options = parser.parse_args()
    seeds = range(options.seeds)
    accuracies = np.array([[accuracy(scale, seed, options.epochs) for seed in seeds] for scale in options.scales])
    plot, axes = figure(size=(7, 4))
    ax = axes[0, 0]
    ax.errorbar(options.scales, 100 * accuracies.mean(axis=1), 100 * accuracies.std(axis=1), marker="o", capsize=3)
    ax.axhline(37.5, linestyle="--", color="0.5", label="constant prediction")
    ax.set(xscale="log", xlabel="spikes per ms of a cell with rate 1", ylabel="accuracy on bars (%)", ylim=(0, 105))
    ax.legend(loc="lower right")
    for scale, row in zip(options.scales, accuracies, strict=True):
        print(f"{scale:7g} per ms: {100 * row.mean():.1f} +- {100 * row.std():.1f} %")
    print(save(plot, options.plot))


if __name__ == "__main__":
    main()
