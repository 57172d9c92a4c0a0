"""Axes for the tests of plots."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from matplotlib.axes import Axes

from snnlab import plots


@pytest.fixture
def ax() -> Iterator[Axes]:
    """Axes that are rendered after the test, which must not fail."""
    figure, axes = plots.figure()
    yield axes[0, 0]
    figure.draw_without_rendering()
