"""The digits that scikit-learn contains."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnlab.cards import Dataset
from snnlab.data.samples import Images
from snnlab.datasets.formats.file_format import FileFormat, card_images


def load(card: Dataset, split: str, folder: Path | None) -> Images:
    """The digits sorted by class: every fifth is in the split "test", the others in "train"."""
    from sklearn.datasets import load_digits  # takes a second to import

    values, labels = load_digits(return_X_y=True)
    by_class = np.argsort(labels, kind="stable")
    is_test = np.arange(len(labels)) % 5 == 0
    chosen = by_class[is_test if split == "test" else ~is_test]
    return card_images(card, split, values[chosen].astype(np.uint8), labels[chosen], peak=16)


FORMAT = FileFormat("scikit-learn", load)
