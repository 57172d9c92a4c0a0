"""Datasets are what their cards say, or are refused by name."""

from __future__ import annotations

import gzip
import hashlib
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray

from snnlab import loaders
from snnlab.errors import Refused

IMAGES = np.arange(5 * 2 * 3, dtype=np.uint8).reshape(5, 2, 3)
LABELS = np.array([0, 1, 2, 1, 0], dtype=np.uint8)
CONTENT = {"pictures-idx3": IMAGES, "answers-idx1": LABELS}


def idx(array: NDArray[np.uint8], kind: int = 8) -> bytes:
    """An idx file as LeCun's page describes it: magic number, big-endian sizes, bytes in C order."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, kind, array.ndim, *array.shape) + array.tobytes()


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


class Toy:
    """A dataset of five samples: its card and its files, each of which a test may spoil."""

    def __init__(self, folder: Path) -> None:
        self.card, self.data = folder / "toy.toml", folder / "data"
        self.place = self.data / "toy" / "raw"
        self.place.mkdir(parents=True)
        self.contents = {file: idx(array) for file, array in CONTENT.items()}
        self.samples, self.mirrors = 5, list[str]()
        for file in self.contents:
            self.put(file)
        self.write_card()

    def put(self, file: str, content: bytes | None = None, suffix: str = "") -> Path:
        path = self.place / (file + suffix)
        path.write_bytes(self.contents[file] if content is None else content)
        return path

    def write_card(self) -> None:
        head = f"""
            kind = "dataset"
            name = "Toy"
            summary = "Five samples"
            reference = "none"
            licence = "CC0"
            format = "idx"
            classes = ["a", "b", "c"]
            shape = [2, 3]
            folders = ["toy/raw", "raw", "."]
            mirrors = {self.mirrors}
            [splits.all]
            samples = {self.samples}
            images = "pictures-idx3"
            labels = "answers-idx1"
            """
        tables = [
            f'[files.{file}]\nbytes = {len(content)}\nsha256 = "{hashlib.sha256(content).hexdigest()}"\n'
            f'sha256_gz = "{hashlib.sha256(packed(content)).hexdigest()}"\n'
            for file, content in self.contents.items()
        ]
        self.card.write_text("\n".join([head, *tables]), encoding="utf-8")

    def rewrite(self, file: str, array: NDArray[np.uint8]) -> None:
        """Other content that the card knows of."""
        self.contents[file] = idx(array)
        self.put(file)
        self.write_card()

    def load(self) -> loaders.Samples:
        return loaders.load(self.card, "all", folder=self.data)


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    monkeypatch.delenv("SNNLAB_DATA", raising=False)
    monkeypatch.setattr(loaders, "data_folder", lambda: tmp_path / "own data")
    return Toy(tmp_path)


# The real datasets -----------------------------------------------------------------------------------------------


def test_mnist_has_its_published_size_class_counts_and_mean(mnist_folder: Path) -> None:
    train = loaders.load("mnist", "train", folder=mnist_folder)
    test = loaders.load("mnist", "test", folder=mnist_folder)
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # the constants by which everybody normalises MNIST
    assert train.values.mean(dtype=np.float64) / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.values[:6000].std(dtype=np.float64) / 255 == pytest.approx(0.3081, abs=2e-3)
    assert (train.values.shape, test.values.shape) == ((60000, 784), (10000, 784))
    assert (train.values.dtype, train.values.nbytes) == (np.uint8, 47040000)


def test_every_file_of_mnist_is_found_and_right(mnist_folder: Path) -> None:
    checks = loaders.verify("mnist", folder=mnist_folder)
    assert [check.state for check in checks] == ["ok"] * 4


def test_the_digits_are_the_1797_of_uci_and_every_one_is_in_one_part() -> None:
    from sklearn.datasets import load_digits

    train, test = loaders.load("digits", "train"), loaders.load("digits", "test")
    # counts per class from the description of the dataset at UCI
    counts = np.bincount(train.labels) + np.bincount(test.labels)
    assert counts.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert np.abs(np.bincount(test.labels) - counts / 5).max() < 1
    ours = [
        (label, values.tobytes())
        for part in (train, test)
        for label, values in zip(part.labels, part.values, strict=True)
    ]
    source = load_digits()
    theirs = [
        (label, values.astype(np.uint8).tobytes()) for label, values in zip(source.target, source.data, strict=True)
    ]
    assert sorted(ours) == sorted(theirs)
    assert max(train.values.max(), test.values.max()) == train.peak == 16


def test_a_digit_looks_like_its_label() -> None:
    """The mean picture of a class in one part is nearest to the mean picture of the same class in the other."""
    train, test = loaders.load("digits", "train"), loaders.load("digits", "test")
    means = [np.array([part.values[part.labels == k].mean(axis=0) for k in range(10)]) for part in (train, test)]
    distance = np.linalg.norm(means[0][:, None] - means[1][None], axis=2)
    assert distance.argmin(axis=1).tolist() == list(range(10))


# Samples -----------------------------------------------------------------------------------------------------------


def test_samples_are_what_was_written(toy: Toy) -> None:
    samples = toy.load()
    assert np.array_equal(samples.values.reshape(5, 2, 3), IMAGES)
    assert np.array_equal(samples.labels, LABELS)
    assert (samples.shape, samples.classes, samples.peak) == ((2, 3), ("a", "b", "c"), 255)
    assert (samples.dataset, samples.split) == ("toy", "all")


@pytest.mark.parametrize("which", [[3, 0], np.array([3, 0]), np.array([False, True, False, True, False]), slice(1, 4)])
def test_taken_samples_keep_their_numbers(toy: Toy, which: object) -> None:
    samples = toy.load()
    some = samples.take(which).take([1])  # type: ignore[arg-type]
    number = int(np.arange(5)[which][1])  # type: ignore[call-overload]
    assert some.numbers.tolist() == [number]
    assert some.labels.tolist() == [LABELS[number]]
    assert np.array_equal(some.values[0], IMAGES[number].ravel())


def test_samples_cannot_be_changed_by_accident(toy: Toy) -> None:
    samples = toy.load()
    for array in (samples.values, samples.labels, samples.numbers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_an_unknown_part_names_the_known_ones(toy: Toy) -> None:
    with pytest.raises(Refused, match=r"toy.toml: splits: no part 'al'; did you mean 'all'\?"):
        loaders.load(toy.card, "al", folder=toy.data)


# Finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["toy/raw", "raw", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_in_every_folder_of_the_card(toy: Toy, below: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / below
    folder.mkdir(parents=True)
    for file, content in toy.contents.items():
        (folder / (file + suffix)).write_bytes(packed(content) if suffix else content)
    assert len(loaders.load(toy.card, "all", folder=tmp_path / "elsewhere")) == 5


def test_files_are_found_below_snnlab_data_and_in_the_users_data_folder(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused):
        loaders.load(toy.card, "all")
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    assert len(loaders.load(toy.card, "all")) == 5
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr(loaders, "data_folder", lambda: toy.data)
    assert len(loaders.load(toy.card, "all")) == 5
    monkeypatch.delenv("SNNLAB_DATA")
    assert len(loaders.load(toy.card, "all")) == 5


def test_a_folder_that_is_given_is_the_only_one_searched(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    with pytest.raises(Refused, match="not found"):
        loaders.load(toy.card, "all", folder=tmp_path / "empty")


def test_missing_data_names_the_file_the_places_and_both_ways_out(toy: Toy, tmp_path: Path) -> None:
    line = r"^toy: pictures-idx3: not found in .*own data.*set SNNLAB_DATA to the folder.*`snnlab data fetch toy`$"
    with pytest.raises(Refused, match=line):
        loaders.load(toy.card, "all", folder=tmp_path / "own data")


def test_snnlab_data_that_is_no_folder_is_refused(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(Refused, match="^SNNLAB_DATA: no folder '.*nowhere'"):
        loaders.load(toy.card, "all")


def test_where_says_what_lies_where_and_where_it_looked(toy: Toy) -> None:
    (toy.place / "answers-idx1").unlink()
    pictures, answers = loaders.where(toy.card, folder=toy.data)
    assert pictures.path == toy.place / "pictures-idx3"
    assert answers.path is None
    assert answers.searched == (toy.place, toy.data / "raw", toy.data)


def test_verify_tells_right_wrong_and_missing_files_apart(toy: Toy) -> None:
    assert [check.state for check in loaders.verify(toy.card, folder=toy.data)] == ["ok", "ok"]
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:-1] + b"!")
    (toy.place / "answers-idx1").unlink()
    pictures, answers = loaders.verify(toy.card, folder=toy.data)
    assert (pictures.state, answers.state) == ("bad", "missing")
    assert "sha256" in pictures.reason


# Bad files ---------------------------------------------------------------------------------------------------------


def test_a_truncated_archive_is_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", packed(toy.contents["pictures-idx3"])[:-12], ".gz")
    with pytest.raises(Refused, match=r"pictures-idx3.gz: gzip archive cut short after \d+ bytes.*; get the file anew"):
        toy.load()


def test_a_damaged_archive_is_refused(toy: Toy) -> None:
    archive = bytearray(packed(toy.contents["pictures-idx3"]))
    archive[-6] ^= 1  # in the checksum of gzip itself
    toy.put("pictures-idx3", bytes(archive), ".gz")
    with pytest.raises(Refused, match=r"pictures-idx3.gz: damaged gzip archive"):
        toy.load()


@pytest.mark.parametrize(("kept", "found"), [(3, "begins with"), (7, "header cut short"), (20, "4 bytes of idx data")])
def test_a_truncated_idx_file_is_refused(toy: Toy, kept: int, found: str) -> None:
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:kept])
    with pytest.raises(Refused, match=f"pictures-idx3: .*{found}"):
        toy.load()


def test_labels_under_the_name_of_images_are_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", toy.contents["answers-idx1"])
    with pytest.raises(Refused, match="pictures-idx3: an array of 1 axes; images have 3"):
        toy.load()


def test_images_under_the_name_of_labels_are_refused(toy: Toy) -> None:
    toy.put("answers-idx1", toy.contents["pictures-idx3"][:12] + b"\0")
    with pytest.raises(Refused, match="answers-idx1: "):
        toy.load()
    toy.contents["answers-idx1"] = idx(IMAGES[:1])
    toy.put("answers-idx1")
    toy.write_card()
    with pytest.raises(Refused, match="answers-idx1: an array of 3 axes; labels have 1"):
        toy.load()


def test_the_files_of_the_other_part_are_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", idx(np.repeat(IMAGES, 3, axis=0)))
    with pytest.raises(Refused, match="pictures-idx3: more than 46 bytes; is it another file's name?"):
        toy.load()


def test_a_wrong_checksum_gives_both_sums(toy: Toy) -> None:
    spoilt = toy.contents["pictures-idx3"][:-1] + b"!"
    toy.put("pictures-idx3", spoilt)
    found, said = (hashlib.sha256(content).hexdigest() for content in (spoilt, toy.contents["pictures-idx3"]))
    with pytest.raises(Refused, match=f"pictures-idx3: content has sha256 {found}; the card says {said}"):
        toy.load()


def test_an_archive_that_somebody_packed_again_is_as_good(toy: Toy) -> None:
    toy.put("pictures-idx3", gzip.compress(toy.contents["pictures-idx3"], compresslevel=1, mtime=12345), ".gz")
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_images_and_labels_of_different_counts_are_refused(toy: Toy) -> None:
    toy.rewrite("answers-idx1", LABELS[:4])
    with pytest.raises(Refused, match="answers-idx1: 4 labels; .*pictures-idx3 has 5 images"):
        toy.load()


def test_a_label_beyond_the_classes_is_refused(toy: Toy) -> None:
    toy.rewrite("answers-idx1", np.array([0, 1, 2, 3, 0], dtype=np.uint8))
    with pytest.raises(Refused, match="answers-idx1: label 3; .*has 3 classes"):
        toy.load()


def test_images_of_another_shape_are_refused(toy: Toy) -> None:
    toy.rewrite("pictures-idx3", IMAGES.reshape(5, 3, 2))
    with pytest.raises(Refused, match=r"pictures-idx3: images of \(3, 2\); .*toy.toml says shape \[2, 3\]"):
        toy.load()


def test_another_number_of_samples_than_the_card_says_is_refused(toy: Toy) -> None:
    toy.samples = 6
    toy.write_card()
    with pytest.raises(Refused, match=r"toy.toml: splits.all.samples: 5 in the files; the card says 6"):
        toy.load()


def test_a_folder_in_place_of_a_file_is_not_a_file(toy: Toy) -> None:
    (toy.place / "answers-idx1").unlink()
    (toy.place / "answers-idx1").mkdir()
    with pytest.raises(Refused, match="answers-idx1: not found"):
        toy.load()
    with pytest.raises(Refused, match="Is a directory; needs a readable file"):
        loaders.read_idx(toy.place / "answers-idx1")


# The parser --------------------------------------------------------------------------------------------------------

bytes_of_any_shape = arrays.arrays(np.uint8, arrays.array_shapes(min_dims=1, max_dims=4, max_side=5))
same_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


@same_folder
@given(array=bytes_of_any_shape, pack=st.booleans())
def test_any_array_survives_an_idx_file(array: NDArray[np.uint8], pack: bool, tmp_path: Path) -> None:
    path = tmp_path / "any-idx"
    path.write_bytes(packed(idx(array)) if pack else idx(array))
    assert np.array_equal(loaders.read_idx(path), array)


@same_folder
@given(array=bytes_of_any_shape, pack=st.booleans(), data=st.data())
def test_a_file_with_changed_bytes_is_read_or_refused(
    array: NDArray[np.uint8], pack: bool, data: st.DataObject, tmp_path: Path
) -> None:
    content = bytearray(packed(idx(array)) if pack else idx(array))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=8))
    path = tmp_path / "changed-idx"
    path.write_bytes(content)
    try:
        found = loaders.read_idx(path)
    except Refused as refusal:
        assert str(path) in str(refusal)
        assert "\n" not in str(refusal)
    else:
        assert found.dtype == np.uint8


@pytest.mark.parametrize("kind", [0x09, 0x0B, 0x0C, 0x0D, 0x0E])
def test_other_types_than_unsigned_bytes_are_refused(kind: int, tmp_path: Path) -> None:
    path = tmp_path / "floats-idx1"
    path.write_bytes(idx(LABELS, kind))
    with pytest.raises(Refused, match=f"floats-idx1: idx of type 0x{kind:02x} .*needs type 0x08"):
        loaders.read_idx(path)


def peak_of(action: Callable[[], object]) -> int:
    """The most bytes in use while `action`, which must be refused, was running."""
    tracemalloc.start()
    try:
        with pytest.raises(Refused):
            action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_header_that_promises_a_lot_costs_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "boast-idx3"
    path.write_bytes(struct.pack(">BBBBIII", 0, 0, 8, 3, 60000, 2**31, 2**31) + bytes(100))
    assert peak_of(lambda: loaders.read_idx(path)) < 4e6


def test_an_archive_that_unpacks_to_more_than_the_card_says_is_stopped(toy: Toy) -> None:
    bomb = packed(bytes(50_000_000))
    toy.put("pictures-idx3", bomb, ".gz")
    assert peak_of(toy.load) < 5e6 + len(bomb)


# Downloading -------------------------------------------------------------------------------------------------------


class Mirror(BaseHTTPRequestHandler):
    """A web server that serves the toy's files well below /good and badly elsewhere."""

    toy: Toy

    def do_GET(self) -> None:
        _, how, name = self.path.split("/")
        body = packed(self.toy.contents[name.removesuffix(".gz")])
        if how == "missing":
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write({"good": body, "wrong": b"?" * len(body), "cut": body[: len(body) // 2]}[how])

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def mirror(toy: Toy) -> Iterator[Callable[..., None]]:
    """Puts mirrors that behave in these ways on the card of a dataset that is not there yet."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("ToyMirror", (Mirror,), {"toy": toy}))
    thread = Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()

    def use(*how: str) -> None:
        for file in toy.contents:
            (toy.place / file).unlink()
        toy.mirrors = [f"http://127.0.0.1:{server.server_port}/{way}/" for way in how]
        toy.write_card()

    yield use
    server.shutdown()
    server.server_close()
    thread.join()


def names(toy: Toy) -> list[str]:
    return sorted(path.name for path in toy.data.rglob("*") if path.is_file())


@pytest.mark.parametrize("first", ["missing", "wrong", "cut"])
def test_where_one_mirror_fails_the_next_one_serves(toy: Toy, mirror: Callable[..., None], first: str) -> None:
    mirror(first, "good")
    paths = loaders.fetch(toy.card, folder=toy.data)
    assert paths == (toy.place / "pictures-idx3.gz", toy.place / "answers-idx1.gz")
    assert names(toy) == ["answers-idx1.gz", "pictures-idx3.gz"]
    assert np.array_equal(toy.load().labels, LABELS)


@pytest.mark.parametrize("how", ["missing", "wrong", "cut"])
def test_a_failed_download_is_refused_and_leaves_nothing(toy: Toy, mirror: Callable[..., None], how: str) -> None:
    mirror(how)
    with pytest.raises(Refused, match=rf"^toy: pictures-idx3.gz: http://127.0.0.1:\d+/{how}/pictures-idx3.gz: "):
        loaders.fetch(toy.card, folder=toy.data)
    assert names(toy) == []


def test_what_is_there_already_is_not_downloaded(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    toy.put("pictures-idx3")
    assert loaders.fetch(toy.card, folder=toy.data) == (toy.place / "answers-idx1.gz",)
    assert loaders.fetch(toy.card, folder=toy.data) == ()


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_download_mends_a_spoilt_file(toy: Toy, mirror: Callable[..., None], suffix: str) -> None:
    mirror("good")
    toy.put("pictures-idx3", b"spoilt", suffix)
    with pytest.raises(Refused):
        toy.load()
    loaders.fetch(toy.card, folder=toy.data)
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_a_download_goes_to_the_users_data_folder_unless_told(
    toy: Toy, mirror: Callable[..., None], tmp_path: Path
) -> None:
    mirror("good")
    assert loaders.fetch(toy.card)[0] == tmp_path / "own data" / "toy" / "raw" / "pictures-idx3.gz"
    assert len(loaders.load(toy.card, "all")) == 5


def test_a_folder_that_cannot_be_made_is_refused(toy: Toy, mirror: Callable[..., None], tmp_path: Path) -> None:
    mirror("good")
    (tmp_path / "taken").write_text("a file", encoding="utf-8")
    with pytest.raises(Refused, match="taken.*name a folder that can be written to"):
        loaders.fetch(toy.card, folder=tmp_path / "taken")


def test_loading_never_downloads(toy: Toy, mirror: Callable[..., None]) -> None:
    mirror("good")
    with pytest.raises(Refused, match="not found"):
        toy.load()
    assert names(toy) == []


def test_the_digits_ship_with_a_package_and_have_no_files() -> None:
    assert (loaders.where("digits"), loaders.verify("digits"), loaders.fetch("digits")) == ((), (), ())
