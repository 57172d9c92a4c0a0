"""Ears hear what their papers say: held against the PyPI package lyon, against the textbook's filters, and by ear."""

from __future__ import annotations

import importlib
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import signal

from snnlab.audio.ear import Cochlea
from snnlab.audio.gammatone import Gammatone, erb, erb_number
from snnlab.audio.lyon import Lyon
from snnlab.errors import InputError

EARS = [Lyon(), Gammatone()]


@pytest.fixture(scope="module")
def oracle() -> Any:
    """The Auditory Toolbox's C code, as the package lyon ships it."""
    return pytest.importorskip("lyon.calc", reason="the package lyon has no library for this machine").LyonCalc()


def noise(samples: int, seed: int = 0) -> np.ndarray:
    """Noise that swells and fades, so that gain control has something to do."""
    rng = np.random.default_rng(seed)
    return 0.1 * rng.normal(size=samples) * np.sin(np.linspace(0, 3 * np.pi, samples)) ** 2


def tone(frequency: float, samples: int, rate: int) -> np.ndarray:
    return np.sin(2 * np.pi * frequency * np.arange(samples) / rate)


# Lyon ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "decimation", "channels"),
    [(12500, 200, 78), (8000, 128, 64), (16000, 64, 86), (20000, 7, 93), (44100, 300, 118), (12500, 1, 78)],
)
def test_lyon_hears_what_the_auditory_toolbox_hears(rate: int, decimation: int, channels: int, oracle: Any) -> None:
    sound = noise(rate // 2)
    heard = Lyon(rate, decimation).cochleagram(sound)
    expected = oracle.lyon_passive_ear(sound, rate, decimation)
    assert heard.shape == expected.shape == (len(sound) // decimation, channels)
    # both work in double precision; what differs is the rounding of the filters' coefficients
    np.testing.assert_allclose(heard, expected, rtol=1e-8, atol=1e-10 * expected.max())


@pytest.mark.parametrize("options", [{"control": False}, {"difference": False}, {"q": 4.0}, {"step": 0.5}])
def test_lyon_hears_what_the_auditory_toolbox_hears_with_other_options(options: dict[str, Any], oracle: Any) -> None:
    names = {"control": "agc", "difference": "differ", "q": "ear_q", "step": "step_factor"}
    told = {names[name]: value for name, value in options.items()}
    told.setdefault("step_factor", 0.25)
    sound = noise(6000, 1)
    expected = oracle.lyon_passive_ear(sound, 12500, 100, **told)
    heard = Lyon(12500, 100, **options).cochleagram(sound)
    np.testing.assert_allclose(heard, expected, rtol=1e-8, atol=1e-10 * expected.max())
    assert not np.allclose(Lyon(12500, 100).cochleagram(sound)[:, :10], expected[:, :10], rtol=1e-3)


@pytest.mark.parametrize(("late", "wrong"), [(1, {}), (0, {"tau_factor": 3.001}), (0, {"ear_q": 8.001})])
def test_the_comparison_with_the_auditory_toolbox_notices_a_small_difference(
    late: int, wrong: dict[str, Any], oracle: Any
) -> None:
    sound = noise(6000, 2)
    other = oracle.lyon_passive_ear(np.roll(sound, late), 12500, 200, step_factor=0.25, **wrong)
    heard = Lyon().cochleagram(sound)
    assert heard.shape == other.shape
    assert not np.allclose(heard, other, rtol=1e-8, atol=1e-10 * other.max())


def slow_lyon(sound: np.ndarray, rate: int, decimation: int, sections: np.ndarray) -> np.ndarray:
    """The ear after its filters were designed, sample by sample and channel by channel, from Slaney's report."""
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
            wide = np.concatenate([state[:1], state, state[-1:]])
            mean = (wide[:-2] + wide[1:-1] + wide[2:]) / 3
            state = np.minimum(row * epsilon / target + (1 - epsilon) * mean, 0.9)
    sharp = np.maximum(np.concatenate([waves[:, :1], waves[:, :-1] - waves[:, 1:]], axis=1), 0)
    pole = math.exp(-1 / (3 * decimation))
    smooth = signal.lfilter([0, 0, (1 - pole) ** 2], [1, -2 * pole, pole**2], sharp, axis=0)
    return smooth[decimation - 1 :: decimation, 2:]


@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), decimation=st.integers(2, 400), loud=st.sampled_from([1e-3, 0.1, 1.0]))
def test_lyon_is_a_cascade_of_filters_with_gain_control(seed: int, decimation: int, loud: float) -> None:
    from snnlab.audio.lyon import _design

    sound = loud * np.random.default_rng(seed).normal(size=400 + decimation)
    expected = slow_lyon(sound, 8000, decimation, _design(8000, 8.0, 0.25)[1])
    frames = len(sound) // decimation
    heard = Lyon(8000, decimation).cochleagram(sound)
    np.testing.assert_allclose(heard, expected[:frames], rtol=1e-7, atol=1e-12)


