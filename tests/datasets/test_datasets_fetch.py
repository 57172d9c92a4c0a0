"""Downloads come whole or not at all, and go on where they stopped."""

from __future__ import annotations

import hashlib
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from small_net import Net, names
from toy_dataset import IMAGES, LABELS, Toy, packed

from snnlab import datasets
from snnlab.datasets import downloading
from snnlab.datasets.downloading import Wanted
from snnlab.errors import InputError

BODY = np.random.default_rng(0).bytes(200_000)
SUMS = {name: hashlib.new(name, BODY).hexdigest() for name in ("sha256", "md5")}


@pytest.fixture
def net() -> Iterator[Net]:
    made = Net(lambda name: BODY)
    yield made
    made.close()


@pytest.fixture
def mirror(toy: Toy) -> Iterator[Callable[..., None]]:
    """Puts mirrors that behave in these ways on the card of a dataset that is not there yet."""
    made = Net(lambda name: packed(toy.contents[name.removesuffix(".gz")]))

    def use(*how: str) -> None:
        for file in toy.contents:
            (toy.place / file).unlink()
        toy.mirrors = [made.url(way) for way in how]
        toy.write_card()

    yield use
    made.close()


def wanted(net: Net, *how: str, most: int = len(BODY)) -> Wanted:
    return Wanted("file.bin", tuple(net.url(way, "file.bin") for way in how), SUMS, most)


# One file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["missing", "wrong", "cut", "empty", "elsewhere", "endless", "lies"])
def test_where_one_mirror_fails_the_next_one_serves(net: Net, tmp_path: Path, first: str) -> None:
    path = downloading.download(wanted(net, first, "ranges"), tmp_path)
    assert path.read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("how", ["missing", "wrong", "empty", "elsewhere", "endless"])
def test_what_is_not_the_file_leaves_nothing(net: Net, tmp_path: Path, how: str) -> None:
    with pytest.raises(InputError, match=r"file\.bin: http://127.0.0.1.*run it again to go on") as refused:
        downloading.download(wanted(net, how), tmp_path)
    assert "\n" not in str(refused.value)
    assert names(tmp_path) == []


def test_a_download_that_stops_in_the_middle_goes_on_from_there(net: Net, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="stopped after 100000 bytes"):
        downloading.download(wanted(net, "cut"), tmp_path)
    assert names(tmp_path) == ["file.bin.part"]
    assert downloading.download(wanted(net, "ranges"), tmp_path).read_bytes() == BODY
    assert net.handler.asked == ["", "bytes=100000-"]
    assert names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("how", ["whole", "lies"])
