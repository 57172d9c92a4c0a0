"""The digits inside scikit-learn."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnlab.cards import Dataset
from snnlab.data.samples import Images


def images(card: Dataset, split: str, folder: Path | None) -> Images:
    """The digits inside scikit-learn: sorted by class, every fifth is in "test" and the others are in "train"."""
    # imported here, because it takes a second
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    by_class = np.argsort(labels, kind="stable")
    held_out = np.arange(len(labels)) % 5 == 0
    chosen = by_class[held_out if split == "test" else ~held_out]
    return Images(
        values=values[chosen].astype(np.uint8),
        peak=16,
        labels=labels[chosen].astype(np.int64),
        numbers=np.arange(len(chosen), dtype=np.int64),
        shape=card.shape,
        classes=card.classes,
        dataset=card.id,
        split=split,
    )
