"""tonic's datasets come as samples without its downloads, and our recordings as datasets of tonic's."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest
import tonic
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_datasets_audio import Disc, tone
from tonic import transforms

from snnlab import datasets
from snnlab.audio.bsa import Bsa
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import EVENT, Files
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

WORDS = "zero one two three four five six seven eight nine null eins zwei drei vier fünf sechs sieben acht neun".split()
# three recordings: seconds and channels; the second one is empty, the third has times that are no numbers
HEARD = [
    ([0.001, 0.25, 0.5], [0, 699, 3], 7),
    ([], [], 0),
    ([0.75, np.nan, 0.125, np.inf, -0.5], [1, 2, 3, 4, 5], 19),
]


def heidelberg(
    path: Path, keys: list[str] = WORDS, recordings: list[tuple[list[float], list[int], int]] = HEARD
) -> None:
    """A file as https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/ lays it out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        times = file.create_dataset("spikes/times", (len(recordings),), dtype=h5py.vlen_dtype(np.float16))
        units = file.create_dataset("spikes/units", (len(recordings),), dtype=h5py.vlen_dtype(np.uint16))
        for number, (time, unit, _) in enumerate(recordings):
            times[number], units[number] = np.array(time, np.float16), np.array(unit, np.uint16)
        file["labels"] = np.array([label for _, _, label in recordings], np.uint16)
        file["extra/keys"] = np.array([word.encode() for word in keys])
        file["extra/speaker"] = np.zeros(len(recordings), np.uint16)


def recordings(name: str, split: str, folder: Path) -> Files:
    from snnlab import cards
    from snnlab.datasets.formats import tonic_files

    return tonic_files.recordings(cards.dataset(name), split, folder)


def test_heidelberg_digits_are_what_was_written(tmp_path: Path) -> None:
    heidelberg(tmp_path / "SHD" / "shd_train.h5")
    samples = recordings("shd", "train", tmp_path)
    assert (samples.labels.tolist(), samples.classes, samples.shape) == ([7, 0, 19], tuple(WORDS), (1, 700, 1))
    first, second, third = datasets.events(samples)
    assert first.dtype == EVENT
    expected = np.round(np.array(HEARD[0][0], np.float16).astype(float) * 1e6)
    assert np.abs(first["t"] - expected).max() <= 1
    assert first["x"].tolist() == [0, 699, 3]
    assert first["p"].all()
    assert len(second) == 0
    assert third["t"].tolist() == [125_000, 750_000]  # in order of time, without what is no time
    (again,) = datasets.events(samples.take([2]))
    assert np.array_equal(again, third)


def test_what_the_files_hold_counts_and_verify_says_how_many(tmp_path: Path) -> None:
    heidelberg(tmp_path / "SHD" / "shd_train.h5")
    assert len(datasets.load("shd", "train", folder=tmp_path)) == 3
    train, _ = datasets.verify("shd", folder=tmp_path)
    assert (train.state, train.reason.split(";")[0]) == ("ok", "3 of 8,156 recordings can be read")


def test_the_words_of_speech_commands_are_those_of_the_file(tmp_path: Path) -> None:
    from snnlab import cards

    words = list(cards.dataset("ssc").classes)[::-1]
    heidelberg(tmp_path / "ssc" / "ssc_valid.h5", words)
    assert recordings("ssc", "valid", tmp_path).classes == tuple(words)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a file of SHD"),
        (b"\x89HDF\r\n\x1a\n" + b"?" * 100, "not a file of SHD"),
        (("keys", ["zero"]), "1 names of classes; .*shd.toml has 20"),
        (("label", 20), "labels 0 to 20; .*has 20 classes"),
        (("unit", 700), "recording 0 has events at columns to 700"),
        (("none", 0), "no recordings"),
    ],
)
def test_a_spoilt_file_is_refused(content: bytes | tuple[str, object], said: str, tmp_path: Path) -> None:
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
    with pytest.raises(InputError, match=said) as refused:
        list(datasets.events(recordings("shd", "test", tmp_path)))
    assert "\n" not in str(refused.value)


