"""Coders of cochleagrams find the spikes of their definitions, and the spikes give the signal back."""

from __future__ import annotations

import math
from typing import Any

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from bsa_reference import slow_bsa
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter1d

from snnlab.audio.bsa import Bsa
from snnlab.audio.coder import Coder
from snnlab.audio.levels import Levels
from snnlab.data.spikes import SpikeTrains
from snnlab.errors import InputError

CODERS = [Bsa(), Levels(steps_per_frame=10)]


def cochleagrams(highest: float) -> st.SearchStrategy[np.ndarray]:
    shapes = st.tuples(st.integers(1, 12), st.integers(1, 20))
    return arrays.arrays(float, shapes, elements=st.floats(-0.2 * highest, highest))


def smooth(frames: int, channels: int, seed: int = 0) -> np.ndarray:
    """Signals between 0 and 4e-4 that move slowly, as a cochleagram does."""
    wild = np.random.default_rng(seed).normal(size=(frames, channels))
    slow = gaussian_filter1d(wild, 4, axis=0)
    return 4e-4 * (slow - slow.min(axis=0)) / np.ptp(slow, axis=0)


def relative_error(found: np.ndarray, signal: np.ndarray) -> float:
    return float(np.sqrt(np.mean((found - signal) ** 2) / np.mean(signal**2)))


# BSA ----------------------------------------------------------------------------------------------------------------


@settings(max_examples=50)
@given(cochleagrams(1.2e-3))
@example(np.full((4, 1), 0.00041))  # beside 0.0004, where an error meets the threshold exactly
def test_bsa_finds_the_spikes_of_the_definition(frames: np.ndarray) -> None:
    expected = slow_bsa(frames, 0.6 - 1e-9)
    # sums of the kernel differ in their last bit, which tells where an error meets the threshold exactly
    assume(np.array_equal(expected, slow_bsa(frames, 0.6 + 1e-9)))
    spikes = Bsa().encode(frames, frame=0.016)
    np.testing.assert_array_equal(spikes.dense()[0], expected)
    assert spikes.dt == 0.0016


def test_the_comparison_with_the_definition_notices_small_differences() -> None:
    frames = smooth(40, 20)
    expected = slow_bsa(frames)
    assert expected.sum() > 500
    for other in (Bsa(gain=2010.0), Bsa(threshold=0.61), Bsa(kernel_width=25.5), Bsa(taps=23)):
        found = other.encode(frames, frame=0.016).dense()[0]
        assert not np.array_equal(found, expected), other


def test_the_kernel_is_that_of_hm2bp() -> None:
    kernel = Bsa().kernel
    assert len(kernel) == 24
    assert kernel.sum() == pytest.approx(1)
    assert kernel.argmax() == 12
    assert kernel[7] / kernel[12] == pytest.approx(math.exp(-1))


def test_a_kernel_is_one_spike_as_soon_as_it_covers_enough() -> None:
    coder = Bsa(steps_per_frame=1, gain=1.0)
    frames = np.zeros((200, 1))
    for begin in (10, 100):
        frames[begin : begin + 24, 0] = coder.kernel
    # shifted by `early` steps, the kernel still explains all but |k(t) - k(t - early)| of itself
    padded = np.pad(coder.kernel, 8)
    explained = [1 - np.abs(padded - np.roll(padded, early)).sum() for early in range(8)]
    early = max(shift for shift in range(8) if explained[shift] > 0.6)
    assert coder.encode(frames, frame=1e-3).events()[1].tolist() == [10 - early + 1, 100 - early + 1]


def test_bsa_is_silent_where_a_spike_would_gain_no_more_than_the_threshold() -> None:
    # a constant c up to half the kernel's height gains what it fills of the kernel: 2 sum(min(c, k)) - 1 at most
    coder = Bsa(steps_per_frame=1, gain=1.0)
    c = 0.5 * coder.kernel.max()
    gained = 1 - np.abs(c - coder.kernel).sum() + 24 * c - 1
    assert gained < 0.6
    assert not len(coder.encode(np.full((60, 1), c), frame=1e-3))
    assert len(coder.encode(np.full((60, 1), 4 * c), frame=1e-3))


def test_bsa_spikes_give_the_signal_back() -> None:
    frames = smooth(60, 30)
    coder = Bsa()
    spikes = coder.encode(frames, frame=0.016, steps=600)
    found, held = coder.reconstruct(spikes), np.repeat(frames, 10, axis=0)
    inside = slice(24, -24)  # what begins or ends at full height has no kernel to begin or end with
    assert relative_error(found[0, inside], held[inside]) < 0.25
    shuffled = SpikeTrains.from_dense(np.random.default_rng(0).permutation(spikes.dense()[0])[None], spikes.dt)
    assert relative_error(coder.reconstruct(shuffled)[0, inside], held[inside]) > 0.4


@settings(max_examples=50)
@given(arrays.arrays(bool, st.tuples(st.integers(1, 3), st.integers(1, 60), st.integers(1, 3))))
def test_bsa_reconstructs_by_convolution_with_the_kernel(fired: np.ndarray) -> None:
    coder, steps = Bsa(gain=3.0), fired.shape[1]
    expected = np.zeros(fired.shape)
    for sample, step, channel in np.argwhere(fired):
        for late, weight in enumerate(coder.kernel):
            if 0 <= step - 1 + late < steps:
                expected[sample, step - 1 + late, channel] += weight / 3.0
    np.testing.assert_allclose(coder.reconstruct(SpikeTrains.from_dense(fired, 1e-3)), expected, atol=1e-15)


# Level crossing -----------------------------------------------------------------------------------------------------


