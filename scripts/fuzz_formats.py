"""The formats of scripts/fuzz.py: valid files, snnlab's reader, and a slow reference reader for each.

The reference readers are written from the description of the format only.
"""

import gzip
import json
import os
import re
import struct
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from snnlab.audio import files
from snnlab.data import spike_cache, spike_file
from snnlab.data.samples import Images
from snnlab.data.spikes import SpikeTrains
from snnlab.datasets.formats import idx, nmnist


@dataclass(frozen=True)
class Format:
    """A format and two readers.

    starts     valid files, and a few invalid ones
    tokens     bytes that mutations insert
    read       the content of a file as snnlab reads it, in plain values; raises InputError
    reference  the content of the same bytes by the reference reader; None if invalid
    repair     the same bytes with correct checksums
    """

    starts: Callable[[], list[bytes]]
    tokens: tuple[bytes, ...]
    read: Callable[[Path], Any]
    reference: Callable[[bytes], Any]
    repair: Callable[[bytes], bytes] = bytes


# Events of N-MNIST ---------------------------------------------------------------------------------------------------

OVERFLOW = b"\0\xf0\0\0\0"


def bin_starts():
    rng, starts = np.random.default_rng(0), []
    for number in (1, 12, 40):
        times = np.sort(rng.integers(0, 1 << 18, number)).tolist()
        events = [bytes(rng.integers(0, 34, 2).tolist()) + struct.pack(">I", t | t % 2 << 23)[1:] for t in times]
        starts += [b"".join(events), b"".join([*events[:5], OVERFLOW, *events[5:], OVERFLOW, events[-1]])]
    return starts


def bin_read(path):
    (events,) = nmnist.decode_all([path])
    return events[["x", "y", "p", "t"]].tolist()


def bin_reference(content):
    """Five bytes per event; a row of 240 adds 8192 us to later times."""
    events, offset = [], 0
    if len(content) % 5:
        return None
    for start in range(0, len(content), 5):
        x, y, high, middle, low = content[start : start + 5]
        if y == 240:
            offset += 8192
            continue
        events.append((x, y, high > 127, high % 128 * 65536 + middle * 256 + low + offset))
        if x > 33 or y > 33 or (len(events) > 1 and events[-1][3] < events[-2][3]):
            return None
    return events or None


# Arrays in idx -------------------------------------------------------------------------------------------------------

MAX_BYTES = 1 << 16


def idx_starts():
    rng, starts = np.random.default_rng(0), []
    for shape in ((7,), (3, 4), (2, 3, 5), (40, 5, 5)):
        starts.append(struct.pack(f">HBB{len(shape)}I", 0, 8, len(shape), *shape) + rng.bytes(int(np.prod(shape))))
    first, second = gzip.compress(starts[2][:20], mtime=0), gzip.compress(starts[2][20:], mtime=0)
    bomb = gzip.compress(struct.pack(">HBBI", 0, 8, 1, 4 * MAX_BYTES) + bytes(4 * MAX_BYTES), mtime=0)
    empty = struct.pack(">HBBI", 0, 8, 1, 0)
    return [*starts, gzip.compress(starts[1], mtime=0), first + second + bytes(9), bomb, empty]


def idx_read(path):
    return idx.read_idx(path, max_bytes=MAX_BYTES).tolist()


def idx_reference(content):
    """Two zeros, type 8, the number of axes, four bytes per axis, and the values in C order."""
    if content[:2] == b"\x1f\x8b":
        content = inflated(content)
    if content is None or len(content) > MAX_BYTES or len(content) < 4 or content[:3] != b"\0\0\x08":
        return None
    axes = content[3]
    if not 1 <= axes <= 8 or len(content) < 4 + 4 * axes:
        return None
    sides = [int.from_bytes(content[4 + 4 * k : 8 + 4 * k], "big") for k in range(axes)]
    values = list(content[4 + 4 * axes :])
    size = 1
    for side in sides:
        size *= side
    if not size or size != len(values):
        return None
    for side in sides[:0:-1]:
        values = [values[start : start + side] for start in range(0, len(values), side)]
    return values


def inflated(content):
    """The content of a gzip file of one or more members, padded with zeros, by RFC 1952; None if invalid."""
    result = b""
    while content:
        if content[:3] != b"\x1f\x8b\x08" or len(content) < 10:
            return None
        flags, position = content[3], 10
        if flags & 4:
            position += 2 + int.from_bytes(content[position : position + 2], "little")
        for flag in (8, 16):  # a name, a comment
            if flags & flag:
                position = content.find(0, position) + 1 or len(content)
        position += flags & 2
        stream = zlib.decompressobj(-15)
        try:
            member = stream.decompress(content[position:])
        except zlib.error:
            return None
        result, rest = result + member, stream.unused_data
        if not stream.eof or rest[:8] != struct.pack("<II", zlib.crc32(member), len(member)):
            return None
        content = rest[8:].lstrip(b"\0")
    return result


