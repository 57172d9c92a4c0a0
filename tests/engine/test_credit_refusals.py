"""Events, spikes and weights that do not match raise errors before compiled code reads them."""

from dataclasses import replace

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from test_credit import DT, NORMAD, close, one_batch

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events


@pytest.fixture
def batch():
    return one_batch()


@pytest.mark.parametrize(
    ("change", "values"),
    [
        (lambda e: {"step": e.step[::-1].copy()}, ["sorted"]),
        (lambda e: {"sample": e.sample + 1}, ["sample 1..11", "0..10"]),
        (lambda e: {"step": e.step + 1}, ["step", "..200", "0..199"]),
        (lambda e: {"step": e.step - 200}, ["step -", "..-1"]),
        (lambda e: {"neuron": e.neuron + np.int32(1)}, ["neuron 1..4", "0..3"]),
        (lambda e: {"neuron": e.neuron.astype(np.int64)}, ["neuron", "int64"]),
        (lambda e: {"step": e.step[:-1]}, ["step", "int64", "(299,)"]),
        (lambda e: {"step": np.repeat(e.step, 2)[::2]}, ["step", "int64"]),
        (lambda e: {"value": e.value * np.nan}, ["values", "finite"]),
    ],
)
def test_invalid_events_are_refused(batch, change, values):
    pre, events, weights = batch
    events = replace(events, step=np.where(np.arange(len(events)) == len(events) - 1, 199, events.step))
    invalid = replace(events, **change(events))
    with raises_input_error("error_products", *values):
        engine.error_products(pre, invalid, 4, NORMAD)
    with raises_input_error("backpropagate", *values):
        engine.backpropagate(invalid, weights, pre, NORMAD)


@pytest.mark.parametrize(
    ("call", "field", "values"),
    [
        (lambda p, e, w: engine.error_products(p, e, 3, NORMAD), "error_products", ["neuron 0..3", "0..2"]),
        (lambda p, e, w: engine.error_products(p, e, 4, NORMAD, floor=-0.1), "error_products: floor", ["-0.1"]),
        (lambda p, e, w: engine.error_products(p, e, 4, NORMAD, floor=np.nan), "error_products: floor", ["nan"]),
        (lambda p, e, w: engine.error_products(replace(p, dt=np.nan), e, 4, NORMAD), "error_products: dt", ["nan"]),
        (lambda p, e, w: engine.error_products(replace(p, size=20), e, 4, NORMAD), "error_products", ["neurons"]),
        (lambda p, e, w: engine.backpropagate(e, w.T, p, NORMAD), "backpropagate", ["(4, 30)", "(30, "]),
        (lambda p, e, w: engine.backpropagate(e, w[:, 0], p, NORMAD), "backpropagate", ["(30,)"]),
        (lambda p, e, w: e.normalised(np.ones(3)), "Events.normalised", ["(3,)", "(300,)"]),
        (lambda p, e, w: e.normalised(np.ones(300), 2.0), "Events.normalised: floor", ["2.0"]),
        (lambda p, e, w: Events.at_spikes(p, np.ones(3)), "Events.at_spikes", ["(3,)"]),
        (lambda p, e, w: Events.from_columns([0], [1, 2], [0], [1]), "Events.from_columns", ["1, 2, 1, 1"]),
        (lambda p, e, w: Events.from_columns([0], [1.5], [0], [1]), "Events.from_columns", ["step 1.5"]),
    ],
)
def test_arguments_that_do_not_match_are_refused(batch, call, field, values):
    with raises_input_error(field, *values):
        call(*batch)


def test_columns_are_sorted_and_may_repeat_an_event():
    events = Events.from_columns([1, 0, 0, 0], [5, 7, 7, 3], [0, 2, 1, 9], [1, 2, 3, 4])
    assert [column.tolist() for column in (events.sample, events.step, events.neuron, events.value)] == [
        [0, 0, 0, 1],
        [3, 7, 7, 5],
        [9, 1, 2, 0],
        [4, 3, 2, 1],
    ]
    pre = SpikeTrains.from_events([0], [1], [0], samples=1, steps=9, size=1, dt=DT)
    once = engine.error_products(pre, Events.from_columns([0], [7], [0], [1.5]), 1, NORMAD)[0]
    twice = engine.error_products(pre, Events.from_columns([0, 0], [7, 7], [0, 0], [1.0, 0.5]), 1, NORMAD)[0]
    assert once.shape == (1, 1) and close(once, 1.5) and close(twice, 1.5)