def test_a_mirror_that_cannot_go_on_begins_anew(net: Net, tmp_path: Path, how: str) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY[:5000])
    assert downloading.download(wanted(net, how, "whole"), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("part", [b"?" * 5000, b"?" * len(BODY), b"?" * (2 * len(BODY)), BODY])
def test_a_part_that_spoils_the_file_is_thrown_away(net: Net, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "file.bin.part").write_bytes(part)
    assert downloading.download(wanted(net, "ranges"), tmp_path).read_bytes() == BODY
    assert names(tmp_path) == ["file.bin"]


def test_a_mirror_that_falls_silent_is_left_and_what_it_gave_is_kept(
    net: Net, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "_SECONDS", 0.2)
    assert downloading.download(wanted(net, "silent", "ranges"), tmp_path).read_bytes() == BODY
    assert net.handler.asked[1].startswith("bytes=")


def test_progress_is_told_up_to_the_last_byte(net: Net, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    downloading.download(wanted(net, "whole"), tmp_path, lambda *now: told.append(now))
    assert told[-1] == ("file.bin", len(BODY), len(BODY))
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


def test_two_downloads_of_one_file_do_not_meet(net: Net, tmp_path: Path) -> None:
    first = Thread(target=lambda: downloading.download(wanted(net, "silent", "whole"), tmp_path), daemon=True)
    first.start()
    while not (tmp_path / "file.bin.part").exists() or (tmp_path / "file.bin.part").stat().st_size == 0:
        time.sleep(0.01)
        if not first.is_alive():
            break
    with pytest.raises(InputError, match=r"file\.bin\.part: another process downloads it"):
        downloading.download(wanted(net, "whole"), tmp_path)
    net.handler.over.set()
    first.join(20)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_download_that_is_killed_leaves_nothing_under_its_name_and_is_gone_on_with(net: Net, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from snnlab.datasets.downloading import Wanted, download
download(Wanted("file.bin", ({net.url("silent", "file.bin")!r},), {SUMS!r}, {len(BODY)}), Path({str(tmp_path)!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(datasets.__file__).parents[2])
    part = tmp_path / "file.bin.part"
    while child.poll() is None and not (part.exists() and part.stat().st_size >= 1 << 16):
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert names(tmp_path) == ["file.bin.part"]
    assert downloading.download(wanted(net, "ranges"), tmp_path).read_bytes() == BODY
    assert net.handler.asked[-1].startswith("bytes=")


def test_a_file_in_the_place_of_the_folder_is_refused(net: Net, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(InputError, match="taken.*name a folder that can be written to"):
        downloading.download(wanted(net, "whole"), tmp_path / "taken")


def test_without_the_net_the_refusal_names_the_address(tmp_path: Path) -> None:
    gone = Wanted("file.bin", ("http://127.0.0.1:9/file.bin",), SUMS, len(BODY))
    with pytest.raises(InputError, match=r"file\.bin: http://127.0.0.1:9/file.bin: .*by hand$"):
        downloading.download(gone, tmp_path)
    assert names(tmp_path) == []


# A dataset ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_the_files_of_a_dataset_come_from_any_mirror(toy: Toy, mirror: Callable[..., None], first: str) -> None:
    mirror(first, "ranges")
    paths = datasets.fetch(toy.card, folder=toy.data)
    assert paths == (toy.place / "pictures-idx3.gz", toy.place / "answers-idx1.gz")
    assert names(toy.data) == ["answers-idx1.gz", "pictures-idx3.gz"]
    assert np.array_equal(toy.load().labels, LABELS)


def test_what_is_there_already_is_not_downloaded(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    toy.put("pictures-idx3")
    assert datasets.fetch(toy.card, folder=toy.data) == (toy.place / "answers-idx1.gz",)
    assert datasets.fetch(toy.card, folder=toy.data) == ()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_download_mends_a_spoilt_file(toy: Toy, mirror: Callable[..., None], suffix: str) -> None:
    mirror("good")
    toy.put("pictures-idx3", b"spoilt", suffix)
    with pytest.raises(InputError):
        toy.load()
    datasets.fetch(toy.card, folder=toy.data)
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_a_download_goes_to_the_users_data_folder_unless_told(
    toy: Toy, mirror: Callable[..., None], tmp_path: Path
) -> None:
    mirror("good")
    assert datasets.fetch(toy.card)[0] == tmp_path / "own data" / "toy" / "raw" / "pictures-idx3.gz"
    assert len(datasets.load(toy.card, "all")) == 5


def test_a_folder_that_cannot_be_made_is_refused(toy: Toy, mirror: Callable[..., None], tmp_path: Path) -> None:
    mirror("good")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(InputError, match="taken.*name a folder that can be written to"):
        datasets.fetch(toy.card, folder=tmp_path / "taken")


def test_loading_never_downloads(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    with pytest.raises(InputError, match="not found"):
        toy.load()
    assert names(toy.data) == []


def test_the_digits_ship_with_a_package_and_have_no_files() -> None:
    assert (datasets.where("digits"), datasets.verify("digits"), datasets.fetch("digits")) == ((), (), ())


def test_a_full_disk_is_a_refusal_and_what_has_come_is_gone_on_with(net: Net, tmp_path: Path) -> None:
    """A limit on the size of files, as a process may have, fails as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(InputError, match="File too large; name a folder that can be written to"):
            downloading.download(wanted(net, "ranges"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert names(tmp_path) == ["file.bin.part"]
    assert downloading.download(wanted(net, "ranges"), tmp_path).read_bytes() == BODY


def test_data_that_must_be_bought_is_never_downloaded_and_says_what_to_put_where(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"ti46-letters: .*cannot be downloaded; get LDC93S9 .*ti_alpha.* into the folder"
    ):
        datasets.fetch("ti46-letters", folder=tmp_path)
