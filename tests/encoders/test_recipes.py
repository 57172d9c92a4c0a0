"""The version of an encoder must be increased when its spikes change, because the cache has spikes of the old version.

If a test fails here, increase ``version`` of the encoder and correct the pair of version and checksum. The checksums do
not show that the spikes are correct; the other tests of encoders do.
"""

from __future__ import annotations

import wave
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_recordings import Event, Recordings

from snnlab import datasets
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders import Ear, Features, Sensor, SimulatedCamera
from snnlab.encoders.camera_model import Camera


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # keeps compiled kernels
    return tmp_path / "cache" / "spikes"


def checksum(spikes: SpikeTrains) -> int:
    crc = zlib.crc32(spikes.ids.astype("<i4").tobytes())
    return zlib.crc32(spikes.offsets.astype("<i8").tobytes(), crc)


def a_recording() -> list[Event]:
    """Events of all pixels and polarities, at times when the position of the image is far from half a pixel."""
    return [(7 * k % 34, 5 * k % 34, k % 3 % 2, 401 * k) for k in range(800)]


def a_sound() -> NDArray[np.int16]:
    """An integer triangular wave whose frequency rises from 60 to 800 Hz."""
    phase = np.cumsum(30 + np.arange(6000) // 16)
    return (np.abs(phase % 4000 - 2000) * 12 - 12000).astype(np.int16)


def an_image() -> Images:
    """A bright square on a dark background."""
    values = np.zeros((1, 12, 12), dtype=np.uint8)
    values[0, 3:8, 4:9] = 255
    zero = np.zeros(1, dtype=np.int64)
    return Images(
        values=values.reshape(1, -1), peak=255, labels=zero, numbers=zero, shape=(12, 12), classes=("a",),
        dataset="square", split="train",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Sensor(), (1, 1694851596)),
        (Sensor(400, 1e-3, stabilise=False, centre=True, polarities=False, pool=3), (1, 3114105846)),
    ],
)
def test_the_spikes_of_sensor_match_its_version(code: Sensor, expected: tuple[int, int], tmp_path: Path) -> None:
    recordings = Recordings(tmp_path)
    recordings.put(3, "00001.bin", a_recording())
    assert (code.recipe["version"], checksum(code.prepare(recordings.load()).spikes())) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (Ear(steps=500, sample_rate=8000, decimation=128), (1, 332396623)),
        (
            Ear(300, 1e-3, "gammatone", 8000, decimation=40, code="levels", steps_per_frame=2, level=0.02),
            (1, 2807392841),
        ),
    ],
)
def test_the_spikes_of_ear_match_its_version(code: Ear, expected: tuple[int, int], tmp_path: Path) -> None:
    """A slightly louder sound gives the same spikes, so they do not depend on rounding."""
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    with wave.open(str(tmp_path / "fsdd" / "recordings" / "0_ada_5.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(a_sound().astype("<i2").tobytes())
    spikes = code.prepare(datasets.load("fsdd", "train", folder=tmp_path)).spikes()
    assert len(spikes) > 100
    assert spikes == code.spikes(a_sound() / 32768 * (1 + 1e-9))
    assert (code.recipe["version"], checksum(spikes)) == expected


def test_the_spikes_of_simulated_camera_match_its_version() -> None:
    """With steps of 4 ms, so that they do not depend on rounding."""
    code = SimulatedCamera(Camera(shape=(14, 14), origin=(0.5, 0.5)), Sensor(90, 4e-3, stabilise=False), seed=1)
    spikes = code.prepare(an_image()).spikes()
    assert len(spikes) > 100
    assert (code.recipe["version"], checksum(spikes)) == ([1, 1], 202682836)


def test_the_spikes_of_features_match_its_version() -> None:
    code = Features(steps=400)
    spikes = code.prepare(an_image()).spikes()
    assert len(spikes) > 100
    assert (code.recipe["version"], checksum(spikes)) == (1, 3805025037)


def test_samples_are_encoded_again_only_for_another_version(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recordings = Recordings(tmp_path)
    recordings.some(2)

    def cache_files(code: Sensor | SimulatedCamera | Features, samples: Any) -> list[int]:
        counts = []
        for version in (1, 1, 2):
            monkeypatch.setattr(type(code), "version", version)
            code.prepare(samples)
            counts.append(len(list(cache.iterdir())))
        return counts

    assert cache_files(Sensor(), recordings.load()) == [1, 1, 2]
    small = SimulatedCamera(replace(Camera(), shape=(14, 14)))
    assert cache_files(small, an_image()) == [3, 3, 4]
    monkeypatch.setattr(Sensor, "version", 7)
    small.prepare(an_image())
    assert len(list(cache.iterdir())) == 5, "the version of the sensor counts too"
    assert cache_files(Features(steps=50), an_image()) == [6, 6, 7]
