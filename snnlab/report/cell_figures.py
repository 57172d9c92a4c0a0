"""Figures of one simulated cell: a cell card, or a morphology."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from snnlab import plots
from snnlab.brian.quantities import to_si
from snnlab.cards import Cell
from snnlab.data.recording import Recording
from snnlab.networks.morphology import Morphology


def plot_cell(cell: Cell, recording: Recording, path: Path, units: Mapping[str, str] | None = None) -> Path:
    """Plot everything recorded of one cell, one Axes for each unit: potentials above, injected currents below.

    units  compartment -> unit of its current in the figure, such as uA/cm**2; SI by default

    Raises InputError if the figure cannot be written.
    """
    parts = cell.compartments.values()
    potentials = {part.potential: part.name if len(parts) > 1 else "potential" for part in parts}
    currents = {f"{part.current}_injected": f"into {part.name}" for part in parts}
    variables = {name: name for name in recording.traces["cell"] if name not in potentials | currents}
    panels = [
        (labels, names, height)
        for labels, height in ((potentials, 3.0), (variables, 2.0), (currents, 1.6))
        for names in _grouped_by_unit(recording, labels)
    ]
    heights = [height for _, _, height in panels]
    figure, axes = plots.figure(len(panels), size=(8, 0.7 + sum(heights)), heights=heights, shared_time=True)
    for number, (ax, (labels, names, _)) in enumerate(zip(axes[:, 0], panels, strict=True)):
        with plots.style():
            shown = {name: labels[name] for name in names}
            unit = _unit_of_current(cell, names, units or {}) if labels is currents else None
            plots.traces(recording, ax, "cell", names, labels=shown, spikes=number == 0, unit=unit)
            if labels is currents:
                _format_current_axis(ax)
    return plots.save(plots.titled(figure, f"{cell.name} ({cell.id})"), path)


def plot_morphology(
    title: str,
    morphology: Morphology,
    recording: Recording,
    places: Mapping[str, str],
    path: Path,
    units: Mapping[str, str],
) -> Path:
    """Plot potentials at places of a morphology, the injected currents below, and the morphology with these places.

    places  place -> label
    units   place -> unit of the current injected there; the first is used for all

    Raises InputError if the figure cannot be written.
    """
    layout = [["potential", "potential", "morphology"], ["current", "current", "morphology"]]
    figure, axes = plots.panels(layout, size=(8, 4.6), heights=[3.0, 1.6])
    axes["potential"].sharex(axes["current"])
    axes["potential"].tick_params(labelbottom=False)
    currents = {name: name for name in recording.traces["cell"] if name.startswith("into ")}
    labels = {place: label.replace(" um", " µm") for place, label in places.items()}
    unit = next(iter(units.values()))
    size = to_si(f"1 {unit}", "amp", "unit of the current")
    with plots.style():
        plots.traces(recording, axes["potential"], "cell", list(places), labels=labels)
        plots.traces(recording, axes["current"], "cell", list(currents), labels=currents, spikes=False,
                     unit=(unit, size) if size != 1 else None)  # fmt: skip
        _format_current_axis(axes["current"])
        if axes["potential"].get_legend() is not None:  # beside the morphology there is room for three columns only
            axes["potential"].legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=3, frameon=False)
        lines = zip(places, axes["potential"].lines, strict=False)
        marked = {morphology.point(place, "record"): str(line.get_color()) for place, line in lines}
        plots.morphology(morphology, axes["morphology"], marked)
    return plots.save(plots.titled(figure, title), path)


def _unit_of_current(cell: Cell, currents: Sequence[str], units: Mapping[str, str]) -> tuple[str, float] | None:
    """The unit in which the first of these currents was given, and its size in SI units; None for the SI unit."""
    for name, part in cell.compartments.items():
        if f"{part.current}_injected" in currents and name in units:
            size = to_si(f"1 {units[name]}", part.unit, f"unit of the current into {name}")
            return (units[name], size) if size != 1 else None  # an SI unit gets a prefix by the size of the values
    return None


def _format_current_axis(ax: Any) -> None:
    """Include zero with a margin, so that the line of a zero current is visible, and label the axis "current"."""
    low, high = ax.get_ylim()
    margin = 0.06 * (max(high, 0.0) - min(low, 0.0))
    ax.set_ylim(min(low, -margin), max(high, margin))
    ax.set_ylabel("current" + "".join(ax.get_ylabel().partition(" (")[1:]))


def _grouped_by_unit(recording: Recording, labels: Mapping[str, str]) -> list[list[str]]:
    """The recorded variables among `labels`, one list for each unit."""
    groups: dict[str, list[str]] = {}
    for name in labels:
        if name in recording.traces["cell"]:
            groups.setdefault(recording.trace("cell", name).unit, []).append(name)
    return list(groups.values())
