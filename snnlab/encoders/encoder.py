"""Base classes of encoders, and checks that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict
from fractions import Fraction
from functools import cache
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from snnlab.cards import Card
from snnlab.cards.names import ExpressionError
from snnlab.cards.parsing import split_quantity
from snnlab.data.rates import RateInput
from snnlab.data.samples import CachedSpikes, Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress, recipe_digest
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets import kind_of
from snnlab.errors import InputError

TRAIN, TEST = 0, 1
"""Random streams of training and test samples, so that sample 7 of one is independent of sample 7 of the other."""

WORD = 1 << 32
"""Upper bound of seeds, epochs, streams and sample numbers."""


class Encoder(ABC):
    """Encodes samples as spikes or rates; the result for a sample does not depend on the batch.

    name        as in ``--set encoder=NAME``
    selectable  whether ``--set encoder=NAME`` accepts it in every experiment
    """

    name: ClassVar[str]
    selectable: ClassVar[bool] = True

    @property
    @abstractmethod
    def dt(self) -> float:
        """Seconds per step."""

    @abstractmethod
    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """Loaded samples in the form that `encode` takes: images, or recordings encoded once and cached.

        Raises InputError for samples that this encoder cannot encode, and for corrupt recordings.
        """

    @abstractmethod
    def encode(self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN) -> SpikeTrains | RateInput:
        """The spikes or rates of prepared samples; `stream` is TRAIN or TEST."""

    def cards(self) -> tuple[Card, ...]:
        """The cards that the result depends on."""
        return ()

    @property
    def channel_names(self) -> tuple[str, ...]:
        """What the last axis of the spikes' shape is; empty if it has no names."""
        return ()

    @property
    def centre_frequencies(self) -> NDArray[np.float64] | None:
        """The centre frequency of each neuron in hertz, if it has one."""
        return None


class ImageEncoder(Encoder):
    """Encodes images whenever they are shown."""

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """The images as they are. Raises InputError for other samples."""
        return check_images(samples)

    def encode(self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN) -> SpikeTrains | RateInput:
        """The spikes or rates of a batch of images. Raises InputError for other samples."""
        images = check_images(samples)
        check_random(seed, epoch, stream)
        return self._encode(images, seed, epoch, stream)

    @abstractmethod
    def _encode(self, images: Images, seed: int, epoch: int, stream: int) -> SpikeTrains | RateInput: ...


class CachedEncoder(Encoder):
    """Encodes samples once, and caches their spikes in a file.

    version  increased when the same samples give other spikes
    """

    version: ClassVar[int] = 1

    @property
    def recipe(self) -> dict[str, Any]:
        """Everything but the samples that determines the spikes; its digest identifies them."""
        return {"encoder": self.name, "options": asdict(self), "version": self.version}  # type: ignore[call-overload]

    def prepare(self, samples: Samples, *, progress: ProgressCallback = no_progress) -> Samples:
        """The spikes of samples, from the cache or written to it. Raises InputError for other or corrupt samples."""
        if isinstance(samples, CachedSpikes):
            return self.check_cached(samples)
        return self._cache(samples, progress)

    def encode(self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN) -> SpikeTrains:
        """The spikes of prepared samples, which are the same in every epoch. Raises InputError for other samples."""
        return self.check_cached(samples).spikes()

    @abstractmethod
    def _cache(self, samples: Samples, progress: ProgressCallback) -> Samples: ...

    @property
    @abstractmethod
    def _timing(self) -> tuple[int, float]:
        """Steps and seconds per step."""

    def _recipes(self) -> tuple[Mapping[str, Any], ...]:
        """Recipes of spikes that this encoder accepts."""
        return (self.recipe,)

    def check_cached(self, samples: Samples) -> CachedSpikes:
        """Raises InputError unless the samples are spikes that this encoder made."""
        field, hint = "encode: samples", "must be what `prepare` of this encoder returns"
        if not isinstance(samples, CachedSpikes):
            raise InputError(field, f"{type(samples).__name__} of {samples.dataset}", hint)
        steps, dt = self._timing
        if (samples.steps, samples.dt) != (steps, dt):
            raise InputError(field, f"{samples.steps} steps of {samples.dt:g} s", f"must be {steps} of {dt:g} s")
        if samples.recipe_digest not in map(recipe_digest, self._recipes()):
            raise InputError(field, f"spikes of shape {samples.shape} of another encoder, or with other options", hint)
        return samples


