"""One variable of several neurons over time, such as the apical potentials of a layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from snnlab.data.recording import Recording
from snnlab.errors import InputError
from snnlab.plots.axes import time_axis
from snnlab.plots.style import GREY
from snnlab.plots.traces import column


def neuron_traces(
    recording: Recording,
    ax: Axes,
    population: str,
    variable: str,
    neurons: Sequence[int],
    *,
    label: str = "",
    targets: Sequence[float] | None = None,
    shaded: tuple[float, float] | None = None,
) -> Axes:
    """One line and colour for each neuron.

    label    of the y axis; the variable's name by default
    targets  target value of each neuron: a dashed line in the colour of its trace
    shaded   start and end (s) of a period with a grey background

    Raises InputError for what was not recorded, and for a wrong number of targets.
    """
    trace = recording.trace(population, variable)
    if targets is not None and len(targets) != len(neurons):
        raise InputError("neuron_traces.targets", f"got {len(targets)} for {len(neurons)} neurons", "must be one each")
    scale = time_axis(ax, recording.duration)
    if shaded is not None:
        ax.axvspan(shaded[0] * scale, shaded[1] * scale, color=GREY, alpha=0.15, linewidth=0)
    for k, neuron in enumerate(neurons):
        values = column(trace, variable, population, neuron)
        (line,) = ax.plot(trace.times * scale, values, label=f"neuron {neuron}")
        if targets is not None:
            ax.axhline(targets[k], linestyle="--", linewidth=1.0, color=line.get_color())
    ax.set_ylabel(label or variable)
    return ax