# Sounds in SPHERE ----------------------------------------------------------------------------------------------------


def sphere_starts():
    samples = [round(9000 * np.sin(k / 7)) for k in range(60)]
    starts = []
    for order, name in ((">", b"10"), ("<", b"01")):
        data = struct.pack(f"{order}60h", *samples)
        starts += [sphere(data, name, total) for total in (b"", b"sample_checksum -i %d\n" % (sum(samples) % 65536))]
    law = bytes(range(100, 220))
    fields = b"sample_coding -s4 ulaw\nsample_n_bytes -i 1\nsample_count -i 120\nsample_byte_format -s1 1\n"
    return [*starts, sphere(law, b"", fields), sphere(law, b"", fields.replace(b"ulaw", b"alaw"))]


def sphere(data, order, more):
    lines = [b"NIST_1A\n   1024\ndatabase_id -s4 TI46\nchannel_count -i 1\nsample_rate -i 12500\n", more]
    if order:
        lines.append(
            b"sample_count -i 60\nsample_n_bytes -i 2\nsample_byte_format -s2 %s\nsample_coding -s3 pcm\n" % order
        )
    return b"".join([*lines, b"sample_sig_bits -i 12\nend_head\n"]).ljust(1024) + data


def sphere_read(path):
    sound = files.read(path)
    return sound.sample_rate, (sound.values * 32768).tolist()


def sphere_reference(content):
    """A header of the given length with a field per line; samples of two bytes, or companded ones of one byte."""
    if content[:8] != b"NIST_1A\n" or not content[8:16].strip().isdigit():
        return None
    length = int(content[8:16])
    lines = [line.strip(b" \t\r") for line in content[16:length].split(b"\n")]
    fields = {}
    for line in lines[: lines.index(b"end_head")] if b"end_head" in lines and 1024 <= length <= 65536 else ():
        match = re.fullmatch(rb"([A-Za-z0-9_]+) -(i|r|s[0-9]+) (.*)", line)
        value = match and match[3].strip(b" \t\r")
        if match and fields.setdefault(match[1], value) != value:
            return None
    numbers = [fields.get(b"sample_" + name, b"") for name in (b"count", b"rate", b"n_bytes")]
    if fields.get(b"channel_count") != b"1" or not all(re.fullmatch(rb"[0-9]{1,12}", number) for number in numbers):
        return None
    count, rate, width = map(int, numbers)
    samples = content[length : length + count * width]
    if len(samples) < count * width or not count or not 1000 <= rate <= 384000 or count > 60 * rate:
        return None
    values = sphere_samples(fields, samples, width)
    return values and (rate, values)


def sphere_samples(fields, samples, width):
    coding, order = fields.get(b"sample_coding", b"pcm").lower(), fields.get(b"sample_byte_format")
    if coding in (b"ulaw", b"mu-law", b"alaw") and width == 1:
        return [alaw(code) if coding == b"alaw" else ulaw(code) for code in samples]
    if coding != b"pcm" or width != 2 or order not in (b"10", b"01"):
        return None
    big = order == b"10"
    codes = [samples[k + 1 - big] << 8 | samples[k + big] for k in range(0, len(samples), 2)]
    values = [code - 65536 * (code > 32767) for code in codes]
    checksum = b"%d" % (sum(values) % 65536)
    return values if fields.get(b"sample_checksum", checksum) == checksum else None


def ulaw(code):
    """ITU-T G.711, in 16 bits."""
    code ^= 0xFF
    size = ((code % 16 << 3) + 132 << (code >> 4) % 8) - 132
    return -size if code > 127 else size


def alaw(code):
    code ^= 0x55
    segment, size = (code >> 4) % 8, code % 16 << 4
    size = size + 264 << segment - 1 if segment else size + 8
    return size if code > 127 else -size


# Cached spikes -------------------------------------------------------------------------------------------------------

GRID = spike_file.Grid(7, 1e-3, (20, 20))
SOURCE = Images(
    labels=np.zeros(9, dtype=np.int64), numbers=np.arange(9), shape=(1,), classes=("a",), dataset="fuzz", split="all",
    values=np.arange(9, dtype=np.uint8)[:, None], peak=255,
)  # fmt: skip
ARRAYS = ("ids", "counts", "starts")


@cache
def cache_starts():
    """Two cache files of the same samples, one with more than 255 spikes in a step."""
    starts = []
    for full in (0, 1):
        fires = np.random.default_rng(full).random((9, GRID.steps, GRID.size)) < 0.01
        fires[4, 3] |= bool(full)
        spikes = SpikeTrains.from_dense(fires, GRID.dt)
        with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, SNNLAB_CACHE=folder):
            spike_cache.cached_spikes(SOURCE, lambda _, spikes=spikes: spikes, GRID, {})
            starts.append(next(Path(folder, "spikes").iterdir()).read_bytes())
    return starts


