"""Datasets that tonic reads are loaded without its downloads, and recordings are available as `tonic.Dataset`."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tonic
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ti46_disc import Disc, tone
from tonic import transforms

from snnlab import cards, datasets
from snnlab.audio.bsa import Bsa
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import EVENT, Files
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets.formats import tonic_files
from snnlab.errors import InputError

WORDS = "zero one two three four five six seven eight nine null eins zwei drei vier fünf sechs sieben acht neun".split()
# seconds, channels and label of three recordings: the second is empty, the third has invalid times
RECORDINGS = [
    ([0.001, 0.25, 0.5], [0, 699, 3], 7),
    ([], [], 0),
    ([0.75, np.nan, 0.125, np.inf, -0.5], [1, 2, 3, 4, 5], 19),
]


def heidelberg(
    path: Path, keys: list[str] = WORDS, recordings: list[tuple[list[float], list[int], int]] = RECORDINGS
) -> None:
    """A file in the format of https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(recordings),), dtype=h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (len(recordings),), dtype=h5py.vlen_dtype(np.uint16))
        for number, (time, unit, _) in enumerate(recordings):
            times[number], units[number] = np.array(time, np.float16), np.array(unit, np.uint16)
        file["labels"] = np.array([label for _, _, label in recordings], np.uint16)
        file["extra/keys"] = np.array([word.encode() for word in keys])
        file["extra/speaker"] = np.zeros(len(recordings), np.uint16)


def load(name: str, split: str, folder: Path) -> Files:
    return tonic_files.load(cards.dataset(name), split, folder)


def test_heidelberg_digits_equal_the_written_events(tmp_path: Path) -> None:
    heidelberg(tmp_path / "SHD" / "shd_train.h5")
    samples = load("shd", "train", tmp_path)
    assert (samples.labels.tolist(), samples.classes, samples.shape) == ([7, 0, 19], tuple(WORDS), (1, 700, 1))
    first, second, third = datasets.read_events(samples)
    assert first.dtype == EVENT
    expected = np.round(np.array(RECORDINGS[0][0], np.float16).astype(float) * 1e6)
    assert np.abs(first["t"] - expected).max() <= 1
    assert first["x"].tolist() == [0, 699, 3]
    assert first["p"].all()
    assert len(second) == 0
    assert third["t"].tolist() == [125_000, 750_000]  # sorted, without invalid times
    (again,) = datasets.read_events(samples.take([2]))
    assert np.array_equal(again, third)


def test_the_number_of_recordings_is_that_of_the_file_and_verify_reports_it(tmp_path: Path) -> None:
    heidelberg(tmp_path / "SHD" / "shd_train.h5")
    assert len(datasets.load("shd", "train", folder=tmp_path)) == 3
    train, _ = datasets.verify("shd", folder=tmp_path)
    assert (train.state, train.reason.split(";")[0]) == ("ok", "3 of 8,156 recordings can be read")


def test_the_class_names_are_those_of_the_file(tmp_path: Path) -> None:
    words = list(cards.dataset("ssc").classes)[::-1]
    heidelberg(tmp_path / "ssc" / "ssc_valid.h5", words)
    assert load("ssc", "valid", tmp_path).classes == tuple(words)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b"", ["SHD"]),
        (b"\x89HDF\r\n\x1a\n" + b"?" * 100, ["SHD"]),
        (("keys", ["zero"]), ["1 class names", 20]),
        (("label", 20), ["labels 0 to 20", "0 to 19"]),
        (("unit", 700), ["recording 0", "column 700"]),
        (("none", 0), ["no recordings"]),
    ],
)
def test_a_corrupt_file_raises_an_error(
    content: bytes | tuple[str, object], values: list[object], tmp_path: Path
) -> None:
    path = tmp_path / "SHD" / "shd_test.h5"
    path.parent.mkdir()
    match content:
        case bytes():
            path.write_bytes(content)
        case ("keys", words):
            heidelberg(path, words)  # type: ignore[arg-type]
        case ("label", label):
            heidelberg(path, recordings=[([0.5], [0], 0), ([0.5], [0], label)])  # type: ignore[list-item]
        case ("unit", unit):
            heidelberg(path, recordings=[([0.5], [unit], 0)])  # type: ignore[list-item]
        case _:
            heidelberg(path, recordings=[])
    with raises_input_error(path, *values) as caught:
        list(datasets.read_events(load("shd", "test", tmp_path)))
    assert "\n" not in str(caught.value)