def read_or_refused(folder: Path) -> bool:
    """Whether the recordings can be read, in order of time and on the sensor; else they are refused in one line."""
    try:
        for one in datasets.events(recordings("shd", "test", folder)):
            assert (one["x"] < 700).all()
            assert (np.diff(one["t"]) >= 0).all()
    except InputError as refusal:
        assert str(folder / "SHD" / "shd_test.h5") in str(refusal)
        assert "\n" not in str(refusal)
        return False
    return True


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    times=st.lists(st.floats(width=16), max_size=6),
    units=st.lists(st.integers(0, 2**16 - 1), max_size=6),
    label=st.integers(0, 300),
)
def test_whatever_numbers_a_file_holds_it_is_read_or_refused(
    times: list[float], units: list[int], label: int, tmp_path: Path
) -> None:
    """Changed bytes are not tried: the HDF5 library itself may crash where its own structures are spoilt."""
    heidelberg(tmp_path / "SHD" / "shd_test.h5", recordings=[(times, units, label)])
    read_or_refused(tmp_path)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(share=st.floats(0, 0.99))
def test_a_file_that_was_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    path = tmp_path / "SHD" / "shd_test.h5"
    heidelberg(path)
    content = path.read_bytes()
    assert read_or_refused(tmp_path)
    path.write_bytes(content[: int(share * len(content))])
    assert not read_or_refused(tmp_path)


def test_another_file_under_the_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "SHD" / "shd_test.h5"
    path.parent.mkdir()
    with h5py.File(path, "w") as file:
        file["something"] = np.arange(3)
    with pytest.raises(InputError, match="shd_test.h5: not a file of SHD"):
        recordings("shd", "test", tmp_path)


