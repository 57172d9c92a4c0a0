"""Lyon's passive cochlea model: a filter cascade, rectification, gain control and lateral inhibition."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from snnlab.audio.cochlea import check_rates, check_sound, compiled, smoothing
from snnlab.errors import InputError

_BREAK = 1000.0  # Hz; bandwidth is constant below it, and Q above
_ZERO_Q, _ZERO_OFFSET = 5.0, 1.5  # of the zeros: relative to the Q of the poles, in steps above them
_CORNER = 300.0  # Hz; high-pass filter of the outer and middle ear
_GAINS = {0.64: 0.0032, 0.16: 0.0016, 0.04: 0.0008, 0.01: 0.0004}  # time constant in seconds: target


@dataclass(frozen=True)
class Lyon:
    """Lyon's passive cochlea model (R. F. Lyon, ICASSP 1982), after M. Slaney, Apple Technical Report 13, 1988.

    sample_rate  samples per second of its input
    decimation   samples per frame
    q            quality factor of the filters; a smaller one means broader filters and fewer channels
    step         distance between adjacent filters, in bandwidths
    gain_control whether four stages of gain control adapt the channels to recent loudness
    difference   whether to subtract the next lower channel from each channel

    The sound, full scale 1, passes two front sections and a cascade of second-order sections, one per channel, each a
    notch above a resonance, from high to low frequencies. The outputs are half-wave rectified, gain-controlled,
    differenced, smoothed, and sampled once per frame. Details are those of LyonPassiveEar in Slaney's Auditory Toolbox
    (Interval Research, Technical Report 1998-010), which also sets the two front sections to 0 in the first sample of
    every frame.

    Raises InputError for values out of range.
    """

    sample_rate: int = 12500
    decimation: int = 200
    q: float = 8.0
    step: float = 0.25
    gain_control: bool = True
    difference: bool = True

    def __post_init__(self) -> None:
        check_rates("Lyon", self.sample_rate, self.decimation)
        if not 1 <= self.q <= 100:
            raise InputError("Lyon.q", f"got {self.q!r}", "must be 1 to 100")
        if not 0.01 <= self.step <= 1:
            raise InputError("Lyon.step", f"got {self.step!r}", "must be 0.01 to 1")

    @property
    def frame(self) -> float:
        """Seconds per frame."""
        return self.decimation / self.sample_rate

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centre frequencies in hertz (channels,), the highest first: 78 at 12.5 kHz."""
        return _design(self.sample_rate, self.q, self.step)[0].copy()

    def cochleagram(self, sound: ArrayLike) -> NDArray[np.float64]:
        """The envelopes for a sound (samples,), not negative (frames, channels).

        Samples after the last whole frame are ignored. Raises InputError for an invalid sound, and one shorter than a
        frame.
        """
        values = check_sound(sound, self.decimation)
        centres, sections = _design(self.sample_rate, self.q, self.step)
        out = np.empty((len(values) // self.decimation, len(centres)))
        gains = np.array([(target, 1 - np.exp(-1 / (tau * self.sample_rate))) for tau, target in _GAINS.items()])
        failed = compiled().snnlab_lyon(
            values, len(out), self.decimation, sections, sections.shape[1], gains, self.gain_control, self.difference,
            smoothing(self.decimation), out,
        )  # fmt: skip
        if failed:
            raise MemoryError("no memory for a cochleagram")
        return out


@cache
def _design(rate: int, q: float, step: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre frequencies (channels,), and the coefficients a0, a1, a2, b1, b2 of all sections (5, 2 + channels)."""
    nyquist = rate / 2
    top = nyquist - (_ZERO_OFFSET - 1) * step * float(_bandwidth(nyquist, q))
    low = _BREAK / np.sqrt(4 * q**2 - 1)  # where the Q of the poles falls below 1/2
    centres = _between(top, low, q, step)
    width = _bandwidth(centres, q)
    zeros = centres + _ZERO_OFFSET * step * width
    cascade = np.concatenate(
        [_resonance(zeros, _ZERO_Q * zeros / width, rate), _resonance(centres, centres / width, rate)[1:]]
    )
    ratio = centres[:-1] / centres[1:]
    cascade = _with_gain(cascade, np.concatenate([ratio[:1], ratio]), 0.0)
    differentiator = np.array([0.0, 1.0, -np.exp(-2 * np.pi * _CORNER / rate), 0.0, 0.0])
    resonance = np.array([1.0, 0.0, -1.0, *_resonance(np.array(top), centres[0] / width[0], rate)[1:]])
    front = _with_gain(np.stack([differentiator, resonance], axis=1), np.ones(2), 0.25)
    return centres, np.ascontiguousarray(np.concatenate([front, cascade], axis=1))


def _bandwidth(frequency: ArrayLike, q: float) -> NDArray[np.float64]:
    return np.sqrt(np.square(frequency) + _BREAK**2) / q


def _between(top: float, low: float, q: float, step: float) -> NDArray[np.float64]:
    """Frequencies from `top` down to `low`, each `step` bandwidths below the previous.

    On the scale x = q asinh(f / break), every bandwidth is 1.
    """
    number = int(np.floor(q * (np.arcsinh(top / _BREAK) - np.arcsinh(low / _BREAK)) / step))
    return _BREAK * np.sinh(np.arcsinh(top / _BREAK) - np.arange(1, number + 1) * step / q)


def _resonance(frequency: NDArray[np.float64], q: NDArray[np.float64], rate: int) -> NDArray[np.float64]:
    """Coefficients of 1 + b1 / z + b2 / z^2, a resonance at `frequency` with quality factor `q` (3, ...)."""
    radius = np.exp(-np.pi * frequency / (rate * q))
    angle = 2 * np.pi * frequency / rate * np.sqrt(1 - 1 / (4 * q**2))
    return np.stack([np.ones_like(radius), -2 * radius * np.cos(angle), radius**2])


def _with_gain(sections: NDArray[np.float64], gain: NDArray[np.float64], cycles: float) -> NDArray[np.float64]:
    """Sections (5, n) scaled to a gain (n,) at a frequency in cycles per sample."""
    z = np.exp(2j * np.pi * cycles)
    a0, a1, a2, b1, b2 = sections
    current = np.abs((a0 * z**2 + a1 * z + a2) / (z**2 + b1 * z + b2))
    return np.concatenate([sections[:3] * (gain / current), sections[3:]])
