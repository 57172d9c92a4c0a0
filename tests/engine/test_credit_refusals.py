"""Events, spikes and weights that do not fit one another are refused, before compiled code sees them."""

from dataclasses import replace

import numpy as np
import pytest
from test_credit import DT, NORMAD, close, one_batch

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events
from snnlab.errors import InputError


@pytest.fixture
def batch():
    return one_batch()


def changed(events, **columns):
    return replace(events, **columns)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda e: changed(e, step=e.step[::-1].copy()), "events that are not sorted"),
        (lambda e: changed(e, sample=e.sample + 1), r"sample 1\.\.11 of events; needs 0\.\.10"),
        (lambda e: changed(e, step=e.step + 1), r"step \d+\.\.200 of events; needs 0\.\.199"),
        (lambda e: changed(e, step=e.step - 200), r"step -\d+\.\.-1 of events"),
        (lambda e: changed(e, neuron=e.neuron + np.int32(1)), r"neuron 1\.\.4 of events; needs 0\.\.3"),
        (lambda e: changed(e, neuron=e.neuron.astype(np.int64)), "neurons of events as int64 of shape"),
        (lambda e: changed(e, step=e.step[:-1]), r"steps of events as int64 of shape \(299,\)"),
        (lambda e: changed(e, step=np.repeat(e.step, 2)[::2]), "steps of events as int64"),
        (lambda e: changed(e, value=e.value * np.nan), "values of events that are not finite"),
    ],
)
def test_events_that_do_not_fit_are_refused_with_the_reason(batch, wrong, words):
    pre, events, weights = batch
    events = replace(events, step=np.where(np.arange(len(events)) == len(events) - 1, 199, events.step))
    with pytest.raises(InputError, match=f"error_products: {words}"):
        engine.error_products(pre, wrong(events), 4, NORMAD)
    with pytest.raises(InputError, match=f"backpropagate: {words}"):
        engine.backpropagate(wrong(events), weights, pre, NORMAD)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda p, e, w: engine.error_products(p, e, 3, NORMAD), r"neuron 0\.\.3 of events; needs 0\.\.2"),
        (lambda p, e, w: engine.error_products(p, e, 4, NORMAD, floor=-0.1), "error_products: floor: found -0.1"),
        (lambda p, e, w: engine.error_products(p, e, 4, NORMAD, floor=np.nan), "error_products: floor: found nan"),
        (lambda p, e, w: engine.error_products(replace(p, dt=np.nan), e, 4, NORMAD), "error_products: dt: found nan"),
        (lambda p, e, w: engine.error_products(replace(p, size=20), e, 4, NORMAD), "offsets or neurons"),
        (lambda p, e, w: engine.backpropagate(e, w.T, p, NORMAD), r"weights of shape \(4, 30\); needs \(30, neurons"),
        (lambda p, e, w: engine.backpropagate(e, w[:, 0], p, NORMAD), r"weights of shape \(30,\)"),
        (lambda p, e, w: e.normalised(np.ones(3)), r"Events.normalised: norms of shape \(3,\); needs \(300,\)"),
        (lambda p, e, w: e.normalised(np.ones(300), 2.0), "Events.normalised: floor: found 2.0"),
        (lambda p, e, w: Events.at_spikes(p, np.ones(3)), r"Events.at_spikes: values of shape \(3,\)"),
        (lambda p, e, w: Events.from_columns([0], [1, 2], [0], [1]), "columns of 1, 2, 1, 1 entries"),
        (lambda p, e, w: Events.from_columns([0], [1.5], [0], [1]), "step 1.5; needs whole numbers"),
    ],
)
def test_what_does_not_fit_together_is_refused(batch, call, words):
    with pytest.raises(InputError, match=words):
        call(*batch)


def test_columns_in_any_order_are_sorted_and_the_same_instant_may_come_twice():
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
