"""Spoken words are found under the names that their datasets give them, or the odd file is named."""

from __future__ import annotations

import itertools
import re
import shutil
import struct
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from snnlab import cards, datasets
from snnlab.audio import files as sound
from snnlab.data.samples import Files
from snnlab.datasets import Check
from snnlab.datasets.formats import audio
from snnlab.errors import InputError

SPEAKERS = [sex + str(number) for sex in "fm" for number in range(1, 9)]
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
DIGITS = "0123456789"
COMMANDS = "EN ER GO HP NO RB RP SP ST YS".split()


def sphere(samples: np.ndarray, rate: int = 12500, coding: str = "pcm") -> bytes:
    """A SPHERE file as NIST's documentation lays it out: 1024 bytes of header, then 16-bit samples."""
    lines = [
        "NIST_1A", "   1024", f"sample_count -i {len(samples)}", f"sample_rate -i {rate}", "channel_count -i 1",
        "sample_n_bytes -i 2", "sample_byte_format -s2 10", f"sample_coding -s{len(coding)} {coding}", "end_head", "",
    ]  # fmt: skip
    return "\n".join(lines).encode().ljust(1024) + samples.astype(">i2").tobytes()


def tone(number: int) -> np.ndarray:
    return np.round(8000 * np.sin(np.arange(3000 + number % 7) / (3 + number % 11))).astype(np.int16)


class Disc:
    """LDC's folders, with as many speakers, words and takes as are asked for."""

    def __init__(self, data: Path, *, upper: bool = False, suffix: str = ".wav") -> None:
        self.data, self.upper, self.suffix = data, upper, suffix
        self.root = data / "ti46"

    def case(self, text: str) -> str:
        return text.upper() if self.upper else text.lower()

    def path(self, area: str, part: str, speaker: str, word: str, session: str, token: int) -> Path:
        name = f"{word}{speaker}{session}t{token}{self.suffix}"
        return self.root / self.case(area) / self.case(part) / self.case(speaker) / self.case(name)

    def write(self, area: str, words: list[str], speakers: list[str], trains: int = 2, tests: int = 2) -> None:
        utterances = [("train", "se", token) for token in range(trains)]
        utterances += [("test", f"s{1 + number // 2}", number % 2) for number in range(tests)]
        all_of_them = itertools.product(utterances, speakers, words)
        for number, ((part, session, token), speaker, word) in enumerate(all_of_them):
            path = self.path(area, part, speaker, word, session, token)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(sphere(tone(number)))


@pytest.fixture
def disc(tmp_path: Path) -> Disc:
    made = Disc(tmp_path)
    made.write("ti_alpha", [f"0{letter}" for letter in LETTERS], ["f1", "m8"])
    made.write("ti20", [f"0{digit}" for digit in DIGITS] + COMMANDS, ["f1", "m8"])
    return made


def load(name: str, split: str, folder: Path) -> Files:
    return audio.recordings(cards.dataset(name), split, folder)


# TI46 --------------------------------------------------------------------------------------------------------------


def test_letters_get_the_class_that_their_file_name_says(disc: Disc) -> None:
    train = load("ti46-letters", "train", disc.data)
    assert len(train) == 26 * 2 * 2
    assert [path.name[1] for path in train.paths()] == [train.classes[label] for label in train.labels]
    assert all(path.is_file() for path in train.paths())


def test_digits_are_found_and_commands_are_left_out(disc: Disc) -> None:
    test = load("ti46-digits", "test", disc.data)
    assert Counter(test.labels.tolist()) == dict.fromkeys(range(10), 4)
    assert [int(path.name[1]) for path in test.paths()] == test.labels.tolist()
    assert {path.parent.name for path in test.paths()} == {"f1", "m8"}


