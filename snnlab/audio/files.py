"""Sound files into samples: RIFF WAV, decoded by libsndfile and checked before and after, and NIST SPHERE."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from snnlab.errors import InputError

_CODINGS = ("PCM_U8", "PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ULAW", "ALAW")
_RATES = range(1000, 384_001)
_RANGE = f"needs {_RATES[0]} to {_RATES[-1]}"
_LOUDEST = 10.0  # times full scale: floats beyond it were written in another unit
_RATIO = 10_000  # a conversion by a ratio of larger numbers would take a filter of more than 200,000 taps
_CHUNKS = 1000  # chunks of a RIFF file that are looked through for its samples
_FIELD = re.compile(r"(\w+) -(?:i|r|s\d+) (.*)", re.ASCII)
_BLANK = " \t\r"


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
        """The sound at another rate, by a polyphase filter (scipy.signal.resample_poly).

        Raises InputError for a rate out of range, and for one in no ratio of numbers up to 10,000 to that of the sound.
        """
        if sample_rate not in _RATES:
            raise InputError("Sound.resampled", f"{sample_rate} samples per second", _RANGE)
        common = math.gcd(sample_rate, self.sample_rate)
        up, down = sample_rate // common, self.sample_rate // common
        if max(up, down) > _RATIO:
            raise InputError(
                "Sound.resampled",
                f"{self.sample_rate} Hz to {sample_rate} Hz",
                f"needs a ratio of numbers up to {_RATIO}",
            )
        if up == down:
            return self
        from scipy.signal import resample_poly  # half a second, which whoever hears nothing should not wait for

        return Sound(resample_poly(self.values, up, down), sample_rate)


def read(path: str | Path, *, sample_rate: int | None = None, max_duration: float = 60.0) -> Sound:
    """The sound in a RIFF WAV or NIST SPHERE file, of any suffix: PCM, floats, mu-law or A-law, one channel.

    sample_rate  samples per second that are needed; any, if left out
    max_duration  seconds beyond which a file is refused

    Raises InputError for what is not such a file, is truncated, empty, compressed, or contradicts itself, for several
    channels, another rate, and samples that are not finite.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise InputError(path, "no such file" if not path.exists() else "not a file", "needs a WAV or SPHERE file")
        with path.open("rb") as file:
            promised = _promised(path, file)
        sound = _decoded(path, promised, max_duration)
    except OSError as error:
        raise InputError(path, f"cannot be read: {error.strerror or error}", "needs a file that is readable") from error
    if sample_rate is not None and sound.sample_rate != sample_rate:
        right = f"needs {sample_rate}: convert it, or let the ear do so with its option resample"
        raise InputError(path, f"{sound.sample_rate} samples per second", right)
    return sound


@dataclass(frozen=True)
class _Promise:
    """What a header says of the samples that follow it."""

    frames: int
    channels: int
    sample_rate: int
    begin: int = 0  # of the samples of SPHERE
    kind: str = ""  # a key of _KINDS
    checksum: int | None = None  # of 16-bit samples, modulo 2^16


def _promised(path: Path, file: BinaryIO) -> _Promise:
    head = file.read(16)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _riff(path, file)
    if head[:8] == b"NIST_1A\n":
        return _sphere(path, file)
    if head[:4] == b"ajkg":
        raise InputError(path, "a file compressed by shorten", "unpack it first: shorten -x FILE")
    found = f"begins with {head[:8]!r}" if head else "an empty file"
    raise InputError(path, found, "needs a RIFF WAV or a NIST SPHERE file")


# RIFF ---------------------------------------------------------------------------------------------------------------


