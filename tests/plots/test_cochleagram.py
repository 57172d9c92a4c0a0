"""Cochleagrams, read back from the artists of the Axes."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from matplotlib.image import AxesImage

from snnlab import plots
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.lyon import Lyon
from snnlab.data.spikes import SpikeTrains


def image(ax: object) -> AxesImage:
    return ax.images[0]  # type: ignore[attr-defined, no-any-return]


def test_a_cochleagram_aligns_with_the_raster_below() -> None:
    frames = np.zeros((10, 5))
    frames[3, 1] = 2.0
    spikes = SpikeTrains.from_dense(np.repeat(frames > 0, 4, axis=0)[None], 4e-3)
    figure, axes = plots.figure(2, shared_time=True)
    above = plots.cochleagram(frames, axes[0, 0], frame=0.016)
    below = plots.raster(spikes, axes[1, 0], neurons=range(5)[::-1])
    left, right, bottom, top = image(above).get_extent()
    assert (left, right, bottom, top) == (0, 160, 4.5, -0.5)
    row, column = np.argwhere(np.asarray(image(above).get_array()) > 0)[0]
    ticks = [segment for group in below.collections for segment in group.get_segments()]  # type: ignore[attr-defined]
    assert all(column * 16 <= tick[0, 0] < (column + 1) * 16 for tick in ticks)
    # the row of the channel from the bottom is the same in both
    assert {4 - row} == {round(tick[:, 1].mean()) for tick in ticks}
    assert above.yaxis_inverted() and not below.yaxis_inverted()
    assert (above.get_xlabel(), below.get_xlabel(), above.get_ylabel()) == ("", "time (ms)", "channel")
    figure.draw_without_rendering()


@pytest.mark.parametrize("ear", [Lyon(), Lyon(44100, 300), Gammatone(), Gammatone(channels=3)])
def test_frequency_ticks_are_at_the_nearest_channels(ear: Lyon | Gammatone) -> None:
    figure, axes = plots.figure()
    ax = plots.cochleagram(np.ones((4, len(ear.centres))), axes[0, 0], frame=ear.frame, centres=ear.centres)
    rows = ax.get_yticks()
    assert len(rows) >= 2
    assert np.abs(np.diff(rows)).min() > len(ear.centres) / 15
    for row, text in zip(rows, ax.get_yticklabels(), strict=True):
        frequency = 1000 * float(text.get_text())
        assert np.abs(np.log2(ear.centres / frequency)).argmin() == row
    assert ax.get_ylabel() == "frequency (kHz)"
    figure.draw_without_rendering()


@pytest.mark.parametrize("frames", [np.zeros(3), np.zeros((0, 4)), np.full((2, 2), np.nan)])
def test_invalid_cochleagrams_are_errors(frames: np.ndarray) -> None:
    with raises_input_error("cochleagram", frames.shape):
        plots.cochleagram(frames, plots.figure()[1][0, 0], frame=0.016)


def test_a_wrong_number_of_centres_is_an_error() -> None:
    with raises_input_error("cochleagram", 78, 64):
        plots.cochleagram(np.zeros((2, 64)), plots.figure()[1][0, 0], frame=0.016, centres=Lyon().centres)
