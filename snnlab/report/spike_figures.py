"""Figures of one test sample in a spiking network: spike raster and membrane potentials."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import engine, plots
from snnlab.analysis.distances import correlation
from snnlab.brian import simulate
from snnlab.brian.quantities import to_si
from snnlab.cards.parsing import split_quantity
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST
from snnlab.networks.circuit import Population
from snnlab.networks.weights import Convolution, Pooling
from snnlab.plots.axes import counted
from snnlab.plots.style import ORANGE
from snnlab.rules.rule import SpikingRule, State, spike_inputs
from snnlab.rules.spike_time.base import SpikeTimeRule
from snnlab.training.config import TrainingConfig

_OUTPUTS = 4  # output neurons whose potentials are plotted
_HIDDEN = {1: 4, 2: 3}  # number of hidden layers -> neurons of each; 2 in deeper networks
_HIDDEN_IF_DEEP = 2


@dataclass(frozen=True, eq=False)
class SampleActivity:
    """One test sample simulated in Brian2.

    recording  spikes of all neurons, and potentials of a few neurons of each layer
    targets    target spike trains of the output; None for rules without them
    caption    number, class and predicted class of the sample
    """

    recording: Recording
    targets: SpikeTrains | None
    caption: str


def simulate_sample(config: TrainingConfig, rule: SpikingRule, state: State, sample: int) -> SampleActivity:
    """Simulate one test sample in Brian2, recording potentials of neurons chosen by their spike counts."""
    circuit = config.circuit.with_weights(state.weights)
    chosen = config.test.take([sample])
    encoded = spike_inputs(config.encode(chosen, 0, TEST), "snnlab plot")
    inputs = {circuit.input.name: encoded}
    with engine.threads(config.threads):
        responses = engine.run(circuit, inputs)
    counts = {population.name: responses[population.name].counts[0] for population in circuit.populations}
    neurons = _neurons_to_plot(counts, int(chosen.labels[0]))
    recording = simulate(
        circuit,
        inputs,
        encoded.duration,
        record={population.name: [_potential(population)] for population in circuit.populations},
        neurons={name: numbers.tolist() for name, numbers in neurons.items()},
    )
    predicted = rule.predict(circuit, state, encoded).labels[0]
    classes = config.test.classes
    caption = f": test sample {sample}, class {classes[chosen.labels[0]]}, predicted {classes[predicted]}"
    targets = None
    if isinstance(rule, SpikeTimeRule):
        targets = rule.target_trains(state, chosen.labels, recording.spikes[circuit.output.name])
    return SampleActivity(recording, targets, caption)


def raster_figure(config: TrainingConfig, activity: SampleActivity) -> tuple[Any, str]:
    """Spike rasters of all layers, the input at the top, and a caption; target spikes are circles."""
    recorded, targets = activity.recording.spikes, activity.targets
    names = [node.name for node in config.circuit.nodes]
    heights = [1.2, *(1.0 for _ in names[2:]), 0.8]
    figure, axes = plots.figure(len(names), size=(8, 1 + 2.1 * len(names)), heights=heights, shared_time=True)
    for ax, name in zip(axes[:, 0], names, strict=True):
        with plots.style():
            plots.raster(recorded[name], ax)
            ax.set_title(f"{name}: {counted(len(recorded[name]), 'spike')} of {counted(recorded[name].size, 'neuron')}")
    bottom, output = axes[-1, 0], recorded[names[-1]]
    if output.size == len(config.test.classes):
        bottom.set_ylabel("neuron (class)")
    if targets is not None:
        with plots.style():
            if len(targets):
                plots.raster(targets, bottom, color=ORANGE, marker="$\\bigcirc$")
            similarity = float(correlation(output, targets).mean())
            title = f"{bottom.get_title(loc='left')}; {len(targets)} target spikes (circles)"
            bottom.set_title(f"{title}; correlation {similarity:.2f}")
    return figure, activity.caption


def potentials_figure(config: TrainingConfig, activity: SampleActivity) -> tuple[Any, str]:
    """Potentials of the neurons that were recorded, the output layer first, and a caption."""
    circuit, recording, targets = config.circuit, activity.recording, activity.targets
    output = circuit.output
    panels = [
        (population, neuron)
        for population in reversed(circuit.populations)
        for neuron in _by_spike_count(recording, population)
    ]
    columns = min(2, len(panels))
    rows = math.ceil(len(panels) / columns)
    shapes = {each.post: each.weights.out for each in circuit.projections
              if isinstance(each.weights, Convolution | Pooling)}  # fmt: skip
    figure, axes = plots.figure(rows, columns, size=(8, 0.8 + 1.3 * rows), shared_time=True)
    for ax, (population, neuron) in zip(axes.flat, panels, strict=False):
        with plots.style():
            label = f"{population.name} {_neuron_label(neuron, shapes.get(population.name, ()))}"
            _plot_potential(ax, recording, population, neuron, targets if population.name == output.name else None)
            fired = int(recording.spikes[population.name].counts()[0, neuron])
            ax.set_title(f"{label}: {counted(fired, 'spike')}")
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    has_class_neuron = output.size >= len(config.test.classes)
    legend = "output: " + ("neuron of the true class, then the most active" if has_class_neuron else "most active")
    if len(circuit.populations) > 1:
        legend += "; hidden layers:\nfrom the most active to the median active neuron"
    legend += "; thresholds dashed" + ("" if targets is None else ", target spikes as circles")
    return figure, f"{activity.caption}\n{legend}"


def _by_spike_count(recording: Recording, population: Population) -> list[int]:
    """The neurons whose potential was recorded, the most active first."""
    counts = recording.spikes[population.name].counts()[0]
    neurons = recording.trace(population.name, _potential(population)).neurons
    return sorted(neurons.tolist(), key=lambda neuron: -counts[neuron])


def _neuron_label(neuron: int, shape: tuple[int, ...]) -> str:
    """Number of a neuron, or its channel, row and column in a layer of shape (rows, columns, channels)."""
    if not shape:
        return str(neuron)
    row, column, channel = np.unravel_index(neuron, shape)
    return f"channel {channel} at ({row}, {column})"


def _plot_potential(
    ax: Any, recording: Recording, population: Population, neuron: int, targets: SpikeTrains | None
) -> None:
    fired = recording.spikes[population.name].counts()[0, neuron] > 0
    variable, v_th = _potential(population), None
    if "v_th" in population.cell.parameters:
        text = population.cell.parameters["v_th"]
        v_th = to_si(population.parameters.get("v_th", text), split_quantity(text)[1], f"{population.name}: v_th")
    plots.traces(
        recording, ax, population.name, variable, neuron=neuron, labels={variable: "potential"}, spikes=bool(fired),
        threshold=v_th, targets=targets,
    )  # fmt: skip
    if ax.get_legend() is not None:
        ax.get_legend().remove()


def _potential(population: Population) -> str:
    return next(iter(population.cell.compartments.values())).potential


def _neurons_to_plot(counts: Mapping[str, NDArray[np.int32]], label: int) -> dict[str, NDArray[np.int64]]:
    """Population -> neurons whose potentials are plotted, chosen by spike count.

    counts  the output is the last; its neuron of the class `label` is always included
    """
    *hidden, output = counts
    number = _HIDDEN.get(len(hidden), _HIDDEN_IF_DEEP)
    chosen = {name: _spread_over_counts(counts[name], number) for name in hidden}
    ranked = np.argsort(-counts[output], kind="stable")
    first = [label] if label < len(ranked) else []  # there may be fewer output neurons than classes
    return chosen | {output: np.concatenate([first, ranked[~np.isin(ranked, first)]]).astype(np.int64)[:_OUTPUTS]}


def _spread_over_counts(counts: NDArray[np.int32], number: int) -> NDArray[np.int64]:
    """Neurons from the most active to the median of the active ones; any neurons if none is active."""
    ranked = np.argsort(-counts, kind="stable")
    active = max(int(np.count_nonzero(counts)), number)
    return ranked[np.unique(np.linspace(0, min(active // 2, len(ranked) - 1), number).astype(int))]
