"""Samples that stand on the card itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnlab.cards import Dataset
from snnlab.data.samples import Images


def images(card: Dataset, split: str, folder: Path | None) -> Images:
    """The rows of a table as samples, full intensity being the largest number of all parts."""
    rows = card.splits[split].rows
    numbers = [row[:-1] for part in card.splits.values() for row in part.rows]
    return Images(
        values=np.array([row[:-1] for row in rows], dtype=np.uint8),
        peak=max(1, max(int(number) for row in numbers for number in row)),
        labels=np.array([card.classes.index(str(row[-1])) for row in rows], dtype=np.int64),
        numbers=np.arange(len(rows), dtype=np.int64),
        shape=card.shape,
        classes=card.classes,
        dataset=card.id,
        split=split,
    )
