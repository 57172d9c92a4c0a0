"""Sound files are read correctly or raise an error."""

from __future__ import annotations

import os
import struct
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.audio.files import Sound, read
from snnlab.errors import InputError

RATE = 12500
TONE = np.round(12000 * np.sin(np.arange(3000) / 7)).astype(np.int16)


def riff(data: bytes, *, form: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    """A WAV file by the specification."""
    frame = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, form, channels, rate, rate * frame, frame, bits)
    body = b"WAVE" + head + b"LIST\x03\0\0\0abc\0" + b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def sphere(data: bytes, **fields: str) -> bytes:
    """A SPHERE file as written by NIST, without the fields given as ''."""
    header = {
        "database_id": "-s4 TI46",
        "sample_count": f"-i {len(data) // 2}",
        "sample_rate": f"-i {RATE}",
        "channel_count": "-i 1",
        "sample_n_bytes": "-i 2",
        "sample_byte_format": "-s2 10",
        "sample_sig_bits": "-i 12",
        "sample_coding": "-s3 pcm",
        "sample_checksum": f"-i {int(np.frombuffer(data[: len(data) // 2 * 2], '>i2').sum(dtype=int)) % 65536}",
    } | fields
    lines = [f"{name} {value}" for name, value in header.items() if value]
    return ("NIST_1A\n   1024\n" + "\n".join([*lines, "end_head", ""])).encode().ljust(1024) + data


BIG = sphere(TONE.astype(">i2").tobytes())
WAV = riff(TONE.astype("<i2").tobytes())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "0as1set0.wav"


def check_error(file: Path, content: bytes, *values: object, **options: float) -> None:
    """Assert that reading the content raises an error in one line that names the file and these values."""
    file.write_bytes(content)
    with raises_input_error(file, *values) as caught:
        read(file, **options)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


# Valid files --------------------------------------------------------------------------------------------------------


def test_16_bit_samples_equal_those_of_the_standard_library(file: Path) -> None:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(TONE.tobytes())
    sound = read(file)
    assert sound.sample_rate == RATE
    assert sound.duration == 0.24
    np.testing.assert_array_equal(sound.values, TONE / 32768)


@pytest.mark.parametrize("suffix", [".wav", ".sph", ".SPH", ""])
@pytest.mark.parametrize(("order", "name"), [(">i2", "10"), ("<i2", "01")])
def test_sphere_is_read_in_both_byte_orders_with_any_suffix(suffix: str, order: str, name: str, tmp_path: Path) -> None:
    file = tmp_path / f"00f1set0{suffix}"
    total = int(TONE.sum(dtype=int)) % 65536
    fields = {"sample_byte_format": f"-s2 {name}", "sample_checksum": f"-i {total}"}
    file.write_bytes(sphere(TONE.astype(order).tobytes(), **fields))
    np.testing.assert_array_equal(read(file, sample_rate=RATE).values, TONE / 32768)


def test_a_sphere_header_has_one_field_per_line(file: Path) -> None:
    """The end of another name, or a field inside a value, is not a field."""
    for other in ("my_sample_byte_format", "database_version"):
        fields = {"database_id": f"channel_count -i 2\n{other} -s30 sample_byte_format -s2 01", "sample_checksum": ""}
        file.write_bytes(sphere(TONE.astype(">i2").tobytes(), **fields))
        np.testing.assert_array_equal(read(file).values, TONE / 32768)


def test_bytes_after_the_samples_are_ignored(file: Path) -> None:
    file.write_bytes(BIG + b"\x12\x34" * 50)
    np.testing.assert_array_equal(read(file).values, TONE / 32768)
    file.write_bytes(WAV + b"more bytes")
    np.testing.assert_array_equal(read(file).values, TONE / 32768)


