"""Figure of one test sample in a continuous-time dendritic microcircuit, before and after training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import plots
from snnlab.encoders import TEST
from snnlab.networks.populations import OUTPUT
from snnlab.rules.rule import RecordableRule, State
from snnlab.training.config import TrainingConfig
from snnlab.training.loop import initial_state

_HIDDEN = "hidden1"
_NEURONS = 4
_VARIABLES = {"u": "soma", "v_B": "basal dendrite", "v_A": "apical dendrite"}


def compartments_figure(config: TrainingConfig, rule: RecordableRule, state: State, sample: int) -> tuple[Any, str]:
    """Potentials of outputs and hidden neurons for one test sample, untrained on the left and trained on the right.

    The hidden neurons are those whose apical potential deviates most before training. Returns the figure and a caption.
    """
    chosen = config.test.take([sample])
    inputs = config.encode(chosen, 0, TEST)
    untrained, trained = (
        rule.recording(config.circuit, weights, inputs, chosen.labels) for weights in (initial_state(config), state)
    )
    shaded = (untrained.duration / 2, untrained.duration)
    targets = untrained.trace(OUTPUT, "u_trg").values[-1]
    outputs = _largest(untrained.trace(OUTPUT, "u").values - targets)
    hidden = _largest(untrained.trace(_HIDDEN, "v_A").values)
    figure, axes = plots.figure(1 + len(_VARIABLES), 2, size=(10, 9), shared_time=True)
    for column, recording in zip(axes.T, (untrained, trained), strict=True):
        plots.neuron_traces(
            recording, column[0], OUTPUT, "u", outputs, label="output: soma", targets=targets[outputs].tolist(),
            shaded=shaded,
        )  # fmt: skip
        for ax, (variable, name) in zip(column[1:], _VARIABLES.items(), strict=True):
            plots.neuron_traces(recording, ax, _HIDDEN, variable, hidden, label=f"hidden: {name}", shaded=shaded)
    for left, right in axes:
        limits = left.get_ylim() + right.get_ylim()
        left.set_ylim(min(limits), max(limits))
        right.set_ylim(min(limits), max(limits))
        right.set_ylabel("")
    for ax, title in zip(axes[0], ("before training", "after training"), strict=True):
        ax.set_title(title, loc="left")
    return figure, f": test sample {sample}; while shaded, the teacher drives the output to the dashed targets"


def _largest(values: NDArray[np.float64]) -> list[int]:
    """The neurons whose values (steps, neurons) have the largest magnitude, in ascending order."""
    return np.sort(np.argsort(-np.abs(values).max(axis=0), kind="stable")[:_NEURONS]).tolist()
