"""Fake spikes of silent label neurons: their times, and the gradient that they give."""

import numpy as np
import pytest
from test_hm2bp import REFRACTORY, network, spsp_by_pairs

from snnlab import engine
from snnlab.rules.rule import Batch
from snnlab.rules.spike_count.fake_spikes import insert_spikes
from snnlab.rules.spike_count.hm2bp import HM2BP


def silent_outputs(**more):
    """A network whose outputs 0 and 3 are silent, its input spikes and its responses."""
    circuit, spikes = network(rate=0.2, **more)
    last = circuit.projections[-1]
    circuit = circuit.with_weights({last.name: np.where(np.arange(4) % 3 == 0, -1, 1) * np.abs(last.weights)})
    return circuit, spikes, engine.run(circuit, {"input": spikes}, precision="float64")


def test_silent_label_neurons_fire_regularly_and_nothing_else_changes():
    _, _, responses = silent_outputs(steps=160)
    output, labels = responses["layer1"], np.array([0, 1, 2, 3, 1])
    assert (output.counts[:, [0, 3]] == 0).all() and (output.counts[:, [1, 2]] > 0).all()
    found, faked = insert_spikes(output, labels, 35)
    expected = output.spikes.dense()
    for sample in (0, 3):
        expected[sample, 4::4, labels[sample]] = True  # floor(160 / 35) = 4
    assert np.array_equal(found.spikes.dense(), expected)
    bits = np.unpackbits(found.raster.view(np.uint8).reshape(5, 160, 8), axis=2, bitorder="little")
    assert np.array_equal(bits[:, :, :4], expected) and not bits[:, :, 4:].any()
    assert np.array_equal(found.counts, expected.sum(axis=1))
    assert np.array_equal(faked, (output.counts == 0) & (labels[:, None] == np.arange(4)))
    assert np.array_equal(found.potential, output.potential)


def test_fake_spikes_keep_the_refractory_period():
    _, _, responses = silent_outputs(steps=30)
    found, _ = insert_spikes(responses["layer1"], np.array([0, 0, 0, 3, 3]), 35)
    assert (np.diff(np.flatnonzero(found.spikes.dense()[0, :, 0])) == REFRACTORY).all()


def test_without_a_silent_label_neuron_nothing_is_inserted():
    _, _, responses = silent_outputs()
    found, faked = insert_spikes(responses["layer1"], np.array([1, 1, 2, 2, 1]), 35)
    assert found is responses["layer1"] and faked is None


@pytest.mark.parametrize("self_term", [True, False])
def test_the_gradient_of_a_silent_label_uses_fake_spikes_and_the_error_of_a_silent_neuron(self_term):
    """For output and hidden weights, by the double sum over pairs of spikes."""
    circuit, spikes, responses = silent_outputs(samples=1)
    labels, nu, below = np.array([0]), 2.0, 3.0
    rule = HM2BP(precision="float64", fake_spikes=True, self_term=self_term)
    error = rule.error(responses["layer1"].counts, labels)
    found = rule.gradients(circuit, Batch(spikes, labels), responses, error)
    assert error[0, 0] == -35
    trains = [spikes.dense()[0], responses["layer0"].spikes.dense()[0], responses["layer1"].spikes.dense()[0].copy()]
    trains[2][4::4, 0] = True
    delta = error[0] / nu
    last = circuit.projections[1]
    expected = gradient(trains[1], trains[2], last.weights, delta, nu, self_term)
    assert np.allclose(found[last.name], expected, rtol=1e-9)
    e, o = spsp_by_pairs(trains[1], trains[2], REFRACTORY - 1), [train.sum(axis=0) for train in trains]
    both = (o[1][:, None] > 0) & (o[2] > 0)
    down = (last.weights * np.where(both, e / np.maximum(o[1], 1)[:, None], 1.0)) @ delta / below
    first = circuit.projections[0]
    expected = gradient(trains[0], trains[1], first.weights, down, below, self_term)
    assert np.allclose(found[first.name], expected, rtol=1e-9)
    plain = HM2BP(precision="float64", self_term=self_term).gradients(circuit, Batch(spikes, labels), responses, error)
    assert not any(np.allclose(found[name], plain[name], rtol=1e-2) for name in found)


def gradient(pre, post, weights, delta, nu, self_term):
    """delta_i e_ij (1 + s_i) with the published constants for silent neurons."""
    e, counts = spsp_by_pairs(pre, post, REFRACTORY - 1), post.sum(axis=0)
    e = np.where(counts > 0, e, np.where(pre.any(axis=0)[:, None], 0.1, 0.0))
    ratio = np.where(counts > 0, e / np.maximum(counts, 1), 0.5)
    return e * delta * (1 + self_term * (weights * ratio).sum(axis=0) / nu)
