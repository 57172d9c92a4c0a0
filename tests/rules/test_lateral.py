"""Lateral inhibition of the output against the double sum over pairs of spikes."""

import numpy as np
import pytest
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from test_hm2bp import REFRACTORY, gradient_by_the_paper, network, spsp_by_pairs

from snnlab import engine
from snnlab.networks.circuit import Circuit, Projection
from snnlab.rules.rule import Batch
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.rules.spike_count.lateral import gamma, own_psp


def outputs(*, delay=0.0, **more):
    """A projection of the output to itself, the output's response to some spikes, and its one-step matrix."""
    circuit, spikes = network(**more)
    output = circuit.populations[-1]
    among = Projection(output.name, output.name, "synapse", -(1 - np.eye(output.size)), delay)
    response = engine.run(circuit, {"input": spikes}, precision="float64")[output.name]
    return among, response, engine.transition(output, circuit.dt)


def gamma_by_pairs(fired, label, w0, nu):
    """The paper's factors of one sample (steps, neurons), neuron by neuron and spike by spike."""
    counts = fired.sum(axis=0)
    e = spsp_by_pairs(fired, fired, REFRACTORY - 1)
    factors = []
    for i in range(len(counts)):
        loop = 0.0
        for other in set(range(len(counts))) - {i}:
            gain = 1.0
            for one in (i, other):
                gain *= 1 / nu if counts[one] or one == label else 0.0
            there = e[i, other] / counts[i] if counts[i] and counts[other] else 1.0
            back = e[other, i] / counts[other] if counts[i] and counts[other] else 1.0
            loop += w0**2 * gain * there * back
        factors.append(1 / (1 - loop))
    return factors


@settings(max_examples=examples(15))
@given(seed=st.integers(0, 10**6), t_ref=st.integers(0, 6), rate=st.floats(0.005, 0.3))
def test_the_lateral_spsp_is_the_double_sum_over_pairs_of_spikes(seed, t_ref, rate):
    among, response, transition = outputs(seed=seed, t_ref=t_ref, rate=rate, samples=3)
    found = own_psp(among, response, transition)
    for e, fired in zip(found, response.spikes.dense(), strict=True):
        assert np.allclose(e, spsp_by_pairs(fired, fired, max(0, t_ref - 1)), rtol=1e-9, atol=1e-9)


def test_a_delay_shifts_the_effect_of_spikes():
    among, response, transition = outputs(rate=0.1, delay=4e-3)
    found = own_psp(among, response, transition)[1]
    fired = response.spikes.dense()[1]
    later = np.zeros_like(fired)
    later[4:] = fired[:-4]
    assert np.allclose(found, spsp_by_pairs(later, fired, REFRACTORY - 1), rtol=1e-9)
    assert not np.allclose(found, spsp_by_pairs(fired, fired, REFRACTORY - 1), rtol=1e-2)


def test_the_lateral_spsp_agrees_with_the_engine():
    """The engine sums over the output's spikes as those of another layer."""
    among, response, transition = outputs(rate=0.1, samples=4)
    ones = np.ones(response.counts.shape)
    summed = engine.products(among, response.spikes, response, ones, precision="float64").gradient
    assert np.allclose(own_psp(among, response, transition).sum(axis=0), summed, rtol=1e-10)


@pytest.mark.parametrize("silenced", [(), (1,), (0, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize("w0", [1.0, 0.6])
def test_gamma_is_the_papers_with_its_special_cases_for_silent_neurons(silenced, w0):
    among, response, transition = outputs(rate=0.1, samples=5)
    fired = response.spikes.dense()
    fired[:, :, silenced] = False
    counts, labels = fired.sum(axis=1), np.array([0, 1, 2, 3, 0])
    psp = np.where((counts > 0)[:, :, None] & (counts > 0)[:, None, :], own_psp(among, response, transition), 0.0)
    found = gamma(psp, counts, labels, w0 * among.weights, 8.0)
    expected = [gamma_by_pairs(one, label, w0, 8.0) for one, label in zip(fired, labels, strict=True)]
    assert np.allclose(found, expected, rtol=1e-9)
    assert (found > 1.001).any() == (len(silenced) < 4)


def test_without_lateral_weights_gamma_is_one():
    among, response, transition = outputs(rate=0.1)
    psp = own_psp(among, response, transition)
    assert (gamma(psp, response.counts, np.zeros(5, int), 0 * among.weights, 8.0) == 1).all()


def test_the_diagonal_of_the_weights_does_not_affect_gamma():
    among, response, transition = outputs(rate=0.1)
    psp, labels = own_psp(among, response, transition), np.zeros(5, int)
    expected = gamma(psp, response.counts, labels, among.weights, 8.0)
    assert np.array_equal(gamma(psp, response.counts, labels, among.weights - np.eye(4), 8.0), expected)


def test_gamma_is_positive_and_bounded_for_strong_inhibition():
    among, response, transition = outputs(rate=0.2)
    psp, labels = own_psp(among, response, transition), np.zeros(5, int)
    by_pairs = gamma_by_pairs(response.spikes.dense()[0], 0, 30.0, 8.0)
    assert min(by_pairs) < 0  # what is guarded against
    found = gamma(psp, response.counts, labels, 30.0 * among.weights, 8.0)
    assert ((found >= 1) & (found <= 10 + 1e-12)).all()


@pytest.mark.parametrize("w0", [1.0, 0.0])
def test_gamma_multiplies_the_output_gradient_but_not_the_backpropagated_error(w0):
    """The paper's gradients for the simulated spikes, those of the output times gamma per sample."""
    circuit, spikes = network(seed=2, rate=0.2)
    circuit = circuit.with_weights({one.name: np.abs(one.weights) for one in circuit.projections})
    among = Projection("layer1", "layer1", "synapse", -w0 * (1 - np.eye(4)))
    inhibited = Circuit(circuit.nodes, (*circuit.projections, among), circuit.dt)
    rule, labels = HM2BP(precision="float64", margin=1), np.array([0, 1, 2, 3, 1])
    responses = engine.run(inhibited, {"input": spikes}, precision="float64")
    error = rule.error(responses["layer1"].counts, labels)
    found = rule.gradients(inhibited, Batch(spikes, labels), responses, error)
    expected = {one.name: np.zeros(one.weights.shape) for one in circuit.projections}
    factors = []
    for b, label in enumerate(labels):
        alone = {name: response.spikes.sample(b) for name, response in responses.items()}
        factors.append(gamma_by_pairs(alone["layer1"].dense()[0], label, w0, 2.0))
        for name, one in gradient_by_the_paper(circuit, spikes.sample(b), [label], rule, alone).items():
            expected[name] += one / len(labels) * (factors[-1] if "layer1" in name else 1.0)
    assert (np.min(factors) > 1.01) == (w0 > 0)
    for name, one in expected.items():
        assert np.allclose(found[name], one, rtol=1e-9, atol=1e-10)
