"""Images read as signals: what the spikes told is the image again, to within a level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from grey import BATCH, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab.encoders import Delta
from snnlab.errors import InputError


def test_delta_is_an_encoder() -> None:
    check_encoder(Delta(steps=90, level=0.1))
    check_encoder(Delta(steps=30, level=0.3, steps_per_row=4))


def told(code: Delta, values: NDArray[np.uint8], peak: int = 255) -> NDArray[np.float64]:
    """What ON and OFF spikes add up to by the end of every step (steps, channels): the sum of levels, by hand."""
    samples = code.prepare(grey(values[None], peak))
    raster = code.encode(samples, seed=0).dense()[0].reshape(code.steps, 2, -1).astype(int)
    return code.level * np.cumsum(raster[:, 0] - raster[:, 1], axis=0)


@settings(max_examples=80)
@given(
    values=st.lists(st.lists(st.integers(0, 200), min_size=3, max_size=3), min_size=1, max_size=8),
    level=st.floats(0.02, 1.5),
    slack=st.integers(0, 3),
)
def test_the_image_is_told_to_within_a_level_where_rows_are_held_long_enough(
    values: list[list[int]], level: float, slack: int
) -> None:
    signal = np.array(values, dtype=np.uint8)
    steps_per_row = math.ceil(1 / level) + 1 + slack
    code = Delta(level=level, steps_per_row=steps_per_row, steps=steps_per_row * len(signal))
    at_the_end = told(code, signal, 200)[steps_per_row - 1 :: steps_per_row]
    assert (np.abs(at_the_end - signal / 200) < level + 1e-9).all()


def test_the_test_of_reconstruction_sees_rows_that_are_held_too_briefly() -> None:
    signal = np.array([[0], [255], [0]], dtype=np.uint8)
    code = Delta(level=0.1, steps_per_row=5, steps=15)
    assert np.abs(told(code, signal)[4::5] - signal / 255).max() > 0.4


@settings(max_examples=60)
@given(
    values=st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=1, max_size=8),
    level=st.floats(0.02, 1.5),
    steps_per_row=st.integers(1, 12),
    steps=st.integers(1, 80),
)
def test_the_spikes_are_those_of_the_definition(
    values: list[list[int]], level: float, steps_per_row: int, steps: int
) -> None:
    """Send on delta, slowly: a channel tells one level in each step while it is that far from what it told."""
    expected = np.zeros((steps, 2, 2), dtype=bool)
    for channel in range(2):
        sent = 0  # levels: a sum of them would be rounded
        for step in range(min(steps, steps_per_row * len(values))):
            now = values[step // steps_per_row][channel] / 255
            if now >= (sent + 1) * level:
                expected[step, 0, channel], sent = True, sent + 1
            elif now <= (sent - 1) * level:
                expected[step, 1, channel], sent = True, sent - 1
    code = Delta(level=level, steps_per_row=steps_per_row, steps=steps)
    found = code.encode(grey(np.array([values])), seed=0).dense()[0].reshape(steps, 2, 2)
    assert np.array_equal(found, expected)


def test_a_signal_that_rises_by_three_levels_says_on_three_times() -> None:
    raster = Delta(level=0.25, steps_per_row=4, steps=12).encode(grey([[[0], [191], [0]]]), seed=0).dense()[0]
    assert np.flatnonzero(raster[:, 0]).tolist() == [4, 5]  # 191 / 255 is a little less than three quarters
    assert np.flatnonzero(raster[:, 1]).tolist() == [8, 9]
    raster = Delta(level=0.25, steps_per_row=4, steps=12).encode(grey([[[0], [192], [0]]]), seed=0).dense()[0]
    assert np.flatnonzero(raster[:, 0]).tolist() == [4, 5, 6]


def test_an_image_without_change_is_silent_after_it_was_seen() -> None:
    raster = Delta(level=0.1, steps_per_row=14).encode(grey(np.full((1, 28, 3), 255)), seed=0).dense()[0]
    assert raster[:14, :3].sum() == 3 * 10 and not raster[14:].any()


def test_the_shape_is_two_neurons_for_each_channel() -> None:
    assert Delta().prepare(grey(BATCH)).shape == (2, 5)
    assert Delta().prepare(grey(np.zeros((1, 7)))).shape == (2,)
    assert Delta().prepare(grey(np.zeros((1, 4, 3, 2)))).shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "Delta.steps: found 0; needs a whole number, 1 to 100000"),
        ({"steps": 100_001}, "Delta.steps: found 100001; needs a whole number, 1 to 100000"),
        ({"level": 0.0}, "Levels.level: found 0.0; needs a number, 1e-9 to 1000"),
        ({"level": 1e-300}, "Levels.level: found 1e-300; needs a number, 1e-9 to 1000"),
        ({"steps_per_row": 0}, "Levels.steps_per_frame: found 0"),
    ],
)
def test_what_makes_no_code_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Delta(**options)


def test_as_many_steps_as_are_allowed_can_be_encoded() -> None:
    assert Delta(steps=100_000).encode(grey(BATCH[:1]), seed=0).steps == 100_000


def test_images_without_a_first_axis_are_refused() -> None:
    with pytest.raises(InputError, match="needs a first axis"):
        Delta().prepare(grey(np.zeros(3)))
