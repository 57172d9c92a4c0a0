"""What EMNIST has and MNIST has not: labels from 1 on, images by columns, one archive, digests of archives alone."""

from __future__ import annotations

import re

import numpy as np
import pytest
from toy_dataset import IMAGES, LABELS, Toy, packed

from snnlab import datasets
from snnlab.errors import InputError


def edit(toy: Toy, old: str, new: str) -> None:
    text = toy.card.read_text(encoding="utf-8")
    assert re.search(old, text)
    toy.card.write_text(re.sub(old, new, text), encoding="utf-8")


def test_labels_may_begin_with_1(toy: Toy) -> None:
    toy.rewrite("answers-idx1", LABELS + 1)
    edit(toy, r"shape = \[2, 3\]", "shape = [2, 3]\nfirst_label = 1")
    assert np.array_equal(toy.load().labels, LABELS)


@pytest.mark.parametrize(("label", "first"), [(0, 1), (4, 1), (3, 0)])
def test_a_label_beyond_the_classes_is_refused_wherever_they_begin(toy: Toy, label: int, first: int) -> None:
    toy.rewrite("answers-idx1", np.array([1, 2, label, 1, 2], dtype=np.uint8))
    edit(toy, r"shape = \[2, 3\]", f"shape = [2, 3]\nfirst_label = {first}")
    with pytest.raises(InputError, match=f"answers-idx1: label {label}; .*has 3 classes"):
        toy.load()


def test_images_by_columns_are_turned(toy: Toy) -> None:
    toy.rewrite("pictures-idx3", np.ascontiguousarray(IMAGES.swapaxes(1, 2)))
    with pytest.raises(InputError, match=r"images of \(3, 2\)"):
        toy.load()
    square = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)
    toy.rewrite("pictures-idx3", np.ascontiguousarray(square.swapaxes(1, 2)))
    edit(toy, r"shape = \[2, 3\]", "shape = [3, 3]\ntransposed = true")
    assert np.array_equal(toy.load().values.reshape(5, 3, 3), square)


def without_plain_digests(toy: Toy) -> None:
    edit(toy, r'\nsha256 = "[0-9a-f]{64}"', "")


def test_a_digest_of_the_archive_will_do(toy: Toy) -> None:
    for file, content in toy.contents.items():
        (toy.place / file).unlink()
        toy.put(file, packed(content), ".gz")
    without_plain_digests(toy)
    assert [(check.state, check.reason) for check in datasets.verify(toy.card, folder=toy.data)] == [("ok", "")] * 2
    assert np.array_equal(toy.load().labels, LABELS)
    toy.put("answers-idx1", packed(toy.contents["answers-idx1"][:-1] + b"\1"), ".gz")
    with pytest.raises(InputError, match=r"answers-idx1\.gz: sha256 [0-9a-f]{64}; the card says"):
        toy.load()


def test_what_nobody_has_published_a_digest_of_is_measured_and_said(toy: Toy) -> None:
    without_plain_digests(toy)
    told = "its size is right; nobody has published a digest of it"
    assert [(check.state, check.reason) for check in datasets.verify(toy.card, folder=toy.data)] == [("ok", told)] * 2
    assert np.array_equal(toy.load().labels, LABELS)
    toy.put("answers-idx1", toy.contents["answers-idx1"][:-1])
    assert datasets.verify(toy.card, folder=toy.data)[1].reason.startswith("12 bytes of content; the card says 13")
