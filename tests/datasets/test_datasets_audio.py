"""Recordings of words are found by their names; invalid names raise an error."""

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
from errors_in_tests import raises_input_error
from ti46_disc import COMMANDS, DIGITS, LETTERS, SPEAKERS, Disc, sphere, tone

from snnlab import cards, datasets
from snnlab.audio import files as sound
from snnlab.data.samples import Files
from snnlab.datasets import FileCheck
from snnlab.datasets.formats import audio


@pytest.fixture
def disc(tmp_path: Path) -> Disc:
    disc = Disc(tmp_path)
    disc.write("ti_alpha", [f"0{letter}" for letter in LETTERS], ["f1", "m8"])
    disc.write("ti20", [f"0{digit}" for digit in DIGITS] + COMMANDS, ["f1", "m8"])
    return disc


def load(name: str, split: str, folder: Path) -> Files:
    return audio.load(cards.dataset(name), split, folder)


# TI46 --------------------------------------------------------------------------------------------------------------


def test_the_class_of_a_letter_is_that_of_its_file_name(disc: Disc) -> None:
    train = load("ti46-letters", "train", disc.data)
    assert len(train) == 26 * 2 * 2
    assert [path.name[1] for path in train.paths()] == [train.classes[label] for label in train.labels]
    assert all(path.is_file() for path in train.paths())


def test_digits_are_found_and_commands_are_ignored(disc: Disc) -> None:
    test = load("ti46-digits", "test", disc.data)
    assert Counter(test.labels.tolist()) == dict.fromkeys(range(10), 4)
    assert [int(path.name[1]) for path in test.paths()] == test.labels.tolist()
    assert {path.parent.name for path in test.paths()} == {"f1", "m8"}


@pytest.mark.parametrize(
    ("classes", "area", "first_word"),
    [
        (list("jabcdefghi"), "ti_alpha", "J"),
        (["nine", "eight"], "ti20", "9"),
        (list("9876543210"), "ti20", "9"),
        (["a", "yes"], "ti_alpha", ""),
    ],
)
def test_words_are_selected_by_the_class_names(
    classes: list[str], area: str, first_word: str, disc: Disc, tmp_path: Path
) -> None:
    """Classes may be in any order; ten letters are not mistaken for digits."""
    card = tmp_path / "mine.toml"
    fields = {"name": "Mine", "summary": "Some words", "reference": "none", "licence": "none", "naming": "ti46"}
    lines = ['kind = "dataset"', 'format = "audio"', "rate = 12500", f"classes = {classes}", 'folders = ["ti46"]']
    lines += [f'{name} = "{text}"' for name, text in fields.items()]
    card.write_text("\n".join([*lines, "[splits.train]", "samples = 40", f'path = "{area}/train"']), encoding="utf-8")
    if not first_word:
        with raises_input_error("mine.toml: classes", "yes"):
            datasets.load(card, "train", folder=disc.data)
        return
    samples = datasets.load(card, "train", folder=disc.data)
    assert isinstance(samples, Files)
    assert len(samples) == 4 * len(classes)
    assert {path.name[1].upper() for path in samples.take(samples.labels == 0).paths()} == {first_word}


def test_a_complete_disc_has_the_number_of_samples_on_the_card(tmp_path: Path) -> None:
    disc = Disc(tmp_path)
    disc.write("ti20", [f"0{digit}" for digit in DIGITS], SPEAKERS, trains=10, tests=16)
    card = cards.dataset("ti46-digits")
    for split in ("train", "test"):
        assert len(load("ti46-digits", split, tmp_path)) == card.splits[split].samples


@pytest.mark.parametrize("suffix", [".wav", ".sph"])
@pytest.mark.parametrize("upper", [False, True])
def test_names_may_be_in_any_case_with_either_suffix(tmp_path: Path, upper: bool, suffix: str) -> None:
    disc = Disc(tmp_path, upper=upper, suffix=suffix)
    disc.write("ti_alpha", ["0A", "0Z"], ["f1", "m2"])
    samples = load("ti46-letters", "train", tmp_path)
    assert samples.labels.tolist() == [0] * 4 + [25] * 4
    values = sound.read(samples.paths()[0], sample_rate=12500).values
    assert np.allclose(values * 32768, tone(0))


