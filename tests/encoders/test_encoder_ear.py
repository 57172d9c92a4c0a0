"""Sounds become the spikes that the parts of the ear make one after another, and are packed as they are."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler
from test_sound_coders import slow_bsa

from snnlab import datasets
from snnlab.audio.files import Sound
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.levels import Levels
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import Files
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Ear, Poisson
from snnlab.errors import InputError

EAR = Ear(steps=300, sample_rate=8000, decimation=128)


def chirp(seed: int, samples: int) -> NDArray[np.int16]:
    """A tone that glides, different for each seed."""
    time = np.arange(samples) / 8000
    low, high = 200 + 150 * (seed % 9), 600 + 250 * (seed % 7)
    loud = 9000 * np.sin(np.pi * np.arange(samples) / samples)
    return np.round(loud * np.sin(2 * np.pi * (low * time + (high - low) * time**2))).astype(np.int16)


class Sounds:
    """A data folder with spoken digits that a test may add to and spoil."""

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
        """So many recordings for training, in the order in which they are loaded: digit after digit."""
        takes = [(k % 10, 5 + k // 10) for k in range(number)]
        sounds = {at: chirp(k, 1500 + 37 * (k % 20)) for k, at in enumerate(takes)}
        for at, sound in sounds.items():
            self.put(*at, sound)
        return [sounds[at] for at in sorted(sounds)]

    def load(self) -> Files:
        files = datasets.load("fsdd", "train", folder=self.data)
        assert isinstance(files, Files)
        return files


@pytest.fixture
def sounds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sounds:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # kernels stay compiled
    return Sounds(tmp_path / "data")


def by_hand(sound: NDArray[np.int16], steps: int, gain: float = 2000.0) -> NDArray[np.bool_]:
    """The raster (steps, channels): Lyon's ear, then BSA in the words of its paper; cut off, or followed by silence."""
    fired = slow_bsa(Lyon(8000, 128).cochleagram(sound / 32768) * (gain / 2000))
    raster = np.zeros((steps, fired.shape[1]), dtype=bool)
    raster[: len(fired)] = fired[:steps]
    return raster


# What is heard --------------------------------------------------------------------------------------------------------


def test_a_sound_becomes_the_spikes_that_ear_and_code_make(sounds: Sounds) -> None:
    """From its file, of which the standard library's reading is the measure. A slightly louder one is the control."""
    sound = chirp(3, 2000)
    with wave.open(str(sounds.put(0, 5, sound))) as file:
        read = np.frombuffer(file.readframes(2000), dtype="<i2")
    raster = EAR.encode(EAR.prepare(sounds.load()), seed=0).dense()[0]
    assert raster.any()
    assert np.array_equal(raster, by_hand(read, 300))
    assert not np.array_equal(raster, by_hand(read, 300, gain=2050))


def test_time_is_that_of_the_network(sounds: Sounds) -> None:
    """The same steps, whatever a step is to be; with 1.6 ms they last as long as they were heard: 16 ms for ten."""
    sound = chirp(1, 1800) / 32768
    played, real = EAR.spikes(sound), replace(EAR, dt=1.6e-3).spikes(sound)
    assert (played.dt, real.dt) == (1e-3, 1.6e-3)
    assert played == real
    assert real.duration == pytest.approx(EAR.max_duration) == pytest.approx(300 * 128 / 8000 / 10)


def test_gammatones_and_levels_are_taken_where_they_are_asked_for() -> None:
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
    assert ear.grid.shape == (34,), "ON and OFF for each channel"


def test_the_defaults_are_those_of_hm2bp() -> None:
    """Lyon's ear at 12.5 kHz has 78 channels at a decimation of 200, of which a frame is 16 ms and 10 steps."""
    assert Ear().grid.shape == (78,)
    assert (Ear().cochlea.frame, Ear().coder.steps_per_frame, Ear().steps) == (0.016, 10, 700)


# Cached spikes ---------------------------------------------------------------------------------------------------


