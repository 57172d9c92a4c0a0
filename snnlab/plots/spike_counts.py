"""Output spike counts: how a network answered to one sample."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.frame import legend_above, notice, whole_numbers
from snnlab.plots.style import BLUE, PALE, VERMILLION


def counts(
    spike_counts: ArrayLike, ax: Axes, *, label: int | None = None, classes: Sequence[object] | None = None
) -> Axes:
    """Bars of the spikes that each output neuron fired; the network answers with the class of the longest.

    spike_counts  (classes,)
    label         number of the true class: its bar is blue; a bar as long or longer that is not it, red
    classes       names of the classes, if not their numbers

    Raises InputError for counts that are not one per class, and for a label that is not a class.
    """
    fired = np.asarray(spike_counts)
    if fired.ndim != 1 or not fired.size:
        raise InputError("counts", f"spike counts of shape {fired.shape}", "needs (classes,)")
    names = [str(one) for one in (range(fired.size) if classes is None else classes)]
    if len(names) != fired.size:
        raise InputError("counts", f"{len(names)} names for {fired.size} classes", "needs one for each")
    if label is not None and not 0 <= label < fired.size:
        raise InputError("counts", f"label {label} of {fired.size} classes", f"needs 0..{fired.size - 1}")
    bars = ax.bar(np.arange(fired.size), fired, color=PALE)
    ax.bar_label(bars, [f"{count:g}" for count in fired])
    for number in range(fired.size) if label is not None else ():
        if number == label:
            bars[number].set(color=BLUE, label="true class")
        elif fired[number] and fired[number] >= fired[label]:
            bars[number].set(color=VERMILLION, label="as many or more spikes")
    ax.set_xticks(np.arange(fired.size), names)
    ax.set_xlabel("class")
    ax.set_ylabel("output spikes")
    ax.yaxis.set_major_locator(whole_numbers())
    ax.set_ylim(0, 1.12 * fired.max() or 1.0)
    if not fired.any():
        notice(ax, "no spikes")
    if label is not None:
        legend_above(ax)
    return ax
