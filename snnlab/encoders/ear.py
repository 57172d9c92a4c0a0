"""Sounds as spikes: a cochlea model, and a spike code of its channels."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.bsa import Bsa
from snnlab.audio.cochlea import Cochlea
from snnlab.audio.coder import MAX_STEPS, Coder
from snnlab.audio.files import read
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.levels import Levels
from snnlab.audio.lyon import Lyon
from snnlab.data.fields import option
from snnlab.data.samples import Files, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.datasets import kind_of
from snnlab.encoders.encoder import CachedEncoder, unsuitable
from snnlab.errors import InputError, one_of

_Model = Literal["lyon", "gammatone"]
_Code = Literal["bsa", "levels"]


@dataclass(frozen=True)
class Ear(CachedEncoder):
    """A cochlea model and a spike code; the defaults are those of HM2-BP for TI46 (Jin, Zhang, Li, NeurIPS 2018).

    Raises InputError for values out of range, also those of the model and code that are not selected.
    """

    name = "ear"

    steps: int = option(
        700,
        "time steps of a sample. Silence follows shorter sounds; longer sounds are cut off with a warning",
    )
    dt: float = option(
        1e-3,
        "seconds per step for the network. A frame covers `decimation / sample_rate` seconds of sound and lasts "
        "`steps_per_frame` steps: with 1 ms per step, sound plays 1.6 times as fast as recorded, and a time constant "
        "of 64 ms spans 64 steps, as in the authors' code",
    )
    model: _Model = option("lyon", '"lyon" or "gammatone", see snnlab/audio/')
    sample_rate: int = option(12500, "samples per second that the cochlea model expects")
    resample: bool = option(False, "whether to convert sounds of another sample rate; otherwise they raise an error")
    decimation: int = option(200, "samples per frame")
    channels: int = option(
        64,
        "of a gammatone filter bank, 1 to 10000; Lyon's model has a number of channels that depends on the sample "
        "rate, 78 at 12.5 kHz and 64 at 8 kHz",
    )
    code: _Code = option("bsa", '"bsa" (one neuron per channel) or "levels" (two neurons per channel)')
    steps_per_frame: int = option(10, "time steps for which each frame is held")
    gain: float = option(
        2000.0,
        "of BSA: factor on the cochleagram, 1e-6 to 1e9; 2000 suits Lyon's model, about 15 a gammatone filter bank",
    )
    threshold: float = option(0.6, "of BSA: by how much a spike must reduce the error")
    level: float = option(
        2e-5,
        'of "levels": change of the signal per spike, 1e-9 to 1000; 2e-5 suits Lyon\'s model, about 0.02 a gammatone '
        "filter bank",
    )

    def __post_init__(self) -> None:
        for name, known in (("model", get_args(_Model)), ("code", get_args(_Code))):
            value = getattr(self, name)
            if value not in known:
                raise InputError(f"Ear.{name}", f"got {value!r}", one_of(str(value), known))
        if type(self.steps) is not int or not 1 <= self.steps <= MAX_STEPS:
            raise InputError("Ear.steps", f"got {self.steps!r}", f"must be an integer, 1 to {MAX_STEPS}")
        if not 1e-6 <= self.dt <= 1:
            raise InputError("Ear.dt", f"got {self.dt!r}", "must be 1e-6 to 1 seconds")
        if type(self.resample) is not bool:
            raise InputError("Ear.resample", f"got {self.resample!r}", "must be True or False")
        _ = self._models, self._codes  # check the other options

    @cached_property
    def _models(self) -> dict[str, Lyon | Gammatone]:
        return {
            "lyon": Lyon(self.sample_rate, self.decimation),
            "gammatone": Gammatone(self.sample_rate, self.decimation, self.channels),
        }

    @cached_property
    def _codes(self) -> dict[str, Bsa | Levels]:
        return {
            "bsa": Bsa(self.gain, self.steps_per_frame, self.threshold),
            "levels": Levels(self.level, self.steps_per_frame),
        }

    @property
    def cochlea(self) -> Cochlea:
        """The selected cochlea model."""
        return self._models[self.model]

    @property
    def coder(self) -> Coder:
        """The selected spike code."""
        return self._codes[self.code]

    @property
    def grid(self) -> Grid:
        """The grid of the spikes of a sound."""
        return Grid(self.steps, self.dt, (self.coder.neurons(len(self.cochlea.centres)),))

    @property
    def max_duration(self) -> float:
        """Seconds of sound that `steps` can hold."""
        return self.steps * self.cochlea.frame / self.steps_per_frame

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything but the sounds that determines the spikes, without the options that are not used."""
        model, code = asdict(self._models[self.model]), asdict(self._codes[self.code])
        options = [self.model, model, self.code, code, self.resample]
        return {"encoder": self.name, "options": options, "version": self.version}

    @property
    def centre_frequencies(self) -> NDArray[np.float64] | None:
        return self.cochlea.centres if self.code == "bsa" else None

    @property
    def _timing(self) -> tuple[int, float]:
        return self.steps, self.dt

    def _cache(self, samples: Samples, progress: ProgressCallback) -> Samples:
        if not isinstance(samples, Files) or kind_of(samples) != "sounds":
            raise unsuitable(samples, "sounds")
        cut_off: list[Path] = []  # appending is thread-safe

        def encode(chunk: Files) -> SpikeTrains:
            return stack([self._encode_file(path, cut_off) for path in chunk.paths()])

        cached = cached_spikes(samples, encode, self.grid, self.recipe, progress=progress)
        if cut_off:
            count = f"{len(cut_off)} of {len(samples)} sounds are cut off at {self.max_duration:g} s"
            hint = "increase steps to keep them whole"
            warnings.warn(f"{samples.dataset} {samples.split}: {count}; {hint}", stacklevel=3)
        return cached

    def spikes(self, sound: ArrayLike) -> SpikeTrains:
        """The spikes of one sound (samples,), full scale 1, at the expected sample rate, as a batch of one.

        Raises InputError for an invalid sound, and for one shorter than a frame.
        """
        spikes = self.coder.encode(self.cochlea.cochleagram(sound), frame=self.cochlea.frame, steps=self.steps)
        return SpikeTrains(spikes.ids, spikes.offsets, spikes.size, self.dt)

    def _encode_file(self, path: Path, cut_off: list[Path]) -> SpikeTrains:
        """The spikes of the sound in a file, which is added to `cut_off` if it is too long."""
        sound = read(path, sample_rate=None if self.resample else self.sample_rate)
        if sound.duration > self.max_duration:
            cut_off.append(path)
        try:
            return self.spikes(sound.resampled(self.sample_rate).values)
        except InputError as error:
            raise InputError(path, error.problem, error.hint) from error
