"""Images of a dataset, side by side."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from snnlab.errors import InputError
from snnlab.plots.axes import notice

_GAP = 0.12  # between images, relative to their size


def images(values: ArrayLike, ax: Axes, *, labels: Sequence[str] = (), columns: int = 10, peak: float = 255) -> Axes:
    """Images (images, rows, columns) in lines of `columns`, each in a frame above its label; `peak` is black.

    Raises InputError for values that are not images, and for a wrong number of labels.
    """
    array = np.asarray(values)
    if array.ndim != 3 or (array.size and not np.isfinite(array).all()):
        raise InputError("images", f"got values of shape {array.shape}", "must be finite (images, rows, columns)")
    if labels and len(labels) != len(array):
        raise InputError("images.labels", f"got {len(labels)} for {len(array)} images", "must be one each")
    ax.set_axis_off()
    if not len(array):
        notice(ax, "no images")
        return ax
    _, height, width = array.shape
    # a label needs the same height below a low image as below a square one
    across, down = width * (1 + _GAP), height * (1 + 2 * _GAP) + 0.25 * max(height, width) * bool(labels)
    for number, image in enumerate(array):
        left, top = (number % columns) * across, (number // columns) * down
        ax.imshow(image, cmap="gray_r", vmin=0, vmax=peak, extent=(left, left + width, top + height, top))
        ax.add_patch(Rectangle((left, top), width, height, fill=False, edgecolor="0.8", linewidth=0.5))
        if labels:
            ax.text(left + width / 2, top + height * (1 + _GAP / 2), labels[number], ha="center", va="top")
    lines = -(-len(array) // columns)
    ax.set_xlim(0, min(len(array), columns) * across - width * _GAP)
    ax.set_ylim(lines * down, 0)
    ax.set_aspect("equal")
    return ax
