"""Products of output spikes with input traces against their double sum over pairs of spikes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Source

TAU_M, TAU_S, STEPS = 64.0, 8.0, 90


def one_layer(pre, post, *, t_ref=3, delay=0, seed=0, samples=3, rate=0.1):
    """A projection, its input and its response; some neurons never fire."""
    rng = np.random.default_rng(seed)
    cell = Population("layer", cards.cell("lif_exp"), post, {"v_th": 2.0, "t_ref": t_ref * 1e-3})
    weights = rng.uniform(-0.5, 1, (pre, post)) * np.sqrt(12 / pre)
    weights[:, ::4] = -1
    projection = Projection("input", "layer", "synapse", weights, f"{delay} ms")
    spikes = SpikeTrains.from_dense(rng.random((samples, STEPS, pre)) < rate * rng.random(pre), 1e-3)
    response = engine.run(Circuit((Source("input", pre), cell), (projection,), 1e-3), {"input": spikes})["layer"]
    return projection, spikes, response


def psp(s, t):
    """epsilon(s, t) of HM2-BP: age `t` of the input spike, `s` steps since the membrane was let go."""
    norm = 1 - TAU_S / TAU_M
    survived = np.exp(-np.maximum(t - s, 0) / TAU_S)
    return survived / norm * (np.exp(-np.minimum(s, t) / TAU_M) - np.exp(-np.minimum(s, t) / TAU_S))


def by_pairs(pre, post, hold, delay):
    """e_ij of one sample; pre, post are booleans (steps, neurons)."""
    e = np.zeros((pre.shape[1], post.shape[1]))
    for i in range(post.shape[1]):
        released = 0
        for fired in np.flatnonzero(post[:, i]):
            arrived, j = np.nonzero(pre[: max(fired - delay, 0)])
            np.add.at(e[:, i], j, psp(fired - released, fired - (arrived + delay)))
            released = fired + hold
    return e


def factors(response, seed=1):
    """Factors of both signs, of which some neurons and a whole sample have zero."""
    rng = np.random.default_rng(seed)
    scale, send = rng.normal(size=(2, *response.counts.shape))
    scale[:, ::3] = 0
    send[:, 1::3] = 0
    scale[1] = send[1] = 0
    return scale, send


@settings(max_examples=examples(12))
@given(
    pre=st.sampled_from([1, 15, 64, 150]),
    post=st.sampled_from([1, 17, 70]),
    t_ref=st.integers(0, 5),
    delay=st.integers(0, 7),
    seed=st.integers(0, 10**6),
)
def test_products_are_the_double_sum_over_pairs_of_spikes(pre, post, t_ref, delay, seed):
    projection, spikes, response = one_layer(pre, post, t_ref=t_ref, delay=delay, seed=seed)
    scale, send = factors(response, seed)
    found = engine.products(projection, spikes, response, scale, send, precision="float64")
    e = [
        by_pairs(before, after, max(0, t_ref - 1), delay)
        for before, after in zip(spikes.dense(), response.spikes.dense(), strict=True)
    ]
    summed = sum(row * one for row, one in zip(scale, e, strict=True))
    sent = [(projection.weights * one) @ row for row, one in zip(send, e, strict=True)]
    assert np.allclose(found.gradient, summed, rtol=1e-10, atol=1e-10)
    assert np.allclose(found.backward, sent, rtol=1e-10, atol=1e-10)


def test_the_comparison_detects_a_missing_delay_and_factors_of_another_sample():
    projection, spikes, response = one_layer(15, 17, delay=4)
    assert len(response.spikes) > 50 and (response.counts == 0).any()
    scale, send = factors(response)
    right = engine.products(projection, spikes, response, scale, send, precision="float64")
    prompt = engine.products(replace(projection, delay="0 ms"), spikes, response, scale, send, precision="float64")
    mixed = engine.products(projection, spikes, response, scale[::-1].copy(), send[::-1].copy(), precision="float64")
    for wrong in (prompt, mixed):
        assert np.abs(wrong.gradient - right.gradient).max() > 0.01 * np.abs(right.gradient).max()
        assert np.abs(wrong.backward - right.backward).max() > 0.01 * np.abs(right.backward).max()


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("pre", [40, 700])
def test_products_do_not_depend_on_the_number_of_threads(pre, precision):
    projection, spikes, response = one_layer(pre, 70, samples=11)
    scale, send = factors(response)
    single = engine.products(projection, spikes, response, scale, send, precision=precision)
    assert np.abs(single.gradient).max() > 0.01
    for threads in (2, 3):
        with engine.threads(threads):
            several = engine.products(projection, spikes, response, scale, send, precision=precision)
        assert np.array_equal(several.gradient, single.gradient)
        assert np.array_equal(several.backward, single.backward)


def test_products_do_not_depend_on_the_order_of_the_inputs():
    """The engine sorts inputs into groups of similar activity."""
    projection, spikes, response = one_layer(150, 20)
    scale, send = factors(response)
    order = np.random.default_rng(2).permutation(150)
    shuffled = replace(projection, weights=projection.weights[order])
    there = SpikeTrains.from_dense(spikes.dense()[:, :, order], 1e-3)
    found = engine.products(projection, spikes, response, scale, send)
    again = engine.products(shuffled, there, response, scale, send)
    assert np.array_equal(again.gradient, found.gradient[order])
    assert np.array_equal(again.backward, found.backward[:, order])


@pytest.mark.parametrize("pre", [15, 700])
def test_a_silent_neuron_has_a_gradient_for_each_input_that_reaches_it(pre):
    projection, spikes, response = one_layer(pre, 30, delay=30, rate=0.02)
    scale, send = factors(response)
    scale[2] = -1  # also of neurons that never fire
    plain = engine.products(projection, spikes, response, scale, send, precision="float64")
    found = engine.products(projection, spikes, response, scale, send, silent=0.25, precision="float64")
    reached = spikes.dense()[:, : STEPS - 30].any(axis=1)
    wanted = 0.25 * reached.T.astype(float) @ np.where(response.counts == 0, scale, 0)
    assert wanted.any() and ((spikes.counts() > 0) & ~reached).any()
    assert np.allclose(found.gradient - plain.gradient, wanted, rtol=1e-12, atol=1e-12)
    assert np.array_equal(found.backward, plain.backward)


def test_products_are_zero_without_spikes_or_factors():
    projection, spikes, response = one_layer(70, 9)
    nothing = np.zeros(response.counts.shape)
    found = engine.products(projection, spikes, response, nothing, nothing)
    assert not found.gradient.any() and not found.backward.any()
    quiet = SpikeTrains.from_dense(np.zeros(spikes.dense().shape, bool), 1e-3)
    found = engine.products(projection, quiet, response, nothing + 1, nothing + 1)
    assert not found.gradient.any() and not found.backward.any()


@pytest.mark.parametrize(("a", "refused"), [("0", False), ("0.5", True)])
def test_a_potential_that_drives_another_variable_is_refused(tmp_path, a, refused):
    """Such a variable depends on the potential before the reset, which two traces do not contain."""
    text = Path(cards.cell("lif_exp").path).read_text(encoding="utf-8")
    text = text.replace("(q + I)/tau_s", "(q + I - w)/tau_s").replace('"exact"', '"euler"')
    text = text.replace("dq/dt", f"dw/dt = ({a}*v - w)/tau_m : 1\ndq/dt", 1)
    card = tmp_path / "adapting.toml"
    card.write_text(text, encoding="utf-8")
    layer = Population("layer", cards.cell(card), 3)
    if refused:
        with raises_input_error("adapting.toml", "v drives"):
            engine.transition(layer, 1e-3)
    else:
        assert engine.transition(layer, 1e-3).shape == (3, 3)
