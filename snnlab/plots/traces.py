"""Traces of one neuron, with its spikes marked above."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError, one_of
from snnlab.plots.axes import legend_above, notice, si_prefix, time_axis, typeset, with_unit
from snnlab.plots.style import GREY, INK, ORANGE

_QUANTITIES = {"V": "potential", "A": "current", "S": "conductance", "Hz": "rate"}
_MARKS = 0.95  # height of the spike marks, in fractions of the Axes
_BAND = 0.12  # fraction of the height reserved for them


def traces(
    recording: Recording,
    ax: Axes,
    population: str,
    variables: str | Sequence[str],
    *,
    neuron: int = 0,
    labels: Mapping[str, str] | None = None,
    spikes: bool = True,
    unit: tuple[str, float] | None = None,
    threshold: float | None = None,
    targets: SpikeTrains | None = None,
) -> Axes:
    """Variables of one neuron over time, with a mark above for each spike.

    The marks are needed because the potential of a cell that is reset at threshold does not show its spikes.

    variables  names that share a unit, such as the potentials of soma and dendrite
    labels     variable -> label, if different from its name
    spikes     False omits the marks
    unit       unit in card syntax and its size in SI units, ("uA/cm**2", 0.01); chosen by the values by default
    threshold  SI units; a dashed line
    targets    target spike trains of the population, plotted as circles at the height of the marks

    Raises InputError for a population, variable or neuron that was not recorded, and for variables of different
    units.
    """
    names = (variables,) if isinstance(variables, str) else tuple(variables)
    labels = labels or {}
    for name in labels:
        if name not in names:
            raise InputError("traces.labels", f"got {name!r}, which is not plotted", one_of(name, names))
    plotted = {name: recording.trace(population, name) for name in names}
    values = {name: column(trace, name, population, neuron) for name, trace in plotted.items()}
    all_values = np.concatenate(list(values.values())) if values else np.zeros(0)
    factor, shown = (1 / unit[1], typeset(unit[0])) if unit else si_prefix(all_values, _unit(plotted))
    scale = time_axis(ax, recording.duration)
    for name in names:
        ax.plot(plotted[name].times * scale, values[name] * factor, label=labels.get(name, name))
    ax.set_ylabel(with_unit(_quantity(names, labels, _unit(plotted)), shown))
    marked = spikes and _mark_spikes(recording, ax, population, neuron, scale)
    if targets is not None:
        times = targets.train(neuron) * scale
        ax.plot(times, np.full(len(times), _MARKS), linestyle="none", marker="o", markersize=6, fillstyle="none",
                color=ORANGE, label="target", transform=ax.get_xaxis_transform(), zorder=4)  # fmt: skip
    _limits(ax, all_values * factor)
    if threshold is not None:
        _mark_threshold(ax, threshold * factor)
    if len(names) > 1 or marked:
        legend_above(ax)
    return ax


def column(trace: Trace, variable: str, population: str, neuron: int) -> NDArray[np.float64]:
    """The values of one neuron (steps,). Raises InputError if it was not recorded."""
    index = np.flatnonzero(trace.neurons == neuron)
    if not index.size:
        known = ", ".join(str(number) for number in trace.neurons[:8]) + (", ..." if len(trace.neurons) > 8 else "")
        raise InputError(
            f"trace {variable!r} of {population!r}", f"neuron {neuron} was not recorded", f"known: {known}"
        )
    return trace.values[:, index[0]]


def _unit(plotted: Mapping[str, Trace]) -> str:
    if not plotted:
        raise InputError("traces.variables", "got none", "must be at least one")
    units = {trace.unit for trace in plotted.values()}
    if len(units) > 1:
        each = ", ".join(f"{name} in {trace.unit or '1'}" for name, trace in plotted.items())
        raise InputError("traces.variables", f"got different units: {each}", "plot each unit in its own Axes")
    return units.pop()


def _quantity(names: Sequence[str], labels: Mapping[str, str], unit: str) -> str:
    """Label of the y axis: that of a single variable, or the quantity that has this unit."""
    shown = [labels.get(name, name) for name in names]
    return shown[0] if len(names) == 1 and labels else _QUANTITIES.get(unit, ", ".join(shown))


def _mark_spikes(recording: Recording, ax: Axes, population: str, neuron: int, scale: float) -> bool:
    """Mark the spike times, or note that there were none; False without marks."""
    if population not in recording.spikes:
        return False
    times = recording.spikes[population].train(neuron) * scale
    height = ax.get_xaxis_transform()
    if len(times):
        ax.plot(times, np.full(len(times), _MARKS), linestyle="none", marker="|", markersize=7, color=INK,
                label="spikes", transform=height, zorder=3)  # fmt: skip
    else:
        ax.text(0.99, _MARKS, "no spikes", transform=ax.transAxes, ha="right", va="center", color=GREY)
    return bool(len(times))


def _mark_threshold(ax: Axes, threshold: float) -> None:
    """A dashed line, inside the limits of the Axes."""
    ax.axhline(threshold, linestyle="--", linewidth=1.0, color=GREY)
    low, high = ax.get_ylim()
    ax.set_ylim(low, max(high, threshold + 0.15 * (threshold - low)))


def _limits(ax: Axes, values: NDArray[np.float64]) -> None:
    finite = values[np.isfinite(values)]
    if not finite.size:
        notice(ax, "no samples" if not values.size else "no finite values")
        return
    low, high = float(finite.min()), float(finite.max())
    span = (high - low) or abs(high) or 1.0
    ax.set_ylim(low - 0.05 * span, high + (0.05 + _BAND * 1.2) * span)
