"""A bank of gammatone filters: their envelopes, from high frequencies to low along the basilar membrane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.ear import check_ear, compiled, heard, smoothing
from snnlab.errors import InputError

_WIDTH = 16 / (5 * np.pi)  # of a filter of fourth order whose equivalent rectangular bandwidth is 1
_HIGHEST = 0.45  # of the rate: the highest centre frequency, unless chosen


@dataclass(frozen=True)
class Gammatone:
    """Gammatone filters of fourth order as four complex poles in a row (V. Hohmann, Acta Acustica 88, 2002).

    sample_rate samples per second of the sounds it hears
    decimation  samples per frame
    channels    filters, evenly spaced in numbers of equivalent rectangular bandwidths (Glasberg and Moore, Hearing
                Research 47, 1990)
    lowest      centre frequency of the lowest channel, in hertz
    highest     centre frequency of the highest; 0.45 of the rate if left out

    The envelope of a channel, the absolute value of its complex output, is smoothed and kept once a frame. A tone at
    the centre frequency has its own amplitude as envelope.

    Raises InputError for values that make no ear.
    """

    sample_rate: int = 12500
    decimation: int = 200
    channels: int = 64
    lowest: float = 50.0
    highest: float | None = None

    def __post_init__(self) -> None:
        check_ear("Gammatone", self.sample_rate, self.decimation)
        if type(self.channels) is not int or not 1 <= self.channels <= 10_000:
            raise InputError("Gammatone.channels", f"found {self.channels!r}", "needs a number of filters, 1 to 10000")
        if not 1 <= self.lowest < self.sample_rate / 2:
            raise InputError(
                "Gammatone.lowest", f"found {self.lowest!r}", f"needs hertz, 1 to below {self.sample_rate / 2:g}"
            )
        if not self.lowest <= self._highest < self.sample_rate / 2:
            right = f"needs hertz, {self.lowest:g} to below {self.sample_rate / 2:g}"
            raise InputError("Gammatone.highest", f"found {self._highest!r}", right)

    @property
    def frame(self) -> float:
        """Seconds per frame."""
        return self.decimation / self.sample_rate

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centre frequencies in hertz (channels,), the highest first."""
        low, high = erb_number(self.lowest), erb_number(self._highest)
        return _frequency(np.linspace(high, low, self.channels))

    def cochleagram(self, sound: ArrayLike) -> NDArray[np.float64]:
        """What is heard of a sound (samples,): at least 0 everywhere (frames, channels).

        What is left over after the last whole frame is not heard. Raises InputError for what is no sound, or shorter
        than a frame.
        """
        values = heard(sound, self.decimation)
        out = np.empty((len(values) // self.decimation, self.channels))
        poles = self._poles()
        failed = compiled().snnlab_gammatone(
            values, len(out), self.decimation, poles, self.channels, smoothing(self.decimation), out
        )
        if failed:
            raise MemoryError("no memory for a cochleagram")
        return out

    @property
    def _highest(self) -> float:
        return _HIGHEST * self.sample_rate if self.highest is None else self.highest

    def _poles(self) -> NDArray[np.float64]:
        """Real part, imaginary part, and the gain that makes a real tone's envelope its amplitude (3, channels)."""
        radius = np.exp(-2 * np.pi * _WIDTH * erb(self.centres) / self.sample_rate)
        pole = radius * np.exp(2j * np.pi * self.centres / self.sample_rate)
        return np.stack([pole.real, pole.imag, 2 * (1 - radius) ** 4])


def erb(frequency: ArrayLike) -> NDArray[np.float64]:
    """Equivalent rectangular bandwidth of the ear at a frequency, both in hertz (Glasberg and Moore 1990)."""
    return 24.7 * (4.37e-3 * np.asarray(frequency, dtype=float) + 1)


def erb_number(frequency: ArrayLike) -> NDArray[np.float64]:
    """How many such bandwidths fit below a frequency in hertz: the integral of ``1 / erb``."""
    return np.log1p(4.37e-3 * np.asarray(frequency, dtype=float)) / (24.7 * 4.37e-3)


def _frequency(number: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.expm1(number * (24.7 * 4.37e-3)) / 4.37e-3
