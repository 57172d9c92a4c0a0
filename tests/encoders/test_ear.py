"""Spikes of sounds equal those of the cochlea model and the spike code, and are cached unchanged."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bsa_reference import slow_bsa
from errors_in_tests import raises_input_error
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from snnlab import datasets
from snnlab.audio.files import Sound
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.levels import Levels
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import Files
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Ear, Poisson
from snnlab.native import threads

EAR = Ear(steps=300, sample_rate=8000, decimation=128)


def chirp(seed: int, samples: int) -> NDArray[np.int16]:
    """A chirp that depends on the seed."""
    time = np.arange(samples) / 8000
    low, high = 200 + 150 * (seed % 9), 600 + 250 * (seed % 7)
    envelope = 9000 * np.sin(np.pi * np.arange(samples) / samples)
    return np.round(envelope * np.sin(2 * np.pi * (low * time + (high - low) * time**2))).astype(np.int16)


class Sounds:
    """A data folder with spoken digits, which a test may change."""

    def __init__(self, data: Path) -> None:
        self.data = data
        (data / "fsdd" / "recordings").mkdir(parents=True)

    def put(self, digit: int, take: int, sound: NDArray[np.int16], *, rate: int = 8000, channels: int = 1) -> Path:
        path = self.data / "fsdd" / "recordings" / f"{digit}_ada_{take}.wav"
        with wave.open(str(path), "wb") as file:
            file.setnchannels(channels)
            file.setsampwidth(2)
            file.setframerate(rate)
            file.writeframes(sound.astype("<i2").tobytes())
        return path

    def some(self, number: int) -> list[NDArray[np.int16]]:
        """Write `number` training recordings; returns the sounds in the order in which they are loaded, by digit."""
        takes = [(k % 10, 5 + k // 10) for k in range(number)]
        sounds = {key: chirp(k, 1500 + 37 * (k % 20)) for k, key in enumerate(takes)}
        for key, sound in sounds.items():
            self.put(*key, sound)
        return [sounds[key] for key in sorted(sounds)]

    def load(self) -> Files:
        files = datasets.load("fsdd", "train", folder=self.data)
        assert isinstance(files, Files)
        return files


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sounds:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # keeps compiled kernels
    return Sounds(tmp_path / "data")


def reference_raster(sound: NDArray[np.int16], steps: int, gain: float = 2000.0) -> NDArray[np.bool_]:
    """Spikes (steps, channels) of Lyon's model and a reference of BSA; cut off, or followed by silence."""
    fired = slow_bsa(Lyon(8000, 128).cochleagram(sound / 32768) * (gain / 2000))
    raster = np.zeros((steps, fired.shape[1]), dtype=bool)
    raster[: len(fired)] = fired[:steps]
    return raster


# Spikes -------------------------------------------------------------------------------------------------------------


def test_the_spikes_of_a_file_equal_the_reference(sounds: Sounds) -> None:
    """The file is read by the standard library. Negative control: a slightly larger gain."""
    sound = chirp(3, 2000)
    with wave.open(str(sounds.put(0, 5, sound))) as file:
        samples = np.frombuffer(file.readframes(2000), dtype="<i2")
    raster = EAR.encode(EAR.prepare(sounds.load()), seed=0).dense()[0]
    assert raster.any()
    assert np.array_equal(raster, reference_raster(samples, 300))
    assert not np.array_equal(raster, reference_raster(samples, 300, gain=2050))


def test_the_steps_do_not_depend_on_dt(sounds: Sounds) -> None:
    """With 1.6 ms per step, ten steps last as long as a frame of 16 ms."""
    sound = chirp(1, 1800) / 32768
    fast, real = EAR.spikes(sound), replace(EAR, dt=1.6e-3).spikes(sound)
    assert (fast.dt, real.dt) == (1e-3, 1.6e-3)
    assert fast == real
    assert real.duration == pytest.approx(EAR.max_duration) == pytest.approx(300 * 128 / 8000 / 10)


def test_the_model_and_the_code_can_be_selected() -> None:
    sound = chirp(4, 2400) / 32768
    ear = Ear(
        steps=400,
        sample_rate=8000,
        decimation=40,
        model="gammatone",
        channels=17,
        code="levels",
        steps_per_frame=2,
        level=0.01,
    )
    expected = Levels(0.01, 2).encode(Gammatone(8000, 40, 17).cochleagram(sound), frame=0.005, steps=400)
    assert len(expected) > 50
    assert ear.spikes(sound) == expected
    assert ear.grid.shape == (34,), "ON and OFF of each channel"


