"""Gaussian receptive fields: their centres, widths and spike times."""

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
from scipy import stats

from snnlab.encoders import Population


def test_population_is_an_encoder() -> None:
    check_encoder(Population(steps=40))
    check_encoder(Population(steps=40, fields=3, beta=1.0))


def test_centres_and_widths_equal_those_of_the_paper() -> None:
    """Bohte et al. 2002, section 4: (2i - 3) / 2 / (m - 2) for i = 1..m, sigma 1 / (1.5 (m - 2)); here m is 8."""
    fine = np.linspace(-0.5, 1.5, 20_001)
    excitation = Population(fields=8).excitation(fine)
    centres = [(2 * i - 3) / 2 / 6 for i in range(1, 9)]
    assert np.allclose(fine[excitation.argmax(axis=0)], centres, atol=2e-4)
    sigma = 1 / (1.5 * 6)
    for k, centre in enumerate(centres):
        bell = stats.norm(centre, sigma).pdf(fine) * sigma * math.sqrt(2 * math.pi)
        assert np.allclose(excitation[:, k], bell, atol=1e-12)


def test_wider_fields_have_another_excitation() -> None:
    assert not np.allclose(Population(beta=1.4).excitation(np.array(0.3)), Population().excitation(np.array(0.3)))


@settings(max_examples=examples(80))
@given(
    steps=st.integers(1, 500),
    fields=st.integers(3, 20),
    beta=st.floats(0.2, 5),
    threshold=st.floats(0, 1),
    peak=st.integers(1, 255),
    data=st.data(),
)
def test_each_field_fires_once_or_never_and_earlier_for_a_nearer_value(
    steps: int, fields: int, beta: float, threshold: float, peak: int, data: st.DataObject
) -> None:
    """The definition, value by value and field by field."""
    code = Population(steps=steps, fields=fields, beta=beta, threshold=threshold)
    values = data.draw(st.lists(st.integers(0, peak), min_size=1, max_size=4))
    dense = code.encode(grey([values], peak), seed=0).dense()[0]
    for pixel, value in enumerate(values):
        for k in range(fields):
            distance = value / peak - (2 * k - 1) / (2 * (fields - 2))
            excitation = math.exp(-((distance * beta * (fields - 2)) ** 2) / 2)
            spikes = np.flatnonzero(dense[:, pixel * fields + k]).tolist()
            exact = (1 - excitation) * (steps - 1)
            if abs(excitation - threshold) > 1e-12:
                assert len(spikes) == (excitation > threshold)
            for step in spikes:
                assert abs(step - exact) <= 0.5 + 1e-9


def test_the_default_threshold_silences_the_last_tenth_of_the_time() -> None:
    """As in the paper, where fields fire within 10 ms, but not later than 9 ms."""
    code = Population(steps=101, dt=1e-4)
    steps = np.concatenate([raster.nonzero()[0] for raster in code.encode(grey(BATCH), seed=0).dense()])
    assert steps.max() <= 90 and (steps > 80).any() and (steps < 5).any()


def test_a_value_can_be_decoded_from_the_spike_times() -> None:
    """The mean of the centres, weighted by the excitations that the times encode, is within 5 % of full intensity."""
    code = Population(steps=1001, fields=8)
    values = np.arange(256)
    dense = code.encode(grey([values]), seed=0).dense()[0].reshape(1001, 256, 8)
    excitation = np.where(dense.any(axis=0), 1 - dense.argmax(axis=0) / 1000, 0)
    centres = (2 * np.arange(8) - 1) / 12
    decoded = (excitation * centres).sum(axis=1) / excitation.sum(axis=1)
    assert np.abs(decoded - values / 255).max() < 0.05


def test_the_fields_are_the_last_axis_of_the_shape() -> None:
    samples = Population(fields=5).prepare(grey(BATCH))
    assert samples.shape == (6, 5, 5)
    dense = Population(fields=5).encode(samples, seed=0).dense()
    single = Population(fields=5).encode(grey(BATCH[:, 2:3, 4:5]), seed=0).dense()
    assert np.array_equal(dense.reshape(12, 400, 6, 5, 5)[:, :, 2, 4], single)


@pytest.mark.parametrize(
    ("field", "value"),
    [("steps", 0), ("fields", 2), ("fields", 4.0), ("beta", 0.0), ("beta", 1e300), ("threshold", -0.1)],
)
def test_values_out_of_range_raise_an_error(field: str, value: Any) -> None:
    with raises_input_error(f"Population.{field}", f"got {value}"):
        Population(**{field: value})