@cache
def cache_key():
    return json.loads(cache_starts()[0][20:4096])["key"]


def cache_read(path):
    spikes = spike_cache.read_cached(path, SOURCE, GRID, cache_key()).spikes()
    ids, offsets = spikes.ids.tolist(), spikes.offsets.tolist()
    return [[ids[start:end] for start, end in pairwise(row)] for row in offsets]


def cache_reference(content):
    """The format that spike_file.py documents, number by number; None unless all checksums are correct."""
    try:
        note, arrays = cache_arrays(content)
        values = (note["key"], note["steps"], note["dt"], note["shape"], note["arrays"]["counts"]["shape"])
        if (
            values != (cache_key(), GRID.steps, GRID.dt, list(GRID.shape), [9, GRID.steps])
            or len(arrays["starts"]) != 10
        ):
            return None
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError, struct.error):
        return None
    ids, counts = iter(arrays["ids"]), iter(arrays["counts"])
    starts, samples = [0], []
    for _ in range(9):
        samples.append([[next(ids, -1) for _ in range(next(counts))] for _ in range(GRID.steps)])
        starts.append(starts[-1] + sum(map(len, samples[-1])))
        if any(step != sorted(set(step)) or not {*step} <= {*range(GRID.size)} for step in samples[-1]):
            return None
    return samples if starts == arrays["starts"] and next(ids, None) is None else None


def cache_arrays(content):
    if content[:16] != b"snnlab spikes 01" or len(content) < 4096:
        raise ValueError("no cached spikes")
    if content[16:20] != struct.pack("<I", zlib.crc32(content[20:4096])):
        raise ValueError("wrong checksum")
    note, arrays = json.loads(content[20:4096]), {}
    if sorted(note["arrays"]) != sorted(ARRAYS):
        raise ValueError("wrong arrays")
    for name, entry in note["arrays"].items():
        if not {*map(type, [entry["begin"], entry["crc32"], *entry["shape"]])} == {int} or entry["begin"] % 64:
            raise ValueError("not integers")
        letter = {"uint8": "B", "uint16": "H", "uint32": "I", "int64": "q"}[entry["dtype"]]
        if (letter == "q") != (name == "starts") or min(entry["begin"], *entry["shape"]) < 0:
            raise ValueError("wrong type")
        form = f"<{int(np.prod(np.array(entry['shape'], dtype=object)))}{letter}"
        begin = entry["begin"]
        arrays[name] = list(struct.unpack_from(form, content, begin))
        if zlib.crc32(content[begin : begin + struct.calcsize(form)]) != entry["crc32"]:
            raise ValueError("wrong checksum")
    return note, arrays


def cache_repaired(content):
    """The content with correct checksums, as far as its head can be parsed."""
    try:
        note = json.loads(content[20:4096])
        for entry in note["arrays"].values():
            size = int(np.prod(entry["shape"])) * np.dtype(entry["dtype"]).itemsize
            entry["crc32"] = zlib.crc32(content[entry["begin"] : entry["begin"] + size])
        text = json.dumps(note).encode()
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        text = content[20:4096].rstrip()
    text = text.ljust(4076)
    return content[:16] + struct.pack("<I", zlib.crc32(text)) + text + content[4096:]


SPHERE_TOKENS = (
    b"sample_coding -s3 pcm\n|sample_coding -s4 ulaw\n|sample_coding -s4 alaw\n|sample_coding -s10 pcm,shorten\n|"
    b"sample_byte_format -s2 01\n|sample_byte_format -s2 10\n|sample_byte_format -s2 00\n|sample_checksum -i 0\n|"
    b"sample_n_bytes -i 2\n|sample_n_bytes -i 1\n|sample_count -i 59\n|sample_rate -i 8000\n|channel_count -i 2\n|"
    b"end_head\n|NIST_1A\n|-i|-r|-s2|\n| |\x1b[2J|;|x"
)

FORMATS = {
    "bin": Format(bin_starts, (OVERFLOW, bytes(5), b"\xf0", b"\x7f\xff\xff"), bin_read, bin_reference),
    "idx": Format(
        idx_starts,
        (
            b"\0\0\x08\x01",
            b"\0\0\x08\x03",
            b"\0\0\x0d\x02",
            b"\x1f\x8b\x08\0",
            b"\x1f\x8b\x08\x1f",
            bytes(4),
            b"\xff" * 4,
        ),
        idx_read,
        idx_reference,
    ),
    "sphere": Format(
        sphere_starts,
        tuple(SPHERE_TOKENS.split(b"|")),
        sphere_read,
        sphere_reference,
    ),
    "cache": Format(
        cache_starts,
        (
            b'"uint8"',
            b'"uint16"',
            b'"uint32"',
            b'"int64"',
            b'"ids"',
            b'"begin": 4096',
            b"[7]",
            b"1e400",
            b"NaN",
            b"null",
            b"{}",
        ),
        cache_read,
        cache_reference,
        cache_repaired,
    ),
}
