"""What one sample leads to in a network of cells that are heard by a rate, as a figure."""

from __future__ import annotations

from typing import Any

from snnlab import plots
from snnlab.encoders import TEST
from snnlab.rules.rule import State
from snnlab.training.loop import TrainingConfig


def rates_figure(trial: TrainingConfig, state: State, sample: int) -> tuple[Any, str]:
    """How many hidden cells have which rate, and the rate of each output; and what to say of it.

    sample  number of the test sample
    """
    chosen = trial.test.take([sample])
    answer = trial.rule.predict(trial.circuit, state, trial.encode(chosen, 0, TEST))
    *hidden, output = [one.name for one in trial.circuit.populations if one.name in answer.activity]
    names, label = trial.test.classes, int(chosen.labels[0])
    figure, axes = plots.figure(1 + len(hidden), size=(8, 1 + 2.1 * (1 + len(hidden))))
    with plots.style():
        for ax, name in zip(axes[:, 0], hidden, strict=False):
            plots.histogram(answer.activity[name][0], ax, label=f"rate of {name}")
        plots.rate_bars(answer.activity[output][0], axes[-1, 0], names=names, marked=label)
        axes[-1, 0].set_xlabel("output (class); that of the sample's class in another colour")
    return figure, f": test sample {sample}, a {names[label]}, answered {names[answer.labels[0]]}"
