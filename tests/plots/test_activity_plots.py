"""Plots of spikes, potentials and rates, read back from the artists of the Axes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from axes_texts import legend, texts
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.axes import Axes

from snnlab import plots
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.plots.axes import si_prefix, typeset


def marks(ax: Axes) -> set[tuple[float, float]]:
    """(time, row) of each spike in a raster, whether a tick or a dot."""
    lines = {(x, y) for line in ax.lines for x, y in zip(*map(np.ravel, line.get_data()), strict=True)}
    ticks = {(s[0, 0], s[:, 1].mean()) for group in ax.collections for s in group.get_segments()}  # type: ignore[attr-defined]
    return {(round(float(x), 6), round(float(y), 6)) for x, y in lines | ticks}


# raster


@settings(max_examples=examples(30))
@given(
    arrays.arrays(bool, st.tuples(st.integers(1, 2), st.integers(1, 8), st.sampled_from([1, 3, 60]))),
    st.sampled_from([None, "s"]),
)
def test_a_raster_marks_exactly_the_spikes_of_its_sample(raster: np.ndarray, marker: str | None) -> None:
    ax = plots.figure()[1][0, 0]
    assert plots.raster(SpikeTrains.from_dense(raster, 1e-3), ax, sample=len(raster) - 1, marker=marker) is ax
    assert marks(ax) == {(float(step), float(neuron)) for step, neuron in np.argwhere(raster[-1])}
    assert texts(ax) == ([] if raster[-1].any() else ["no spikes"])


def test_selected_neurons_are_in_the_given_order_with_their_numbers(ax: Axes) -> None:
    spikes = SpikeTrains.from_events([0, 0, 0], [10, 20, 30], [7, 4000, 5], samples=1, steps=50, size=4001, dt=1e-3)
    plots.raster(spikes, ax, neurons=[4000, 7])
    assert marks(ax) == {(20.0, 0.0), (10.0, 1.0)}
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["4000", "7"]


def test_many_selected_neurons_are_numbered(ax: Axes) -> None:
    plots.raster(SpikeTrains.from_dense(np.ones((1, 5, 200)), 1e-3), ax, neurons=range(100, 180))
    number = ax.yaxis.get_major_formatter()
    assert [number(row, None) for row in (0, 40, 79)] == ["100", "140", "179"]
    assert [number(row, None) for row in (-10, 0.5, 80)] == ["", "", ""]


def test_a_large_raster_is_an_image_in_a_vector_file(ax: Axes, tmp_path: Path) -> None:
    dense = np.random.default_rng(0).random((1, 1000, 4000)) < 0.02
    plots.raster(SpikeTrains.from_dense(dense, 1e-3), ax)
    assert ax.lines[0].get_xdata().size == dense.sum() > 70_000  # type: ignore[union-attr]
    assert plots.save(ax.figure, tmp_path / "raster.svg").stat().st_size < 2_000_000


@pytest.mark.parametrize(("steps", "label", "last"), [(400, "time (ms)", 399.0), (5000, "time (s)", 4.999)])
def test_time_is_in_ms_for_short_runs_and_in_s_for_long_ones(ax: Axes, steps: int, label: str, last: float) -> None:
    plots.raster(SpikeTrains.from_events([0], [steps - 1], [0], samples=1, steps=steps, size=1, dt=1e-3), ax)
    assert ax.get_xlabel() == label
    assert marks(ax) == {(last, 0.0)}


def test_a_raster_without_neurons_has_a_notice(ax: Axes) -> None:
    plots.raster(SpikeTrains.from_dense(np.ones((1, 5, 3)), 1e-3), ax, neurons=[])
    assert texts(ax) == ["no neurons"]


@pytest.mark.parametrize(
    ("options", "field", "values"),
    [
        ({"sample": 1}, "", [1]),
        ({"neurons": [0, 3]}, "raster", [3]),
        ({"neurons": [-1]}, "raster", [-1]),
        ({"neurons": [True, False, True]}, "raster", ["bool"]),
        ({"neurons": [1, 1]}, "raster.neurons", [1]),
    ],
)
def test_invalid_samples_and_neurons_of_a_raster_are_errors(
    ax: Axes, options: dict[str, Any], field: str, values: list[object]
) -> None:
    with raises_input_error(field, *values):
        plots.raster(SpikeTrains.from_dense(np.ones((1, 5, 3)), 1e-3), ax, **options)


# traces

STEPS, DT = 100, 1e-4
SOMA = np.linspace(-70e-3, -50e-3, STEPS)
DENDRITE = np.linspace(-60e-3, -65e-3, STEPS)


def recording(fired: tuple[int, ...] = (20, 60)) -> Recording:
    """Three neurons: 1 spikes in the given steps, 2 in step 90; traces of neurons 1 and 2."""
    ids = [1] * len(fired) + [2]
    spikes = SpikeTrains.from_events([0] * len(ids), [*fired, 90], ids, samples=1, steps=STEPS, size=3, dt=DT)
    watched = np.array([1, 2])

    def trace(values: np.ndarray, unit: str) -> Trace:
        return Trace(np.stack([values, np.zeros(STEPS)], axis=1), watched, unit, DT)

    cell = {"v": trace(SOMA, "V"), "v_d": trace(DENDRITE, "V"), "I": trace(np.full(STEPS, 4e-10), "A")}
    return Recording({"cell": spikes}, {"cell": cell | {"w": trace(SOMA * 0, "")}}, STEPS * DT, DT)


def test_compartments_share_axes_in_mV_and_ms(ax: Axes) -> None:
    labels = {"v": "soma", "v_d": "dendrite"}
    assert plots.traces(recording(), ax, "cell", ["v", "v_d"], neuron=1, labels=labels) is ax
    for line, values in zip(ax.lines, (SOMA, DENDRITE), strict=False):
        np.testing.assert_allclose(line.get_ydata(), values * 1e3)
        np.testing.assert_allclose(line.get_xdata(), np.arange(STEPS) * 0.1, atol=1e-12)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "potential (mV)")
    assert legend(ax) == ["soma", "dendrite", "spikes"]


def test_spikes_of_the_neuron_are_marked_above_its_trace(ax: Axes) -> None:
    plots.traces(recording(), ax, "cell", "v", neuron=1)
    marked = ax.lines[-1]
    np.testing.assert_allclose(marked.get_xdata(), [2.0, 6.0])
    bottom, top = ax.get_ylim()
    lowest_mark = bottom + 0.92 * (top - bottom)  # marks are centred at 0.95 of the height
    assert lowest_mark > SOMA.max() * 1e3


def test_target_spikes_are_circles_at_the_height_of_the_marks(ax: Axes) -> None:
    targets = SpikeTrains.from_events([0, 0, 0], [10, 70, 30], [1, 1, 2], samples=1, steps=STEPS, size=3, dt=DT)
    plots.traces(recording(), ax, "cell", "v", neuron=1, targets=targets)
    marks, circles = ax.lines[-2:]
    np.testing.assert_allclose(circles.get_xdata(), [1.0, 7.0])
    assert set(circles.get_ydata()) == set(marks.get_ydata()) and circles.get_marker() == "o"
    assert legend(ax)[-2:] == ["spikes", "target"]


def test_a_silent_neuron_has_a_notice(ax: Axes) -> None:
    plots.traces(recording(fired=()), ax, "cell", "v", neuron=1)
    assert texts(ax) == ["no spikes"]
    assert len(ax.lines) == 1


def test_marks_are_omitted_on_request_or_without_recorded_spikes(ax: Axes) -> None:
    plots.traces(recording(), ax, "cell", "I", neuron=1, labels={"I": "injected current"}, spikes=False)
    whole = recording()
    plots.traces(Recording({}, whole.traces, whole.duration, DT), ax, "cell", "I", neuron=1)
    assert (len(ax.lines), texts(ax)) == (2, [])


def test_a_current_gets_a_suitable_prefix(ax: Axes) -> None:
    plots.traces(recording(), ax, "cell", "I", neuron=1, labels={"I": "injected current"})
    assert ax.get_ylabel() == "injected current (pA)"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 400.0)


def test_a_current_can_have_a_given_unit(ax: Axes) -> None:
    plots.traces(recording(), ax, "cell", "I", neuron=1, labels={"I": "injected current"}, unit=("nA", 1e-9))
    assert ax.get_ylabel() == "injected current (nA)"
    np.testing.assert_allclose(ax.lines[0].get_ydata(), 0.4)


@pytest.mark.parametrize(
    ("typed", "printed"),
    [("uA/cm**2", "µA/cm²"), ("amp/metre**2", "A/m²"), ("nA", "nA"), ("amp*cm**-2", "A·cm⁻²"), ("mV/second", "mV/s"),
     ("umole/um**3", "µmole/µm³"), ("1", "1")],
)  # fmt: skip
def test_units_of_cards_are_typeset(typed: str, printed: str) -> None:
    assert typeset(typed) == printed


def test_a_dimensionless_variable_has_no_unit(ax: Axes) -> None:
    plots.traces(recording(), ax, "cell", "w", neuron=1)
    assert ax.get_ylabel() == "w"


@pytest.mark.parametrize(
    ("values", "text"), [(np.zeros((0, 1)), "no samples"), (np.full((3, 1), np.nan), "no finite values")]
)
def test_a_trace_without_values_has_a_notice(ax: Axes, values: np.ndarray, text: str) -> None:
    empty = Recording({}, {"cell": {"v": Trace(values, np.array([0]), "V", DT)}}, len(values) * DT, DT)
    plots.traces(empty, ax, "cell", "v")
    assert texts(ax) == [text]


@pytest.mark.parametrize(
    ("population", "variables", "options", "field", "values"),
    [
        ("cels", ["v"], {}, "", ["cels", "cell"]),
        ("cell", ["v_s"], {}, "", ["v_s"]),
        ("cell", [], {}, "traces.variables", []),
        ("cell", ["v"], {"neuron": 0}, "trace 'v'", ["neuron 0", "1, 2"]),
        ("cell", ["v", "I"], {}, "traces.variables", ["v in V, I in A"]),
        ("cell", ["v"], {"labels": {"v_d": "dendrite"}}, "traces.labels", ["v_d"]),
    ],
)
def test_invalid_traces_are_errors(
    ax: Axes, population: str, variables: list[str], options: dict[str, Any], field: str, values: list[str]
) -> None:
    with raises_input_error(field, *values):
        plots.traces(recording(), ax, population, variables, **({"neuron": 1} | options))


@given(st.floats(1e-15, 9e11), st.sampled_from(["V", "A", "S", "V/s"]))
def test_a_prefix_scales_values_to_1_to_1000(value: float, unit: str) -> None:
    factor, name = si_prefix([value, -value / 2, np.nan], unit)
    power = {"f": -15, "p": -12, "n": -9, "µ": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9}[name.removesuffix(unit)]
    assert value * factor * 10.0**power == pytest.approx(value)
    assert 1 - 1e-6 <= value * factor < 1000


@pytest.mark.parametrize("unit", ["", "1", "kg", "m^2", "m**-2"])
def test_units_that_cannot_have_a_prefix_are_unchanged(unit: str) -> None:
    assert si_prefix([1e-6], unit) == (1.0, "" if unit == "1" else unit)


# rates and irregularity


def bars(ax: Axes) -> tuple[np.ndarray, np.ndarray]:
    """(heights, edges) of the only histogram."""
    (stairs,) = ax.patches
    heights, edges, _ = stairs.get_data()  # type: ignore[attr-defined]
    return heights, edges


@settings(max_examples=examples(50))
@given(arrays.arrays(float, st.integers(1, 200), elements=st.one_of(st.floats(0, 1e3), st.just(float("nan")))))
def test_each_value_is_counted_once_and_missing_ones_are_reported(values: np.ndarray) -> None:
    ax = plots.figure()[1][0, 0]
    assert plots.histogram(values, ax, label="mean rate (Hz)") is ax
    finite = values[np.isfinite(values)]
    missing = len(values) - len(finite)
    assert (f"\n{missing} of {len(values)} neurons have none" in ax.get_xlabel()) == bool(missing)
    if not len(finite):
        assert texts(ax) == ["no values"]
        return
    heights, edges = bars(ax)
    assert heights.sum() == len(finite)
    assert len(heights) <= 61
    for height, low, high in zip(heights, edges[:-1], edges[1:], strict=True):
        last = high == edges[-1]
        assert height == ((finite >= low) & ((finite <= high) if last else (finite < high))).sum()


@pytest.mark.parametrize(("seconds", "mean"), [(0.4, 3.0), (1.0, 8.0), (3.0, 200.0)])
def test_histograms_of_discrete_rates_have_no_comb(seconds: float, mean: float) -> None:
    """Each bin but the last must hold the same number of possible rates, which are spike counts over time."""
    rates = np.random.default_rng(0).poisson(mean, 4000) / seconds
    _, edges = bars(plots.rate_histogram(rates, plots.figure()[1][0, 0]))
    possible = np.arange(2000) / seconds
    per_bin = np.histogram(possible, edges)[0]
    assert len(set(per_bin[:-1])) == 1


@pytest.mark.parametrize("values", [[0.0, 0.0, 0.0], [0.0, 0.0, 1.66], [0.2, 0.4, 3.0], [0.0, 1.0, 2.0]])
def test_bins_of_rates_are_not_negative(values: list[float], ax: Axes) -> None:
    plots.rate_histogram(values, ax)
    heights, edges = bars(ax)
    assert edges[0] >= 0 and (np.diff(edges) > 0).all() and heights.sum() == len(values)


def test_histograms_show_units_and_mean(ax: Axes) -> None:
    plots.rate_histogram([5.0, 10.0, 10.0, 15.0], ax)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("mean rate (Hz)", "neurons")
    assert legend(ax) == ["mean 10"]
    np.testing.assert_allclose(ax.lines[0].get_xdata(), 10.0)


def test_irregularity_is_compared_with_a_poisson_process(ax: Axes) -> None:
    plots.cv_histogram([0.5, 0.7, np.nan], ax)
    assert ax.get_xlabel() == "CV of interspike intervals\n1 of 3 neurons have none"
    assert legend(ax) == ["mean 0.6", "Poisson process"]
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), 1.0)


@pytest.mark.parametrize("values", [[], [np.nan, np.nan]])
def test_a_histogram_without_values_has_a_notice(ax: Axes, values: list[float]) -> None:
    plots.cv_histogram(values, ax)
    assert texts(ax) == ["no values"]


def test_the_population_rate_is_in_hertz_over_milliseconds(ax: Axes) -> None:
    # 4 spikes of 2 neurons in the first 5 ms: 400 Hz each
    spikes = SpikeTrains.from_events([0] * 5, [0, 1, 2, 4, 11], [0, 1, 0, 0, 1], samples=1, steps=12, size=2, dt=1e-3)
    assert plots.population_rate(spikes, ax, bin=0.005) is ax
    heights, edges = bars(ax)
    np.testing.assert_allclose(heights, [400, 0, 250])  # the last bin is 2 ms long
    np.testing.assert_allclose(edges, [0, 5, 10, 12])
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("time (ms)", "mean rate (Hz)")


def test_the_rate_of_a_silent_population_has_a_notice(ax: Axes) -> None:
    plots.population_rate(SpikeTrains.from_dense(np.zeros((1, 10, 3)), 1e-3), ax)
    assert texts(ax) == ["no spikes"]