def test_lyons_channels_are_those_of_the_report() -> None:
    # TR 13: bandwidths of sqrt(f^2 + 1000^2) / 8, a quarter of one from a channel to the next
    centres = Lyon().centres
    width = np.sqrt(centres**2 + 1e6) / 8
    spacing = -np.diff(centres) / (0.25 * (width[:-1] + width[1:]) / 2)
    assert len(centres) == 78
    np.testing.assert_allclose(spacing, 1, atol=1e-3)


@pytest.mark.parametrize("frequency", [200.0, 500.0, 1000.0, 2000.0, 4000.0])
def test_a_tone_is_heard_by_lyons_channels_of_that_frequency(frequency: float) -> None:
    ear = Lyon(control=False)
    loudest = ear.centres[ear.cochleagram(0.1 * tone(frequency, 12500, 12500))[-1].argmax()]
    assert abs(loudest - frequency) < np.sqrt(frequency**2 + 1e6) / 8


def test_gain_control_brings_loud_and_soft_closer_together() -> None:
    sound = noise(25000, 3)

    def ratio(ear: Lyon) -> float:
        return float(ear.cochleagram(10 * sound).sum() / ear.cochleagram(sound).sum())

    assert ratio(Lyon(control=False)) == pytest.approx(10)
    assert ratio(Lyon()) < 4


# Gammatone ----------------------------------------------------------------------------------------------------------


def test_bandwidths_are_those_of_glasberg_and_moore() -> None:
    assert erb(1000.0) == pytest.approx(132.639)
    # 21.4 log10(0.00437 f + 1), as the paper prints it, with its constant rounded
    assert erb_number(4000.0) == pytest.approx(21.4 * math.log10(0.00437 * 4000 + 1), rel=4e-3)
    np.testing.assert_allclose(np.diff(erb_number(Gammatone().centres)), np.diff(erb_number(Gammatone().centres))[0])


