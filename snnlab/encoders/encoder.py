"""What an encoder is: samples in, spikes or rates out."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from functools import cache
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from snnlab.cards.names import ExpressionError
from snnlab.cards.parsing import split_quantity
from snnlab.data.rates import RateInput
from snnlab.data.samples import CachedSpikes, Images, Samples
from snnlab.data.spike_cache import ProgressCallback, no_progress, recipe_digest
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets import kind_of
from snnlab.errors import InputError

TRAIN, TEST = 0, 1
"""Streams for the two parts of a dataset: sample 7 of one is not drawn with the numbers of sample 7 of the other."""

WORD = 1 << 32
"""Seeds, epochs, streams and the numbers of samples are below it."""


class Encoder(Protocol):
    """Turns samples into spikes or rates, the same for the same numbers whatever the batch."""

    @property
    def dt(self) -> float:
        """Seconds per step."""

    def prepare(
        self, samples: Samples, *, threads: int | None = None, progress: ProgressCallback = no_progress
    ) -> Samples:
        """What `encode` takes, made once from what a loader gives: images as they are, recordings packed into spikes.

        threads  as many as may be used, None for all cores

        Raises InputError for samples of a kind that cannot be encoded this way, and for recordings that are spoilt.
        """

    def encode(
        self, samples: Samples, *, seed: int, epoch: int = 0, stream: int = TRAIN, threads: int = 1
    ) -> SpikeTrains | RateInput:
        """The spikes or rates of some samples that were prepared.

        stream   tells training from testing: TRAIN or TEST
        threads  as many as may be used; nothing depends on it
        """


_OTHERS = {
    "images": "current, delta, features, intensity, latency, patterns, poisson, population or regular",
    "sounds": "ear",
    "recordings of an event camera": "sensor",
}
"""What samples may be, and the encoders for them."""


def unfit(samples: Samples, needed: str) -> InputError:
    """The refusal of samples by an encoder that needs others, with the encoders that would take them."""
    found = kind_of(samples)
    if found == "events":
        found = "recordings of an event camera" if samples.shape[2:] == (2,) else "recordings of another kind"
    right = f"this one needs {needed}"
    if found in _OTHERS and found != needed:
        right += f"; for {found}: {_OTHERS[found]}"
    shape = f" of shape {samples.shape}" if samples.shape else ""
    return InputError("encode: samples", f"{samples.dataset} has {found}{shape}", right)


def images(samples: Samples) -> Images:
    """The samples, being images whose values make sense. Raises InputError for anything else."""
    if not isinstance(samples, Images):
        raise unfit(samples, "images")
    values, peak, numbers = samples.values, samples.peak, samples.numbers
    if values.dtype != np.uint8 or values.ndim != 2:
        raise InputError("encode: values", f"{values.dtype} {values.shape}", "needs uint8 (samples, features)")
    if not 1 <= peak <= 255:
        raise InputError("encode: peak", f"found {peak}", "needs the value of full intensity, 1 to 255")
    if values.size and values.max() > peak:
        raise InputError("encode: values", f"found {values.max()}", f"needs values up to the peak, {peak}")
    if numbers.dtype != np.int64 or numbers.shape != values.shape[:1]:
        right = f"needs int64 ({len(values)},), one number for each sample"
        raise InputError("encode: numbers", f"{numbers.dtype} {numbers.shape}", right)
    if numbers.size and not 0 <= numbers.min() <= numbers.max() < WORD:
        raise InputError("encode: numbers", f"found {numbers.min()}..{numbers.max()}", f"needs 0..{WORD - 1}")
    return samples


def packed(samples: Samples, steps: int, dt: float, *recipes: Mapping[str, Any]) -> CachedSpikes:
    """The samples, being spikes in so many steps that were made by one of these.

    Raises InputError for anything else.
    """
    if not isinstance(samples, CachedSpikes):
        found = f"{type(samples).__name__} of {samples.dataset}"
        raise InputError("encode: samples", found, "needs what the encoder's `prepare` gives")
    if (samples.steps, samples.dt) != (steps, dt):
        found = f"{samples.steps} steps of {samples.dt:g} s"
        raise InputError("encode: samples", found, f"this encoder has {steps} of {dt:g} s")
    if samples.recipe_digest not in map(recipe_digest, recipes):
        found = f"spikes of shape {samples.shape} of another encoder, or with other options"
        raise InputError("encode: samples", found, "needs what this encoder's `prepare` gives")
    return samples


def check_grid(encoder: str, steps: int, dt: float, *, most: int = (1 << 31) - 1) -> None:
    """Raises InputError for a grid of time on which this encoder can place no spikes."""
    if type(steps) is not int or not 1 <= steps <= most:
        raise InputError(f"{encoder}.steps", f"found {steps!r}", f"needs a whole number, 1 to {most}")
    if not 1e-9 <= dt <= 1e3:
        raise InputError(f"{encoder}.dt", f"found {dt!r}", "needs seconds, 1e-9 to 1000")


def check_quantities(encoder: object, *names: str) -> None:
    """Raises InputError for a field, of the encoder, that is no text of a number and perhaps a unit."""
    for name in names:
        try:
            split_quantity(getattr(encoder, name))
        except ExpressionError as error:
            raise InputError(f"{type(encoder).__name__}.{name}", str(error)) from error


@cache
def rates(max_rate: float, peak: int) -> NDArray[np.uint64]:
    """What falls to each value if `max_rate` falls to the peak, in 2^-32; worked out exactly, then rounded once."""
    exact = [WORD * Fraction(max_rate) * min(value, peak) / peak for value in range(256)]
    return np.array([round(rate) for rate in exact], dtype=np.uint64)


def check_draw(seed: int, epoch: int, stream: int, threads: int) -> None:
    """Raises InputError for numbers that no random number can be drawn by, and for no threads."""
    for name, number in (("seed", seed), ("epoch", epoch), ("stream", stream)):
        if not 0 <= number < WORD:
            raise InputError(f"encode: {name}", f"found {number}", f"needs 0 to {WORD - 1}")
    if threads < 1:
        raise InputError("encode: threads", f"found {threads}", "needs at least 1")
