"""What an archive holds is fetched once, unpacked where it is looked for, and told as what it is by verify."""

from __future__ import annotations

import hashlib
import io
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from small_net import Net, names

from snnlab import datasets
from snnlab.datasets import verifying
from snnlab.errors import InputError

# two events each
RECORDINGS = {f"Train/{number % 2}/{number:05}.bin": bytes([1, number, 0, 0, number] * 2) for number in (1, 2, 3, 4)}


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


class Recordings:
    """A dataset of four recordings in an archive: its card, and the net that has it."""

    def __init__(self, folder: Path, how: str = "ranges") -> None:
        self.body = zipped(RECORDINGS | {"Train/README.txt": b"read me"})
        self.net = Net(lambda name: self.body)
        self.card, self.data = folder / "toy.toml", folder / "data"
        self.card.write_text(
            f"""
            kind = "dataset"
            name = "Toy"
            summary = "Four recordings"
            reference = "none"
            licence = "CC0"
            format = "nmnist-bin"
            classes = ["0", "1"]
            sensor = [34, 34, 2]
            time_unit = "us"
            folders = ["toy"]
            [splits.train]
            samples = 4
            path = "Train"
            [archives."train.zip"]
            md5 = "{hashlib.md5(self.body).hexdigest()}"
            mirrors = ["{self.net.url(how, "train.zip")}"]
            keep = ["Train/*/*.bin"]
            """,
            encoding="utf-8",
        )

    def there(self) -> dict[str, bytes]:
        root = self.data / "toy"
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*.bin")}


@pytest.fixture
def recordings(tmp_path: Path) -> Iterator[Recordings]:
    made = Recordings(tmp_path)
    yield made
    made.net.close()


def test_an_archive_is_downloaded_checked_and_unpacked(recordings: Recordings) -> None:
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.there() == RECORDINGS
    assert names(recordings.data) == ["00001.bin", "00002.bin", "00003.bin", "00004.bin", "train.zip"]
    states = {check.file: check.state for check in datasets.verify(recordings.card, folder=recordings.data)}
    assert states == {"Train": "ok", "train.zip": "ok"}
    assert datasets.fetch(recordings.card, folder=recordings.data) == ()


def test_an_archive_that_lies_there_is_unpacked_without_the_net(recordings: Recordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body)
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.there() == RECORDINGS
    assert recordings.net.handler.asked == []


def test_a_spoilt_archive_is_downloaded_anew(recordings: Recordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body[:-100] + b"?" * 100)
    assert datasets.verify(recordings.card, folder=recordings.data)[1].state == "bad"
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.there() == RECORDINGS


def test_a_part_of_the_recordings_is_counted_and_fetching_completes_it(recordings: Recordings) -> None:
    lying = recordings.data / "toy" / "Train" / "1" / "00003.bin"
    lying.parent.mkdir(parents=True)
    lying.write_bytes(RECORDINGS["Train/1/00003.bin"])
    (check,) = datasets.verify(recordings.card, folder=recordings.data)
    assert (check.state, check.reason) == ("ok", "1 of 4 recordings can be read; nobody has published digests of them")
    datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.there() == RECORDINGS


def test_an_archive_that_is_not_unpacked_yet_is_pointed_out(recordings: Recordings) -> None:
    (recordings.data / "toy").mkdir(parents=True)
    (recordings.data / "toy" / "train.zip").write_bytes(recordings.body)
    hint = r"train\.zip is there: `snnlab data fetch toy` unpacks it"
    with pytest.raises(InputError, match=hint):
        datasets.load(recordings.card, "train", folder=recordings.data)
    missing, archive = datasets.verify(recordings.card, folder=recordings.data)
    assert (missing.state, archive.state) == ("missing", "ok")
    assert "unpacks it" in missing.reason


def test_recordings_that_cannot_be_decoded_are_found(recordings: Recordings) -> None:
    datasets.fetch(recordings.card, folder=recordings.data)
    spoilt = recordings.data / "toy" / "Train" / "0" / "00004.bin"
    spoilt.write_bytes(spoilt.read_bytes()[:-1])
    check, _ = datasets.verify(recordings.card, folder=recordings.data)
    assert check.state == "bad"
    assert "00004.bin: 9 bytes, and an event has 5" in check.reason


