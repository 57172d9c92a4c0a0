"""Reading of sound files, decoded by libsndfile."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from snnlab.audio.headers import SoundHeader, read_header
from snnlab.errors import InputError

_SUBTYPES = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_SAMPLE_RATES = range(1000, 384_001)
_MAX_AMPLITUDE = 10.0  # times full scale; larger floats are in another unit
_MAX_RATIO = 10_000  # of a conversion; larger numbers would take a filter of more than 200,000 taps


@dataclass(frozen=True, eq=False)
class Sound:
    """One channel of sound: float64 `values` (samples,), full scale 1, at `sample_rate` samples per second."""

    values: NDArray[np.float64]
    sample_rate: int

    @property
    def duration(self) -> float:
        """Seconds."""
        return len(self.values) / self.sample_rate

    def resampled(self, sample_rate: int) -> Sound:
        """The sound at another sample rate, by a polyphase filter (scipy.signal.resample_poly).

        Raises InputError for a sample rate out of range, and if the ratio of both needs integers above 10,000.
        """
        _check_sample_rate("Sound.resampled", sample_rate)
        common = math.gcd(sample_rate, self.sample_rate)
        up, down = sample_rate // common, self.sample_rate // common
        if max(up, down) > _MAX_RATIO:
            problem = f"{self.sample_rate} Hz to {sample_rate} Hz"
            raise InputError("Sound.resampled", problem, f"must have a ratio of integers up to {_MAX_RATIO}")
        if up == down:
            return self
        from scipy.signal import resample_poly  # takes half a second to import

        return Sound(resample_poly(self.values, up, down), sample_rate)


def read(path: str | Path, *, sample_rate: int | None = None, max_duration: float = 60.0) -> Sound:
    """Read a RIFF WAV or NIST SPHERE file with one channel of PCM, float, mu-law or A-law samples.

    sample_rate   required samples per second; None for any
    max_duration  maximum seconds

    Raises InputError for another format, for a file that is truncated, empty, compressed, contradictory or too long,
    for several channels, another sample rate, and samples that are not finite.
    """
    path = Path(path)
    try:
        if not path.is_file():
            problem = "not a file" if path.exists() else "no such file"
            raise InputError(path, problem, "must be a WAV or SPHERE file")
        with path.open("rb") as file:
            header = read_header(path, file)
        _check_header(path, header, max_duration)
        values = _decode(path, header)
    except OSError as error:
        raise InputError(path, error.strerror or str(error), "must be a readable file") from error
    _check_values(path, values, header)
    if sample_rate is not None and header.sample_rate != sample_rate:
        hint = f"must be {sample_rate}: convert it, or set the option resample of the encoder"
        raise InputError(path, f"{header.sample_rate} samples per second", hint)
    return Sound(values, header.sample_rate)


def _check_sample_rate(field: str | Path, sample_rate: int) -> None:
    if sample_rate not in _SAMPLE_RATES:
        hint = f"must be {_SAMPLE_RATES[0]} to {_SAMPLE_RATES[-1]}"
        raise InputError(field, f"{sample_rate} samples per second", hint)


def _check_header(path: Path, header: SoundHeader, max_duration: float) -> None:
    if header.channels != 1:
        raise InputError(path, f"{header.channels} channels", "must be one: sox IN.wav OUT.wav remix 1")
    _check_sample_rate(path, header.sample_rate)
    if not header.frames:
        raise InputError(path, "no samples", "must have at least one")
    if header.frames > max_duration * header.sample_rate:
        problem = f"{header.frames / header.sample_rate:.1f} s of sound"
        raise InputError(path, problem, f"must be at most {max_duration:g} s")


def _decode(path: Path, header: SoundHeader) -> NDArray[np.float64]:
    import soundfile  # loads libsndfile

    samples: NDArray[np.float64]
    try:
        if header.subtype:
            # raw, because libsndfile guesses byte orders and misreads fields of SPHERE headers
            with path.open("rb") as content:
                content.seek(header.start)
                raw = io.BytesIO(content.read(header.frames * (2 if header.subtype == "PCM_16" else 1)))
            options = {"format": "RAW", "channels": 1, "samplerate": header.sample_rate}
            samples, _ = soundfile.read(raw, subtype=header.subtype, endian=header.endian, dtype="float64", **options)
            return samples
        with soundfile.SoundFile(path) as file:
            if (file.channels, file.samplerate) != (1, header.sample_rate) or file.subtype not in _SUBTYPES:
                problem = f"{file.subtype} of {file.channels} channels at {file.samplerate} Hz"
                raise InputError(path, problem, f"must be one channel of {', '.join(_SUBTYPES)}")
            samples = file.read(header.frames, dtype="float64")
            return samples
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise InputError(path, f"cannot be decoded: {reason}", "must be PCM, float, mu-law or A-law") from error


def _check_values(path: Path, values: NDArray[np.float64], header: SoundHeader) -> None:
    if len(values) != header.frames:
        problem = f"{len(values)} samples, but {header.frames} in its header"
        raise InputError(path, problem, "the file is truncated or corrupt: copy it again")
    if not np.isfinite(values).all():
        raise InputError(path, "samples that are not finite", "must be finite")
    amplitude = float(np.abs(values).max())
    if amplitude > _MAX_AMPLITUDE:
        raise InputError(path, f"samples up to {amplitude:.3g} times full scale", "full scale of floats must be 1")
    if header.checksum is not None:
        total = int((values * 32768).astype(np.int64).sum()) % 65536
        if total != header.checksum:
            problem = f"checksum {total}, but {header.checksum} in its header"
            raise InputError(path, problem, "the file is corrupt: copy it again")
