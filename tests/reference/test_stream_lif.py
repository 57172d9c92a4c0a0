"""The spiking cell of two-stream networks: Lapicque's firing rate, and an error as the difference of two phases."""

from __future__ import annotations

import math

import numpy as np
import pytest

from snnlab import cards
from snnlab.brian import simulate
from snnlab.data.rates import RateInput
from snnlab.data.recording import Recording
from snnlab.networks.circuit import Circuit, Population, Projection, Source

PHASE = 2.0  # seconds


def two_phases(taught: float, drive: float = 1.2) -> Recording:
    """2 s of ascending input, 0.5, and then 2 s with the input `taught` of the other stream."""
    wires = [Projection(pre, "cell", receptor, np.array([[weight]])) for pre, receptor, weight in (
        ("below", "basal", 0.5), ("above", "teaching", taught), ("above", "phase", 1.0))]  # fmt: skip
    cell = Population("cell", cards.cell("stream_lif"), 1, {"drive": drive})
    circuit = Circuit((Source("below", 1), Source("above", 1), cell), tuple(wires), "0.1 ms")
    inputs = {"below": RateInput.constant(np.ones((1, 1))), "above": RateInput(np.array([[[0.0], [1.0]]]))}
    return simulate(circuit, inputs, f"{2 * PHASE} s", record={"cell": ["r", "delta"]}, target="numpy")


def rate(potential: float) -> float:
    """Lapicque's firing rate for threshold 1, reset 0, a time constant of 10 ms and a refractory period of 2 ms."""
    return 1 / (2e-3 + 10e-3 * math.log(potential / (potential - 1)))


@pytest.mark.slow
@pytest.mark.parametrize("taught", [-0.4, 0.4])
def test_the_rate_is_lapicques_and_the_error_is_the_difference_of_the_phases(taught: float) -> None:
    """A trace that spikes raise by 0.1 and that decays in 100 ms has a mean of 0.01 s times the rate."""
    run = two_phases(taught)
    times = run.spikes["cell"].train(0)
    first, second = rate(1.7), rate(1.7 + taught)
    assert np.count_nonzero(times < PHASE) == pytest.approx(first * PHASE, rel=0.02)
    assert np.count_nonzero(times >= PHASE) == pytest.approx(second * PHASE, rel=0.02)
    remembered, error = (run.trace("cell", name).values[:, 0] for name in ("r", "delta"))
    half = len(error) // 2
    assert remembered[half // 2 : half].mean() == pytest.approx(0.01 * first, rel=0.05)
    assert np.ptp(remembered[half + 1 :]) == 0  # it stands still while the cell is taught
    assert not error[: half + 1].any()
    assert error[-half // 2 :].mean() == pytest.approx(0.01 * (second - first), rel=0.15)


@pytest.mark.slow
def test_without_teaching_the_mean_error_is_0() -> None:
    error = two_phases(0.0).trace("cell", "delta").values[:, 0]
    assert abs(error[-10000:].mean()) < 0.05 * 0.01 * rate(1.7)
