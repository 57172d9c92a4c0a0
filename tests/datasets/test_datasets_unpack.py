"""An archive is unpacked whole into its folder, or refused; never does it reach outside."""

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
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snnlab.datasets.extracting import unpack
from snnlab.errors import InputError

KEEP = ("Train/*/*.bin",)
GOOD = {"Train/0/1.bin": b"one", "Train/1/2.bin": b"two" * 1000, "Train/README": b"no", "Other/0/1.bin": b"no"}
KEPT = {name: content for name, content in GOOD.items() if name.endswith(".bin") and name.startswith("Train")}


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


def there(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("pack", KINDS)
def test_the_members_that_are_wanted_come_out_and_no_others(
    pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path
) -> None:
    told: list[tuple[int, int]] = []
    paths = unpack(put(tmp_path, pack(GOOD)), tmp_path / "to", KEEP, progress=lambda *now: told.append(now))
    assert there(tmp_path / "to") == KEPT
    assert set(paths) == {tmp_path / "to" / name for name in KEPT}
    assert told == [(1, 2), (2, 2)]


def test_the_outer_folder_can_be_left_away(tmp_path: Path) -> None:
    unpack(put(tmp_path, as_zip({"a-1.0/b/x.wav": b"x"})), tmp_path / "to", ("a-1.0/b/*.wav",), "a-1.0")
    assert there(tmp_path / "to") == {"b/x.wav": b"x"}


def test_a_file_that_was_there_is_replaced_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "to" / "Train" / "0").mkdir(parents=True)
    (tmp_path / "to" / "Train" / "0" / "1.bin").write_bytes(b"half")
    (tmp_path / "to" / "mine.txt").write_bytes(b"mine")
    unpack(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)
    assert there(tmp_path / "to") == KEPT | {"mine.txt": b"mine"}


# Strangers' archives -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("pack", [as_zip, as_tar])
@pytest.mark.parametrize("name", ["../out/1.bin", "/tmp/out/1.bin", "Train/../1.bin", "Train/x/..\\..\\1.bin"])
def test_a_member_outside_the_folder_is_refused(
    pack: Callable[[dict[str, bytes]], bytes], name: str, tmp_path: Path
) -> None:
    archive = put(tmp_path, pack({name: b"x"}))
    keep = ("*/*/*.bin", "/*/*/*.bin", "../*/*.bin", "*/*/*")
    with pytest.raises(InputError, match="archive: (member .* lies outside|holds none)"):
        unpack(archive, tmp_path / "to", keep)
    assert there(tmp_path) == {"archive": archive.read_bytes()}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE])
def test_links_and_devices_in_a_tar_are_refused(kind: bytes, tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        info = tarfile.TarInfo("Train/0/1.bin")
        info.type, info.linkname = kind, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(InputError, match=r"'Train/0/1\.bin' is no plain file"):
        unpack(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


def test_a_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("Train/0/1.bin")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=r"'Train/0/1\.bin' is no plain file"):
        unpack(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


@pytest.mark.parametrize("pack", [as_zip, as_tar_gz])
def test_a_bomb_is_refused_before_it_is_unpacked(pack: Callable[[dict[str, bytes]], bytes], tmp_path: Path) -> None:
    bomb = put(tmp_path, pack({"Train/0/1.bin": bytes(30_000_000)}))
    with pytest.raises(InputError, match=r"archive: \d+ bytes say that they hold 30000000"):
        unpack(bomb, tmp_path / "to", KEEP)
    assert there(tmp_path / "to") == {}


def test_a_zip_that_lies_about_a_size_is_refused(tmp_path: Path) -> None:
    """The bomb's size is hidden: both of its headers say that a megabyte is ten bytes."""
    content = bytearray(as_zip({"Train/0/1.bin": bytes(1_000_000)}))
    while (at := content.find(struct.pack("<I", 1_000_000))) >= 0:
        content[at : at + 4] = struct.pack("<I", 10)
    with pytest.raises(InputError, match="archive: "):
        unpack(put(tmp_path, bytes(content)), tmp_path / "to", KEEP)
    assert there(tmp_path / "to") == {}


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for _ in range(2):
            archive.addfile(tarfile.TarInfo("Train/0/1.bin"), io.BytesIO(b""))
    with pytest.raises(InputError, match="two members with one name"):
        unpack(put(tmp_path, file.getvalue()), tmp_path / "to", KEEP)


def test_more_than_the_disk_has_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snnlab.datasets.extracting.shutil.disk_usage", lambda _: type("Usage", (), {"free": 100})())
    with pytest.raises(InputError, match="to: 100 bytes are free; archive needs 3003"):
        unpack(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)


@pytest.mark.parametrize("content", [b"", b"not an archive", as_zip({"other": b"x"}), as_tar({"other": b"x"})])
def test_what_holds_nothing_of_the_dataset_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="archive: (not a whole zip or tar archive|holds none of the files)"):
        unpack(put(tmp_path, content), tmp_path / "to", KEEP)


def test_two_processes_do_not_unpack_one_archive_at_once(tmp_path: Path) -> None:
    archive = put(tmp_path, as_zip(GOOD))
    with archive.open("rb") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another process unpacks it"):
            unpack(archive, tmp_path / "to", KEEP)


def test_what_a_killed_process_left_is_swept_away(tmp_path: Path) -> None:
    (tmp_path / "to" / ".archive.unpacking" / "Train").mkdir(parents=True)
    unpack(put(tmp_path, as_zip(GOOD)), tmp_path / "to", KEEP)
    assert there(tmp_path / "to") == KEPT
    assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["Train"]


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(pack=st.sampled_from(KINDS), data=st.data())
def test_a_changed_archive_gives_the_members_or_a_refusal(
    pack: Callable[[dict[str, bytes]], bytes], data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(pack(GOOD))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))]
    try:
        paths = unpack(put(tmp_path, bytes(content)), tmp_path / "to", KEEP)
    except InputError as refusal:
        assert "\n" not in str(refusal)
    else:
        assert paths
        if pack is as_zip:  # a tar has no check sums of its members
            assert {path.read_bytes() for path in paths} <= set(GOOD.values())
    assert {path.name for path in tmp_path.iterdir()} <= {"archive", "to"}
