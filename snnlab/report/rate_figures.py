"""Figure of one test sample in a network of rate-based neurons."""

from __future__ import annotations

from typing import Any

from snnlab import plots
from snnlab.encoders import TEST
from snnlab.rules.rule import State
from snnlab.training.config import TrainingConfig


def rates_figure(config: TrainingConfig, state: State, sample: int) -> tuple[Any, str]:
    """Histograms of the rates of the hidden layers and bars of the output rates, and a caption.

    sample  number of the test sample
    """
    chosen = config.test.take([sample])
    prediction = config.rule.predict(config.circuit, state, config.encode(chosen, 0, TEST))
    populations = [node.name for node in config.circuit.populations if node.name in prediction.activity]
    *hidden, output = populations
    classes, label = config.test.classes, int(chosen.labels[0])
    figure, axes = plots.figure(len(populations), size=(8, 1 + 2.1 * len(populations)))
    with plots.style():
        for ax, name in zip(axes[:, 0], hidden, strict=False):
            plots.histogram(prediction.activity[name][0], ax, label=f"rate of {name}")
        plots.rate_bars(prediction.activity[output][0], axes[-1, 0], names=classes, highlighted=label)
        axes[-1, 0].set_xlabel("output neuron (class); the true class in red")
    return figure, f": test sample {sample}, class {classes[label]}, predicted {classes[prediction.labels[0]]}"
