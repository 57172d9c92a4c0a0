"""How pictures look and reach a file: no trace left on matplotlib, and a whole file or none."""

from __future__ import annotations

import errno
import subprocess
import sys
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from snnlab import plots
from snnlab.data.recording import Recording, Trace
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError
from snnlab.plots.style import panels

BEGINS = {".png": b"\x89PNG\r\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}


def picture() -> Figure:
    figure, axes = plots.figure()
    plots.raster(SpikeTrains.from_dense(np.eye(20)[None], 1e-3), axes[0, 0])
    return figure


def every_picture() -> Figure:
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


def test_drawing_and_saving_leave_the_callers_settings_alone(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    plots.save(every_picture(), tmp_path / "all.png")
    assert dict(matplotlib.rcParams) == before


def test_the_style_holds_inside_its_block_and_ends_with_it_even_by_an_error() -> None:
    before = dict(matplotlib.rcParams)
    with pytest.raises(ZeroDivisionError), plots.style():
        assert matplotlib.rcParams["axes.spines.top"] is False
        assert dict(matplotlib.rcParams) != before
        raise ZeroDivisionError
    assert dict(matplotlib.rcParams) == before


def test_a_figure_has_the_look_without_the_callers_help() -> None:
    ax = plots.figure()[1][0, 0]
    assert not ax.spines["top"].get_visible()
    first, second = (ax.plot([0, 1])[0].get_color() for _ in range(2))
    assert (first, second) == ("#0072B2", "#D55E00")  # blue and vermillion of Okabe and Ito (2008)


def test_an_axes_stretches_over_the_places_that_have_its_name() -> None:
    made, axes = panels([["a", "a"], ["b", "c"]], size=(8, 6), heights=(1, 2))
    made.draw_without_rendering()
    assert set(axes) == {"a", "b", "c"}
    assert axes["a"].get_position().width > 1.8 * axes["b"].get_position().width
    assert axes["b"].get_position().height > 1.5 * axes["a"].get_position().height


def test_panels_that_share_their_time_label_it_once() -> None:
    spikes = SpikeTrains.from_dense(np.ones((1, 10, 2)), 1e-3)
    labels = {}
    for shared in (True, False):
        axes = plots.figure(2, 1, shared_time=shared)[1][:, 0]
        labels[shared] = [plots.raster(spikes, ax).get_xlabel() for ax in axes]
    assert labels == {True: ["", "time (ms)"], False: ["time (ms)", "time (ms)"]}


def test_pictures_need_no_screen_and_no_pyplot() -> None:
    """pyplot keeps every figure alive and picks a window system; a program in the background wants neither."""
    program = "import sys, snnlab.plots; sys.exit('matplotlib.pyplot' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True)


@pytest.mark.parametrize("name", ["a.png", "a.pdf", "a.svg", "a.PNG"])
def test_a_picture_is_written_in_the_format_of_its_suffix(tmp_path: Path, name: str) -> None:
    path = plots.save(picture(), tmp_path / name)
    assert path == tmp_path / name
    assert path.read_bytes().startswith(BEGINS[path.suffix.lower()])
    assert [one.name for one in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("suffix", BEGINS)
def test_the_same_picture_gives_the_same_file(tmp_path: Path, suffix: str) -> None:
    first, second = (plots.save(picture(), tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
    assert first == second


@pytest.mark.parametrize("name", ["a.jpg", "a.pmg", "a", ".png"])
def test_another_suffix_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"known: \.pdf, \.png, \.svg") as refusal:
        plots.save(plots.figure()[0], tmp_path / name)
    assert str(tmp_path / name) in str(refusal.value)


def test_a_folder_that_cannot_be_written_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "folder.png").mkdir()
    for path in (tmp_path / "none" / "a.png", tmp_path / "file" / "a.png", tmp_path / "folder.png"):
        with pytest.raises(InputError, match=r"cannot be written: .*\.png, \.pdf, \.svg") as refusal:
            plots.save(plots.figure()[0], path)
        assert str(path) in str(refusal.value)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_full_disk_leaves_the_old_picture_and_no_crumbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    old = plots.save(plots.figure()[0], path).read_bytes()

    def half(self: Figure, target: Path, **options: Any) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", half)
    with pytest.raises(InputError, match="No space left on device"):
        plots.save(picture(), path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
