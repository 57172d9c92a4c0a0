"""The texts and the legend that a plot has written."""

from __future__ import annotations

from matplotlib.axes import Axes


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def legend(ax: Axes) -> list[str]:
    box = ax.get_legend()
    return [] if box is None else [text.get_text() for text in box.get_texts()]