# Checks ----------------------------------------------------------------------------------------------------------

_ENCODERS = {
    "images": "current, delta, features, intensity, latency, patterns, poisson, population or regular",
    "sounds": "ear",
    "recordings of an event camera": "sensor",
}
"""Kinds of samples, and the encoders for them."""


def unsuitable(samples: Samples, required: str) -> InputError:
    """The error for samples of another kind than an encoder requires; names the encoders for them."""
    kind = kind_of(samples)
    if kind == "events":
        kind = "recordings of an event camera" if samples.shape[2:] == (2,) else "recordings of another kind"
    hint = f"must be {required}"
    if kind in _ENCODERS and kind != required:
        hint += f"; for {kind}, set the encoder to {_ENCODERS[kind]}"
    shape = f" of shape {samples.shape}" if samples.shape else ""
    return InputError("encode: samples", f"{samples.dataset} has {kind}{shape}", hint)


def check_images(samples: Samples) -> Images:
    """Raises InputError unless the samples are valid images."""
    if not isinstance(samples, Images):
        raise unsuitable(samples, "images")
    values, peak, numbers = samples.values, samples.peak, samples.numbers
    if values.dtype != np.uint8 or values.ndim != 2:
        raise InputError("encode: values", f"got {values.dtype} {values.shape}", "must be uint8 (samples, features)")
    if not 1 <= peak <= 255:
        raise InputError("encode: peak", f"got {peak}", "must be 1 to 255, the value of full intensity")
    if values.size and values.max() > peak:
        raise InputError("encode: values", f"got {values.max()}", f"must be at most {peak}, the peak")
    if numbers.dtype != np.int64 or numbers.shape != values.shape[:1]:
        raise InputError("encode: numbers", f"got {numbers.dtype} {numbers.shape}", f"must be int64 ({len(values)},)")
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < WORD:
        raise InputError("encode: numbers", f"got {numbers.min()} to {numbers.max()}", f"must be 0 to {WORD - 1}")
    return samples


def check_grid(encoder: str, steps: int, dt: float, *, max_steps: int = (1 << 31) - 1) -> None:
    """Raises InputError for an invalid number or length of time steps."""
    if type(steps) is not int or not 1 <= steps <= max_steps:
        raise InputError(f"{encoder}.steps", f"got {steps!r}", f"must be an integer, 1 to {max_steps}")
    if not 1e-9 <= dt <= 1e3:
        raise InputError(f"{encoder}.dt", f"got {dt!r}", "must be 1e-9 to 1000 seconds")


def check_quantities(encoder: object, *names: str) -> None:
    """Raises InputError for a field of the encoder that is not the text of a number, optionally with a unit."""
    for name in names:
        try:
            split_quantity(getattr(encoder, name))
        except ExpressionError as error:
            raise InputError(f"{type(encoder).__name__}.{name}", str(error)) from error


def check_random(seed: int, epoch: int, stream: int) -> None:
    """Raises InputError for numbers that cannot be part of the key or counter of a random number."""
    for name, number in (("seed", seed), ("epoch", epoch), ("stream", stream)):
        if not 0 <= number < WORD:
            raise InputError(f"encode: {name}", f"got {number}", f"must be 0 to {WORD - 1}")


@cache
def scaled_rates(max_rate: float, peak: int) -> NDArray[np.uint64]:
    """The rate of each value, 0 to 255, if the peak has `max_rate`; in units of 2^-32, exact but for one rounding."""
    exact = [WORD * Fraction(max_rate) * min(value, peak) / peak for value in range(256)]
    return np.array([round(rate) for rate in exact], dtype=np.uint64)
