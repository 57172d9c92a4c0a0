"""HM2-BP against its definition, evaluated pair by pair and step by step."""

import numpy as np
import pytest
import scipy.sparse
from errors_in_tests import raises_input_error
from examples import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from snnlab import cards, engine
from snnlab.data.spikes import SpikeTrains
from snnlab.experiments import EXPERIMENTS
from snnlab.networks.circuit import Circuit, Population, Projection, Receptor, Source
from snnlab.networks.feedforward import feedforward
from snnlab.rules.common.adam import Adam
from snnlab.rules.rule import Batch
from snnlab.rules.spike_count.hm2bp import HM2BP
from snnlab.rules.spike_count.regularisation import Penalty

TAU_M, TAU_S, REFRACTORY = 64.0, 8.0, 3  # steps; after a spike in step k the membrane moves again in step k + 3


def network(
    card="lif_exp", sizes=(12, 9, 4), seed=0, v_th=(3.0, 2.0), t_ref=REFRACTORY, steps=160, samples=5, rate=0.08
):
    rng = np.random.default_rng(seed)
    layers = [
        Population(f"layer{k}", cards.cell(card), size, {"v_th": v_th[k], "t_ref": t_ref * 1e-3})
        for k, size in enumerate(sizes[1:])
    ]
    circuit = feedforward(Source("input", sizes[0]), layers, "synapse", 1e-3)
    weights = {one.name: rng.uniform(-0.6, 1, one.weights.shape) for one in circuit.projections}
    spikes = SpikeTrains.from_dense(rng.random((samples, steps, sizes[0])) < rate, 1e-3)
    return circuit.with_weights(weights), spikes


def psp_of_a_pair(s, t):
    """epsilon(s, t) of the paper: `t` since the input spike, `s` since the end of the refractory period."""
    norm = 1 - TAU_S / TAU_M
    survived = np.exp(-max(t - s, 0) / TAU_S)
    return survived / norm * (np.exp(-min(s, t) / TAU_M) - np.exp(-min(s, t) / TAU_S))


def spsp_by_pairs(pre, post, hold):
    """e_ij as the double sum over pairs of spikes; pre, post are booleans (steps, neurons)."""
    e = np.zeros((pre.shape[1], post.shape[1]))
    for i in range(post.shape[1]):
        released = 0
        for fired in np.flatnonzero(post[:, i]):
            for j in range(pre.shape[1]):
                for arrived in np.flatnonzero(pre[:fired, j]):
                    e[j, i] += psp_of_a_pair(fired - released, fired - arrived)
            released = fired + hold
    return e


def spsp_by_consumption(pre, post, hold, one_step):
    """e_ij step by step: the membrane potential due to input j alone, summed over the spikes of i that reset it.

    `one_step` maps (v, q) over a step.
    """
    steps, inputs = pre.shape
    e = np.zeros((inputs, post.shape[1]))
    for i in range(post.shape[1]):
        v, q, ready = np.zeros(inputs), np.zeros(inputs), 0
        for t in range(steps):
            moved, q = one_step(v, q)
            v = moved if t >= ready else v
            if post[t, i]:
                e[:, i] += v
                ready = t + hold + 1
            q = q + pre[t]
            if post[t, i]:
                v = np.zeros(inputs)
    return e


def euler(v, q):
    return v + (-v / TAU_M + q / TAU_S), q - q / TAU_S


def exact(v, q):
    decay_m, decay_s = np.exp(-1 / TAU_M), np.exp(-1 / TAU_S)
    return v * decay_m + q * (decay_m - decay_s) / (1 - TAU_S / TAU_M), q * decay_s


def products(circuit, spikes, index=0):
    """The engine's e_ij of one sample, layer `index`."""
    responses = engine.run(circuit, {"input": spikes}, precision="float64")
    projection = circuit.projections[index]
    pre = spikes if index == 0 else responses[projection.pre].spikes
    post = responses[projection.post]
    ones = np.ones((1, post.spikes.size))
    return (
        engine.products(projection, pre, post, ones, precision="float64").gradient,
        pre.dense()[0],
        post.spikes.dense()[0],
    )


