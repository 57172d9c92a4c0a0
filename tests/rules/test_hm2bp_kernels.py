"""HM2-BP with convolutions, against the same network with one weight per synapse."""

from dataclasses import replace

import numpy as np
import pytest

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.networks.circuit import Circuit, Population, Projection, Source
from snnlab.networks.weights import Convolution, Pooling, sparse
from snnlab.rules.rule import Batch
from snnlab.rules.spike_count.hm2bp import HM2BP


def convolved(kernels, rng):
    """7 x 7 pixels, two maps of 5 x 5 pooled to 2 x 2, and three outputs."""
    sizes = {"maps": 50, "pooled": 8, "output": 3}
    layers = [
        Population(name, cards.cell("lif_exp"), size, {"v_th": v_th, "t_ref": 2e-3})
        for (name, size), v_th in zip(sizes.items(), (1.5, 1.0, 2.0), strict=True)
    ]
    weights = [Convolution(kernels, (7, 7)), Pooling((5, 5, 2), 2), rng.uniform(-0.5, 1.5, (8, 3)) * [1, 1, -1]]
    names = ["input", *sizes]
    steps = [Projection(*ends, "synapse", one) for *ends, one in zip(names, names[1:], weights, strict=False)]
    return Circuit((Source("input", 49), *layers), tuple(steps), 1e-3)


def test_initial_weights_are_within_their_scale_and_pooling_has_none():
    rng = np.random.default_rng(0)
    circuit = convolved(np.zeros((3, 3, 1, 2)), rng)
    state = HM2BP(init_scale=1.0, kernel_init_scale=0.25).init(circuit, rng)
    kernels, full = state.weights.pop("input->maps.synapse"), state.weights.pop("pooled->output.synapse")
    assert not state.weights
    assert (kernels.shape, full.shape) == ((3, 3, 1, 2), (8, 3))
    assert 0.2 < np.abs(kernels).max() <= 0.25 and 0.8 < np.abs(full).max() <= 1.0


@pytest.mark.parametrize("margin", [0, 1000])
def test_kernels_learn_if_no_silent_neuron_has_an_error(margin):
    """With all counts within the margin nothing changes; if every neuron fires, everything changes."""
    rng = np.random.default_rng(5)
    circuit = convolved(np.zeros((3, 3, 1, 2)), rng)
    rule = HM2BP(margin=margin)
    state = rule.init(circuit, rng)
    for values in state.weights.values():
        values[:] = 1 + rng.random(values.shape)
    before = {name: values.copy() for name, values in state.weights.items()}
    spikes = SpikeTrains.from_dense(rng.random((4, 60, 49)) < 0.3, 1e-3)
    assert all(one.counts.all() for one in engine.run(circuit.with_weights(before), {"input": spikes}).values())
    rule.step(circuit, state, Batch(spikes, np.zeros(4, dtype=np.int64)))
    for name, values in state.weights.items():
        assert (values == before[name]).all() == bool(margin)


@pytest.mark.parametrize("fake_spikes", [False, True])
def test_the_kernel_gradient_is_the_sum_over_the_synapses_that_share_it(fake_spikes):
    """The same network with one weight per connected pair of neurons."""
    rng = np.random.default_rng(4)
    circuit = convolved(rng.uniform(-0.4, 0.9, (3, 3, 1, 2)), rng)
    bright = rng.random((6, 1, 49)) < 0.3
    spikes = SpikeTrains.from_dense(bright & (rng.random((6, 120, 49)) < 0.1), 1e-3)
    labels = np.array([0, 1, 2, 0, 1, 2])
    every = [replace(one, weights=sparse(one.weights).toarray()) for one in circuit.projections]
    one_by_one = replace(circuit, projections=tuple(every))
    rule, found = HM2BP(precision="float64", margin=0, fake_spikes=fake_spikes), []
    for wired in (circuit, one_by_one):
        responses = engine.run(wired, {"input": spikes}, precision="float64")
        assert all((one.counts == 0).any() and one.counts.any() for one in responses.values())
        error = rule.error(responses["output"].counts, labels)
        found.append(rule.gradients(wired, Batch(spikes, labels), responses, error))
    shared, full = found
    assert shared.keys() == {"input->maps.synapse", "pooled->output.synapse"}
    assert np.allclose(shared["pooled->output.synapse"], full["pooled->output.synapse"], rtol=1e-9)
    which = sparse(Convolution(np.arange(18).reshape(3, 3, 1, 2), (7, 7)))
    expected = np.bincount(which.data, full["input->maps.synapse"][which.coords], minlength=18)
    assert np.abs(expected).min() > 1e-3
    assert np.allclose(shared["input->maps.synapse"].ravel(), expected, rtol=1e-9)