def test_packed_sounds_are_the_sounds(sounds: Sounds) -> None:
    """Over several chunks and threads, in any order, and after the cache is opened a second time."""
    written, files, told = sounds.some(150), sounds.load(), list[tuple[int, int]]()
    for threads in (3, 1):
        packed = EAR.prepare(files, threads=threads, progress=lambda *done: told.append(done))
        assert (told[0], told[-1], len(told)) == ((0, 150), (150, 150), 4), "told while packing, and not while mapping"
        assert (len(packed), packed.shape, packed.dt) == (150, (64,), 1e-3)
        order = np.random.default_rng(0).permutation(150)[:80]
        some = packed.take(order)
        singly = [EAR.spikes(written[k] / 32768).dense()[0] for k in order.tolist()]
        assert np.array_equal(EAR.encode(some, seed=7, epoch=3, stream=1).dense(), singly)
        assert np.array_equal(some.labels, files.labels[order])
        assert EAR.prepare(packed) is packed


def test_threads_change_no_spike(sounds: Sounds, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sounds.some(150)
    found = []
    for threads in (1, 4):
        monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda own=tmp_path / f"cache of {threads}": own)
        found.append(EAR.encode(EAR.prepare(sounds.load(), threads=threads), seed=0))
    assert found[0] == found[1]


def test_another_ear_is_packed_apart_and_the_same_is_not(sounds: Sounds, tmp_path: Path) -> None:
    written = sounds.some(2)
    ears = [EAR, replace(EAR, gain=1000), replace(EAR, threshold=0.5), replace(EAR, code="levels")]
    ears += [replace(EAR, model="gammatone", gain=15), replace(EAR, steps=200), replace(EAR, dt=2e-3)]
    for ear in ears:
        spikes = ear.encode(ear.prepare(sounds.load()), seed=0)
        assert np.array_equal(spikes.dense()[1], ear.spikes(written[1] / 32768).dense()[0])
    replace(EAR, channels=9, level=1.0).prepare(sounds.load())  # of which this ear and this code have no use
    assert len(list((tmp_path / "cache" / "spikes").iterdir())) == len(ears)
    with pytest.raises(InputError, match=r"encode: samples: 300 steps of 0\.001 s.*this encoder has 200"):
        ears[5].encode(EAR.prepare(sounds.load()), seed=0)
    with pytest.raises(InputError, match=r"encode: samples: spikes of shape \(64,\) of another encoder, or"):
        ears[1].encode(EAR.prepare(sounds.load()), seed=0)


def test_a_sound_that_was_changed_is_packed_anew(sounds: Sounds) -> None:
    sounds.some(2)
    before = EAR.encode(EAR.prepare(sounds.load()), seed=0)
    changed = chirp(77, 1900)
    sounds.put(1, 5, changed)
    after = EAR.encode(EAR.prepare(sounds.load()), seed=0)
    assert after.sample(0) == before.sample(0)
    assert after.sample(1) == EAR.spikes(changed / 32768) != before.sample(1)


