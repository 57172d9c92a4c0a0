"""The commands `snnlab data`: locations, verification, download, encoding and figures; and progress."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import StringIO
from pathlib import Path
from queue import Queue
from time import sleep

import numpy as np
import pytest
from archived_recordings import RECORDINGS, ArchivedRecordings
from command_line import assert_error
from errors_in_tests import raises_input_error
from matplotlib.figure import Figure
from rich.console import Console
from small_recordings import Recordings as Sensors
from ti46_disc import Disc
from toy_dataset import IMAGES, Toy

from snnlab import cli
from snnlab.cli import progress_bars
from snnlab.encoders import Sensor, SimulatedCamera
from snnlab.errors import InputError
from snnlab.experiments import EXPERIMENTS
from snnlab.report import dataset_figures

PNG = b"\x89PNG\r\n\x1a\n"


def snnlab(*arguments: str | Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["snnlab", *map(str, arguments)])
    return cli.main()


def test_the_list_has_every_dataset_and_its_location(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Disc(tmp_path).write("ti_alpha", ["0A"], ["f1"])
    assert snnlab("data", "list", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {path.stem for path in (Path(cli.__file__).parents[2] / "datasets").iterdir()} < set(lines)
    location = str(tmp_path / "ti46" / "ti_alpha")
    assert lines["ti46-letters"].endswith(f"{location}, 4 of 10,816 recordings")
    assert "60,000 train + 10,000 test" in lines["nmnist"]
    assert lines["ti46-digits"].endswith("not found, must be bought")
    assert lines["mnist"].endswith("not found")
    assert lines["digits"].endswith("ships with scikit-learn")
    assert lines["yin-yang"].endswith("generated from the seeds on its card")
    assert lines["xor"].endswith("on its card") and "4 train + 4 test" in lines["xor"]
    (tmp_path / "ti46" / "ti_alpha" / "train" / "nobody").mkdir()
    assert snnlab("data", "list", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["ti46-letters"].endswith("see `snnlab data verify ti46-letters`")


@pytest.mark.parametrize("command", ["where", "verify"])
def test_a_missing_split_has_exit_code_1(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A"], ["f1"], tests=0)
    assert snnlab("data", command, "ti46-letters", "--data", tmp_path, monkeypatch=monkeypatch) == 1
    disc.write("ti_alpha", ["0A"], ["f1"])
    assert snnlab("data", command, "ti46-letters", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out.splitlines()
    assert "ti_alpha/test: " in out[1]
    assert command == "where" or "ok: 2 of 6,656 recordings" in out[-1]


def test_fetch_prints_new_files_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archived = ArchivedRecordings(tmp_path)
    arguments = ("data", "fetch", archived.card, "--data", archived.data)
    assert snnlab(*arguments, monkeypatch=monkeypatch) == 0
    assert snnlab(*arguments, monkeypatch=monkeypatch) == 0
    archived.server.close()
    *new, last = capsys.readouterr().out.splitlines()
    assert sorted(new) == sorted(str(archived.data / "toy" / name) for name in RECORDINGS)
    assert last == f"{archived.card}: all files are present"


def test_fetch_counts_many_new_files_by_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With recordings in the folder of the split (Free Spoken Digits) or in folders below it (N-MNIST)."""
    for dataset, folder, below in (("fsdd", "fsdd/recordings", ""), ("nmnist", "nmnist/Train", "3")):
        new = [tmp_path / folder / below / f"{k}.wav" for k in range(21)]
        new[0].parent.mkdir(parents=True)
        monkeypatch.setattr("snnlab.datasets.fetch", lambda *_, new=new, **__: tuple(new))
        assert snnlab("data", "fetch", dataset, "--data", tmp_path, monkeypatch=monkeypatch) == 0
        assert capsys.readouterr().out == f"{tmp_path / folder}: 21 files\n"