@pytest.mark.parametrize(
    ("classes", "area", "of_first"),
    [
        (list("jabcdefghi"), "ti_alpha", "J"),
        (["nine", "eight"], "ti20", "9"),
        (list("9876543210"), "ti20", "9"),
        (["a", "yes"], "ti_alpha", ""),
    ],
)
def test_words_are_known_by_the_names_of_the_classes(
    classes: list[str], area: str, of_first: str, disc: Disc, tmp_path: Path
) -> None:
    """Ten letters are no digits, and digits may come in any order."""
    card = tmp_path / "mine.toml"
    fields = {"name": "Mine", "summary": "Some words", "reference": "none", "licence": "none", "naming": "ti46"}
    lines = ['kind = "dataset"', 'format = "audio"', "rate = 12500", f"classes = {classes}", 'folders = ["ti46"]']
    lines += [f'{name} = "{text}"' for name, text in fields.items()]
    card.write_text("\n".join([*lines, "[splits.train]", "samples = 40", f'path = "{area}/train"']), encoding="utf-8")
    if not of_first:
        with pytest.raises(InputError, match=r"mine\.toml: classes: found 'yes'; TI46 has digits, zero to nine, and"):
            datasets.load(card, "train", folder=disc.data)
        return
    samples = datasets.load(card, "train", folder=disc.data)
    assert isinstance(samples, Files)
    assert len(samples) == 4 * len(classes)
    assert {path.name[1].upper() for path in samples.take(samples.labels == 0).paths()} == {of_first}


def test_a_whole_disc_has_the_numbers_of_its_card(tmp_path: Path) -> None:
    made = Disc(tmp_path)
    made.write("ti20", [f"0{digit}" for digit in DIGITS], SPEAKERS, trains=10, tests=16)
    card = cards.dataset("ti46-digits")
    for split in ("train", "test"):
        assert len(load("ti46-digits", split, tmp_path)) == card.splits[split].samples


@pytest.mark.parametrize("suffix", [".wav", ".sph"])
@pytest.mark.parametrize("upper", [False, True])
def test_any_case_and_either_suffix_will_do(tmp_path: Path, upper: bool, suffix: str) -> None:
    made = Disc(tmp_path, upper=upper, suffix=suffix)
    made.write("ti_alpha", ["0A", "0Z"], ["f1", "m2"])
    samples = load("ti46-letters", "train", tmp_path)
    assert samples.labels.tolist() == [0] * 4 + [25] * 4
    values = sound.read(samples.paths()[0], sample_rate=12500).values
    assert np.allclose(values * 32768, tone(0))


def test_missing_utterances_are_allowed_and_said(disc: Disc) -> None:
    disc.path("ti_alpha", "train", "m8", "0Q", "se", 1).unlink()
    assert len(load("ti46-letters", "train", disc.data)) == 103
    found = {check.file: check.reason for check in datasets.verify("ti46-letters", folder=disc.data)}
    assert found["ti_alpha/train"] == "103 of 4,160 recordings can be read; nobody has published digests of them"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (sphere(tone(0), rate=16000), "16000 samples per second; needs 12500"),
        (sphere(tone(0)).replace(b"channel_count -i 1", b"channel_count -i 2"), "truncated|2 channels"),
        (sphere(tone(0), coding="pcm,embedded-shorten-v2.00"), "compressed by shorten .*; unpack it first"),
        (sphere(tone(0))[:-100], "it is truncated"),
        (sphere(tone(0)[:0]), "no samples"),
    ],
)
def test_an_utterance_that_cannot_be_used_is_found(content: bytes, said: str, disc: Disc) -> None:
    disc.path("ti_alpha", "test", "m8", "0Q", "s1", 1).write_bytes(content)
    found = {check.file: check for check in datasets.verify("ti46-letters", folder=disc.data)}
    assert (found["ti_alpha/train"].state, found["ti_alpha/test"].state) == ("ok", "bad")
    assert re.search(rf"0qm8s1t1\.wav: .*({said})", found["ti_alpha/test"].reason)


def test_without_the_disc_the_refusal_says_what_to_put_where(tmp_path: Path) -> None:
    line = (
        r"ti46-letters: ti_alpha/train: not found in .*ti46.*; get LDC93S9 from https://catalog.ldc.upenn.edu/LDC93S9"
    )
    with pytest.raises(InputError, match=line):
        load("ti46-letters", "train", tmp_path)
    (tmp_path / "ti46" / "ti_alpha" / "train").mkdir(parents=True)
    with pytest.raises(InputError, match="no recordings of TI46 letters; get LDC93S9"):
        load("ti46-letters", "train", tmp_path)


def test_a_file_in_another_speakers_folder_is_refused(disc: Disc) -> None:
    stray = disc.path("ti_alpha", "train", "f1", "0A", "se", 0)
    shutil.move(stray, stray.parent.parent / "m8" / stray.name)
    with pytest.raises(InputError, match=r"m8/0af1set0\.wav: in the folder of speaker m8; its name says speaker f1"):
        load("ti46-letters", "train", disc.data)