@pytest.mark.parametrize("right", [True, False])
def test_files_of_an_archive_without_a_digest_are_held_against_the_listing(recordings: Recordings, right: bool) -> None:
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(RECORDINGS.items())]
    listed = hashlib.sha256("".join(lines).encode() if right else b"other").hexdigest()
    text = recordings.card.read_text(encoding="utf-8")
    text = text.replace(f'md5 = "{hashlib.md5(recordings.body).hexdigest()}"\n', "")
    listing = f'\n[listing]\npattern = "Train/*/*.bin"\nfiles = 4\nsha256 = "{listed}"\n'
    recordings.card.write_text(text + listing, encoding="utf-8")
    if right:
        datasets.fetch(recordings.card, folder=recordings.data)
        assert recordings.there() == RECORDINGS
        assert datasets.fetch(recordings.card, folder=recordings.data) == ()
        (recordings.data / "toy" / "Train" / "1" / "00003.bin").unlink()
        check, _ = datasets.verify(recordings.card, folder=recordings.data)
        assert (check.state, check.reason.partition(";")[0]) == ("ok", "3 of 4 recordings can be read")
        datasets.fetch(recordings.card, folder=recordings.data)
        assert recordings.there() == RECORDINGS
        return
    with pytest.raises(InputError, match=r"train\.zip: some of the files are not those of the release"):
        datasets.fetch(recordings.card, folder=recordings.data)
    assert recordings.there() == {}


def listed(recordings: Recordings) -> None:
    """A card with the digest of its recordings, which lie there."""
    lines = [f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(RECORDINGS.items())]
    digest = hashlib.sha256("".join(lines).encode()).hexdigest()
    listing = f'\n[listing]\npattern = "Train/*/*.bin"\nfiles = 4\nsha256 = "{digest}"\n'
    recordings.card.write_text(recordings.card.read_text(encoding="utf-8") + listing, encoding="utf-8")
    datasets.fetch(recordings.card, folder=recordings.data)


def test_a_recording_that_cannot_be_read_is_bad_and_does_not_stop_the_check(
    recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(recordings)
    read_bytes = Path.read_bytes

    def denied(path: Path) -> bytes:
        if path.name == "00003.bin":
            raise PermissionError(13, "Permission denied")
        return read_bytes(path)

    monkeypatch.setattr(Path, "read_bytes", denied)
    found, archive = datasets.verify(recordings.card, folder=recordings.data)
    assert (found.state, archive.state) == ("bad", "ok")
    assert found.reason.endswith("00003.bin: Permission denied; needs a readable file")


@pytest.mark.parametrize("more", [0, 1])
def test_only_as_many_recordings_as_the_card_says_are_decoded_to_find_the_bad_one(
    more: int, recordings: Recordings, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed(recordings)
    decoded = []
    monkeypatch.setattr(verifying, "events", lambda samples: decoded.append(len(samples)) or iter(()))
    one = recordings.data / "toy" / "Train" / "0" / "00004.bin"
    one.write_bytes(bytes(5))
    if more:
        one.with_name("00006.bin").write_bytes(bytes(5))
    found, _ = datasets.verify(recordings.card, folder=recordings.data)
    assert found.state == "bad"
    assert found.reason.startswith("5 files; the card says 4" if more else "some of the files are not those")
    assert decoded == ([] if more else [4])


# What an archive holds of which part ---------------------------------------------------------------------------------

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
def test_what_lies_there_is_not_fetched_again_and_what_is_missing_is(
    train: str, test: str, strip: str, keep: list[str], tmp_path: Path
) -> None:
    """Parts that share a folder, that lie deeper than one folder, and archives with an outer folder."""
    below = "" if train == test else "f1/"
    inside = [f"{train}/{below}{k}.wav" for k in range(3)] + [f"{test}/{below}{k}.wav" for k in (3, 4)]
    body = zipped({f"{strip}/{name}".removeprefix("/"): b"x" for name in inside})
    net = Net(lambda name: body)
    card, place = tmp_path / "toy.toml", tmp_path / "toy"
    naming = "fsdd" if train == test else "ti46"
    told = {"naming": naming, "train": train, "test": test, "strip": strip, "keep": keep}
    told |= {"md5": hashlib.md5(body).hexdigest(), "mirror": net.url("ranges", "toy.zip")}
    card.write_text(SOUNDS.format(**told), encoding="utf-8")
    try:
        datasets.fetch(card, folder=tmp_path)
        assert names(place) == [*(f"{k}.wav" for k in range(5)), "toy.zip"]
        assert datasets.fetch(card, folder=tmp_path) == ()
        for name in inside:  # one of any part
            (place / name).unlink()
            assert len(datasets.fetch(card, folder=tmp_path)) == 5
        shutil.move(place / train.split("/")[0], place / train.split("/")[0].upper())
        assert datasets.fetch(card, folder=tmp_path) == (), "in any case"
        assert len(net.handler.asked) == 1
        shutil.rmtree(place / train.split("/")[0].upper())
        with pytest.raises(InputError, match=r"toy\.zip is there: `snnlab data fetch toy` unpacks it"):
            datasets.load(card, "test", folder=tmp_path)
    finally:
        net.close()
