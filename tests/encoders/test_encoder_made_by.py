"""What makes packed spikes has a number, and whoever changes the spikes must raise it, or old ones would be taken.

The check sums say of no spike that it is right, which the other tests of encoders do. A test that fails here asks for
a raised ``_MADE_BY`` in the encoder's file, and for the new pair of number and check sum.
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
from snnlab.encoders import Ear, Features, Sensor, SimulatedCamera, ear, features, sensor, simulated_camera
from snnlab.encoders.camera_model import Camera


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("snnlab.data.spike_cache.cache_folder", lambda: tmp_path / "cache")  # kernels stay compiled
    return tmp_path / "cache" / "spikes"


def checked(spikes: SpikeTrains) -> int:
    crc = zlib.crc32(spikes.ids.astype("<i4").tobytes())
    return zlib.crc32(spikes.offsets.astype("<i8").tobytes(), crc)


def a_recording() -> list[Event]:
    """Events of all pixels and both signs; their times are far from where the picture moves by half a pixel."""
    return [(7 * k % 34, 5 * k % 34, k % 3 % 2, 401 * k) for k in range(800)]


def a_sound() -> NDArray[np.int16]:
    """A triangular wave whose pitch rises from 60 to 800 Hz, of whole numbers alone."""
    phase = np.cumsum(30 + np.arange(6000) // 16)
    return (np.abs(phase % 4000 - 2000) * 12 - 12000).astype(np.int16)


def an_image() -> Images:
    """A bright square on a dark ground."""
    values = np.zeros((1, 12, 12), dtype=np.uint8)
    values[0, 3:8, 4:9] = 255
    none = np.zeros(1, dtype=np.int64)
    return Images(
        values=values.reshape(1, -1), peak=255, labels=none, numbers=none, shape=(12, 12), classes=("a",),
        dataset="square", split="train",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "made"),
    [
        (Sensor(), (1, 1694851596)),
        (Sensor(400, 1e-3, stabilise=False, centre=True, polarities=False, pool=3), (1, 3114105846)),
    ],
)
def test_a_recording_gives_the_spikes_of_the_sensors_number(
    code: Sensor, made: tuple[int, int], tmp_path: Path
) -> None:
    recordings = Recordings(tmp_path)
    recordings.put(3, "00001.bin", a_recording())
    assert (code.recipe["made_by"], checked(code.prepare(recordings.load()).spikes())) == made


@pytest.mark.parametrize(
    ("code", "made"),
    [
        (Ear(steps=500, sample_rate=8000, decimation=128), (1, 332396623)),
        (
            Ear(300, 1e-3, "gammatone", 8000, decimation=40, code="levels", steps_per_frame=2, level=0.02),
            (1, 2807392841),
        ),
    ],
)
def test_a_sound_gives_the_spikes_of_the_ears_number(code: Ear, made: tuple[int, int], tmp_path: Path) -> None:
    """A sound so little louder gives the same ones, so that rounding decides about none."""
    (tmp_path / "fsdd" / "recordings").mkdir(parents=True)
    with wave.open(str(tmp_path / "fsdd" / "recordings" / "0_ada_5.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(a_sound().astype("<i2").tobytes())
    spikes = code.prepare(datasets.load("fsdd", "train", folder=tmp_path)).spikes()
    assert len(spikes) > 100
    assert spikes == code.spikes(a_sound() / 32768 * (1 + 1e-9))
    assert (code.recipe["made_by"], checked(spikes)) == made


def test_an_image_gives_the_spikes_of_the_cameras_number() -> None:
    """In steps of 4 ms, within which no rounding of the camera's moves an event."""
    code = SimulatedCamera(Camera(shape=(14, 14), origin=(0.5, 0.5)), Sensor(90, 4e-3, stabilise=False), seed=1)
    spikes = code.prepare(an_image()).spikes()
    assert len(spikes) > 100
    assert (code.recipe["made_by"], checked(spikes)) == ([1, 1], 202682836)


def test_an_image_gives_the_spikes_of_the_features_number() -> None:
    code = Features(steps=400)
    spikes = code.prepare(an_image()).spikes()
    assert len(spikes) > 100
    assert (code.recipe["made_by"], checked(spikes)) == (1, 3805025037)


def test_spikes_of_another_number_are_made_anew(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And those of the same are not."""
    recordings = Recordings(tmp_path)
    recordings.some(2)

    def kept(module: Any, code: Sensor | SimulatedCamera | Features, samples: Any) -> list[int]:
        many = []
        for number in (1, 1, 2):
            monkeypatch.setattr(module, "_MADE_BY", number)
            code.prepare(samples)
            many.append(len(list(cache.iterdir())))
        return many

    assert kept(sensor, Sensor(), recordings.load()) == [1, 1, 2]
    small = SimulatedCamera(replace(Camera(), shape=(14, 14)))
    assert kept(simulated_camera, small, an_image()) == [3, 3, 4]
    monkeypatch.setattr(sensor, "_MADE_BY", 7)
    small.prepare(an_image())
    assert len(list(cache.iterdir())) == 5, "films pass through the sensor's code, too"
    assert kept(features, Features(steps=50), an_image()) == [6, 6, 7]
    assert Ear().recipe["made_by"] == ear._MADE_BY
