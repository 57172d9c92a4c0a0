"""Samples in a table on the card."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from snnlab.cards import Dataset
from snnlab.data.samples import Images
from snnlab.datasets.formats.file_format import FileFormat, card_images


def load(card: Dataset, split: str, folder: Path | None) -> Images:
    """The rows of a split; full intensity is the largest number of all splits."""
    rows = card.splits[split].rows
    all_rows = [row for part in card.splits.values() for row in part.rows]
    return card_images(
        card,
        split,
        values=np.array([row[:-1] for row in rows], dtype=np.uint8),
        labels=np.array([card.classes.index(str(row[-1])) for row in rows]),
        peak=max(1, max(int(number) for row in all_rows for number in row[:-1])),
    )


FORMAT = FileFormat("table", load)