def can_be_read(folder: Path) -> bool:
    """Whether the recordings can be read, sorted and inside the sensor; otherwise they must raise an InputError."""
    try:
        for events in datasets.read_events(load("shd", "test", folder)):
            assert (events["x"] < 700).all()
            assert (np.diff(events["t"]) >= 0).all()
    except InputError as error:
        assert error.field == str(folder / "SHD" / "shd_test.h5")
        assert "\n" not in str(error)
        return False
    return True


@settings(max_examples=examples(60), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.floats(width=16), max_size=6),
    units=st.lists(st.integers(0, 2**16 - 1), max_size=6),
    label=st.integers(0, 300),
)
def test_any_numbers_are_read_or_raise_an_error(
    times: list[float], units: list[int], label: int, tmp_path: Path
) -> None:
    """Changed bytes are not tested, because the HDF5 library may crash on corrupt internal structures."""
    heidelberg(tmp_path / "SHD" / "shd_test.h5", recordings=[(times, units, label)])
    can_be_read(tmp_path)


@settings(max_examples=examples(40), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fraction=st.floats(0, 0.99))
def test_a_truncated_file_raises_an_error(fraction: float, tmp_path: Path) -> None:
    path = tmp_path / "SHD" / "shd_test.h5"
    heidelberg(path)
    content = path.read_bytes()
    assert can_be_read(tmp_path)
    path.write_bytes(content[: int(fraction * len(content))])
    assert not can_be_read(tmp_path)


def test_another_hdf5_file_raises_an_error(tmp_path: Path) -> None:
    path = tmp_path / "SHD" / "shd_test.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["something"] = np.arange(3)
    with raises_input_error(path, "SHD"):
        load("shd", "test", tmp_path)


