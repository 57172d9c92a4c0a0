"""Envelopes of a gammatone filter bank, from high to low frequencies."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.cochlea import check_rates, check_sound, compiled, smoothing
from snnlab.errors import InputError

_WIDTH = 16 / (5 * np.pi)  # of a fourth-order filter with an equivalent rectangular bandwidth of 1
_HIGHEST = 0.45  # default highest centre frequency, relative to the sample rate


@dataclass(frozen=True)
class Gammatone:
    """Fourth-order gammatone filters as cascades of four complex poles (V. Hohmann, Acta Acustica 88, 2002).

    sample_rate  samples per second of its input
    decimation   samples per frame
    channels     filters, evenly spaced on the scale of equivalent rectangular bandwidths (Glasberg and Moore, Hearing
                 Research 47, 1990)
    lowest       centre frequency of the lowest channel, in hertz
    highest      centre frequency of the highest channel; default 0.45 of the sample rate

    The envelope of a channel, the absolute value of its complex output, is smoothed and sampled once per frame. For a
    tone at the centre frequency it equals the amplitude of the tone.

    Raises InputError for values out of range.
    """

    sample_rate: int = 12500
    decimation: int = 200
    channels: int = 64
    lowest: float = 50.0
    highest: float | None = None

    def __post_init__(self) -> None:
        check_rates("Gammatone", self.sample_rate, self.decimation)
        if type(self.channels) is not int or not 1 <= self.channels <= 10_000:
            raise InputError("Gammatone.channels", f"got {self.channels!r}", "must be an integer, 1 to 10000")
        nyquist = self.sample_rate / 2
        if not 1 <= self.lowest < nyquist:
            raise InputError("Gammatone.lowest", f"got {self.lowest!r}", f"must be 1 to below {nyquist:g} hertz")
        if not self.lowest <= self._highest < nyquist:
            hint = f"must be {self.lowest:g} to below {nyquist:g} hertz"
            raise InputError("Gammatone.highest", f"got {self._highest!r}", hint)

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
        """The envelopes for a sound (samples,), not negative (frames, channels).

        Samples after the last whole frame are ignored. Raises InputError for an invalid sound, and one shorter than a
        frame.
        """
        values = check_sound(sound, self.decimation)
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
        """Real part, imaginary part, and the gain for which the envelope of a tone is its amplitude (3, channels)."""
        radius = np.exp(-2 * np.pi * _WIDTH * erb(self.centres) / self.sample_rate)
        pole = radius * np.exp(2j * np.pi * self.centres / self.sample_rate)
        return np.stack([pole.real, pole.imag, 2 * (1 - radius) ** 4])


def erb(frequency: ArrayLike) -> NDArray[np.float64]:
    """Equivalent rectangular bandwidth of the ear at a frequency, both in hertz (Glasberg and Moore 1990)."""
    return 24.7 * (4.37e-3 * np.asarray(frequency, dtype=float) + 1)


def erb_number(frequency: ArrayLike) -> NDArray[np.float64]:
    """The number of such bandwidths below a frequency in hertz: the integral of ``1 / erb``."""
    return np.log1p(4.37e-3 * np.asarray(frequency, dtype=float)) / (24.7 * 4.37e-3)


def _frequency(number: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.expm1(number * (24.7 * 4.37e-3)) / 4.37e-3
