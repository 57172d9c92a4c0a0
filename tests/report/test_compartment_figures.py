"""The figure of a dendritic microcircuit before and after training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from snnlab import plots
from snnlab.data.recording import Recording
from snnlab.encoders import TEST
from snnlab.experiments import EXPERIMENTS
from snnlab.experiments.core.run import Run
from snnlab.report import run_figures
from snnlab.report.compartment_figures import compartments_figure
from snnlab.rules.rule import RecordableRule, State
from snnlab.training.loop import initial_state, train

SAMPLE = 2
ROWS = ["output: soma", "hidden: soma", "hidden: basal dendrite", "hidden: apical dendrite"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    short = EXPERIMENTS["dendritic-bars"].with_options({"epochs": 3})
    run = Run.create(tmp_path_factory.mktemp("bars") / "run", short, seed=1, threads=1)
    for _ in train(run.config, run.directory):
        pass
    return run


@pytest.fixture(scope="module")
def recordings(run: Run) -> tuple[Recording, Recording]:
    """The sample before and after training, as recorded by the rule."""
    chosen = run.config.test.take([SAMPLE])
    inputs = run.config.encode(chosen, 0, TEST)

    def of(state: State) -> Recording:
        return rule(run).recording(run.config.circuit, state, inputs, chosen.labels)

    return of(initial_state(run.config)), of(run.restore()[0])


@pytest.fixture(scope="module")
def plotted(run: Run) -> Iterator[tuple[Figure, str]]:
    figure, caption = compartments_figure(run.config, rule(run), run.restore()[0], SAMPLE)
    yield figure, caption
    figure.draw_without_rendering()


def rule(run: Run) -> RecordableRule:
    assert isinstance(run.config.rule, RecordableRule)
    return run.config.rule


def grid(figure: Figure) -> list[list[Axes]]:
    axes = figure.axes
    assert len(axes) == 8
    return [axes[k : k + 2] for k in range(0, 8, 2)]


def solid(ax: Axes) -> list[Any]:
    return [line for line in ax.lines if line.get_linestyle() == "-"]


def test_columns_are_recordings_and_rows_are_compartments(
    plotted: tuple[Figure, str], recordings: tuple[Recording, Recording]
) -> None:
    figure, _ = plotted
    rows = grid(figure)
    assert [row[0].get_ylabel() for row in rows] == ROWS
    assert [ax.get_title(loc="left") for ax in rows[0]] == ["before training", "after training"]
    places = [("output", "u"), ("hidden1", "u"), ("hidden1", "v_B"), ("hidden1", "v_A")]
    for (population, variable), row in zip(places, rows, strict=True):
        for recording, ax in zip(recordings, row, strict=True):
            trace = recording.trace(population, variable)
            for line in solid(ax):
                neuron = int(line.get_label().removeprefix("neuron "))
                np.testing.assert_array_equal(line.get_ydata(), trace.values[:, neuron])
    assert not np.array_equal(
        recordings[0].trace("hidden1", "v_A").values, recordings[1].trace("hidden1", "v_A").values
    )


def test_the_hidden_neurons_are_those_with_the_largest_apical_potentials(
    plotted: tuple[Figure, str], recordings: tuple[Recording, Recording]
) -> None:
    rows = grid(plotted[0])
    shown = {tuple(line.get_label() for line in solid(ax)) for row in rows[1:] for ax in row}
    assert len(shown) == 1
    chosen = [int(name.removeprefix("neuron ")) for name in shown.pop()]
    reach = np.abs(recordings[0].trace("hidden1", "v_A").values).max(axis=0)
    assert len(chosen) == 4 and reach[chosen].min() >= np.delete(reach, chosen).max()


def test_the_targets_of_the_outputs_are_dashed(plotted: tuple[Figure, str], run: Run) -> None:
    """The targets are the potentials of the rates 0.8 and 0.1, ln 4 and -ln 9."""
    label = int(run.config.test.labels[SAMPLE])
    for ax in grid(plotted[0])[0]:
        dashed = [line for line in ax.lines if line.get_linestyle() == "--"]
        assert len(solid(ax)) == len(dashed) == 3
        for line, goal in zip(solid(ax), dashed, strict=True):
            is_class = line.get_label() == f"neuron {label}"
            assert np.ravel(goal.get_ydata())[0] == pytest.approx(np.log(4) if is_class else -np.log(9), abs=1e-6)
            assert goal.get_color() == line.get_color()
    assert not any(line.get_linestyle() == "--" for row in grid(plotted[0])[1:] for ax in row for line in ax.lines)


def test_both_columns_share_their_limits_and_shade_the_second_half(
    plotted: tuple[Figure, str], recordings: tuple[Recording, Recording]
) -> None:
    figure, caption = plotted
    half, whole = 1e3 * recordings[0].duration / 2, 1e3 * recordings[0].duration
    for row in grid(figure):
        assert row[0].get_ylim() == row[1].get_ylim()
        for ax in row:
            low, high = ax.get_ylim()
            assert all(low <= line.get_ydata().min() and line.get_ydata().max() <= high for line in solid(ax))
            (shading,) = ax.patches
            assert (shading.get_x(), shading.get_x() + shading.get_width()) == pytest.approx((half, whole))  # type: ignore[attr-defined]
    assert [ax.get_xlabel() for ax in grid(figure)[-1]] == ["time (ms)"] * 2
    assert caption.startswith(f": test sample {SAMPLE};")


def test_the_figures_of_a_run_include_it_with_a_title(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    figures: dict[str, Any] = {}
    monkeypatch.setattr(plots, "save", lambda figure, path: figures.setdefault(path.name, figure) and path)
    paths = run_figures.plot_run(run, sample=SAMPLE)
    assert [path.name for path in paths] == ["learning.png", "confusion.png", "weights.png", "compartments.png"]
    title = " ".join(figures["compartments.png"].get_suptitle().split())
    assert title.startswith(f"dendritic-bars, seed 1: test sample {SAMPLE};")
