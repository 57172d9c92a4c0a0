"""Plots of images, events and sounds."""

from __future__ import annotations

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_rgb

from snnlab import plots
from snnlab.data.samples import EVENT
from snnlab.plots.style import BLUE, VERMILLION

SHAPE = (4, 5, 2)


def events(*lines: tuple[int, int, bool, int]) -> np.ndarray:
    """Events given as column, row, polarity and microseconds."""
    return np.array(list(lines), dtype=EVENT)


ANY = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.booleans(), st.integers(0, 300_000)), max_size=30)


@settings(max_examples=examples(30))
@given(lines=ANY, frames=st.integers(1, 7))
def test_a_pixel_is_coloured_in_a_window_if_and_only_if_it_had_an_event(
    lines: list[tuple[int, int, bool, int]], frames: int
) -> None:
    _, axes = plots.figure()
    ax = plots.event_frames(events(*lines), axes[0, 0], shape=SHAPE, frames=frames)
    image = np.asarray(ax.get_images()[0].get_array())
    end = max((time for *_, time in lines), default=0) + 1
    expected = {(y, (t * frames // end) * (5 + 2) + x) for x, y, _, t in lines}
    coloured = {(int(y), int(x)) for y, x in np.argwhere((image < 1).any(axis=2))}
    assert coloured == expected
    assert len(ax.get_xticklabels()) == frames


def test_on_is_red_and_off_is_blue() -> None:
    _, axes = plots.figure()
    ax = plots.event_frames(events((0, 0, True, 0), (1, 0, False, 0)), axes[0, 0], shape=SHAPE, frames=1)
    image = np.asarray(ax.get_images()[0].get_array())
    assert np.allclose(image[0, 0], to_rgb(VERMILLION))
    assert np.allclose(image[0, 1], to_rgb(BLUE))
    assert np.allclose(image[1:], 1)


@settings(max_examples=examples(30))
@given(lines=ANY)
def test_each_event_is_a_dot_at_its_time_and_pixel(lines: list[tuple[int, int, bool, int]]) -> None:
    _, axes = plots.figure()
    ax = plots.event_raster(events(*lines), axes[0, 0], shape=SHAPE)
    dots = [(line.get_label(), x, y) for line in ax.get_lines() for x, y in zip(*line.get_data(), strict=True)]
    expected = [("ON" if sign else "OFF", time / 1e3, 5 * row + column) for column, row, sign, time in lines]
    assert sorted((name, round(x, 6), y) for name, x, y in dots) == sorted(expected)
    assert ax.get_xlabel() == "time (ms)"


def test_a_sensor_of_one_row_has_channels() -> None:
    _, axes = plots.figure()
    ax = plots.event_raster(events((3, 0, True, 5_000_000)), axes[0, 0], shape=(1, 700, 1))
    assert (ax.get_ylabel(), ax.get_xlabel(), ax.get_legend()) == ("channel", "time (s)", None)
    assert ax.get_ylim() == (-0.5, 699.5)


def test_a_sensor_without_polarities_shows_events_of_both_signs() -> None:
    """In the control with two polarities, each sign has its own dots."""
    both = events((3, 0, True, 1000), (4, 1, False, 2000), (1, 1, False, 3000))
    for polarities, dots in ((1, [3]), (2, [1, 2])):
        _, axes = plots.figure()
        ax = plots.event_raster(both, axes[0, 0], shape=(4, 5, polarities))
        assert [len(line.get_xdata()) for line in ax.get_lines()] == dots


@pytest.mark.parametrize("plot", [plots.event_frames, plots.event_raster])
@pytest.mark.parametrize("stray", [(5, 0, True, 1), (0, 4, True, 1), (-1, 0, True, 1)])
def test_an_event_outside_the_sensor_is_an_error(plot: object, stray: tuple[int, int, bool, int]) -> None:
    _, axes = plots.figure()
    with raises_input_error("events", 4, 5):
        plot(events(stray), axes[0, 0], shape=SHAPE)  # type: ignore[operator]


def test_frames_must_be_positive() -> None:
    _, axes = plots.figure()
    with raises_input_error("event_frames.frames", 0, 1):
        plots.event_frames(events(), axes[0, 0], shape=SHAPE, frames=0)


def test_images_are_in_lines_above_their_labels() -> None:
    _, axes = plots.figure()
    values = np.arange(3 * 2 * 4).reshape(3, 2, 4)
    ax = plots.images(values, axes[0, 0], labels=["a", "b", "c"], columns=2, peak=23)
    shown = ax.get_images()
    assert [np.array_equal(image.get_array(), value) for image, value in zip(shown, values, strict=True)] == [True] * 3
    left, right, bottom, top = np.array([image.get_extent() for image in shown]).T
    assert np.allclose(right - left, 4)
    assert np.allclose(bottom - top, 2)
    assert left[1] > right[0]
    assert left[2] == left[0]
    assert top[2] > bottom[0]
    for text, low, start, end in zip(ax.texts, bottom, left, right, strict=True):
        assert (text.get_position()[0], text.get_position()[1] > low) == ((start + end) / 2, True)


@pytest.mark.parametrize(
    ("values", "labels"), [(np.zeros((2, 3)), []), (np.zeros((2, 3, 3)), ["a"]), (np.full((1, 1, 1), np.nan), [])]
)
def test_invalid_images_are_errors(values: np.ndarray, labels: list[str]) -> None:
    _, axes = plots.figure()
    with raises_input_error("images"):
        plots.images(values, axes[0, 0], labels=labels)


def test_a_wave_is_the_sound_over_time() -> None:
    _, axes = plots.figure()
    sound = np.sin(np.arange(800))
    (line,) = plots.wave(sound, axes[0, 0], rate=8000).get_lines()
    assert np.allclose(line.get_xdata(), np.arange(800) / 8)  # milliseconds
    assert np.array_equal(line.get_ydata(), sound)
    assert axes[0, 0].get_ylabel() == "sound\n(full scale 1)"
    with raises_input_error("wave"):
        plots.wave([np.nan], axes[0, 0], rate=8000)
