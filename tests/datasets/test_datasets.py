"""Loaded datasets match their cards; invalid files raise an InputError that names the file."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from toy_dataset import IMAGES, LABELS, Toy, gzipped, idx

from snnlab import datasets
from snnlab.errors import InputError

# The real datasets -----------------------------------------------------------------------------------------------


def test_mnist_has_its_published_size_class_counts_and_mean(mnist_folder: Path) -> None:
    train = datasets.load("mnist", "train", folder=mnist_folder)
    test = datasets.load("mnist", "test", folder=mnist_folder)
    assert np.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert np.bincount(test.labels).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    # the constants by which everybody normalises MNIST
    assert train.values.mean(dtype=np.float64) / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.values[:6000].std(dtype=np.float64) / 255 == pytest.approx(0.3081, abs=2e-3)
    assert (train.values.shape, test.values.shape) == ((60000, 784), (10000, 784))
    assert (train.values.dtype, train.values.nbytes) == (np.uint8, 47040000)


def test_every_file_of_mnist_is_found_and_valid(mnist_folder: Path) -> None:
    checks = datasets.verify("mnist", folder=mnist_folder)
    assert [check.state for check in checks] == ["ok"] * 4


def test_the_parts_of_digits_are_disjoint_and_have_the_1797_images_of_uci() -> None:
    from sklearn.datasets import load_digits

    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
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


def test_the_mean_images_of_a_class_agree_between_parts() -> None:
    """The mean image of a class in one part is nearest to that of the same class in the other."""
    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
    means = [np.array([part.values[part.labels == k].mean(axis=0) for k in range(10)]) for part in (train, test)]
    distance = np.linalg.norm(means[0][:, None] - means[1][None], axis=2)
    assert distance.argmin(axis=1).tolist() == list(range(10))


# Samples -----------------------------------------------------------------------------------------------------------


def test_samples_equal_the_written_arrays(toy: Toy) -> None:
    samples = toy.load()
    assert np.array_equal(samples.values.reshape(5, 2, 3), IMAGES)
    assert np.array_equal(samples.labels, LABELS)
    assert (samples.shape, samples.classes, samples.peak) == ((2, 3), ("a", "b", "c"), 255)
    assert (samples.dataset, samples.split) == ("toy", "all")


@pytest.mark.parametrize("which", [[3, 0], np.array([3, 0]), np.array([False, True, False, True, False]), slice(1, 4)])
def test_selected_samples_keep_their_numbers(toy: Toy, which: object) -> None:
    samples = toy.load()
    selected = samples.take(which).take([1])  # type: ignore[arg-type]
    number = int(np.arange(5)[which][1])  # type: ignore[call-overload]
    assert selected.numbers.tolist() == [number]
    assert selected.labels.tolist() == [LABELS[number]]
    assert np.array_equal(selected.values[0], IMAGES[number].ravel())


def test_the_arrays_of_samples_are_read_only(toy: Toy) -> None:
    samples = toy.load()
    for array in (samples.values, samples.labels, samples.numbers):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1


def test_an_unknown_part_raises_an_error_with_the_nearest_name(toy: Toy) -> None:
    with raises_input_error("toy.toml: splits", "'al'", "'all'"):
        datasets.load(toy.card, "al", folder=toy.data)


# Locating ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["toy/raw", "raw", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_in_every_folder_of_the_card(toy: Toy, below: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / below
    folder.mkdir(parents=True)
    for file, content in toy.contents.items():
        (folder / (file + suffix)).write_bytes(gzipped(content) if suffix else content)
    assert len(datasets.load(toy.card, "all", folder=tmp_path / "elsewhere")) == 5


def test_files_are_found_in_snnlab_data_and_in_the_users_data_folder(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError):
        datasets.load(toy.card, "all")
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    assert len(datasets.load(toy.card, "all")) == 5
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr("snnlab.datasets.locating.data_folder", lambda: toy.data)
    assert len(datasets.load(toy.card, "all")) == 5
    monkeypatch.delenv("SNNLAB_DATA")
    assert len(datasets.load(toy.card, "all")) == 5


def test_only_a_given_folder_is_searched(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    with raises_input_error("toy: pictures-idx3", tmp_path / "empty"):
        datasets.load(toy.card, "all", folder=tmp_path / "empty")


def test_missing_data_raises_an_error_with_the_searched_folders_and_remedies(toy: Toy, tmp_path: Path) -> None:
    with raises_input_error("toy: pictures-idx3", "own data", "SNNLAB_DATA", "snnlab data fetch toy"):
        datasets.load(toy.card, "all", folder=tmp_path / "own data")


def test_snnlab_data_must_be_a_folder(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "nowhere"))
    with raises_input_error("SNNLAB_DATA", tmp_path / "nowhere"):
        datasets.load(toy.card, "all")


def test_locate_returns_the_path_or_the_searched_folders(toy: Toy) -> None:
    (toy.folder / "answers-idx1").unlink()
    pictures, answers = datasets.locate(toy.card, folder=toy.data)
    assert pictures.path == toy.folder / "pictures-idx3"
    assert answers.path is None
    assert answers.searched == (toy.folder, toy.data / "raw", toy.data)


def test_verify_distinguishes_valid_corrupt_and_missing_files(toy: Toy) -> None:
    assert [check.state for check in datasets.verify(toy.card, folder=toy.data)] == ["ok", "ok"]
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:-1] + b"!")
    (toy.folder / "answers-idx1").unlink()
    pictures, answers = datasets.verify(toy.card, folder=toy.data)
    assert (pictures.state, answers.state) == ("bad", "missing")
    assert "sha256" in pictures.reason


# Invalid files -----------------------------------------------------------------------------------------------------


def test_a_truncated_archive_raises_an_error(toy: Toy) -> None:
    toy.put("pictures-idx3", gzipped(toy.contents["pictures-idx3"])[:-12], ".gz")
    with raises_input_error(toy.folder / "pictures-idx3.gz", "truncated"):
        toy.load()


def test_a_corrupt_archive_raises_an_error(toy: Toy) -> None:
    archive = bytearray(gzipped(toy.contents["pictures-idx3"]))
    archive[-6] ^= 1  # in the checksum of gzip itself
    toy.put("pictures-idx3", bytes(archive), ".gz")
    with raises_input_error(toy.folder / "pictures-idx3.gz", "corrupt"):
        toy.load()


@pytest.mark.parametrize(("length", "problem"), [(3, "starts with"), (7, "header"), (20, "4 bytes of idx data")])
def test_a_truncated_idx_file_raises_an_error(toy: Toy, length: int, problem: str) -> None:
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:length])
    with raises_input_error("pictures-idx3", problem):
        toy.load()


def test_labels_in_the_file_of_images_raise_an_error(toy: Toy) -> None:
    toy.put("pictures-idx3", toy.contents["answers-idx1"])
    with raises_input_error("pictures-idx3", "1 axes", 3):
        toy.load()


def test_images_in_the_file_of_labels_raise_an_error(toy: Toy) -> None:
    toy.put("answers-idx1", toy.contents["pictures-idx3"][:12] + b"\0")
    with raises_input_error("answers-idx1"):
        toy.load()
    toy.contents["answers-idx1"] = idx(IMAGES[:1])
    toy.put("answers-idx1")
    toy.write_card()
    with raises_input_error("answers-idx1", "3 axes", 1):
        toy.load()


def test_a_larger_file_of_another_part_raises_an_error(toy: Toy) -> None:
    toy.put("pictures-idx3", idx(np.repeat(IMAGES, 3, axis=0)))
    with raises_input_error("pictures-idx3", 46):
        toy.load()


def test_a_wrong_checksum_raises_an_error_with_both_checksums(toy: Toy) -> None:
    corrupt = toy.contents["pictures-idx3"][:-1] + b"!"
    toy.put("pictures-idx3", corrupt)
    checksums = [hashlib.sha256(content).hexdigest() for content in (corrupt, toy.contents["pictures-idx3"])]
    with raises_input_error("pictures-idx3", *checksums):
        toy.load()


def test_a_recompressed_archive_is_valid(toy: Toy) -> None:
    toy.put("pictures-idx3", gzip.compress(toy.contents["pictures-idx3"], compresslevel=1, mtime=12345), ".gz")
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_different_numbers_of_images_and_labels_raise_an_error(toy: Toy) -> None:
    toy.rewrite("answers-idx1", LABELS[:4])
    with raises_input_error("answers-idx1", "4 labels", 5):
        toy.load()


def test_images_of_another_shape_raise_an_error(toy: Toy) -> None:
    toy.rewrite("pictures-idx3", IMAGES.reshape(5, 3, 2))
    with raises_input_error("pictures-idx3", "(3, 2)", "[2, 3]"):
        toy.load()


def test_another_number_of_samples_than_on_the_card_raises_an_error(toy: Toy) -> None:
    toy.samples = 6
    toy.write_card()
    with raises_input_error("toy.toml: splits.all.samples", 5, 6):
        toy.load()


def test_a_folder_in_place_of_a_file_raises_an_error(toy: Toy) -> None:
    (toy.folder / "answers-idx1").unlink()
    (toy.folder / "answers-idx1").mkdir()
    with raises_input_error("toy: answers-idx1", "not found"):
        toy.load()
    with raises_input_error("answers-idx1", "Is a directory"):
        datasets.read_idx(toy.folder / "answers-idx1")