@pytest.mark.parametrize(("part", "session", "other"), [("train", "se", "test"), ("test", "s1", "train")])
def test_a_file_in_the_other_part_is_refused(disc: Disc, part: str, session: str, other: str) -> None:
    stray = disc.path("ti_alpha", part, "f1", "0A", session, 0)
    shutil.move(stray, disc.path("ti_alpha", other, "f1", "0A", session, 0))
    with pytest.raises(InputError, match=rf"0af1{session}t0\.wav: in the {other} part; its name says"):
        load("ti46-letters", other, disc.data)


@pytest.mark.parametrize(
    "name", ["0af1set.wav", "zzf1set0.wav", "0af9set0.wav", "0af1s9t0.wav", "a.wav", "0af1set0 (1).wav"]
)
def test_a_sound_with_another_name_is_refused(disc: Disc, name: str) -> None:
    (disc.root / "ti_alpha" / "train" / "f1" / name).write_bytes(b"")
    with pytest.raises(InputError, match="no recording of TI46; <word><speaker><session>t<token>.wav or .sph"):
        load("ti46-letters", "train", disc.data)


def test_what_is_no_sound_is_left_alone(disc: Disc) -> None:
    for name in ("readme.txt", ".DS_Store", "._0af1set0.wav"):
        (disc.root / "ti_alpha" / "train" / "f1" / name).write_bytes(b"")
    (disc.root / "ti_alpha" / "train" / "readme.doc").write_bytes(b"")
    assert len(load("ti46-letters", "train", disc.data)) == 104


def test_an_utterance_in_both_formats_is_refused(disc: Disc) -> None:
    path = disc.path("ti_alpha", "train", "f1", "0A", "se", 0)
    shutil.copy(path, path.with_suffix(".sph"))
    with pytest.raises(InputError, match="an utterance that is there twice; .*0af1set0.* is the same utterance"):
        load("ti46-letters", "train", disc.data)


def test_a_folder_that_is_no_speakers_is_refused(disc: Disc) -> None:
    (disc.root / "ti_alpha" / "train" / "f9").mkdir()
    with pytest.raises(InputError, match="f9: no folder of a speaker"):
        load("ti46-letters", "train", disc.data)


# Free Spoken Digits ------------------------------------------------------------------------------------------------


def test_free_spoken_digits_have_the_official_parts(fsdd_folder: Path) -> None:
    train, test = (load("fsdd", split, fsdd_folder) for split in ("train", "test"))
    assert (np.bincount(train.labels).tolist(), np.bincount(test.labels).tolist()) == ([270] * 10, [30] * 10)
    assert not set(train.names.tolist()) & set(test.names.tolist())
    for part, takes in ((train, range(5, 50)), (test, range(5))):
        told = [name.removesuffix(".wav").split("_") for name in part.names.tolist()]
        assert [int(digit) for digit, _, _ in told] == part.labels.tolist()
        assert {int(take) for _, _, take in told} == set(takes)
        assert len({speaker for _, speaker, _ in told}) == 6


def test_free_spoken_digits_are_those_of_the_release(fsdd_folder: Path) -> None:
    (check,) = datasets.verify("fsdd", folder=fsdd_folder)
    assert (check.state, check.reason) == ("ok", "")