@pytest.mark.parametrize("name", ["shd", "ssc", "ntidigits", "dvs-gesture"])
def test_without_files_the_refusal_names_them_and_nothing_is_downloaded(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        raise AssertionError("asked the net")

    monkeypatch.setattr("urllib.request.urlopen", never)
    monkeypatch.setattr("requests.get", never)
    with pytest.raises(InputError, match=rf"^{name}: .*not found in .*`snnlab data fetch {name}`"):
        datasets.load(name, "test", folder=tmp_path)


def test_single_digits_of_tidigits_are_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "NTIDIGITS18" / "n-tidigits.hdf5"
    path.parent.mkdir()
    spoken = {"man-ae-a-z": ([0.5, 0.25], [63, 0]), "man-ae-b-12": ([0.1], [1]), "woman-x-a-7": ([0.125], [5])}
    with h5py.File(path, "w") as file:
        file["test_labels"] = np.array([name.encode() for name in spoken])
        for name, (times, addresses) in spoken.items():
            file[f"test_timestamps/{name}"] = np.array(times)
            file[f"test_addresses/{name}"] = np.array(addresses)
    samples = recordings("ntidigits", "test", tmp_path)
    assert [samples.classes[label] for label in samples.labels] == ["zero", "7"]
    zero, seven = datasets.events(samples)
    assert (zero["t"].tolist(), zero["x"].tolist()) == ([250_000, 500_000], [0, 63])
    assert seven["x"].tolist() == [5]


def test_gestures_are_what_was_written(tmp_path: Path) -> None:
    root = tmp_path / "DVSGesture" / "ibmGestureTest"
    events = {
        ("user24_led", 10): [[3, 127, 1, 5], [4, 0, 0, 9]],  # x, y, polarity, milliseconds
        ("user24_led", 2): [[127, 1, 0, 7]],
        ("user03_natural", 0): [[0, 0, 1, 1]],
    }
    for (person, gesture), lines in events.items():
        (root / person).mkdir(parents=True, exist_ok=True)
        np.save(root / person / f"{gesture}.npy", np.array(lines, np.float64))
    samples = recordings("dvs-gesture", "test", tmp_path)
    found = {
        (path.parent.name, int(label)): one
        for path, label, one in zip(samples.paths(), samples.labels, datasets.events(samples), strict=True)
    }
    assert set(found) == set(events)
    one = found["user24_led", 10]
    assert [one[name].tolist() for name in "xypt"] == [[3, 4], [127, 0], [True, False], [5000, 9000]]
    (alone,) = datasets.events(samples.take(samples.labels == 2))
    assert alone["t"].tolist() == [7000]


def test_a_gesture_that_is_a_pickle_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "DVSGesture" / "ibmGestureTest" / "user24_led"
    root.mkdir(parents=True)
    np.save(root / "0.npy", np.array([{"a": print}], dtype=object), allow_pickle=True)
    with pytest.raises(InputError, match="0.npy: recording 0: .*allow_pickle"):
        list(datasets.events(recordings("dvs-gesture", "test", tmp_path)))


# As tonic's --------------------------------------------------------------------------------------------------------


@pytest.fixture
def letters(tmp_path: Path) -> Disc:
    made = Disc(tmp_path)
    made.write("ti_alpha", ["0A", "0B", "0C"], ["f1"], trains=2, tests=1)
    return made


def test_a_sound_is_events_of_channels(letters: Disc) -> None:
    made = datasets.as_tonic("ti46-letters", "train", folder=letters.data)
    events, label = made[5]
    assert isinstance(made, tonic.Dataset)
    assert (len(made), label, made.classes[label]) == (6, 2, "c")
    assert made.sensor_size == (78, 1, 1)  # as ST-RSBP's Lyon's ear at 12.5 kHz
    ear, number = Lyon(), 5
    spikes = Bsa().encode(ear.cochleagram(tone(number) / 32768), frame=ear.frame)
    again = SpikeTrains.from_dense(dense(events, spikes.steps, spikes.dt, 78), spikes.dt)
    assert again == spikes


def dense(events: np.ndarray, steps: int, dt: float, channels: int) -> np.ndarray:
    raster = np.zeros((1, steps, channels), dtype=bool)
    raster[0, np.round(events["t"] / (dt * 1e6)).astype(int), events["x"]] = True
    return raster


def test_transforms_of_tonic_apply_to_sounds(letters: Disc) -> None:
    made = datasets.as_tonic("ti46-letters", "train", folder=letters.data)
    frame = transforms.ToFrame(sensor_size=made.sensor_size, time_window=1000, include_incomplete=True)
    framed = datasets.as_tonic(
        "ti46-letters", "train", folder=letters.data, transform=frame, target_transform=lambda label: label + 100
    )
    frames, label = framed[0]
    events, _ = made[0]
    assert (frames.shape[1:], label) == ((1, 1, 78), 100)
    assert frames.sum(axis=(0, 1, 2)).tolist() == np.bincount(events["x"], minlength=78).tolist()
    assert len(events) > 100


def test_nmnist_in_part_is_a_dataset_of_tonics(nmnist_folder: Path) -> None:
    made = datasets.as_tonic("nmnist", "test", folder=nmnist_folder)
    events, label = made[3]
    path = made.samples.paths()[3]
    theirs = tonic.io.read_mnist_file(str(path), dtype=tonic.datasets.NMNIST.dtype)
    assert all(np.array_equal(events[name], theirs[name]) for name in "xypt")
    assert (label, made.sensor_size) == (int(path.parent.name), tonic.datasets.NMNIST.sensor_size)
    frames = transforms.ToFrame(sensor_size=made.sensor_size, n_time_bins=3)(events)
    assert frames.shape == (3, 2, 34, 34)


def test_images_are_no_dataset_of_tonics() -> None:
    with pytest.raises(InputError, match="digits: format: scikit-learn: images; tonic's datasets are of events"):
        datasets.as_tonic("digits", "test")


def test_there_is_no_recording_after_the_last(letters: Disc) -> None:
    made = datasets.as_tonic("ti46-letters", "test", folder=letters.data)
    assert len(list(made)) == 3  # iteration ends by IndexError
    with pytest.raises(InputError, match="never downloaded"):
        made.download()
