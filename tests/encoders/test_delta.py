"""Send-on-delta code of images: the spikes reconstruct the image to within a level."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from grey import BATCH, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab.encoders import Delta


def test_delta_is_an_encoder() -> None:
    check_encoder(Delta(steps=90, level=0.1))
    check_encoder(Delta(steps=30, level=0.3, steps_per_row=4))


def reconstruction(code: Delta, values: NDArray[np.uint8], peak: int = 255) -> NDArray[np.float64]:
    """The cumulative sum of ON minus OFF spikes, times the level (steps, channels)."""
    samples = code.prepare(grey(values[None], peak))
    raster = code.encode(samples, seed=0).dense()[0].reshape(code.steps, 2, -1).astype(int)
    return code.level * np.cumsum(raster[:, 0] - raster[:, 1], axis=0)


@settings(max_examples=examples(80))
@given(
    values=st.lists(st.lists(st.integers(0, 200), min_size=3, max_size=3), min_size=1, max_size=8),
    level=st.floats(0.02, 1.5),
    slack=st.integers(0, 3),
)
def test_an_image_is_reconstructed_to_within_a_level_if_rows_are_held_long_enough(
    values: list[list[int]], level: float, slack: int
) -> None:
    signal = np.array(values, dtype=np.uint8)
    steps_per_row = math.ceil(1 / level) + 1 + slack
    code = Delta(level=level, steps_per_row=steps_per_row, steps=steps_per_row * len(signal))
    at_row_ends = reconstruction(code, signal, 200)[steps_per_row - 1 :: steps_per_row]
    assert (np.abs(at_row_ends - signal / 200) < level + 1e-9).all()


def test_an_image_is_not_reconstructed_if_rows_are_held_too_briefly() -> None:
    signal = np.array([[0], [255], [0]], dtype=np.uint8)
    code = Delta(level=0.1, steps_per_row=5, steps=15)
    assert np.abs(reconstruction(code, signal)[4::5] - signal / 255).max() > 0.4


@settings(max_examples=examples(60))
@given(
    values=st.lists(st.lists(st.integers(0, 255), min_size=2, max_size=2), min_size=1, max_size=8),
    level=st.floats(0.02, 1.5),
    steps_per_row=st.integers(1, 12),
    steps=st.integers(1, 80),
)
def test_the_spikes_equal_the_definition(values: list[list[int]], level: float, steps_per_row: int, steps: int) -> None:
    """A slow reference: a channel sends one level per step while the signal is that far from the sum of sent levels."""
    expected = np.zeros((steps, 2, 2), dtype=bool)
    for channel in range(2):
        sent = 0  # integer number of levels, free of rounding
        for step in range(min(steps, steps_per_row * len(values))):
            value = values[step // steps_per_row][channel] / 255
            if value >= (sent + 1) * level:
                expected[step, 0, channel], sent = True, sent + 1
            elif value <= (sent - 1) * level:
                expected[step, 1, channel], sent = True, sent - 1
    code = Delta(level=level, steps_per_row=steps_per_row, steps=steps)
    raster = code.encode(grey(np.array([values])), seed=0).dense()[0].reshape(steps, 2, 2)
    assert np.array_equal(raster, expected)


def test_a_rise_of_three_levels_gives_three_on_spikes() -> None:
    raster = Delta(level=0.25, steps_per_row=4, steps=12).encode(grey([[[0], [191], [0]]]), seed=0).dense()[0]
    assert np.flatnonzero(raster[:, 0]).tolist() == [4, 5]  # 191 / 255 is a little less than three quarters
    assert np.flatnonzero(raster[:, 1]).tolist() == [8, 9]
    raster = Delta(level=0.25, steps_per_row=4, steps=12).encode(grey([[[0], [192], [0]]]), seed=0).dense()[0]
    assert np.flatnonzero(raster[:, 0]).tolist() == [4, 5, 6]


def test_a_constant_image_is_silent_after_its_first_row() -> None:
    raster = Delta(level=0.1, steps_per_row=14).encode(grey(np.full((1, 28, 3), 255)), seed=0).dense()[0]
    assert raster[:14, :3].sum() == 3 * 10 and not raster[14:].any()


def test_the_shape_has_two_neurons_per_channel() -> None:
    assert Delta().prepare(grey(BATCH)).shape == (2, 5)
    assert Delta().prepare(grey(np.zeros((1, 7)))).shape == (2,)
    assert Delta().prepare(grey(np.zeros((1, 4, 3, 2)))).shape == (2, 3, 2)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"steps": 0}, "Delta.steps", "got 0"),
        ({"steps": 100_001}, "Delta.steps", 100_000),
        ({"level": 0.0}, "Levels.level", "got 0.0"),
        ({"level": 1e-300}, "Levels.level", 1e-300),
        ({"steps_per_row": 0}, "Levels.steps_per_frame", "got 0"),
    ],
)
def test_values_out_of_range_raise_an_error(options: dict[str, Any], field: str, value: object) -> None:
    with raises_input_error(field, value):
        Delta(**options)


def test_the_largest_number_of_steps_can_be_encoded() -> None:
    assert Delta(steps=100_000).encode(grey(BATCH[:1]), seed=0).steps == 100_000


def test_images_without_a_first_axis_raise_an_error() -> None:
    with raises_input_error("encode: samples", "first axis"):
        Delta().prepare(grey(np.zeros(3)))
