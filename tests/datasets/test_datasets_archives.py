"""Archives are downloaded once, unpacked into the searched folders, and verified."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from archived_recordings import RECORDINGS, ArchivedRecordings, digest_of, zipped
from errors_in_tests import raises_input_error
from mirror_server import MirrorServer, file_names

from snnlab import datasets


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[ArchivedRecordings]:
    archived = ArchivedRecordings(tmp_path)
    yield archived
    archived.server.close()


def test_an_archive_is_downloaded_verified_and_unpacked(recordings: ArchivedRecordings) -> None:
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.existing() == RECORDINGS
    assert file_names(recordings.data) == ["00001.bin", "00002.bin", "00003.bin", "00004.bin", "train.zip"]
    states = {check.file: check.state for check in datasets.verify(recordings.card, folder=recordings.data)}
    assert states == {"Train": "ok", "train.zip": "ok"}
    assert datasets.fetch(recordings.card, folder=recordings.data) == ()


def test_an_existing_archive_is_unpacked_without_the_network(recordings: ArchivedRecordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body)
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.existing() == RECORDINGS
    assert recordings.server.handler.ranges == []


def test_a_corrupt_archive_is_downloaded_again(recordings: ArchivedRecordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body[:-100] + b"?" * 100)
    assert datasets.verify(recordings.card, folder=recordings.data)[1].state == "bad"
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.existing() == RECORDINGS


def test_partial_recordings_are_counted_and_completed_by_fetch(recordings: ArchivedRecordings) -> None:
    path = recordings.data / "toy" / "Train" / "1" / "00003.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(RECORDINGS["Train/1/00003.bin"])
    (check,) = datasets.verify(recordings.card, folder=recordings.data)
    assert (check.state, check.reason.partition(" recordings")[0]) == ("ok", "1 of 4")
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.existing() == RECORDINGS


def test_errors_name_an_archive_that_is_not_unpacked(recordings: ArchivedRecordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body)
    with raises_input_error("toy: Train", "train.zip exists", "snnlab data fetch toy"):
        datasets.load(recordings.card, "train", folder=recordings.data)
    missing, archive = datasets.verify(recordings.card, folder=recordings.data)
    assert (missing.state, archive.state) == ("missing", "ok")
    assert "snnlab data fetch toy" in missing.reason


def test_verify_names_a_recording_that_cannot_be_decoded(recordings: ArchivedRecordings) -> None:
    datasets.fetch(recordings.card, folder=recordings.data)
    corrupt = recordings.data / "toy" / "Train" / "0" / "00004.bin"
    corrupt.write_bytes(corrupt.read_bytes()[:-1])
    check, _ = datasets.verify(recordings.card, folder=recordings.data)
    assert check.state == "bad"
    assert "00004.bin: 9 bytes" in check.reason


@pytest.mark.parametrize("is_published", [True, False])
def test_files_of_an_archive_without_digest_are_compared_with_the_listing(
    recordings: ArchivedRecordings, is_published: bool
) -> None:
    recordings.card.write_text(recordings.card.read_text(encoding="utf-8").replace(recordings.md5, ""))
    recordings.add_listing(digest_of(RECORDINGS if is_published else {}))
    if is_published:
        datasets.fetch(recordings.card, folder=recordings.data)
        assert recordings.existing() == RECORDINGS
        assert datasets.fetch(recordings.card, folder=recordings.data) == ()
        (recordings.data / "toy" / "Train" / "1" / "00003.bin").unlink()
        check, _ = datasets.verify(recordings.card, folder=recordings.data)
        assert (check.state, check.reason.partition(" recordings")[0]) == ("ok", "3 of 4")
        datasets.fetch(recordings.card, folder=recordings.data)
        assert recordings.existing() == RECORDINGS
        return
    with raises_input_error(recordings.data / "toy" / "train.zip", "release"):
        datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.existing() == {}


def fetch_listed(recordings: ArchivedRecordings) -> None:
    recordings.add_listing(digest_of(RECORDINGS))
    datasets.fetch(recordings.card, folder=recordings.data)


def test_an_unreadable_recording_is_bad_and_does_not_stop_verification(
    recordings: ArchivedRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_listed(recordings)
    read_bytes = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "00003.bin":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    check, archive = datasets.verify(recordings.card, folder=recordings.data)
    assert (check.state, archive.state) == ("bad", "ok")
    assert "00003.bin: Permission denied" in check.reason


@pytest.mark.parametrize("surplus", [0, 1])
def test_recordings_are_decoded_to_find_the_bad_one_only_if_their_number_is_right(
    surplus: int, recordings: ArchivedRecordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_listed(recordings)
    decoded = []
    file_format = datasets.FORMATS["nmnist-bin"]
    monkeypatch.setitem(
        datasets.FORMATS,  # type: ignore[arg-type]
        "nmnist-bin",
        dataclasses.replace(file_format, read_events=lambda files: decoded.append(len(files)) or iter(())),
    )
    path = recordings.data / "toy" / "Train" / "0" / "00004.bin"
    path.write_bytes(bytes(5))
    if surplus:
        path.with_name("00006.bin").write_bytes(bytes(5))
    check, _ = datasets.verify(recordings.card, folder=recordings.data)
    assert check.state == "bad"
    assert check.reason.startswith("5 files; expected 4" if surplus else "some files differ")
    assert decoded == ([] if surplus else [4])


# Archives that contain several parts -------------------------------------------------------------------------------

SOUNDS = """
kind = "dataset"
name = "Toy sounds"
summary = "Names of sounds"
reference = "none"
licence = "CC0"
format = "audio"
classes = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]
rate = 8000
naming = "{naming}"
folders = ["toy"]
[splits.train]
samples = 3
path = "{train}"
[splits.test]
samples = 2
path = "{test}"
[archives."toy.zip"]
md5 = "{md5}"
mirrors = ["{mirror}"]
keep = {keep}
strip = "{strip}"
"""


@pytest.mark.parametrize(
    ("train", "test", "strip", "keep"),
    [
        ("words", "words", "", ["words/*.wav"]),
        ("words", "words", "toy-1.0", ["toy-1.0/words/*.wav"]),
        ("ti20/train", "ti20/test", "", ["ti20/train/*/*.wav", "ti20/test/*/*.wav"]),
        ("ti20/train", "ti20/test", "disc", ["disc/ti20/*/*/*.wav"]),
    ],
)
def test_only_missing_files_are_fetched(train: str, test: str, strip: str, keep: list[str], tmp_path: Path) -> None:
    """Parts that share a folder, nested parts, and archives with an outer folder."""
    below = "" if train == test else "f1/"
    members = [f"{train}/{below}{k}.wav" for k in range(3)] + [f"{test}/{below}{k}.wav" for k in (3, 4)]
    body = zipped({f"{strip}/{name}".removeprefix("/"): b"x" for name in members})
    server = MirrorServer(lambda name: body)
    card, root = tmp_path / "toy.toml", tmp_path / "toy"
    naming = "fsdd" if train == test else "ti46"
    fields = {"naming": naming, "train": train, "test": test, "strip": strip, "keep": keep}
    fields |= {"md5": hashlib.md5(body).hexdigest(), "mirror": server.url("ranges", "toy.zip")}
    card.write_text(SOUNDS.format(**fields), encoding="utf-8")
    try:
        datasets.fetch(card, folder=tmp_path)
        assert file_names(root) == [*(f"{k}.wav" for k in range(5)), "toy.zip"]
        assert datasets.fetch(card, folder=tmp_path) == ()
        for name in members:
            (root / name).unlink()
            assert len(datasets.fetch(card, folder=tmp_path)) == 5
        outer = root / train.split("/")[0]
        shutil.move(outer, outer.with_name(outer.name.upper()))
        assert datasets.fetch(card, folder=tmp_path) == (), "the case of names does not matter"
        assert len(server.handler.ranges) == 1
        shutil.rmtree(outer.with_name(outer.name.upper()))
        with raises_input_error(f"toy: {test}", "toy.zip exists", "snnlab data fetch toy"):
            datasets.load(card, "test", folder=tmp_path)
    finally:
        server.close()