def test_long_sounds_are_cut_off_and_that_is_said(sounds: Sounds) -> None:
    written = sounds.some(3)
    long = chirp(8, 6000)
    sounds.put(9, 5, long)
    with pytest.warns(UserWarning, match=r"fsdd train: 1 of 4 sounds are cut off at 0\.48 s; more steps keep"):
        packed = EAR.prepare(sounds.load())
    spikes = EAR.encode(packed, seed=0)
    assert np.array_equal(spikes.dense()[3], by_hand(long, 300))
    rest = replace(EAR, steps=500).spikes(long / 32768).dense()[0, 300:]
    assert rest.any(), "something was lost"
    assert not spikes.dense()[0, 1 + 10 * (len(written[0]) // 128) :].any(), "silence after a short one"


# Resampling -----------------------------------------------------------------------------------------------------------


def test_another_rate_is_refused_unless_resampling_is_asked_for(sounds: Sounds) -> None:
    sound = chirp(2, 3000)
    path = sounds.put(0, 5, sound, rate=16000)
    said = f"{path}: 16000 samples per second; needs 8000: convert it, or let the ear do so with its option resample"
    with pytest.raises(InputError, match=f"^{said}$"):
        EAR.prepare(sounds.load())
    ear = replace(EAR, resample=True)
    expected = ear.spikes(Sound(sound / 32768, 16000).resampled(8000).values)
    assert len(expected) > 0
    assert ear.encode(ear.prepare(sounds.load()), seed=0) == expected


# InputError ---------------------------------------------------------------------------------------------------------


def spoilt(kind: str, sounds: Sounds) -> Path:
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
    ("kind", "said"),
    [
        ("stereo", "2 channels"),
        ("rate", "11025 samples per second; needs 8000"),
        ("empty", "an empty file"),
        ("cut", "it is truncated"),
        ("short", "a sound of 100 samples; a frame needs 128"),
    ],
)
def test_a_spoilt_sound_among_good_ones_is_named_in_one_line(kind: str, said: str, sounds: Sounds) -> None:
    sounds.some(70)
    path = spoilt(kind, sounds)
    with pytest.raises(InputError) as refused:
        EAR.prepare(sounds.load())
    message = str(refused.value)
    assert message.startswith(f"{path}: ") and said in message and "\n" not in message
    path.unlink()
    assert len(EAR.prepare(sounds.load())) == 69, "the others are good"


def test_samples_of_another_kind_are_refused(sounds: Sounds) -> None:
    sounds.some(2)
    files = sounds.load()
    with pytest.raises(
        InputError, match="^encode: samples: digits has images .*; this one needs sounds; for images: current, "
    ):
        EAR.prepare(datasets.load("digits", "test"))
    with pytest.raises(
        InputError, match="^encode: samples: fsdd has recordings of another kind; this one needs sounds$"
    ):
        EAR.prepare(replace(files, reader="nmnist-bin"))
    with pytest.raises(InputError, match="encode: samples: Files of fsdd; needs what the encoder's `prepare` gives"):
        EAR.encode(files, seed=0)
    with pytest.raises(InputError, match="^encode: samples: fsdd has sounds; this one needs images; for sounds: ear$"):
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
        # of a model and a code that are not asked for
        ({"channels": 0}, "Gammatone.channels"),
        ({"channels": -3}, "Gammatone.channels"),
        ({"level": 0.0}, "Levels.level"),
        ({"level": -1.0}, "Levels.level"),
        ({"code": "levels", "gain": 0.0}, "Bsa.gain"),
        ({"code": "levels", "threshold": 1.0}, "Bsa.threshold"),
    ],
)
def test_an_ear_that_cannot_be_is_refused(values: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError, match=rf"^{field}: found "):
        Ear(**values)


# Recordings -----------------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:fsdd")
def test_the_spikes_of_spoken_digits_tell_which_digit_it_was(
    fsdd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To a linear reader of spike counts, nine times in ten; from shuffled labels nothing can be learned."""
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path)
    ear = Ear(sample_rate=8000, decimation=128)
    train, test = (ear.prepare(datasets.load("fsdd", split, folder=fsdd_folder)) for split in ("train", "test"))

    def counts(spikes: SpikeTrains) -> NDArray[np.float64]:
        """Of each channel in each of ten parts of the time (samples, features)."""
        parts = spikes.dense().reshape(spikes.samples, 10, -1, spikes.size)
        return np.sqrt(parts.sum(axis=2).reshape(spikes.samples, -1))

    scaler = StandardScaler().fit(counts(train.take(slice(0, None, 2)).spikes()))
    seen, asked = (scaler.transform(counts(part.spikes())) for part in (train.take(slice(0, None, 2)), test))
    labels = train.labels[::2]

    def right(labels: NDArray[np.int64]) -> float:
        return float(LogisticRegression(C=0.01, max_iter=200).fit(seen, labels).score(asked, test.labels))

    assert right(labels) > 0.85
    assert right(np.random.default_rng(0).permutation(labels)) < 0.25
