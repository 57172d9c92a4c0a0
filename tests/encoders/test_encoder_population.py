"""Gaussian receptive fields: where they are, how wide, and when they fire."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from grey import BATCH, check_encoder, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from snnlab.encoders import Population
from snnlab.errors import InputError


def test_population_is_an_encoder() -> None:
    check_encoder(Population(steps=40))
    check_encoder(Population(steps=40, fields=3, beta=1.0))


def test_the_centres_and_widths_are_those_of_the_paper() -> None:
    """Bohte et al. 2002, section 4: (2i - 3) / 2 / (m - 2) for i = 1..m, sigma 1 / (1.5 (m - 2)); here m is 8."""
    fine = np.linspace(-0.5, 1.5, 20_001)
    excited = Population(fields=8).excitation(fine)
    centres = [(2 * i - 3) / 2 / 6 for i in range(1, 9)]
    assert np.allclose(fine[excited.argmax(axis=0)], centres, atol=2e-4)
    sigma = 1 / (1.5 * 6)
    for k, centre in enumerate(centres):
        bell = stats.norm(centre, sigma).pdf(fine) * sigma * math.sqrt(2 * math.pi)
        assert np.allclose(excited[:, k], bell, atol=1e-12)


def test_wider_fields_fail_the_test_of_widths() -> None:
    assert not np.allclose(Population(beta=1.4).excitation(np.array(0.3)), Population().excitation(np.array(0.3)))


@settings(max_examples=80)
@given(
    steps=st.integers(1, 500),
    fields=st.integers(3, 20),
    beta=st.floats(0.2, 5),
    threshold=st.floats(0, 1),
    peak=st.integers(1, 255),
    data=st.data(),
)
def test_each_field_fires_once_the_earlier_the_nearer_or_never(
    steps: int, fields: int, beta: float, threshold: float, peak: int, data: st.DataObject
) -> None:
    """The definition, value by value and field by field."""
    code = Population(steps=steps, fields=fields, beta=beta, threshold=threshold)
    values = data.draw(st.lists(st.integers(0, peak), min_size=1, max_size=4))
    dense = code.encode(grey([values], peak), seed=0).dense()[0]
    for place, value in enumerate(values):
        for k in range(fields):
            distance = value / peak - (2 * k - 1) / (2 * (fields - 2))
            excited = math.exp(-((distance * beta * (fields - 2)) ** 2) / 2)
            found = np.flatnonzero(dense[:, place * fields + k]).tolist()
            exact = (1 - excited) * (steps - 1)
            if abs(excited - threshold) > 1e-12:
                assert len(found) == (excited > threshold)
            for step in found:
                assert abs(step - exact) <= 0.5 + 1e-9


def test_the_published_code_is_silent_in_its_last_tenth() -> None:
    """As in the paper, where a field fires within 10 ms, and those later than 9 ms do not fire."""
    code = Population(steps=101, dt=1e-4)
    steps = np.concatenate([one.nonzero()[0] for one in code.encode(grey(BATCH), seed=0).dense()])
    assert steps.max() <= 90 and (steps > 80).any() and (steps < 5).any()


def test_a_value_can_be_read_from_the_times() -> None:
    """Mean of the centres, weighted by what the times say of the excitations: within a twentieth of the intensity."""
    code = Population(steps=1001, fields=8)
    values = np.arange(256)
    dense = code.encode(grey([values]), seed=0).dense()[0].reshape(1001, 256, 8)
    excited = np.where(dense.any(axis=0), 1 - dense.argmax(axis=0) / 1000, 0)
    centres = (2 * np.arange(8) - 1) / 12
    read = (excited * centres).sum(axis=1) / excited.sum(axis=1)
    assert np.abs(read - values / 255).max() < 0.05


def test_the_fields_are_the_last_axis_of_the_shape() -> None:
    samples = Population(fields=5).prepare(grey(BATCH))
    assert samples.shape == (6, 5, 5)
    dense = Population(fields=5).encode(samples, seed=0).dense()
    alone = Population(fields=5).encode(grey(BATCH[:, 2:3, 4:5]), seed=0).dense()
    assert np.array_equal(dense.reshape(12, 400, 6, 5, 5)[:, :, 2, 4], alone)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"steps": 0}, "Population.steps: found 0"),
        ({"fields": 2}, "Population.fields: found 2; needs a whole number, 3 to 1000"),
        ({"fields": 4.0}, "Population.fields: found 4.0"),
        ({"beta": 0.0}, "Population.beta: found 0.0; needs a number, 0.001 to 1000"),
        ({"beta": 1e300}, r"Population.beta: found 1e\+300; needs a number, 0.001 to 1000"),
        ({"threshold": -0.1}, "Population.threshold: found -0.1; needs an excitation, 0 to 1"),
    ],
)
def test_what_makes_no_code_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        Population(**options)
