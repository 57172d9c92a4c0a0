"""Which pictures are drawn of a run and of a cell."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from snnlab import engine, plots
from snnlab.analysis.distances import correlation
from snnlab.benchmark.tables import Line
from snnlab.brian import simulate
from snnlab.brian.quantities import to_si
from snnlab.cards import Cell
from snnlab.cards.parsing import split_quantity
from snnlab.data.recording import Recording
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import TEST, Ear, Encoder, Sensor, SimulatedCamera
from snnlab.errors import InputError
from snnlab.experiments.core.run import Run
from snnlab.networks.circuit import Population
from snnlab.networks.morphology import Morphology
from snnlab.networks.weights import Convolution, Pooling
from snnlab.plots.axes import si_prefix, typeset, with_unit
from snnlab.plots.style import ORANGE
from snnlab.report.compartment_figures import compartments_figure
from snnlab.report.rate_figures import rates_figure
from snnlab.rules.rule import RecordableRule, SpikingRule, State, spike_inputs
from snnlab.rules.spike_time.base import SpikeTimeRule
from snnlab.training.loop import evaluate, start
from snnlab.training.run_directory import Progress

_IMAGES = 25  # neurons whose weights are shown
_ROWS = 4  # from which weights are drawn as an image
_OUTPUTS = 4  # neurons whose potentials are drawn
_HIDDEN = {1: 4, 2: 3}  # and of each hidden layer, by how many there are
_DEEP = 2  # where there are more


def plot_run(study: Run, *, sample: int = 0) -> list[Path]:
    """The pictures of a run, in its figures folder: how it learned, what it mistakes, its weights, and one sample.

    sample  number of the test sample that is drawn; where cells fire it is run in Brian2

    Raises InputError for a sample that does not exist, and where a picture cannot be written.
    """
    if not 0 <= sample < len(study.trial.test):
        raise InputError("--sample", f"found {sample}", f"the test set has 0 to {len(study.trial.test) - 1}")
    state, progress = study.restored()
    rule = study.trial.rule
    if not isinstance(rule, SpikingRule):
        running = isinstance(rule, RecordableRule)
        figure, told = (compartments_figure if running else rates_figure)(study.trial, state, sample)
        common = [_learning(study, progress, timed=False), _confusion(study, state), _weights(study, state)]
        return [*common, _saved(study, figure, "compartments" if running else "rates", told)]
    recording, told = _run_sample(study, rule, state, sample)
    wanted = None
    if isinstance(rule, SpikeTimeRule):
        labels = study.trial.test.take([sample]).labels
        wanted = rule.target_trains(state, labels, recording.spikes[_output(study)])
    return [
        _learning(study, progress, timed=wanted is not None),
        _confusion(study, state),
        _weights(study, state),
        _raster(study, recording, told, wanted),
        _potentials(study, recording, told, wanted),
    ]


def plot_cell(cell: Cell, recording: Recording, path: Path, units: Mapping[str, str] | None = None) -> Path:
    """All that was recorded of one cell, one Axes for each unit: potentials above, injected currents below.

    units  compartment -> what the current into it is drawn in, such as uA/cm**2; else in SI units

    Raises InputError where the picture cannot be written.
    """
    parts = cell.compartments.values()
    potentials = {part.potential: part.name if len(parts) > 1 else "potential" for part in parts}
    currents = {f"{part.current}_injected": f"into {part.name}" for part in parts}
    further = {name: name for name in recording.traces["cell"] if name not in potentials | currents}
    panels = [
        (labels, names, height)
        for labels, height in ((potentials, 3.0), (further, 2.0), (currents, 1.6))
        for names in _by_unit(recording, labels)
    ]
    heights = [height for _, _, height in panels]
    figure, axes = plots.figure(len(panels), size=(8, 0.7 + sum(heights)), heights=heights, shared_time=True)
    for number, (ax, (labels, names, _)) in enumerate(zip(axes[:, 0], panels, strict=True)):
        with plots.style():
            shown = {name: labels[name] for name in names}
            unit = _typed(cell, names, units or {}) if labels is currents else None
            plots.traces(recording, ax, "cell", names, labels=shown, spikes=number == 0, unit=unit)
            if labels is currents:
                _from_zero(ax)
    return plots.save(_titled(figure, f"{cell.name} ({cell.id})"), path)


def plot_morphology(
    title: str,
    morphology: Morphology,
    recording: Recording,
    places: Mapping[str, str],
    path: Path,
    units: Mapping[str, str],
) -> Path:
    """Potentials at places of a cell, the injected currents below them, and where on the cell the places are.

    places  place -> what it is called in the picture
    units   place -> what the current into it was typed in; one unit for all is drawn, of the first

    Raises InputError where the picture cannot be written.
    """
    layout = [["potential", "potential", "shape"], ["current", "current", "shape"]]
    figure, axes = plots.panels(layout, size=(8, 4.6), heights=[3.0, 1.6])
    axes["potential"].sharex(axes["current"])
    axes["potential"].tick_params(labelbottom=False)
    currents = {name: name for name in recording.traces["cell"] if name.startswith("into ")}
    labels = {place: told.replace(" um", " µm") for place, told in places.items()}
    unit = next(iter(units.values()))
    with plots.style():
        plots.traces(recording, axes["potential"], "cell", list(places), labels=labels)
        typed = (unit, to_si(f"1 {unit}", "amp", "unit of the current"))
        plots.traces(recording, axes["current"], "cell", list(currents), labels=currents, spikes=False,
                     unit=typed if typed[1] != 1 else None)  # fmt: skip
        _from_zero(axes["current"])
        if axes["potential"].get_legend() is not None:  # beside the shape there is less room than above other traces
            axes["potential"].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False)
        colours = {place: str(line.get_color()) for place, line in zip(places, axes["potential"].lines, strict=False)}
        plots.morphology(morphology, axes["shape"], {morphology.point(one, "record"): colours[one] for one in places})
    return plots.save(_titled(figure, title), path)


def _typed(cell: Cell, currents: Sequence[str], units: Mapping[str, str]) -> tuple[str, float] | None:
    """The unit in which the first of these currents was typed, and how much one of it is; None for the SI unit."""
    for name, part in cell.compartments.items():
        if f"{part.current}_injected" in currents and name in units:
            size = to_si(f"1 {units[name]}", part.unit, f"unit of the current into {name}")
            return (units[name], size) if size != 1 else None  # whose prefix is chosen
    return None


def _from_zero(ax: Any) -> None:
    """No current is a line too."""
    low, high = ax.get_ylim()
    margin = 0.06 * (max(high, 0.0) - min(low, 0.0))
    ax.set_ylim(min(low, -margin), max(high, margin))
    ax.set_ylabel("current" + "".join(ax.get_ylabel().partition(" (")[1:]))


def _by_unit(recording: Recording, labels: Mapping[str, str]) -> list[list[str]]:
    """The recorded variables among these, those of one unit together."""
    groups: dict[str, list[str]] = {}
    for name in labels:
        if name in recording.traces["cell"]:
            groups.setdefault(recording.trace("cell", name).unit, []).append(name)
    return list(groups.values())


def plot_results(lines: Sequence[Line], path: Path) -> Path:
    """The accuracies of a bench, a row for each line of its table. Raises InputError where it cannot be written."""
    # what differs below the experiment's name
    names = ["\n".join([line.experiment, *textwrap.wrap(line.differs, 40)]) for line in lines]
    figure, axes = plots.figure(size=(8, 1.1 + sum(0.3 + 0.16 * name.count("\n") for name in names)))
    with plots.style():
        plots.accuracies(
            dict(zip(names, (line.accuracies for line in lines), strict=True)),
            axes[0, 0],
            reported=dict(zip(names, (line.rows[-1].reported for line in lines), strict=True)),
        )
    return plots.save(figure, path)


# Of a run -------------------------------------------------------------------------------------------------------------


def _learning(study: Run, progress: Progress, *, timed: bool) -> Path:
    """Accuracy over epochs; below it the correlation with desired trains, where the rule is for spike times."""
    figure, axes = plots.figure(2 if timed else 1, size=(8, 6 if timed else 4))
    plots.learning_curve(progress.rows, axes[0, 0], reported=study.experiment.reported, source="paper")
    if timed:
        with plots.style():
            plots.correlation_curve(progress.rows, axes[1, 0])
    return _saved(study, figure, "learning", "")


def _output(study: Run) -> str:
    return study.trial.circuit.nodes[-1].name


def _confusion(study: Run, state: State) -> Path:
    tested = evaluate(study.trial, state)
    figure, axes = plots.figure(size=(7, 5.8))
    plots.confusion(tested.confusion, axes[0, 0], classes=study.trial.test.classes)
    return _saved(
        study, figure, "confusion", f": {100 * tested.accuracy:.2f} % of {len(study.trial.test)} test samples right"
    )


def _weights(study: Run, state: State) -> Path:
    """Weights of the first layer that learns, and what learning made of them, of the neurons where that is most.

    They are drawn as images where the layer before has four rows at least, else as a matrix.
    """
    trial, begun = study.trial, start(study.trial)
    number, first = next((k, one) for k, one in enumerate(trial.circuit.projections) if one.name in state.weights)
    before = trial.circuit.projections[number - 1].weights if number else None
    shape = before.out if isinstance(before, Pooling) else trial.test.shape
    weights = state.weights[first.name]
    change = weights - begun.weights[first.name]
    most = np.argsort(-np.linalg.norm(change.reshape(-1, change.shape[-1]), axis=0), kind="stable")[:_IMAGES]
    one = "kernel" if isinstance(first.weights, Convolution) else "neuron"
    told = f": {first.pre} to {first.post}, the {one}s that learned most"
    figure, axes = plots.figure(1, 2, size=(8, 3.9))
    scale, unit = si_prefix(weights, typeset(trial.circuit.unit(first)))
    panels = {with_unit("weight", unit): scale * weights, with_unit("change since the start", unit): scale * change}
    for ax, (label, values) in zip(axes[0], panels.items(), strict=True):
        how: dict[str, Any] = {"neurons": most, "label": label, "one": one}
        if values.ndim == 4 or (len(shape) > 1 and shape[0] >= _ROWS):
            pixels, image = _as_images(values, shape)
            columns = math.ceil(math.sqrt(len(most) * image[0] / image[1]))
            plots.weight_images(pixels, ax, shape=image, columns=columns, **how)
        else:
            plots.weight_matrix(values, ax, **_rows(trial.encoder, shape, raw=number == 0), **how)
    return _saved(study, figure, "weights", told + _beside(trial.encoder, weights, shape))


def _as_images(weights: NDArray[np.floating], shape: tuple[int, ...]) -> tuple[NDArray[np.floating], tuple[int, int]]:
    """Weights (inputs, neurons) or kernels as (pixels, neurons), and the rows and columns of an image of them.

    shape  of the layer before; channels are put side by side
    """
    if weights.ndim == 2 and len(shape) == 3:
        weights = weights.reshape(*shape, -1)
    if weights.ndim == 4:
        rows, columns, channels, number = weights.shape
        return weights.transpose(0, 2, 1, 3).reshape(-1, number), (rows, channels * columns)
    return weights, (shape[0], math.prod(shape[1:]))


def _beside(encoder: Encoder, weights: NDArray[np.floating], shape: tuple[int, ...]) -> str:
    """What stands side by side in each tile, if anything does."""
    rows, channels = shape[0], shape[2] if len(shape) == 3 else 1
    if channels == 1 or (weights.ndim == 2 and rows < _ROWS):
        return ""
    if channels == 2 and isinstance(encoder, Sensor | SimulatedCamera):
        return "\nin each tile, OFF events on the left and ON events on the right"
    return f"\nin each tile, {channels} channels side by side"


def _rows(encoder: Encoder, shape: tuple[int, ...], *, raw: bool) -> dict[str, Any]:
    """What the rows of a matrix of weights are: frequencies or channels, if of the input itself."""
    if not raw or max(shape) != math.prod(shape):
        return {"row": "input"}
    if isinstance(encoder, Ear) and len(encoder.cochlea.centres) == math.prod(shape):
        return {"centres": encoder.cochlea.centres}
    return {}


def _raster(study: Run, recording: Recording, told: str, wanted: SpikeTrains | None) -> Path:
    names = [node.name for node in study.trial.circuit.nodes]
    heights = [1.2, *(1.0 for _ in names[2:]), 0.8]
    figure, axes = plots.figure(len(names), size=(8, 1 + 2.1 * len(names)), heights=heights, shared_time=True)
    for ax, name in zip(axes[:, 0], names, strict=True):
        with plots.style():
            plots.raster(recording.spikes[name], ax)
            fired = recording.spikes[name]
            ax.set_title(f"{name}: {_counted(len(fired), 'spike')} of {_counted(fired.size, 'neuron')}")
    if recording.spikes[names[-1]].size == len(study.trial.test.classes):
        axes[-1, 0].set_ylabel("neuron (class)")
    if wanted is not None:
        _desired(axes[-1, 0], recording.spikes[names[-1]], wanted)
    return _saved(study, figure, "raster", told)


def _desired(ax: Any, fired: SpikeTrains, wanted: SpikeTrains) -> None:
    """The desired spikes around those that were fired."""
    alike = float(correlation(fired, wanted).mean())
    with plots.style():
        if len(wanted):
            plots.raster(wanted, ax, color=ORANGE, marker="$\\bigcirc$")
        ax.set_title(f"{ax.get_title(loc='left')}; {len(wanted)} desired, in circles; correlation {alike:.2f}")


def _potentials(study: Run, recording: Recording, told: str, wanted: SpikeTrains | None) -> Path:
    chosen = [
        (population, neuron)
        for population in reversed(study.trial.circuit.populations)
        for neuron in _busiest_first(recording, population)
    ]
    columns = min(2, len(chosen))
    rows = math.ceil(len(chosen) / columns)
    shapes = {one.post: one.weights.out for one in study.trial.circuit.projections
              if isinstance(one.weights, Convolution | Pooling)}  # fmt: skip
    figure, axes = plots.figure(rows, columns, size=(8, 0.8 + 1.3 * rows), shared_time=True)
    for ax, (population, neuron) in zip(axes.flat, chosen, strict=False):
        with plots.style():
            place = _place(neuron, shapes.get(population.name, ()))
            desired = wanted if population.name == _output(study) else None
            _one_potential(ax, recording, population, neuron, place, desired)
    for ax in axes.flat[len(chosen) :]:
        ax.set_axis_off()
    which = "output: the neuron of the sample's class and the busiest others"
    if study.trial.circuit.nodes[-1].size < len(study.trial.test.classes):
        which = "output: the busiest neurons"
    if len(study.trial.circuit.populations) > 1:
        which += "; hidden layers:\nthe busiest neuron down to the median of those that fired"
    which += "; thresholds dashed" + ("" if wanted is None else ", desired spikes in circles")
    return _saved(study, figure, "potentials", f"{told}\n{which}")


def _busiest_first(recording: Recording, population: Population) -> list[int]:
    """The neurons whose potential was recorded."""
    counts = recording.spikes[population.name].counts()[0]
    neurons = recording.trace(population.name, _potential(population)).neurons
    return sorted(neurons.tolist(), key=lambda neuron: -counts[neuron])


def _place(neuron: int, shape: tuple[int, ...]) -> str:
    """Which neuron it is: its number, or its channel, row and column in a layer of images (rows, columns, channels)."""
    if not shape:
        return str(neuron)
    row, column, channel = np.unravel_index(neuron, shape)
    return f"channel {channel} at ({row}, {column})"


def _one_potential(
    ax: Any, recording: Recording, population: Population, neuron: int, place: str, desired: SpikeTrains | None
) -> None:
    fired = int(recording.spikes[population.name].counts()[0, neuron])
    variable, v_th = _potential(population), None
    if "v_th" in population.cell.parameters:
        text = population.cell.parameters["v_th"]
        v_th = to_si(population.parameters.get("v_th", text), split_quantity(text)[1], f"{population.name}: v_th")
    labels = {variable: "potential"}
    plots.traces(
        recording, ax, population.name, variable, neuron=neuron, labels=labels, spikes=fired > 0, threshold=v_th,
        desired=desired,
    )  # fmt: skip
    if ax.get_legend() is not None:
        ax.get_legend().remove()
    ax.set_title(f"{population.name} {place}: {_counted(fired, 'spike')}")


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _potential(population: Population) -> str:
    return next(iter(population.cell.compartments.values())).potential


def _run_sample(study: Run, rule: SpikingRule, state: State, sample: int) -> tuple[Recording, str]:
    """One test sample in Brian2, with potentials of a few neurons of each layer; and what to say of it."""
    trial = study.trial
    circuit = trial.circuit.with_weights(state.weights)
    chosen = trial.test.take([sample])
    fired = spike_inputs(trial.encode(chosen, 0, TEST), "snnlab plot")
    inputs = {circuit.sources[0].name: fired}
    responses = engine.run(circuit, inputs, threads=trial.threads)
    counts = {population.name: responses[population.name].counts[0] for population in circuit.populations}
    neurons = _chosen(counts, int(chosen.labels[0]))
    recording = simulate(
        circuit,
        inputs,
        fired.duration,
        record={population.name: [_potential(population)] for population in circuit.populations},
        neurons={name: watched.tolist() for name, watched in neurons.items()},
    )
    answer = rule.predict(circuit, state, fired).labels[0]
    right, given = trial.test.classes[chosen.labels[0]], trial.test.classes[answer]
    return recording, f": test sample {sample}, a {right}, answered {given}"


def _chosen(counts: Mapping[str, NDArray[np.int32]], label: int) -> dict[str, NDArray[np.int64]]:
    """Which neurons' potentials are drawn, by their spikes: of the output, the last, the label's is one of them."""
    *hidden, output = counts
    number = _HIDDEN.get(len(hidden), _DEEP)
    chosen = {name: _across(counts[name], number) for name in hidden}
    ranked = np.argsort(-counts[output], kind="stable")
    first = [label] if label < len(ranked) else []  # a class may have no neuron of its own
    return chosen | {output: np.concatenate([first, ranked[~np.isin(ranked, first)]]).astype(np.int64)[:_OUTPUTS]}


def _across(counts: NDArray[np.int32], number: int) -> NDArray[np.int64]:
    """Neurons from the busiest down to the median of those that fired; any, if none did."""
    ranked = np.argsort(-counts, kind="stable")
    fired = max(int(np.count_nonzero(counts)), number)
    return ranked[np.unique(np.linspace(0, min(fired // 2, len(ranked) - 1), number).astype(int))]


def _saved(study: Run, figure: Any, name: str, more: str) -> Path:
    told = f"{study.experiment.name}, seed {study.trial.seed}{more}"
    return plots.save(_titled(figure, told), study.run.figures / f"{name}.png")


def _titled(figure: Any, text: str) -> Any:
    figure.suptitle(text, x=0.01, ha="left", fontsize=11)
    return figure
