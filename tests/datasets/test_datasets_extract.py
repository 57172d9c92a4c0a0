"""Archives are extracted completely into their folder or raise an error; nothing is written outside."""

from __future__ import annotations

import fcntl
import io
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnlab.datasets.extracting import extract
from snnlab.errors import InputError

KEEP = ("Train/*/*.bin",)
GOOD = {"Train/0/1.bin": b"one", "Train/1/2.bin": b"two" * 1000, "Train/README": b"no", "Other/0/1.bin": b"no"}
EXTRACTED = {name: content for name, content in GOOD.items() if name.endswith(".bin") and name.startswith("Train")}


def as_zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def as_tar(members: dict[str, bytes], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def as_tar_gz(members: dict[str, bytes]) -> bytes:
    return as_tar(members, "w:gz")


KINDS: list[Callable[[dict[str, bytes]], bytes]] = [as_zip, as_tar, as_tar_gz]


def put(folder: Path, content: bytes) -> Path:
    path = folder / "archive"
    path.write_bytes(content)
    return path


def files_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pack", KINDS)
def test_only_the_selected_members_are_extracted(pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path) -> None:
    reports: list[tuple[int, int]] = []
    paths = extract(put(tmp_path, pack(GOOD)), tmp_path / "to", KEEP, progress=lambda *now: reports.append(now))
    assert files_below(tmp_path / "to") == EXTRACTED
    assert set(paths) == {tmp_path / "to" / name for name in EXTRACTED}
    assert reports == [(1, 2), (2, 2)]


def test_the_outer_folder_is_stripped(tmp_path: Path) -> None:
    extract(put(tmp_path, as_zip({"a-1.0/b/x.wav": b"x"})), tmp_path / "to", ("a-1.0/b/*.wav",), "a-1.0")
    assert files_below(tmp_path / "to") == {"b/x.wav": b"x"}


def test_existing_files_are_replaced_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "to" / "Train" / "0").mkdir(parents=True)
    (tmp_path / "to" / "Train" / "0" / "1.bin").write_bytes(b"half")
    (tmp_path / "to" / "mine.txt").write_bytes(b"mine")
    extract(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)
    assert files_below(tmp_path / "to") == EXTRACTED | {"mine.txt": b"mine"}


# Unsafe archives ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [as_zip, as_tar])
@pytest.mark.parametrize("name", ["../out/1.bin", "/tmp/out/1.bin", "Train/../1.bin", "Train/x/..\\..\\1.bin"])
def test_a_member_outside_the_folder_raises_an_error(
    pack: Callable[[dict[str, bytes]], bytes], name: str, tmp_path: Path
) -> None:
    archive = put(tmp_path, pack({name: b"x"}))
    keep = ("*/*/*.bin", "/*/*/*.bin", "../*/*.bin", "*/*/*")
    with raises_input_error(archive):
        extract(archive, tmp_path / "to", keep)
    assert files_below(tmp_path) == {"archive": archive.read_bytes()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_raise_an_error(kind: bytes, tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("Train/0/1.bin")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with raises_input_error(tmp_path / "archive", "Train/0/1.bin", "links"):
        extract(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


def test_a_link_in_a_zip_raises_an_error(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("Train/0/1.bin")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with raises_input_error(tmp_path / "archive", "Train/0/1.bin", "links"):
        extract(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


@pytest.mark.parametrize("pack", [as_zip, as_tar_gz])
def test_a_decompression_bomb_raises_an_error_before_extraction(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    bomb = put(tmp_path, pack({"Train/0/1.bin": bytes(30_000_000)}))
    with raises_input_error(bomb, 30000000):
        extract(bomb, tmp_path / "to", KEEP)
    assert files_below(tmp_path / "to") == {}


def test_a_zip_with_a_false_size_raises_an_error(tmp_path: Path) -> None:
    """Both headers of a megabyte say ten bytes."""
    content = bytearray(as_zip({"Train/0/1.bin": bytes(1_000_000)}))
    while (start := content.find(struct.pack("<I", 1_000_000))) >= 0:
        content[start : start + 4] = struct.pack("<I", 10)
    with raises_input_error(tmp_path / "archive"):
        extract(put(tmp_path, bytes(content)), tmp_path / "to", KEEP)
    assert files_below(tmp_path / "to") == {}


def test_two_members_with_the_same_name_raise_an_error(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("Train/0/1.bin"), io.BytesIO(b""))
    with raises_input_error(tmp_path / "archive", "same name"):
        extract(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


def test_more_content_than_free_disk_space_raises_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnlab.datasets.extracting.shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with raises_input_error(tmp_path / "to", 100, 3003):
        extract(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)


@pytest.mark.parametrize("content", [b"", b"not an archive", as_zip({"other": b"x"}), as_tar({"other": b"x"})])
def test_an_archive_without_files_of_the_dataset_raises_an_error(content: bytes, tmp_path: Path) -> None:
    with raises_input_error(tmp_path / "archive"):
        extract(put(tmp_path, content), tmp_path / "to", KEEP)


def test_concurrent_extraction_of_an_archive_raises_an_error(tmp_path: Path) -> None:
    archive = put(tmp_path, as_zip(GOOD))
    with archive.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with raises_input_error(archive, "another process"):
            extract(archive, tmp_path / "to", KEEP)


def test_files_of_a_killed_process_are_removed(tmp_path: Path) -> None:
    (tmp_path / "to" / ".archive.unpacking" / "Train").mkdir(parents=True)
    extract(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)
    assert files_below(tmp_path / "to") == EXTRACTED
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["Train"]


@settings(max_examples=examples(300), suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pack=st.sampled_from(KINDS), data=st.data())
def test_a_changed_archive_is_extracted_or_raises_an_error(
    pack: Callable[[dict[str, bytes]], bytes], data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(pack(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        paths = extract(put(tmp_path, bytes(content)), tmp_path / "to", KEEP)
    except InputError as error:
        assert "\n" not in str(error)
    else:
        assert paths
        if pack is as_zip:  # a tar has no check sums of its members
            assert {path.read_bytes() for path in paths} <= set(GOOD.values())
    assert {path.name for path in tmp_path.iterdir()} <= {"archive", "to"}
