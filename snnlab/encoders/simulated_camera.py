"""Images into spikes by way of a modelled camera, so that a network can then be tested on recordings."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Any

from snnlab.data.samples import CachedSpikes, Images, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes, no_progress
from snnlab.data.spikes import SpikeTrains
from snnlab.encoders.camera_model import Camera
from snnlab.encoders.encoder import TEST, TRAIN, WORD, packed
from snnlab.encoders.sensor import Sensor
from snnlab.errors import InputError

_MADE_BY = 1  # of the camera; raised when the same image gives other events


@dataclass(frozen=True)
class SimulatedCamera:
    """Images are filmed by a modelled `camera`; its events, and those of recordings, become spikes by one `sensor`.

    seed  what the camera draws; images of the part "test" are drawn apart from all others

    An image is filmed once: its events are the same in all epochs, as those of a recording are.

    Raises InputError for another seed than 0 to 2^32 - 1.
    """

    camera: Camera = field(default_factory=Camera)
    sensor: Sensor = field(default_factory=Sensor)
    seed: int = 0

    def __post_init__(self) -> None:
        if type(self.seed) is not int or not 0 <= self.seed < WORD:
            raise InputError("SimulatedCamera.seed", f"found {self.seed!r}", f"needs a whole number, 0 to {WORD - 1}")

    @property
    def dt(self) -> float:
        return self.sensor.dt

    @property
    def polarities(self) -> bool:
        return self.sensor.polarities

    @property
    def recipe(self) -> dict[str, Any]:
        """All that the spikes of films depend on beside the images."""
        return {"SimulatedCamera": asdict(self), "made_by": [_MADE_BY, self.sensor.recipe["made_by"]]}

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> CachedSpikes:
        """Images filmed, or recordings as they are, as spikes from the cache or into it.

        Raises InputError for what is neither, and where `Camera.events` or `Sensor.prepare` do.
        """
        if isinstance(samples, CachedSpikes):
            return self._packed(samples)
        if not isinstance(samples, Images):
            return self.sensor.prepare(samples, threads=threads, progress=progress)
        shape = (*self.camera.shape, 2)
        grid = self.sensor.grid(shape)
        stream = TEST if samples.split == "test" else TRAIN

        def encode(chunk: Images) -> SpikeTrains:
            return self.sensor.spikes(self.camera.events(chunk, seed=self.seed, stream=stream), shape)

        kept = replace(samples, dataset=f"{samples.dataset}-filmed")
        return cached_spikes(kept, encode, grid, self.recipe, threads=threads, progress=progress)

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of samples that were prepared; what is random about them was drawn then."""
        return self._packed(samples).spikes()

    def _packed(self, samples: Samples) -> CachedSpikes:
        """The samples, being films that were made so, or recordings as the sensor has them."""
        return packed(samples, self.sensor.steps, self.sensor.dt, self.recipe, self.sensor.recipe)