def mu_law(code: int) -> float:
    """ITU-T G.711, section 3: eight segments, each twice as coarse as the previous one."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return (-size if code & 0x80 else size) / 32768


def a_law(code: int) -> float:
    code ^= 0x55
    segment, size = code >> 4 & 7, (code & 0x0F) << 4
    size = size + 8 if segment == 0 else size + 0x108 << segment - 1
    return (size if code & 0x80 else -size) / 32768


@pytest.mark.parametrize(("form", "name", "law"), [(7, "ulaw", mu_law), (6, "alaw", a_law)])
def test_companded_samples_equal_the_recommendation(form: int, name: str, law: object, file: Path) -> None:
    codes = bytes(range(256))
    expected = [law(code) for code in codes]  # type: ignore[operator]
    file.write_bytes(riff(codes, form=form, bits=8))
    np.testing.assert_array_equal(read(file).values, expected)
    fields = {"sample_count": "-i 256", "sample_n_bytes": "-i 1", "sample_byte_format": "-s1 1", "sample_checksum": ""}
    file.write_bytes(sphere(codes, sample_coding=f"-s4 {name}", **fields))
    np.testing.assert_array_equal(read(file).values, expected)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_other_sample_formats_are_read_to_their_precision(subtype: str, form: str, file: Path) -> None:
    soundfile.write(file, TONE / 32768, RATE, format=form, subtype=subtype)
    np.testing.assert_allclose(read(file).values, TONE / 32768, atol=1 / 128 if subtype == "PCM_U8" else 1e-6)


def test_the_samples_of_recordings_equal_their_bytes(fsdd_folder: Path) -> None:
    for path in sorted((fsdd_folder / "fsdd" / "recordings").glob("*_3.wav")):
        expected = np.frombuffer(path.read_bytes()[44:], "<i2") / 32768
        np.testing.assert_array_equal(read(path, sample_rate=8000).values, expected)


# Sample rates---------------------------------------------------------------------------------------------------------


def test_another_sample_rate_than_required_raises_an_error(file: Path) -> None:
    check_error(file, WAV, 12500, 8000, "resample", sample_rate=8000)


@pytest.mark.parametrize(("rate", "new_rate"), [(8000, 12500), (20000, 12500), (12500, 8000), (44100, 12500)])
def test_a_resampled_tone_equals_the_tone_at_the_other_rate(rate: int, new_rate: int) -> None:
    def tone(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate)

    sound = Sound(tone(rate), rate).resampled(new_rate)
    assert len(sound.values) == new_rate
    middle = slice(new_rate // 10, -new_rate // 10)
    np.testing.assert_allclose(sound.values[middle], tone(new_rate)[middle], atol=2e-3)
    assert np.abs(sound.values[middle] - np.roll(tone(new_rate), 1)[middle]).max() > 0.05


def test_frequencies_above_the_new_nyquist_frequency_are_removed() -> None:
    high = Sound(np.sin(2 * np.pi * 5500 * np.arange(16000) / 16000), 16000).resampled(8000)
    assert np.abs(high.values[400:-400]).max() < 0.01


def test_a_ratio_of_large_integers_raises_an_error() -> None:
    with raises_input_error("Sound.resampled", 12500, 12497):
        Sound(np.zeros(10), 12500).resampled(12497)


@pytest.mark.parametrize("rate", [500, 500_000])
def test_a_sample_rate_out_of_range_raises_an_error(rate: int) -> None:
    with raises_input_error("Sound.resampled", rate, 384000):
        Sound(np.zeros(10), 12500).resampled(rate)


# Invalid files ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b"", "empty file"),
        (b"ID3\x04 an mp3", "b'ID3"),
        (b"ajkg\x02", "shorten -x"),
        (WAV[:30], "truncated"),
        (WAV[:50], "50 bytes"),
        (WAV[:-1], "5999 bytes of samples, but 6000"),
        (riff(b""), "no samples"),
        (riff(TONE.tobytes(), channels=2), "2 channels"),
        (riff(TONE.tobytes(), rate=999), "999 samples per second"),
        (riff(TONE.tobytes(), form=2), "cannot be decoded"),
        (riff(TONE.tobytes(), rate=RATE).replace(b"\xa8\x61\0\0", b"\xa9\x61\0\0", 1), "25001 bytes per second"),
        (riff(np.full(50, np.nan, "<f4").tobytes(), form=3, bits=32), "not finite"),
        (riff(TONE.astype("<f4").tobytes(), form=3, bits=32), "1.2e+04 times full scale"),
        (WAV.replace(b"fmt ", b"tmf "), "fmt chunk"),
        (b"NIST_1A\n   9", "b'9'"),
        (BIG[:200], "end_head"),
        (BIG[:-10], "5990 bytes of samples, but 6000"),
        (BIG.replace(b"end_head\n", b""), "end_head"),
        (sphere(b""), "no samples"),
        (sphere(TONE.tobytes(), channel_count="-i 2", sample_count="-i 1500"), "2 channels"),
        (sphere(TONE.tobytes(), channel_count=""), "channel_count"),
        (sphere(TONE.tobytes(), sample_count="-i -1"), "sample_count '-1'"),
        (sphere(TONE.tobytes(), sample_rate="-r 12500.5"), "sample_rate '12500.5'"),
        (sphere(TONE.tobytes(), sample_coding="-s7 mpeg4x1"), "'mpeg4x1'"),
        (sphere(TONE.tobytes(), sample_checksum="-i 12345"), "12345"),
        (BIG.replace(b"sample_sig_bits -i 12", b"sample_rate -i 16000 "), "contradictory sample_rate"),
        (sphere(TONE.tobytes(), sample_byte_format=""), "no sample_byte_format"),
        (sphere(TONE.tobytes(), sample_byte_format="-s2 11"), "sample_byte_format '11'"),
        (sphere(TONE.tobytes(), sample_n_bytes="-i 1"), "pcm with 1 bytes"),
        (BIG.replace(b"\nend_head", b"\nno end_head"), "end_head"),
        (sphere(TONE.tobytes(), sample_coding="-s9 \x1b[2J" + "x" * 400), "'\\x1b[2jxxx"),
    ],
)
def test_an_invalid_file_raises_an_error(content: bytes, value: str, file: Path) -> None:
    check_error(file, content, value)


def test_shorten_inside_sphere_raises_an_error_with_a_remedy(file: Path) -> None:
    content = sphere(b"ajkg" + bytes(100), sample_coding="-s26 pcm,embedded-shorten-v2.00", sample_checksum="")
    check_error(file, content, "pcm,embedded-shorten-v2.00", "sph2pipe -f rif")


def test_a_sound_longer_than_the_maximum_raises_an_error(file: Path) -> None:
    check_error(file, WAV, "0.2 s", "0.1 s", max_duration=0.1)
    assert len(read(file, max_duration=0.24).values) == 3000


def test_a_path_that_is_not_a_file_raises_an_error(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, problem in {"missing.wav": "no such file", ".": "not a file", "pipe": "not a file"}.items():
        with raises_input_error(tmp_path / name, problem):
            read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root can read every file")
def test_a_file_without_read_permission_raises_an_error(file: Path) -> None:
    file.write_bytes(WAV)
    file.chmod(0)
    with raises_input_error(file, "Permission denied"):
        read(file)


# Any bytes ----------------------------------------------------------------------------------------------------------


VALID = {
    "wav": WAV,
    "float": riff((TONE / 32768).astype("<f4").tobytes(), form=3, bits=32),
    "mu-law": riff(TONE.tobytes(), form=7, bits=8),
    "sphere": BIG,
    "sphere without checksum": sphere(TONE.astype(">i2").tobytes(), sample_checksum=""),
}


def read_if_valid(content: bytes) -> Sound | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutated.wav")
        path.write_bytes(content)
        try:
            sound = read(path)
        except InputError as error:
            assert "\n" not in str(error)
            return None
    assert sound.values.dtype == np.float64
    assert sound.values.ndim == 1
    assert 0 < len(sound.values) <= 60 * sound.sample_rate
    assert np.abs(sound.values).max() <= 10
    return sound


@settings(max_examples=examples(300))
@given(
    kind=st.sampled_from(sorted(VALID)),
    # half of the changes are in the header
    changes=st.lists(st.tuples(st.integers(0, 300) | st.integers(0, 8000), st.binary(max_size=6)), max_size=4),
    keep=st.none() | st.integers(0, 8000),
)
def test_a_mutated_file_is_read_or_raises_an_error(
    kind: str, changes: list[tuple[int, bytes]], keep: int | None
) -> None:
    content = bytearray(VALID[kind])
    for position, new in changes:
        content[position : position + len(new)] = new
    read_if_valid(bytes(content[:keep]))


@settings(max_examples=examples(100))
@given(st.sampled_from([b"", b"NIST_1A\n   1024\n", WAV[:12], WAV[:36], BIG[:300]]), st.binary(max_size=3000))
def test_any_bytes_are_read_or_raise_an_error(head: bytes, rest: bytes) -> None:
    read_if_valid(head + rest)


@settings(max_examples=examples(100))
@given(position=st.integers(1024, len(BIG) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_is_detected_by_the_checksum(position: int, bit: int) -> None:
    content = bytearray(BIG)
    content[position] ^= 1 << bit
    assert read_if_valid(bytes(BIG)) is not None
    assert read_if_valid(bytes(content)) is None