def test_another_digit_among_them_is_noticed(fsdd_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(fsdd_folder / "fsdd", tmp_path / "fsdd")
    (tmp_path / "fsdd" / "recordings").chmod(0o755)
    recording = tmp_path / "fsdd" / "recordings" / "3_theo_7.wav"
    recording.chmod(0o644)
    recording.write_bytes(recording.read_bytes()[:-2] + b"\0\1")
    assert datasets.verify("fsdd", folder=tmp_path)[0].state == "bad"
    recording.write_bytes(recording.read_bytes()[:-200])
    assert "3_theo_7.wav: " in datasets.verify("fsdd", folder=tmp_path)[0].reason
    shutil.copy(fsdd_folder / "fsdd" / "recordings" / recording.name, recording)
    recording.rename(recording.with_name("3_THEO_7.WAV"))
    assert datasets.verify("fsdd", folder=tmp_path)[0] == Check("recordings", recording.parent, "ok")
    shutil.copy(recording.with_name("3_THEO_7.WAV"), recording.with_name("3_bob_7.wav"))
    assert datasets.verify("fsdd", folder=tmp_path)[0].reason == "3,001 files; the card says 3,000"


@pytest.fixture
def digits(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "fsdd" / "recordings"
    folder.mkdir(parents=True)
    for digit, take in itertools.product(range(3), (0, 4, 5, 49)):
        (folder / f"{digit}_theo_{take}.wav").write_bytes(b"")
    yield folder


@pytest.mark.parametrize(
    ("name", "unreadable"), [("fsdd", "recordings"), ("ti46-digits", "train"), ("ti46-digits", "f1")]
)
def test_a_folder_that_cannot_be_read_is_refused_by_name(
    name: str, unreadable: str, digits: Path, disc: Disc, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterdir = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if path.name == unreadable:
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    with pytest.raises(InputError, match=rf"/{unreadable}: Permission denied; needs a readable folder$"):
        load(name, "train", disc.data)


def test_takes_0_to_4_are_the_test_part(digits: Path, tmp_path: Path) -> None:
    assert load("fsdd", "test", tmp_path).names.tolist() == [
        f"{d}_theo_{take}.wav" for d in range(3) for take in (0, 4)
    ]
    assert load("fsdd", "train", tmp_path).names.tolist() == [
        f"{d}_theo_{take}.wav" for d in range(3) for take in (5, 49)
    ]


def test_a_wav_with_another_name_is_refused(digits: Path, tmp_path: Path) -> None:
    (digits / "readme.txt").write_bytes(b"")
    load("fsdd", "test", tmp_path)
    (digits / "ten_theo_0.wav").write_bytes(b"")
    with pytest.raises(InputError, match="ten_theo_0.wav: no recording of Free Spoken Digits"):
        load("fsdd", "test", tmp_path)
    (digits / "ten_theo_0.wav").unlink()
    (digits / "1_theo_00.wav").write_bytes(b"")
    with pytest.raises(InputError, match="an utterance that is there twice"):
        load("fsdd", "test", tmp_path)


def wav(samples: np.ndarray, rate: int = 8000, channels: int = 1) -> bytes:
    """A RIFF file as Microsoft's documentation lays it out: 16-bit samples after 44 bytes of header."""
    data = samples.astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_a_part_of_free_spoken_digits_is_decoded_and_counted_whatever_the_case(digits: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(digits.iterdir())):
        path.write_bytes(wav(tone(number)))
    (digits / "0_theo_0.wav").rename(digits / "0_THEO_0.WAV")
    (digits / "._1_theo_4.wav").write_bytes(b"hidden by a Mac")
    (check,) = datasets.verify("fsdd", folder=tmp_path)
    assert (check.state, check.reason.partition(";")[0]) == ("ok", "12 of 3,000 recordings can be read")
    assert load("fsdd", "test", tmp_path).names.tolist()[0] == "0_THEO_0.WAV"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "an empty file"),
        (wav(tone(0))[:-100], "truncated"),
        (wav(tone(0), channels=2), "2 channels"),
        (wav(tone(0), rate=16000), "16000 samples per second; needs 8000"),
        (None, "not a file"),
    ],
)
def test_a_spoilt_recording_among_some_is_named(content: bytes | None, said: str, digits: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(digits.iterdir())):
        path.write_bytes(wav(tone(number)))
    spoilt = digits / "2_theo_49.wav"
    spoilt.unlink()
    if content is None:
        spoilt.mkdir()
    else:
        spoilt.write_bytes(content)
    (check,) = datasets.verify("fsdd", folder=tmp_path)
    assert check.state == "bad"
    assert re.search(rf"2_theo_49\.wav: .*{said}", check.reason)


def test_a_take_that_nobody_spoke_is_refused_and_a_new_speaker_is_not(digits: Path, tmp_path: Path) -> None:
    (digits / "1_bob_5.wav").write_bytes(b"")
    assert "1_bob_5.wav" in load("fsdd", "train", tmp_path).names
    (digits / "1_theo_50.wav").write_bytes(b"")
    with pytest.raises(InputError, match=r"1_theo_50\.wav: take 50; takes are 0 to 49"):
        load("fsdd", "train", tmp_path)


@pytest.mark.parametrize(("split", "lacking"), [("test", "0 to 4"), ("train", "5 to 49")])
def test_recordings_of_the_other_part_alone_are_said_to_be_that(
    split: str, lacking: str, digits: Path, tmp_path: Path
) -> None:
    for path in digits.iterdir():
        if (int(path.stem.split("_")[2]) < 5) == (split == "test"):
            path.unlink()
    with pytest.raises(InputError, match=f"no takes {lacking}, which are the {split} part, among 6 recordings"):
        load("fsdd", split, tmp_path)
