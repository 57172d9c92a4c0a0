"""Pictures of cochleagrams show the values they are given, in the order of the raster below, read back."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.image import AxesImage

from snnlab import plots
from snnlab.audio.gammatone import Gammatone
from snnlab.audio.lyon import Lyon
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError


def image(ax: object) -> AxesImage:
    return ax.images[0]  # type: ignore[attr-defined, no-any-return]


def test_a_cochleagram_lies_above_the_raster_of_its_channels() -> None:
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
    # the channel's row, counted from the bottom in both
    assert {4 - row} == {round(tick[:, 1].mean()) for tick in ticks}
    assert above.yaxis_inverted() and not below.yaxis_inverted()
    assert (above.get_xlabel(), below.get_xlabel(), above.get_ylabel()) == ("", "time (ms)", "channel")
    figure.draw_without_rendering()


@pytest.mark.parametrize("ear", [Lyon(), Lyon(44100, 300), Gammatone(), Gammatone(channels=3)])
def test_round_frequencies_stand_at_the_channels_that_have_them(ear: Lyon | Gammatone) -> None:
    figure, axes = plots.figure()
    ax = plots.cochleagram(np.ones((4, len(ear.centres))), axes[0, 0], frame=ear.frame, centres=ear.centres)
    rows = ax.get_yticks()
    assert len(rows) >= 2
    assert np.abs(np.diff(rows)).min() > len(ear.centres) / 15
    for row, text in zip(rows, ax.get_yticklabels(), strict=True):
        told = 1000 * float(text.get_text())
        assert np.abs(np.log2(ear.centres / told)).argmin() == row
    assert ax.get_ylabel() == "frequency (kHz)"
    figure.draw_without_rendering()


@pytest.mark.parametrize("frames", [np.zeros(3), np.zeros((0, 4)), np.full((2, 2), np.nan)])
def test_what_is_no_cochleagram_is_not_drawn(frames: np.ndarray) -> None:
    with pytest.raises(InputError, match="values of shape"):
        plots.cochleagram(frames, plots.figure()[1][0, 0], frame=0.016)


def test_centres_of_another_ear_are_refused() -> None:
    with pytest.raises(InputError, match="78 centres for 64 channels"):
        plots.cochleagram(np.zeros((2, 64)), plots.figure()[1][0, 0], frame=0.016, centres=Lyon().centres)
