"""What stands around the data: axes with units, a legend, and a word where there is nothing to draw."""

from __future__ import annotations

import math
import re

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from snnlab.cards.names import SYMBOLS
from snnlab.errors import InputError
from snnlab.plots.style import GREY

_PREFIXES = {9: "G", 6: "M", 3: "k", 0: "", -3: "m", -6: "µ", -9: "n", -12: "p", -15: "f"}
_SYMBOLS = {name: symbol for symbol, name in SYMBOLS.items()} | {"meter": "m", "hertz": "Hz", "ohm": "Ω", "molar": "M"}
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_LONG = 2.0  # seconds from which a time axis counts in seconds
# a prefix scales linearly only where it stands before a first unit without a power
_PREFIXABLE = re.compile(r"(?!kg|deg)[A-Za-zΩ]+(?=$|[\s/·]|\*(?!\*))")


def si_prefix(values: ArrayLike, unit: str) -> tuple[float, str]:
    """What to multiply SI `values` by so that the largest lies in 1..1000, and the name of the unit they then have."""
    finite = np.abs(np.asarray(values, dtype=float))
    finite = finite[np.isfinite(finite) & (finite > 0)]
    if unit in ("", "1") or not finite.size or not _PREFIXABLE.match(unit):
        return 1.0, "" if unit == "1" else unit
    exponent = 3 * math.floor(math.log10(finite.max()) / 3 + 1e-9)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**-exponent, _PREFIXES[exponent] + unit


def typeset(unit: str) -> str:
    """A unit as it is typed on a card, ``uA/cm**2``, as it is printed: ``µA/cm²``."""
    unit = re.sub(r"[A-Za-z]+", lambda name: _SYMBOLS.get(name[0], name[0]), unit)
    unit = re.sub(r"\bu(?=[A-Za-z])", "µ", unit)
    return re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_RAISED), unit).replace("*", "·")


def with_unit(name: str, unit: str) -> str:
    """The label of an axis, ``potential (mV)``."""
    return f"{name} ({unit})" if unit else name


def time_axis(ax: Axes, duration: float) -> float:
    """Make x the time axis of a run of `duration` seconds, in ms or, for a long run, in s; gives units per second."""
    scale, unit = (1.0, "s") if duration >= _LONG else (1e3, "ms")
    if duration > 0:
        margin = 0.01 * duration * scale  # so that a spike in the first step does not hide behind the y axis
        ax.set_xlim(-margin, duration * scale + margin)
    if not _above_another(ax):
        ax.set_xlabel(with_unit("time", unit))
    return scale


def frequency_axis(ax: Axes, centres: NDArray[np.float64], channels: int, where: str) -> None:
    """Ticks on y at the channels nearest to round frequencies; `centres` in hertz, falling or rising.

    Raises InputError for another number of centres than there are channels.
    """
    if centres.shape != (channels,):
        raise InputError(where, f"{centres.size} centres for {channels} channels", "needs one for each")
    round_ones = np.array([100, 200, 500, 1000, 2000, 5000, 10_000, 20_000])
    shown = round_ones[(round_ones > centres.min()) & (round_ones < centres.max())]
    rows = [int(np.abs(np.log(centres / frequency)).argmin()) for frequency in shown]
    # the lowest channels stand too close together for a number each
    apart = [k for k, row in enumerate(rows) if k + 1 == len(rows) or abs(rows[k + 1] - row) > channels / 15]
    ax.set_yticks([rows[k] for k in apart], [f"{shown[k] / 1000:g}" for k in apart])
    ax.set_ylabel("frequency (kHz)")


def whole_numbers() -> MaxNLocator:
    """A few ticks, at whole and round numbers."""
    return MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


def legend_above(ax: Axes, *, markerscale: float = 1.0) -> None:
    """A legend in one line above the Axes, on the right, where it can hide no data."""
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, ncols=6, frameon=False,
              markerscale=markerscale)  # fmt: skip


def notice(ax: Axes, text: str) -> None:
    """A word in the middle of the Axes."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)


def _above_another(ax: Axes) -> bool:
    """Whether the Axes shares its x axis with one below it, which carries the label."""
    spec = ax.get_subplotspec()
    shared = len(ax.get_shared_x_axes().get_siblings(ax)) > 1
    return shared and spec is not None and not spec.is_last_row()
