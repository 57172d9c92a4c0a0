"""Datasets are what their cards say, or are refused by name."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
from toy_dataset import IMAGES, LABELS, Toy, idx, packed

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


def test_every_file_of_mnist_is_found_and_right(mnist_folder: Path) -> None:
    checks = datasets.verify("mnist", folder=mnist_folder)
    assert [check.state for check in checks] == ["ok"] * 4


def test_the_digits_are_the_1797_of_uci_and_every_one_is_in_one_part() -> None:
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


def test_a_digit_looks_like_its_label() -> None:
    """The mean picture of a class in one part is nearest to the mean picture of the same class in the other."""
    train, test = datasets.load("digits", "train"), datasets.load("digits", "test")
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
    with pytest.raises(InputError, match=r"toy.toml: splits: no part 'al'; did you mean 'all'\?"):
        datasets.load(toy.card, "al", folder=toy.data)


# Finding -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("below", ["toy/raw", "raw", "."])
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_files_are_found_in_every_folder_of_the_card(toy: Toy, below: str, suffix: str, tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere" / below
    folder.mkdir(parents=True)
    for file, content in toy.contents.items():
        (folder / (file + suffix)).write_bytes(packed(content) if suffix else content)
    assert len(datasets.load(toy.card, "all", folder=tmp_path / "elsewhere")) == 5


def test_files_are_found_below_snnlab_data_and_in_the_users_data_folder(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(InputError):
        datasets.load(toy.card, "all")
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    assert len(datasets.load(toy.card, "all")) == 5
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "empty"))
    monkeypatch.setattr("snnlab.datasets.files.data_folder", lambda: toy.data)
    assert len(datasets.load(toy.card, "all")) == 5
    monkeypatch.delenv("SNNLAB_DATA")
    assert len(datasets.load(toy.card, "all")) == 5


def test_a_folder_that_is_given_is_the_only_one_searched(
    toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(toy.data))
    with pytest.raises(InputError, match="not found"):
        datasets.load(toy.card, "all", folder=tmp_path / "empty")


def test_missing_data_names_the_file_the_places_and_both_ways_out(toy: Toy, tmp_path: Path) -> None:
    line = r"^toy: pictures-idx3: not found in .*own data.*set SNNLAB_DATA to the folder.*`snnlab data fetch toy`$"
    with pytest.raises(InputError, match=line):
        datasets.load(toy.card, "all", folder=tmp_path / "own data")


def test_snnlab_data_that_is_no_folder_is_refused(toy: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SNNLAB_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="^SNNLAB_DATA: no folder '.*nowhere'"):
        datasets.load(toy.card, "all")


def test_where_says_what_lies_where_and_where_it_looked(toy: Toy) -> None:
    (toy.place / "answers-idx1").unlink()
    pictures, answers = datasets.where(toy.card, folder=toy.data)
    assert pictures.path == toy.place / "pictures-idx3"
    assert answers.path is None
    assert answers.searched == (toy.place, toy.data / "raw", toy.data)


def test_verify_tells_right_wrong_and_missing_files_apart(toy: Toy) -> None:
    assert [check.state for check in datasets.verify(toy.card, folder=toy.data)] == ["ok", "ok"]
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:-1] + b"!")
    (toy.place / "answers-idx1").unlink()
    pictures, answers = datasets.verify(toy.card, folder=toy.data)
    assert (pictures.state, answers.state) == ("bad", "missing")
    assert "sha256" in pictures.reason


# Bad files ---------------------------------------------------------------------------------------------------------


def test_a_truncated_archive_is_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", packed(toy.contents["pictures-idx3"])[:-12], ".gz")
    with pytest.raises(
        InputError, match=r"pictures-idx3.gz: gzip archive cut short after \d+ bytes.*; get the file anew"
    ):
        toy.load()


def test_a_damaged_archive_is_refused(toy: Toy) -> None:
    archive = bytearray(packed(toy.contents["pictures-idx3"]))
    archive[-6] ^= 1  # in the checksum of gzip itself
    toy.put("pictures-idx3", bytes(archive), ".gz")
    with pytest.raises(InputError, match=r"pictures-idx3.gz: damaged gzip archive"):
        toy.load()


@pytest.mark.parametrize(("kept", "found"), [(3, "begins with"), (7, "header cut short"), (20, "4 bytes of idx data")])
def test_a_truncated_idx_file_is_refused(toy: Toy, kept: int, found: str) -> None:
    toy.put("pictures-idx3", toy.contents["pictures-idx3"][:kept])
    with pytest.raises(InputError, match=f"pictures-idx3: .*{found}"):
        toy.load()


def test_labels_under_the_name_of_images_are_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", toy.contents["answers-idx1"])
    with pytest.raises(InputError, match="pictures-idx3: an array of 1 axes; images have 3"):
        toy.load()


def test_images_under_the_name_of_labels_are_refused(toy: Toy) -> None:
    toy.put("answers-idx1", toy.contents["pictures-idx3"][:12] + b"\0")
    with pytest.raises(InputError, match="answers-idx1: "):
        toy.load()
    toy.contents["answers-idx1"] = idx(IMAGES[:1])
    toy.put("answers-idx1")
    toy.write_card()
    with pytest.raises(InputError, match="answers-idx1: an array of 3 axes; labels have 1"):
        toy.load()


def test_the_files_of_the_other_part_are_refused(toy: Toy) -> None:
    toy.put("pictures-idx3", idx(np.repeat(IMAGES, 3, axis=0)))
    with pytest.raises(InputError, match="pictures-idx3: more than 46 bytes; is it another file's name?"):
        toy.load()


def test_a_wrong_checksum_gives_both_sums(toy: Toy) -> None:
    spoilt = toy.contents["pictures-idx3"][:-1] + b"!"
    toy.put("pictures-idx3", spoilt)
    found, said = (hashlib.sha256(content).hexdigest() for content in (spoilt, toy.contents["pictures-idx3"]))
    with pytest.raises(InputError, match=f"pictures-idx3: content has sha256 {found}; the card says {said}"):
        toy.load()


def test_an_archive_that_somebody_packed_again_is_as_good(toy: Toy) -> None:
    toy.put("pictures-idx3", gzip.compress(toy.contents["pictures-idx3"], compresslevel=1, mtime=12345), ".gz")
    assert np.array_equal(toy.load().values.reshape(5, 2, 3), IMAGES)


def test_images_and_labels_of_different_counts_are_refused(toy: Toy) -> None:
    toy.rewrite("answers-idx1", LABELS[:4])
    with pytest.raises(InputError, match="answers-idx1: 4 labels; .*pictures-idx3 has 5 images"):
        toy.load()


def test_a_label_beyond_the_classes_is_refused(toy: Toy) -> None:
    toy.rewrite("answers-idx1", np.array([0, 1, 2, 3, 0], dtype=np.uint8))
    with pytest.raises(InputError, match="answers-idx1: label 3; .*has 3 classes"):
        toy.load()


def test_images_of_another_shape_are_refused(toy: Toy) -> None:
    toy.rewrite("pictures-idx3", IMAGES.reshape(5, 3, 2))
    with pytest.raises(InputError, match=r"pictures-idx3: images of \(3, 2\); .*toy.toml says shape \[2, 3\]"):
        toy.load()


def test_another_number_of_samples_than_the_card_says_is_refused(toy: Toy) -> None:
    toy.samples = 6
    toy.write_card()
    with pytest.raises(InputError, match=r"toy.toml: splits.all.samples: 5 in the files; the card says 6"):
        toy.load()


def test_a_folder_in_place_of_a_file_is_not_a_file(toy: Toy) -> None:
    (toy.place / "answers-idx1").unlink()
    (toy.place / "answers-idx1").mkdir()
    with pytest.raises(InputError, match="answers-idx1: not found"):
        toy.load()
    with pytest.raises(InputError, match="Is a directory; needs a readable file"):
        datasets.read_idx(toy.place / "answers-idx1")
