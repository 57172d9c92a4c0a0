"""Headers of RIFF WAV and NIST SPHERE files, read strictly: libsndfile accepts truncated and contradictory ones."""

from __future__ import annotations

import math
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from snnlab.errors import InputError

_MAX_CHUNKS = 1000  # of a RIFF file before its samples
_FIELD = re.compile(r"(\w+) -(?:i|r|s\d+) (.*)", re.ASCII)
_BLANK = " \t\r"
_CODINGS = {"pcm": "PCM_16", "ulaw": "ULAW", "mu-law": "ULAW", "alaw": "ALAW"}  # SPHERE to libsndfile
_BYTE_ORDERS = {"10": "BIG", "01": "LITTLE"}


@dataclass(frozen=True)
class SoundHeader:
    """What a header says about the samples.

    subtype   libsndfile's name of the coding of SPHERE samples; empty for RIFF, whose header libsndfile reads itself
    endian    libsndfile's name of the byte order of SPHERE samples
    start     position of SPHERE samples in the file
    checksum  of 16-bit SPHERE samples, modulo 2^16
    """

    frames: int
    channels: int
    sample_rate: int
    subtype: str = ""
    endian: str = "FILE"
    start: int = 0
    checksum: int | None = None


def read_header(path: Path, file: BinaryIO) -> SoundHeader:
    """The header of a file. Raises InputError for another format, a truncated file and an invalid header."""
    head = file.read(16)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return _riff(path, file)
    if head[:8] == b"NIST_1A\n":
        return _sphere(path, file)
    if head[:4] == b"ajkg":
        raise InputError(path, "compressed by shorten", "decompress it: shorten -x FILE")
    problem = f"starts with {head[:8]!r}" if head else "empty file"
    raise InputError(path, problem, "must be a RIFF WAV or NIST SPHERE file")


def _check_size(path: Path, expected: int, available: int) -> None:
    if expected > available:
        problem = f"{max(available, 0)} bytes of samples, but {expected} in its header"
        raise InputError(path, problem, "the file is truncated: copy it again")


# RIFF ---------------------------------------------------------------------------------------------------------------


def _riff(path: Path, file: BinaryIO) -> SoundHeader:
    size, position, form = file.seek(0, 2), 12, None
    for _ in range(_MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = header[:4], int.from_bytes(header[4:], "little")
        if name == b"fmt ":
            form = _riff_format(path, file.read(16))
        if name == b"data":
            _check_size(path, length, size - position - 8)
            if form is None:
                raise InputError(path, "samples before their format", "must have a fmt chunk before the data chunk")
            channels, sample_rate, frame = form
            return SoundHeader(length // frame, channels, sample_rate)
        position += 8 + length + length % 2
    raise InputError(path, f"no samples in {size} bytes", "the file is truncated: copy it again")


def _riff_format(path: Path, chunk: bytes) -> tuple[int, int, int]:
    """Channels, sample rate, and bytes per frame."""
    if len(chunk) < 16:
        raise InputError(path, "incomplete header", "the file is truncated: copy it again")
    _, channels, rate, bytes_per_second, frame, bits = struct.unpack("<HHIIHH", chunk)
    if not frame or frame != channels * math.ceil(bits / 8) or bytes_per_second != rate * frame:
        numbers = f"{channels} channels, {bits} bits, {rate} Hz, {bytes_per_second} bytes per second, {frame} per frame"
        raise InputError(path, f"contradictory header: {numbers}", "write it again: sox IN.wav OUT.wav")
    return channels, rate, frame


# SPHERE -------------------------------------------------------------------------------------------------------------


def _sphere(path: Path, file: BinaryIO) -> SoundHeader:
    fields, start = _sphere_fields(path, file)
    coding = fields.get("sample_coding", "pcm").lower()
    if "shorten" in coding:
        hint = "decompress it: sph2pipe -f rif IN.sph OUT.wav"
        raise InputError(path, f"compressed by shorten ({coding[:40]})", hint)
    if coding not in _CODINGS:
        raise InputError(path, f"sample_coding {coding[:40]!r}", "must be pcm, ulaw or alaw: convert it to WAV")
    frames, channels, rate, width = (
        _sphere_number(path, fields, name)
        for name in ("sample_count", "channel_count", "sample_rate", "sample_n_bytes")
    )
    is_pcm = coding == "pcm"
    if width != 1 + is_pcm:
        raise InputError(path, f"{coding} with {width} bytes", f"must have {1 + is_pcm}: convert it to WAV")
    _check_size(path, frames * channels * width, file.seek(0, 2) - start)
    if not is_pcm:
        return SoundHeader(frames, channels, rate, _CODINGS[coding], start=start)
    order = fields.get("sample_byte_format", "")
    if order not in _BYTE_ORDERS:
        problem = f"sample_byte_format {order[:40]!r}" if order else "no sample_byte_format"
        raise InputError(path, problem, "must be 10 or 01, the order of the bytes of a sample")
    checksum = _sphere_number(path, fields, "sample_checksum") if "sample_checksum" in fields else None
    return SoundHeader(frames, channels, rate, _CODINGS[coding], _BYTE_ORDERS[order], start, checksum)


def _sphere_fields(path: Path, file: BinaryIO) -> tuple[dict[str, str], int]:
    """The fields of the header, and the position of the samples."""
    file.seek(8)
    length = file.read(8).strip()
    if not length.isdigit() or not 1024 <= int(length) <= 1 << 16:
        raise InputError(path, f"SPHERE header of {length!r} bytes", "must be 1024 to 65536")
    text = file.read(int(length) - 16).decode("latin-1")
    lines = [line.strip(_BLANK) for line in text.split("\n")]
    if "end_head" not in lines:
        raise InputError(path, "SPHERE header without end_head", "the file is truncated or corrupt: copy it again")
    fields: dict[str, str] = {}
    for line in lines[: lines.index("end_head")]:
        match = _FIELD.fullmatch(line)
        if match and fields.setdefault(match[1], match[2].strip(_BLANK)) != match[2].strip(_BLANK):
            raise InputError(path, f"contradictory {match[1]} in its header", "the file is corrupt: copy it again")
    return fields, int(length)


def _sphere_number(path: Path, fields: dict[str, str], name: str) -> int:
    text = fields.get(name, "")
    if not re.fullmatch(r"[0-9]{1,12}", text):
        problem = f"{name} {text[:40]!r}" if text else f"no {name} in its header"
        raise InputError(path, problem, "must be an integer: copy the file again")
    return int(text)