def test_fetch_prints_where_to_buy_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snnlab("data", "fetch", "ti46-digits", "--data", tmp_path, monkeypatch=monkeypatch) == 2
    assert "https://catalog.ldc.upenn.edu/LDC93S9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "location"),
    [
        ("xor", "on its card"),
        ("one", "on its card"),
        ("bars", "on its card"),
        ("yin-yang", "generated from the seeds on its card"),
        ("noise", "generated from the seeds on its card"),
        ("digits", "ships with scikit-learn"),
    ],
)
@pytest.mark.parametrize("command", ["where", "verify", "fetch"])
def test_the_location_of_data_without_files_is_printed(
    command: str,
    name: str,
    location: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert snnlab("data", command, name, "--data", tmp_path, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{name}: {location}"
    assert list(tmp_path.iterdir()) == []


def test_images_are_not_cached(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert snnlab("data", "pack", "hm2bp-digits", monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[::2] == ["digits train: 1,437 images", "digits test: 360 images"]
    assert out[1::2] == ["  encoded during training, nothing to cache"] * 2


@pytest.mark.parametrize(
    "arguments", [["--sample", "-1"], ["--sample", "360"], ["--part", "tets"], ["--plot", "x.gif"]]
)
def test_invalid_options_of_show_are_one_error_line(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = ["--plot", str(tmp_path / "x.png")]
    assert snnlab("data", "show", "digits", *plot, *arguments, monkeypatch=monkeypatch) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# Figures ----------------------------------------------------------------------------------------------------------


def test_images_are_plotted_from_the_given_sample(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plotted = []
    monkeypatch.setattr("snnlab.plots.images", lambda values, ax, labels, **_: plotted.append((values, labels)))
    path = dataset_figures.plot_samples(toy.card, "all", tmp_path / "x.png", sample=3, folder=toy.data)
    assert path.read_bytes().startswith(PNG)
    (values, labels) = plotted[0]
    assert np.array_equal(values, IMAGES[3:])
    assert labels == ["b", "a"]


def test_a_table_is_plotted_as_images_of_one_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plotted = []
    monkeypatch.setattr("snnlab.plots.images", lambda values, ax, **options: plotted.append((values, options)))
    path = tmp_path / "x.png"
    assert snnlab("data", "show", "xor", "--plot", path, monkeypatch=monkeypatch) == 0
    assert path.read_bytes().startswith(PNG)
    (values, options) = plotted[0]
    assert values.tolist() == [[[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]]
    assert options == {"labels": ["false", "true", "true", "false"], "peak": 1}


@pytest.mark.parametrize("name", ["bars", "yin-yang", "noise"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_synthetic_datasets_can_be_plotted(
    name: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    assert snnlab("data", "show", name, "--part", part, "--sample", "7", "--plot", path, monkeypatch=monkeypatch) == 0
    assert path.read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["xor", "bars", "yin-yang", "noise", "digits"])
def test_no_label_overlaps_an_image(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with low images."""
    figures: list[Figure] = []
    monkeypatch.setattr("snnlab.plots.save", lambda figure, path: figures.append(figure) or path)
    dataset_figures.plot_samples(name, "test", tmp_path / "x.png")
    (figure,) = figures
    figure.draw_without_rendering()
    images = [image.get_window_extent() for image in figure.axes[0].get_images()]
    labels = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(labels) == len(images) > 0
    assert not any(label.overlaps(image) for label in labels for image in images)


def test_a_sound_is_plotted_with_its_spikes(tmp_path: Path) -> None:
    Disc(tmp_path).write("ti_alpha", ["0A"], ["f1"])
    path = dataset_figures.plot_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)
    assert path.read_bytes().startswith(PNG)


def test_events_of_a_camera_are_plotted(tmp_path: Path) -> None:
    recording = tmp_path / "nmnist" / "Test" / "7" / "00001.bin"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(bytes([3, 4, 0x80, 0, 100, 5, 6, 0, 1, 0]))
    path = dataset_figures.plot_samples("nmnist", "test", tmp_path / "x.svg", folder=tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "sample 0 (7/00001.bin): class 7; 2 events" in text.replace("<!-- ", "").replace(" -->", "")
    recording.write_bytes(bytes([3, 4, 0x80, 0, 100]))
    text = dataset_figures.plot_samples("nmnist", "test", tmp_path / "x.svg", folder=tmp_path).read_text(
        encoding="utf-8"
    )
    assert "class 7; 1 event " in text.replace("<!-- ", "").replace("-->", "")


def test_an_empty_sound_file_is_an_error(tmp_path: Path) -> None:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A"], ["f1"])
    disc.path("ti_alpha", "train", "f1", "0A", "se", 0).write_bytes(b"")
    with raises_input_error("0af1set0.wav"):
        dataset_figures.plot_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)


def test_pack_caches_recordings_and_counts_spikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, number in (("Train", 1), ("Train", 2), ("Test", 1)):
        recording = tmp_path / "nmnist" / split / "7" / f"{number:05}.bin"
        recording.parent.mkdir(parents=True, exist_ok=True)
        recording.write_bytes(bytes([3, 4, 0x80, 0, 100, 5, 6, 0, 1, 0]))
    chosen = replace(EXPERIMENTS["hm2bp-digits"], dataset="nmnist", encoder=Sensor(steps=10, dt=1e-3))
    monkeypatch.setitem(EXPERIMENTS, "mine", chosen)
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    arguments = ("data", "pack", "mine", "--data", tmp_path)
    assert snnlab(*arguments, monkeypatch=monkeypatch) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[:2] == ["nmnist train: 2 recordings", "  4 spikes in 10 steps of 1 ms"]
    assert out[3:5] == ["nmnist test: 1 recording", "  2 spikes in 10 steps of 1 ms"]
    cached = sorted((tmp_path / "cache").rglob("*.spikes"))
    # 4,096 bytes of header, then ids, counts and offsets, each aligned to 64 bytes
    assert out[2::3] == [f"  written, 4.2 kB: {path}" for path in cached[::-1]] and len(cached) == 2
    assert snnlab(*arguments, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [line.replace("written", "already cached") for line in out]
    assert snnlab(*arguments, "--set", "encoder.steps=20", monkeypatch=monkeypatch) == 0
    assert len(sorted((tmp_path / "cache").rglob("*.spikes"))) == 4


def test_a_missing_test_split_is_an_error_before_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = replace(EXPERIMENTS["hm2bp-camera"], dataset="digits")
    monkeypatch.setitem(EXPERIMENTS, "mine", chosen)
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: tmp_path)
    monkeypatch.setattr(SimulatedCamera, "prepare", None)
    assert snnlab("data", "pack", "mine", "--data", tmp_path, monkeypatch=monkeypatch) == 2
    out = capsys.readouterr()
    assert out.out == "mine: trains on digits and tests on nmnist\n"
    assert "nmnist" in out.err


def test_images_are_counted_before_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise InputError("camera", "out of film")

    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS["hm2bp-digits"], encoder=SimulatedCamera()))
    monkeypatch.setattr(SimulatedCamera, "prepare", fail)
    assert snnlab("data", "pack", "mine", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().out == "digits train: 1,437 images\n"


@pytest.mark.parametrize(
    ("experiment", "dataset", "change", "field", "value"),
    [
        ("hm2bp-nmnist", "nmnist", "encoder.pool=35", "--set encoder.pool", "34"),
        ("hm2bp-camera", "digits", "encoder.sensor.pool=35", "--set encoder.sensor.pool", "35"),
        ("hm2bp-camera", "nmnist", "encoder.sensor.pool=35", "--set encoder.sensor.pool", "35"),
        ("hm2bp-nmnist", "digits", "encoder.pool=2", "--set encoder", "(8, 8)"),
        ("hm2bp-digits", "nmnist", "epochs=2", "--set encoder", "nmnist"),
    ],
)
def test_an_option_that_does_not_fit_the_data_is_an_error(
    experiment: str,
    dataset: str,
    change: str,
    field: str,
    value: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In pack and in train."""
    sensors = Sensors(tmp_path)
    sensors.some(2), sensors.some(2, "Test")
    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS[experiment], dataset=dataset, tested_on=""))
    for arguments in (["data", "pack", "mine"], ["train", "mine", "--out", tmp_path / "run"]):
        assert snnlab(*arguments, "--data", tmp_path, "--set", change, monkeypatch=monkeypatch) == 2
        assert_error(capsys.readouterr().err, field, value)


# The cache ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_where_prints_the_cache_without_creating_it(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "mine") if named else "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform != "linux" and not named:
        pytest.skip("the default depends on the system")
    assert snnlab("data", "where", "digits", monkeypatch=monkeypatch) == 0
    folder = tmp_path / ("mine" if named else "snnlab")
    assert capsys.readouterr().out.splitlines()[-1] == f"cache: {folder}"
    assert not folder.exists()


# Progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "seconds", "line"),
    [
        (0, 50, "encoding: 0 of 60,000"),
        (600, 30, "encoding: 600 of 60,000, about 50 min left"),
        (1200, 30, "encoding: 1,200 of 60,000, about 25 min left"),
        (59_000, 590, "encoding: 59,000 of 60,000, less than a minute left"),
    ],
)
def test_the_remaining_time_follows_from_the_mean_speed(done: int, seconds: float, line: str) -> None:
    """20 a second leave 59,400 / 20 s = 49.5 min; twice as fast, 58,800 / 40 s = 24.5 min."""
    preparation = progress_bars.Preparation("encoding", 60_000, show=lambda *_: None, start=1000.0)
    preparation(done, 60_000)
    assert preparation.line(1000.0 + seconds) == line


def test_each_part_is_timed_from_its_own_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first part took 1,000 s; the first tenth of the second took 60 s, so nine minutes are left."""
    monkeypatch.setattr("time.monotonic", lambda: 2000.0)
    preparation = progress_bars.Preparation("encoding", 0, show=lambda *_: None, start=1000.0)
    preparation(500, 500)
    preparation(0, 100)
    preparation(10, 100)
    assert preparation.line(2060.0) == "encoding: 10 of 100, about 9 min left"


def test_loading_shows_the_number_of_encoded_samples(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: Queue[str] = Queue()

    def line(preparation: progress_bars.Preparation, now: float) -> str:
        lines.put(f"{preparation.done} of {preparation.total}")
        return "progress"

    monkeypatch.setattr(progress_bars, "_FIRST", 0.01)
    monkeypatch.setattr(progress_bars.Preparation, "line", line)
    with progress_bars.loading() as show:
        sleep(0.1)  # without progress there is no line
        assert lines.empty()
        show(64, 800)
        assert [lines.get(timeout=60) for _ in range(2)] == ["64 of 800"] * 2  # for the status, and for a line
    assert "progress" in capsys.readouterr().err


def test_without_a_terminal_lines_are_printed_while_a_step_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines: Queue[str] = Queue()

    def line(preparation: progress_bars.Preparation, now: float) -> str:
        lines.put(preparation.label)
        return f"{preparation.label}!"

    monkeypatch.setattr(progress_bars, "_FIRST", 0.01)
    monkeypatch.setattr(progress_bars.Preparation, "line", line)
    with progress_bars.preparing("packing", 9):
        assert [lines.get(timeout=60) for _ in range(2)] == ["packing"] * 2
    assert set(capsys.readouterr().err.splitlines()) == {"packing!"}
    monkeypatch.setattr(progress_bars, "Console", lambda **_: Console(file=StringIO(), force_terminal=True))
    monkeypatch.setattr(progress_bars, "Thread", None)
    with progress_bars.preparing("in a terminal", 9) as show:
        show(3, 9)
    assert capsys.readouterr().err == ""
