"""Spike codes of cochleagrams equal their definitions, and their spikes reconstruct the signal."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from bsa_reference import slow_bsa
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from snnlab.audio.bsa import Bsa
from snnlab.audio.coder import Coder
from snnlab.audio.levels import Levels
from snnlab.data.spikes import SpikeTrains

CODERS = [Bsa(), Levels(steps_per_frame=10)]


def cochleagrams(highest: float) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 12), st.integers(1, 20))
    return arrays.arrays(float, shapes, elements=st.floats(-0.2 * highest, highest))


def smooth(frames: int, channels: int, seed: int = 0) -> np.ndarray:
    """Slow signals between 0 and 4e-4, as in a cochleagram."""
    noise = np.random.default_rng(seed).normal(size=(frames, channels))
    slow = gaussian_filter1d(noise, 4, axis=0)
    return 4e-4 * (slow - slow.min(axis=0)) / np.ptp(slow, axis=0)


def relative_error(estimate: np.ndarray, signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean((estimate - signal) ** 2) / np.mean(signal**2)))


# BSA ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(50))
@given(cochleagrams(1.2e-3))
@example(np.full((4, 1), 0.00041))  # close to 0.0004, where an error equals the threshold exactly
def test_bsa_equals_the_reference(frames: np.ndarray) -> None:
    expected = slow_bsa(frames, 0.6 - 1e-9)
    # the sums differ in their last bit, which matters if an error equals the threshold
    assume(np.array_equal(expected, slow_bsa(frames, 0.6 + 1e-9)))
    spikes = Bsa().encode(frames, frame=0.016)
    np.testing.assert_array_equal(spikes.dense()[0], expected)
    assert spikes.dt == 0.0016


def test_bsa_with_slightly_different_options_differs_from_the_reference() -> None:
    frames = smooth(40, 20)
    expected = slow_bsa(frames)
    assert expected.sum() > 500
    for other in (Bsa(gain=2010.0), Bsa(threshold=0.61), Bsa(kernel_width=25.5), Bsa(taps=23)):
        raster = other.encode(frames, frame=0.016).dense()[0]
        assert not np.array_equal(raster, expected), other


def test_the_default_kernel_is_that_of_hm2bp() -> None:
    kernel = Bsa().kernel
    assert len(kernel) == 24
    assert kernel.sum() == pytest.approx(1)
    assert kernel.argmax() == 12
    assert kernel[7] / kernel[12] == pytest.approx(math.exp(-1))


def test_a_kernel_is_encoded_by_one_spike_at_the_first_sufficient_step() -> None:
    coder = Bsa(steps_per_frame=1, gain=1.0)
    frames = np.zeros((200, 1))
    for begin in (10, 100):
        frames[begin : begin + 24, 0] = coder.kernel
    # shifted by `early` steps, the kernel explains all but |k(t) - k(t - early)| of itself
    padded = np.pad(coder.kernel, 8)
    explained = [1 - np.abs(padded - np.roll(padded, early)).sum() for early in range(8)]
    early = max(shift for shift in range(8) if explained[shift] > 0.6)
    assert coder.encode(frames, frame=1e-3).events()[1].tolist() == [10 - early + 1, 100 - early + 1]


def test_bsa_is_silent_if_a_spike_reduces_the_error_by_less_than_the_threshold() -> None:
    # for a constant c up to half the kernel's maximum, a spike reduces the error by at most 2 sum(min(c, k)) - 1
    coder = Bsa(steps_per_frame=1, gain=1.0)
    c = 0.5 * coder.kernel.max()
    reduction = 1 - np.abs(c - coder.kernel).sum() + 24 * c - 1
    assert reduction < 0.6
    assert not len(coder.encode(np.full((60, 1), c), frame=1e-3))
    assert len(coder.encode(np.full((60, 1), 4 * c), frame=1e-3))


def test_bsa_spikes_reconstruct_the_signal() -> None:
    frames = smooth(60, 30)
    coder = Bsa()
    spikes = coder.encode(frames, frame=0.016, steps=600)
    estimate, held = coder.reconstruct(spikes), np.repeat(frames, 10, axis=0)
    inside = slice(24, -24)  # without the kernels at the start and the end
    assert relative_error(estimate[0, inside], held[inside]) < 0.25
    shuffled = SpikeTrains.from_dense(np.random.default_rng(0).permutation(spikes.dense()[0])[None], spikes.dt)
    assert relative_error(coder.reconstruct(shuffled)[0, inside], held[inside]) > 0.4


@settings(max_examples=examples(50))
@given(arrays.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 60), st.integers(1, 3))))
def test_bsa_reconstructs_by_convolution_with_the_kernel(raster: np.ndarray) -> None:
    coder, steps = Bsa(gain=3.0), raster.shape[1]
    expected = np.zeros(raster.shape)
    for sample, step, channel in np.argwhere(raster):
        for delay, weight in enumerate(coder.kernel):
            if 0 <= step - 1 + delay < steps:
                expected[sample, step - 1 + delay, channel] += weight / 3.0
    np.testing.assert_allclose(coder.reconstruct(SpikeTrains.from_dense(raster, 1e-3)), expected, atol=1e-15)


# Level crossing -----------------------------------------------------------------------------------------------------


def slow_levels(frames: np.ndarray, level: float, steps_per_frame: int) -> np.ndarray:
    raster = np.zeros((len(frames) * steps_per_frame, 2 * frames.shape[1]), dtype=bool)
    for channel in range(frames.shape[1]):
        reference = 0
        for step in range(len(frames) * steps_per_frame):
            value = frames[step // steps_per_frame, channel]
            if value >= (reference + 1) * level:
                reference += 1
                raster[step, channel] = True
            elif value <= (reference - 1) * level:
                reference -= 1
                raster[step, frames.shape[1] + channel] = True
    return raster


@settings(max_examples=examples(100))
@given(cochleagrams(1.0), st.floats(0.01, 0.5), st.integers(1, 12))
def test_level_crossing_equals_the_reference(frames: np.ndarray, level: float, steps_per_frame: int) -> None:
    spikes = Levels(level, steps_per_frame).encode(frames, frame=0.016)
    np.testing.assert_array_equal(spikes.dense()[0], slow_levels(frames, level, steps_per_frame))
    assert spikes.dt == pytest.approx(0.016 / steps_per_frame)


def test_a_rise_and_a_fall_are_encoded_level_by_level() -> None:
    frames = np.array([[0.05], [0.1], [0.35], [0.35], [0.35], [0.25], [0.0], [0.0]])
    spikes = Levels(0.1, 1).encode(frames, frame=1e-3)
    _, step, neuron = spikes.events()
    assert list(zip(step.tolist(), neuron.tolist(), strict=True)) == [(1, 0), (2, 0), (3, 0), (6, 1), (7, 1)]


@settings(max_examples=examples(200))
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=80),
    st.floats(1e-3, 1e3),
)
def test_the_error_is_below_a_level_for_slow_signals(changes: list[float], level: float) -> None:
    """For signals that change by at most a level per step."""
    signal = level * np.cumsum(changes)[:, None]
    coder = Levels(level, 1)
    estimate = coder.reconstruct(coder.encode(signal, frame=1e-3))[0]
    assert np.abs(estimate - signal).max() < level * (1 + 1e-9)


@settings(max_examples=examples(100))
@given(cochleagrams(1.0), st.floats(0.15, 1.0))
def test_the_error_is_below_a_level_at_the_end_of_a_held_frame(frames: np.ndarray, level: float) -> None:
    """Frames differ by up to 1.2, at most eight levels, which take eight of ten steps."""
    coder = Levels(level, 10)
    estimate = coder.reconstruct(coder.encode(frames, frame=1e-3))[0, 9::10]
    assert np.abs(estimate - frames).max() < level * (1 + 1e-9)


def test_the_reconstruction_of_a_fast_change_is_delayed() -> None:
    coder = Levels(0.1, 1)
    estimate = coder.reconstruct(coder.encode(np.full((12, 1), 0.95), frame=1e-3))[0, :, 0]
    np.testing.assert_allclose(estimate, [*np.arange(0.1, 0.95, 0.1), 0.9, 0.9, 0.9])


# Both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: type(coder).__name__)
def test_steps_cut_spikes_off_or_add_silence(coder: Coder) -> None:
    frames = smooth(30, 5)
    whole = coder.encode(frames, frame=0.016).dense()
    short, long = (coder.encode(frames, frame=0.016, steps=steps) for steps in (100, 700))
    assert (short.steps, long.steps) == (100, 700)
    assert short.size == long.size == coder.neurons(5)
    np.testing.assert_array_equal(short.dense(), whole[:, :100])
    np.testing.assert_array_equal(long.dense()[:, : whole.shape[1]], whole)
    assert not long.dense()[:, whole.shape[1] :].any()
    assert coder.reconstruct(long).shape == (1, 700, 5)


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: type(coder).__name__)
def test_channels_are_encoded_independently(coder: Coder) -> None:
    frames = smooth(20, 11)
    together = coder.encode(frames, frame=0.016).dense()[0]
    for channel in (0, 7, 10):
        single = coder.encode(frames[:, channel : channel + 1], frame=0.016).dense()[0]
        np.testing.assert_array_equal(together[:, channel::11], single)


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: type(coder).__name__)
@pytest.mark.parametrize(
    ("frames", "options", "value"),
    [
        (np.zeros(5), {}, "(5,)"),
        (np.zeros((0, 3)), {}, "(0, 3)"),
        (np.full((2, 2), np.inf), {}, "not finite"),
        (np.zeros((2, 2)), {"frame": 0.0}, "0.0 s"),
        (np.zeros((2, 2)), {"steps": 0}, "steps 0"),
        (np.zeros((20_000, 1)), {}, "20000 frames of 10 steps"),
    ],
)
def test_an_invalid_cochleagram_raises_an_error(
    coder: Coder, frames: np.ndarray, options: dict[str, Any], value: str
) -> None:
    with raises_input_error("encode", value):
        coder.encode(frames, **({"frame": 0.016} | options))


@pytest.mark.parametrize(
    ("coder", "field", "value"),
    [
        (Bsa, "gain", 0.0), (Bsa, "gain", 1e300), (Bsa, "kernel_width", 1e-300), (Bsa, "kernel_width", math.nan),
        (Bsa, "threshold", 1.0), (Bsa, "taps", 0), (Bsa, "steps_per_frame", 2.5), (Levels, "level", -1.0),
        (Levels, "level", 1e-300), (Levels, "steps_per_frame", 0),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(coder: type, field: str, value: float) -> None:
    with raises_input_error(f"{coder.__name__}.{field}", f"got {value}"):
        coder(**{field: value})


def test_an_odd_number_of_neurons_raises_an_error() -> None:
    with raises_input_error("Levels.reconstruct", "3 neurons"):
        Levels().reconstruct(SpikeTrains.from_dense(np.zeros((1, 5, 3)), 1e-3))
