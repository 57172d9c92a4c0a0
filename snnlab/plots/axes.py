"""Axes and their labels: units, time and frequency axes, legends, and notices in empty plots."""

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
_LONG = 2.0  # seconds; from here on the time axis is in seconds
# a prefix scales linearly only if the first unit has no power
_PREFIXABLE = re.compile(r"(?!kg|deg)[A-Za-zΩ]+(?=$|[\s/·]|\*(?!\*))")


def si_prefix(values: ArrayLike, unit: str) -> tuple[float, str]:
    """Factor that scales SI `values` so that the largest lies in 1..1000, and the unit with its prefix."""
    finite = np.abs(np.asarray(values, dtype=float))
    finite = finite[np.isfinite(finite) & (finite > 0)]
    if unit in ("", "1") or not finite.size or not _PREFIXABLE.match(unit):
        return 1.0, "" if unit == "1" else unit
    exponent = 3 * math.floor(math.log10(finite.max()) / 3 + 1e-9)
    exponent = min(max(exponent, min(_PREFIXES)), max(_PREFIXES))
    return 10.0**-exponent, _PREFIXES[exponent] + unit


def typeset(unit: str) -> str:
    """The unit of a card, ``uA/cm**2``, as printed: ``µA/cm²``."""
    unit = re.sub(r"[A-Za-z]+", lambda name: _SYMBOLS.get(name[0], name[0]), unit)
    unit = re.sub(r"\bu(?=[A-Za-z])", "µ", unit)
    return re.sub(r"\*\*(-?\d+)", lambda power: power[1].translate(_RAISED), unit).replace("*", "·")


def with_unit(name: str, unit: str) -> str:
    """An axis label, ``potential (mV)``."""
    return f"{name} ({unit})" if unit else name


def time_axis(ax: Axes, duration: float) -> float:
    """Make x the time axis of a run of `duration` seconds, in ms or for long runs in s; returns units per second."""
    scale, unit = (1.0, "s") if duration >= _LONG else (1e3, "ms")
    if duration > 0:
        margin = 0.01 * duration * scale  # keeps a spike in the first step clear of the y axis
        ax.set_xlim(-margin, duration * scale + margin)
    if not _above_another(ax):
        ax.set_xlabel(with_unit("time", unit))
    return scale


def frequency_axis(ax: Axes, centres: NDArray[np.float64], channels: int, where: str) -> None:
    """Put y ticks at the channels nearest to round frequencies.

    centres  hertz (channels,), ascending or descending

    Raises InputError for a wrong number of centres.
    """
    if centres.shape != (channels,):
        raise InputError(where, f"got {centres.size} centres for {channels} channels", "must be one each")
    frequencies = np.array([100, 200, 500, 1000, 2000, 5000, 10_000, 20_000])
    shown = frequencies[(frequencies > centres.min()) & (frequencies < centres.max())]
    rows = [int(np.abs(np.log(centres / frequency)).argmin()) for frequency in shown]
    # the lowest channels are too close together to label all
    spaced = [k for k, row in enumerate(rows) if k + 1 == len(rows) or abs(rows[k + 1] - row) > channels / 15]
    ax.set_yticks([rows[k] for k in spaced], [f"{shown[k] / 1000:g}" for k in spaced])
    ax.set_ylabel("frequency (kHz)")


def integer_ticks() -> MaxNLocator:
    """A few ticks at round integers."""
    return MaxNLocator(nbins=6, integer=True, steps=[1, 2, 5, 10], min_n_ticks=1)


def legend_above(ax: Axes, *, markerscale: float = 1.0) -> None:
    """Put the legend in one line above the Axes, at the right, where it hides no data."""
    ax.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), borderaxespad=0.2, ncols=6, frameon=False,
              markerscale=markerscale)  # fmt: skip


def counted(number: int, noun: str) -> str:
    """A number with its noun, ``1 spike`` or ``2,000 spikes``."""
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def notice(ax: Axes, text: str) -> None:
    """Write a text in the middle of empty Axes."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=GREY)


def _above_another(ax: Axes) -> bool:
    """True if the Axes shares its x axis with Axes below, which carry the label."""
    spec = ax.get_subplotspec()
    shared = len(ax.get_shared_x_axes().get_siblings(ax)) > 1
    return shared and spec is not None and not spec.is_last_row()