def test_the_defaults_equal_those_of_hm2bp() -> None:
    """Lyon's model at 12.5 kHz has 78 channels; with a decimation of 200, a frame is 16 ms and 10 steps."""
    assert Ear().grid.shape == (78,)
    assert (Ear().cochlea.frame, Ear().coder.steps_per_frame, Ear().steps) == (0.016, 10, 700)


# Cached spikes ---------------------------------------------------------------------------------------------------


def test_cached_spikes_equal_those_encoded_directly(sounds: Sounds) -> None:
    """For several chunks and threads, in any order, and from an existing cache."""
    written, files, reports = sounds.some(150), sounds.load(), list[tuple[int, int]]()
    for count in (3, 1):
        with threads(count):
            cached = EAR.prepare(files, progress=lambda *done: reports.append(done))
        assert (reports[0], reports[-1], len(reports)) == ((0, 150), (150, 150), 4), "only while encoding"
        assert (len(cached), cached.shape, cached.dt) == (150, (64,), 1e-3)
        order = np.random.default_rng(0).permutation(150)[:80]
        selected = cached.take(order)
        expected = [EAR.spikes(written[k] / 32768).dense()[0] for k in order.tolist()]
        assert np.array_equal(EAR.encode(selected, seed=7, epoch=3, stream=1).dense(), expected)
        assert np.array_equal(selected.labels, files.labels[order])
        assert EAR.prepare(cached) is cached


def test_spikes_do_not_depend_on_the_number_of_threads(
    sounds: Sounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sounds.some(150)
    spikes = []
    for count in (1, 4):
        folder = tmp_path / f"cache {count}"
        monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda folder=folder: folder)
        with threads(count):
            spikes.append(EAR.encode(EAR.prepare(sounds.load()), seed=0))
    assert spikes[0] == spikes[1]


def test_each_set_of_used_options_has_its_own_cache_file(sounds: Sounds, tmp_path: Path) -> None:
    written = sounds.some(2)
    ears = [EAR, replace(EAR, gain=1000), replace(EAR, threshold=0.5), replace(EAR, code="levels")]
    ears += [replace(EAR, model="gammatone", gain=15), replace(EAR, steps=200), replace(EAR, dt=2e-3)]
    for ear in ears:
        spikes = ear.encode(ear.prepare(sounds.load()), seed=0)
        assert np.array_equal(spikes.dense()[1], ear.spikes(written[1] / 32768).dense()[0])
    replace(EAR, channels=9, level=1.0).prepare(sounds.load())  # options that are not used
    assert len(list((tmp_path / "cache" / "spikes").iterdir())) == len(ears)
    with raises_input_error("encode: samples", 300, 0.001, 200):
        ears[5].encode(EAR.prepare(sounds.load()), seed=0)
    with raises_input_error("encode: samples", "(64,)", "other options"):
        ears[1].encode(EAR.prepare(sounds.load()), seed=0)


def test_a_changed_sound_is_encoded_again(sounds: Sounds) -> None:
    sounds.some(2)
    before = EAR.encode(EAR.prepare(sounds.load()), seed=0)
    changed = chirp(77, 1900)
    sounds.put(1, 5, changed)
    after = EAR.encode(EAR.prepare(sounds.load()), seed=0)
    assert after.sample(0) == before.sample(0)
    assert after.sample(1) == EAR.spikes(changed / 32768) != before.sample(1)


def test_long_sounds_are_cut_off_with_a_warning(sounds: Sounds) -> None:
    written = sounds.some(3)
    long = chirp(8, 6000)
    sounds.put(9, 5, long)
    with pytest.warns(UserWarning, match=r"fsdd train: 1 of 4 sounds .* 0\.48 s"):
        cached = EAR.prepare(sounds.load())
    spikes = EAR.encode(cached, seed=0)
    assert np.array_equal(spikes.dense()[3], reference_raster(long, 300))
    rest = replace(EAR, steps=500).spikes(long / 32768).dense()[0, 300:]
    assert rest.any(), "the sound must continue"
    assert not spikes.dense()[0, 1 + 10 * (len(written[0]) // 128) :].any(), "silence must follow a short sound"


# Resampling -----------------------------------------------------------------------------------------------------------


def test_another_sample_rate_raises_an_error_without_resampling(sounds: Sounds) -> None:
    sound = chirp(2, 3000)
    path = sounds.put(0, 5, sound, rate=16000)
    with raises_input_error(path, 16000, 8000, "resample"):
        EAR.prepare(sounds.load())
    ear = replace(EAR, resample=True)
    expected = ear.spikes(Sound(sound / 32768, 16000).resampled(8000).values)
    assert len(expected) > 0
    assert ear.encode(ear.prepare(sounds.load()), seed=0) == expected


# Errors -------------------------------------------------------------------------------------------------------------


def corrupt(kind: str, sounds: Sounds) -> Path:
    if kind == "stereo":
        return sounds.put(3, 7, chirp(0, 4000), channels=2)
    if kind == "rate":
        return sounds.put(3, 7, chirp(0, 4000), rate=11025)
    path = sounds.put(3, 7, chirp(0, 100 if kind == "short" else 4000))
    if kind == "empty":
        path.write_bytes(b"")
    if kind == "cut":
        path.write_bytes(path.read_bytes()[:3000])
    return path


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("stereo", ["2 channels"]),
        ("rate", [11025, 8000]),
        ("empty", ["empty file"]),
        ("cut", ["truncated"]),
        ("short", [100, 128]),
    ],
)
def test_a_corrupt_sound_is_named_in_one_line(kind: str, values: list[object], sounds: Sounds) -> None:
    sounds.some(70)
    path = corrupt(kind, sounds)
    with raises_input_error(path, *values) as caught:
        EAR.prepare(sounds.load())
    assert "\n" not in str(caught.value)
    path.unlink()
    assert len(EAR.prepare(sounds.load())) == 69, "the others are valid"


