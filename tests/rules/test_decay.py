"""How rates of learning fall, by the schedules as they are written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from snnlab.rules.common.schedule import compounded


def test_the_schedules_of_corinfomax() -> None:
    """MNIST: 0.95^n after n epochs, from 15 on 0.9^n; Fashion-MNIST: 0.95^n, from 20 on 0.9^n, from 25 on 0.8^n."""
    for done in range(50):
        assert compounded((0.95, 0.9), (15,), done + 1) == pytest.approx((0.95 if done < 15 else 0.9) ** done)
        factor = 0.95 if done < 20 else 0.9 if done < 25 else 0.8
        assert compounded((0.95, 0.9, 0.8), (20, 25), done + 1) == pytest.approx(factor**done)
    # a leap, and no kink: half of the rate is gone at once
    assert compounded((0.95, 0.9), (15,), 16) / compounded((0.95, 0.9), (15,), 15) == pytest.approx(0.9**15 / 0.95**14)


@given(factor=st.floats(0.01, 1), epoch=st.integers(1, 200))
def test_one_factor_falls_by_the_same_share_in_every_epoch(factor: float, epoch: int) -> None:
    assert compounded((factor,), (), 1) == 1
    assert compounded((factor,), (), epoch + 1) == pytest.approx(factor * compounded((factor,), (), epoch))