def slow_levels(frames: np.ndarray, level: float, steps_per_frame: int) -> np.ndarray:
    fired = np.zeros((len(frames) * steps_per_frame, 2 * frames.shape[1]), dtype=bool)
    for channel in range(frames.shape[1]):
        told = 0
        for step in range(len(frames) * steps_per_frame):
            value = frames[step // steps_per_frame, channel]
            if value >= (told + 1) * level:
                told += 1
                fired[step, channel] = True
            elif value <= (told - 1) * level:
                told -= 1
                fired[step, frames.shape[1] + channel] = True
    return fired


@settings(max_examples=100)
@given(cochleagrams(1.0), st.floats(0.01, 0.5), st.integers(1, 12))
def test_level_crossing_finds_the_spikes_of_the_definition(
    frames: np.ndarray, level: float, steps_per_frame: int
) -> None:
    spikes = Levels(level, steps_per_frame).encode(frames, frame=0.016)
    np.testing.assert_array_equal(spikes.dense()[0], slow_levels(frames, level, steps_per_frame))
    assert spikes.dt == pytest.approx(0.016 / steps_per_frame)


def test_a_rise_and_a_fall_are_told_level_by_level() -> None:
    frames = np.array([[0.05], [0.1], [0.35], [0.35], [0.35], [0.25], [0.0], [0.0]])
    spikes = Levels(0.1, 1).encode(frames, frame=1e-3)
    _, step, neuron = spikes.events()
    assert list(zip(step.tolist(), neuron.tolist(), strict=True)) == [(1, 0), (2, 0), (3, 0), (6, 1), (7, 1)]


@settings(max_examples=200)
@given(
    st.lists(st.floats(-1, 1), min_size=1, max_size=80),
    st.floats(1e-3, 1e3),
)
def test_a_signal_that_moves_slowly_is_never_a_level_off(moves: list[float], level: float) -> None:
    """For signals that move by no more than a level per step, which is what the code promises."""
    signal = level * np.cumsum(moves)[:, None]
    coder = Levels(level, 1)
    found = coder.reconstruct(coder.encode(signal, frame=1e-3))[0]
    assert np.abs(found - signal).max() < level * (1 + 1e-9)


@settings(max_examples=100)
@given(cochleagrams(1.0), st.floats(0.15, 1.0))
def test_a_held_frame_is_less_than_a_level_off_at_its_end(frames: np.ndarray, level: float) -> None:
    """Frames differ by up to 1.2, which is at most eight levels and so told within ten steps."""
    coder = Levels(level, 10)
    found = coder.reconstruct(coder.encode(frames, frame=1e-3))[0, 9::10]
    assert np.abs(found - frames).max() < level * (1 + 1e-9)


def test_a_signal_that_moves_too_fast_is_lost_for_a_while() -> None:
    coder = Levels(0.1, 1)
    found = coder.reconstruct(coder.encode(np.full((12, 1), 0.95), frame=1e-3))[0, :, 0]
    np.testing.assert_allclose(found, [*np.arange(0.1, 0.95, 0.1), 0.9, 0.9, 0.9])


# Both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: type(coder).__name__)
def test_steps_cut_off_or_add_silence(coder: Coder) -> None:
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
def test_a_channel_is_coded_alone(coder: Coder) -> None:
    frames = smooth(20, 11)
    together = coder.encode(frames, frame=0.016).dense()[0]
    for channel in (0, 7, 10):
        alone = coder.encode(frames[:, channel : channel + 1], frame=0.016).dense()[0]
        np.testing.assert_array_equal(together[:, channel::11], alone)


@pytest.mark.parametrize("coder", CODERS, ids=lambda coder: type(coder).__name__)
@pytest.mark.parametrize(
    ("frames", "options", "complaint"),
    [
        (np.zeros(5), {}, "a cochleagram of shape (5,)"),
        (np.zeros((0, 3)), {}, "a cochleagram of shape (0, 3)"),
        (np.full((2, 2), np.inf), {}, "not finite"),
        (np.zeros((2, 2)), {"frame": 0.0}, "a frame of 0.0 s"),
        (np.zeros((2, 2)), {"steps": 0}, "steps 0"),
        (np.zeros((20_000, 1)), {}, "20000 frames of 10 steps"),
    ],
)
def test_what_is_no_cochleagram_is_refused(
    coder: Coder, frames: np.ndarray, options: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(InputError) as refused:
        coder.encode(frames, **({"frame": 0.016} | options))
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("made", "options", "complaint"),
    [
        (Bsa, {"gain": 0.0}, "Bsa.gain: found 0.0"),
        (Bsa, {"gain": 1e300}, "Bsa.gain: found 1e+300; needs a number, 1e-06 to 1e+09"),
        (Bsa, {"kernel_width": 1e-300}, "Bsa.kernel_width: found 1e-300; needs a number, 0.1 to 1e+06"),
        (Bsa, {"kernel_width": math.nan}, "Bsa.kernel_width: found nan"),
        (Bsa, {"threshold": 1.0}, "Bsa.threshold: found 1.0"),
        (Bsa, {"taps": 0}, "Bsa.taps: found 0"),
        (Bsa, {"steps_per_frame": 2.5}, "Bsa.steps_per_frame: found 2.5"),
        (Levels, {"level": -1.0}, "Levels.level: found -1.0"),
        (Levels, {"level": 1e-300}, "Levels.level: found 1e-300; needs a number, 1e-9 to 1000"),
        (Levels, {"steps_per_frame": 0}, "Levels.steps_per_frame: found 0"),
    ],
)
def test_what_is_no_code_is_refused(made: type, options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        made(**options)
    assert complaint in str(refused.value)


def test_an_odd_number_of_neurons_has_no_on_and_off() -> None:
    with pytest.raises(InputError, match="3 neurons"):
        Levels().reconstruct(SpikeTrains.from_dense(np.zeros((1, 5, 3)), 1e-3))
