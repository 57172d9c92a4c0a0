"""Histograms of a population: firing rates and irregularity."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from snnlab.plots.axes import integer_ticks, legend_above, notice
from snnlab.plots.style import BLUE, INK, VERMILLION

_MAX_BINS = 60
_MAX_STEPS = 10_000  # values with more steps in their range are treated as continuous


def histogram(values: ArrayLike, ax: Axes, *, label: str, counted: str = "neurons") -> Axes:
    """Histogram with the mean; the label says how many values are missing (NaN)."""
    flat = np.asarray(values, dtype=float).ravel()
    finite = flat[np.isfinite(flat)]
    missing = flat.size - finite.size
    ax.set_xlabel(f"{label}\n{missing} of {flat.size} {counted} have none" if missing else label)
    ax.set_ylabel(counted)
    ax.yaxis.set_major_locator(integer_ticks())
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
    """Histogram of mean firing rates in hertz."""
    return histogram(rates_hz, ax, label="mean rate (Hz)")


def cv_histogram(cvs: ArrayLike, ax: Axes) -> Axes:
    """Histogram of `statistics.irregularity`; the dashed line is a Poisson process."""
    histogram(cvs, ax, label="CV of interspike intervals")
    if np.isfinite(np.asarray(cvs, dtype=float)).any():
        ax.axvline(1.0, color=INK, linestyle="--", linewidth=1.0, label="Poisson process")
        legend_above(ax)
    return ax


def _edges(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Edges of at most 61 bins, each with the same number of possible values.

    Rates of a short run are multiples of one spike; other bin widths would show a comb that is not in the data.
    """
    low, high = values.min(), values.max()
    extent = high - low
    if extent <= 1e-9 * max(abs(low), abs(high), 1e-9):
        return _clipped_at_zero(low, np.array([low - 0.5, high + 0.5]))
    width = max(_freedman_diaconis(values), extent / _MAX_BINS)
    step = np.diff(np.unique(values)).min()
    if not _are_multiples(values - low, step):
        return np.linspace(low, high, int(np.ceil(extent / width)) + 1)
    width = step * max(1, np.ceil(width / step - 1e-9))
    bins = int(np.ceil((extent + step) / width - 1e-9))
    return _clipped_at_zero(low, low - step / 2 + np.arange(bins + 1) * width)


def _clipped_at_zero(low: float, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """The edges, without negative ones if no value is negative: rates are not."""
    return np.maximum(edges, 0.0) if low >= 0 else edges


def _are_multiples(distances: NDArray[np.float64], step: float) -> bool:
    """True if all distances are multiples of `step`, and the step is coarse enough to be visible."""
    if distances.max() > _MAX_STEPS * step:
        return False
    steps = distances / step
    return bool(np.abs(steps - np.round(steps)).max() < 1e-3)


def _freedman_diaconis(values: NDArray[np.float64]) -> float:
    """Bin width of Freedman and Diaconis (1981)."""
    lower, upper = np.percentile(values, [25, 75])
    return float(2 * (upper - lower) / len(values) ** (1 / 3))
