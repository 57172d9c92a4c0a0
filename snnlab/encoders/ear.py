"""Sounds into spikes: a model of the ear, and a code for what each of its channels does."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.bsa import Bsa
from snnlab.audio.coder import MOST_STEPS
from snnlab.audio.files import read
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.levels import Levels
from snnlab.audio.lyon import Lyon
from snnlab.data.samples import CachedSpikes, Files, Samples
from snnlab.data.spike_cache import ProgressCallback, cached_spikes, no_progress
from snnlab.data.spike_file import Grid
from snnlab.data.spikes import SpikeTrains, stack
from snnlab.datasets import kind_of
from snnlab.encoders.encoder import TRAIN, packed, unfit
from snnlab.errors import InputError, one_of

_Model = Literal["lyon", "gammatone"]
_Code = Literal["bsa", "levels"]
_MADE_BY = 1  # raised when the same sound gives other spikes


@dataclass(frozen=True)
class Ear:
    """A cochlea model and a spike code; the defaults are those of HM2-BP for TI46 (Jin, Zhang, Li, NeurIPS 2018).

    steps            time steps of a sample. Silence follows shorter sounds; longer sounds are cut off with a warning
    dt               seconds per step for the network. A frame covers ``decimation / sample_rate`` seconds of sound and
                     lasts `steps_per_frame` steps: with 1 ms per step, sound plays 1.6 times as fast as recorded, and
                     a time constant of 64 ms spans 64 steps, as in the authors' code
    model            "lyon" or "gammatone", see snnlab/audio/
    sample_rate      samples per second that the cochlea model expects
    resample         whether to convert sounds of another sample rate; otherwise they raise an error
    decimation       samples per frame
    channels         of a gammatone filter bank, 1 to 10000; Lyon's model has a number of channels that depends on the
                     sample rate, 78 at 12.5 kHz and 64 at 8 kHz
    code             "bsa" (one neuron per channel) or "levels" (two neurons per channel)
    steps_per_frame  time steps for which each frame is held
    gain             of BSA: factor on the cochleagram, 1e-6 to 1e9; 2000 suits Lyon's model, about 15 a gammatone
                     filter bank
    threshold        of BSA: by how much a spike must reduce the error
    level            of "levels": change of the signal per spike, 1e-9 to 1000; 2e-5 suits Lyon's model, about 0.02 a
                     gammatone filter bank

    Raises InputError for values out of range, also those of the model and code that are not selected.
    """

    steps: int = 700
    dt: float = 1e-3
    model: _Model = "lyon"
    sample_rate: int = 12500
    resample: bool = False
    decimation: int = 200
    channels: int = 64
    code: _Code = "bsa"
    steps_per_frame: int = 10
    gain: float = 2000.0
    threshold: float = 0.6
    level: float = 2e-5

    def __post_init__(self) -> None:
        for name, known in (("model", get_args(_Model)), ("code", get_args(_Code))):
            if getattr(self, name) not in known:
                raise InputError(
                    f"Ear.{name}", f"found {getattr(self, name)!r}", one_of(str(getattr(self, name)), known)
                )
        if type(self.steps) is not int or not 1 <= self.steps <= MOST_STEPS:
            raise InputError("Ear.steps", f"found {self.steps!r}", f"needs a whole number, 1 to {MOST_STEPS}")
        if not 1e-6 <= self.dt <= 1:
            raise InputError("Ear.dt", f"found {self.dt!r}", "needs seconds, 1e-6 to 1")
        if type(self.resample) is not bool:
            raise InputError("Ear.resample", f"found {self.resample!r}", "needs True or False")
        # which refuse what makes none; those that are not asked for too, as the options are there to be changed
        _ = self._lyon, self._gammatone, self._bsa, self._levels

    @property
    def cochlea(self) -> Lyon | Gammatone:
        """What hears."""
        return self._lyon if self.model == "lyon" else self._gammatone

    @property
    def centre_frequencies(self) -> NDArray[np.float64]:
        """Hertz, for each channel of the cochlea."""
        return self.cochlea.centres

    @property
    def coder(self) -> Bsa | Levels:
        """What turns the heard into spikes."""
        return self._levels if self.code == "levels" else self._bsa

    @cached_property
    def _lyon(self) -> Lyon:
        return Lyon(self.sample_rate, self.decimation)

    @cached_property
    def _gammatone(self) -> Gammatone:
        return Gammatone(self.sample_rate, self.decimation, self.channels)

    @cached_property
    def _bsa(self) -> Bsa:
        return Bsa(self.gain, self.steps_per_frame, self.threshold)

    @cached_property
    def _levels(self) -> Levels:
        return Levels(self.level, self.steps_per_frame)

    @property
    def grid(self) -> Grid:
        """What the spikes of a sound lie on."""
        return Grid(self.steps, self.dt, (self.coder.neurons(len(self.cochlea.centres)),))

    @property
    def max_duration(self) -> float:
        """Seconds of sound that the steps have room for."""
        return self.steps * self.cochlea.frame / self.steps_per_frame

    @property
    def recipe(self) -> dict[str, Any]:
        """All that spikes depend on beside the sounds: what a part of the ear has no use for changes nothing."""
        parts = [self.model, asdict(self.cochlea), self.code, asdict(self.coder), self.resample]
        return {"Ear": parts, "made_by": _MADE_BY}

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> CachedSpikes:
        """The sounds as spikes, from the cache or into it. Raises InputError for what is none, and for spoilt ones.

        Warns, when they are made, of sounds that are longer than there are steps.
        """
        if isinstance(samples, CachedSpikes):
            return packed(samples, self.steps, self.dt, self.recipe)
        if not isinstance(samples, Files) or kind_of(samples) != "sounds":
            raise unfit(samples, "sounds")
        cut: list[Path] = []  # appending is safe in many threads

        def encode(chunk: Files) -> SpikeTrains:
            return stack([self._recorded(path, cut) for path in chunk.paths()])

        ready = cached_spikes(samples, encode, self.grid, self.recipe, threads=threads, progress=progress)
        if cut:
            many = f"{len(cut)} of {len(samples)} sounds are cut off at {self.max_duration:g} s"
            warnings.warn(f"{samples.dataset} {samples.split}: {many}; more steps keep them whole", stacklevel=2)
        return ready

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains:
        """The spikes of sounds that were prepared; nothing about them is random. Raises InputError for others."""
        return packed(samples, self.steps, self.dt, self.recipe).spikes()

    def spikes(self, sound: ArrayLike) -> SpikeTrains:
        """The spikes of one sound (samples,), full scale 1, at the ear's rate, as a batch of one.

        Raises InputError for what is no sound, or shorter than a frame.
        """
        heard = self.coder.encode(self.cochlea.cochleagram(sound), frame=self.cochlea.frame, steps=self.steps)
        return SpikeTrains(heard.ids, heard.offsets, heard.size, self.dt)

    def _recorded(self, path: Path, cut: list[Path]) -> SpikeTrains:
        """The spikes of the sound in a file, noted in `cut` if it is too long."""
        sound = read(path, sample_rate=None if self.resample else self.sample_rate)
        if sound.duration > self.max_duration:
            cut.append(path)
        try:
            return self.spikes(sound.resampled(self.sample_rate).values)
        except InputError as refusal:
            raise InputError(path, refusal.problem, refusal.hint) from refusal
