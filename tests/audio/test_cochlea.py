"""Cochlea models equal the package lyon, textbook filters and slow references."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from snnlab.audio.cochlea import Cochlea
from snnlab.audio.gammatone import Gammatone, erb, erb_number
from snnlab.audio.lyon import Lyon

EARS = [Lyon(), Gammatone()]


@pytest.fixture(scope="module")
def oracle() -> Any:
    """The C code of the Auditory Toolbox in the package lyon."""
    return pytest.importorskip("lyon.calc", reason="the package lyon has no library for this machine").LyonCalc()


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise of varying amplitude, for gain control."""
    rng = np.random.default_rng(seed)
    return 0.1 * rng.normal(size=samples) * np.sin(np.linspace(0, 3 * np.pi, samples)) ** 2


def tone(frequency: float, samples: int, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(samples) / rate)


# Lyon ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "decimation", "channels"),
    [(12500, 200, 78), (8000, 128, 64), (16000, 64, 86), (20000, 7, 93), (44100, 300, 118), (12500, 1, 78)],
)
def test_lyon_equals_the_auditory_toolbox(rate: int, decimation: int, channels: int, oracle: Any) -> None:
    sound = noise(rate // 2)
    frames = Lyon(rate, decimation).cochleagram(sound)
    expected = oracle.lyon_passive_ear(sound, rate, decimation)
    assert frames.shape == expected.shape == (len(sound) // decimation, channels)
    # both use double precision; only the rounding of filter coefficients differs
    np.testing.assert_allclose(frames, expected, rtol=1e-8, atol=1e-10 * expected.max())


@pytest.mark.parametrize("options", [{"gain_control": False}, {"difference": False}, {"q": 4.0}, {"step": 0.5}])
def test_lyon_equals_the_auditory_toolbox_with_other_options(options: dict[str, Any], oracle: Any) -> None:
    names = {"gain_control": "agc", "difference": "differ", "q": "ear_q", "step": "step_factor"}
    their_options = {names[name]: value for name, value in options.items()}
    their_options.setdefault("step_factor", 0.25)
    sound = noise(6000, 1)
    expected = oracle.lyon_passive_ear(sound, 12500, 100, **their_options)
    frames = Lyon(12500, 100, **options).cochleagram(sound)
    np.testing.assert_allclose(frames, expected, rtol=1e-8, atol=1e-10 * expected.max())
    assert not np.allclose(Lyon(12500, 100).cochleagram(sound)[:, :10], expected[:, :10], rtol=1e-3)


@pytest.mark.parametrize(("delay", "changes"), [(1, {}), (0, {"tau_factor": 3.001}), (0, {"ear_q": 8.001})])
def test_the_comparison_with_the_auditory_toolbox_detects_small_differences(
    delay: int, changes: dict[str, Any], oracle: Any
) -> None:
    sound = noise(6000, 2)
    other = oracle.lyon_passive_ear(np.roll(sound, delay), 12500, 200, step_factor=0.25, **changes)
    frames = Lyon().cochleagram(sound)
    assert frames.shape == other.shape
    assert not np.allclose(frames, other, rtol=1e-8, atol=1e-10 * other.max())


def slow_lyon(sound: np.ndarray, rate: int, decimation: int, sections: np.ndarray) -> np.ndarray:
    """A reference of the model after filter design, sample by sample, from Slaney's report."""
    x, bank = sound, []
    for a0, a1, a2, b1, b2 in sections.T:
        x = signal.lfilter([a0, a1, a2], [1, b1, b2], x)
        bank.append(np.maximum(x, 0))
    waves = np.array(bank).T
    waves[::decimation, :2] = 0
    for tau, target in [(0.64, 0.0032), (0.16, 0.0016), (0.04, 0.0008), (0.01, 0.0004)]:
        epsilon = 1 - math.exp(-1 / tau / rate)
        state = np.zeros(waves.shape[1])
        for row in waves:
            row *= 1 - state
            padded = np.concatenate([state[:1], state, state[-1:]])
            mean = (padded[:-2] + padded[1:-1] + padded[2:]) / 3
            state = np.minimum(row * epsilon / target + (1 - epsilon) * mean, 0.9)
    sharp = np.maximum(np.concatenate([waves[:, :1], waves[:, :-1] - waves[:, 1:]], axis=1), 0)
    pole = math.exp(-1 / (3 * decimation))
    smooth = signal.lfilter([0, 0, (1 - pole) ** 2], [1, -2 * pole, pole**2], sharp, axis=0)
    return smooth[decimation - 1 :: decimation, 2:]


@settings(max_examples=examples(15))
@given(seed=st.integers(0, 2**32 - 1), decimation=st.integers(2, 400), amplitude=st.sampled_from([1e-3, 0.1, 1.0]))
def test_lyon_equals_the_slow_reference(seed: int, decimation: int, amplitude: float) -> None:
    from snnlab.audio.lyon import _design

    sound = amplitude * np.random.default_rng(seed).normal(size=400 + decimation)
    expected = slow_lyon(sound, 8000, decimation, _design(8000, 8.0, 0.25)[1])
    frames = Lyon(8000, decimation).cochleagram(sound)
    np.testing.assert_allclose(frames, expected[: len(sound) // decimation], rtol=1e-7, atol=1e-12)


def test_the_channels_of_lyon_are_those_of_the_report() -> None:
    # TR 13: bandwidths are sqrt(f^2 + 1000^2) / 8, and channels a quarter of a bandwidth apart
    centres = Lyon().centres
    width = np.sqrt(centres**2 + 1e6) / 8
    spacing = -np.diff(centres) / (0.25 * (width[:-1] + width[1:]) / 2)
    assert len(centres) == 78
    np.testing.assert_allclose(spacing, 1, atol=1e-3)


@pytest.mark.parametrize("frequency", [200.0, 500.0, 1000.0, 2000.0, 4000.0])
def test_a_tone_excites_the_channels_of_lyon_at_its_frequency(frequency: float) -> None:
    ear = Lyon(gain_control=False)
    loudest = ear.centres[ear.cochleagram(0.1 * tone(frequency, 12500, 12500))[-1].argmax()]
    assert abs(loudest - frequency) < np.sqrt(frequency**2 + 1e6) / 8


def test_gain_control_compresses_loudness() -> None:
    sound = noise(25000, 3)

    def ratio(ear: Lyon) -> float:
        return float(ear.cochleagram(10 * sound).sum() / ear.cochleagram(sound).sum())

    assert ratio(Lyon(gain_control=False)) == pytest.approx(10)
    assert ratio(Lyon()) < 4


# Gammatone ----------------------------------------------------------------------------------------------------------


def test_bandwidths_equal_those_of_glasberg_and_moore() -> None:
    assert erb(1000.0) == pytest.approx(132.639)
    # 21.4 log10(0.00437 f + 1) in the paper, with a rounded constant
    assert erb_number(4000.0) == pytest.approx(21.4 * math.log10(0.00437 * 4000 + 1), rel=4e-3)
    np.testing.assert_allclose(np.diff(erb_number(Gammatone().centres)), np.diff(erb_number(Gammatone().centres))[0])


@pytest.mark.parametrize("channel", [0, 20, 40, 63])
def test_the_impulse_response_of_a_gammatone_channel_equals_the_definition(channel: int) -> None:
    ear = Gammatone(16000, 1)
    frames = ear.cochleagram(np.eye(1, 2000)[0])[:, channel]
    n, centre = np.arange(2000), ear.centres[channel]
    decay = np.exp(-2 * np.pi * 1.018592 * 24.7 * (4.37e-3 * centre + 1) / 16000)
    click = (
        2 * (1 - decay) ** 4 * (n + 1) * (n + 2) * (n + 3) / 6 * decay**n
    )  # absolute value of four equal complex poles in series
    np.testing.assert_allclose(frames, click, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("frequency", [150.0, 500.0, 1500.0, 4000.0])
def test_the_bandwidth_of_a_gammatone_channel_equals_that_of_scipy(frequency: float) -> None:
    """Responses to tones agree to half a decibel within a bandwidth of the centre."""
    ear = Gammatone(16000, 1, channels=1, lowest=frequency, highest=frequency)
    b, a = signal.gammatone(frequency, "iir", fs=16000)
    near = frequency + np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * erb(frequency)
    amplitudes = np.array([ear.cochleagram(tone(f, 16000, 16000))[-1000:, 0].mean() for f in near])
    expected = np.abs(signal.freqz(b, a, near, fs=16000)[1])
    np.testing.assert_allclose(20 * np.log10(amplitudes), 20 * np.log10(expected), atol=0.5)
    assert abs(20 * np.log10(expected[0])) > 3


def test_the_envelope_of_a_tone_at_the_centre_is_its_amplitude() -> None:
    ear = Gammatone(12500, 200)
    frames = ear.cochleagram(0.3 * tone(float(ear.centres[30]), 25000, 12500))[-1]
    assert frames.argmax() == 30
    assert frames[30] == pytest.approx(0.3, rel=1e-3)


def test_smoothing_before_decimation_has_two_equal_poles() -> None:
    sound, pole = noise(2000, 4), math.exp(-1 / 75)
    fast, slow = Gammatone(8000, 1).cochleagram(sound), Gammatone(8000, 25).cochleagram(sound)
    smooth = signal.lfilter([0, 0, (1 - pole) ** 2], [1, -2 * pole, pole**2], fast, axis=0)
    np.testing.assert_allclose(slow, smooth[24::25], rtol=1e-9, atol=1e-12)


# Both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
def test_the_response_to_silence_is_zero_and_that_to_a_click_decays_to_zero(ear: Cochlea) -> None:
    assert not ear.cochleagram(np.zeros(2000)).any()
    click = ear.cochleagram(np.eye(1, 400_000)[0])
    assert click[0].max() > 0
    assert not click[-1].any()


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
def test_a_frame_does_not_depend_on_later_samples(ear: Cochlea) -> None:
    sound = noise(5000, 5)
    np.testing.assert_array_equal(ear.cochleagram(sound)[:10], ear.cochleagram(sound[:2100]))


@settings(max_examples=examples(50))
@given(
    rate=st.integers(1000, 60_000),
    decimation=st.integers(1, 700),
    samples=st.integers(700, 1500),
    amplitude=st.sampled_from([1e-300, 1e-3, 1.0, 1e6]),
)
def test_cochleagrams_are_finite_and_not_negative(rate: int, decimation: int, samples: int, amplitude: float) -> None:
    sound = amplitude * np.random.default_rng(samples).uniform(-1, 1, samples)
    for ear in (Lyon(rate, decimation), Gammatone(rate, decimation)):
        frames = ear.cochleagram(sound)
        assert frames.shape == (samples // decimation, len(ear.centres))
        assert np.isfinite(frames).all()
        assert (frames >= 0).all()
        assert (np.diff(ear.centres) < 0).all()
        assert ear.frame == pytest.approx(decimation / rate)


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
@pytest.mark.parametrize(
    ("sound", "values"),
    [
        (np.zeros((2, 500)), ["(2, 500)"]),
        (np.zeros(199), [199, 200]),
        (np.zeros(0), ["0 samples"]),
        (np.full(500, np.nan), ["not finite"]),
    ],
)
def test_an_invalid_sound_raises_an_error(ear: Cochlea, sound: np.ndarray, values: list[object]) -> None:
    with raises_input_error("cochleagram", *values):
        ear.cochleagram(sound)


@pytest.mark.parametrize(
    ("model", "field", "value"),
    [
        (Lyon, "sample_rate", 100), (Lyon, "sample_rate", 8000.5), (Lyon, "decimation", 0), (Lyon, "q", 0.4),
        (Lyon, "step", math.nan), (Gammatone, "channels", 0), (Gammatone, "lowest", 0.0),
        (Gammatone, "highest", 7000.0), (Gammatone, "highest", 20.0),
    ],
)  # fmt: skip
def test_values_out_of_range_raise_an_error(model: type, field: str, value: float) -> None:
    with raises_input_error(f"{model.__name__}.{field}", f"got {value}"):
        model(**{field: value})
