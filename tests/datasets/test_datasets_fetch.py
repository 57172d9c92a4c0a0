"""Downloads are complete or raise an error, and resume after an interruption."""

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
from errors_in_tests import raises_input_error
from mirror_server import MirrorServer, file_names
from toy_dataset import IMAGES, LABELS, Toy, gzipped

from snnlab import datasets
from snnlab.datasets import downloading
from snnlab.datasets.downloading import RemoteFile, download
from snnlab.errors import InputError

BODY = np.random.default_rng(0).bytes(200_000)
SUMS = {name: hashlib.new(name, BODY).hexdigest() for name in ("sha256", "md5")}


@pytest.fixture
def server() -> Iterator[MirrorServer]:
    running = MirrorServer(lambda name: BODY)
    yield running
    running.close()


@pytest.fixture
def mirror(toy: Toy) -> Iterator[Callable[..., None]]:
    """A function that removes the files of a dataset and puts mirrors with these behaviours on its card."""
    running = MirrorServer(lambda name: gzipped(toy.contents[name.removesuffix(".gz")]))

    def use(*behaviours: str) -> None:
        for file in toy.contents:
            (toy.folder / file).unlink()
        toy.mirrors = [running.url(behaviour) for behaviour in behaviours]
        toy.write_card()

    yield use
    running.close()


def remote_file(server: MirrorServer, *behaviours: str) -> RemoteFile:
    urls = tuple(server.url(behaviour, "file.bin") for behaviour in behaviours)
    return RemoteFile("file.bin", urls, SUMS, len(BODY))


# One file ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["missing", "wrong", "cut", "empty", "elsewhere", "endless", "lies"])
def test_the_next_mirror_is_used_if_one_fails(server: MirrorServer, tmp_path: Path, first: str) -> None:
    path = download(remote_file(server, first, "ranges"), tmp_path)
    assert path.read_bytes() == BODY
    assert file_names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("behaviour", ["missing", "wrong", "empty", "elsewhere", "endless"])
def test_an_invalid_download_leaves_no_file(server: MirrorServer, tmp_path: Path, behaviour: str) -> None:
    with raises_input_error(tmp_path / "file.bin", "http://127.0.0.1", "run it again") as caught:
        download(remote_file(server, behaviour), tmp_path)
    assert "\n" not in str(caught.value)
    assert file_names(tmp_path) == []


def test_an_interrupted_download_is_resumed(server: MirrorServer, tmp_path: Path) -> None:
    with raises_input_error("file.bin", "stopped after 100000 bytes"):
        download(remote_file(server, "cut"), tmp_path)
    assert file_names(tmp_path) == ["file.bin.part"]
    assert download(remote_file(server, "ranges"), tmp_path).read_bytes() == BODY
    assert server.handler.ranges == ["", "bytes=100000-"]
    assert file_names(tmp_path) == ["file.bin"]


@pytest.mark.parametrize("behaviour", ["whole", "lies"])
def test_a_download_restarts_if_the_mirror_cannot_resume(server: MirrorServer, tmp_path: Path, behaviour: str) -> None:
    (tmp_path / "file.bin.part").write_bytes(BODY[:5000])
    assert download(remote_file(server, behaviour, "whole"), tmp_path).read_bytes() == BODY


@pytest.mark.parametrize("part", [b"?" * 5000, b"?" * len(BODY), b"?" * (2 * len(BODY)), BODY])
def test_an_invalid_partial_file_is_discarded(server: MirrorServer, tmp_path: Path, part: bytes) -> None:
    (tmp_path / "file.bin.part").write_bytes(part)
    assert download(remote_file(server, "ranges"), tmp_path).read_bytes() == BODY
    assert file_names(tmp_path) == ["file.bin"]


def test_a_mirror_that_stalls_is_abandoned_and_its_data_kept(
    server: MirrorServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloading, "_TIMEOUT", 0.2)
    assert download(remote_file(server, "silent", "ranges"), tmp_path).read_bytes() == BODY
    assert server.handler.ranges[1].startswith("bytes=")


def test_progress_is_reported_up_to_the_last_byte(server: MirrorServer, tmp_path: Path) -> None:
    reports: list[tuple[str, int, int]] = []
    download(remote_file(server, "whole"), tmp_path, lambda *now: reports.append(now))
    assert reports[-1] == ("file.bin", len(BODY), len(BODY))
    assert [done for _, done, _ in reports] == sorted(done for _, done, _ in reports)


