"""`snnlab data` says where data is, whether it is whole, and draws it."""

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


def snnlab(*words: str | Path, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr("sys.argv", ["snnlab", *map(str, words)])
    return cli.main()


def test_the_list_has_every_dataset_and_where_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Disc(tmp_path).write("ti_alpha", ["0A"], ["f1"])
    assert snnlab("data", "list", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert {path.stem for path in (Path(cli.__file__).parents[2] / "datasets").iterdir()} < set(lines)
    there = str(tmp_path / "ti46" / "ti_alpha")
    assert lines["ti46-letters"].endswith(f"{there}, 4 of 10,816 recordings")
    assert "60,000 train + 10,000 test" in lines["nmnist"]
    assert lines["ti46-digits"].endswith("not found, must be bought")
    assert lines["mnist"].endswith("not found")
    assert lines["digits"].endswith("ships with scikit-learn")
    assert lines["yin-yang"].endswith("drawn from the seeds on its card")
    assert lines["xor"].endswith("on its card") and "4 train + 4 test" in lines["xor"]
    (tmp_path / "ti46" / "ti_alpha" / "train" / "nobody").mkdir()
    assert snnlab("data", "list", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert lines["ti46-letters"].endswith("see `snnlab data verify ti46-letters`")


@pytest.mark.parametrize("command", ["where", "verify"])
def test_missing_parts_give_exit_code_1(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A"], ["f1"], tests=0)
    assert snnlab("data", command, "ti46-letters", "--data", tmp_path, monkeypatch=monkeypatch) == 1
    disc.write("ti_alpha", ["0A"], ["f1"])
    assert snnlab("data", command, "ti46-letters", "--data", tmp_path, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out.splitlines()
    assert "ti_alpha/test: " in said[1]
    assert command == "where" or "ok: 2 of 6,656 recordings" in said[-1]


def test_fetching_says_what_is_new_and_then_that_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    archived = ArchivedRecordings(tmp_path)
    words = ("data", "fetch", archived.card, "--data", archived.data)
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    archived.server.close()
    *new, last = capsys.readouterr().out.splitlines()
    assert sorted(new) == sorted(str(archived.data / "toy" / name) for name in RECORDINGS)
    assert last == f"{archived.card}: all files are there already"


def test_of_many_new_files_the_folders_of_the_parts_are_named_and_how_many_each_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether recordings lie in the part's folder, as those of Free Spoken Digits, or in folders below it."""
    for dataset, folder, below in (("fsdd", "fsdd/recordings", ""), ("nmnist", "nmnist/Train", "3")):
        new = [tmp_path / folder / below / f"{k}.wav" for k in range(21)]
        new[0].parent.mkdir(parents=True)
        monkeypatch.setattr("snnlab.datasets.fetch", lambda *_, new=new, **__: tuple(new))
        assert snnlab("data", "fetch", dataset, "--data", tmp_path, monkeypatch=monkeypatch) == 0
        assert capsys.readouterr().out == f"{tmp_path / folder}: 21 files\n"


def test_data_that_must_be_bought_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snnlab("data", "fetch", "ti46-digits", "--data", tmp_path, monkeypatch=monkeypatch) == 2
    assert "https://catalog.ldc.upenn.edu/LDC93S9" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("xor", "on its card"),
        ("one", "on its card"),
        ("bars", "on its card"),
        ("yin-yang", "drawn from the seeds on its card"),
        ("noise", "drawn from the seeds on its card"),
        ("digits", "ships with scikit-learn"),
    ],
)
@pytest.mark.parametrize("command", ["where", "verify", "fetch"])
def test_of_data_without_files_it_is_said_where_they_are(
    command: str,
    name: str,
    place: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert snnlab("data", command, name, "--data", tmp_path, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"{name}: {place}"
    assert list(tmp_path.iterdir()) == []


def test_packing_images_says_that_there_is_nothing_to_keep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snnlab("data", "pack", "hm2bp-digits", monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[::2] == ["digits train: 1,437 images", "digits test: 360 images"]
    assert said[1::2] == ["  turned into spikes as they are used, nothing to keep"] * 2


@pytest.mark.parametrize("words", [["--sample", "-1"], ["--sample", "360"], ["--part", "tets"], ["--plot", "x.gif"]])
def test_what_cannot_be_drawn_is_refused(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plot = ["--plot", str(tmp_path / "x.png")]
    assert snnlab("data", "show", "digits", *plot, *words, monkeypatch=monkeypatch) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


# Pictures ----------------------------------------------------------------------------------------------------------


def test_images_are_drawn_from_the_sample_on(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr("snnlab.plots.images", lambda values, ax, **more: drawn.append((values, more["labels"])))
    path = dataset_figures.plot_samples(toy.card, "all", tmp_path / "x.png", sample=3, folder=toy.data)
    assert path.read_bytes().startswith(PNG)
    (values, labels) = drawn[0]
    assert np.array_equal(values, IMAGES[3:])
    assert labels == ["b", "a"]


def test_a_table_is_drawn_as_images_of_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr("snnlab.plots.images", lambda values, ax, **more: drawn.append((values, more)))
    path = tmp_path / "x.png"
    assert snnlab("data", "show", "xor", "--plot", path, monkeypatch=monkeypatch) == 0
    assert path.read_bytes().startswith(PNG)
    (values, more) = drawn[0]
    assert values.tolist() == [[[0, 0]], [[0, 1]], [[1, 0]], [[1, 1]]]
    assert more == {"labels": ["false", "true", "true", "false"], "peak": 1}


@pytest.mark.parametrize("name", ["bars", "yin-yang", "noise"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_bars_and_what_is_drawn_from_seeds_can_be_shown(
    name: str, part: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "x.png"
    assert snnlab("data", "show", name, "--part", part, "--sample", "7", "--plot", path, monkeypatch=monkeypatch) == 0
    assert path.read_bytes().startswith(PNG)


@pytest.mark.parametrize("name", ["xor", "bars", "yin-yang", "noise", "digits"])
def test_no_label_stands_on_an_image(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However low the images are: measured as they are drawn."""
    kept: list[Figure] = []
    monkeypatch.setattr("snnlab.plots.save", lambda figure, path: kept.append(figure) or path)
    dataset_figures.plot_samples(name, "test", tmp_path / "x.png")
    (figure,) = kept
    figure.draw_without_rendering()
    images = [image.get_window_extent() for image in figure.axes[0].get_images()]
    labels = [text.get_window_extent() for text in figure.axes[0].texts]
    assert len(labels) == len(images) > 0
    assert not any(label.overlaps(image) for label in labels for image in images)


def test_a_sound_is_drawn_beside_its_spikes(tmp_path: Path) -> None:
    Disc(tmp_path).write("ti_alpha", ["0A"], ["f1"])
    path = dataset_figures.plot_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)
    assert path.read_bytes().startswith(PNG)


def test_events_of_a_camera_are_drawn(tmp_path: Path) -> None:
    recording = tmp_path / "nmnist" / "Test" / "7" / "00001.bin"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(bytes([3, 4, 0x80, 0, 100, 5, 6, 0, 1, 0]))
    path = dataset_figures.plot_samples("nmnist", "test", tmp_path / "x.svg", folder=tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "number 0 (7/00001.bin): label 7; 2 events" in text.replace("<!-- ", "").replace(" -->", "")
    recording.write_bytes(bytes([3, 4, 0x80, 0, 100]))
    text = dataset_figures.plot_samples("nmnist", "test", tmp_path / "x.svg", folder=tmp_path).read_text(
        encoding="utf-8"
    )
    assert "label 7; 1 event " in text.replace("<!-- ", "").replace("-->", "")


def test_a_sound_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A"], ["f1"])
    disc.path("ti_alpha", "train", "f1", "0A", "se", 0).write_bytes(b"")
    with pytest.raises(InputError, match=r"0af1set0\.wav: an empty file"):
        dataset_figures.plot_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)


def test_packing_recordings_counts_them_and_their_spikes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for split, number in (("Train", 1), ("Train", 2), ("Test", 1)):
        recording = tmp_path / "nmnist" / split / "7" / f"{number:05}.bin"
        recording.parent.mkdir(parents=True, exist_ok=True)
        recording.write_bytes(bytes([3, 4, 0x80, 0, 100, 5, 6, 0, 1, 0]))
    chosen = replace(EXPERIMENTS["hm2bp-digits"], dataset="nmnist", encoder=Sensor(steps=10, dt=1e-3))
    monkeypatch.setitem(EXPERIMENTS, "mine", chosen)
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "cache"))
    words = ("data", "pack", "mine", "--data", tmp_path)
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[:2] == ["nmnist train: 2 recordings", "  4 spikes in 10 steps of 1 ms"]
    assert said[3:5] == ["nmnist test: 1 recording", "  2 spikes in 10 steps of 1 ms"]
    made = sorted((tmp_path / "cache").rglob("*.spikes"))
    # a head of 4,096 bytes; ids and counts, each filled up to 64; two rows and their end, or one
    assert said[2::3] == [f"  made, {size} kB: {path}" for size, path in zip(["4.2", "4.2"], made[::-1], strict=True)]
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    assert capsys.readouterr().out.splitlines() == [line.replace("made", "there already") for line in said]
    assert snnlab(*words, "--set", "encoder.steps=20", monkeypatch=monkeypatch) == 0
    assert len(sorted((tmp_path / "cache").rglob("*.spikes"))) == 4


def test_a_test_part_that_is_missing_is_told_before_any_image_is_filmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = replace(EXPERIMENTS["hm2bp-camera"], dataset="digits")
    monkeypatch.setitem(EXPERIMENTS, "mine", chosen)
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: tmp_path)
    monkeypatch.setattr(SimulatedCamera, "prepare", None)
    assert snnlab("data", "pack", "mine", "--data", tmp_path, monkeypatch=monkeypatch) == 2
    said = capsys.readouterr()
    assert said.out == "mine: learns from digits; its test part needs nmnist\n"
    assert "nmnist" in said.err


def test_images_to_be_filmed_are_counted_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def spoilt(*_: object, **__: object) -> None:
        raise InputError("camera", "out of film")

    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS["hm2bp-digits"], encoder=SimulatedCamera()))
    monkeypatch.setattr(SimulatedCamera, "prepare", spoilt)
    assert snnlab("data", "pack", "mine", monkeypatch=monkeypatch) == 2
    assert capsys.readouterr().out == "digits train: 1,437 images, to be filmed by a modelled camera\n"


@pytest.mark.parametrize(
    ("experiment", "dataset", "change", "said"),
    [
        ("hm2bp-nmnist", "nmnist", "encoder.pool=35", "--set encoder.pool: found 35, and the sensor has 34 rows"),
        ("hm2bp-camera", "digits", "encoder.sensor.pool=35", "--set encoder.sensor.pool: found 35, and the sensor has"),
        ("hm2bp-camera", "nmnist", "encoder.sensor.pool=35", "--set encoder.sensor.pool: found 35, and the sensor has"),
        ("hm2bp-nmnist", "digits", "encoder.pool=2", "--set encoder: digits has images of shape (8, 8); this"),
        ("hm2bp-digits", "nmnist", "epochs=2", "--set encoder: nmnist has recordings of an event camera of shape"),
    ],
)
def test_an_option_that_the_data_make_impossible_is_refused_as_it_is_given(
    experiment: str,
    dataset: str,
    change: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """By packing, and by training."""
    made = Sensors(tmp_path)
    made.some(2), made.some(2, "Test")
    monkeypatch.setitem(EXPERIMENTS, "mine", replace(EXPERIMENTS[experiment], dataset=dataset, tested_on=""))
    for words in (["data", "pack", "mine"], ["train", "mine", "--out", tmp_path / "run"]):
        assert snnlab(*words, "--data", tmp_path, "--set", change, monkeypatch=monkeypatch) == 2
        assert said in capsys.readouterr().err


# Where it is kept ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("named", [True, False])
def test_where_names_the_cache_and_makes_none(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SNNLAB_CACHE", str(tmp_path / "mine") if named else "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if sys.platform != "linux" and not named:
        pytest.skip("another default than the one of Linux")
    assert snnlab("data", "where", "digits", monkeypatch=monkeypatch) == 0
    place = tmp_path / ("mine" if named else "snnlab")
    assert capsys.readouterr().out.splitlines()[-1] == f"cache: {place}"
    assert not place.exists()


# Progress --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "seconds", "said"),
    [
        (0, 50, "filming: 0 of 60,000"),
        (600, 30, "filming: 600 of 60,000, about 50 min left"),
        (1200, 30, "filming: 1,200 of 60,000, about 25 min left"),
        (59_000, 590, "filming: 59,000 of 60,000, less than a minute left"),
    ],
)
def test_the_time_that_is_left_is_that_of_the_speed_so_far(done: int, seconds: float, said: str) -> None:
    """20 a second leave 59,400 / 20 s = 49.5 min; twice as fast, 58,800 / 40 s = 24.5 min."""
    told = progress_bars.Preparation("filming", 60_000, show=lambda *_: None, begun=1000.0)
    told(done, 60_000)
    assert told.line(1000.0 + seconds) == said


def test_a_part_that_begins_is_timed_from_its_own_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 s for the part before say nothing of a part whose first tenth takes 60 s: nine minutes are left."""
    monkeypatch.setattr("time.monotonic", lambda: 2000.0)
    told = progress_bars.Preparation("filming", 0, show=lambda *_: None, begun=1000.0)
    told(500, 500)
    told(0, 100)
    told(10, 100)
    assert told.line(2060.0) == "filming: 10 of 100, about 9 min left"


def test_before_training_it_is_told_how_many_samples_are_spikes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: Queue[str] = Queue()

    def line(told: progress_bars.Preparation, now: float) -> str:
        said.put(f"{told.done} of {told.total}")
        return "so many"

    monkeypatch.setattr(progress_bars, "_FIRST", 0.01)
    monkeypatch.setattr(progress_bars.Preparation, "line", line)
    with progress_bars.beginning() as tell:
        sleep(0.1)  # nothing to be told, which is nothing to be waited for
        assert said.empty()
        tell(64, 800)
        assert [said.get(timeout=60) for _ in range(2)] == ["64 of 800"] * 2  # for a terminal, and for a line
    assert "so many" in capsys.readouterr().err


def test_where_no_terminal_is_lines_say_how_far_it_is_though_no_step_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    said: Queue[str] = Queue()

    def line(told: progress_bars.Preparation, now: float) -> str:
        said.put(told.what)
        return f"{told.what}!"

    monkeypatch.setattr(progress_bars, "_FIRST", 0.01)
    monkeypatch.setattr(progress_bars.Preparation, "line", line)
    with progress_bars.preparing("packing", 9):
        assert [said.get(timeout=60) for _ in range(2)] == ["packing"] * 2
    assert set(capsys.readouterr().err.splitlines()) == {"packing!"}
    monkeypatch.setattr(progress_bars, "Console", lambda **_: Console(file=StringIO(), force_terminal=True))
    monkeypatch.setattr(progress_bars, "Thread", None)
    with progress_bars.preparing("on a terminal", 9) as told:
        told(3, 9)
    assert capsys.readouterr().err == ""
