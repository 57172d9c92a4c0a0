"""Learning-rate schedules against their formulas."""

from __future__ import annotations

from typing import Any

import pytest
from errors_in_tests import raises_input_error
from hypothesis import given
from hypothesis import strategies as st

from snnlab.rules.common.schedule import Schedule


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(), [1, 1, 1, 1]),
        (Schedule("sqrt"), [1, 2**-0.5, 3**-0.5, 0.5]),
        (Schedule("cosine"), [1, 0.5 + 0.5**1.5, 0.5, 0.5 - 0.5**1.5]),
        (Schedule("late"), [1, 1, 1, 0.75]),
        (Schedule("step", step_size=3), [1, 1, 1, 0.5]),
        (Schedule("inverse", gamma=(0.5,)), [1, 1 / 1.5, 1 / 2, 1 / 2.5]),
    ],
)
def test_each_decay_follows_its_formula(schedule: Schedule, expected: list[float]) -> None:
    assert [schedule.factor(epoch, 4) for epoch in (1, 2, 3, 4)] == pytest.approx(expected)


def test_the_exponential_schedules_of_corinfomax() -> None:
    """MNIST: 0.95^n after n epochs, from 15 on 0.9^n; Fashion-MNIST: 0.95^n, from 20 on 0.9^n, from 25 on 0.8^n."""
    mnist = Schedule("exponential", gamma=(0.95, 0.9), milestones=(15,))
    fashion = Schedule("exponential", gamma=(0.95, 0.9, 0.8), milestones=(20, 25))
    for done in range(50):
        assert mnist.factor(done + 1, 50) == pytest.approx((0.95 if done < 15 else 0.9) ** done)
        gamma = 0.95 if done < 20 else 0.9 if done < 25 else 0.8
        assert fashion.factor(done + 1, 50) == pytest.approx(gamma**done)
    assert mnist.factor(16, 50) / mnist.factor(15, 50) == pytest.approx(0.9**15 / 0.95**14)


@given(gamma=st.floats(0.01, 1), epoch=st.integers(1, 200))
def test_a_single_gamma_decays_by_the_same_share_in_every_epoch(gamma: float, epoch: int) -> None:
    schedule = Schedule("exponential", gamma=(gamma,))
    assert schedule.factor(1, 200) == 1
    assert schedule.factor(epoch + 1, 200) == pytest.approx(gamma * schedule.factor(epoch, 200))


def test_the_warmup_grows_linearly_over_batches_and_multiplies_the_decay() -> None:
    schedule = Schedule("late", warmup=4)
    assert [schedule.factor(1, 4, step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]
    assert schedule.factor(4, 4, 1) == pytest.approx(0.5 * 0.75)


@pytest.mark.parametrize(
    ("options", "field", "value"),
    [
        ({"decay": "linear"}, "Schedule.decay", "linear"),
        ({"warmup": -1}, "Schedule.warmup", "-1"),
        ({"gamma": ()}, "Schedule.gamma", "()"),
        ({"gamma": (-0.1,)}, "Schedule.gamma", "-0.1"),
        ({"decay": "exponential", "gamma": (1.1,)}, "Schedule.gamma", "1.1"),
        ({"step_size": 0}, "Schedule.step_size", "0"),
        ({"gamma": (0.9, 0.8)}, "Schedule.milestones", "()"),
        ({"gamma": (0.9, 0.8, 0.7), "milestones": (5, 5)}, "Schedule.milestones", "(5, 5)"),
    ],
)
def test_invalid_options_are_refused_by_field(options: dict[str, Any], field: str, value: str) -> None:
    with raises_input_error(field, value):
        Schedule(**options)