def test_missing_utterances_are_allowed_and_reported(disc: Disc) -> None:
    disc.path("ti_alpha", "train", "m8", "0Q", "se", 1).unlink()
    assert len(load("ti46-letters", "train", disc.data)) == 103
    reasons = {check.file: check.reason for check in datasets.verify("ti46-letters", folder=disc.data)}
    assert reasons["ti_alpha/train"].startswith("103 of 4,160 recordings")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty file"),
        (sphere(tone(0), rate=16000), "16000.*12500"),
        (sphere(tone(0)).replace(b"channel_count -i 1", b"channel_count -i 2"), "truncated|2 channels"),
        (sphere(tone(0), coding="pcm,embedded-shorten-v2.00"), "shorten"),
        (sphere(tone(0))[:-100], "truncated"),
        (sphere(tone(0)[:0]), "no samples"),
    ],
)
def test_verify_names_an_invalid_utterance(content: bytes, problem: str, disc: Disc) -> None:
    disc.path("ti_alpha", "test", "m8", "0Q", "s1", 1).write_bytes(content)
    checks = {check.file: check for check in datasets.verify("ti46-letters", folder=disc.data)}
    assert (checks["ti_alpha/train"].state, checks["ti_alpha/test"].state) == ("ok", "bad")
    assert re.search(rf"0qm8s1t1\.wav: .*({problem})", checks["ti_alpha/test"].reason)


def test_without_the_disc_the_error_says_how_to_obtain_it(tmp_path: Path) -> None:
    with raises_input_error("ti46-letters: ti_alpha/train", "ti46", "https://catalog.ldc.upenn.edu/LDC93S9"):
        load("ti46-letters", "train", tmp_path)
    (tmp_path / "ti46" / "ti_alpha" / "train").mkdir(parents=True)
    with raises_input_error(tmp_path / "ti46" / "ti_alpha" / "train", "no recordings", "LDC93S9"):
        load("ti46-letters", "train", tmp_path)


def test_a_file_in_another_speakers_folder_raises_an_error(disc: Disc) -> None:
    stray = disc.path("ti_alpha", "train", "f1", "0A", "se", 0)
    shutil.move(stray, stray.parent.parent / "m8" / stray.name)
    with raises_input_error("m8/0af1set0.wav", "m8", "f1"):
        load("ti46-letters", "train", disc.data)


@pytest.mark.parametrize(("part", "session", "other"), [("train", "se", "test"), ("test", "s1", "train")])
def test_a_file_in_the_other_part_raises_an_error(disc: Disc, part: str, session: str, other: str) -> None:
    stray = disc.path("ti_alpha", part, "f1", "0A", session, 0)
    shutil.move(stray, disc.path("ti_alpha", other, "f1", "0A", session, 0))
    with raises_input_error(f"0af1{session}t0.wav", f"in the {other} split", f"of the {part} split"):
        load("ti46-letters", other, disc.data)


@pytest.mark.parametrize(
    "name", ["0af1set.wav", "zzf1set0.wav", "0af9set0.wav", "0af1s9t0.wav", "a.wav", "0af1set0 (1).wav"]
)
def test_a_sound_with_an_invalid_name_raises_an_error(disc: Disc, name: str) -> None:
    (disc.root / "ti_alpha" / "train" / "f1" / name).write_bytes(b"")
    with raises_input_error(name, "<word><speaker><session>t<token>.wav"):
        load("ti46-letters", "train", disc.data)


def test_other_files_than_sounds_are_ignored(disc: Disc) -> None:
    for name in ("readme.txt", ".DS_Store", "._0af1set0.wav"):
        (disc.root / "ti_alpha" / "train" / "f1" / name).write_bytes(b"")
    (disc.root / "ti_alpha" / "train" / "readme.doc").write_bytes(b"")
    assert len(load("ti46-letters", "train", disc.data)) == 104


def test_an_utterance_in_both_formats_raises_an_error(disc: Disc) -> None:
    path = disc.path("ti_alpha", "train", "f1", "0A", "se", 0)
    shutil.copy(path, path.with_suffix(".sph"))
    with raises_input_error(path.with_suffix(""), "duplicate", path.with_suffix("")):
        load("ti46-letters", "train", disc.data)


def test_a_folder_that_is_not_named_as_a_speaker_raises_an_error(disc: Disc) -> None:
    (disc.root / "ti_alpha" / "train" / "f9").mkdir()
    with raises_input_error(disc.root / "ti_alpha" / "train" / "f9", "speaker"):
        load("ti46-letters", "train", disc.data)


# Free Spoken Digits ------------------------------------------------------------------------------------------------


def test_free_spoken_digits_have_the_official_parts(fsdd_folder: Path) -> None:
    train, test = (load("fsdd", split, fsdd_folder) for split in ("train", "test"))
    assert (np.bincount(train.labels).tolist(), np.bincount(test.labels).tolist()) == ([270] * 10, [30] * 10)
    assert not set(train.names.tolist()) & set(test.names.tolist())
    for part, takes in ((train, range(5, 50)), (test, range(5))):
        fields = [name.removesuffix(".wav").split("_") for name in part.names.tolist()]
        assert [int(digit) for digit, _, _ in fields] == part.labels.tolist()
        assert {int(take) for _, _, take in fields} == set(takes)
        assert len({speaker for _, speaker, _ in fields}) == 6


def test_free_spoken_digits_equal_the_release(fsdd_folder: Path) -> None:
    (check,) = datasets.verify("fsdd", folder=fsdd_folder)
    assert (check.state, check.reason) == ("ok", "")