@pytest.mark.parametrize("name", ["shd", "ssc", "ntidigits", "dvs-gesture"])
def test_missing_files_raise_an_error_without_a_download(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("used the network")

    monkeypatch.setattr("urllib.request.urlopen", never)
    monkeypatch.setattr("requests.get", never)
    with raises_input_error(f"{name}: ", "not found", f"snnlab data fetch {name}"):
        datasets.load(name, "test", folder=tmp_path)


def test_single_digits_of_tidigits_equal_the_written_events(tmp_path: Path) -> None:
    path = tmp_path / "NTIDIGITS18" / "n-tidigits.hdf5"
    path.parent.mkdir()
    spoken = {"man-ae-a-z": ([0.5, 0.25], [63, 0]), "man-ae-b-12": ([0.1], [1]), "woman-x-a-7": ([0.125], [5])}
    with h5py.File(path, "w") as file:
        file["test_labels"] = np.array([name.encode() for name in spoken])
        for name, (times, addresses) in spoken.items():
            file[f"test_timestamps/{name}"] = np.array(times)
            file[f"test_addresses/{name}"] = np.array(addresses)
    samples = load("ntidigits", "test", tmp_path)
    assert [samples.classes[label] for label in samples.labels] == ["zero", "7"]
    zero, seven = datasets.read_events(samples)
    assert (zero["t"].tolist(), zero["x"].tolist()) == ([250_000, 500_000], [0, 63])
    assert seven["x"].tolist() == [5]


def test_gestures_equal_the_written_events(tmp_path: Path) -> None:
    root = tmp_path / "DVSGesture" / "ibmGestureTest"
    events = {
        ("user24_led", 10): [[3, 127, 1, 5], [4, 0, 0, 9]],  # x, y, polarity, milliseconds
        ("user24_led", 2): [[127, 1, 0, 7]],
        ("user03_natural", 0): [[0, 0, 1, 1]],
    }
    for (person, gesture), lines in events.items():
        (root / person).mkdir(parents=True, exist_ok=True)
        np.save(root / person / f"{gesture}.npy", np.array(lines, np.float64))
    samples = load("dvs-gesture", "test", tmp_path)
    recordings = {
        (path.parent.name, int(label)): recording
        for path, label, recording in zip(samples.paths(), samples.labels, datasets.read_events(samples), strict=True)
    }
    assert set(recordings) == set(events)
    recording = recordings["user24_led", 10]
    assert [recording[name].tolist() for name in "xypt"] == [[3, 4], [127, 0], [True, False], [5000, 9000]]
    (single,) = datasets.read_events(samples.take(samples.labels == 2))
    assert single["t"].tolist() == [7000]


def test_a_pickled_gesture_raises_an_error(tmp_path: Path) -> None:
    root = tmp_path / "DVSGesture" / "ibmGestureTest" / "user24_led"
    root.mkdir(parents=True)
    np.save(root / "0.npy", np.array([{"a": print}], dtype=object), allow_pickle=True)
    with raises_input_error("0.npy", "recording 0", "allow_pickle"):
        list(datasets.read_events(load("dvs-gesture", "test", tmp_path)))


# As a tonic.Dataset ------------------------------------------------------------------------------------------------


@pytest.fixture
def letters(tmp_path: Path) -> Disc:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", ["0A", "0B", "0C"], ["f1"], trains=2, tests=1)
    return disc


def test_the_events_of_a_sound_are_the_spikes_of_its_channels(letters: Disc) -> None:
    recordings = datasets.as_tonic("ti46-letters", "train", folder=letters.data)
    events, label = recordings[5]
    assert isinstance(recordings, tonic.Dataset)
    assert (len(recordings), label, recordings.classes[label]) == (6, 2, "c")
    assert recordings.sensor_size == (78, 1, 1)  # as in ST-RSBP, Lyon's model at 12.5 kHz
    ear, number = Lyon(), 5
    spikes = Bsa().encode(ear.cochleagram(tone(number) / 32768), frame=ear.frame)
    again = SpikeTrains.from_dense(dense(events, spikes.steps, spikes.dt, 78), spikes.dt)
    assert again == spikes


def dense(events: np.ndarray, steps: int, dt: float, channels: int) -> np.ndarray:
    raster = np.zeros((1, steps, channels), dtype=bool)
    raster[0, np.round(events["t"] / (dt * 1e6)).astype(int), events["x"]] = True
    return raster


def test_tonics_transforms_apply_to_sounds(letters: Disc) -> None:
    recordings = datasets.as_tonic("ti46-letters", "train", folder=letters.data)
    frame = transforms.ToFrame(sensor_size=recordings.sensor_size, time_window=1000, include_incomplete=True)
    framed = datasets.as_tonic(
        "ti46-letters", "train", folder=letters.data, transform=frame, target_transform=lambda label: label + 100
    )
    frames, label = framed[0]
    events, _ = recordings[0]
    assert (frames.shape[1:], label) == ((1, 1, 78), 100)
    assert frames.sum(axis=(0, 1, 2)).tolist() == np.bincount(events["x"], minlength=78).tolist()
    assert len(events) > 100


def test_partial_nmnist_is_a_tonic_dataset(nmnist_folder: Path) -> None:
    recordings = datasets.as_tonic("nmnist", "test", folder=nmnist_folder)
    events, label = recordings[3]
    path = recordings.samples.paths()[3]
    theirs = tonic.io.read_mnist_file(str(path), dtype=tonic.datasets.NMNIST.dtype)
    assert all(np.array_equal(events[name], theirs[name]) for name in "xypt")
    assert (label, recordings.sensor_size) == (int(path.parent.name), tonic.datasets.NMNIST.sensor_size)
    frames = transforms.ToFrame(sensor_size=recordings.sensor_size, n_time_bins=3)(events)
    assert frames.shape == (3, 2, 34, 34)


def test_a_dataset_of_images_raises_an_error() -> None:
    with raises_input_error("digits: format", "scikit-learn", "images"):
        datasets.as_tonic("digits", "test")


def test_iteration_ends_after_the_last_recording(letters: Disc) -> None:
    recordings = datasets.as_tonic("ti46-letters", "test", folder=letters.data)
    assert len(list(recordings)) == 3  # iteration ends with IndexError
    with raises_input_error("ti46-letters", "snnlab data fetch"):
        recordings.download()
