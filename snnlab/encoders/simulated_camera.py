"""Images recorded by a simulated event camera, so that a network trained on images can be tested on recordings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from snnlab.data.fields import option
from snnlab.data.samples import Images, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.camera_model import Camera
from snnlab.encoders.encoder import TEST, TRAIN, WORD, CachedEncoder
from snnlab.encoders.sensor import Sensor
from snnlab.errors import InputError


@dataclass(frozen=True)
class SimulatedCamera(CachedEncoder):
    """A simulated event camera records images; a `Sensor` encodes its events, and those of recordings.

    An image is recorded once: its events are the same in all epochs, as for a recording.

    Raises InputError for a seed that is not 0 to 2^32 - 1.
    """

    name = "simulated-camera"
    selectable = False

    camera: Camera = field(default_factory=Camera)
    sensor: Sensor = field(default_factory=Sensor)
    seed: int = option(0, 'seed of the camera; images of the split "test" have their own random stream')

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < WORD:
            raise InputError("SimulatedCamera.seed", f"got {self.seed!r}", f"must be an integer, 0 to {WORD - 1}")

    @property
    def dt(self) -> float:
        return self.sensor.dt

    @property
    def recipe(self) -> dict[str, Any]:
        return {"encoder": self.name, "options": asdict(self), "version": [self.version, self.sensor.version]}

    @property
    def channel_names(self) -> tuple[str, ...]:
        return self.sensor.channel_names

    @property
    def _timing(self) -> tuple[int, float]:
        return self.sensor.steps, self.sensor.dt

    def _recipes(self) -> tuple[Mapping[str, Any], ...]:
        return self.recipe, self.sensor.recipe

    def _cache(self, samples: Samples, progress: ProgressCallback) -> Samples:
        if not isinstance(samples, Images):
            return self.sensor.prepare(samples, progress=progress)
        shape = (*self.camera.shape, 2)
        stream = TEST if samples.split == "test" else TRAIN

        def encode(chunk: Images) -> SpikeTrains:
            return self.sensor.spikes(self.camera.events(chunk, seed=self.seed, stream=stream), shape)

        named = replace(samples, dataset=f"{samples.dataset}-{self.name}")
        return cached_spikes(named, encode, self.sensor.grid(shape), self.recipe, progress=progress)