def test_verify_finds_a_changed_or_surplus_recording(fsdd_folder: Path, tmp_path: Path) -> None:
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
    assert datasets.verify("fsdd", folder=tmp_path)[0] == FileCheck("recordings", recording.parent, "ok")
    shutil.copy(recording.with_name("3_THEO_7.WAV"), recording.with_name("3_bob_7.wav"))
    assert datasets.verify("fsdd", folder=tmp_path)[0].reason == "3,001 files; expected 3,000"


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
def test_an_unreadable_folder_raises_an_error(
    name: str, unreadable: str, digits: Path, disc: Disc, monkeypatch: pytest.MonkeyPatch
) -> None:
    iterdir = Path.iterdir

    def denied(path: Path) -> Iterator[Path]:
        if path.name == unreadable:
            raise PermissionError(13, "Permission denied")
        return iterdir(path)

    monkeypatch.setattr(Path, "iterdir", denied)
    with raises_input_error(f"/{unreadable}", "Permission denied"):
        load(name, "train", disc.data)


def test_takes_0_to_4_are_the_test_part(digits: Path, tmp_path: Path) -> None:
    assert load("fsdd", "test", tmp_path).names.tolist() == [
        f"{d}_theo_{take}.wav" for d in range(3) for take in (0, 4)
    ]
    assert load("fsdd", "train", tmp_path).names.tolist() == [
        f"{d}_theo_{take}.wav" for d in range(3) for take in (5, 49)
    ]


def test_a_wav_with_an_invalid_name_raises_an_error(digits: Path, tmp_path: Path) -> None:
    (digits / "readme.txt").write_bytes(b"")
    load("fsdd", "test", tmp_path)
    (digits / "ten_theo_0.wav").write_bytes(b"")
    with raises_input_error("ten_theo_0.wav", "<digit>_<speaker>_<take>.wav"):
        load("fsdd", "test", tmp_path)
    (digits / "ten_theo_0.wav").unlink()
    (digits / "1_theo_00.wav").write_bytes(b"")
    with raises_input_error("1_theo_0", "duplicate", "1_theo_0"):
        load("fsdd", "test", tmp_path)


def wav(samples: np.ndarray, rate: int = 8000, channels: int = 1) -> bytes:
    """A RIFF file as in Microsoft's documentation: 44 bytes of header, then 16-bit samples."""
    data = samples.astype("<i2").tobytes()
    head = struct.pack("<HHIIHH", 1, channels, rate, rate * 2 * channels, 2 * channels, 16)
    chunks = b"fmt " + struct.pack("<I", 16) + head + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def test_partial_recordings_are_decoded_and_counted_in_any_case(digits: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(digits.iterdir())):
        path.write_bytes(wav(tone(number)))
    (digits / "0_theo_0.wav").rename(digits / "0_THEO_0.WAV")
    (digits / "._1_theo_4.wav").write_bytes(b"hidden by a Mac")
    (check,) = datasets.verify("fsdd", folder=tmp_path)
    assert (check.state, check.reason.partition(";")[0]) == ("ok", "12 of 3,000 recordings can be read")
    assert load("fsdd", "test", tmp_path).names.tolist()[0] == "0_THEO_0.WAV"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty file"),
        (wav(tone(0))[:-100], "truncated"),
        (wav(tone(0), channels=2), "2 channels"),
        (wav(tone(0), rate=16000), "16000.*8000"),
        (None, "not a file"),
    ],
)
def test_verify_names_an_invalid_recording(content: bytes | None, problem: str, digits: Path, tmp_path: Path) -> None:
    for number, path in enumerate(sorted(digits.iterdir())):
        path.write_bytes(wav(tone(number)))
    corrupt = digits / "2_theo_49.wav"
    corrupt.unlink()
    if content is None:
        corrupt.mkdir()
    else:
        corrupt.write_bytes(content)
    (check,) = datasets.verify("fsdd", folder=tmp_path)
    assert check.state == "bad"
    assert re.search(rf"2_theo_49\.wav: .*{problem}", check.reason)


def test_an_invalid_take_raises_an_error_and_a_new_speaker_does_not(digits: Path, tmp_path: Path) -> None:
    (digits / "1_bob_5.wav").write_bytes(b"")
    assert "1_bob_5.wav" in load("fsdd", "train", tmp_path).names
    (digits / "1_theo_50.wav").write_bytes(b"")
    with raises_input_error("1_theo_50.wav", 50, 49):
        load("fsdd", "train", tmp_path)


@pytest.mark.parametrize(("split", "missing"), [("test", "0 to 4"), ("train", "5 to 49")])
def test_only_recordings_of_the_other_part_raise_an_error(
    split: str, missing: str, digits: Path, tmp_path: Path
) -> None:
    for path in digits.iterdir():
        if (int(path.stem.split("_")[2]) < 5) == (split == "test"):
            path.unlink()
    with raises_input_error(digits, missing, split, "6 recordings"):
        load("fsdd", split, tmp_path)
