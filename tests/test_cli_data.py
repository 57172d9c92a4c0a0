"""`snnlab data` says where data is, whether it is whole, and draws it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from test_loaders_audio import Disc
from test_loaders_fetch import RECORDINGS, Recordings
from toy_dataset import IMAGES, Toy

from snnlab import cli, portraits
from snnlab.encode import Sensor
from snnlab.errors import Refused
from snnlab.experiments import EXPERIMENTS

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
    assert command == "where" or said[-1].endswith(
        "ok: 2 of 6,656 recordings can be read; nobody has published digests of them"
    )


def test_fetching_says_what_is_new_and_then_that_all_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = Recordings(tmp_path)
    words = ("data", "fetch", made.card, "--data", made.data)
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    assert snnlab(*words, monkeypatch=monkeypatch) == 0
    made.net.close()
    *new, last = capsys.readouterr().out.splitlines()
    assert sorted(new) == sorted(str(made.data / "toy" / name) for name in RECORDINGS)
    assert last == f"{made.card}: all files are there already"


def test_data_that_must_be_bought_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snnlab("data", "fetch", "ti46-digits", "--data", tmp_path, monkeypatch=monkeypatch) == 2
    assert "https://catalog.ldc.upenn.edu/LDC93S9" in capsys.readouterr().err


def test_packing_images_says_that_there_is_nothing_to_keep(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert snnlab("data", "pack", "hm2bp-digits", monkeypatch=monkeypatch) == 0
    train, test = capsys.readouterr().out.splitlines()
    assert train == "digits train: 1437 images, which are turned into spikes as they are used"
    assert test.startswith("digits test: 360 images")


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
    path = portraits.draw_samples(toy.card, "all", tmp_path / "x.png", sample=3, folder=toy.data)
    assert path.read_bytes().startswith(PNG)
    (values, labels) = drawn[0]
    assert np.array_equal(values, IMAGES[3:])
    assert labels == ["b", "a"]


def test_a_sound_is_drawn_beside_its_spikes(tmp_path: Path) -> None:
    Disc(tmp_path).write("ti_alpha", ["0A"], ["f1"])
    path = portraits.draw_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)
    assert path.read_bytes().startswith(PNG)


def test_events_of_a_camera_are_drawn(tmp_path: Path) -> None:
    recording = tmp_path / "nmnist" / "Test" / "7" / "00001.bin"
    recording.parent.mkdir(parents=True)
    recording.write_bytes(bytes([3, 4, 0x80, 0, 100, 5, 6, 0, 1, 0]))
    path = portraits.draw_samples("nmnist", "test", tmp_path / "x.svg", folder=tmp_path)
    text = path.read_text(encoding="utf-8")
    assert "number 0 (7/00001.bin): 7; 2 events" in text.replace("<!-- ", "").replace(" -->", "")


def test_a_sound_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A"], ["f1"])
    disc.path("ti_alpha", "train", "f1", "0A", "se", 0).write_bytes(b"")
    with pytest.raises(Refused, match=r"0af1set0\.wav: an empty file"):
        portraits.draw_samples("ti46-letters", "train", tmp_path / "x.png", folder=tmp_path)


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
    train, test = capsys.readouterr().out.splitlines()
    assert train.startswith("nmnist train: 2 recordings, 4 spikes in 10 steps of 1 ms, ")
    assert test.startswith("nmnist test: 1 recordings, 2 spikes in 10 steps of 1 ms, ")
    made = sorted((tmp_path / "cache").rglob("*.spikes"))
    assert len(made) == 2
    assert snnlab(*words, "--set", "encoder.steps=20", monkeypatch=monkeypatch) == 0
    assert len(sorted((tmp_path / "cache").rglob("*.spikes"))) == 4
