"""The picture of a dendritic microcircuit that runs in time: its somata and dendrites before and after learning."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import plots
from snnlab.encoders import TEST
from snnlab.errors import InputError
from snnlab.networks.populations import OUTPUT
from snnlab.rules.rule import RecordableRule, State
from snnlab.training.loop import TrainingConfig, start

_HIDDEN = "hidden1"
_MANY = 4  # neurons of a layer that are drawn
_ROWS = {"u": "soma", "v_B": "basal dendrite", "v_A": "apical dendrite"}


def compartments_figure(trial: TrainingConfig, state: State, sample: int) -> tuple[Any, str]:
    """The figure, and what it shows: one test sample to the network as it began, and as it is now.

    The neurons of the first hidden layer are those whose apical dendrites the teacher moved most at the beginning.
    """
    rule = trial.rule
    if not isinstance(rule, RecordableRule):
        raise InputError("compartments", f"{type(rule).__name__} has no time", "needs a rule whose circuit runs")
    chosen = trial.test.take([sample])
    inputs = trial.encode(chosen, 0, TEST)
    runs = [rule.recording(trial.circuit, one, inputs, chosen.labels) for one in (start(trial), state)]
    first = runs[0]
    shaded = (first.duration / 2, first.duration)
    moved = _most(first.trace(_HIDDEN, "v_A").values)
    target = first.trace(OUTPUT, "u_trg").values[-1]
    pulled = _most(first.trace(OUTPUT, "u").values - target)
    figure, axes = plots.figure(1 + len(_ROWS), 2, size=(10, 9), shared_time=True)
    for column, recording in zip(axes.T, runs, strict=True):
        goals = target[pulled].tolist()
        plots.neuron_traces(
            recording, column[0], OUTPUT, "u", pulled, label="output: soma", targets=goals, shaded=shaded
        )
        for ax, (variable, name) in zip(column[1:], _ROWS.items(), strict=True):
            plots.neuron_traces(recording, ax, _HIDDEN, variable, moved, label=f"hidden: {name}", shaded=shaded)
    for row in axes:
        low, high = (edge(ax.get_ylim()[k] for ax in row) for k, edge in enumerate((min, max)))
        row[0].set_ylim(low, high)
        row[1].set_ylim(low, high)
        row[1].set_ylabel("")
    for ax, when in zip(axes[0], ("before learning", "after learning"), strict=True):
        ax.set_title(when, loc="left")
    return figure, f": test sample {sample}; on grey ground a teacher pulls the output towards the dashed potentials"


def _most(values: NDArray[np.float64]) -> list[int]:
    """The neurons that move most (steps, neurons)."""
    return np.sort(np.argsort(-np.abs(values).max(axis=0), kind="stable")[:_MANY]).tolist()