@pytest.mark.thorough
@settings(max_examples=examples(15))
@given(seed=st.integers(0, 10**6), t_ref=st.integers(0, 6), rate=st.floats(0.01, 0.4), layer=st.integers(0, 1))
def test_spsp_is_the_double_sum_over_pairs_of_spikes(seed, t_ref, rate, layer):
    circuit, spikes = network(seed=seed, t_ref=t_ref, rate=rate, samples=1)
    found, pre, post = products(circuit, spikes, layer)
    assert np.allclose(found, spsp_by_pairs(pre, post, max(0, t_ref - 1)), rtol=1e-10, atol=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(("card", "one_step"), [("lif_exp", exact), ("lif_exp_euler", euler)])
def test_spsp_is_the_potential_due_to_each_input_at_each_spike(card, one_step):
    circuit, spikes = network(card, samples=1, rate=0.2)
    found, pre, post = products(circuit, spikes)
    assert post.sum() > 50
    assert np.allclose(found, spsp_by_consumption(pre, post, REFRACTORY - 1, one_step), rtol=1e-10, atol=1e-10)


@pytest.mark.slow
def test_an_spsp_without_reset_or_refractory_period_differs():
    circuit, spikes = network(samples=1, rate=0.2)
    found, pre, post = products(circuit, spikes)
    without_refractoriness = spsp_by_pairs(pre, post, 0)
    assert np.abs(found - without_refractoriness).max() > 1e-2 * found.max()
    only_last_spike_resets = spsp_by_pairs(pre, post, -len(pre))  # released before time began: never reset
    assert np.abs(found - only_last_spike_resets).max() > 0.1 * found.max()


def test_total_psp_is_the_sum_of_the_potentials_at_the_spikes():
    circuit, spikes = network(samples=1, rate=0.2)
    found, _, _ = products(circuit, spikes)
    response = engine.run(circuit, {"input": spikes}, precision="float64")["layer0"]
    total = (found * circuit.projections[0].weights).sum(axis=0)
    assert np.allclose(total, response.potential[0], rtol=1e-10)


def gradient_by_the_paper(circuit, spikes, labels, rule, fired=None):
    """dE/dw of every projection, sample by sample, from full matrices e_ij and the published special cases.

    fired  population -> Spikes, where they are not those of the circuit alone
    """
    if fired is None:
        responses = engine.run(circuit, {"input": spikes}, precision="float64")
        fired = {name: response.spikes for name, response in responses.items()}
    first, second = circuit.projections
    sums = {one.name: np.zeros(one.weights.shape) for one in circuit.projections}
    for b, label in enumerate(labels):
        trains = [spikes.dense()[b], *(fired[one.post].dense()[b] for one in (first, second))]
        counts = [train.sum(axis=0) for train in trains]
        target = np.where(np.arange(len(counts[2])) == label, rule.target, rule.non_target)
        error = np.where(np.abs(counts[2] - target) <= rule.margin, 0, counts[2] - target)
        delta = error / 2.0
        for k, projection, nu, below in ((1, second, 2.0, 3.0), (0, first, 3.0, None)):
            e = spsp_by_pairs(trains[k], trains[k + 1], REFRACTORY - 1)
            o_pre, o_post = counts[k], counts[k + 1]
            for i in np.flatnonzero(o_post == 0):
                e[:, i] = np.where(o_pre > 0, 0.1, 0.0)
            s = np.zeros(len(o_post))
            down = np.zeros(len(o_pre))
            for i in range(len(o_post)):
                for j in range(len(o_pre)):
                    s[i] += projection.weights[j, i] * (e[j, i] / o_post[i] if o_post[i] else 0.5) / nu
                    ratio = e[j, i] / o_pre[j] if o_pre[j] and o_post[i] else 1.0
                    down[j] += delta[i] * projection.weights[j, i] * ratio
            sums[projection.name] += e * (delta * (1 + s)) / len(labels)
            delta = down / below if below else None
    return sums


@pytest.mark.slow
@pytest.mark.parametrize("quiet", [False, True])
def test_gradients_are_the_papers_with_its_special_cases_for_silent_neurons(quiet):
    circuit, spikes = network(seed=2, rate=0.2)
    circuit = circuit.with_weights({one.name: np.abs(one.weights) for one in circuit.projections})
    if quiet:  # some inputs, hidden and output neurons never fire
        weights = {
            one.name: np.where(np.arange(one.weights.shape[1]) % 3 == 0, -1, 1) * one.weights
            for one in circuit.projections
        }
        circuit = circuit.with_weights(weights)
        dense = spikes.dense()
        dense[:, :, ::4] = False
        spikes = SpikeTrains.from_dense(dense, 1e-3)
    labels = np.array([0, 1, 2, 3, 1])
    rule = HM2BP(precision="float64", margin=1)
    responses = engine.run(circuit, {"input": spikes}, precision="float64")
    for response in responses.values():
        assert (response.counts == 0).any() == quiet
    error = rule.error(responses["layer1"].counts, labels)
    found = rule.gradients(circuit, Batch(spikes, labels), responses, error)
    for name, expected in gradient_by_the_paper(circuit, spikes, labels, rule).items():
        assert np.abs(expected).max() > 1e-3
        assert np.allclose(found[name], expected, rtol=1e-9, atol=1e-10)
    shuffled = gradient_by_the_paper(circuit, spikes, labels[::-1], rule)
    assert not any(np.allclose(found[name], shuffled[name], rtol=1e-3) for name in found)


@pytest.mark.slow
def test_gradients_do_not_depend_on_threads():
    circuit, spikes = network(sizes=(40, 200, 10), samples=13)
    labels = np.arange(13) % 10
    results = []
    rule = HM2BP()
    for count in (1, 2, 7):
        with engine.threads(count):
            responses = engine.run(circuit, {"input": spikes})
            error = rule.error(responses["layer1"].counts, labels)
            results.append(rule.gradients(circuit, Batch(spikes, labels), responses, error))
    for other in results[1:]:
        assert all(np.array_equal(other[name], results[0][name]) for name in other)


def test_the_error_is_zero_only_inside_the_margin():
    rule = HM2BP()
    counts = np.array([[30, 10, 0], [29, 11, 5], [40, 41, 5]])
    assert rule.error(counts, np.array([0, 0, 1])).tolist() == [[0, 0, 0], [-6, 6, 0], [35, 6, 0]]


def test_regularisation_is_added_once_to_the_mean_gradient_of_a_batch():
    """As in the authors' code, where it is added to the sum over a batch divided by the batch."""
    circuit, spikes = network()
    labels = np.array([0, 1, 2, 3, 1])
    seen = {}
    for strength in (0.0, 10.0):

        class Kept(Adam):
            def step(self, state, gradients, rate, strength=strength, **more):
                seen[strength] = {name: gradient.copy() for name, gradient in gradients.items()}

        penalty = Penalty(strength)
        rule = HM2BP(precision="float64", regularisation=penalty, optimiser=Kept())
        state = rule.init(circuit, np.random.default_rng(0))
        rule.step(circuit, state, Batch(spikes, labels))
    for name, weights in state.weights.items():
        assert np.allclose(seen[10.0][name] - seen[0.0][name], penalty.gradient(weights), rtol=1e-6, atol=1e-12)


def test_the_step_has_the_length_of_the_scheduled_learning_rate():
    """Adam's first step changes every weight with a gradient by the learning rate, for any gradient."""
    circuit, spikes = network()
    rule = HM2BP(learning_rate=0.02, precision="float64", optimiser=Adam(epsilon=1e-300))
    for epoch in (1, 9):
        state = rule.init(circuit, np.random.default_rng(0))
        before = {name: weights.copy() for name, weights in state.weights.items()}
        rule.step(circuit, state, Batch(spikes, np.array([0, 1, 2, 3, 1]), epoch))
        for name, weights in state.weights.items():
            moved = np.abs(weights - before[name])
            assert np.allclose(moved[moved > 0], 0.02 / epoch**0.5)


def test_averaged_weights_are_the_mean_of_all_steps_then_an_exponential_average():
    """Compared with averages of a rule without averaging."""
    circuit, spikes = network()
    batch = Batch(spikes, np.array([0, 1, 2, 3, 1]))
    plain, averaging = (HM2BP(learning_rate=0.05, precision="float64", averaging=one) for one in (0.0, 0.75))
    states = [rule.init(circuit, np.random.default_rng(0)) for rule in (plain, averaging)]
    mean = {}
    for step in range(1, 9):
        for rule, state in zip((plain, averaging), states, strict=True):
            rule.step(circuit, state, batch)
        for name, weights in states[0].weights.items():
            keep = min(0.75, (step - 1) / step)
            mean[name] = keep * mean.get(name, 0.0) + (1 - keep) * weights
            assert np.array_equal(states[1].optimizer_state[f"learned:{name}"], weights)
            assert np.allclose(states[1].weights[name], mean[name], rtol=1e-12)
    assert states[0].steps == states[1].steps == 8


def test_empty_batches_and_labels_without_a_neuron_are_refused():
    circuit, spikes = network()
    rule = HM2BP()
    state = rule.init(circuit, np.random.default_rng(0))
    for labels in ([0, 1, 2, 3, 4], [0, 1, -1, 2, 3]):
        with raises_input_error("HM2-BP: batch", "labels 0 to 4" if max(labels) > 3 else "labels -1 to 3", "0 to 3"):
            rule.step(circuit, state, Batch(spikes, np.array(labels)))
    empty = SpikeTrains.from_dense(np.zeros((0, 160, 12), bool), 1e-3)
    with raises_input_error("HM2-BP: batch", "no samples"):
        rule.step(circuit, state, Batch(empty, np.zeros(0, int)))


def test_learning_makes_silent_outputs_fire():
    circuit, spikes = network(sizes=(30, 20, 3), v_th=(3.0, 50.0), samples=6)
    rule = HM2BP(learning_rate=0.05, init_scale=0.3)
    state = rule.init(circuit, np.random.default_rng(1))
    labels = np.array([0, 1, 2, 0, 1, 2])
    state, _ = rule.step(circuit, state, Batch(spikes, labels))
    assert rule.predict(circuit, state, spikes).counts.sum() == 0
    for _ in range(60):
        state, _ = rule.step(circuit, state, Batch(spikes, labels))
    assert (rule.predict(circuit, state, spikes).counts[np.arange(6), labels] > 0).all()


@pytest.mark.slow
def test_circuits_other_than_a_chain_of_linear_cells_are_refused():
    rng = np.random.default_rng(0)
    circuit, spikes = network()
    fork = Circuit(
        circuit.nodes, (*circuit.projections, Projection("input", "layer1", "synapse", np.ones((12, 4)))), 1e-3
    )
    with raises_input_error("HM2-BP", "chain"):
        HM2BP().init(fork, rng)
    within = {one: Projection(one, one, "synapse", np.ones((circuit[one].size,) * 2)) for one in ("layer0", "layer1")}
    with raises_input_error("HM2-BP", "chain"):
        HM2BP().init(Circuit(circuit.nodes, (*circuit.projections, within["layer0"]), 1e-3), rng)
    with raises_input_error("HM2-BP: 'layer1' onto itself"):
        HM2BP().init(Circuit(circuit.nodes, (*circuit.projections, *[within["layer1"]] * 2), 1e-3), rng)
    fixed = HM2BP().init(Circuit(circuit.nodes, (within["layer1"], *circuit.projections), 1e-3), rng)
    assert fixed.weights.keys() == {one.name for one in circuit.projections}
    current = Receptor(cards.synapse("exponential_current"), "soma")
    leaky = Population("layer0", cards.cell("lif"), 3, receptors={"synapse": current})
    with raises_input_error("models/lif.toml", "linear"):
        HM2BP().init(feedforward(Source("input", 2), [leaky], "synapse", 1e-3), rng)
    first = circuit.projections[0]
    sparse = circuit.with_weights({first.name: scipy.sparse.coo_array(first.weights)})
    with raises_input_error(f"projection {first.name!r}", "sparse", "HM2-BP"):
        HM2BP().init(sparse, rng)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("learning_rate", -1.0), ("learning_rate", float("nan")), ("init_scale", 0.0), ("kernel_init_scale", -1.0),
        ("averaging", 1.0), ("margin", -1), ("target", -1), ("non_target", -1),
    ],
)  # fmt: skip
def test_invalid_options_are_refused_by_field(name, value):
    with raises_input_error(f"HM2BP.{name}", value):
        HM2BP(**{name: value})


def test_adam_refuses_a_decay_of_1():
    with raises_input_error("Adam.beta1", 1.0):
        Adam(beta1=1.0)


def test_a_number_of_outputs_other_than_classes_is_refused() -> None:
    circuit = EXPERIMENTS["hm2bp-digits"].network.circuit((8, 8), 5, 1e-3)
    HM2BP().init(circuit, np.random.default_rng(0), 5)
    for classes in (4, 6):
        with raises_input_error("network.outputs", "5 output neurons", f"{classes} classes"):
            HM2BP().init(circuit, np.random.default_rng(0), classes)