def test_samples_of_another_kind_raise_an_error_that_names_the_encoder_for_them(sounds: Sounds) -> None:
    sounds.some(2)
    files = sounds.load()
    with raises_input_error("encode: samples", "digits has images", "must be sounds", "current, "):
        EAR.prepare(datasets.load("digits", "test"))
    with raises_input_error("encode: samples", "fsdd has recordings", "must be sounds"):
        EAR.prepare(replace(files, reader="nmnist-bin"))
    with raises_input_error("encode: samples", "Files of fsdd", "prepare"):
        EAR.encode(files, seed=0)
    with raises_input_error("encode: samples", "fsdd has sounds", "must be images", "ear"):
        Poisson().prepare(files)


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"steps": 0}, "Ear.steps"),
        ({"steps": 10.0}, "Ear.steps"),
        ({"dt": 0.0}, "Ear.dt"),
        ({"dt": float("nan")}, "Ear.dt"),
        ({"model": "human"}, "Ear.model"),
        ({"code": "rate"}, "Ear.code"),
        ({"resample": 1}, "Ear.resample"),
        ({"sample_rate": 10}, "Lyon.sample_rate"),
        ({"decimation": 0}, "Lyon.decimation"),
        ({"gain": 0.0}, "Bsa.gain"),
        ({"threshold": 1.0}, "Bsa.threshold"),
        ({"steps_per_frame": 0}, "Bsa.steps_per_frame"),
        ({"model": "gammatone", "channels": 0}, "Gammatone.channels"),
        ({"code": "levels", "level": -1.0}, "Levels.level"),
        ({"code": "levels", "level": 1e-300}, "Levels.level"),
        ({"gain": 1e300}, "Bsa.gain"),
        # of a model and a code that are not selected
        ({"channels": 0}, "Gammatone.channels"),
        ({"channels": -3}, "Gammatone.channels"),
        ({"level": 0.0}, "Levels.level"),
        ({"level": -1.0}, "Levels.level"),
        ({"code": "levels", "gain": 0.0}, "Bsa.gain"),
        ({"code": "levels", "threshold": 1.0}, "Bsa.threshold"),
    ],
)
def test_values_out_of_range_raise_an_error(values: dict[str, Any], field: str) -> None:
    with raises_input_error(field, "got "):
        Ear(**values)


# Recordings -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fsdd")
def test_a_linear_classifier_recognises_spoken_digits_from_their_spikes(
    fsdd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Negative control: shuffled labels."""
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path)
    ear = Ear(sample_rate=8000, decimation=128)
    train, test = (ear.prepare(datasets.load("fsdd", split, folder=fsdd_folder)) for split in ("train", "test"))

    def counts(spikes: SpikeTrains) -> NDArray[np.float64]:
        """Square roots of the spike counts of each channel in ten intervals (samples, features)."""
        parts = spikes.dense().reshape(spikes.samples, 10, -1, spikes.size)
        return np.sqrt(parts.sum(axis=2).reshape(spikes.samples, -1))

    scaler = StandardScaler().fit(counts(train.take(slice(0, None, 2)).spikes()))
    train_counts, test_counts = (
        scaler.transform(counts(part.spikes())) for part in (train.take(slice(0, None, 2)), test)
    )
    labels = train.labels[::2]

    def accuracy(labels: NDArray[np.int64]) -> float:
        classifier = LogisticRegression(C=0.01, max_iter=200).fit(train_counts, labels)
        return float(classifier.score(test_counts, test.labels))

    assert accuracy(labels) > 0.85
    assert accuracy(np.random.default_rng(0).permutation(labels)) < 0.25
