"""Time-to-first-spike code: exact times, the order of intensities, and silence."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from grey import check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from snnlab.encoders import Latency

LOG = Latency(form="log", threshold=0.2, tau=0.05)


def first_steps(code: Latency, values: Any, peak: int = 255) -> NDArray[np.int64]:
    """The step in which each pixel fires, -1 for never; asserts that no pixel fires twice."""
    dense = code.encode(grey([values], peak), seed=0).dense()[0]
    assert dense.sum(axis=0).max(initial=0) <= 1
    return np.where(dense.any(axis=0), dense.argmax(axis=0), -1)


@pytest.mark.parametrize("code", [Latency(steps=50), replace(LOG, steps=80)], ids=["linear", "log"])
def test_latency_is_an_encoder(code: Latency) -> None:
    check_encoder(code)


# Linear --------------------------------------------------------------------------------------------------------------


def test_linear_times_of_a_few_values() -> None:
    """Five steps, a peak of 8: full intensity in step 0, each quarter less a step later, and an eighth between two."""
    code = Latency(steps=5, threshold=0.0)
    assert first_steps(code, [8, 6, 4, 2, 0], peak=8).tolist() == [0, 1, 2, 3, -1]
    assert first_steps(code, [7, 1], peak=8).tolist() == [1, 4]  # halves are rounded to the later step


@settings(max_examples=examples(100))
@given(steps=st.integers(1, 2000), peak=st.integers(1, 255), threshold=st.integers(0, 254))
def test_linear_times_are_nearest_to_the_exact_ones(steps: int, peak: int, threshold: int) -> None:
    darkest = min(threshold, peak - 1)
    steps_by_value = first_steps(Latency(steps=steps, threshold=darkest / peak), range(peak + 1), peak)
    for value, step in enumerate(steps_by_value.tolist()):
        exact = Fraction(peak - value, peak) * (steps - 1)
        assert step == -1 if value <= darkest else abs(step - exact) <= Fraction(1, 2) + Fraction(1, 10**9)


# Logarithmic ---------------------------------------------------------------------------------------------------------


def test_log_times_equal_those_of_a_simulated_leaky_integrator() -> None:
    """Forward Euler of tau du/dt = x - u in steps of 1 us crosses the threshold in the same step."""
    dt, fine = 1e-3, 1e-6
    values = np.arange(52, 256, 7)
    level, potential = values / 255, np.zeros(len(values))
    crossed = np.full(len(values), -1)
    for tick in range(round(0.4 / fine)):
        potential += fine / LOG.tau * (level - potential)
        crossed[(crossed < 0) & (potential >= LOG.threshold)] = tick
    exact = (crossed + 1) * fine / dt
    code = first_steps(LOG, values)
    clear = np.abs(exact - np.rint(exact)) > 0.02  # otherwise the error of Euler may change the step
    assert clear.sum() > 20
    assert np.array_equal(code[clear], np.floor(exact[clear]).astype(int))


def test_linear_times_differ_from_those_of_the_integrator() -> None:
    linear = first_steps(replace(LOG, form="linear"), [100, 150, 200])
    assert not np.array_equal(linear, first_steps(LOG, [100, 150, 200]))


def test_the_log_time_of_twice_the_threshold_is_ln_2_time_constants() -> None:
    code = Latency(form="log", threshold=0.5, tau=0.1, steps=400)
    assert first_steps(code, [255]).tolist() == [math.floor(100 * math.log(2))]


def test_times_after_the_last_step_are_silent() -> None:
    slow = replace(LOG, steps=20)
    full, cut = first_steps(LOG, range(256)), first_steps(slow, range(256))
    assert (full >= 20).any()
    assert np.array_equal(cut, np.where(full < 20, full, -1))


# Of both -------------------------------------------------------------------------------------------------------------


@settings(max_examples=examples(100))
@given(
    form=st.sampled_from(["linear", "log"]),
    steps=st.integers(1, 500),
    threshold=st.floats(0.001, 0.999),
    tau=st.floats(1e-4, 10),
)
def test_brighter_pixels_never_fire_later(form: Any, steps: int, threshold: float, tau: float) -> None:
    code = first_steps(Latency(form=form, steps=steps, threshold=threshold, tau=tau), range(256))
    assert (code[np.arange(256) / 255 <= threshold] == -1).all()
    fires = code[code >= 0]
    assert (np.diff(fires) <= 0).all()
    # pixels that fire are brighter than all that do not
    assert (code[256 - len(fires) :] >= 0).all()


@given(seed=st.integers(0, 2**32 - 1), epoch=st.integers(0, 2**32 - 1))
def test_the_code_is_deterministic(seed: int, epoch: int) -> None:
    samples = grey([[0, 9, 100, 255]])
    assert Latency().encode(samples, seed=seed, epoch=epoch) == Latency().encode(samples, seed=0)


def test_without_a_threshold_all_but_black_pixels_fire() -> None:
    raster = Latency(threshold=0.0).encode(grey([[0, 1, 255]]), seed=0).dense()[0]
    assert raster.sum(axis=0).tolist() == [0, 1, 1]


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"steps": -1}, "steps", -1),
        ({"dt": math.inf}, "dt", "inf"),
        ({"form": "Linear"}, "form", "did you mean 'linear'"),
        ({"threshold": 1.0}, "threshold", 1.0),
        ({"threshold": 0.0, "form": "log"}, "threshold", "1e-6"),
        ({"tau": 0.0}, "tau", 0.0),
        ({"tau": 1e300}, "tau", 1e300),
    ],
)
def test_values_out_of_range_raise_an_error(options: dict[str, Any], field: str, value: object) -> None:
    with raises_input_error(f"Latency.{field}", value):
        Latency(**options)
