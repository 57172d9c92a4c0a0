"""Options of idx datasets for EMNIST: first label, transposed images, digests of archives only."""

from __future__ import annotations

import re

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from toy_dataset import IMAGES, LABELS, Toy, gzipped

from snnlab import datasets


def edit(toy: Toy, old: str, new: str) -> None:
    text = toy.card.read_text(encoding="utf-8")
    assert re.search(old, text)
    toy.card.write_text(re.sub(old, new, text), encoding="utf-8")


def test_labels_may_start_at_1(toy: Toy) -> None:
    toy.rewrite("answers-idx1", LABELS + 1)
    edit(toy, r"shape = \[2, 3\]", "shape = [2, 3]\nfirst_label = 1")
    assert np.array_equal(toy.load().labels, LABELS)


@pytest.mark.parametrize(("label", "first"), [(0, 1), (4, 1), (3, 0)])
def test_a_label_outside_the_classes_raises_an_error(toy: Toy, label: int, first: int) -> None:
    toy.rewrite("answers-idx1", np.array([1, 2, label, 1, 2], dtype=np.uint8))
    edit(toy, r"shape = \[2, 3\]", f"shape = [2, 3]\nfirst_label = {first}")
    with raises_input_error("answers-idx1", f"label {label}", f"{first} to {first + 2}"):
        toy.load()


def test_transposed_images_are_transposed_back(toy: Toy) -> None:
    toy.rewrite("pictures-idx3", np.ascontiguousarray(IMAGES.swapaxes(1, 2)))
    with raises_input_error("pictures-idx3", "(3, 2)"):
        toy.load()
    square = np.arange(5 * 3 * 3, dtype=np.uint8).reshape(5, 3, 3)
    toy.rewrite("pictures-idx3", np.ascontiguousarray(square.swapaxes(1, 2)))
    edit(toy, r"shape = \[2, 3\]", "shape = [3, 3]\ntransposed = true")
    assert np.array_equal(toy.load().values.reshape(5, 3, 3), square)


def without_plain_digests(toy: Toy) -> None:
    edit(toy, r'\nsha256 = "[0-9a-f]{64}"', "")


def test_the_digest_of_the_archive_is_sufficient(toy: Toy) -> None:
    for file, content in toy.contents.items():
        (toy.folder / file).unlink()
        toy.put(file, gzipped(content), ".gz")
    without_plain_digests(toy)
    assert [(check.state, check.reason) for check in datasets.verify(toy.card, folder=toy.data)] == [("ok", "")] * 2
    assert np.array_equal(toy.load().labels, LABELS)
    toy.put("answers-idx1", gzipped(toy.contents["answers-idx1"][:-1] + b"\1"), ".gz")
    with raises_input_error("answers-idx1.gz", "sha256"):
        toy.load()


def test_without_a_published_digest_only_the_size_is_verified(toy: Toy) -> None:
    without_plain_digests(toy)
    checks = datasets.verify(toy.card, folder=toy.data)
    assert [check.state for check in checks] == ["ok"] * 2
    assert all("only its size" in check.reason for check in checks)
    assert np.array_equal(toy.load().labels, LABELS)
    toy.put("answers-idx1", toy.contents["answers-idx1"][:-1])
    assert datasets.verify(toy.card, folder=toy.data)[1].reason.startswith("12 bytes of content; expected 13")