def _riff(path: Path, file: BinaryIO) -> _Promise:
    size, place, form = file.seek(0, 2), 12, None
    for _ in range(_CHUNKS):
        file.seek(place)
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], int.from_bytes(header[4:], "little")
        if name == b"fmt ":
            form = _form(path, file.read(16))
        if name == b"data":
            _check_room(path, length, size - place - 8)
            if form is None:
                raise InputError(path, "samples before their format", "needs a fmt chunk before the data chunk")
            channels, rate, frame = form
            return _Promise(length // frame, channels, rate)
        place += 8 + length + length % 2
    raise InputError(path, f"no samples in {size} bytes", "the file is truncated, or no sound: copy it again")


def _form(path: Path, chunk: bytes) -> tuple[int, int, int]:
    """Channels, rate, and bytes of all channels at one time."""
    if len(chunk) < 16:
        raise InputError(path, "a header that ends within its format", "the file is truncated: copy it again")
    _, channels, rate, bytes_a_second, frame, bits = struct.unpack("<HHIIHH", chunk)
    if not frame or frame != channels * math.ceil(bits / 8) or bytes_a_second != rate * frame:
        found = (
            f"{channels} channels of {bits} bits at {rate} Hz in {bytes_a_second} bytes per second, {frame} at a time"
        )
        raise InputError(path, f"its header contradicts itself: {found}", "write it anew: sox IN.wav OUT.wav")
    return channels, rate, frame


# SPHERE -------------------------------------------------------------------------------------------------------------


def _sphere(path: Path, file: BinaryIO) -> _Promise:
    fields, begin = _header(path, file)
    coding = fields.get("sample_coding", "pcm").lower()
    if "shorten" in coding:
        raise InputError(
            path, f"samples compressed by shorten ({coding[:40]})", "unpack it first: sph2pipe -f rif IN.sph OUT.wav"
        )
    if coding not in ("pcm", "ulaw", "mu-law", "alaw"):
        raise InputError(path, f"samples coded as {coding[:40]!r}", "needs pcm, ulaw or alaw: convert it to WAV")
    frames, channels, rate, width = (
        _number(path, fields, name) for name in ("sample_count", "channel_count", "sample_rate", "sample_n_bytes")
    )
    needed = 2 if coding == "pcm" else 1
    if width != needed:
        raise InputError(path, f"{coding} in {width} bytes", f"needs {needed}: convert it to WAV")
    _check_room(path, frames * channels * width, file.seek(0, 2) - begin)
    if coding != "pcm":
        return _Promise(frames, channels, rate, begin, coding)
    order = fields.get("sample_byte_format", "")
    if order not in ("10", "01"):
        found = f"sample_byte_format {order[:40]!r}" if order else "no sample_byte_format in its header"
        raise InputError(path, found, "needs 10 or 01: which byte of a sample comes first?")
    checksum = _number(path, fields, "sample_checksum") if "sample_checksum" in fields else None
    return _Promise(frames, channels, rate, begin, f"pcm {order}", checksum)


def _header(path: Path, file: BinaryIO) -> tuple[dict[str, str], int]:
    """The fields of a SPHERE header, and where the samples begin."""
    file.seek(8)
    length = file.read(8).strip()
    if not length.isdigit() or not 1024 <= int(length) <= 1 << 16:
        raise InputError(path, f"a SPHERE header of {length!r} bytes", "needs 1024 bytes, or some more")
    text = file.read(int(length) - 16).decode("latin-1")
    lines = [line.strip(_BLANK) for line in text.split("\n")]
    if "end_head" not in lines:
        raise InputError(path, "a SPHERE header without end_head", "the file is truncated or damaged: copy it again")
    fields: dict[str, str] = {}
    for line in lines[: lines.index("end_head")]:
        found = _FIELD.fullmatch(line)
        if found and fields.setdefault(found[1], found[2].strip(_BLANK)) != found[2].strip(_BLANK):
            raise InputError(path, f"{found[1]} said twice in its header", "the file is damaged: copy it again")
    return fields, int(length)


def _number(path: Path, fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    if not re.fullmatch(r"[0-9]{1,12}", text):
        found = f"{name} {text[:40]!r}" if text else f"no {name} in its header"
        raise InputError(path, found, "a SPHERE header says it in whole numbers: copy the file again")
    return int(text)


# Both ---------------------------------------------------------------------------------------------------------------


def _check_room(path: Path, promised: int, left: int) -> None:
    if promised > left:
        raise InputError(
            path, f"{max(left, 0)} bytes of samples, its header promises {promised}", "it is truncated: copy it again"
        )


def _decoded(path: Path, promised: _Promise, max_duration: float) -> Sound:
    """The samples as promised. Raises InputError where the file does not keep its promises."""
    if promised.channels != 1:
        raise InputError(path, f"{promised.channels} channels", "needs one: choose it with sox IN.wav OUT.wav remix 1")
    if promised.sample_rate not in _RATES:
        raise InputError(path, f"{promised.sample_rate} samples per second", _RANGE)
    if not promised.frames:
        raise InputError(path, "no samples", "needs a sound")
    if promised.frames > max_duration * promised.sample_rate:
        raise InputError(
            path, f"{promised.frames / promised.sample_rate:.1f} s of sound", f"needs at most {max_duration:g} s"
        )
    values = _of_sphere(path, promised) if promised.kind else _of_riff(path, promised)
    return Sound(_checked(path, values, promised), promised.sample_rate)


def _of_sphere(path: Path, promised: _Promise) -> NDArray[np.float64]:
    """The samples; libsndfile would guess the order of bytes where none is said, and take any text for a field."""
    dtype, meant = _KINDS[promised.kind]
    with path.open("rb") as file:
        file.seek(promised.begin)
        codes = np.frombuffer(file.read(promised.frames * np.dtype(dtype).itemsize), dtype)
    return meant(codes.astype(np.int64)) / 32768


def _mu_law(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """ITU-T G.711 (1988), table 2, in 16 bits: eight segments, each twice as coarse as the one before."""
    codes = codes ^ 0xFF
    sizes = (((codes & 15) << 3) + 132 << (codes >> 4 & 7)) - 132
    return np.where(codes > 127, -sizes, sizes)


def _a_law(codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """ITU-T G.711 (1988), table 1, in 16 bits: the first two segments are alike."""
    codes = codes ^ 0x55
    segments, sizes = codes >> 4 & 7, ((codes & 15) << 4) + 8
    sizes = np.where(segments > 0, sizes + 256 << np.maximum(segments - 1, 0), sizes)
    return np.where(codes > 127, sizes, -sizes)


_KINDS: dict[str, tuple[str, Callable[[NDArray[np.int64]], NDArray[np.int64]]]] = {
    "pcm 10": (">i2", np.asarray),
    "pcm 01": ("<i2", np.asarray),
    "ulaw": ("u1", _mu_law),
    "mu-law": ("u1", _mu_law),
    "alaw": ("u1", _a_law),
}


def _of_riff(path: Path, promised: _Promise) -> NDArray[np.float64]:
    import soundfile  # loads libsndfile

    try:
        with soundfile.SoundFile(path) as file:
            told = (file.channels, file.samplerate)
            if told != (promised.channels, promised.sample_rate) or file.subtype not in _CODINGS:
                found = f"{file.subtype} of {told[0]} channels at {told[1]} Hz"
                raise InputError(
                    path, found, f"needs one channel at {promised.sample_rate} Hz of {', '.join(_CODINGS)}"
                )
            values: NDArray[np.float64] = file.read(promised.frames, dtype="float64")
    except soundfile.SoundFileError as error:
        reason = getattr(error, "error_string", str(error)).rstrip(".")
        raise InputError(path, f"cannot be decoded: {reason}", "needs PCM, floats, mu-law or A-law") from error
    return values


def _checked(path: Path, values: NDArray[np.float64], promised: _Promise) -> NDArray[np.float64]:
    if len(values) != promised.frames:
        found = f"{len(values)} samples, its header promises {promised.frames}"
        raise InputError(path, found, "the file is truncated or damaged: copy it again")
    if not np.isfinite(values).all():
        raise InputError(path, "samples that are not finite", "needs numbers")
    loudest = float(np.abs(values).max())
    if loudest > _LOUDEST:
        raise InputError(path, f"samples up to {loudest:.3g} times full scale", "floats need a full scale of 1")
    if promised.checksum is not None:
        total = int((values * 32768).astype(np.int64).sum()) % 65536
        if total != promised.checksum:
            raise InputError(
                path, f"samples that sum to {total}, not {promised.checksum}", "it is damaged: copy it again"
            )
    return values
