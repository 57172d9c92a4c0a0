"""Histograms of a population: firing rates and irregularity."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab.plots.axes import legend_above, notice, whole_numbers
from snnlab.plots.style import BLUE, INK, VERMILLION

_MOST_BINS = 60
_FINEST = 10_000  # steps of a range beyond which values count as continuous


def histogram(values: ArrayLike, ax: Axes, *, label: str, counted: str = "neurons") -> Axes:
    """How many neurons have which value, with their mean; below, how many have none (NaN)."""
    everything = np.asarray(values, dtype=float).ravel()
    finite = everything[np.isfinite(everything)]
    missing = everything.size - finite.size
    ax.set_xlabel(f"{label}\n{missing} of {everything.size} {counted} have none" if missing else label)
    ax.set_ylabel(counted)
    ax.yaxis.set_major_locator(whole_numbers())
    if not finite.size:
        ax.set(xticks=[], yticks=[])
        notice(ax, "no values")
        return ax
    number, edges = np.histogram(finite, _edges(finite))
    ax.stairs(number, edges, fill=True, color=BLUE)
    ax.axvline(finite.mean(), color=VERMILLION, label=f"mean {finite.mean():.3g}")
    legend_above(ax)
    return ax


def rate_histogram(rates_hz: ArrayLike, ax: Axes) -> Axes:
    """How many neurons fire at which mean rate, in hertz."""
    return histogram(rates_hz, ax, label="mean rate (Hz)")


def cv_histogram(cvs: ArrayLike, ax: Axes) -> Axes:
    """How many neurons fire how irregularly; the dashed line is a Poisson process. See `statistics.irregularity`."""
    histogram(cvs, ax, label="CV of interspike intervals")
    if np.isfinite(np.asarray(cvs, dtype=float)).any():
        ax.axvline(1.0, color=INK, linestyle="--", linewidth=1.0, label="Poisson process")
        legend_above(ax)
    return ax


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of at most 61 bins, each of which holds equally many of the values that can occur.

    Rates of a short run come in steps of one spike; bins of another width would show a comb that is not in the data.
    """
    low, high = values.min(), values.max()
    spread = high - low
    if spread <= 1e-9 * max(abs(low), abs(high), 1e-9):
        return _above(low, np.array([low - 0.5, high + 0.5]))
    width = max(_freedman_diaconis(values), spread / _MOST_BINS)
    step = np.diff(np.unique(values)).min()
    if not _whole(values - low, step):
        return np.linspace(low, high, int(np.ceil(spread / width)) + 1)
    width = step * max(1, np.ceil(width / step - 1e-9))
    bins = int(np.ceil((spread + step) / width - 1e-9))
    return _above(low, low - step / 2 + np.arange(bins + 1) * width)


def _above(low: float, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges that do not pass below 0 where no value does: there is no such rate."""
    return np.maximum(edges, 0.0) if low >= 0 else edges


def _whole(distances: NDArray[np.float64], step: float) -> bool:
    """Whether all distances are multiples of a step that is coarse enough to be seen."""
    if distances.max() > _FINEST * step:
        return False
    steps = distances / step
    return bool(np.abs(steps - np.round(steps)).max() < 1e-3)


def _freedman_diaconis(values: NDArray[np.float64]) -> float:
    """A width of bin that suits the spread and number of values (Freedman and Diaconis 1981)."""
    lower, upper = np.percentile(values, [25, 75])
    return float(2 * (upper - lower) / len(values) ** (1 / 3))