@pytest.mark.parametrize("channel", [0, 20, 40, 63])
def test_a_gammatone_channel_answers_a_click_as_the_definition_says(channel: int) -> None:
    ear = Gammatone(16000, 1)
    heard = ear.cochleagram(np.eye(1, 2000)[0])[:, channel]
    n, centre = np.arange(2000), ear.centres[channel]
    decay = np.exp(-2 * np.pi * 1.018592 * 24.7 * (4.37e-3 * centre + 1) / 16000)
    click = 2 * (1 - decay) ** 4 * (n + 1) * (n + 2) * (n + 3) / 6 * decay**n  # |four equal complex poles in a row|
    np.testing.assert_allclose(heard, click, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("frequency", [150.0, 500.0, 1500.0, 4000.0])
def test_a_gammatone_channel_is_as_narrow_as_scipys(frequency: float) -> None:
    """Both filters on tones around the centre: within half a decibel over a bandwidth to either side."""
    ear = Gammatone(16000, 1, channels=1, lowest=frequency, highest=frequency)
    b, a = signal.gammatone(frequency, "iir", fs=16000)
    near = frequency + np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * erb(frequency)
    heard = np.array([ear.cochleagram(tone(f, 16000, 16000))[-1000:, 0].mean() for f in near])
    expected = np.abs(signal.freqz(b, a, near, fs=16000)[1])
    np.testing.assert_allclose(20 * np.log10(heard), 20 * np.log10(expected), atol=0.5)
    assert abs(20 * np.log10(expected[0])) > 3


def test_a_tone_at_the_centre_keeps_its_amplitude() -> None:
    ear = Gammatone(12500, 200)
    heard = ear.cochleagram(0.3 * tone(float(ear.centres[30]), 25000, 12500))[-1]
    assert heard.argmax() == 30
    assert heard[30] == pytest.approx(0.3, rel=1e-3)


def test_smoothing_before_decimation_is_two_equal_poles() -> None:
    sound, pole = noise(2000, 4), math.exp(-1 / 75)
    fast, slow = Gammatone(8000, 1).cochleagram(sound), Gammatone(8000, 25).cochleagram(sound)
    smooth = signal.lfilter([0, 0, (1 - pole) ** 2], [1, -2 * pole, pole**2], fast, axis=0)
    np.testing.assert_allclose(slow, smooth[24::25], rtol=1e-9, atol=1e-12)


# Both ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
def test_silence_is_heard_as_silence_and_a_click_fades_into_it(ear: Cochlea) -> None:
    assert not ear.cochleagram(np.zeros(2000)).any()
    clicked = ear.cochleagram(np.eye(1, 400_000)[0])
    assert clicked[0].max() > 0
    assert not clicked[-1].any()


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
def test_a_frame_hears_nothing_of_what_comes_after_it(ear: Cochlea) -> None:
    sound = noise(5000, 5)
    np.testing.assert_array_equal(ear.cochleagram(sound)[:10], ear.cochleagram(sound[:2100]))


@settings(max_examples=50)
@given(
    rate=st.integers(1000, 60_000),
    decimation=st.integers(1, 700),
    samples=st.integers(700, 1500),
    loud=st.sampled_from([1e-300, 1e-3, 1.0, 1e6]),
)
def test_cochleagrams_are_finite_and_nowhere_below_0(rate: int, decimation: int, samples: int, loud: float) -> None:
    sound = loud * np.random.default_rng(samples).uniform(-1, 1, samples)
    for ear in (Lyon(rate, decimation), Gammatone(rate, decimation)):
        heard = ear.cochleagram(sound)
        assert heard.shape == (samples // decimation, len(ear.centres))
        assert np.isfinite(heard).all()
        assert (heard >= 0).all()
        assert (np.diff(ear.centres) < 0).all()
        assert ear.frame == pytest.approx(decimation / rate)


@pytest.mark.parametrize("ear", EARS, ids=lambda ear: type(ear).__name__)
@pytest.mark.parametrize(
    ("sound", "complaint"),
    [
        (np.zeros((2, 500)), "a sound of shape (2, 500)"),
        (np.zeros(199), "a sound of 199 samples; a frame needs 200"),
        (np.zeros(0), "a sound of 0 samples"),
        (np.full(500, np.nan), "not finite"),
    ],
)
def test_what_is_no_sound_is_refused(ear: Cochlea, sound: np.ndarray, complaint: str) -> None:
    with pytest.raises(InputError) as refused:
        ear.cochleagram(sound)
    assert complaint in str(refused.value)


@pytest.mark.parametrize(
    ("module", "options", "complaint"),
    [
        ("lyon", {"sample_rate": 100}, "Lyon.sample_rate: found 100"),
        ("lyon", {"sample_rate": 8000.5}, "Lyon.sample_rate: found 8000.5"),
        ("lyon", {"decimation": 0}, "Lyon.decimation: found 0"),
        ("lyon", {"q": 0.4}, "Lyon.q: found 0.4"),
        ("lyon", {"step": float("nan")}, "Lyon.step: found nan"),
        ("gammatone", {"channels": 0}, "Gammatone.channels: found 0"),
        ("gammatone", {"lowest": 0.0}, "Gammatone.lowest: found 0.0"),
        ("gammatone", {"highest": 7000.0}, "Gammatone.highest: found 7000.0"),
        ("gammatone", {"highest": 20.0}, "Gammatone.highest: found 20.0"),
    ],
)
def test_what_is_no_ear_is_refused(module: str, options: dict[str, Any], complaint: str) -> None:
    made = getattr(importlib.import_module(f"snnlab.audio.{module}"), module.capitalize())
    with pytest.raises(InputError) as refused:
        made(**options)
    assert complaint in str(refused.value)
