"""One variable of several neurons over time, such as the apical potentials of a layer."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes

from snnlab.data.recording import Recording
from snnlab.errors import InputError
from snnlab.plots.frame import time_axis
from snnlab.plots.style import GREY
from snnlab.plots.traces import column


def neurons(
    recording: Recording,
    ax: Axes,
    population: str,
    variable: str,
    which: Sequence[int],
    *,
    label: str = "",
    wanted: Sequence[float] | None = None,
    since: float | None = None,
    until: float | None = None,
) -> Axes:
    """The same variable of some neurons, a line in a colour of its own for each.

    which   numbers of the neurons
    label   of the y axis; the variable's name where left out
    wanted  a value for each neuron that it is to come to, dashed in the colour of its line
    since   seconds from which on the background is shaded
    until   and up to which, the end where left out

    Raises InputError for what was not recorded, and for as many wanted values as there are not neurons.
    """
    trace = recording.trace(population, variable)
    if wanted is not None and len(wanted) != len(which):
        raise InputError("neurons: wanted", f"{len(wanted)} values for {len(which)} neurons", "needs one for each")
    scale = time_axis(ax, recording.duration)
    if since is not None:
        ax.axvspan(
            since * scale, (recording.duration if until is None else until) * scale, color=GREY, alpha=0.15, linewidth=0
        )
    for k, neuron in enumerate(which):
        values = column(trace, variable, population, neuron)
        (line,) = ax.plot(trace.times * scale, values, label=f"neuron {neuron}")
        if wanted is not None:
            ax.axhline(wanted[k], linestyle="--", linewidth=1.0, color=line.get_color())
    ax.set_ylabel(label or variable)
    return ax
