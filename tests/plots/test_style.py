"""The style of figures, and saving: matplotlib's settings stay unchanged, and files are written atomically."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from errors_in_tests import raises_input_error
from matplotlib.figure import Figure

from snnlab import plots
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.plots.style import panels

BEGINS = {".png": b"\x89PNG\r\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}


def small_figure() -> Figure:
    figure, axes = plots.figure()
    plots.raster(SpikeTrains.from_dense(np.eye(20)[None], 1e-3), axes[0, 0])
    return figure


def figure_with_many_plots() -> Figure:
    figure, axes = plots.figure(3, 3, size=(12, 9))
    flat = iter(axes.flat)
    spikes = SpikeTrains.from_dense(np.eye(20)[None], 1e-3)
    recording = Recording(
        {"cell": spikes}, {"cell": {"v": Trace(np.eye(20), np.arange(20), "V", 1e-3)}}, spikes.duration, 1e-3
    )
    plots.raster(spikes, next(flat))
    plots.traces(recording, next(flat), "cell", "v")
    plots.learning_curve([{"epoch": 1, "train_accuracy": 0.5, "test_accuracy": 0.4}], next(flat), reported=0.9)
    plots.weight_images(np.eye(9), next(flat), shape=(3, 3))
    plots.confusion(np.eye(3, dtype=int), next(flat), classes=range(3))
    plots.rate_histogram([1.0, 2.0], next(flat))
    plots.cv_histogram([1.0, 2.0], next(flat))
    plots.population_rate(spikes, next(flat))
    plots.rate_bars([1, 2], next(flat), names=["a", "b"])
    return figure


def test_plotting_and_saving_do_not_change_rc_parameters(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plots.save(figure_with_many_plots(), tmp_path / "all.png")
    assert dict(matplotlib.rcParams) == before


def test_the_style_ends_with_its_block_also_after_an_error() -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), plots.style():
        assert matplotlib.rcParams["axes.spines.top"] is False
        assert dict(matplotlib.rcParams) != before
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def test_figures_are_styled() -> None:
    ax = plots.figure()[1][0, 0]
    assert not ax.spines["top"].get_visible()
    first, second = (ax.plot([0, 1])[0].get_color() for _ in range(2))
    assert (first, second) == ("#0072B2", "#D55E00")  # blue and vermillion of Okabe and Ito (2008)


def test_axes_span_the_cells_with_their_name() -> None:
    figure, axes = panels([["a", "a"], ["b", "c"]], size=(8, 6), heights=(1, 2))
    figure.draw_without_rendering()
    assert set(axes) == {"a", "b", "c"}
    assert axes["a"].get_position().width > 1.8 * axes["b"].get_position().width
    assert axes["b"].get_position().height > 1.5 * axes["a"].get_position().height


def test_a_shared_time_axis_is_labelled_once() -> None:
    spikes = SpikeTrains.from_dense(np.ones((1, 10, 2)), 1e-3)
    labels = {}
    for shared in (True, False):
        axes = plots.figure(2, 1, shared_time=shared)[1][:, 0]
        labels[shared] = [plots.raster(spikes, ax).get_xlabel() for ax in axes]
    assert labels == {True: ["", "time (ms)"], False: ["time (ms)", "time (ms)"]}


def test_plots_do_not_import_pyplot() -> None:
    """pyplot keeps figures alive and selects a window system."""
    program = "import sys, snnlab.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.svg", "a.PNG"])
def test_the_suffix_sets_the_format(tmp_path: Path, name: str) -> None:
    path = plots.save(small_figure(), tmp_path / name)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(BEGINS[path.suffix.lower()])
    assert [entry.name for entry in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", BEGINS)
def test_equal_figures_give_equal_files(tmp_path: Path, suffix: str) -> None:
    first, second = (plots.save(small_figure(), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("name", ["a.jpg", "a.pmg", "a", ".png"])
def test_an_unknown_suffix_is_an_error(tmp_path: Path, name: str) -> None:
    with raises_input_error(tmp_path / name, ".pdf, .png, .svg"):
        plots.save(plots.figure()[0], tmp_path / name)


def test_an_unwritable_path_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "none" / "a.png", tmp_path / "file" / "a.png", tmp_path / "folder.png"):
        with raises_input_error(path, ".png, .pdf, .svg"):
            plots.save(plots.figure()[0], path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_full_disk_leaves_the_old_figure_unchanged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    old = plots.save(plots.figure()[0], path).read_bytes()

    def half(self: Figure, target: Path, **options: Any) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with raises_input_error(path, "No space left on device"):
        plots.save(small_figure(), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
