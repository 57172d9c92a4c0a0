"""Sound files give the samples that were written, or one line that says why not."""

from __future__ import annotations

import os
import struct
import tempfile
import wave
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab.audio.files import Sound, read
from snnlab.errors import InputError

RATE = 12500
TONE = np.round(12000 * np.sin(np.arange(3000) / 7)).astype(np.int16)


def riff(data: bytes, *, form: int = 1, channels: int = 1, rate: int = RATE, bits: int = 16) -> bytes:
    """A WAV file, built from the specification."""
    frame = channels * bits // 8
    head = struct.pack("<4sIHHIIHH", b"fmt ", 16, form, channels, rate, rate * frame, frame, bits)
    body = b"WAVE" + head + b"LIST\x03\0\0\0abc\0" + b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def sphere(data: bytes, **fields: str) -> bytes:
    """A SPHERE file as NIST wrote them; a field given as '' is left out."""
    told = {
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
    lines = [f"{name} {value}" for name, value in told.items() if value]
    return ("NIST_1A\n   1024\n" + "\n".join([*lines, "end_head", ""])).encode().ljust(1024) + data


BIG = sphere(TONE.astype(">i2").tobytes())
WAV = riff(TONE.astype("<i2").tobytes())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "0as1set0.wav"


def refusal(file: Path, content: bytes, **options: float) -> str:
    file.write_bytes(content)
    with pytest.raises(InputError) as refused:
        read(file, **options)  # type: ignore[arg-type]
    line = str(refused.value)
    assert "\n" not in line
    assert line.startswith(str(file))
    return line


# What is read -------------------------------------------------------------------------------------------------------


def test_sixteen_bits_are_read_as_the_standard_library_reads_them(file: Path) -> None:
    with wave.open(str(file), "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes(TONE.tobytes())
    sound = read(file)
    assert sound.sample_rate == RATE
    assert sound.duration == 0.24
    np.testing.assert_array_equal(sound.values, TONE / 32768)


@pytest.mark.parametrize("suffix", [".wav", ".sph", ".SPH", ""])
@pytest.mark.parametrize(("order", "name"), [(">i2", "10"), ("<i2", "01")])
def test_sphere_is_read_in_either_byte_order_whatever_the_suffix(
    suffix: str, order: str, name: str, tmp_path: Path
) -> None:
    file = tmp_path / f"00f1set0{suffix}"
    total = int(TONE.sum(dtype=int)) % 65536
    told = {"sample_byte_format": f"-s2 {name}", "sample_checksum": f"-i {total}"}
    file.write_bytes(sphere(TONE.astype(order).tobytes(), **told))
    np.testing.assert_array_equal(read(file, sample_rate=RATE).values, TONE / 32768)


def test_a_sphere_header_is_a_field_on_each_line(file: Path) -> None:
    """Another field that ends like one, or a value that holds one, says nothing of the samples."""
    for other in ("my_sample_byte_format", "database_version"):
        told = {"database_id": f"channel_count -i 2\n{other} -s30 sample_byte_format -s2 01", "sample_checksum": ""}
        file.write_bytes(sphere(TONE.astype(">i2").tobytes(), **told))
        np.testing.assert_array_equal(read(file).values, TONE / 32768)


def test_what_follows_the_samples_is_no_sound(file: Path) -> None:
    file.write_bytes(BIG + b"\x12\x34" * 50)
    np.testing.assert_array_equal(read(file).values, TONE / 32768)
    file.write_bytes(WAV + b"more than was promised")
    np.testing.assert_array_equal(read(file).values, TONE / 32768)


def mu_law(code: int) -> float:
    """ITU-T G.711, section 3: eight segments, each twice as coarse as the one before."""
    code = ~code & 0xFF
    size = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return (-size if code & 0x80 else size) / 32768


def a_law(code: int) -> float:
    code ^= 0x55
    segment, size = code >> 4 & 7, (code & 0x0F) << 4
    size = size + 8 if segment == 0 else size + 0x108 << segment - 1
    return (size if code & 0x80 else -size) / 32768


@pytest.mark.parametrize(("form", "name", "law"), [(7, "ulaw", mu_law), (6, "alaw", a_law)])
def test_companded_samples_are_those_of_the_recommendation(form: int, name: str, law: object, file: Path) -> None:
    codes = bytes(range(256))
    expected = [law(code) for code in codes]  # type: ignore[operator]
    file.write_bytes(riff(codes, form=form, bits=8))
    np.testing.assert_array_equal(read(file).values, expected)
    told = {"sample_count": "-i 256", "sample_n_bytes": "-i 1", "sample_byte_format": "-s1 1", "sample_checksum": ""}
    file.write_bytes(sphere(codes, sample_coding=f"-s4 {name}", **told))
    np.testing.assert_array_equal(read(file).values, expected)


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("form", ["WAV", "WAVEX"])
def test_other_widths_give_the_same_sound_to_their_precision(subtype: str, form: str, file: Path) -> None:
    soundfile.write(file, TONE / 32768, RATE, format=form, subtype=subtype)
    np.testing.assert_allclose(read(file).values, TONE / 32768, atol=1 / 128 if subtype == "PCM_U8" else 1e-6)


def test_a_recording_is_read_as_its_bytes_say(fsdd_folder: Path) -> None:
    for path in sorted((fsdd_folder / "fsdd" / "recordings").glob("*_3.wav")):
        expected = np.frombuffer(path.read_bytes()[44:], "<i2") / 32768
        np.testing.assert_array_equal(read(path, sample_rate=8000).values, expected)


# Rates --------------------------------------------------------------------------------------------------------------


def test_another_rate_than_is_needed_is_refused(file: Path) -> None:
    assert "12500 samples per second; needs 8000: convert it, or let the ear do so" in refusal(
        file, WAV, sample_rate=8000
    )


@pytest.mark.parametrize(("have", "need"), [(8000, 12500), (20000, 12500), (12500, 8000), (44100, 12500)])
def test_a_resampled_tone_is_the_tone_sampled_at_the_other_rate(have: int, need: int) -> None:
    def tone(rate: int) -> np.ndarray:
        return np.sin(2 * np.pi * 440 * np.arange(rate) / rate)

    made = Sound(tone(have), have).resampled(need)
    assert len(made.values) == need
    middle = slice(need // 10, -need // 10)
    np.testing.assert_allclose(made.values[middle], tone(need)[middle], atol=2e-3)
    assert np.abs(made.values[middle] - np.roll(tone(need), 1)[middle]).max() > 0.05


def test_what_the_lower_rate_cannot_hold_is_filtered_away() -> None:
    high = Sound(np.sin(2 * np.pi * 5500 * np.arange(16000) / 16000), 16000).resampled(8000)
    assert np.abs(high.values[400:-400]).max() < 0.01


def test_a_rate_in_no_small_ratio_is_refused() -> None:
    with pytest.raises(InputError, match="12500 Hz to 12497 Hz; needs a ratio"):
        Sound(np.zeros(10), 12500).resampled(12497)


@pytest.mark.parametrize("rate", [500, 500_000])
def test_a_rate_that_no_sound_has_is_refused_as_that(rate: int) -> None:
    """Though its ratio is small."""
    with pytest.raises(InputError, match=f"{rate} samples per second; needs 1000 to 384000$"):
        Sound(np.zeros(10), 12500).resampled(rate)


# What is refused ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "an empty file; needs a RIFF WAV or a NIST SPHERE file"),
        (b"ID3\x04 an mp3", "begins with b'ID3"),
        (b"ajkg\x02", "compressed by shorten; unpack it first: shorten -x"),
        (WAV[:30], "a header that ends within its format"),
        (WAV[:50], "no samples in 50 bytes; the file is truncated"),
        (WAV[:-1], "5999 bytes of samples, its header promises 6000; it is truncated"),
        (riff(b""), "no samples; needs a sound"),
        (riff(TONE.tobytes(), channels=2), "2 channels; needs one: choose it with sox"),
        (riff(TONE.tobytes(), rate=999), "999 samples per second; needs 1000 to 384000"),
        (riff(TONE.tobytes(), form=2), "cannot be decoded"),
        (riff(TONE.tobytes(), rate=RATE).replace(b"\xa8\x61\0\0", b"\xa9\x61\0\0", 1), "its header contradicts itself"),
        (riff(np.full(50, np.nan, "<f4").tobytes(), form=3, bits=32), "not finite"),
        (riff(TONE.astype("<f4").tobytes(), form=3, bits=32), "samples up to 1.2e+04 times full scale"),
        (WAV.replace(b"fmt ", b"tmf "), "samples before their format"),
        (b"NIST_1A\n   9", "a SPHERE header of b'9' bytes"),
        (BIG[:200], "a SPHERE header without end_head"),
        (BIG[:-10], "5990 bytes of samples, its header promises 6000; it is truncated"),
        (BIG.replace(b"end_head\n", b""), "a SPHERE header without end_head"),
        (sphere(b""), "no samples; needs a sound"),
        (sphere(TONE.tobytes(), channel_count="-i 2", sample_count="-i 1500"), "2 channels; needs one"),
        (sphere(TONE.tobytes(), channel_count=""), "no channel_count in its header"),
        (sphere(TONE.tobytes(), sample_count="-i -1"), "sample_count '-1'"),
        (sphere(TONE.tobytes(), sample_rate="-r 12500.5"), "sample_rate '12500.5'"),
        (sphere(TONE.tobytes(), sample_coding="-s7 mpeg4x1"), "samples coded as 'mpeg4x1'"),
        (sphere(TONE.tobytes(), sample_checksum="-i 12345"), "samples that sum to"),
        (BIG.replace(b"sample_sig_bits -i 12", b"sample_rate -i 16000 "), "sample_rate said twice"),
        (sphere(TONE.tobytes(), sample_byte_format=""), "no sample_byte_format in its header; needs 10 or 01"),
        (sphere(TONE.tobytes(), sample_byte_format="-s2 11"), "sample_byte_format '11'; needs 10 or 01"),
        (sphere(TONE.tobytes(), sample_n_bytes="-i 1"), "pcm in 1 bytes; needs 2"),
        (BIG.replace(b"\nend_head", b"\nno end_head"), "a SPHERE header without end_head"),
        (sphere(TONE.tobytes(), sample_coding="-s9 \x1b[2J" + "x" * 400), "samples coded as '\\x1b[2jxxx"),
    ],
)
def test_a_spoilt_file_is_refused_in_one_line(content: bytes, complaint: str, file: Path) -> None:
    assert complaint in refusal(file, content)


def test_shorten_inside_sphere_is_refused_with_the_way_out(file: Path) -> None:
    packed = sphere(b"ajkg" + bytes(100), sample_coding="-s26 pcm,embedded-shorten-v2.00", sample_checksum="")
    line = refusal(file, packed)
    assert "compressed by shorten (pcm,embedded-shorten-v2.00); unpack it first: sph2pipe -f rif" in line


def test_a_long_sound_is_refused_unless_it_is_allowed(file: Path) -> None:
    assert "0.2 s of sound; needs at most 0.1 s" in refusal(file, WAV, max_duration=0.1)
    assert len(read(file, max_duration=0.24).values) == 3000


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, found in {"missing.wav": "no such file", ".": "not a file", "pipe": "not a file"}.items():
        with pytest.raises(InputError, match=found):
            read(tmp_path / name)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_refused(file: Path) -> None:
    file.write_bytes(WAV)
    file.chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read(file)


# Any bytes ----------------------------------------------------------------------------------------------------------


WHOLE = {
    "wav": WAV,
    "float": riff((TONE / 32768).astype("<f4").tobytes(), form=3, bits=32),
    "mu-law": riff(TONE.tobytes(), form=7, bits=8),
    "sphere": BIG,
    "unsummed sphere": sphere(TONE.astype(">i2").tobytes(), sample_checksum=""),
}


def heard_or_refused(content: bytes) -> Sound | None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mutated.wav")
        path.write_bytes(content)
        try:
            sound = read(path)
        except InputError as refused:
            assert "\n" not in str(refused)
            return None
    assert sound.values.dtype == np.float64
    assert sound.values.ndim == 1
    assert 0 < len(sound.values) <= 60 * sound.sample_rate
    assert np.abs(sound.values).max() <= 10
    return sound


@settings(max_examples=300)
@given(
    kind=st.sampled_from(sorted(WHOLE)),
    # headers matter most, so half of the changes fall there
    changes=st.lists(st.tuples(st.integers(0, 300) | st.integers(0, 8000), st.binary(max_size=6)), max_size=4),
    keep=st.none() | st.integers(0, 8000),
)
def test_a_mutated_file_is_read_or_refused(kind: str, changes: list[tuple[int, bytes]], keep: int | None) -> None:
    content = bytearray(WHOLE[kind])
    for place, new in changes:
        content[place : place + len(new)] = new
    heard_or_refused(bytes(content[:keep]))


@settings(max_examples=100)
@given(st.sampled_from([b"", b"NIST_1A\n   1024\n", WAV[:12], WAV[:36], BIG[:300]]), st.binary(max_size=3000))
def test_any_bytes_are_read_or_refused(head: bytes, rest: bytes) -> None:
    heard_or_refused(head + rest)


@settings(max_examples=100)
@given(place=st.integers(1024, len(BIG) - 1), bit=st.integers(0, 7))
def test_a_flipped_bit_in_summed_samples_is_noticed(place: int, bit: int) -> None:
    content = bytearray(BIG)
    content[place] ^= 1 << bit
    assert heard_or_refused(bytes(BIG)) is not None
    assert heard_or_refused(bytes(content)) is None
