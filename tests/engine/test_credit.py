"""Errors in spike times against their definitions, computed for every step and every synapse."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.integrate
import scipy.linalg
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import engine
from snnlab.data.spikes import SpikeTrains
from snnlab.engine import Events, Kernel, Window

DT = 1e-4
NORMAD = Kernel(tau_1=5e-3, tau_2=1.25e-3, tau_L=1e-3, C=300e-12)
kernels = st.builds(
    Kernel,
    tau_1=st.floats(3e-3, 30e-3),
    tau_2=st.floats(1.1e-3, 2.5e-3),
    tau_L=st.one_of(st.floats(0.2e-3, 0.9e-3), st.floats(31e-3, 50e-3)),
    C=st.floats(1e-12, 1.0),
)
seeds = st.integers(0, 2**32 - 1)


def response(kernel, steps):
    """The potential in each step after a spike, by integrating the equations of current and leak (steps,)."""
    rates = 1 / np.array([kernel.tau_2, kernel.tau_1, kernel.tau_L])
    equations = np.diag(-rates)
    equations[1, 0] = rates[0] - rates[1]
    equations[2, 1] = 1 / kernel.C
    step, state, found = scipy.linalg.expm(equations * DT), np.array([1.0, 0.0, 0.0]), []
    for _ in range(steps):
        found.append(state[2])
        state = step @ state
    return np.array(found)


def filtering(kernel, steps):
    """The matrix that filters a spike train (steps, steps): the effect of step s on step t, 0 for s >= t."""
    lags = np.subtract.outer(np.arange(steps), np.arange(steps))
    return np.where(lags > 0, response(kernel, steps)[np.maximum(lags, 0)], 0.0)


def random_spikes(rng, samples, steps, size, rate=0.05):
    """Random spikes; one neuron and one sample are silent."""
    raster = rng.random((samples, steps, size)) < rate * rng.uniform(0, 2, size)
    raster[:, :, rng.integers(size)] = False
    raster[rng.integers(samples), :, :] &= samples == 1
    return SpikeTrains.from_dense(raster, DT)


def errors(rng, samples, steps, size, count):
    at = (rng.integers(bound, size=count) for bound in (samples, steps, size))
    return Events.from_columns(*at, rng.choice([-1.0, 1.0, 0.3, 0.0], count))


def defined(pre, events, post_size, kernel, normalised, floor):
    """Products and norms from d of all steps (samples, steps, inputs)."""
    d = filtering(kernel, pre.steps) @ pre.dense().astype(float)
    rows = d[events.sample, events.step]
    norms = np.sqrt((rows**2).sum(axis=1))
    products = np.zeros((pre.size, post_size))
    for e, row in enumerate(rows):
        if norms[e] > floor * norms[events.sample == events.sample[e]].mean() and norms[e] > 0:
            products[:, events.neuron[e]] += events.value[e] * row / (norms[e] if normalised else 1)
    return products, norms


def close(found, wanted, tolerance=1e-12):
    return np.abs(found - wanted).max(initial=0) <= tolerance * np.abs(wanted).max(initial=0)


# Kernel ---------------------------------------------------------------------------------------------------------------


@given(kernel=kernels, t=st.floats(1e-5, 50e-3))
def test_the_kernel_is_the_current_through_the_leak(kernel, t):
    def through(s):
        alpha = np.exp(-s / kernel.tau_1) - np.exp(-s / kernel.tau_2)
        return alpha * np.exp(-(t - s) / kernel.tau_L) / kernel.C

    wanted = scipy.integrate.quad(through, 0, t, epsrel=1e-10, limit=200)[0]
    assert kernel.at(t) == pytest.approx(wanted, rel=1e-7, abs=1e-9 * 1e-3 / kernel.C)


def test_the_kernel_starts_at_0_with_slope_0():
    assert NORMAD.at([-1e-3, 0.0]).tolist() == [0, 0]
    # alpha(t) grows as t (1/tau_2 - 1/tau_1), so that the potential grows as t**2/2 of that, over C
    assert NORMAD.at(1e-7) == pytest.approx(1e-14 / 2 * 600 / 300e-12, rel=1e-3)


@pytest.mark.parametrize(
    ("wrong", "name", "values"),
    [
        ({"tau_L": 0.0}, "tau_L", ["0.0"]),
        ({"C": float("nan")}, "C", ["nan"]),
        ({"tau_2": 1e-3}, "tau_2", ["0.001 s", "tau_L", "0.1%"]),
        ({"tau_L": 5.001e-3}, "tau_1", ["0.005 s", "tau_L is 0.005001 s"]),
        ({"tau_1": 1.25e-3}, "tau_1", ["0.00125 s", "tau_2 is 0.00125 s"]),
        ({"tau_1": 1.1e-3}, "tau_1", ["0.0011 s", "tau_2"]),
    ],
)
def test_invalid_kernels_are_refused(wrong, name, values):
    with raises_input_error(f"Kernel: {name}", *values):
        replace(NORMAD, **wrong)


# Against the definitions ----------------------------------------------------------------------------------------------


@settings(max_examples=examples(60))
@given(
    kernel=kernels,
    seed=seeds,
    samples=st.integers(1, 11),
    steps=st.integers(1, 130),
    size=st.sampled_from([1, 7, 8, 41]),
    post=st.integers(1, 5),
    # beyond 64 instants in a sample their potentials are worked out in several parts
    count=st.sampled_from([0, 1, 10, 90, 400]),
    normalised=st.booleans(),
    floor=st.sampled_from([0.0, 0.01, 0.5, 1.0]),
)
def test_products_are_the_sum_over_errors(kernel, seed, samples, steps, size, post, count, normalised, floor):
    rng = np.random.default_rng(seed)
    pre, events = random_spikes(rng, samples, steps, size), errors(rng, samples, steps, post, count)
    found, norms = engine.error_products(pre, events, post, kernel, normalised=normalised, floor=floor)
    wanted, lengths = defined(pre, events, post, kernel, normalised, 0 if floor == 1 else floor)
    assert close(norms, lengths, 1e-11)
    if floor < 1:  # where norms are equal, rounding would decide
        assert close(found, wanted, 1e-10 if normalised else 1e-11)


@settings(max_examples=examples(60))
@given(
    kernel=kernels,
    seed=seeds,
    samples=st.integers(1, 6),
    steps=st.integers(1, 130),
    size=st.sampled_from([1, 7, 20]),
    post=st.sampled_from([1, 8, 19]),
    count=st.integers(0, 100),
)
def test_backpropagation_is_the_sum_over_later_errors(kernel, seed, samples, steps, size, post, count):
    rng = np.random.default_rng(seed)
    pre, events = random_spikes(rng, samples, steps, size, 0.1), errors(rng, samples, steps, post, count)
    weights = rng.normal(size=(size, post))
    found = engine.backpropagate(events, weights, pre, kernel)
    dense = np.zeros((samples, steps, post))
    np.add.at(dense, (events.sample, events.step, events.neuron), events.value)
    to_come = (filtering(kernel, steps).T @ dense) @ weights.T
    assert close(found, to_come[pre.events()], 1e-11)


def one_batch():
    """Spikes, errors of the layer after them, and the weights between."""
    rng = np.random.default_rng(3)
    return random_spikes(rng, 11, 200, 30), errors(rng, 11, 200, 4, 300), rng.normal(size=(30, 4))


@pytest.fixture
def batch():
    return one_batch()


def test_the_comparison_detects_another_time_constant_and_a_shift_of_one_step(batch):
    pre, events, weights = batch
    products, _ = engine.error_products(pre, events, 4, NORMAD)
    sent = engine.backpropagate(events, weights, pre, NORMAD)
    other = replace(NORMAD, tau_L=1.5e-3)
    assert not close(engine.error_products(pre, events, 4, other)[0], products, 0.01)
    assert not close(engine.backpropagate(events, weights, pre, other), sent, 0.01)
    late = replace(events, step=np.minimum(events.step + 1, 199))
    assert not close(engine.error_products(pre, late, 4, NORMAD)[0], products, 0.01)
    assert not close(engine.backpropagate(late, weights, pre, NORMAD), sent, 0.01)


def test_a_spike_has_no_effect_on_an_error_in_its_own_step():
    pre = SpikeTrains.from_events([0], [5], [0], samples=1, steps=20, size=1, dt=DT)
    for step, reached in ((4, False), (5, False), (6, True)):
        events = Events.from_columns([0], [step], [0], [1.0])
        products, norms = engine.error_products(pre, events, 1, NORMAD)
        assert norms[0] == pytest.approx(float(NORMAD.at(DT)) if reached else 0, rel=1e-10)
        assert products[0, 0] == (1 if reached else 0)
        sent = engine.backpropagate(events, np.ones((1, 1)), pre, NORMAD)
        assert sent[0] == pytest.approx(float(NORMAD.at(DT)) if reached else 0, rel=1e-10)


def windowed(tau, steps):
    """The matrix that filters a train by exp(-t/tau), in the steps after a spike (steps, steps)."""
    lags = np.subtract.outer(np.arange(steps), np.arange(steps))
    return np.where(lags > 0, np.exp(-np.maximum(lags, 0) * DT / tau), 0.0)


@settings(max_examples=examples(60))
@given(
    tau=st.floats(0.2e-3, 1.0),
    seed=seeds,
    samples=st.integers(1, 6),
    steps=st.integers(1, 130),
    size=st.sampled_from([1, 7, 20]),
    post=st.sampled_from([1, 8, 19]),
    count=st.sampled_from([0, 1, 10, 90, 400]),
    normalised=st.booleans(),
)
def test_a_window_is_a_single_exponential_after_each_spike(tau, seed, samples, steps, size, post, count, normalised):
    rng = np.random.default_rng(seed)
    pre, events = random_spikes(rng, samples, steps, size, 0.1), errors(rng, samples, steps, post, count)
    d = windowed(tau, steps) @ pre.dense().astype(float)
    rows = d[events.sample, events.step]
    norms = np.sqrt((rows**2).sum(axis=1))
    share = np.divide(1, norms, out=np.zeros(count), where=norms > 0) if normalised else np.ones(count)
    wanted = np.zeros((size, post))
    np.add.at(wanted.T, events.neuron, (events.value * share)[:, None] * rows)
    found, lengths = engine.error_products(pre, events, post, Window(tau), normalised=normalised)
    assert close(lengths, norms, 1e-11) and close(found, wanted, 1e-10)
    weights = rng.normal(size=(size, post))
    dense = np.zeros((samples, steps, post))
    np.add.at(dense, (events.sample, events.step, events.neuron), events.value)
    to_come = (windowed(tau, steps).T @ dense) @ weights.T
    assert close(engine.backpropagate(events, weights, pre, Window(tau)), to_come[pre.events()], 1e-11)


def test_a_window_excludes_its_own_step_and_depends_on_its_time_constant(batch):
    """In step 6 a spike of step 5 has faded by exp(-dt/tau); in step 5 it is not there, for all that exp(0) is 1."""
    pre = SpikeTrains.from_events([0], [5], [0], samples=1, steps=20, size=1, dt=DT)
    for step, wanted in ((4, 0.0), (5, 0.0), (6, np.exp(-0.1)), (15, np.exp(-1.0))):
        events = Events.from_columns([0], [step], [0], [1.0])
        found, _ = engine.error_products(pre, events, 1, Window(1e-3), normalised=False)
        assert found[0, 0] == pytest.approx(wanted, rel=1e-12)
        assert engine.backpropagate(events, np.ones((1, 1)), pre, Window(1e-3))[0] == pytest.approx(wanted, rel=1e-12)
    pre, events, _ = batch
    one, other = (engine.error_products(pre, events, 4, Window(tau), normalised=False)[0] for tau in (5e-3, 5.5e-3))
    assert not close(one, other, 0.01)


@pytest.mark.parametrize("tau", [0.0, -1e-3, float("inf"), float("nan")])
def test_invalid_windows_are_refused(tau):
    with raises_input_error("Window: tau", tau, "above 0"):
        Window(tau)


# The two forms of the multilayer rule ---------------------------------------------------------------------------------


def direct(trains, weights, eps, filters):
    """Form 1: every synapse's own trace D, passed on through the layers above; changes from the first layer on.

    trains   of input and hidden layers, (steps, neurons) each
    weights  between hidden layers and to the outputs
    eps      normalised errors (steps, outputs)
    """
    changes = []
    for layer in range(1, len(trains)):
        d = filters @ trains[layer - 1]
        # (steps, from input j, through neuron i of this layer, at neuron k of a layer above)
        own = np.einsum("ti,tj->tji", trains[layer], d)
        reach = np.einsum("st,tji,ik->sjik", filters, own, weights[layer - 1])
        for above, passed in zip(trains[layer + 1 :], weights[layer:], strict=True):
            reach = np.einsum("st,tk,tjik,kl->sjil", filters, above, reach, passed)
        changes.append(np.einsum("tk,tjik->ji", eps, reach))
    return changes


def backwards(layers, weights, events, kernel):
    """Form 2: errors sent back from layer to layer; changes of all layers, from the first on."""
    changes, norms = engine.error_products(layers[-1], events, weights[-1].shape[1], kernel)
    found, events = [changes], events.normalised(norms)
    for below, layer, weight in zip(layers[-2::-1], layers[:0:-1], weights[::-1], strict=True):
        events = Events.at_spikes(layer, engine.backpropagate(events, weight, layer, kernel))
        found.append(engine.error_products(below, events, layer.size, kernel, normalised=False)[0])
    return found[::-1]


@settings(max_examples=examples(30))
@given(kernel=kernels, seed=seeds, depth=st.sampled_from([2, 3]), samples=st.integers(1, 3))
def test_both_forms_of_the_multilayer_rule_agree(kernel, seed, depth, samples):
    rng = np.random.default_rng(seed)
    steps, sizes, outputs = 60, rng.integers(2, 7, depth), 3
    layers = [SpikeTrains.from_dense(rng.random((samples, steps, size)) < 0.1, DT) for size in sizes]
    weights = [rng.normal(size=shape) for shape in zip(sizes[1:], [*sizes[2:], outputs], strict=True)]
    events = errors(rng, samples, steps, outputs, 25)
    found = backwards(layers, weights, events, kernel)
    products, norms = defined(layers[-1], events, outputs, kernel, True, 0)
    assert close(found[-1], products, 1e-10)
    eps = np.zeros((samples, steps, outputs))
    np.add.at(eps, (events.sample, events.step, events.neuron), events.normalised(norms).value)
    filters = filtering(kernel, steps)
    wanted = [
        direct([layer.dense()[b].astype(float) for layer in layers], weights, eps[b], filters) for b in range(samples)
    ]
    for change, parts in zip(found[:-1], zip(*wanted, strict=True), strict=True):
        assert close(change, np.sum(parts, axis=0), 1e-12)


def test_the_two_forms_differ_if_the_kernels_differ(batch):
    pre, events, weights = batch
    hidden = random_spikes(np.random.default_rng(8), 11, 200, 30)
    right = backwards([pre, hidden], [weights], events, NORMAD)[0]
    wrong = backwards([pre, hidden], [weights], events, replace(NORMAD, tau_2=1.3e-3))[0]
    assert np.abs(right).max() > 0
    assert not close(wrong, right, 0.01)


# Floor, batches, threads ----------------------------------------------------------------------------------------------


def test_events_with_norms_below_the_floor_do_not_count():
    """An error one step after the very first spike, and others amid many."""
    rng = np.random.default_rng(0)
    raster = rng.random((1, 400, 50)) < 0.02
    raster[:, :100] = False
    raster[0, 20, 3] = True
    pre = SpikeTrains.from_dense(raster, DT)
    events = Events.from_columns([0] * 4, [21, 200, 300, 399], [0] * 4, [1.0] * 4)
    all_, norms = engine.error_products(pre, events, 1, NORMAD)
    some, again = engine.error_products(pre, events, 1, NORMAD, floor=0.01)
    assert norms[0] < 0.01 * norms.mean() < norms[1:].min() and np.array_equal(norms, again)
    first = np.zeros((50, 1))
    first[3] = 1  # a step of full length, along the only input that has fired
    assert np.allclose(all_ - some, first, rtol=0, atol=1e-12)
    assert events.normalised(norms, 0.01).value.tolist() == [0, *(1 / norms[1:])]
    assert events.normalised(norms).value[0] == 1 / norms[0]


@pytest.mark.parametrize("count", [30, 500])
def test_the_floor_is_relative_to_the_mean_norm_of_a_sample(count):
    rng = np.random.default_rng(4)
    # louder and louder, so that a mean over some of the errors would be another one
    pre = SpikeTrains.from_dense(rng.random((2, 300, 20)) < np.linspace(0, 0.2, 300)[:, None], DT)
    events = errors(rng, 2, 300, 3, count)
    found, norms = engine.error_products(pre, events, 3, NORMAD, floor=0.8)
    assert close(found, defined(pre, events, 3, NORMAD, True, 0.8)[0], 1e-11)
    assert not close(found, defined(pre, events, 3, NORMAD, True, 0.6)[0], 0.01)
    own = [norms[events.sample == b].mean() for b in range(2)]
    assert np.array_equal(
        events.normalised(norms, 0.8).value != 0, (norms > 0.8 * np.take(own, events.sample)) & (events.value != 0)
    )


@pytest.mark.parametrize("floor", [0.0, 0.3])
@pytest.mark.parametrize("count", [100, 3000])
def test_a_batch_is_the_sum_of_its_samples(count, floor):
    rng = np.random.default_rng(1)
    pre, events = random_spikes(rng, 13, 150, 30), errors(rng, 13, 150, 4, count)
    products, norms = engine.error_products(pre, events, 4, NORMAD, floor=floor)
    total, lengths = np.zeros_like(products), []
    for b in range(13):
        own = events.sample == b
        columns = (events.step[own], events.neuron[own], events.value[own])
        one = Events.from_columns(np.zeros(own.sum()), *columns)
        part, length = engine.error_products(pre.sample(b), one, 4, NORMAD, floor=floor)
        total += part
        lengths.extend(length)
    assert np.array_equal(norms, lengths)
    assert close(products, total, 1e-12)


def test_results_do_not_depend_on_the_number_of_threads(batch):
    pre, events, weights = batch

    def results(threads):
        with engine.threads(threads):
            products, norms = engine.error_products(pre, events, 4, NORMAD, floor=0.01)
            return products, norms, engine.backpropagate(events, weights, pre, NORMAD)

    first = results(1)
    assert np.abs(first[0]).max() > 0 and np.abs(first[2]).max() > 0
    for threads in (2, 3, 16):
        assert all(np.array_equal(one, other) for one, other in zip(results(threads), first, strict=True))


def test_a_wide_layer_whose_batch_is_not_divided():
    rng = np.random.default_rng(2)
    pre, events = random_spikes(rng, 9, 40, 3000, 0.01), errors(rng, 9, 40, 3000, 20)
    products, _ = engine.error_products(pre, events, 3000, NORMAD, normalised=False)
    wanted, _ = defined(pre, events, 3000, NORMAD, False, 0)
    assert np.abs(wanted).max() > 0 and close(products, wanted, 1e-11)


def test_without_spikes_or_errors_results_are_zero(batch):
    pre, events, weights = batch
    quiet = SpikeTrains.from_dense(np.zeros((11, 200, 30), bool), DT)
    products, norms = engine.error_products(quiet, events, 4, NORMAD)
    assert not products.any() and not norms.any() and products.shape == (30, 4)
    assert engine.backpropagate(events, weights, quiet, NORMAD).shape == (0,)
    none = Events.from_columns([], [], [], [])
    products, norms = engine.error_products(pre, none, 4, NORMAD, floor=0.5)
    assert not products.any() and norms.shape == (0,)
    assert not engine.backpropagate(none, weights, pre, NORMAD).any()
    assert len(none.normalised(norms)) == 0