def test_a_concurrent_download_of_the_same_file_raises_an_error(server: MirrorServer, tmp_path: Path) -> None:
    first = Thread(target=lambda: download(remote_file(server, "silent", "whole"), tmp_path), daemon=True)
    first.start()
    while not (tmp_path / "file.bin.part").exists() or (tmp_path / "file.bin.part").stat().st_size == 0:
        time.sleep(0.01)
        if not first.is_alive():
            break
    with raises_input_error(tmp_path / "file.bin.part", "another process"):
        download(remote_file(server, "whole"), tmp_path)
    server.handler.stop.set()
    first.join(20)
    assert (tmp_path / "file.bin").read_bytes() == BODY


def test_a_killed_download_leaves_only_a_partial_file_and_is_resumed(server: MirrorServer, tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from snnlab.datasets.downloading import RemoteFile, download
file = RemoteFile("file.bin", ({server.url("silent", "file.bin")!r},), {SUMS!r}, {len(BODY)})
download(file, Path({str(tmp_path)!r}))
"""
    child = subprocess.Popen([sys.executable, "-c", program], cwd=Path(datasets.__file__).parents[2])
    part = tmp_path / "file.bin.part"
    while child.poll() is None and not (part.exists() and part.stat().st_size >= 1 << 16):
        time.sleep(0.02)
    child.kill()
    child.wait()
    assert file_names(tmp_path) == ["file.bin.part"]
    assert download(remote_file(server, "ranges"), tmp_path).read_bytes() == BODY
    assert server.handler.ranges[-1].startswith("bytes=")


def test_a_file_in_place_of_the_folder_raises_an_error(server: MirrorServer, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with raises_input_error(tmp_path / "taken", "folder"):
        download(remote_file(server, "whole"), tmp_path / "taken")


def test_without_a_network_the_error_names_the_address(tmp_path: Path) -> None:
    unreachable = RemoteFile("file.bin", ("http://127.0.0.1:9/file.bin",), SUMS, len(BODY))
    with raises_input_error(tmp_path / "file.bin", "http://127.0.0.1:9/file.bin"):
        download(unreachable, tmp_path)
    assert file_names(tmp_path) == []


# A dataset ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_the_files_of_a_dataset_are_fetched_from_any_mirror(toy: Toy, mirror: Callable[..., None], first: str) -> None:
    mirror(first, "ranges")
    paths = datasets.fetch(toy.card, folder=toy.data)
    assert paths == (toy.folder / "pictures-idx3.gz", toy.folder / "answers-idx1.gz")
    assert file_names(toy.data) == ["answers-idx1.gz", "pictures-idx3.gz"]
    assert np.array_equal(toy.load().labels, LABELS)


def test_existing_files_are_not_downloaded(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    toy.put("pictures-idx3")
    assert datasets.fetch(toy.card, folder=toy.data) == (toy.folder / "answers-idx1.gz",)
    assert datasets.fetch(toy.card, folder=toy.data) == ()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_corrupt_file_is_downloaded_again(toy: Toy, mirror: Callable[..., None], suffix: str) -> None:
    mirror("good")
    toy.put("pictures-idx3", b"corrupt", suffix)
    with pytest.raises(InputError):
        toy.load()
    datasets.fetch(toy.card, folder=toy.data)
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_the_default_target_is_the_users_data_folder(toy: Toy, mirror: Callable[..., None], tmp_path: Path) -> None:
    mirror("good")
    assert datasets.fetch(toy.card)[0] == tmp_path / "own data" / "toy" / "raw" / "pictures-idx3.gz"
    assert len(datasets.load(toy.card, "all")) == 5


def test_a_folder_that_cannot_be_created_raises_an_error(toy: Toy, mirror: Callable[..., None], tmp_path: Path) -> None:
    mirror("good")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with raises_input_error(tmp_path / "taken", "folder"):
        datasets.fetch(toy.card, folder=tmp_path / "taken")


def test_loading_never_downloads(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    with raises_input_error("toy: pictures-idx3", "not found"):
        toy.load()
    assert file_names(toy.data) == []


def test_a_dataset_inside_a_package_has_no_files() -> None:
    assert (datasets.locate("digits"), datasets.verify("digits"), datasets.fetch("digits")) == ((), (), ())


def test_a_download_is_resumed_after_a_full_disk(server: MirrorServer, tmp_path: Path) -> None:
    """Simulated by a limit on file sizes, which raises the same kind of error."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with raises_input_error(tmp_path, "File too large"):
            download(remote_file(server, "ranges"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file_names(tmp_path) == ["file.bin.part"]
    assert download(remote_file(server, "ranges"), tmp_path).read_bytes() == BODY


def test_data_that_must_be_bought_is_never_downloaded(tmp_path: Path) -> None:
    with raises_input_error("ti46-letters", "LDC93S9", "ti_alpha"):
        datasets.fetch("ti46-letters", folder=tmp_path)
